//! The generator's clock: monotonic within the process, comparable between processes.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the Unix epoch, read once when the clock is made and counted on by the
/// monotonic clock: it never jumps, and agrees with another process's up to the drift in between.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base: Instant,
    base_ns: u64,
}

impl Clock {
    /// A clock that agrees with the system's now.
    #[must_use]
    pub fn new() -> Self {
        let (base, unix) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH));
        Self { base, base_ns: unix.map_or(0, |unix| unix.as_nanos() as u64) }
    }

    /// Now.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.base_ns + self.base.elapsed().as_nanos() as u64
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
