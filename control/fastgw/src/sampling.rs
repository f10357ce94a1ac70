//! The clock by which workers measure latency, and how often they may.
//!
//! The system's monotonic clock costs 20 to 30 ns a reading where the kernel lets processes read
//! the TSC themselves, and hundreds where it does not, as in some virtual machines. Reading the TSC
//! past the kernel costs 11 ns, but has to be calibrated and is no clock everywhere. With samples
//! as far apart as here, what it would save is a quarter of a percent.

use std::hint::black_box;
use std::time::Instant;

use pipeline::Clock;

/// Readings for one sample, and as much again for what is done with them.
const READINGS: u64 = 2 * 10;
/// Of so many nanoseconds one may be spent on samples: half a percent.
const SHARE: u64 = 200;
/// With this distance an hour of load has 36 million samples; more would tell nothing more.
const EVERY_NS_MIN: u64 = 100_000;
/// What disturbs a reading makes it longer, so that the best of some windows counts.
const WINDOWS: usize = 8;
const WINDOW_READINGS: u64 = 64;

/// Nanoseconds since now.
pub fn clock() -> Clock {
    let start = Instant::now();
    Box::new(move || start.elapsed().as_nanos() as u64)
}

/// How far apart samples must be at least, nanoseconds, so that they cost less than one percent of
/// a worker's time by this clock.
pub fn every_ns(clock: &Clock) -> u64 {
    let window = |_| {
        let begin = clock();
        for _ in 1..WINDOW_READINGS {
            black_box(clock());
        }
        clock().saturating_sub(begin) / WINDOW_READINGS
    };
    let reading = (0..WINDOWS).map(window).min().unwrap_or(0);
    reading.saturating_mul(READINGS * SHARE).max(EVERY_NS_MIN)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn costing(ns: u64) -> Clock {
        let time = Cell::new(0);
        Box::new(move || time.replace(time.get() + ns))
    }

    #[test]
    fn samples_are_rarer_the_slower_the_clock_is() {
        assert_eq!(every_ns(&costing(0)), EVERY_NS_MIN);
        assert_eq!(every_ns(&costing(20)), EVERY_NS_MIN);
        assert_eq!(every_ns(&costing(30)), 120_000);
        assert_eq!(every_ns(&costing(1_000)), 4_000_000);
    }

    #[test]
    fn the_clock_never_goes_back() {
        let clock = clock();
        let readings: Vec<u64> = (0..1000).map(|_| clock()).collect();
        assert!(readings.is_sorted());
        assert!(every_ns(&clock) >= EVERY_NS_MIN);
    }
}
