//! What a test may demand of the machine, said once and clearly.

use std::fs;

/// Panics with a remedy unless the test runs as root.
pub fn require_root() {
    assert!(is_root(), "this test makes network namespaces: run it as root");
}

/// Whether the effective user is root.
pub fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uids.and_then(|uids| uids.split_whitespace().nth(1)) == Some("0")
}
