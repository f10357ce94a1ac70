//! A router that is no way through (RFC 6987), after it has started or before it stops, is reached
//! all the same.

use std::time::Duration;

use ipnet::Ipv4Net;
use ospf::settings::{NetworkType, Settings};

use crate::sim::Net;

const MINUTE: Duration = Duration::from_secs(60);
const A_WHILE: Duration = Duration::from_secs(90);

/// From 0 to 3 by 1, which is near, or by 2; networks behind 1 and behind 3.
fn square(of_1: Settings) -> (Net, [Ipv4Net; 2]) {
    let mut net = Net::new(17);
    for n in 0..4 {
        net.add_router(if n == 1 { of_1.clone() } else { Net::settings(n) });
    }
    for ends in [[(0, 1), (1, 1)], [(1, 1), (3, 1)], [(0, 5), (2, 5)], [(2, 5), (3, 5)]] {
        net.add_segment(NetworkType::PointToPoint, &ends);
    }
    let behind = [1, 3].map(|node| net.add_segment(NetworkType::Broadcast, &[(node, 1)]));
    let prefixes = behind.map(|segment| net.segments[segment].prefix);
    (net, prefixes)
}

fn costs(net: &Net, prefixes: [Ipv4Net; 2]) -> [Option<u32>; 2] {
    prefixes.map(|prefix| net.costs(0).get(&prefix).copied())
}

#[test]
fn after_a_start_others_go_elsewhere_for_a_while() {
    let (mut net, prefixes) = square(Settings { stub_router_for: A_WHILE, ..Net::settings(1) });
    net.run(MINUTE);
    assert_eq!(costs(&net, prefixes), [Some(2), Some(11)]);
    net.run(MINUTE);
    assert_eq!(costs(&net, prefixes), [Some(2), Some(3)]);
}

#[test]
fn before_a_stop_others_go_elsewhere() {
    let (mut net, prefixes) = square(Net::settings(1));
    net.run(MINUTE);
    assert_eq!(costs(&net, prefixes), [Some(2), Some(3)]);
    net.with(1, |ospf, now, wall| ospf.become_stub_router(now, wall));
    net.run(Duration::from_secs(8));
    assert_eq!(costs(&net, prefixes), [Some(2), Some(11)]);
    net.with(1, |ospf, now, wall| ospf.leave(now, wall));
    net.run(Duration::from_secs(8));
    assert_eq!(costs(&net, prefixes), [None, Some(11)]);
}
