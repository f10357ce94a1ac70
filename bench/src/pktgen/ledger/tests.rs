//! The ledger against sequences whose fate is known, and against a model that remembers all.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn run(seqs: &[u32]) -> Totals {
    let mut ledger = Ledger::new(1);
    for seq in seqs {
        ledger.record(0, *seq);
    }
    ledger.totals()
}

#[test]
fn packets_in_order_are_only_unique() {
    let all: Vec<u32> = (0..200_000).collect();
    assert_eq!(run(&all), Totals { unique: 200_000, ..Totals::default() });
}

#[test]
fn gaps_are_no_arrivals() {
    assert_eq!(run(&[0, 1, 5, 9]), Totals { unique: 4, ..Totals::default() });
}

#[test]
fn a_late_packet_is_reordered_and_its_copy_a_duplicate() {
    let totals = run(&[0, 2, 3, 1, 1, 3]);
    let expected =
        Totals { unique: 4, reordered: 1, duplicates: 2, reorder_extent: 2, ..Totals::default() };
    assert_eq!(totals, expected);
}

#[test]
fn what_is_later_than_the_window_is_told_apart() {
    let mut ledger = Ledger::new(1);
    assert_eq!(ledger.record(0, 1 << 16), Arrival::InOrder);
    assert_eq!(ledger.record(0, 0), Arrival::Stale);
    assert_eq!(ledger.record(0, 1), Arrival::Reordered((1 << 16) - 1));
    assert_eq!(ledger.record(0, 1), Arrival::Duplicate);
}

#[test]
fn flows_are_counted_apart_and_strangers_are_none() {
    let mut ledger = Ledger::new(2);
    for (flow, seq) in [(0, 5), (1, 0), (1, 1), (0, 6)] {
        assert_eq!(ledger.record(flow, seq), Arrival::InOrder);
    }
    assert_eq!(ledger.record(2, 0), Arrival::Stranger);
    assert_eq!((ledger.totals().strangers, ledger.flows_seen()), (1, 2));
    assert_eq!(ledger.spanned(), 7 + 2);
}

#[test]
fn an_open_ledger_begins_with_what_comes_first() {
    let mut ledger = Ledger::open();
    for seq in [100, 101, 103, 102, 99] {
        ledger.record(70, seq);
    }
    assert_eq!((ledger.spanned(), ledger.flows_seen()), (4, 1));
    let expected =
        Totals { unique: 4, reordered: 1, stale: 1, reorder_extent: 1, ..<_>::default() };
    assert_eq!(ledger.totals(), expected);
    assert_eq!(ledger.record(u32::MAX, 0), Arrival::Stranger);
}

#[test]
fn the_last_number_of_all_is_counted() {
    let totals = run(&[u32::MAX - 1, u32::MAX]);
    assert_eq!(totals.unique, 2);
}

proptest! {
    /// Within the window, the ledger agrees with a set of all numbers seen.
    #[test]
    fn ledger_and_a_perfect_memory_agree(
        steps in proptest::collection::vec((0u32..4, 0u32..3000), 1..800),
    ) {
        let mut ledger = Ledger::new(4);
        let mut seen = vec![BTreeSet::new(); 4];
        let mut expected = Totals::default();
        for (flow, seq) in steps {
            let seen = &mut seen[flow as usize];
            let highest = seen.last().copied();
            if !seen.insert(seq) {
                expected.duplicates += 1;
            } else {
                expected.unique += 1;
                if let Some(highest) = highest.filter(|highest| *highest > seq) {
                    expected.reordered += 1;
                    expected.reorder_extent = expected.reorder_extent.max(highest - seq);
                }
            }
            ledger.record(flow, seq);
        }
        prop_assert_eq!(ledger.totals(), expected);
    }
}
