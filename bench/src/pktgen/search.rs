//! The search for throughput: the highest load whose losses stay within a goal.
//!
//! It follows MLRsearch (draft-ietf-bmwg-mlrsearch) in what a result means. A goal is a loss ratio,
//! a sum of trial durations and an exceed ratio: a load is a lower bound when at most that part of
//! the trials' time was lossier than the goal, whatever the trials that are still missing would
//! give, and an upper bound when it is more, likewise. So one burst of a noisy machine does not
//! decide. Between the highest lower bound and the lowest upper bound above it the search bisects,
//! on a logarithmic scale, until both are within the goal's width.
//!
//! 1. The first trial is at the highest load; it warms everything up and counts for nothing, but
//!    shows whether the generator can offer so much.
//! 2. Trials at the highest load tell what passes there; bisection starts between there and what
//!    passed.
//! 3. For each goal, from the lossiest to the strictest, coarse widths come first, with one trial
//!    for each load, then the final one, with as many as the duration sum wants. Trials of former
//!    steps are kept.
//!
//! Nothing here knows a clock, a device or randomness: trials come from a closure.

use serde::Serialize;

/// One trial as the search sees it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Frames a second that were really offered.
    pub offered_pps: f64,
    /// Packets that did not arrive, of those offered: 0 to 1.
    pub loss_ratio: f64,
    /// Seconds that it took, all in.
    pub took_s: f64,
}

/// What is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Goal {
    /// Losses that are accepted, 0 to 1.
    pub loss_ratio: f64,
}

/// How to search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Lowest load, frames a second.
    pub min_pps: f64,
    /// Highest load, frames a second.
    pub max_pps: f64,
    /// Seconds of a trial.
    pub trial_s: f64,
    /// Seconds of trials that decide about a load.
    pub duration_sum_s: f64,
    /// Part of them that may be lossier than the goal.
    pub exceed_ratio: f64,
    /// Distance of the bounds at which the search ends, of the upper one.
    pub width: f64,
    /// Seconds after which it gives up.
    pub budget_s: f64,
}

/// What was found for one goal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The goal.
    pub goal: Goal,
    /// The highest load known to be within the goal, frames a second: NDR or PDR.
    pub lower_pps: Option<f64>,
    /// The lowest load above it that is not; `None` when all that could be offered passed.
    pub upper_pps: Option<f64>,
    /// Frames a second that arrived at the lower bound (conditional throughput).
    pub conditional_pps: Option<f64>,
    /// How the search ended.
    pub end: End,
    /// The highest load that single trials speak for, where it is not the lower bound.
    pub tentative_pps: Option<f64>,
    /// The lowest and the highest load at which trials were of both minds.
    pub spread_pps: Option<(f64, f64)>,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The bounds are as near as they were to be.
    Converged,
    /// The highest load passed: the limit is the link or the generator, not the gateway.
    MaxPassed,
    /// The lowest load did not pass.
    MinFailed,
    /// Time was up before the bounds were near enough.
    NotConverged,
    /// It was told to stop.
    Stopped,
}

/// Steps before the final one, by how much wider they are.
const COARSER: [f64; 2] = [16.0, 4.0];

/// All trials at one load.
#[derive(Clone, Debug)]
struct Load {
    pps: f64,
    losses: Vec<f64>,
}

/// How a load stands towards a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Lower,
    Upper,
    Undecided,
}

struct Search<'a> {
    settings: Settings,
    loads: Vec<Load>,
    spent_s: f64,
    /// Where the generator's own limit turned out to be.
    max_pps: f64,
    trial: &'a mut dyn FnMut(f64) -> Option<Outcome>,
    stopped: bool,
}

/// Searches for every goal. `trial` offers a load in frames a second and tells what became of it;
/// `None` stops the search. The goals' results are in their order.
pub fn search(
    goals: &[Goal],
    settings: Settings,
    trial: &mut dyn FnMut(f64) -> Option<Outcome>,
) -> Vec<Found> {
    let max_pps = settings.max_pps;
    let mut search =
        Search { settings, loads: Vec::new(), spent_s: 0.0, max_pps, trial, stopped: false };
    search.warm_up();
    let mut order: Vec<usize> = (0..goals.len()).collect();
    order.sort_by(|a, b| goals[*b].loss_ratio.total_cmp(&goals[*a].loss_ratio));
    let mut ends = vec![End::NotConverged; goals.len()];
    for at in order {
        for coarser in COARSER {
            search.approach(goals[at], settings.width * coarser, settings.trial_s);
        }
        ends[at] = search.approach(goals[at], settings.width, settings.duration_sum_s);
    }
    let found = goals.iter().zip(ends).map(|(goal, end)| search.found(*goal, end));
    found.collect()
}

impl Search<'_> {
    /// Narrows the bounds of a goal down to `width`, with `sum_s` seconds for each load.
    fn approach(&mut self, goal: Goal, width: f64, sum_s: f64) -> End {
        loop {
            let lower = self.lower(goal, sum_s);
            let upper = self.upper(goal, sum_s);
            let next = match (lower, upper) {
                (Some(lower), None) if lower >= self.max_pps * 0.999_999 => return End::MaxPassed,
                (None, Some(upper)) if upper <= self.settings.min_pps * 1.000_001 => {
                    return End::MinFailed;
                }
                (Some(lower), Some(upper)) if upper - lower <= upper * width => {
                    return End::Converged;
                }
                (Some(lower), Some(upper)) => (lower * upper).sqrt(),
                (Some(_), None) => self.promising_upper(goal, sum_s),
                (None, _) => self.promising_lower(goal, sum_s),
            };
            if self.spent_s >= self.settings.budget_s {
                return End::NotConverged;
            }
            let next = self.near(next, goal, sum_s);
            if self.measure(next).is_none() {
                return End::Stopped;
            }
        }
    }

    /// Offers the highest load, and learns from the best of some trials which one that can be.
    fn warm_up(&mut self) {
        let asked = self.max_pps;
        let mut best: f64 = 0.0;
        for _ in 0..SHORT_TRIALS {
            let Some(outcome) = self.offer(asked) else { return };
            best = best.max(outcome.offered_pps);
            if best >= asked * OFFERED_MIN {
                break;
            }
        }
        self.lower_max(best, asked);
    }

    /// A load that is undecided for a goal and lies close to `pps` is decided first.
    fn near(&self, pps: f64, goal: Goal, sum_s: f64) -> f64 {
        let close = |load: &&Load| {
            (load.pps / pps - 1.0).abs() < self.settings.width / 4.0
                && self.standing(load, goal, sum_s) == Standing::Undecided
        };
        self.loads.iter().find(close).map_or(pps, |load| load.pps)
    }

    /// Where to look for a lower bound: at the highest load that one trial speaks for and more
    /// are to confirm, or below all that was too much.
    fn promising_lower(&self, goal: Goal, sum_s: f64) -> f64 {
        let once = self.settings.trial_s;
        if let Some(pps) = self.lower(goal, once).filter(|pps| self.is_open(*pps, goal, sum_s)) {
            return pps;
        }
        match self.upper(goal, once) {
            Some(upper) => self.below(upper, goal),
            None => self.max_pps,
        }
    }

    /// Where to look for an upper bound: at the lowest load that one trial speaks against, or at
    /// the highest load.
    fn promising_upper(&self, goal: Goal, sum_s: f64) -> f64 {
        let upper = self.upper(goal, self.settings.trial_s);
        upper.filter(|pps| self.is_open(*pps, goal, sum_s)).unwrap_or(self.max_pps)
    }

    /// Whether more trials at a load can decide something.
    fn is_open(&self, pps: f64, goal: Goal, sum_s: f64) -> bool {
        let load = self.loads.iter().find(|load| load.pps == pps);
        load.is_some_and(|load| self.standing(load, goal, sum_s) == Standing::Undecided)
    }

    /// Below a load that was too much: what arrived of it, but a tenth less at least.
    fn below(&self, upper: f64, goal: Goal) -> f64 {
        let losses = self.loads.iter().find(|load| load.pps == upper).map(|load| &load.losses);
        let worst = losses.into_iter().flatten().copied().fold(0.0, f64::max);
        let arrived = upper * (1.0 - worst) / (1.0 - goal.loss_ratio.min(0.5));
        let step = arrived.min(upper * 0.9).max(upper * 0.5);
        step.clamp(self.settings.min_pps, self.max_pps)
    }

    fn offer(&mut self, pps: f64) -> Option<Outcome> {
        if self.stopped {
            return None;
        }
        let outcome = (self.trial)(pps);
        self.stopped = outcome.is_none();
        self.spent_s += outcome.map_or(0.0, |outcome| outcome.took_s);
        outcome
    }

    /// A trial at this load. One in which the generator fell behind says nothing about the
    /// gateway and is done again; when that happens time after time, the highest load is too high.
    fn measure(&mut self, pps: f64) -> Option<()> {
        let mut best: f64 = 0.0;
        for _ in 0..SHORT_TRIALS {
            let outcome = self.offer(pps)?;
            if outcome.offered_pps >= pps * OFFERED_MIN {
                self.enter(pps, &outcome);
                return Some(());
            }
            best = best.max(outcome.offered_pps);
        }
        self.lower_max(best, pps);
        Some(())
    }

    fn enter(&mut self, pps: f64, outcome: &Outcome) {
        let known = self.loads.iter_mut().find(|load| load.pps == pps);
        match known {
            Some(load) => load.losses.push(outcome.loss_ratio),
            None => self.loads.push(Load { pps, losses: vec![outcome.loss_ratio] }),
        }
    }

    /// A generator that offered `offered` of `asked` has shown where the highest load is.
    fn lower_max(&mut self, offered: f64, asked: f64) {
        if offered >= asked * OFFERED_MIN {
            return;
        }
        // A little less than it once managed, so that it can do so again.
        let max_pps = (offered * 0.98).min(asked * 0.98);
        self.max_pps = max_pps.clamp(self.settings.min_pps, self.max_pps);
        let max_pps = self.max_pps;
        self.loads.retain(|load| load.pps <= max_pps);
    }

    fn standing(&self, load: &Load, goal: Goal, sum_s: f64) -> Standing {
        let seconds = |count: usize| count as f64 * self.settings.trial_s;
        let bad = seconds(load.losses.iter().filter(|loss| **loss > goal.loss_ratio).count());
        let all = seconds(load.losses.len());
        let whole = all.max(sum_s);
        let missing = whole - all;
        let slack = 1e-9;
        match self.settings.exceed_ratio {
            exceed if bad / whole > exceed + slack => Standing::Upper,
            exceed if (bad + missing) / whole <= exceed + slack => Standing::Lower,
            _ => Standing::Undecided,
        }
    }

    fn bounds(&self, goal: Goal, sum_s: f64, wanted: Standing) -> impl Iterator<Item = f64> + '_ {
        let stands = move |load: &&Load| self.standing(load, goal, sum_s) == wanted;
        self.loads.iter().filter(stands).map(|load| load.pps)
    }

    /// The lowest load that is too much.
    fn upper(&self, goal: Goal, sum_s: f64) -> Option<f64> {
        self.bounds(goal, sum_s, Standing::Upper).min_by(f64::total_cmp)
    }

    /// The highest load below it that is not.
    fn lower(&self, goal: Goal, sum_s: f64) -> Option<f64> {
        let upper = self.upper(goal, sum_s).unwrap_or(f64::INFINITY);
        let below = self.bounds(goal, sum_s, Standing::Lower).filter(|pps| *pps < upper);
        below.max_by(f64::total_cmp)
    }

    fn found(&self, goal: Goal, end: End) -> Found {
        let sum_s = self.settings.duration_sum_s;
        let (lower, upper) = (self.lower(goal, sum_s), self.upper(goal, sum_s));
        let of_both_minds = self.loads.iter().filter(|load| {
            let bad = load.losses.iter().filter(|loss| **loss > goal.loss_ratio).count();
            bad > 0 && bad < load.losses.len()
        });
        let mixed: Vec<f64> = of_both_minds.map(|load| load.pps).collect();
        let least = mixed.iter().copied().min_by(f64::total_cmp);
        let most = mixed.iter().copied().max_by(f64::total_cmp);
        let tentative = self.lower(goal, self.settings.trial_s);
        Found {
            goal,
            tentative_pps: tentative.filter(|_| lower.is_none()),
            lower_pps: lower,
            upper_pps: upper,
            conditional_pps: lower.and_then(|pps| self.conditional(pps)),
            end: if self.stopped { End::Stopped } else { end },
            spread_pps: least.zip(most),
        }
    }

    /// The load, less the worst loss of the trials that are not excused by the exceed ratio.
    fn conditional(&self, pps: f64) -> Option<f64> {
        let load = self.loads.iter().find(|load| load.pps == pps)?;
        let mut losses = load.losses.clone();
        losses.sort_by(f64::total_cmp);
        let excused = (losses.len() as f64 * self.settings.exceed_ratio).floor() as usize;
        let at = losses.len().saturating_sub(excused + 1);
        losses.get(at).map(|loss| pps * (1.0 - loss))
    }
}

/// Below this part of what was asked for, the generator was at its limit.
const OFFERED_MIN: f64 = 0.99;
/// Trials at one load in which the generator may fall behind before that load is given up.
const SHORT_TRIALS: u32 = 3;

/// The longest burst that passes without loss, by bisection between 1 and `most` frames, each
/// length tried `repeats` times. `burst` sends so many frames at once and tells how many were lost.
/// `None` when it was told to stop.
pub fn longest_burst(
    most: u64,
    repeats: u32,
    burst: &mut dyn FnMut(u64) -> Option<u64>,
) -> Option<u64> {
    let mut passes = |frames: u64| -> Option<bool> {
        for _ in 0..repeats {
            if burst(frames)? > 0 {
                return Some(false);
            }
        }
        Some(true)
    };
    if passes(most)? {
        return Some(most);
    }
    let (mut passed, mut failed) = (0, most);
    // RFC 9004 asks for no finer resolution than the frames of a device's own granularity.
    while failed - passed > (failed / 100).max(1) {
        let middle = passed + (failed - passed) / 2;
        if passes(middle)? {
            passed = middle;
        } else {
            failed = middle;
        }
    }
    Some(passed)
}

#[cfg(test)]
mod tests;
