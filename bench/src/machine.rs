//! What a measurement was made on.

use std::fmt;
use std::fs;
use std::process::Command;

/// Processor features that decide what cryptography costs.
const FEATURES: [&str; 9] = [
    "aes",
    "pclmulqdq",
    "sha_ni",
    "avx2",
    "vaes",
    "vpclmulqdq",
    "avx512f",
    "avx512bw",
    "hypervisor",
];

/// A machine and what runs on it.
#[derive(Debug)]
pub struct Machine {
    processor: String,
    processors: usize,
    features: Vec<&'static str>,
    kernel: String,
    commit: String,
    load: String,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = info.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let flags = field("flags").unwrap_or_default();
        let has = |feature: &&str| flags.split_whitespace().any(|flag| flag == *feature);
        let first_line = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.lines().next().unwrap_or("unknown").to_owned()
        };
        let numbers = ["cpu family", "model"].map(|name| field(&format!("{name}\t")));
        let numbers = numbers.map(|number| number.unwrap_or_else(|| "?".to_owned()));
        let name = field("model name").unwrap_or_else(|| "unknown".to_owned());
        Self {
            processor: format!("{name} (family {}, model {})", numbers[0], numbers[1]),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            features: FEATURES.iter().copied().filter(|feature| has(feature)).collect(),
            kernel: first_line("/proc/sys/kernel/osrelease"),
            commit: commit().unwrap_or_else(|| "unknown".to_owned()),
            load: first_line("/proc/loadavg"),
        }
    }
}

/// The commit that the current folder is at, marked when files differ from it.
fn commit() -> Option<String> {
    let out = Command::new("git").args(["describe", "--always", "--dirty"]).output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    let text = text.trim();
    (out.status.success() && !text.is_empty()).then(|| text.to_owned())
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, processors, features, kernel, commit, load } = self;
        writeln!(f, "{processor}, {processors} processors, {}", features.join(" "))?;
        write!(f, "Linux {kernel}, fastgw {commit}, load average {load}")
    }
}
