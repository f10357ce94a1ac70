//! Windows of turns, and what a packet took in them.

use serde::{Deserialize, Serialize};

use crate::baseline::Comparison;
use crate::clock::cycles_per_ns;
use crate::counters::{Meter, Reading};
use crate::gateway::{Lost, PER_TURN};
use crate::lane::{Lane, Load};
use crate::sharing::Sharing;

/// Packets of a window: a few milliseconds, so that some windows are left alone by everybody else
/// on the machine.
const PACKETS_PER_WINDOW: usize = 8192;

/// What a packet took, and of what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Such as `esp-tunnel-encap`.
    pub pipeline: String,
    /// Such as `aes128gcm16`, or `none`.
    pub suite: String,
    /// Length of the inner packet, bytes.
    pub size: usize,
    /// Tunnels, each with an SA pair if ESP protects it.
    pub sas: u32,
    /// Routes that lead to the far side; each tunnel has one at least.
    pub routes: u32,
    /// Inner flows, spread evenly over the routes and so over the tunnels.
    pub flows: u32,
    /// Workers.
    pub workers: u32,
    /// Cycles of the best window, per packet; `null` where there is no way to know.
    pub cycles: Option<f64>,
    /// How cycles are known.
    pub cycles_by: CyclesBy,
    /// Cycles of the median window.
    pub cycles_median: Option<f64>,
    /// Instructions of the window with fewest; `null` where the machine does not count them, as
    /// with branch and cache misses.
    pub instructions: Option<f64>,
    /// Instructions of the median window.
    pub instructions_median: Option<f64>,
    /// Branch misses of the median window.
    pub branch_misses: Option<f64>,
    /// Cache misses of the median window.
    pub cache_misses: Option<f64>,
    /// Nanoseconds of the best window.
    pub ns: f64,
    /// Nanoseconds of the median window.
    pub ns_median: f64,
    /// Windows measured.
    pub windows: usize,
    /// Packets carried in them, all of which came out on the other side.
    pub packets: u64,
    /// Packets per second: those of the best window.
    pub pps: f64,
    /// What came of sharing one tunnel, where there are several workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing: Option<Sharing>,
    /// How it compares with an earlier run, where one is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Comparison>,
}

/// How cycles are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CyclesBy {
    /// Counted by the processor.
    Counter,
    /// Estimated: nanoseconds times the core's clock, which is measured beside each window. What
    /// interrupts the thread is in the medians, then.
    Clock,
}

/// What one window took.
#[derive(Default)]
pub(crate) struct Window {
    pub(crate) reading: Reading,
    /// Cycles per nanosecond.
    pub(crate) clock: Option<f64>,
}

/// Measures a load over so many windows.
///
/// # Errors
/// When packets are lost.
pub fn measure(meter: &mut Meter, load: &Load, windows: usize) -> Result<Row, Lost> {
    let turns = PACKETS_PER_WINDOW.div_ceil(PER_TURN);
    let mut lane = Lane::new(load);
    // Once unmeasured: caches and branch predictors learn the way, pages are mapped.
    let mut measured = Vec::with_capacity(windows);
    for window in 0..=windows {
        let sum = one_window(meter, &mut lane, turns)?;
        if window > 0 {
            measured.push(sum);
        }
    }
    Ok(row(load, turns * PER_TURN, &measured))
}

fn one_window(meter: &mut Meter, lane: &mut Lane, turns: usize) -> Result<Window, Lost> {
    lane.prepare(turns)?;
    let clock = cycles_per_ns();
    let mut sum: Option<Reading> = None;
    for _ in 0..turns {
        let reading = lane.turn(|carry| meter.measure(carry))?;
        match &mut sum {
            Some(sum) => sum.add(&reading),
            None => sum = Some(reading),
        }
    }
    Ok(Window { reading: sum.unwrap_or_default(), clock })
}

pub(crate) fn row(load: &Load, packets: usize, windows: &[Window]) -> Row {
    let per_packet = |count: u64| count as f64 / packets as f64;
    let counted = |at: usize| {
        let of = windows.iter().map(|window| window.reading.counts[at].map(per_packet));
        of.collect::<Option<Vec<_>>>().map(Spread::of)
    };
    let [cycles, instructions, branch_misses, cache_misses] = [0, 1, 2, 3].map(counted);
    let estimated = || {
        let of = windows.iter().map(|window| Some(per_packet(window.reading.ns) * window.clock?));
        of.collect::<Option<Vec<_>>>().map(Spread::of)
    };
    let cycles_by = if cycles.is_some() { CyclesBy::Counter } else { CyclesBy::Clock };
    let cycles = cycles.or_else(estimated);
    let ns = Spread::of(windows.iter().map(|window| per_packet(window.reading.ns)).collect());
    Row {
        pipeline: load.pipeline.name(),
        suite: load.pipeline.suite().to_owned(),
        size: load.size,
        sas: load.sas,
        routes: load.routes,
        flows: load.flows,
        workers: 1,
        cycles: cycles.map(|spread| spread.best),
        cycles_by,
        cycles_median: cycles.map(|spread| spread.median),
        instructions: instructions.map(|spread| spread.best),
        instructions_median: instructions.map(|spread| spread.median),
        branch_misses: branch_misses.map(|spread| spread.median),
        cache_misses: cache_misses.map(|spread| spread.median),
        ns: ns.best,
        ns_median: ns.median,
        windows: windows.len(),
        packets: (packets * windows.len()) as u64,
        pps: 1e9 / ns.best,
        sharing: None,
        baseline: None,
    }
}

/// The least of some figures and the one in the middle.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) best: f64,
    pub(crate) median: f64,
}

impl Spread {
    pub(crate) fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |n: usize| figures.get(n).copied().unwrap_or(0.0);
        Self { best: at(0), median: at(figures.len() / 2) }
    }
}
