//! The program under test, `fastgw-pktgen`, and the namespace that it runs in.

use std::{
    path::{Path, PathBuf},
    process::Output,
    sync::OnceLock,
};

use serde_json::Value;
use tests::{
    build::build,
    netns::{Netns, Nic, veth},
    process::{output, said},
};

/// Where the generator runs: `eth-a` sends, `eth-b` receives.
pub struct Tester {
    pub netns: Netns,
}

impl Tester {
    /// The namespace alone; its devices come with [`Tester::cable`].
    pub fn new() -> Self {
        Self { netns: Netns::new("tester") }
    }

    /// Makes `device` here and joins it to another one.
    pub fn cable(&self, device: &str, far: Nic<'_>) {
        veth(self.netns.nic(device), far, 1);
    }

    /// A tester whose two devices are joined to each other.
    pub fn looped() -> Self {
        let tester = Self::new();
        tester.cable("eth-a", tester.netns.nic("eth-b"));
        tester
    }

    /// The generator with these words, run inside to its end.
    pub fn generate(&self, words: &[&str]) -> Output {
        output(self.netns.command(&binary().to_string_lossy()).args(words))
    }

    /// The results of `run` from `eth-a` to `eth-b`, at a rate that any machine keeps up with.
    pub fn load(&self, via: &str, more: &[&str]) -> Value {
        let common = ["run", "--tx", "eth-a", "--rx", "eth-b", "--via", via, "--rate", "2kpps"];
        let quiet = ["--idle", "sleep", "--drain", "1", "--json", "--quiet"];
        let words: Vec<_> = common.into_iter().chain(quiet).chain(more.iter().copied()).collect();
        let done = self.generate(&words);
        assert!(done.status.success(), "{words:?}: {}", said(&done));
        let results: Value = serde_json::from_slice(&done.stdout).expect("--json gives JSON");
        results["load"].clone()
    }
}

/// A number of a result, by its name.
pub fn count(load: &Value, name: &str) -> u64 {
    load[name].as_u64().unwrap_or_else(|| panic!("no number {name} in {load}"))
}

/// `fastgw-pktgen` of this build, in the profile and folder of the running test.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| build("bench", "fastgw-pktgen"))
}
