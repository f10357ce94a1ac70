//! Tunnels: from one gateway's sending to the other one's reading, with the real worker and bridge.

use std::sync::Arc;

use bridge::Bridge;
use pipeline::{Worker, WorkerId};
use port::memory::MemoryPort;
use port::{FramePool, Umem, UmemConfig};
use tables::counters::WorkerCounters;
use tables::publish::Publisher;
use tables::{CloudId, DropReason, TunnelId};

use super::*;
use crate::offline::Machine;

/// A gateway with one worker, and the far ends of its links.
struct Gateway {
    worker: Worker<MemoryPort>,
    wire: MemoryPort,
    _lan: MemoryPort,
    pool: FramePool,
    counters: Arc<WorkerCounters>,
    publisher: Publisher,
    rings: Vec<Rings>,
    bridge: Bridge,
    machine: Machine,
    io: Io,
}

type Read = (Interface, Ipv4Addr, Ipv4Addr, Vec<u8>);

impl Gateway {
    /// The `n`-th gateway, with these tunnels.
    fn new(n: u8, tunnels: &str) -> Self {
        let text = format!(
            r#"
[[port]]
name = "lan"
device = "lan0"
role = "inside"
addresses = ["10.{n}.0.1/24"]

[[port]]
name = "wan"
device = "wan0"
role = "outside"
addresses = ["203.0.113.{n}/24"]
{tunnels}"#
        );
        let config = config::parse("test.toml", &text, "").unwrap_or_else(|bad| panic!("{bad}"));
        let mut bridge = Bridge::new(&config, &mut || Ok([n; 32])).expect("keys that fit");
        let machine = Machine::new(&config);
        let umem = Umem::heap(UmemConfig { chunk_size: 4096, chunks: 256, headroom: 192 });
        let umem = umem.expect("memory");
        let (lan, far_lan) = MemoryPort::link(umem, 16);
        let (wan, wire) = MemoryPort::link(umem, 16);
        let publisher = Publisher::new(bridge.build(&machine).tables);
        let (counters, rings) = (Arc::new(WorkerCounters::new(2)), Rings::default());
        let worker = Worker::new(
            WorkerId { index: 0, of: 1 },
            vec![lan, wan],
            umem.pool(64),
            publisher.reader(),
            Arc::clone(&counters),
            rings.clone(),
        );
        Self {
            worker,
            wire,
            _lan: far_lan,
            pool: umem.pool(64),
            counters,
            publisher,
            rings: vec![rings],
            bridge,
            machine,
            io: Io::new(),
        }
    }

    /// Begins with OSPF on these tunnels.
    fn run_on(&mut self, names: &[&str]) {
        let entrances = names.iter().map(|name| self.bridge.entrance(name).expect("a tunnel"));
        let entrances: Vec<Entrance> = entrances.collect();
        self.bridge.punt_ospf(&entrances);
        self.io.run_on(&entrances);
        self.publish();
    }

    fn publish(&mut self) {
        self.publisher.publish(self.bridge.build(&self.machine).tables);
        let tables = self.publisher.newest();
        let nexthops = self.bridge.nexthops(&self.machine);
        self.publisher.publish(Tables { nexthops, ..Tables::clone(&tables) });
    }

    /// Sends a packet and gives the frames that leave.
    fn sends(
        &mut self,
        interface: Interface,
        destination: Ipv4Addr,
        packet: &[u8],
    ) -> Vec<Vec<u8>> {
        let tables = self.publisher.newest();
        self.io.send(&tables, &self.rings, interface, destination, packet).expect("it is sent");
        self.settle();
        std::iter::from_fn(|| self.wire.receive(&mut self.pool)).collect()
    }

    /// Takes frames from the wire and gives what OSPF reads.
    fn hears(&mut self, frames: &[Vec<u8>]) -> Vec<Read> {
        for frame in frames {
            assert!(self.wire.send(&mut self.pool, frame));
        }
        self.settle();
        let mut found = Vec::new();
        let each = |interface, from, to, packet: &[u8]| {
            found.push((interface, from, to, packet.to_vec()));
        };
        let tables = self.publisher.newest();
        self.io.read(&tables, &self.rings, each, |_, header, _| panic!("{header:?}"));
        found
    }

    fn settle(&mut self) {
        while self.worker.turn(1) > 0 {}
    }
}

fn gre(n: u8, other: u8, network: u8, address: u8) -> String {
    format!(
        r#"
[[tunnel]]
name = "to-{other}"
kind = "gre"
local = "203.0.113.{n}"
remote = "203.0.113.{other}"
address = "10.255.{network}.{address}/24"
key = 7
"#
    )
}

const TUNNEL: Interface = Interface::Tunnel(TunnelId(0));

#[test]
fn two_gateways_hear_each_other_through_a_tunnel() {
    let (mut a, mut b) = (Gateway::new(1, &gre(1, 2, 0, 1)), Gateway::new(2, &gre(2, 1, 0, 2)));
    let (a_inside, b_inside) = (Ipv4Addr::new(10, 255, 0, 1), Ipv4Addr::new(10, 255, 0, 2));
    let hello = a.sends(TUNNEL, ALL_ROUTERS, b"hello");
    assert_eq!(b.hears(&hello), [], "it does not run there yet");
    assert_eq!(b.counters.drops(DropReason::LinkLocal), 1);
    a.run_on(&["to-2"]);
    b.run_on(&["to-1"]);
    for destination in [ALL_ROUTERS, DESIGNATED_ROUTERS, b_inside] {
        let frames = a.sends(TUNNEL, destination, b"hello");
        let expected = (TUNNEL, a_inside, destination, b"hello".to_vec());
        assert_eq!(b.hears(&frames), [expected], "{destination}");
    }
    let frames = b.sends(TUNNEL, a_inside, b"answer");
    assert_eq!(a.hears(&frames), [(TUNNEL, b_inside, a_inside, b"answer".to_vec())]);
    // From one end to the other nothing was lost but what nobody had asked for.
    let lost = |gateway: &Gateway| -> u64 {
        DropReason::ALL.iter().map(|reason| gateway.counters.drops(*reason)).sum()
    };
    assert_eq!((lost(&a), lost(&b)), (0, 1));
    b.run_on(&[]);
    let frames = a.sends(TUNNEL, ALL_ROUTERS, b"hello");
    assert_eq!(b.hears(&frames), []);
}

#[test]
fn a_hub_is_one_interface_with_many_neighbours() {
    let hub = r#"
[[tunnel]]
name = "cloud"
kind = "mgre"
local = "203.0.113.1"
address = "10.255.0.1/24"
key = 7

[[tunnel.peer]]
name = "spoke-2"
remote = "203.0.113.2"
address = "10.255.0.2"

[[tunnel.peer]]
name = "spoke-3"
remote = "203.0.113.3"
address = "10.255.0.3"
"#;
    // The first tunnel has no part in it, so that ids differ.
    let mut hub = Gateway::new(1, &[&gre(1, 9, 9, 1), hub].concat());
    let mut spokes = [2, 3].map(|n| Gateway::new(n, &gre(n, 1, 0, n)));
    hub.run_on(&["cloud"]);
    spokes.iter_mut().for_each(|spoke| spoke.run_on(&["to-1"]));
    let cloud = Interface::Cloud(CloudId(0));
    let us = Ipv4Addr::new(10, 255, 0, 1);
    let hello = hub.sends(cloud, ALL_ROUTERS, b"hello");
    assert_eq!(hello.len(), 2);
    for (n, spoke) in [2, 3].into_iter().zip(&mut spokes) {
        let own: Vec<_> = hello.iter().filter(|frame| frame[33] == n).cloned().collect();
        let heard = spoke.hears(&own);
        assert_eq!(heard, [(TUNNEL, us, ALL_ROUTERS, b"hello".to_vec())], "spoke {n}");
        let answer = spoke.sends(TUNNEL, us, &[n]);
        let it = Ipv4Addr::new(10, 255, 0, n);
        assert_eq!(hub.hears(&answer), [(cloud, it, us, vec![n])]);
        let unicast = hub.sends(cloud, it, b"database");
        assert_eq!(unicast.len(), 1);
        assert_eq!(spoke.hears(&unicast), [(TUNNEL, us, it, b"database".to_vec())]);
    }
    let tables = hub.publisher.newest();
    let nobody = Ipv4Addr::new(10, 255, 0, 9);
    let refused = hub.io.send(&tables, &hub.rings, cloud, nobody, b"?");
    assert!(matches!(refused, Err(NotSent::NoPeer)), "{refused:?}");
}

#[test]
fn what_waits_from_before_tunnels_were_numbered_anew_is_not_read_as_anothers() {
    let (mut a, mut b) = (Gateway::new(1, &gre(1, 2, 0, 1)), Gateway::new(2, &gre(2, 1, 0, 2)));
    a.run_on(&["to-2"]);
    b.run_on(&["to-1"]);
    let frames = a.sends(TUNNEL, ALL_ROUTERS, b"hello");
    for frame in &frames {
        assert!(b.wire.send(&mut b.pool, frame));
    }
    b.settle();
    assert_eq!(b.counters.punted.value(), 1);
    let renumbered = Tables { numbering: 7, ..Tables::clone(&b.publisher.newest()) };
    let mut read = 0;
    b.io.read(&renumbered, &b.rings, |_, _, _, _| read += 1, |_, header, _| panic!("{header:?}"));
    assert_eq!(read, 0);
}

#[test]
fn workers_that_do_not_read_are_not_waited_for() {
    let mut a = Gateway::new(1, &gre(1, 2, 0, 1));
    a.run_on(&["to-2"]);
    let tables = a.publisher.newest();
    let sent = |a: &Gateway| a.io.send(&tables, &a.rings, TUNNEL, ALL_ROUTERS, b"hello");
    let taken = (0..10_000).take_while(|_| sent(&a).is_ok()).count();
    assert!(matches!(sent(&a), Err(NotSent::Busy)) && taken > 0 && taken < 10_000);
}
