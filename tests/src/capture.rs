//! A recording of what crosses a device, as a pcap file.

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::{
    netns::Nic,
    process::{Background, wait_for},
};

/// tcpdump on one device; it stops when this is dropped.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Background,
    file: PathBuf,
}

impl Capture {
    /// Starts to record what matches `filter` (tcpdump's language) into `file`; returns when
    /// tcpdump listens.
    pub fn start(nic: Nic<'_>, filter: &str, file: &Path) -> Self {
        let mut command = nic.netns.command("tcpdump");
        command.args(["-i", nic.device, "-n", "-U", "--immediate-mode", "-B", "16384"]);
        command.args(["-Z", "root", "-w"]).arg(file).arg(filter);
        let mut tcpdump = Background::spawn(&mut command);
        wait_for("listening tcpdump", Duration::from_secs(10), || {
            tcpdump.assert_runs();
            tcpdump.log().contains("listening on").then_some(())
        });
        Self { tcpdump, file: file.to_owned() }
    }

    /// Ends the recording and gives its file.
    pub fn finish(mut self) -> PathBuf {
        // What the kernel has handed over by now is in the file a moment later.
        thread::sleep(Duration::from_millis(200));
        self.tcpdump.stop().expect("tcpdump stops");
        self.file.clone()
    }
}
