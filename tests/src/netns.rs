//! Network namespaces and the links between them, gone with the test that made them.

use std::{fs, process::Command};

use crate::{
    names,
    privileges::require_root,
    process::{Background, output, run},
};

/// A network namespace with loopback up, IPv6 off and no forwarding by the kernel.
#[derive(Debug)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes a namespace; `role` is the part of its name that people read. Panics without root.
    pub fn new(role: &str) -> Self {
        require_root();
        remove_orphans();
        let netns = Self { name: names::unique(role) };
        run(Command::new("ip").args(["netns", "add", &netns.name]));
        // A new namespace inherits IPv4 settings from the host: a host that forwards would make
        // the kernel carry what the gateway under test should.
        netns.set("net/ipv4/ip_forward", "0");
        for scope in ["all", "default"] {
            netns.set(&format!("net/ipv4/conf/{scope}/rp_filter"), "0");
            netns.set(&format!("net/ipv6/conf/{scope}/disable_ipv6"), "1");
        }
        netns.ip("link set lo up");
        netns
    }

    /// Its name, as `ip netns` prints it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A device in this namespace, there already or to be made.
    pub fn nic<'a>(&'a self, device: &'a str) -> Nic<'a> {
        Nic { netns: self, device }
    }

    /// A command that will run inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs a line of shell inside and gives its output. Panics when it fails.
    pub fn sh(&self, line: &str) -> String {
        run(self.command("sh").args(["-c", line]))
    }

    /// Runs a line of shell inside until the test is done with it.
    pub fn spawn(&self, line: &str) -> Background {
        Background::spawn(self.command("sh").args(["-c", &format!("exec {line}")]))
    }

    /// Runs `ip` with these words inside. Panics when it fails.
    pub fn ip(&self, words: &str) -> String {
        run(Command::new("ip").args(["-n", &self.name]).args(words.split_whitespace()))
    }

    /// Makes a bridge that is up and floods multicast.
    pub fn bridge(&self, device: &str) {
        self.ip(&format!("link add {device} type bridge mcast_snooping 0 forward_delay 0"));
        self.ip(&format!("link set {device} up"));
    }

    /// Sets `key` (a path below /proc/sys) where the kernel has it.
    pub fn set(&self, key: &str, value: &str) {
        let file = format!("/proc/sys/{key}");
        self.sh(&format!("[ ! -e {file} ] || echo {value} > {file}"));
    }

    /// Sends `count` pings of `size` bytes of data 0.1 s apart and tells how many were answered
    /// within 2 s.
    pub fn ping(&self, to: &str, count: u32, size: usize) -> u32 {
        let line = format!("ping -n -q -i 0.1 -W 2 -c {count} -s {size} {to}");
        let output = output(self.command("sh").args(["-c", &line]));
        answered(&String::from_utf8_lossy(&output.stdout))
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// A network device in a namespace.
#[derive(Clone, Copy, Debug)]
pub struct Nic<'a> {
    /// Where it is.
    pub netns: &'a Netns,
    /// Its name there.
    pub device: &'a str,
}

impl Nic<'_> {
    /// Adds an address with its prefix length, such as `10.1.0.1/24`.
    pub fn address(self, cidr: &str) -> Self {
        self.netns.ip(&format!("addr add {cidr} dev {}", self.device));
        self
    }

    /// Makes it a port of a bridge in the same namespace.
    pub fn enslave(self, bridge: &str) -> Self {
        self.netns.ip(&format!("link set {} master {bridge}", self.device));
        self
    }

    /// Its hardware address.
    pub fn mac(self) -> String {
        let file = format!("cat /sys/class/net/{}/address", self.device);
        self.netns.sh(&file).trim().to_owned()
    }
}

/// Joins two namespaces by a veth pair with `queues` queues each way, up and with every offload
/// off, so that a frame on it is what it would be on a wire.
pub fn veth(left: Nic<'_>, right: Nic<'_>, queues: u32) {
    let queues = format!("numrxqueues {queues} numtxqueues {queues}");
    left.netns.ip(&format!(
        "link add {} {queues} type veth peer name {} netns {} {queues}",
        left.device,
        right.device,
        right.netns.name(),
    ));
    for nic in [left, right] {
        nic.netns.sh(&format!("ethtool -K {} tx off rx off tso off gso off gro off", nic.device));
        nic.netns.ip(&format!("link set {} up", nic.device));
    }
}

/// The number of answers in the summary that `ping -q` prints.
pub fn answered(summary: &str) -> u32 {
    let line = summary.lines().find(|line| line.contains(" received"));
    let count = line.and_then(|line| line.split(", ").nth(1)?.split(' ').next()?.parse().ok());
    count.unwrap_or(0)
}

/// Removes namespaces whose test process is gone.
fn remove_orphans() {
    let Ok(entries) = fs::read_dir("/run/netns") else { return };
    for entry in entries.flatten() {
        if let Some(name) = entry.file_name().to_str().filter(|name| names::is_orphan(name)) {
            remove(name);
        }
    }
}

/// Ends what still runs inside and removes the namespace.
fn remove(name: &str) {
    let pids = output(Command::new("ip").args(["netns", "pids", name]));
    for pid in String::from_utf8_lossy(&pids.stdout).split_whitespace() {
        output(Command::new("sh").args(["-c", &format!("kill -KILL {pid}")]));
    }
    output(Command::new("ip").args(["netns", "del", name]));
}

#[cfg(test)]
mod tests {
    use std::{mem, panic, path::PathBuf, time::Duration};

    use super::*;
    use crate::process::wait_for;

    fn path(netns: &Netns) -> PathBuf {
        PathBuf::from("/run/netns").join(netns.name())
    }

    #[test]
    fn namespace_and_its_processes_are_gone_after_a_panic() {
        let netns = Netns::new("panic");
        let path = path(&netns);
        let sleeper = netns.spawn("sleep 1000");
        let process = format!("/proc/{}/exe", sleeper.id());
        // Not stopped by its owner, like a program that made itself a daemon.
        mem::forget(sleeper);
        assert!(path.exists());
        let outcome = panic::catch_unwind(move || {
            let _netns = netns;
            panic!("as a failing test does");
        });
        assert!(outcome.is_err());
        assert!(!path.exists());
        let gone = || fs::read_link(&process).is_err().then_some(());
        wait_for("end of what ran inside", Duration::from_secs(5), gone);
    }

    #[test]
    fn namespaces_on_one_veth_reach_each_other() {
        let (left, right) = (Netns::new("left"), Netns::new("right"));
        veth(left.nic("eth0"), right.nic("eth0"), 2);
        left.nic("eth0").address("10.9.0.1/24");
        right.nic("eth0").address("10.9.0.2/24");
        assert_eq!(left.ping("10.9.0.2", 3, 1400), 3);
        assert_eq!(left.ping("10.9.0.3", 1, 56), 0);
    }

    #[test]
    fn ping_summary_is_read() {
        let summary = "3 packets transmitted, 2 received, 33% packet loss, time 200ms\n";
        assert_eq!(answered(summary), 2);
        assert_eq!(answered("ping: unknown host\n"), 0);
    }
}
