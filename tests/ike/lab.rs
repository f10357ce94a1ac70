//! The network of the test.
//!
//! ```text
//! host            ours                          router                        theirs
//! 10.1.0.2 ---- lan0      wan0 203.0.113.1 ---- .254    .254 ---- 198.51.100.1 eth0
//!               10.1.0.1                        198.51.100                     10.2.0.1 lo
//! ```

use std::{
    fmt::Write,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use tests::{
    netns::{Netns, answered, veth},
    process::{output, said, wait_for},
};

use crate::case::{Case, Side};

/// Pings under which an event happens, and the seconds between two of them.
const STREAM: (u32, f64) = (75, 0.02);
/// How long the event waits for the first of them.
const HEAD_START: Duration = Duration::from_millis(200);
/// Pings each way when all is quiet.
pub const PINGS: u32 = 3;
/// Largest packet where it is narrow, in bytes: the smallest that IPv6 allows.
const NARROW_MTU: u32 = 1280;

/// The namespaces of one case.
pub struct Lab {
    pub host: Netns,
    pub ours: Netns,
    pub router: Netns,
    pub theirs: Netns,
}

impl Lab {
    /// Makes them; `kernel` forwards in our gateway's, for a daemon without a datapath of its own.
    pub fn new(case: &Case, kernel: bool) -> Self {
        let [host, ours, router, theirs] = ["host", "ours", "router", "theirs"].map(Netns::new);
        veth(host.nic("eth0"), ours.nic("lan0"), 1);
        veth(ours.nic("wan0"), router.nic("ours"), 1);
        veth(theirs.nic("eth0"), router.nic("theirs"), 1);
        host.nic("eth0").address(&format!("{}/24", Side::Ours.host()));
        ours.nic("lan0").address("10.1.0.1/24");
        host.ip("route add default via 10.1.0.1");
        for (netns, device, side) in [(&ours, "wan0", Side::Ours), (&theirs, "eth0", Side::Theirs)]
        {
            netns.nic(device).address(&format!("{}/24", side.wan()));
            netns.ip(&format!("route add default via {}", side.router()));
        }
        theirs.nic("lo").address(&format!("{}/24", Side::Theirs.host()));
        for (device, side) in [("ours", Side::Ours), ("theirs", Side::Theirs)] {
            router.nic(device).address(&format!("{}/24", side.router()));
        }
        router.set("net/ipv4/ip_forward", "1");
        if kernel {
            ours.set("net/ipv4/ip_forward", "1");
        }
        let lab = Self { host, ours, router, theirs };
        if case.narrow {
            let ends = [(&lab.ours, "wan0"), (&lab.theirs, "eth0")];
            for (netns, device) in
                ends.into_iter().chain(["ours", "theirs"].map(|end| (&lab.router, end)))
            {
                netns.ip(&format!("link set {device} mtu {NARROW_MTU}"));
            }
        }
        lab.load_rules(case);
        lab
    }

    fn load_rules(&self, case: &Case) {
        let mut rules = String::new();
        if case.narrow {
            // Before the kernel reassembles, which it does for the NAT's sake.
            rules += "table ip narrow { chain in { type filter hook prerouting priority -450; \
                      ip frag-off & 0x3fff != 0 drop; } }\n";
        }
        if let Some(behind) = case.nat {
            let outside = if behind == Side::Ours { "theirs" } else { "ours" };
            let _ = writeln!(
                rules,
                "table ip nat {{ chain out {{ type nat hook postrouting priority 100; \
                 oifname \"{outside}\" masquerade; }} }}"
            );
        }
        if !rules.is_empty() {
            self.router.sh(&format!("nft '{rules}'"));
        }
    }

    /// The NAT gets another address, and forgets what it knew.
    pub fn rebind(&self, behind: Side) {
        let (device, outside) = match behind {
            Side::Ours => ("theirs", (&self.theirs, "198.51.100")),
            Side::Theirs => ("ours", (&self.ours, "203.0.113")),
        };
        let (far, network) = outside;
        self.router.ip(&format!("addr del {network}.254/24 dev {device}"));
        self.router.ip(&format!("addr add {network}.253/24 dev {device}"));
        far.ip(&format!("route replace default via {network}.253"));
    }

    /// The peer's gateway gets another address in place of the one it had.
    pub fn move_theirs(&self) {
        self.theirs.ip("addr add 198.51.100.2/24 dev eth0");
        self.theirs.ip("addr del 198.51.100.1/24 dev eth0");
        // The route over it may have gone with it.
        self.theirs.ip("addr replace 198.51.100.2/24 dev eth0");
        self.theirs.ip(&format!("route replace default via {}", Side::Theirs.router()));
    }

    /// Pings from behind our end: how many of [`PINGS`] are answered.
    pub fn ping_from_ours(&self) -> u32 {
        self.host.ping(Side::Theirs.host(), PINGS, 56)
    }

    /// Pings from behind their end.
    pub fn ping_from_theirs(&self) -> u32 {
        let mut ping = self.theirs.command("ping");
        ping.args(["-n", "-q", "-i", "0.1", "-W", "2", "-I", Side::Theirs.host()]);
        answered(&said(&output(ping.args(["-c", &PINGS.to_string(), Side::Ours.host()]))))
    }

    /// How many seconds pass until a ping from behind our end is answered.
    pub fn seconds_to_answer(&self, limit: Duration) -> Result<f64, String> {
        let begin = Instant::now();
        let mut ping = self.host.command("ping");
        ping.args(["-n", "-q", "-c", "1", "-W", "0.2", Side::Theirs.host()]);
        while begin.elapsed() < limit {
            if output(&mut ping).status.success() {
                return Ok(begin.elapsed().as_secs_f64());
            }
        }
        Err(format!("no ping is answered within {limit:?}"))
    }

    /// Does something in the midst of pings from behind our end; all of them must be answered.
    pub fn under_pings(&self, event: impl FnOnce() -> Result<(), String>) -> Result<String, String> {
        let (count, interval) = STREAM;
        let to = Side::Theirs.host();
        let mut pings = self.host.spawn(&format!("ping -n -q -i {interval} -W 1 -c {count} {to}"));
        thread::sleep(HEAD_START);
        event()?;
        wait_for("end of the pings", Duration::from_secs(20), || pings.ended());
        let answered = answered(&pings.log());
        let said = format!("{answered} of {count}");
        if answered == count { Ok(said) } else { Err(said + " pings answered") }
    }

    /// What could be told of a failure: addresses and routes of both ends.
    pub fn state(&self) -> String {
        let mut text = String::new();
        for netns in [&self.ours, &self.theirs] {
            for words in [["addr", "show"], ["route", "show"]] {
                let mut ip = Command::new("ip");
                ip.args(["-brief", "-n", netns.name()]).args(words);
                text += &said(&output(&mut ip));
            }
        }
        text
    }
}
