//! Programs that a test runs: to their end, or in the background until it is done with them.

use std::{
    fmt, fs,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long a program may take to stop after SIGTERM before SIGKILL follows.
const GRACE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// Runs a command to its end and gives its standard output. Panics with everything it said when
/// it fails.
pub fn run(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command to its end, whatever that end is. Panics when there is no such program.
pub fn output(command: &mut Command) -> Output {
    match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => panic!("{command:?}: {error}"),
    }
}

/// Standard output and standard error, in this order.
pub fn said(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout);
    format!("{stdout}{}", String::from_utf8_lossy(&output.stderr))
}

/// A script for Debian's Python, which is the one that has Debian's scapy.
pub fn python(script: &Path) -> Command {
    let mut command = Command::new("/usr/bin/python3");
    // Its modules must not leave compiled files in the checkout.
    command.arg("-B").arg(script);
    command
}

/// Asks again until there is an answer, for at most `limit`; then panics naming `what`.
pub fn wait_for<T>(what: &str, limit: Duration, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "no {what} within {limit:?}");
        thread::sleep(POLL);
    }
}

/// A program in the background. It is stopped when this is dropped.
pub struct Background {
    child: Child,
    what: String,
    folder: TempDir,
}

impl Background {
    /// Starts a command with its standard output and error going to a file.
    pub fn spawn(command: &mut Command) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = File::create(folder.path().join("log")).expect("a log file");
        let copy = log.try_clone().expect("a second handle of the log file");
        let child = command.stdin(Stdio::null()).stdout(log).stderr(copy).spawn();
        let what = format!("{command:?}");
        match child {
            Ok(child) => Self { child, what, folder },
            Err(error) => panic!("{what}: {error}"),
        }
    }

    /// The process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has written to standard output and error so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours")
    }

    /// Panics with its log if it has ended on its own.
    pub fn assert_runs(&mut self) {
        if let Some(status) = self.ended() {
            panic!("{} ended: {status}\n{}", self.what, self.log());
        }
    }

    /// Sends a signal by its name, such as `TERM` or `HUP`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.id());
        // It may have ended a moment ago; then there is nothing to signal.
        output(Command::new("sh").args(["-c", &kill]));
    }

    /// Sends SIGTERM and waits for the end; SIGKILL follows when none comes.
    pub fn stop(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        self.signal("TERM");
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(POLL);
        }
        self.child.kill()?;
        self.child.wait()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // A second panic while one unwinds would abort the test without its message.
        if let Err(error) = self.stop() {
            eprintln!("{}: {error}", self.what);
        }
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").field("what", &self.what).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        command
    }

    #[test]
    fn background_program_is_gone_after_drop() {
        let sleeper = Background::spawn(shell("exec sleep 1000").arg("x"));
        let process = format!("/proc/{}", sleeper.id());
        assert!(fs::exists(&process).expect("/proc is mounted"));
        drop(sleeper);
        assert!(!fs::exists(&process).expect("/proc is mounted"));
    }

    #[test]
    fn log_holds_both_outputs() {
        let mut speaker = Background::spawn(&mut shell("echo out; echo err >&2"));
        wait_for("end", GRACE, || speaker.ended());
        assert_eq!(speaker.log(), "out\nerr\n");
    }

    #[test]
    #[should_panic(expected = "broken\n")]
    fn failed_command_panics_with_what_it_said() {
        run(&mut shell("echo broken; exit 3"));
    }

    #[test]
    #[should_panic(expected = "no sunrise within")]
    fn waiting_ends() {
        wait_for("sunrise", Duration::from_millis(50), || None::<()>);
    }
}
