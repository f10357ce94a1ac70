//! Debian's daemons in a namespace, without installing them: they run from the files of the guests'
//! disk or of another, each on a copy of its own that is gone with it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

use crate::{
    netns::Netns,
    process::{Background, output, run, said},
};

const PEER_LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peer-lab/peer-lab");

/// What peer-lab ends with where the archive does not have what is asked for.
const NOT_TO_BE_HAD: i32 = 3;

/// Puts the daemon on its root.
const ENTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peer-lab/enter");

/// What a daemon runs from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// The guests' disk: Debian 12.
    Guests,
    /// strongSwan 6 with ML-KEM, from the packages and the source of Debian 13.
    StrongSwan6,
}

impl Disk {
    /// The folder of what it holds; made when it is missing.
    fn folder(self) -> &'static Path {
        static FOLDERS: [OnceLock<PathBuf>; 2] = [const { OnceLock::new() }; 2];
        let (folder, word) = match self {
            Self::Guests => (&FOLDERS[0], "root"),
            Self::StrongSwan6 => (&FOLDERS[1], "strongswan-6"),
        };
        folder.get_or_init(|| {
            let said = run(Command::new(PEER_LAB).arg(word));
            PathBuf::from(said.lines().last().expect("peer-lab names a folder"))
        })
    }

    /// Why strongSwan 6 is not there, if it is not: a mirror need not have the next Debian. Panics
    /// if anything else keeps it away.
    pub fn strongswan_6_is_missing() -> Option<String> {
        let output = output(Command::new(PEER_LAB).arg("strongswan-6"));
        match output.status.code() {
            Some(0) => None,
            Some(NOT_TO_BE_HAD) => Some(said(&output)),
            _ => panic!("peer-lab strongswan-6: {}", said(&output)),
        }
    }
}

/// A daemon of a disk in a namespace; it ends when this is dropped.
#[derive(Debug)]
pub struct Userland {
    netns: String,
    disk: Disk,
    files: TempDir,
    place: TempDir,
    daemon: Option<Background>,
}

impl Userland {
    /// A daemon that is not running yet.
    pub fn new(netns: &Netns, disk: Disk) -> Self {
        Self {
            netns: netns.name().to_owned(),
            disk,
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

    /// Starts it by its command line, with paths as on its disk.
    pub fn start(&mut self, words: &[&str]) {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.netns, ENTER]);
        command.arg(self.disk.folder()).arg(self.files.path()).arg(self.place.path()).args(words);
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
