//! Two sites in one process: a gateway each, joined by memory links, and hosts that are the far
//! ends of the links.

#![allow(dead_code, unused_imports, reason = "each test binary uses the part that it needs")]

mod packets;
mod scale;
mod topology;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pipeline::{
    Clock, Event, EventRing, InjectRing, Injected, PuntRing, Punted, Rings, Worker, WorkerId,
};
use port::memory::MemoryPort;
use port::{FramePool, Umem, UmemConfig};
use tables::counters::WorkerCounters;
use tables::publish::Publisher;
use tables::{
    DropReason, Entrance, Nexthop, Nexthops, PortEntry, PortId, Tables, Tunnel, TunnelId,
};

pub use packets::*;
pub use scale::*;
pub use topology::*;

/// Packets that wait for control.
pub const PUNTS_MAX: usize = 16;

/// A gateway with a LAN host and an underlay peer at the far ends of its links.
pub struct Site {
    pub worker: Worker<MemoryPort>,
    pub host: MemoryPort,
    pub peer: MemoryPort,
    pub pool: FramePool,
    pub counters: Arc<WorkerCounters>,
    pub events: Arc<EventRing>,
    pub injected: Arc<InjectRing>,
    pub punts: Arc<PuntRing>,
    pub publisher: Publisher,
    now_ns: u64,
}

/// What came of one frame.
#[derive(Debug)]
pub struct Outcome {
    pub at_host: Vec<Vec<u8>>,
    pub at_peer: Vec<Vec<u8>>,
    /// Under which reasons packets were dropped.
    pub dropped: Vec<DropReason>,
}

pub fn umem() -> &'static Umem {
    Umem::heap(UmemConfig { chunk_size: 16_384, chunks: 2048, headroom: 128 }).unwrap()
}

/// A clock that is so many nanoseconds later at each reading.
pub fn ticking(ns: u64) -> Clock {
    let time = AtomicU64::new(0);
    Box::new(move || time.fetch_add(ns, Ordering::Relaxed))
}

impl Site {
    pub fn new(umem: &'static Umem, tables: Tables) -> Self {
        let publisher = Publisher::new(tables);
        let (lan, host) = MemoryPort::link(umem, 1024);
        let (wan, peer) = MemoryPort::link(umem, 1024);
        let counters = Arc::new(WorkerCounters::new(2));
        let events = Arc::new(EventRing::new(64));
        let injected = Arc::new(InjectRing::new(64));
        let punts = Arc::new(PuntRing::new(PUNTS_MAX));
        let worker = Worker::new(
            WorkerId { index: 0, of: 1 },
            vec![lan, wan],
            umem.pool(256),
            publisher.reader(),
            Arc::clone(&counters),
            Rings {
                events: Arc::clone(&events),
                injected: Arc::clone(&injected),
                punts: Arc::clone(&punts),
            },
        );
        let pool = umem.pool(64);
        Self { worker, host, peer, pool, counters, events, injected, punts, publisher, now_ns: 1 }
    }

    /// Site A of a join.
    pub fn a(join: Join) -> Self {
        Self::new(umem(), tables(join, false, false))
    }

    /// Site B of a join.
    pub fn b(join: Join) -> Self {
        Self::new(umem(), tables(join, false, true))
    }

    /// A gateway that forwards and joins nothing.
    pub fn plain() -> Self {
        Self::new(umem(), plain_tables())
    }

    /// Turns once; gives what [`Worker::turn`] does.
    pub fn turn(&mut self) -> usize {
        self.worker.turn(self.now_ns)
    }

    /// Turns until there is nothing to do.
    pub fn settle(&mut self) {
        while self.worker.turn(self.now_ns) > 0 {}
    }

    pub fn advance(&mut self, ns: u64) {
        self.now_ns += ns;
    }

    /// Puts a frame as it is on the link from the LAN host.
    pub fn put_at_host(&mut self, frame: &[u8]) {
        assert!(self.host.send(&mut self.pool, frame));
    }

    /// Puts a frame as it is on the link from the underlay.
    pub fn put_at_peer(&mut self, frame: &[u8]) {
        assert!(self.peer.send(&mut self.pool, frame));
    }

    /// Frames that left toward the LAN host.
    pub fn frames_at_host(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.host.receive(&mut self.pool)).collect()
    }

    /// Frames that left toward the underlay.
    pub fn frames_at_peer(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.peer.receive(&mut self.pool)).collect()
    }

    /// Sends an IP packet from the LAN host and gives what comes out at the underlay side.
    pub fn host_sends(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        self.put_at_host(&frame(packet));
        self.settle();
        self.at_peer()
    }

    /// Sends an IP packet from the underlay and gives what comes out at the LAN side.
    pub fn peer_sends(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        self.put_at_peer(&frame(packet));
        self.settle();
        self.at_host()
    }

    /// IP packets that left toward the underlay.
    pub fn at_peer(&mut self) -> Vec<Vec<u8>> {
        self.frames_at_peer().into_iter().map(unframe).collect()
    }

    /// IP packets that left toward the LAN host.
    pub fn at_host(&mut self) -> Vec<Vec<u8>> {
        self.frames_at_host().into_iter().map(unframe).collect()
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

    /// Sends a frame and gives all that comes of it.
    pub fn outcome(&mut self, from: PortId, frame: &[u8]) -> Outcome {
        if from == LAN {
            self.put_at_host(frame)
        } else {
            self.put_at_peer(frame)
        };
        self.wait(0)
    }

    /// Lets time pass and gives all that comes of it.
    pub fn wait(&mut self, ns: u64) -> Outcome {
        let counts = |site: &Self| DropReason::ALL.iter().map(|r| site.drops(*r)).collect();
        let before: Vec<u64> = counts(self);
        self.advance(ns);
        self.settle();
        let after: Vec<u64> = counts(self);
        let risen = DropReason::ALL.iter().zip(before.iter().zip(&after));
        let dropped = risen.flat_map(|(reason, (before, after))| {
            std::iter::repeat_n(*reason, (after - before) as usize)
        });
        let dropped = dropped.collect();
        Outcome { at_host: self.frames_at_host(), at_peer: self.frames_at_peer(), dropped }
    }

    /// Sends a frame of which nothing may come out anywhere, and gives the reason under which it
    /// was counted, once.
    pub fn refusal(&mut self, from: PortId, frame: &[u8]) -> DropReason {
        let outcome = self.outcome(from, frame);
        let silent = outcome.at_host.is_empty() && outcome.at_peer.is_empty();
        assert!(silent, "something came of {frame:02x?}: {outcome:02x?}");
        assert_eq!(outcome.dropped.len(), 1, "{:?}", outcome.dropped);
        outcome.dropped[0]
    }

    /// Packets dropped for any reason.
    pub fn total_drops(&self) -> u64 {
        DropReason::ALL.iter().map(|reason| self.drops(*reason)).sum()
    }

    /// Packets received and ICMP errors made, less those transmitted and dropped: how many are
    /// still held, if each was counted once and none was cut into fragments.
    pub fn unaccounted(&self) -> i64 {
        let ports = [LAN, WAN].map(|port| self.counters.port(port).unwrap());
        let rx: u64 = ports.iter().map(|port| port.rx.packets.value()).sum();
        let tx: u64 = ports.iter().map(|port| port.tx.packets.value()).sum();
        let came = rx + self.counters.icmp_sent.value();
        came as i64 - tx as i64 - self.total_drops() as i64
    }

    /// Ends the site and asserts that every chunk came back.
    pub fn end(self) {
        let umem = self.pool.umem();
        drop(self);
        assert_eq!(umem.free_chunks(), umem.config().chunks, "a chunk was lost");
    }

    pub fn requests(&self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.pop()).collect()
    }

    /// What waits for control, with the tunnels that it came out of.
    pub fn punted(&self) -> Vec<(TunnelId, Vec<u8>)> {
        let read = |punted: Punted<'_>| (punted.tunnel, punted.packet.to_vec());
        std::iter::from_fn(|| self.punts.take(read)).collect()
    }

    /// Has control send a packet into a tunnel.
    pub fn control_sends(&mut self, into: Entrance, packet: &[u8]) {
        let numbering = self.publisher.newest().numbering;
        let made = Injected::Made { into, numbering, packet: packet.into() };
        self.injected.push(made).unwrap();
        self.settle();
    }

    /// Publishes changed tables.
    pub fn change(&mut self, change: impl FnOnce(&mut Tables)) {
        let mut tables = Tables::clone(&self.publisher.newest());
        change(&mut tables);
        self.publisher.publish(tables);
    }

    /// Publishes tables with one port changed.
    pub fn change_port(&mut self, port: PortId, change: impl FnOnce(&mut PortEntry)) {
        self.change(|tables| {
            let mut ports = tables.ports.to_vec();
            change(&mut ports[port.index()]);
            tables.ports = ports.into();
        });
    }

    /// Publishes tables with the only tunnel changed.
    pub fn change_tunnel(&mut self, change: impl FnOnce(&mut Tunnel)) {
        self.change(|tables| {
            let mut tunnel = Tunnel::clone(&tables.tunnels[0]);
            change(&mut tunnel);
            tables.tunnels = [Arc::new(tunnel)].into();
        });
    }

    /// Publishes tables in which these are the next hops.
    pub fn change_nexthops(&mut self, nexthops: Vec<Nexthop>) {
        self.change(|tables| tables.nexthops = Arc::new(Nexthops::build(nexthops)));
    }
}
