//! Sequence numbers of GRE (RFC 2890 2.2) and L2TP data (RFC 2661 5.4): plain counters that wrap,
//! with nothing secret about them.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How far behind the newest a number may be and still count as late. Further behind, the peer
/// has started anew from zero: refusing it would last until the numbers come round.
const LATE_MAX: u32 = 1024;

/// Both directions of one tunnel, shared by the workers.
#[derive(Debug, Default)]
pub struct Sequences {
    next: AtomicU32,
    /// The newest number taken, plus one in a word of its own width: zero is none.
    newest: AtomicU64,
}

impl Sequences {
    /// Reserves `n` consecutive numbers with one atomic add and gives the first; the very first
    /// is 0.
    #[inline]
    pub fn reserve(&self, n: u32) -> u32 {
        self.next.fetch_add(n, Ordering::Relaxed)
    }

    /// Whether a number of `bits` bits is newer than all before, which it then replaces.
    #[inline]
    pub fn accept(&self, number: u32, bits: u32) -> bool {
        let unused = 32_u32.saturating_sub(bits);
        let judge = |newest: u64| {
            let Some(newest) = newest.checked_sub(1) else { return Some(u64::from(number) + 1) };
            // Serial number arithmetic (RFC 1982): shifted to the top, the sign is the order.
            let ahead = (number.wrapping_sub(newest as u32) << unused).cast_signed() >> unused;
            let taken = ahead > 0 || ahead < -(LATE_MAX.cast_signed());
            taken.then_some(u64::from(number) + 1)
        };
        self.newest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, judge).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_and_repeated_numbers_are_refused_and_wrapping_is_not() {
        for (bits, last) in [(32, u32::MAX), (16, 0xffff)] {
            let sequences = Sequences::default();
            assert!(sequences.accept(last - 1, bits));
            assert!(!sequences.accept(last - 1, bits), "{bits}");
            assert!(sequences.accept(last, bits));
            assert!(sequences.accept(0, bits), "{bits}");
            assert!(sequences.accept(5, bits));
            assert!(!sequences.accept(3, bits) && !sequences.accept(last, bits), "{bits}");
        }
    }

    #[test]
    fn a_peer_that_starts_anew_is_heard_again() {
        let sequences = Sequences::default();
        assert!(sequences.accept(5000, 32) && sequences.accept(0, 32) && sequences.accept(1, 32));
    }

    #[test]
    fn numbers_are_handed_out_once_from_zero() {
        let sequences = Sequences::default();
        assert_eq!((sequences.reserve(3), sequences.reserve(1)), (0, 3));
    }
}
