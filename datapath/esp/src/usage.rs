//! What an SA has carried, for lifetimes and statistics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Packets and bytes, added to once per run of packets.
#[derive(Default)]
pub(crate) struct Usage {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Usage {
    pub(crate) fn count(&self, packets: u64, bytes: u64) -> bool {
        // Relaxed: a reader wants each sum, not the two at one instant.
        let before = self.packets.fetch_add(packets, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        before == 0 && packets > 0
    }

    pub(crate) fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
