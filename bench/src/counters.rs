//! The processor's own counters around a stretch of code of this thread, user mode only.

use std::time::{Duration, Instant};

use perf_event::events::Hardware;
use perf_event::{Builder, Counter, Group};

/// Events counted, in the order of [`Reading::counts`].
const EVENTS: [(&str, Hardware); 4] = [
    ("cycles", Hardware::CPU_CYCLES),
    ("instructions", Hardware::INSTRUCTIONS),
    ("branch misses", Hardware::BRANCH_MISSES),
    ("cache misses", Hardware::CACHE_MISSES),
];
/// Empty stretches from which the cost of reading is taken.
const CALIBRATIONS: usize = 501;

/// What a stretch of code took; an event that cannot be counted here is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Cycles, instructions, branch misses, cache misses.
    pub counts: [Option<u64>; 4],
    /// Nanoseconds of the wall clock.
    pub ns: u64,
}

impl Reading {
    /// Adds another stretch.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.counts.iter_mut().zip(other.counts) {
            *sum = sum.zip(more).map(|(sum, more)| sum + more);
        }
        self.ns += other.ns;
    }

    fn less(&self, cost: &Self) -> Self {
        let mut left = *self;
        for (count, cost) in left.counts.iter_mut().zip(cost.counts) {
            *count = count.zip(cost).map(|(count, cost)| count.saturating_sub(cost));
        }
        left.ns = left.ns.saturating_sub(cost.ns);
        left
    }
}

/// Counters of the thread that made them.
pub struct Meter {
    group: Option<Group>,
    counters: [Option<Counter>; 4],
    /// What an empty stretch reads.
    cost: Reading,
    notes: Vec<String>,
}

impl Meter {
    /// Counters for this thread, calibrated; where there are none, the clock alone.
    #[must_use]
    pub fn new() -> Self {
        let mut notes = Vec::new();
        let (group, counters) = match Group::new() {
            Ok(mut group) => {
                let counters =
                    EVENTS.map(|(name, event)| count(&mut group, name, event, &mut notes));
                let any = counters.iter().any(Option::is_some);
                (any.then_some(group), counters)
            }
            Err(error) => {
                notes.push(format!("hardware counters: {}", why(&error)));
                (None, [const { None }; 4])
            }
        };
        let mut meter = Self { group, counters, cost: Reading::default(), notes };
        meter.start();
        meter.calibrate();
        meter
    }

    /// Why something is not counted.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether the processor counts cycles here.
    #[must_use]
    pub fn counts_cycles(&self) -> bool {
        self.counters[0].is_some()
    }

    /// What `stretch` took, less what reading the counters takes.
    pub fn measure(&mut self, stretch: impl FnOnce()) -> Reading {
        let before = self.read();
        let begin = Instant::now();
        stretch();
        let ns = begin.elapsed().as_nanos() as u64;
        let after = self.read();
        let mut took = Reading { counts: after, ns };
        for (count, before) in took.counts.iter_mut().zip(before) {
            *count = count.zip(before).map(|(after, before)| after - before);
        }
        took.less(&self.cost)
    }

    fn start(&mut self) {
        let Some(group) = &mut self.group else { return };
        let works = group.enable().and_then(|()| {
            std::thread::sleep(Duration::from_millis(1));
            group.read()
        });
        let counted = match works {
            // A group that does not fit the processor's registers is never put there.
            Ok(data) => data.time_running().is_some_and(|running| !running.is_zero()),
            Err(_) => false,
        };
        if !counted {
            self.notes.push("hardware counters: the processor has no free ones".to_owned());
            self.group = None;
            self.counters = [const { None }; 4];
        }
    }

    fn calibrate(&mut self) {
        let readings: Vec<_> = (0..CALIBRATIONS).map(|_| self.measure(|| ())).collect();
        for (at, cost) in self.cost.counts.iter_mut().enumerate() {
            let mut of: Vec<_> = readings.iter().filter_map(|reading| reading.counts[at]).collect();
            of.sort_unstable();
            *cost = of.get(of.len() / 2).copied();
        }
        let mut ns: Vec<_> = readings.iter().map(|reading| reading.ns).collect();
        ns.sort_unstable();
        self.cost.ns = ns[ns.len() / 2];
    }

    fn read(&mut self) -> [Option<u64>; 4] {
        let Some(data) = self.group.as_mut().and_then(|group| group.read().ok()) else {
            return [None; 4];
        };
        let value = |counter: &Option<Counter>| Some(data.get(counter.as_ref()?)?.value());
        [0, 1, 2, 3].map(|at| value(&self.counters[at]))
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

fn count(
    group: &mut Group,
    name: &str,
    event: Hardware,
    notes: &mut Vec<String>,
) -> Option<Counter> {
    // The kernel's part, interrupts for example, is not the worker's.
    let mut builder = Builder::new(event);
    builder.exclude_kernel(true).exclude_hv(true);
    match group.add(&builder) {
        Ok(counter) => Some(counter),
        Err(error) => {
            let why = why(&error);
            // One line for all events that have the same trouble.
            match notes.iter_mut().find(|note| note.ends_with(&why)) {
                Some(note) => note.insert_str(0, &format!("{name}, ")),
                None => notes.push(format!("{name}: {why}")),
            }
            None
        }
    }
}

fn why(error: &std::io::Error) -> String {
    let remedy = match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "; run as root or set kernel.perf_event_paranoid to 2 or less"
        }
        std::io::ErrorKind::NotFound | std::io::ErrorKind::Unsupported => {
            "; this machine, as virtual ones often do, does not show them"
        }
        _ => "",
    };
    format!("{error}{remedy}")
}
