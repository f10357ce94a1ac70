//! Clocks: processor time, and how fast this core ticks where nobody counts its cycles. A chain of
//! instructions, each of which waits for the one before, takes a known number of cycles, whatever
//! else the core does.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A multiplication and a rotation, of which each needs the result of the other.
const STEPS: u32 = 2000;
/// Cycles of a step: 3 for the multiplication and 1 for the rotation on every x86-64 processor of
/// the last decade; other architectures differ among themselves.
const CYCLES_PER_STEP: Option<f64> = if cfg!(target_arch = "x86_64") { Some(4.0) } else { None };
/// Of so many tries the fastest was not interrupted.
const TRIES: usize = 5;

/// Cycles per nanosecond right now; `None` on an architecture whose latencies are not known.
#[must_use]
pub fn cycles_per_ns() -> Option<f64> {
    let cycles = CYCLES_PER_STEP? * f64::from(STEPS);
    let tries = (0..TRIES).map(|_| {
        let begin = Instant::now();
        black_box(chain(black_box(0x9e37_79b9_7f4a_7c15)));
        begin.elapsed().as_nanos()
    });
    Some(cycles / tries.min()?.max(1) as f64)
}

/// Processor time of this thread: what others do on its core meanwhile does not count.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[inline(never)]
fn chain(factor: u64) -> u64 {
    (0..STEPS).fold(factor, |value, _| value.wrapping_mul(factor).rotate_left(1))
}
