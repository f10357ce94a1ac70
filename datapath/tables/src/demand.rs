//! How often control is asked for an SA that is not there.

use std::sync::atomic::{AtomicU64, Ordering};

/// How long one request is enough, nanoseconds.
const ASK_AGAIN_NS: u64 = 250_000_000;

/// How many there have been in the process.
static MADE: AtomicU64 = AtomicU64::new(0);

/// When the workers asked last for a tunnel's keys; shared by them, whose clocks agree well enough.
#[derive(Debug)]
pub struct Demand {
    /// Plus one: zero is never.
    asked_ns: AtomicU64,
    serial: u64,
}

impl Default for Demand {
    fn default() -> Self {
        // Relaxed: each gets another number, and that is all.
        Self { asked_ns: AtomicU64::new(0), serial: MADE.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Demand {
    /// What no other has in the process: it stays with the tunnel when a changed configuration
    /// gives that another [`TunnelId`](crate::TunnelId).
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Whether the caller is to ask, as nobody else has for a while.
    pub fn is_due(&self, now_ns: u64) -> bool {
        let asked = self.asked_ns.load(Ordering::Relaxed);
        let due = asked == 0 || now_ns.saturating_sub(asked - 1) >= ASK_AGAIN_NS;
        let now = now_ns.saturating_add(1);
        // Relaxed: it orders nothing else, and of two that find it due one wins.
        due && self
            .asked_ns
            .compare_exchange(asked, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_packet_asks_and_then_one_in_a_while() {
        let demand = Demand::default();
        let due =
            [0, 1, ASK_AGAIN_NS - 1, ASK_AGAIN_NS, ASK_AGAIN_NS + 1].map(|at| demand.is_due(at));
        assert_eq!(due, [true, false, false, true, false]);
    }
}
