//! What the window must say, by a set of all numbers ever accepted.

use std::collections::HashSet;

use proptest::prelude::*;

use crate::OpenError;
use crate::replay::ReplayWindow;

/// RFC 4303 3.4.3 as one would write it with unlimited memory.
struct Model {
    size: u64,
    top: u64,
    accepted: HashSet<u64>,
}

impl Model {
    /// Whether the number is the highest so far, if it is accepted.
    fn offer(&mut self, seq: u64) -> Result<bool, OpenError> {
        if seq == 0 || u128::from(seq) + u128::from(self.size) <= u128::from(self.top) {
            return Err(OpenError::TooOld);
        }
        if !self.accepted.insert(seq) {
            return Err(OpenError::Replayed);
        }
        let newest = seq > self.top;
        self.top = self.top.max(seq);
        Ok(newest)
    }
}

/// Checks and commits; the two have to agree, as nothing happens between them here.
fn offer(window: &ReplayWindow, seq: u64) -> Result<bool, OpenError> {
    let checked = window.check(seq);
    let committed = window.commit(seq);
    assert_eq!(committed.map(|_| ()), checked);
    if committed.is_ok() {
        assert_eq!(window.check(seq), Err(OpenError::Replayed));
    }
    committed
}

/// How a number relates to the highest so far.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ahead(u64),
    Behind(u64),
    Zero,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_u64..4).prop_map(Step::Ahead),
        2 => (1_u64..200).prop_map(Step::Ahead),
        1 => (1_u64..300_000).prop_map(Step::Ahead),
        1 => (1_u64..1 << 40).prop_map(Step::Ahead),
        8 => (0_u64..40).prop_map(Step::Behind),
        4 => (0_u64..200_000).prop_map(Step::Behind),
        1 => any::<u64>().prop_map(Step::Behind),
        1 => Just(Step::Zero),
    ]
}

fn size() -> impl Strategy<Value = u32> {
    prop_oneof![Just(32), Just(64), Just(1024), Just(65_536), 32_u32..=65_536, 32_u32..200]
}

fn start() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        (1_u64 << 32) - 300..(1 << 32) + 300,
        u64::MAX - 400_000..=u64::MAX,
        any::<u64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_window_says_what_a_set_of_all_numbers_says(
        size in size(),
        start in start(),
        steps in prop::collection::vec(step(), 1..400),
    ) {
        let window = ReplayWindow::new(size).unwrap();
        let mut model = Model { size: u64::from(size), top: 0, accepted: HashSet::new() };
        prop_assert_eq!(offer(&window, start), model.offer(start));
        for step in steps {
            let seq = match step {
                Step::Ahead(by) => model.top.saturating_add(by),
                Step::Behind(by) => model.top.saturating_sub(by),
                Step::Zero => 0,
            };
            prop_assert_eq!(offer(&window, seq), model.offer(seq), "seq {}", seq);
            prop_assert_eq!(window.top(), model.top);
        }
    }

    #[test]
    fn a_whole_window_in_any_order_is_accepted_once(
        size in prop_oneof![Just(32_u32), Just(100), Just(4096)],
        start in start(),
        order in any::<prop::sample::Index>(),
    ) {
        let base = start.max(1).min(u64::MAX - u64::from(size) + 1);
        let window = ReplayWindow::new(size).unwrap();
        // Any odd step visits all of a power of two once; those beyond the size are left out.
        let span = u64::from(size.next_power_of_two());
        let stride = order.index(size as usize) as u64 * 2 + 1;
        let within = |at: &u64| *at < u64::from(size);
        let seqs = || (0..span).map(|at| at.wrapping_mul(stride) % span).filter(within);
        for at in seqs() {
            prop_assert!(offer(&window, base + at).is_ok());
        }
        for at in seqs() {
            prop_assert_eq!(window.commit(base + at), Err(OpenError::Replayed));
        }
    }
}

#[test]
fn the_left_edge_is_exactly_the_size_away() {
    for size in [32, 33, 63, 64, 65, 1000, 65_536] {
        let window = ReplayWindow::new(size).unwrap();
        let size = u64::from(size);
        let top = 10_000_000;
        assert_eq!(offer(&window, top), Ok(true));
        assert_eq!(offer(&window, top - size), Err(OpenError::TooOld));
        assert_eq!(offer(&window, top - size + 1), Ok(false));
    }
}

#[test]
fn a_jump_over_many_rounds_forgets_nothing_that_is_still_in_the_window() {
    let window = ReplayWindow::new(64).unwrap();
    for seq in (1..=64).chain([1 << 36, (1 << 36) - 63]) {
        assert!(offer(&window, seq).is_ok());
    }
    assert_eq!(offer(&window, 64), Err(OpenError::TooOld));
    assert_eq!(offer(&window, (1 << 36) - 63), Err(OpenError::Replayed));
    assert_eq!(offer(&window, (1 << 36) - 62), Ok(false));
}

#[test]
fn a_window_that_is_off_lets_everything_pass() {
    let window = ReplayWindow::new(0).unwrap();
    for (seq, newest) in [(5, true), (5, false), (0, false), (1, false), (9, true), (5, false)] {
        assert_eq!(window.check(seq), Ok(()));
        assert_eq!(window.commit(seq), Ok(newest));
    }
    assert_eq!(window.size(), 0);
}

#[test]
fn sizes_outside_of_the_range_are_refused() {
    for size in [1, 31, 65_537, u32::MAX] {
        assert!(ReplayWindow::new(size).is_none(), "{size}");
    }
}
