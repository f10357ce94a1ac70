//! A Linux 6.1 kernel of its own, as the machine on the other side.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    names,
    netns::Nic,
    privileges::require_root,
    process::{output, run},
};

const PEER_LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peer-lab/peer-lab");
const STATE: &str = "/run/fastgw-peer-lab";

/// A guest that runs until this is dropped. Its interfaces are `eth0`, `eth1`, ...
#[derive(Debug)]
pub struct Peer {
    name: String,
}

impl Peer {
    /// Boots a guest with one interface per TAP device in `nics`, which are made. The image is
    /// built first when it is missing. Takes some seconds; panics when the guest does not come up.
    pub fn boot(role: &str, nics: &[Nic<'_>]) -> Self {
        require_root();
        stop_orphans();
        let peer = Self { name: names::unique(role) };
        let mut command = Command::new(PEER_LAB);
        command.args(["run", &peer.name]);
        for nic in nics {
            command.args(["--tap", &format!("{}:{}", nic.device, nic.netns.name())]);
        }
        run(&mut command);
        peer
    }

    /// Runs a bash script in the guest and gives its output, or the output as an error when the
    /// script fails. Panics when the guest does not answer in time.
    pub fn try_exec(&self, script: &str, limit: Duration) -> Result<String, String> {
        let mut command = Command::new(PEER_LAB);
        command.args(["exec", "-t", &limit.as_secs_f64().to_string(), &self.name]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("peer-lab runs");
        let mut stdin = child.stdin.take().expect("a piped standard input");
        stdin.write_all(script.as_bytes()).expect("peer-lab reads the script");
        drop(stdin);
        let output = child.wait_with_output().expect("peer-lab ends");
        // The guest's own standard error is part of its output; this is peer-lab's.
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(complaint.is_empty(), "{complaint}\n{}", self.console());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(said) } else { Err(said) }
    }

    /// Runs a bash script in the guest, up to its first failing command, and gives its output.
    /// Panics when it fails or takes more than a minute.
    pub fn exec(&self, script: &str) -> String {
        match self.try_exec(&format!("set -e\n{script}"), Duration::from_secs(60)) {
            Ok(said) => said,
            Err(said) => panic!("{}: {script}\n{said}", self.name),
        }
    }

    /// What the guest's kernel printed.
    pub fn console(&self) -> String {
        run(Command::new(PEER_LAB).args(["log", &self.name]))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        stop(&self.name);
    }
}

/// Gives adjacent lines that are nothing but one `ip` command each to one process: to start one
/// costs an emulated guest more than what it does.
pub fn batched(script: &str) -> String {
    let mut lines = Vec::new();
    let mut batch: Vec<&str> = Vec::new();
    for line in script.lines().map(str::trim).chain([""]) {
        let plain = line.strip_prefix("ip ").filter(|rest| {
            !rest.starts_with("-n")
                && !rest.starts_with("netns")
                && !rest.contains(['|', '>', '\''])
        });
        if let Some(rest) = plain {
            batch.push(rest);
            continue;
        }
        if !batch.is_empty() {
            lines.push(format!("ip -batch - <<'END'\n{}\nEND", batch.join("\n")));
            batch.clear();
        }
        lines.push(line.to_owned());
    }
    lines.join("\n")
}

/// Ends guests whose test process is gone.
fn stop_orphans() {
    let Ok(entries) = fs::read_dir(STATE) else { return };
    for entry in entries.flatten() {
        if let Some(name) = entry.file_name().to_str().filter(|name| names::is_orphan(name)) {
            stop(name);
        }
    }
}

fn stop(name: &str) {
    output(Command::new(PEER_LAB).args(["stop", name]));
}
