//! Two sites in one process: a gateway each, joined by memory links, and hosts that are the far
//! ends of the links.

#![allow(dead_code, reason = "each test binary uses the part that it needs")]

use std::net::Ipv4Addr;
use std::sync::Arc;

use esp::{InboundSa, Keys, OutboundSa, Suite};
use ipnet::Ipv4Net;
use pipeline::{Event, EventRing, Worker, WorkerId};
use port::memory::MemoryPort;
use port::{FramePool, Umem, UmemConfig};
use tables::counters::{TunnelCounters, WorkerCounters};
use tables::publish::Publisher;
use tables::{
    ClearKind, ClearTunnels, DropReason, Fib, InboundEntry, Neighbour, Nexthop, NexthopId,
    Nexthops, OuterRules, PortEntry, PortId, Protection, Rewrite, Role, Route, Sad, Selectors,
    Tables, Tunnel, TunnelId,
};
use wire::ethernet::Mac;
use wire::icmp::Icmp;
use wire::ipv4::Ipv4;
use wire::{checksum, protocol};
use zerocopy::IntoBytes;

pub const LAN: PortId = PortId(0);
pub const WAN: PortId = PortId(1);
pub const GW_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
pub const HOST_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);
pub const A_OUTER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
pub const B_OUTER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
pub const A_LAN: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
pub const B_LAN: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);
pub const A_HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
pub const B_HOST: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 2);

/// What the two sites are joined by.
#[derive(Clone, Copy, Debug)]
pub enum Join {
    /// ESP tunnel mode with the sites' subnets as selectors.
    Policy(Suite),
    /// ESP tunnel mode, any to any.
    Vti(Suite),
    /// GRE in clear.
    Gre,
}

/// A gateway with a LAN host and an underlay peer at the far ends of its links.
pub struct Site {
    pub worker: Worker<MemoryPort>,
    pub host: MemoryPort,
    pub peer: MemoryPort,
    pub pool: FramePool,
    pub counters: Arc<WorkerCounters>,
    pub events: Arc<EventRing>,
    pub publisher: Publisher,
    now_ns: u64,
}

pub fn umem() -> &'static Umem {
    Umem::heap(UmemConfig { chunk_size: 16_384, chunks: 2048, headroom: 128 }).unwrap()
}

/// The tables of site A, or of site B when `mirrored`.
pub fn tables(join: Join, esn: bool, mirrored: bool) -> Tables {
    let (local, remote) = if mirrored { (B_OUTER, A_OUTER) } else { (A_OUTER, B_OUTER) };
    let (lan, net, far) = if mirrored {
        (B_LAN, "10.2.0.0/24", "10.1.0.0/24")
    } else {
        (A_LAN, "10.1.0.0/24", "10.2.0.0/24")
    };
    let (net, far): (Ipv4Net, Ipv4Net) = (net.parse().unwrap(), far.parse().unwrap());
    let port = |name: &str, role, address| PortEntry {
        name: name.into(),
        role,
        mac: Some(GW_MAC),
        mtu: 1500,
        address: Some(address),
        up: true,
    };
    let hop = |port, address| Nexthop { port, address, neighbour: Neighbour::Resolved(HOST_MAC) };
    let host = if mirrored { B_HOST } else { A_HOST };
    let sas = suite_of(join).map(|suite| sa_pair(suite, esn, mirrored));
    let mut tunnel = Tunnel {
        name: "join".into(),
        rewrite: match join {
            Join::Gre => Rewrite::gre(local, remote, OuterRules::default()),
            _ => Rewrite::esp(local, remote, OuterRules::default()),
        },
        protection: match &sas {
            Some((out, _)) => Protection::Esp(Some(Arc::clone(out))),
            None => Protection::Clear,
        },
        selectors: matches!(join, Join::Policy(_)).then(|| Selectors::new(&[net], &[far])),
        egress: Some(NexthopId(0)),
        mtu: 0,
        address: Some(lan),
        counters: Arc::new(TunnelCounters::default()),
    };
    tunnel.mtu = tunnel.inner_mtu(1500);
    let inbound = sas.map(|(_, sa)| InboundEntry { sa, tunnel: TunnelId(0), remote, local });
    let clear = matches!(join, Join::Gre).then_some((ClearKind::Gre, local, remote, TunnelId(0)));
    Tables {
        ports: [port("lan", Role::Inside, lan), port("wan", Role::Outside, local)].into(),
        fib: Arc::new(Fib::build([
            (net, Route::Connected(LAN)),
            (far, Route::Tunnel(TunnelId(0))),
            (lan.into(), Route::Local),
            (local.into(), Route::Local),
        ])),
        nexthops: Arc::new(Nexthops::build(vec![hop(WAN, remote), hop(LAN, host)])),
        tunnels: [tunnel].into(),
        sad: Arc::new(Sad::build(inbound.into_iter().collect())),
        clear_tunnels: Arc::new(ClearTunnels::build(clear)),
    }
}

pub fn suite_of(join: Join) -> Option<Suite> {
    match join {
        Join::Policy(suite) | Join::Vti(suite) => Some(suite),
        Join::Gre => None,
    }
}

/// Outbound and inbound SA of one side; the other side has them the other way round.
pub fn sa_pair(suite: Suite, esn: bool, mirrored: bool) -> (Arc<OutboundSa>, Arc<InboundSa>) {
    let key = |seed: u8, len: usize| (0..len).map(|n| seed ^ n as u8).collect::<Vec<_>>();
    let keys = |seed| {
        (key(seed, suite.encryption_key_len()), key(seed ^ 0x55, suite.authentication_key_len()))
    };
    let (ours, theirs) = if mirrored { (2, 1) } else { (1, 2) };
    let (out, inbound) = (keys(ours), keys(theirs));
    let as_keys = |(encryption, authentication)| Keys { encryption, authentication };
    let sealing = as_keys((&out.0[..], &out.1[..]));
    let opening = as_keys((&inbound.0[..], &inbound.1[..]));
    let sa = OutboundSa::new(0x1000 + u32::from(ours), suite, sealing, esn, [ours; 32]).unwrap();
    let other = InboundSa::new(0x1000 + u32::from(theirs), suite, opening, esn, 1024).unwrap();
    (Arc::new(sa), Arc::new(other))
}

impl Site {
    pub fn new(umem: &'static Umem, tables: Tables) -> Self {
        let publisher = Publisher::new(tables);
        let (lan, host) = MemoryPort::link(umem, 1024);
        let (wan, peer) = MemoryPort::link(umem, 1024);
        let counters = Arc::new(WorkerCounters::new(2));
        let events = Arc::new(EventRing::new(64));
        let worker = Worker::new(
            WorkerId { index: 0, of: 1 },
            vec![lan, wan],
            umem.pool(256),
            publisher.reader(),
            Arc::clone(&counters),
            Arc::clone(&events),
        );
        let pool = umem.pool(64);
        Self { worker, host, peer, pool, counters, events, publisher, now_ns: 1 }
    }

    /// Site A of a join.
    pub fn a(join: Join) -> Self {
        Self::new(umem(), tables(join, false, false))
    }

    /// Site B of a join.
    pub fn b(join: Join) -> Self {
        Self::new(umem(), tables(join, false, true))
    }

    /// Turns until there is nothing to do.
    pub fn settle(&mut self) {
        while self.worker.turn(self.now_ns) > 0 {}
    }

    pub fn advance(&mut self, ns: u64) {
        self.now_ns += ns;
    }

    /// Sends an IP packet from the LAN host and gives what comes out at the underlay side.
    pub fn host_sends(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        assert!(self.host.send(&mut self.pool, &frame(packet)));
        self.settle();
        self.at_peer()
    }

    /// Sends an IP packet from the underlay and gives what comes out at the LAN side.
    pub fn peer_sends(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        assert!(self.peer.send(&mut self.pool, &frame(packet)));
        self.settle();
        self.at_host()
    }

    /// IP packets that left toward the underlay.
    pub fn at_peer(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.peer.receive(&mut self.pool)).map(unframe).collect()
    }

    /// IP packets that left toward the LAN host.
    pub fn at_host(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.host.receive(&mut self.pool)).map(unframe).collect()
    }

    pub fn drops(&self, reason: DropReason) -> u64 {
        self.counters.drops(reason)
    }

    /// Asserts that exactly these packets were dropped, for exactly these reasons.
    pub fn assert_drops(&self, expected: &[(DropReason, u64)]) {
        let found: Vec<_> = DropReason::ALL
            .iter()
            .map(|reason| (*reason, self.drops(*reason)))
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(found, expected);
    }

    pub fn requests(&self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.pop()).collect()
    }

    /// Publishes changed tables.
    pub fn change(&mut self, change: impl FnOnce(&mut Tables)) {
        let mut tables = Tables::clone(&self.publisher.newest());
        change(&mut tables);
        self.publisher.publish(tables);
    }
}

/// An Ethernet frame to the gateway around an IP packet.
pub fn frame(packet: &[u8]) -> Vec<u8> {
    [&GW_MAC.0[..], &HOST_MAC.0, &[0x08, 0x00], packet].concat()
}

fn unframe(frame: Vec<u8>) -> Vec<u8> {
    assert_eq!(frame[..14], [&HOST_MAC.0[..], &GW_MAC.0, &[0x08, 0x00]].concat());
    frame[14..].to_vec()
}

/// A UDP-numbered packet of `len` bytes in all, at least 20, with a payload that says who it is.
pub fn packet(source: Ipv4Addr, destination: Ipv4Addr, len: usize) -> Vec<u8> {
    let mut header = Ipv4::new(source, destination, protocol::UDP, (len - Ipv4::LEN) as u16);
    header.id.set(len as u16);
    header.fill_checksum();
    let payload = (0..len - Ipv4::LEN).map(|n| (n * 7) as u8);
    header.as_bytes().iter().copied().chain(payload).collect()
}

/// The packet with its header changed and the checksum made right again.
pub fn with_header(mut packet: Vec<u8>, change: impl FnOnce(&mut Ipv4)) -> Vec<u8> {
    let header_len = usize::from(packet[0] & 15) * 4;
    let (header, _) = zerocopy::Ref::<_, Ipv4>::from_prefix(&mut packet[..]).unwrap();
    let header = zerocopy::Ref::into_mut(header);
    change(header);
    header.checksum.set(0);
    let sum = checksum::of(&packet[..header_len]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// What the packet looks like after one more hop.
pub fn one_hop_later(packet: &[u8]) -> Vec<u8> {
    with_header(packet.to_vec(), |header| header.ttl -= 1)
}

/// An echo request.
pub fn echo(source: Ipv4Addr, destination: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let mut icmp =
        Icmp { kind: 8, code: 0, checksum: 0.into(), id: 7.into(), next_hop_mtu: 1.into() };
    let sum = checksum::of(&[icmp.as_bytes(), payload].concat());
    icmp.checksum.set(sum);
    let len = (Icmp::LEN + payload.len()) as u16;
    let ip = Ipv4::new(source, destination, protocol::ICMP, len);
    [ip.as_bytes(), icmp.as_bytes(), payload].concat()
}

/// The IPv4 header of a packet that must be sound.
pub fn header(packet: &[u8]) -> Ipv4 {
    let (header, _, total_len) = Ipv4::parse(packet).unwrap();
    assert_eq!(total_len, packet.len());
    *header
}
