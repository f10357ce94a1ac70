//! The machine that figures were taken on: without it they say little.

use std::fs;
use std::thread;

use serde::Serialize;

/// What is worth knowing of it.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Processor, as it calls itself.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Kernel release.
    pub kernel: String,
    /// Processes that wanted a core in the last minute, at the time of the report.
    pub load_average: f64,
    /// Version of the generator.
    pub version: &'static str,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let model = processors.lines().find_map(|line| {
            line.strip_prefix("model name").and_then(|rest| rest.split(':').nth(1))
        });
        let load = read("/proc/loadavg");
        Self {
            processor: model.unwrap_or("unknown").trim().to_owned(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_average: load.split(' ').next().and_then(|one| one.parse().ok()).unwrap_or(0.0),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
