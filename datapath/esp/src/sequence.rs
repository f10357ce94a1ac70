//! The outbound sequence counter (RFC 4303 2.2, 3.3.3): workers reserve runs of numbers from it,
//! and it never hands out the same number twice.

use crate::sync::{AtomicU64, Ordering};

/// Counts from 1 up to a limit and then refuses.
pub(crate) struct Sequence {
    /// The last number handed out; above the limit once a refused run was added.
    last: AtomicU64,
    limit: u64,
}

/// The last number without extended sequence numbers.
const LIMIT_32: u64 = u32::MAX as u64;

/// The last number with extended sequence numbers. It stays below 2^64 by more than all workers
/// together can add between the check against the limit and their add: 2^16 of them, each 2^32.
const LIMIT_64: u64 = u64::MAX - (1 << 48);

impl Sequence {
    pub(crate) fn new(esn: bool) -> Self {
        Self { last: AtomicU64::new(0), limit: if esn { LIMIT_64 } else { LIMIT_32 } }
    }

    /// The last number that there is.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Counts no further than to `packets`.
    pub(crate) fn limit_to(&mut self, packets: u64) {
        self.limit = self.limit.min(packets);
    }

    /// Reserves `n` consecutive numbers and gives the first; none when fewer are left, or for 0.
    pub(crate) fn reserve(&self, n: u32) -> Option<u64> {
        let highest_start = self.limit.checked_sub(u64::from(n))?;
        // This check alone keeps an exhausted counter from creeping on towards its overflow: after
        // it, each worker adds at most once more. Undoing the add instead would be wrong, since
        // another worker may have been refused or served on the strength of it.
        if n == 0 || self.last.load(Ordering::Relaxed) > highest_start {
            return None;
        }
        // Relaxed: the numbers order nothing else, they only have to differ.
        let last = self.last.fetch_add(u64::from(n), Ordering::Relaxed);
        (last <= highest_start).then_some(last + 1)
    }

    /// The last number handed out, 0 before the first.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed).min(self.limit)
    }
}

#[cfg(test)]
mod tests;
