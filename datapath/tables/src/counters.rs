//! Counters that workers write and anybody sums.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

use crate::latency::Latency;
use crate::{DropReason, PortId};

/// A counter with one writer; readers may look at any time.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the counter's one writer calls this.
    #[inline]
    pub fn add(&self, n: u64) {
        // One writer: a load and a store do, where a read-modify-write would lock the line.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Packets and bytes with one writer.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Packets.
    pub packets: Counter,
    /// Bytes.
    pub bytes: Counter,
}

impl Traffic {
    /// Adds a run of packets.
    #[inline]
    pub fn add(&self, packets: u64, bytes: u64) {
        self.packets.add(packets);
        self.bytes.add(bytes);
    }
}

/// What one worker did at one port; bytes are Ethernet frames without FCS.
#[derive(Debug, Default)]
pub struct PortTraffic {
    /// Received.
    pub rx: Traffic,
    /// Transmitted.
    pub tx: Traffic,
}

/// What one worker did.
#[derive(Debug)]
pub struct WorkerCounters {
    ports: Box<[CachePadded<PortTraffic>]>,
    drops: Box<[Counter]>,
    /// Turns in which something was received or injected.
    pub busy_turns: Counter,
    /// ICMP errors sent.
    pub icmp_sent: Counter,
    /// ICMP errors withheld by the rate limit (RFC 1812 4.3.2.8).
    pub icmp_withheld: Counter,
    /// Packets that waited for a next hop's MAC, or for a tunnel's SA.
    pub held: Counter,
    /// Packets handed to control.
    pub punted: Counter,
    /// Fragments made.
    pub fragments: Counter,
    /// How long the packets of sampled batches took.
    pub latency: Latency,
}

impl WorkerCounters {
    /// Counters at zero for a worker with `ports` ports.
    #[must_use]
    pub fn new(ports: usize) -> Self {
        Self {
            ports: (0..ports).map(|_| CachePadded::default()).collect(),
            drops: DropReason::ALL.iter().map(|_| Counter::default()).collect(),
            busy_turns: Counter::default(),
            icmp_sent: Counter::default(),
            icmp_withheld: Counter::default(),
            held: Counter::default(),
            punted: Counter::default(),
            fragments: Counter::default(),
            latency: Latency::new(),
        }
    }

    /// What it did at a port.
    #[must_use]
    pub fn port(&self, port: PortId) -> Option<&PortTraffic> {
        self.ports.get(port.index()).map(|padded| &**padded)
    }

    /// Counts `n` packets that ended for this reason.
    #[inline]
    pub fn drop(&self, reason: DropReason, n: u64) {
        if let Some(counter) = self.drops.get(reason as usize) {
            counter.add(n);
        }
    }

    /// How many packets ended for this reason.
    #[must_use]
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops.get(reason as usize).map_or(0, Counter::value)
    }
}

/// Packets and bytes that several workers write, once per run of packets.
#[derive(Debug, Default)]
pub struct SharedTraffic {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl SharedTraffic {
    /// Adds a run of packets.
    #[inline]
    pub fn add(&self, packets: u64, bytes: u64) {
        self.packets.fetch_add(packets, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Packets so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// What a tunnel carried: inner packets and their bytes.
#[derive(Debug, Default)]
pub struct TunnelCounters {
    /// From the far side.
    pub inbound: CachePadded<SharedTraffic>,
    /// To the far side.
    pub outbound: CachePadded<SharedTraffic>,
}
