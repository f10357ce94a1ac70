//! Routes of ours in the kernel's table, as `ip route` shows them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::{Follower, ip, ip_command, net, two_wires};
use crate::kernel::Learned;

fn inside(test: &str) -> Option<crate::namespace::Inside> {
    crate::namespace::inside(module_path!(), test)
}

fn learned(routes: &[(&str, &[(u32, &str)])]) -> Learned {
    let address = |text: &str| text.parse::<Ipv4Addr>().expect("an address");
    let hops = |hops: &[(u32, &str)]| hops.iter().map(|hop| (hop.0, address(hop.1))).collect();
    routes.iter().map(|(prefix, ways)| (prefix.parse().expect("a prefix"), hops(ways))).collect()
}

/// Our routes as `ip` shows them, with one space for several.
fn shown() -> Vec<String> {
    let text = ip_command("route show proto ospf metric 110");
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn learned_routes_are_made_changed_and_taken_back() {
    let Some(_) = inside("learned_routes_are_made_changed_and_taken_back") else { return };
    two_wires();
    ip_command("addr add 192.0.2.1/24 dev wan");
    ip_command("addr add 10.1.0.1/24 dev lan");
    // Another daemon's, an administrator's, and one that we had left behind.
    ip_command("route add 172.16.0.0/16 via 10.1.0.9 proto ospf metric 20");
    ip_command("route add 172.17.0.0/16 via 10.1.0.9 metric 425");
    ip_command("route add 172.18.0.0/16 via 10.1.0.9 proto ospf metric 110");
    let mut follower = Follower::open();
    let (wan, lan) = (follower.ifindex("wan"), follower.ifindex("lan"));
    let first = learned(&[
        ("10.2.0.0/16", &[(lan, "10.1.0.2")]),
        ("10.3.0.0/16", &[(lan, "10.1.0.2"), (wan, "192.0.2.2")]),
        ("0.0.0.0/0", &[(lan, "10.1.0.2")]),
    ]);
    assert_eq!(follower.kernel.install(first.clone(), false), [""; 0]);
    assert!(follower.kernel.has_installed());
    let several = [
        "10.3.0.0/16",
        "nexthop via 10.1.0.2 dev lan weight 1",
        "nexthop via 192.0.2.2 dev wan weight 1",
    ];
    let one = |prefix: &str, router: &str| format!("{prefix} via {router} dev lan");
    let single = [one("default", "10.1.0.2"), one("10.2.0.0/16", "10.1.0.2")];
    assert_eq!(shown(), [&single[..], &several.map(str::to_owned)].concat());
    // What the kernel says of it then agrees with the mirror, and there is nothing left to do.
    follower.settle();
    follower.assert_agrees_with_the_kernel();
    let before = ip_command("route show");
    assert_eq!(follower.kernel.install(first.clone(), false), [""; 0]);
    assert!(follower.settle().is_empty());
    assert_eq!(ip_command("route show"), before);
    // The kernel goes by them, but they are not told as if they were its own.
    let hop = follower.kernel.state().next_hop(ip("10.2.0.1")).expect("a way");
    assert_eq!(hop.gateway, Some(ip("10.1.0.2")));
    let through: BTreeMap<_, _> = follower.kernel.state().routes_through(lan).collect();
    let others = [("10.1.0.0/24", None), ("172.16.0.0/16", Some("10.1.0.9"))];
    let others = others.into_iter().chain([("172.17.0.0/16", Some("10.1.0.9"))]);
    assert!(through.into_iter().eq(others.map(|(prefix, router)| (net(prefix), router.map(ip)))));

    let second = learned(&[
        ("10.2.0.0/16", &[(lan, "10.1.0.3")]),
        ("10.3.0.0/16", &[(wan, "192.0.2.2")]),
        ("10.4.0.0/16", &[(lan, "10.9.9.9")]),
        ("172.17.0.0/16", &[(lan, "10.1.0.3")]),
    ]);
    let problems = follower.kernel.install(second.clone(), false);
    // Where somebody else has a route, there is none of ours, however good its metric.
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("10.4.0.0/16"));
    let moved = "10.3.0.0/16 via 192.0.2.2 dev wan".to_owned();
    assert_eq!(shown(), [one("10.2.0.0/16", "10.1.0.3"), moved]);
    follower.settle();
    follower.assert_agrees_with_the_kernel();
    // A route that somebody takes away is put back.
    follower.after("route del 10.2.0.0/16 via 10.1.0.3 proto ospf metric 110");
    follower.kernel.install(second.clone(), false);
    assert_eq!(shown()[0], one("10.2.0.0/16", "10.1.0.3"));

    assert_eq!(follower.kernel.install(Learned::new(), true), [""; 0]);
    assert_eq!(shown().len(), 2, "kept for a restart");
    assert_eq!(follower.kernel.install(Learned::new(), false), [""; 0]);
    assert!(!follower.kernel.has_installed());
    assert_eq!(shown(), [""; 0]);
    let left = ip_command("route show");
    assert!(left.contains("172.16.0.0/16") && left.contains("172.17.0.0/16"), "{left}");
    follower.settle();
    follower.assert_agrees_with_the_kernel();
}
