//! Where a run is, on standard error.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often a run that nobody watches tells where it is.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// One of so many things is being done.
pub(crate) struct Progress {
    of: usize,
    at: usize,
    live: bool,
    reported: Instant,
}

impl Progress {
    pub(crate) fn new(of: usize) -> Self {
        Self { of, at: 0, live: std::io::stderr().is_terminal(), reported: Instant::now() }
    }

    pub(crate) fn begin(&mut self, what: &str) {
        self.at += 1;
        let text = format!("{} of {}: {what}", self.at, self.of);
        if self.live {
            eprint!("\r\x1b[K{text}");
            // Nobody is there to be told when standard error is closed.
            let _ = std::io::stderr().flush();
        } else if self.reported.elapsed() >= REPORT_EVERY {
            self.reported = Instant::now();
            eprintln!("{text}");
        }
    }

    pub(crate) fn clear(&self) {
        if self.live {
            eprint!("\r\x1b[K");
        }
    }
}
