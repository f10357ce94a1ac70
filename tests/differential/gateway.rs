//! The real worker between two memory links, with one tunnel under ESP.

use std::{iter, net::Ipv4Addr, sync::Arc};

use esp::{InboundSa, Keys, OutboundSa};
use ipnet::IpNet;
use pipeline::{Rings, Worker, WorkerId};
use port::{FramePool, Umem, UmemConfig, memory::MemoryPort};
use tables::{
    Action, Addresses, Carrier, DropReason, Endpoints, Fib, GreHeader, InboundEntry, L2tpHeader,
    L2tpSession, Neighbour, Nexthop, NexthopId, Nexthops, OuterRules, Payload, Policy,
    PolicyListId, PortEntry, PortId, Protection, Rewrite, Role, Route, Sad, Selector, Selectors,
    Spd, Tables, Tunnel, TunnelId, counters::WorkerCounters, publish::Publisher,
};
use wire::{Suite, ethernet::Mac};

/// The gateway's end of the tunnel.
pub const HERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// scapy's end of the tunnel.
pub const THERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
/// The gateway's end of what is under ESP tunnel mode.
pub const HERE_INSIDE: Ipv4Addr = Ipv4Addr::new(192, 168, 255, 1);
/// scapy's end of that.
pub const THERE_INSIDE: Ipv4Addr = Ipv4Addr::new(192, 168, 255, 2);
/// What the gateway sends with.
pub const SPI_OUT: u32 = 0xfedc_1001;
/// What the gateway receives with.
pub const SPI_IN: u32 = 0xfedc_1002;

const LAN: PortId = PortId(0);
const WAN: PortId = PortId(1);
/// Of the gateway's ports, and of all its neighbours.
const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
const THEIRS: Mac = Mac([2, 0, 0, 0, 0, 2]);
/// Large enough that a packet of 9000 bytes leaves in one piece in every suite.
const MTU: u16 = 9300;

/// What is under ESP.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The tunnel's own header; `None` is ESP tunnel mode by policy.
    pub own: Option<Own>,
    /// Whether ESP is in tunnel mode around it.
    pub tunnel_mode: bool,
}

/// A tunnel's own header.
#[derive(Clone, Copy, Debug)]
pub enum Own {
    Gre(GreHeader),
    Ipip,
    /// Tunnel 7, session 9, with the length field and a PPP protocol of one byte.
    L2tp,
}

impl Kind {
    /// ESP tunnel mode and nothing else.
    pub const PLAIN: Self = Self { own: None, tunnel_mode: true };
}

/// A gateway and the far ends of its links.
pub struct Gateway {
    worker: Worker<MemoryPort>,
    host: MemoryPort,
    peer: MemoryPort,
    pool: FramePool,
    counters: Arc<WorkerCounters>,
    /// Owns the tables that the worker reads.
    _publisher: Publisher,
}

impl Gateway {
    pub fn new(suite: Suite, kind: Kind) -> Self {
        let layout = UmemConfig { chunk_size: 16_384, chunks: 256, headroom: 192 };
        let umem = Umem::heap(layout).expect("memory");
        let (lan, host) = MemoryPort::link(umem, 16);
        let (wan, peer) = MemoryPort::link(umem, 16);
        let publisher = Publisher::new(tables(suite, kind));
        let counters = Arc::new(WorkerCounters::new(2));
        let worker = Worker::new(
            WorkerId { index: 0, of: 1 },
            vec![lan, wan],
            umem.pool(64),
            publisher.reader(),
            Arc::clone(&counters),
            Rings::default(),
        );
        Self { worker, host, peer, pool: umem.pool(64), counters, _publisher: publisher }
    }

    /// Takes a packet from the LAN and gives what leaves toward the peer.
    pub fn host_sends(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        assert!(self.host.send(&mut self.pool, &framed(packet)));
        self.settle();
        received(&mut self.peer, &mut self.pool)
    }

    /// Takes a packet from the peer and gives what leaves toward the LAN.
    pub fn peer_sends(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        assert!(self.peer.send(&mut self.pool, &framed(packet)));
        self.settle();
        received(&mut self.host, &mut self.pool)
    }

    /// What was dropped, and how often.
    pub fn drops(&self) -> Vec<(DropReason, u64)> {
        let all = DropReason::ALL.iter().map(|reason| (*reason, self.counters.drops(*reason)));
        all.filter(|(_, count)| *count > 0).collect()
    }

    fn settle(&mut self) {
        while self.worker.turn(1) > 0 {}
    }
}

/// Encryption and authentication key of an SA: bytes that differ between SAs.
pub fn keys(suite: Suite, spi: u32) -> (Vec<u8>, Vec<u8>) {
    let bytes = |start: u32, len: usize| {
        (start..).take(len).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect()
    };
    let encryption = bytes(spi << 8, suite.encryption_key_len());
    (encryption, bytes(spi << 8 | 0x80, suite.authentication_key_len()))
}

fn framed(packet: &[u8]) -> Vec<u8> {
    [&OURS.0[..], &THEIRS.0, &[0x08, 0x00], packet].concat()
}

fn received(link: &mut MemoryPort, pool: &mut FramePool) -> Vec<Vec<u8>> {
    let frames = iter::from_fn(|| link.receive(pool));
    let header = [&THEIRS.0[..], &OURS.0, &[0x08, 0x00]].concat();
    frames.map(|frame| frame.strip_prefix(&header[..]).expect("a neighbour's").to_vec()).collect()
}

/// What goes in front before sealing, and what comes out.
fn headers(kind: Kind) -> (Option<Rewrite>, Payload) {
    let Some(own) = kind.own else { return (None, Payload::IP) };
    let ends = Endpoints { local: HERE_INSIDE.into(), remote: THERE_INSIDE.into() };
    let rules = OuterRules::default();
    let l2tp = L2tpHeader {
        tunnel: 7,
        session: 9,
        length: true,
        sequence: false,
        offset: None,
        pfc: true,
        acfc: true,
    };
    let carrier = match own {
        Own::Gre(header) => Carrier::Gre(header),
        Own::Ipip => Carrier::Ip,
        Own::L2tp => Carrier::L2tp(L2tpSession { tunnel: 7, session: 9, sequence: false }),
    };
    let between = kind.tunnel_mode.then_some(ends);
    let inner = match (own, kind.tunnel_mode) {
        (Own::Gre(header), true) => Some(Rewrite::gre(ends, header, rules)),
        (Own::Gre(header), false) => Some(Rewrite::bare_gre(header)),
        (Own::Ipip, true) => Some(Rewrite::ipip(ends, rules)),
        (Own::Ipip, false) => None,
        (Own::L2tp, true) => Some(Rewrite::l2tp(ends, l2tp, rules)),
        (Own::L2tp, false) => Some(Rewrite::bare_l2tp(l2tp)),
    };
    (inner, Payload { between, carrier })
}

fn tables(suite: Suite, kind: Kind) -> Tables {
    let net = |text: &str| text.parse::<IpNet>().expect("a network");
    let (local, remote) = (net("10.1.0.0/24"), net("10.2.0.0/24"));
    let (outbound, inbound) = (keys(suite, SPI_OUT), keys(suite, SPI_IN));
    let sealing = Keys { encryption: &outbound.0, authentication: &outbound.1 };
    let opening = Keys { encryption: &inbound.0, authentication: &inbound.1 };
    let sa = OutboundSa::new(SPI_OUT, suite, sealing, false, [7; 32]).expect("keys that fit");
    let inbound = InboundSa::new(SPI_IN, suite, opening, false, 1024).expect("keys that fit");
    let range = |net: IpNet| [net.network()..=net.broadcast()].into();
    let selector = Selector { local: range(local), remote: range(remote), ..Selector::default() };
    let ends = Endpoints { local: HERE.into(), remote: THERE.into() };
    let (inner, payload) = headers(kind);
    let mut tunnel = Tunnel {
        name: "scapy".into(),
        ends,
        inner,
        rewrite: Rewrite::esp(ends, OuterRules::default()),
        payload,
        protection: Protection::Esp(Some(Arc::new(sa))),
        selectors: Some(Selectors([selector.clone()].into())),
        narrowed: None,
        egress: Some(NexthopId(0)),
        mtu: 0,
        mss: None,
        padded_len: None,
        worker_sas: tables::WorkerSas::default(),
        demand: None,
        addresses: Addresses::default(),
        punts_ospf: false,
        punts_bfd: false,
        sequences: Arc::default(),
        counters: Arc::default(),
    };
    tunnel.mtu = tunnel.inner_mtu(MTU);
    let entry = InboundEntry {
        sa: Arc::new(inbound),
        tunnel: TunnelId(0),
        remote: ends.remote,
        local: ends.local,
        remote_port: None,
        follows: false,
    };
    let protect = Policy { selector, action: Action::Protect(TunnelId(0)) };
    let routes = [
        (local, Route::Connected(LAN)),
        (remote, Route::Policy(PolicyListId(0))),
        (ends.local.into(), Route::Local),
    ];
    Tables {
        ports: [port("lan", Role::Inside), port("wan", Role::Outside)].into(),
        fib: Arc::new(Fib::build(routes)),
        nexthops: Arc::new(Nexthops::build(neighbours())),
        tunnels: [Arc::new(tunnel)].into(),
        spd: Arc::new(Spd::build(vec![[protect].into()])),
        sad: Arc::new(Sad::build(vec![entry])),
        ..Tables::default()
    }
}

fn port(name: &str, role: Role) -> PortEntry {
    PortEntry {
        name: name.into(),
        role,
        mac: Some(OURS),
        mtu: MTU,
        addresses: Addresses::default(),
        up: true,
    }
}

/// The peer, and every host of the LAN.
fn neighbours() -> Vec<Nexthop> {
    let resolved = |port, address: Ipv4Addr| Nexthop {
        port,
        address: address.into(),
        neighbour: Neighbour::Resolved(THEIRS),
    };
    let hosts = (1..=254).map(|host| resolved(LAN, Ipv4Addr::new(10, 1, 0, host)));
    iter::once(resolved(WAN, THERE)).chain(hosts).collect()
}
