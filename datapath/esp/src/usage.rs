//! What an SA has carried, for statistics and for its hard limits (RFC 4301 4.4.2.1).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The hard limits of an SA: what it may carry before it is used no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Packets.
    pub packets: u64,
    /// Bytes, as [`crate::OutboundSa::count`] and [`crate::InboundSa::count`] are told them.
    pub bytes: u64,
}

impl Default for Limits {
    /// None that is ever reached.
    fn default() -> Self {
        Self { packets: u64::MAX, bytes: u64::MAX }
    }
}

/// Packets and bytes, added to once per run of packets.
#[derive(Default)]
pub(crate) struct Usage {
    packets: AtomicU64,
    bytes: AtomicU64,
    expired: AtomicBool,
}

impl Usage {
    pub(crate) fn count(&self, packets: u64, bytes: u64) {
        // Relaxed: a reader wants each sum, not the two at one instant.
        self.packets.fetch_add(packets, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether control has ended the SA, or it has carried what `limits` allow. Workers add to the
    /// sums after their runs: each may overshoot by one run.
    #[inline]
    pub(crate) fn is_spent(&self, limits: Limits) -> bool {
        self.expired.load(Ordering::Relaxed)
            || self.bytes() >= limits.bytes
            || self.packets() >= limits.packets
    }

    pub(crate) fn expire(&self) {
        self.expired.store(true, Ordering::Relaxed);
    }
}
