//! Runs `fastgw offline` in a folder of its own and reads what it wrote.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use port::capture_file::CaptureReader;
use serde_json::Value;
use tempfile::TempDir;
use tests::{
    gateway::binary,
    privileges::is_root,
    process::{output, python, run, said},
    site::Side,
};

/// A folder with a configuration.
pub struct Offline {
    folder: TempDir,
}

impl Offline {
    pub fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("fastgw.toml");
        fs::write(&file, config).expect("a writable temporary folder");
        // It holds keys: fastgw refuses a file that others may read.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a file of ours");
        Self { folder }
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Plays captures given as `port=file` words of `--in` and `--out`, as a process without any
    /// capability.
    pub fn try_play(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        if is_root() {
            command = Command::new("setpriv");
            command.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(binary());
        }
        command.current_dir(self.folder.path());
        command.args(["offline", "--config", "fastgw.toml"]);
        output(command.args(arguments))
    }

    /// Plays one capture and gives the summary; what leaves by `lan` and `wan` is recorded in
    /// `lan.pcap` and `wan.pcap`.
    pub fn play(&self, port: &str, capture: &Path) -> Value {
        let input = format!("{port}={}", capture.display());
        let out = ["--out", "lan=lan.pcap", "--out", "wan=wan.pcap", "--json"];
        let played = self.try_play(&[&["--in", &input], &out[..]].concat());
        assert!(played.status.success(), "{}", said(&played));
        serde_json::from_slice(&played.stdout).expect("JSON on standard output")
    }
}

/// Writes a capture of what site A's host sends to site B's: everything fits every tunnel.
pub fn record_lan(file: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("offline/lan.py");
    run(python(&script).arg(file).args([Side::A.host(), Side::B.host()]));
}

/// The IP packets of a capture.
pub fn packets(capture: &Path) -> Vec<Vec<u8>> {
    let mut reader = CaptureReader::open(capture).expect("a capture");
    let mut packets = Vec::new();
    while let Some(captured) = reader.next_frame().expect("a whole capture") {
        packets.push(captured.frame[14..].to_vec());
    }
    packets
}

/// The drops of a summary, in its order.
pub fn drops(summary: &Value) -> Vec<(&str, u64)> {
    let drops = summary["drops"].as_object().expect("drops by name");
    drops.iter().map(|(name, count)| (name.as_str(), count.as_u64().expect("a count"))).collect()
}
