//! A hub that knows none of its branches: whoever proves who it is gets a tunnel of its own.

use std::{path::Path, time::Duration};

use tests::{
    gateway::Gateway,
    netns::{Netns, veth},
    process::wait_for,
};

use crate::{
    lab::answers,
    negotiation::{established, spis},
};

/// Longest time in which a tunnel is to be there.
const LIMIT: Duration = Duration::from_secs(10);

/// A site: its hosts are 10.n.0.0/24 and its gateway is 203.0.113.n.
struct Place {
    n: u8,
    host: Netns,
    gateway: Netns,
}

impl Place {
    fn new(n: u8, wire: &Netns) -> Self {
        let (host, gateway) = (Netns::new(&format!("h{n}")), Netns::new(&format!("gw{n}")));
        let port = format!("wan-{n}");
        veth(host.nic("eth0"), gateway.nic("lan0"), 1);
        veth(gateway.nic("wan0"), wire.nic(&port), 1);
        wire.nic(&port).enslave("bridge");
        host.nic("eth0").address(&format!("10.{n}.0.2/24"));
        host.ip(&format!("route add default via 10.{n}.0.1"));
        gateway.nic("lan0").address(&format!("10.{n}.0.1/24"));
        gateway.nic("wan0").address(&format!("203.0.113.{n}/24"));
        Self { n, host, gateway }
    }

    fn start(&self) -> Gateway {
        Gateway::start(&self.gateway, |socket| match self.n {
            1 => hub(socket),
            n => branch(n, socket),
        })
    }

    fn wait_for(&self, other: &Self) {
        let to = other.address();
        wait_for(&format!("answer from {to}"), LIMIT, || answers(&self.host, &to).then_some(()));
    }

    fn address(&self) -> String {
        format!("10.{}.0.2", self.n)
    }
}

fn ports(n: u8, socket: &Path) -> String {
    format!(
        "[gateway]\nname = \"place-{n}\"\ncontrol_socket = \"{}\"\n\n\
         [[port]]\nname = \"lan\"\ndevice = \"lan0\"\nrole = \"inside\"\n\
         addresses = [\"10.{n}.0.1/24\"]\n\n\
         [[port]]\nname = \"wan\"\ndevice = \"wan0\"\nrole = \"outside\"\n\
         addresses = [\"203.0.113.{n}/24\"]\n\n",
        socket.display(),
    )
}

fn hub(socket: &Path) -> String {
    ports(1, socket)
        + r#"
[[ike]]
name = "branches"
local = "203.0.113.1"
local_id = "hub.example.org"
remote = "any"
remote_id = "*.branch.example.org"
psk = "a secret that no stranger guesses"

[[tunnel]]
name = "branches"
kind = "vti"
local = "203.0.113.1"

[tunnel.ike]
peer = "branches"
local_subnets = ["10.0.0.0/8"]
remote_subnets = ["10.2.0.0/15", "10.4.0.0/14"]
"#
}

/// A branch that reaches the hub's hosts, and those of the other branches through the hub.
fn branch(n: u8, socket: &Path) -> String {
    let others: Vec<_> = (1..4).filter(|other| *other != n).collect();
    let others: Vec<_> = others.iter().map(|other| format!("\"10.{other}.0.0/24\"")).collect();
    let others = others.join(", ");
    ports(n, socket)
        + &format!(
            r#"
[[ike]]
name = "hub"
local = "203.0.113.{n}"
local_id = "{n}.branch.example.org"
remote = "203.0.113.1"
remote_id = "hub.example.org"
psk = "a secret that no stranger guesses"

[[tunnel]]
name = "to-hub"
kind = "esp"
local = "203.0.113.{n}"
remote = "203.0.113.1"
local_subnets = ["10.{n}.0.0/24"]
remote_subnets = [{others}]

[tunnel.ike]
peer = "hub"
start = "always"
"#
        )
}

/// One more branch, which is written down.
const WRITTEN_DOWN: &str = r#"
[[ike]]
name = "branch-9"
local = "203.0.113.1"
local_id = "hub.example.org"
remote = "203.0.113.9"
remote_id = "9.branch.example.org"
psk = "another secret that no stranger guesses"

[[tunnel]]
name = "to-9"
kind = "vti"
local = "203.0.113.1"
remote = "203.0.113.9"

[tunnel.ike]
peer = "branch-9"

[[route]]
prefix = "10.9.0.0/16"
tunnel = "to-9"
"#;

#[test]
fn branches_of_unknown_address_reach_the_hub_and_each_other() {
    let wire = Netns::new("wire");
    wire.bridge("bridge");
    let [one, two, three] = [1, 2, 3].map(|n| Place::new(n, &wire));
    let hub_gateway = one.start();
    let (second, _third) = (two.start(), three.start());
    for branch in [&two, &three] {
        branch.wait_for(&one);
        // The hub finds the branch by the networks that this has asked for.
        assert_eq!(one.host.ping(&branch.address(), 3, 1000), 3, "{}", hub_gateway.log());
    }
    two.wait_for(&three);
    assert_eq!(three.host.ping(&two.address(), 3, 1000), 3, "{}", hub_gateway.log());
    let sas = established(&hub_gateway);
    let mut who: Vec<_> = sas.iter().filter_map(|sa| sa["identity"].as_str()).collect();
    who.sort_unstable();
    assert_eq!(who, ["2.branch.example.org", "3.branch.example.org"]);

    // Another peer in the file changes nothing for those that are there.
    let before = spis(&hub_gateway);
    hub_gateway.reload(&(hub(&hub_gateway.socket()) + WRITTEN_DOWN));
    assert_eq!(spis(&hub_gateway), before);
    for branch in [&two, &three] {
        assert_eq!(one.host.ping(&branch.address(), 3, 1000), 3, "{}", hub_gateway.log());
        assert_eq!(branch.host.ping(&one.address(), 3, 1000), 3, "{}", hub_gateway.log());
    }

    // What a branch has left behind leads nowhere.
    let (status, log) = second.stop();
    assert!(status.success(), "{log}");
    let gone = || (established(&hub_gateway).len() == 1).then_some(());
    wait_for("end of a branch's SAs", LIMIT, gone);
    assert!(!answers(&one.host, &two.address()));
    assert_eq!(one.host.ping(&three.address(), 3, 1000), 3, "{}", hub_gateway.log());
}
