//! The outbound sequence counter (RFC 4303 2.2, 3.3.3): workers reserve runs of numbers from it,
//! and it never hands out the same number twice.

use crate::Unavailable;
use crate::sync::{AtomicU64, Ordering};

/// Counts from 1 up to a limit and then refuses.
pub(crate) struct Sequence {
    /// The last number handed out; above the limit once a refused run was added.
    last: AtomicU64,
    limit: u64,
    /// Why there is nothing beyond the limit.
    beyond: Unavailable,
}

/// The last number without extended sequence numbers.
const LIMIT_32: u64 = u32::MAX as u64;

/// The last number with extended sequence numbers. It stays below 2^64 by more than all workers
/// together can add between the check against the limit and their add: 2^16 of them, each 2^32.
const LIMIT_64: u64 = u64::MAX - (1 << 48);

impl Sequence {
    pub(crate) fn new(esn: bool) -> Self {
        let (limit, beyond) = Self::end(esn, None);
        Self { last: AtomicU64::new(0), limit, beyond }
    }

    /// Hands out no more than this many numbers in all, counting those handed out before.
    pub(crate) fn limit(&mut self, esn: bool, packets: Option<u64>) {
        (self.limit, self.beyond) = Self::end(esn, packets);
    }

    /// The last number there is, and why.
    fn end(esn: bool, packets: Option<u64>) -> (u64, Unavailable) {
        let all = if esn { LIMIT_64 } else { LIMIT_32 };
        match packets {
            Some(packets) if packets < all => (packets, Unavailable::Expired),
            _ => (all, Unavailable::Exhausted),
        }
    }

    /// Reserves `n` consecutive numbers and gives the first; none when fewer are left, or for 0,
    /// which is called exhausted.
    pub(crate) fn reserve(&self, n: u32) -> Result<u64, Unavailable> {
        if n == 0 {
            return Err(Unavailable::Exhausted);
        }
        let highest_start = self.limit.checked_sub(u64::from(n)).ok_or(self.beyond)?;
        // This check alone keeps an exhausted counter from creeping on towards its overflow: after
        // it, each worker adds at most once more. Undoing the add instead would be wrong, since
        // another worker may have been refused or served on the strength of it.
        if self.last.load(Ordering::Relaxed) > highest_start {
            return Err(self.beyond);
        }
        // Relaxed: the numbers order nothing else, they only have to differ.
        let last = self.last.fetch_add(u64::from(n), Ordering::Relaxed);
        if last <= highest_start { Ok(last + 1) } else { Err(self.beyond) }
    }

    /// The last number handed out, 0 before the first.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed).min(self.limit)
    }
}

#[cfg(test)]
mod tests;
