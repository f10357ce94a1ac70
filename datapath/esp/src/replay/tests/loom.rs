//! Every interleaving of two workers, and of three those with at most three preemptions (without
//! the bound they are too many to wait for). Run with
//! `RUSTFLAGS="--cfg loom" cargo test -p esp --release loom`.

use loom::model::Builder;
use loom::sync::Arc;
use loom::{model, thread};

use crate::OpenError;
use crate::replay::ReplayWindow;

/// Numbers that one round of a window of 32 spans: two words of 32.
const ROUND: u64 = 64;

fn model_of_three(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

/// Each worker offers its numbers in order, as `open` does it; gives the numbers that anybody got
/// accepted, and the window's top. That is the newest, and one of its packets is told so.
fn offer(workers: &'static [&'static [u64]]) -> (Vec<u64>, u64) {
    let window = Arc::new(ReplayWindow::new(32).unwrap());
    let accept = |window: &ReplayWindow, seqs: &[u64]| -> Vec<(u64, bool)> {
        let commit = |seq: &u64| window.check(*seq).and_then(|()| window.commit(*seq));
        seqs.iter().filter_map(|seq| commit(seq).ok().map(|newest| (*seq, newest))).collect()
    };
    let (mine, others) = workers.split_first().unwrap();
    let others: Vec<_> = others
        .iter()
        .map(|seqs| {
            let window = window.clone();
            thread::spawn(move || accept(&window, seqs))
        })
        .collect();
    let mut accepted = accept(&window, mine);
    for other in others {
        accepted.extend(other.join().unwrap());
    }
    accepted.sort_unstable();
    assert_eq!(accepted.last(), Some(&(window.top(), true)), "the newest: {accepted:?}");
    let accepted: Vec<u64> = accepted.into_iter().map(|(seq, _)| seq).collect();
    for seq in &accepted {
        let again = window.check(*seq).and_then(|()| window.commit(*seq));
        assert!(matches!(again, Err(OpenError::Replayed | OpenError::TooOld)), "{seq}: {again:?}");
    }
    (accepted, window.top())
}

#[test]
fn a_number_that_all_workers_offer_is_accepted_from_one() {
    model(|| assert_eq!(offer(&[&[5], &[5]]), (vec![5], 5)));
    model_of_three(|| assert_eq!(offer(&[&[5], &[5], &[5]]), (vec![5], 5)));
}

#[test]
fn two_numbers_of_one_word_are_both_accepted() {
    model(|| assert_eq!(offer(&[&[5], &[6]]), (vec![5, 6], 6)));
    model_of_three(|| assert_eq!(offer(&[&[5], &[6], &[6, 5]]), (vec![5, 6], 6)));
}

#[test]
fn numbers_of_two_words_within_the_window_are_both_accepted() {
    model(|| assert_eq!(offer(&[&[40, 70], &[70, 40]]), (vec![40, 70], 70)));
}

#[test]
fn a_replay_does_not_slip_in_when_a_newer_round_takes_its_word() {
    fn holds(workers: &'static [&'static [u64]]) {
        let (accepted, top) = offer(workers);
        assert_eq!(top, 5 + ROUND);
        // The old number may come too late from everybody, and be accepted from one at most.
        assert!(accepted == [5, 5 + ROUND] || accepted == [5 + ROUND], "{accepted:?}");
    }
    model(|| holds(&[&[5, 5], &[5 + ROUND]]));
    model(|| holds(&[&[5, 5 + ROUND], &[5]]));
    model_of_three(|| holds(&[&[5], &[5 + ROUND], &[5]]));
}

#[test]
fn two_newer_rounds_that_race_for_a_word_leave_the_newest_in_it() {
    model_of_three(|| {
        let (accepted, top) = offer(&[&[5, 5], &[5 + ROUND], &[5 + 2 * ROUND]]);
        assert_eq!(top, 5 + 2 * ROUND);
        assert!(accepted.contains(&(5 + 2 * ROUND)), "{accepted:?}");
        let distinct: std::collections::BTreeSet<_> = accepted.iter().collect();
        assert_eq!(distinct.len(), accepted.len(), "{accepted:?}");
    });
}
