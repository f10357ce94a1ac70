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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn starting_behind(last: u64, esn: bool) -> Sequence {
        Sequence { last: AtomicU64::new(last), ..Sequence::new(esn) }
    }

    #[test]
    fn numbers_start_at_one_and_runs_follow_each_other() {
        let sequence = Sequence::new(false);
        assert_eq!(sequence.last(), 0);
        assert_eq!(sequence.reserve(1), Some(1));
        assert_eq!(sequence.reserve(64), Some(2));
        assert_eq!(sequence.reserve(1), Some(66));
        assert_eq!(sequence.last(), 66);
        assert_eq!(sequence.reserve(0), None);
    }

    #[test]
    fn the_last_number_is_handed_out_and_the_next_is_not() {
        for (esn, limit) in [(false, 0xffff_ffff), (true, u64::MAX - (1 << 48))] {
            let sequence = starting_behind(limit - 3, esn);
            assert_eq!(sequence.reserve(4), None);
            assert_eq!(sequence.reserve(2), Some(limit - 2));
            assert_eq!(sequence.reserve(1), Some(limit));
            assert_eq!(sequence.reserve(1), None);
            assert_eq!(sequence.last(), limit);
        }
    }

    #[test]
    fn extended_numbers_pass_two_to_the_thirty_two() {
        let sequence = starting_behind(0xffff_fffe, true);
        assert_eq!(sequence.reserve(4), Some(0xffff_ffff));
        assert_eq!(sequence.reserve(u32::MAX), Some(0x1_0000_0003));
    }

    #[test]
    fn an_exhausted_counter_does_not_move_however_often_it_is_asked() {
        for esn in [false, true] {
            let sequence = starting_behind(Sequence::new(esn).limit, esn);
            for _ in 0..10_000 {
                assert_eq!(sequence.reserve(u32::MAX), None);
            }
            assert_eq!(sequence.last.load(Ordering::Relaxed), sequence.limit);
        }
    }

    #[test]
    fn a_run_that_lost_the_race_for_the_last_numbers_leaves_the_counter_refusing() {
        // What another worker's add between check and add leaves behind.
        let sequence = starting_behind(LIMIT_32 + 63, false);
        assert_eq!(sequence.reserve(1), None);
        assert_eq!(sequence.last(), LIMIT_32);
    }
}
