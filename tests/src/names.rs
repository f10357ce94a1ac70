//! Names of namespaces and guests that tell which test process they belong to.

use std::{
    path::Path,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

const PREFIX: &str = "fgwtest";

/// A name no other test has: `fgwtest-PID-SERIAL-role`.
pub fn unique(role: &str) -> String {
    static SERIAL: AtomicU32 = AtomicU32::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}-{}-{serial}-{role}", process::id())
}

/// Whether `name` came from [`unique`] in a process that is no more.
pub fn is_orphan(name: &str) -> bool {
    let mut parts = name.split('-');
    if parts.next() != Some(PREFIX) {
        return false;
    }
    let Some(Ok(pid)) = parts.next().map(str::parse::<u32>) else { return false };
    !Path::new(&format!("/proc/{pid}")).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_are_distinct_and_no_orphans() {
        assert_ne!(unique("a"), unique("a"));
        assert!(!is_orphan(&unique("a")));
    }

    #[test]
    fn only_a_dead_process_leaves_orphans() {
        assert!(is_orphan("fgwtest-4194305-0-a"), "no process can have this number");
        assert!(!is_orphan("fgwtest-1-0-a"));
        assert!(!is_orphan("someone-4194305-0-a"));
        assert!(!is_orphan("fgwtest"));
    }
}
