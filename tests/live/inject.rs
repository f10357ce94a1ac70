//! Frames that are put on a device as they are.

use std::{path::Path, process::Command};

use tests::{netns::Nic, process::run};

/// The command that runs `inject.py` on a device with these words; it prints how many frames it
/// has sent.
pub fn injection(at: Nic<'_>, words: &[&str]) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("live/inject.py");
    let mut command = at.netns.command("/usr/bin/python3");
    command.arg("-B").arg(script).arg(at.device).args(words);
    command
}

/// Runs it to its end; gives how many frames were sent.
pub fn inject(at: Nic<'_>, words: &[&str]) -> u64 {
    run(&mut injection(at, words)).trim().parse().expect("a count")
}
