//! Where a daemon runs: in a namespace on the machine's kernel, or in a guest on its own.

use std::{cell::RefCell, time::Duration};

use tests::{
    netns::Netns,
    peer::Peer,
    process::{output, said},
    userland::{Disk, Userland},
};

/// A place for one daemon.
pub trait Machine {
    /// Gives the daemon a file before it starts.
    fn write(&self, path: &str, text: &str);
    /// Puts the files in place, for programs that are to run before the daemon.
    fn prepare(&self);
    /// Starts the daemon by its command line.
    fn start(&mut self, words: &[&str]);
    /// Ends it without giving it a chance to tell its peers.
    fn kill(&mut self);
    /// Runs a program that sees what the daemon sees: what it said, also when it fails.
    fn run(&self, words: &[&str]) -> Result<String, String>;
    /// What the daemon has said.
    fn log(&self) -> String;
    /// Panics with its log if it has ended on its own.
    fn assert_runs(&mut self);
}

/// A namespace of the test.
pub struct Namespace(Userland);

impl Namespace {
    /// Nothing runs there yet.
    pub fn new(netns: &Netns, disk: Disk) -> Self {
        Self(Userland::new(netns, disk))
    }
}

impl Machine for Namespace {
    fn write(&self, path: &str, text: &str) {
        self.0.write(path, text);
    }

    fn prepare(&self) {
        // They are in place when something runs.
    }

    fn start(&mut self, words: &[&str]) {
        self.0.start(words);
    }

    fn kill(&mut self) {
        self.0.kill();
    }

    fn run(&self, words: &[&str]) -> Result<String, String> {
        let (program, arguments) = words.split_first().expect("a program");
        let output = output(self.0.command(program).args(arguments));
        if output.status.success() { Ok(said(&output)) } else { Err(said(&output)) }
    }

    fn log(&self) -> String {
        self.0.log()
    }

    fn assert_runs(&mut self) {
        self.0.assert_runs();
    }
}

/// A guest, with one daemon at a time.
pub struct Guest<'a> {
    peer: &'a Peer,
    /// Written before each start.
    files: RefCell<Vec<(String, String)>>,
}

/// How long a guest may take for one command.
const LIMIT: Duration = Duration::from_secs(60);
const LOG: &str = "/tmp/daemon.log";
const PID: &str = "/tmp/daemon.pid";

impl<'a> Guest<'a> {
    /// Nothing runs there yet.
    pub fn new(peer: &'a Peer) -> Self {
        Self { peer, files: RefCell::default() }
    }
}

impl Machine for Guest<'_> {
    fn write(&self, path: &str, text: &str) {
        self.files.borrow_mut().push((path.to_owned(), text.to_owned()));
    }

    fn prepare(&self) {
        let mut script = String::new();
        for (path, text) in self.files.borrow().iter() {
            script += &format!("mkdir -p $(dirname {path})\n");
            script += &format!("cat > {path} <<'END-OF-FILE'\n{text}\nEND-OF-FILE\n");
        }
        self.peer.exec(&script);
    }

    fn start(&mut self, words: &[&str]) {
        self.prepare();
        let daemon = words.join(" ");
        self.peer.exec(&format!("setsid {daemon} > {LOG} 2>&1 < /dev/null &\necho $! > {PID}"));
    }

    fn kill(&mut self) {
        self.peer.exec(&format!("[ ! -e {PID} ] || kill -KILL $(cat {PID}) || true\nrm -f {PID}"));
    }

    fn run(&self, words: &[&str]) -> Result<String, String> {
        let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
        self.peer.try_exec(&quoted.join(" "), LIMIT)
    }

    fn log(&self) -> String {
        self.peer.try_exec(&format!("cat {LOG}"), LIMIT).unwrap_or_else(|said| said)
    }

    fn assert_runs(&mut self) {
        if self.peer.try_exec(&format!("kill -0 $(cat {PID})"), LIMIT).is_err() {
            panic!("the guest's daemon ended\n{}", self.log());
        }
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        // The next daemon is to find the ports free.
        self.kill();
    }
}
