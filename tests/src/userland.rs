//! Debian's daemons in a namespace, without installing them: they run from the files of the guests'
//! disk, each on a copy of its own that is gone with it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

use crate::{
    netns::Netns,
    process::{Background, run},
};

const PEER_LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peer-lab/peer-lab");

/// Puts the daemon on its root.
const ENTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peer-lab/enter");

/// A daemon of the guests' disk in a namespace; it ends when this is dropped.
#[derive(Debug)]
pub struct Userland {
    netns: String,
    files: TempDir,
    place: TempDir,
    daemon: Option<Background>,
}

impl Userland {
    /// A daemon that is not running yet.
    pub fn new(netns: &Netns) -> Self {
        Self {
            netns: netns.name().to_owned(),
            files: tempfile::tempdir().expect("a temporary folder"),
            place: tempfile::tempdir().expect("a temporary folder"),
            daemon: None,
        }
    }

    /// Gives it a file, at a path such as `/etc/swanctl/swanctl.conf`, from its next start on.
    pub fn write(&self, path: &str, text: &str) {
        let file = self.files.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().expect("a file in a folder")).expect("a writable folder");
        fs::write(file, text).expect("a writable folder");
    }

    /// Starts it by its command line, with paths as on the guests' disk.
    pub fn start(&mut self, words: &[&str]) {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.netns, ENTER]);
        command.arg(root()).arg(self.files.path()).arg(self.place.path()).args(words);
        self.daemon = Some(Background::spawn(&mut command));
    }

    /// A command that will run where the daemon runs and see the files it sees.
    pub fn command(&self, program: &str) -> Command {
        let daemon = self.daemon.as_ref().expect("a daemon that has been started");
        let mut command = Command::new("nsenter");
        let id = daemon.id().to_string();
        command.args(["--target", &id, "--mount", "--net", "--root", "--wd", program]);
        command
    }

    /// The number of the daemon's process; whose root is that of the daemon.
    pub fn id(&self) -> u32 {
        self.daemon.as_ref().expect("a daemon that has been started").id()
    }

    /// What it has written to standard output and error since its last start.
    pub fn log(&self) -> String {
        self.daemon.as_ref().map(Background::log).unwrap_or_default()
    }

    /// Panics with its log if it has ended on its own.
    pub fn assert_runs(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            daemon.assert_runs();
        }
    }

    /// Ends it without giving it a chance to tell its peers.
    pub fn kill(&mut self) {
        if let Some(daemon) = &self.daemon {
            daemon.signal("KILL");
        }
        self.daemon = None;
    }
}

/// What the guests' disk holds; made when it is missing.
fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let said = run(Command::new(PEER_LAB).arg("root"));
        PathBuf::from(said.lines().last().expect("peer-lab names a folder"))
    })
}
