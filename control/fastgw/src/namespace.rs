//! Runs the body of a test in a network namespace of its own.
//!
//! A test calls [`inside`] first. In the outer process that makes two namespaces, runs the same
//! test once more within the first (`ip netns exec`), and gives `None`; in the inner process it
//! gives `Some`, and the body may do as it likes. The namespaces go when the outer half ends.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};

/// The inner half of a test.
pub struct Inside {
    /// The name of a second, empty namespace.
    pub peer: String,
}

/// `Some` within the namespace, `None` when the inner half of the `module_path!` of the test's
/// `module` has run and passed.
pub fn inside(module: &str, test: &str) -> Option<Inside> {
    if let Ok(peer) = std::env::var(PEER_VARIABLE) {
        return Some(Inside { peer });
    }
    let uid = output_of(Command::new("id").arg("-u"));
    assert_eq!(uid.trim(), "0", "this test makes network namespaces: run it as root");
    let unique = format!("fastgw-test-{}-{}", std::process::id(), test.replace("::", "-"));
    // The test harness knows the path without the crate.
    let path = module.split_once("::").map_or("", |(_, path)| path);
    let own = Namespace::new(format!("{unique}-own"));
    let peer = Namespace::new(format!("{unique}-peer"));
    let output = Command::new("ip")
        .args(["netns", "exec", &own.0])
        .arg(std::env::current_exe().expect("the path of this test binary"))
        .args([&format!("{path}::{test}"), "--exact", "--nocapture"])
        .env(PEER_VARIABLE, &peer.0)
        .output()
        .expect("ip runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    println!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
    // A name that matches no test would pass as well.
    let passed = output.status.success() && stdout.contains("1 passed");
    assert!(passed, "the half of {test} within the namespace failed, see above");
    None
}

/// Runs `ip` with these arguments in this process's namespace; what it printed.
pub fn ip_command(arguments: &str) -> String {
    output_of(Command::new("ip").args(arguments.split_whitespace()))
}

/// Starts `ip -batch` with these lines.
pub fn ip_batch(lines: &str) -> Child {
    let mut child =
        Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().expect("ip starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(lines.as_bytes()).expect("ip reads");
    child
}

/// Writes a sysctl.
pub fn write(path: &str, value: &str) {
    fs::write(path, value).unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// A network namespace that goes with its owner.
struct Namespace(String);

impl Namespace {
    fn new(name: String) -> Namespace {
        ip_command(&format!("netns add {name}"));
        Namespace(name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // A panic here would hide the one that brought us here.
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const PEER_VARIABLE: &str = "FASTGW_TEST_PEER_NAMESPACE";
