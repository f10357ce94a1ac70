//! The program under test: `fastgw` as a process in a namespace.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::OnceLock,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    build::build,
    netns::Netns,
    process::{Background, output, run, wait_for},
};

/// How long fastgw may take to its first answer, on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running gateway; dropped, it gets SIGTERM.
#[derive(Debug)]
pub struct Gateway {
    process: Background,
    folder: TempDir,
}

impl Gateway {
    /// Starts fastgw in a namespace and returns when it answers `fastgw show`. `config` gives the
    /// text of its configuration and is told the path for `control_socket`. Panics with the
    /// gateway's log when it does not come up.
    pub fn start(netns: &Netns, config: impl FnOnce(&Path) -> String) -> Self {
        Self::start_with(netns, &[], config)
    }

    /// Starts fastgw with more arguments.
    pub fn start_with(
        netns: &Netns,
        arguments: &[&OsStr],
        config: impl FnOnce(&Path) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("fastgw.toml");
        let text = config(&folder.path().join("control.sock"));
        fs::write(&file, text).expect("a writable temporary folder");
        // It holds keys: fastgw refuses a file that others may read.
        let owner_only = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&file, owner_only).expect("a file of ours");
        let process = spawn(netns, &file, arguments);
        let mut gateway = Self { process, folder };
        gateway.wait_until_ready();
        gateway
    }

    /// Ends it without giving it a chance to clean up.
    pub fn kill(&mut self) {
        self.process.signal("KILL");
        wait_for("end of fastgw", Duration::from_secs(5), || self.process.ended());
    }

    /// Ends it with SIGTERM.
    pub fn end(&mut self) {
        self.process.stop().expect("a child of ours");
    }

    /// Starts it once more, with the same configuration, after [`Gateway::kill`] or
    /// [`Gateway::end`].
    pub fn start_again(&mut self, netns: &Netns) {
        self.process = spawn(netns, &self.config(), &[]);
        self.wait_until_ready();
    }

    /// The path of its configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("fastgw.toml")
    }

    /// What `fastgw show --json` says now.
    pub fn show(&self) -> Value {
        self.show_section("summary")
    }

    /// What `fastgw show SECTION --json` says now.
    pub fn show_section(&self, section: &str) -> Value {
        let text = run(&mut self.show_command(section));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("show --json: {error}\n{text}"))
    }

    /// Gives it another configuration and waits until it has taken that.
    pub fn reload(&self, text: &str) {
        let applied = || self.log().matches("is applied").count();
        let before = applied();
        self.try_to_reload(text);
        wait_for("applied configuration", START_LIMIT, || (applied() > before).then_some(()));
    }

    /// Gives it another configuration and tells it to take that.
    pub fn try_to_reload(&self, text: &str) {
        fs::write(self.config(), text).expect("a file of ours");
        self.process.signal("HUP");
    }

    /// Runs `fastgw ike` with these words; panics when it is refused.
    pub fn ike(&self, words: &[&str]) {
        self.order("ike", words);
    }

    /// Runs `fastgw ospf` with these words; panics when it is refused.
    pub fn ospf(&self, words: &[&str]) {
        self.order("ospf", words);
    }

    fn order(&self, command: &str, words: &[&str]) {
        run(Command::new(binary()).arg(command).args(words).arg("--socket").arg(self.socket()));
    }

    /// The path of its control socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    /// The process number.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has written to standard error so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Stops it with SIGTERM; gives how it ended and its whole log.
    pub fn stop(mut self) -> (ExitStatus, String) {
        let status = self.process.stop().expect("a child of ours");
        (status, self.log())
    }

    /// Ends it with a signal, given by its name; gives how it ended and its whole log.
    pub fn stop_by(mut self, signal: &str) -> (ExitStatus, String) {
        self.process.signal(signal);
        let status = wait_for("end of fastgw", START_LIMIT, || self.process.ended());
        (status, self.log())
    }

    /// Panics with its log if it is no longer running.
    pub fn assert_runs(&mut self) {
        self.process.assert_runs();
    }

    fn wait_until_ready(&mut self) {
        let mut show = self.show_command("summary");
        let process = &mut self.process;
        wait_for("ready fastgw", START_LIMIT, || {
            process.assert_runs();
            output(&mut show).status.success().then_some(())
        });
    }

    fn show_command(&self, section: &str) -> Command {
        let mut command = Command::new(binary());
        command.args(["show", section, "--json", "--socket"]).arg(self.socket());
        command
    }
}

fn spawn(netns: &Netns, config: &Path, arguments: &[&OsStr]) -> Background {
    let mut command = netns.command(&binary().to_string_lossy());
    Background::spawn(command.arg("--config").arg(config).args(arguments))
}

/// The `fastgw` of this build: compiled once, in the profile and folder of the running test.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| build("fastgw", "fastgw"))
}
