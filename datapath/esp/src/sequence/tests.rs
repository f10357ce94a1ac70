//! The counter alone, at its end, and under workers that race for the last numbers.

use super::*;

fn starting_behind(last: u64, esn: bool) -> Sequence {
    Sequence { last: AtomicU64::new(last), ..Sequence::new(esn) }
}

#[cfg(not(loom))]
mod alone {
    use super::*;

    #[test]
    fn numbers_start_at_one_and_runs_follow_each_other() {
        let sequence = Sequence::new(false);
        assert_eq!(sequence.last(), 0);
        assert_eq!(sequence.reserve(1), Ok(1));
        assert_eq!(sequence.reserve(64), Ok(2));
        assert_eq!(sequence.reserve(1), Ok(66));
        assert_eq!(sequence.last(), 66);
        assert_eq!(sequence.reserve(0), Err(Unavailable::Exhausted));
    }

    #[test]
    fn the_last_number_is_handed_out_and_the_next_is_not() {
        for (esn, limit) in [(false, 0xffff_ffff), (true, u64::MAX - (1 << 48))] {
            let sequence = starting_behind(limit - 3, esn);
            assert_eq!(sequence.reserve(4), Err(Unavailable::Exhausted));
            assert_eq!(sequence.reserve(2), Ok(limit - 2));
            assert_eq!(sequence.reserve(1), Ok(limit));
            assert_eq!(sequence.reserve(1), Err(Unavailable::Exhausted));
            assert_eq!(sequence.last(), limit);
        }
    }

    #[test]
    fn extended_numbers_pass_two_to_the_thirty_two() {
        let sequence = starting_behind(0xffff_fffe, true);
        assert_eq!(sequence.reserve(4), Ok(0xffff_ffff));
        assert_eq!(sequence.reserve(u32::MAX), Ok(0x1_0000_0003));
    }

    #[test]
    fn an_exhausted_counter_does_not_move_however_often_it_is_asked() {
        for esn in [false, true] {
            let sequence = starting_behind(Sequence::new(esn).limit, esn);
            for _ in 0..10_000 {
                assert_eq!(sequence.reserve(u32::MAX), Err(Unavailable::Exhausted));
            }
            assert_eq!(sequence.last.load(Ordering::Relaxed), sequence.limit);
        }
    }

    #[test]
    fn a_limit_on_packets_ends_the_numbers_there_and_counts_those_handed_out_before() {
        for esn in [false, true] {
            let mut sequence = Sequence::new(esn);
            assert_eq!(sequence.reserve(4), Ok(1));
            sequence.limit(esn, Some(10));
            assert_eq!(sequence.reserve(7), Err(Unavailable::Expired));
            assert_eq!(sequence.reserve(5), Ok(5));
            assert_eq!(sequence.reserve(2), Err(Unavailable::Expired));
            assert_eq!(sequence.reserve(1), Ok(10));
            assert_eq!(sequence.reserve(1), Err(Unavailable::Expired));
            assert_eq!(sequence.reserve(u32::MAX), Err(Unavailable::Expired));
            assert_eq!(sequence.last(), 10);
        }
    }

    #[test]
    fn a_limit_beyond_the_last_number_does_not_move_it() {
        for esn in [false, true] {
            let last = Sequence::new(esn).limit;
            for limit in [last, last + 1, u64::MAX] {
                let mut sequence = starting_behind(last - 1, esn);
                sequence.limit(esn, Some(limit));
                assert_eq!(sequence.reserve(1), Ok(last));
                assert_eq!(sequence.reserve(1), Err(Unavailable::Exhausted));
            }
        }
    }

    #[test]
    fn a_run_that_lost_the_race_for_the_last_numbers_leaves_the_counter_refusing() {
        // What another worker's add between check and add leaves behind.
        let sequence = starting_behind(LIMIT_32 + 63, false);
        assert_eq!(sequence.reserve(1), Err(Unavailable::Exhausted));
        assert_eq!(sequence.last(), LIMIT_32);
    }
}

#[cfg(loom)]
mod loom {
    use ::loom::{model, sync::Arc, thread};

    use super::*;

    /// Three workers race for the four numbers up to `limit`, where `sequence` begins to refuse.
    fn race_for_the_last_four(limit: u64, sequence: impl Fn() -> Sequence + Send + Sync + 'static) {
        model(move || {
            let sequence = Arc::new(sequence());
            let workers: Vec<_> = [3, 2]
                .into_iter()
                .map(|n| {
                    let sequence = sequence.clone();
                    thread::spawn(move || (sequence.reserve(n), n))
                })
                .collect();
            let mine = (sequence.reserve(1), 1);
            let mut runs: Vec<_> = workers.into_iter().map(|w| w.join().unwrap()).collect();
            runs.push(mine);
            let numbers = |(first, n): &(Result<u64, Unavailable>, u32)| {
                first.map_or(0..0, |first| first..first + u64::from(*n))
            };
            let mut all: Vec<u64> = runs.iter().flat_map(numbers).collect();
            all.sort_unstable();
            let handed_out = all.len();
            all.dedup();
            assert_eq!(all.len(), handed_out, "a number was handed out twice: {runs:?}");
            assert!(all.iter().all(|seq| *seq <= limit), "{runs:?}");
            assert!(handed_out > 0, "somebody was first");
            assert!(sequence.last() <= limit);
        });
    }

    #[test]
    fn workers_never_get_the_same_number_nor_one_beyond_the_last() {
        race_for_the_last_four(LIMIT_32, || starting_behind(LIMIT_32 - 4, false));
    }

    #[test]
    fn workers_never_get_a_number_beyond_the_limit_on_packets() {
        race_for_the_last_four(104, || {
            let mut sequence = starting_behind(100, false);
            sequence.limit(false, Some(104));
            sequence
        });
    }
}
