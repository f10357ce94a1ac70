//! The hard lifetime of an SA (RFC 4301 4.4.2.1): what it may carry, and whether it has ended.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::usage::Usage;

/// Hard limits of one SA (RFC 4301 4.4.2.1), by default none: once a limit is reached, the SA
/// carries nothing more. Soft limits and time are for the control side to watch.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Limits {
    /// Packets it may carry.
    pub packets: Option<u64>,
    /// Bytes it may carry, as they are counted.
    pub bytes: Option<u64>,
}

/// Limits as every run of packets is held against them. Read by all workers and written once at
/// most, by [`end`](Self::end): so it belongs to the keys, and not to what workers write.
pub(crate) struct Lifetime {
    packets: u64,
    /// 0, which every SA has carried, when the SA was ended. So one comparison sees both.
    bytes: AtomicU64,
}

impl Lifetime {
    pub(crate) fn new(limits: Limits) -> Self {
        // More than any SA lives to carry.
        let packets = limits.packets.unwrap_or(u64::MAX);
        Self { packets, bytes: AtomicU64::new(limits.bytes.unwrap_or(u64::MAX)) }
    }

    /// Other limits; an SA that was ended stays so.
    pub(crate) fn limit(&mut self, limits: Limits) {
        if *self.bytes.get_mut() != 0 {
            *self = Self::new(limits);
        }
    }

    /// Ends the SA, whatever it has carried.
    pub(crate) fn end(&self) {
        // Relaxed: it orders nothing else. Workers see it with one of their next runs.
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// Whether the SA was ended, or has carried what it may.
    #[inline]
    pub(crate) fn is_over(&self, usage: &Usage) -> bool {
        usage.bytes() >= self.bytes.load(Ordering::Relaxed) || usage.packets() >= self.packets
    }
}
