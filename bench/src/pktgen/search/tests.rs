//! The search in virtual time, against devices whose limit is known.

use proptest::prelude::*;

use super::*;

const NDR: Goal = Goal { loss_ratio: 0.0 };
const PDR: Goal = Goal { loss_ratio: 0.005 };

fn settings() -> Settings {
    Settings {
        min_pps: 1_000.0,
        max_pps: 1e6,
        trial_s: 1.0,
        duration_sum_s: 21.0,
        exceed_ratio: 0.5,
        width: 0.005,
        budget_s: 3_600.0,
    }
}

/// What a device with room for `capacity` frames a second and no buffer lets through.
fn through(pps: f64, capacity: f64) -> Outcome {
    Outcome { offered_pps: pps, loss_ratio: (1.0 - capacity / pps).max(0.0), took_s: 1.0 }
}

/// Marsaglia's xorshift64*, as a number from 0 to 1.
fn random(state: &mut u64) -> f64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
}

proptest! {
    #[test]
    fn a_hard_limit_is_found_within_the_width(capacity in 1_100f64..990_000.0) {
        let found = search(&[NDR, PDR], settings(), &mut |pps| Some(through(pps, capacity)));
        for (found, limit) in found.iter().zip([capacity, capacity / 0.995]) {
            prop_assert_eq!(found.end, End::Converged);
            let (lower, upper) = (found.lower_pps.unwrap(), found.upper_pps.unwrap());
            prop_assert!(lower <= limit && limit <= upper, "{lower} {limit} {upper}");
            prop_assert!(upper - lower <= 0.005 * upper);
            prop_assert_eq!(found.spread_pps, None);
        }
        prop_assert_eq!(found[0].conditional_pps, found[0].lower_pps);
        let pdr = &found[1];
        prop_assert!(pdr.conditional_pps.unwrap() >= pdr.lower_pps.unwrap() * 0.995 - 1.0);
    }

    /// The capacity of each trial is up to 3 % off: half of them are good near the middle.
    #[test]
    fn a_noisy_limit_is_found_where_half_of_the_trials_pass(seed in 1u64..u64::MAX) {
        let (mut state, capacity) = (seed, 250_000.0);
        let found = search(&[NDR, PDR], settings(), &mut |pps| {
            Some(through(pps, capacity * (0.97 + 0.06 * random(&mut state))))
        });
        for found in found {
            prop_assert_eq!(found.end, End::Converged, "{:?}", found);
            let lower = found.lower_pps.unwrap();
            prop_assert!((lower / capacity - 1.0).abs() < 0.03, "{lower}");
        }
    }
}

#[test]
fn what_passes_the_highest_load_is_limited_by_the_generator() {
    let found = search(&[NDR, PDR], settings(), &mut |pps| Some(through(pps, 1e9)));
    assert!(found.iter().all(|found| found.end == End::MaxPassed && found.upper_pps.is_none()));
    assert_eq!(found[0].lower_pps, Some(1e6));
}

#[test]
fn a_generator_that_cannot_offer_the_highest_load_lowers_it() {
    let found = search(&[NDR], settings(), &mut |pps| {
        let offered = pps.min(400_000.0);
        Some(Outcome { offered_pps: offered, loss_ratio: 0.0, took_s: 1.0 })
    });
    assert_eq!((found[0].end, found[0].lower_pps), (End::MaxPassed, Some(392_000.0)));
}

#[test]
fn a_generator_that_stumbles_now_and_then_does_not_lower_the_result() {
    let mut turn = 0u32;
    let found = search(&[NDR], settings(), &mut |pps| {
        turn += 1;
        let offered = if turn.is_multiple_of(3) { 0.5 * pps } else { pps };
        Some(Outcome { offered_pps: offered, ..through(pps, 800_000.0) })
    });
    assert_eq!(found[0].end, End::Converged);
    assert!((found[0].lower_pps.unwrap() / 800_000.0 - 1.0).abs() < 0.005, "{found:?}");
}

#[test]
fn losses_at_every_load_are_told() {
    let found = search(&[NDR, PDR], settings(), &mut |pps| {
        Some(Outcome { loss_ratio: 0.001, ..through(pps, 1e9) })
    });
    assert_eq!((found[0].end, found[0].lower_pps), (End::MinFailed, None));
    assert_eq!(found[0].upper_pps, Some(1_000.0));
    assert_eq!(found[1].end, End::MaxPassed);
}

#[test]
fn a_search_that_never_converges_says_so_with_the_spread() {
    // Good and bad by turns, whatever the load.
    let mut turn = 0u32;
    let found = search(&[NDR], Settings { budget_s: 200.0, ..settings() }, &mut |pps| {
        turn += 1;
        let loss_ratio = if turn.is_multiple_of(2) { 0.1 } else { 0.0 };
        Some(Outcome { offered_pps: pps, loss_ratio, took_s: 10.0 })
    });
    assert_eq!(found[0].end, End::NotConverged);
    let (least, most) = found[0].spread_pps.unwrap();
    assert!(least <= most, "{least} {most}");
    assert!(turn <= 22, "the budget ends it after {turn} trials");
}

#[test]
fn the_first_trial_counts_for_nothing() {
    let mut first = true;
    let found = search(&[NDR], settings(), &mut |pps| {
        let cold = std::mem::take(&mut first);
        Some(Outcome { loss_ratio: if cold { 0.9 } else { 0.0 }, ..through(pps, 1e9) })
    });
    assert_eq!((found[0].end, found[0].spread_pps), (End::MaxPassed, None));
}

#[test]
fn a_stopped_search_tells_what_it_knows() {
    let mut left = 30;
    let found = search(&[NDR], settings(), &mut |pps| {
        left -= 1;
        (left > 0).then(|| through(pps, 250_000.0))
    });
    assert_eq!(found[0].end, End::Stopped);
}

#[test]
fn bad_trials_are_excused_up_to_the_exceed_ratio() {
    let search = |losses: &[f64]| {
        let load = Load { pps: 1.0, losses: losses.to_vec() };
        let mut trial = |_| None;
        let search = Search {
            settings: Settings { duration_sum_s: 4.0, ..settings() },
            loads: vec![load.clone()],
            spent_s: 0.0,
            max_pps: 1.0,
            trial: &mut trial,
            stopped: false,
        };
        (search.standing(&load, NDR, 4.0), search.conditional(1.0).unwrap())
    };
    assert_eq!(search(&[0.0, 0.0]).0, Standing::Lower);
    assert_eq!(search(&[0.0, 0.1]).0, Standing::Undecided);
    assert_eq!(search(&[0.1, 0.1]).0, Standing::Undecided);
    assert_eq!(search(&[0.1, 0.1, 0.2]).0, Standing::Upper);
    // Two of four are excused: the third worst counts.
    assert_eq!(search(&[0.2, 0.0, 0.1, 0.0]), (Standing::Lower, 1.0));
}

proptest! {
    #[test]
    fn the_longest_burst_is_what_a_buffer_holds(buffer in 1u64..100_000) {
        let mut lost = |frames: u64| Some(frames.saturating_sub(buffer));
        let found = longest_burst(50_000, 3, &mut lost).unwrap();
        prop_assert!(found <= buffer.min(50_000));
        prop_assert!(found >= buffer.min(50_000) - buffer.min(50_000) / 99 - 1, "{found}");
    }
}

proptest! {
    /// A burst of noise at the beginning of the final step does not drive the search to the floor.
    #[test]
    fn few_trials_suffice_where_the_limit_is_hard(capacity in 20_000f64..900_000.0) {
        let mut trials = 0u32;
        let settings = Settings { trial_s: 0.25, duration_sum_s: 0.75, width: 0.05, ..settings() };
        let found = search(&[NDR, PDR], settings, &mut |pps| {
            trials += 1;
            Some(Outcome { took_s: 0.25, ..through(pps, capacity) })
        });
        prop_assert!(found.iter().all(|found| found.end == End::Converged));
        prop_assert!(trials <= 30, "{trials} trials");
    }
}
