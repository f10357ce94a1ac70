//! One worker against several, on one tunnel, in turns.

use serde::{Deserialize, Serialize};

use crate::counters::Reading;
use crate::crew::{Crew, Deal, Outcome, per_window, replay_window};
use crate::gateway::Lost;
use crate::lane::Load;
use crate::measure::{Row, Spread, Window, row};

/// What came of sharing one tunnel among workers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sharing {
    /// How packets came to the workers' queues.
    pub deal: Deal,
    /// Anti-replay window, packets.
    pub replay_window: u32,
    /// Packets per second by those of one worker: the best window of each.
    pub speedup: f64,
    /// The same of the median of windows next to each other.
    pub speedup_median: f64,
    /// Packets refused as seen before or too old, though none was sent twice.
    pub replay_drops: u64,
    /// Packets that came out after a later one of their inner flow; not looked at when packets
    /// were dealt one by one.
    pub reordered: u64,
}

/// Measures a load with one worker and with several.
///
/// # Errors
/// When packets are lost other than to the anti-replay window.
pub fn measure_shared(
    load: &Load,
    workers: usize,
    deal: Deal,
    windows: usize,
) -> Result<[Row; 2], Lost> {
    let load = Load { window: replay_window(workers), ..load.clone() };
    let umem = Crew::umem(workers);
    let packets = per_window(workers);
    let mut one = Crew::new(umem, &load, 1, packets, deal);
    let mut many = Crew::new(umem, &load, workers, packets, deal);
    let mut outcomes = Vec::with_capacity(windows);
    // Once unmeasured: pages are mapped.
    for window in 0..=windows {
        let pair = [one.window()?, many.window()?];
        if window > 0 {
            outcomes.push(pair);
        }
    }
    let ns = |at: usize| outcomes.iter().map(move |pair| pair[at].ns as f64);
    let least = |at: usize| ns(at).fold(f64::INFINITY, f64::min);
    let ratios = Spread::of(ns(0).zip(ns(1)).map(|(one, many)| one / many).collect());
    let sharing = Sharing {
        deal,
        replay_window: load.window,
        speedup: least(0) / least(1),
        speedup_median: ratios.median,
        replay_drops: outcomes.iter().map(|pair| pair[1].replay_drops).sum(),
        reordered: outcomes.iter().map(|pair| pair[1].reordered).sum(),
    };
    let of = |at: usize| {
        let windows: Vec<_> = outcomes.iter().map(|pair| as_window(&pair[at])).collect();
        row(&load, packets, &windows)
    };
    let shared = Row { workers: workers as u32, sharing: Some(sharing), ..of(1) };
    Ok([of(0), shared])
}

/// The wall clock's; cycles are those of all workers.
fn as_window(outcome: &Outcome) -> Window {
    let reading = Reading { counts: [None; 4], ns: outcome.ns };
    let clock = outcome.cycles.map(|cycles| cycles / outcome.ns as f64);
    Window { reading, clock }
}
