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

#[cfg(loom)]
mod loom {
    use ::loom::{model, sync::Arc, thread};

    use super::*;

    #[test]
    fn workers_never_get_the_same_number_nor_one_beyond_the_last() {
        model(|| {
            let sequence = Arc::new(starting_behind(LIMIT_32 - 4, false));
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
            let numbers = |(first, n): &(Option<u64>, u32)| {
                first.map(|first| first..first + u64::from(*n)).into_iter().flatten()
            };
            let mut all: Vec<u64> = runs.iter().flat_map(numbers).collect();
            all.sort_unstable();
            let handed_out = all.len();
            all.dedup();
            assert_eq!(all.len(), handed_out, "a number was handed out twice: {runs:?}");
            assert!(all.iter().all(|seq| *seq <= LIMIT_32), "{runs:?}");
            assert!(handed_out > 0, "somebody was first");
            assert!(sequence.last() <= LIMIT_32);
        });
    }
}
