//! All tunnels get new keys under traffic and no packet is lost, in virtual time. The command
//! `fastgw-bench rekey` does the same with ten thousand tunnels by the wall clock.

use bench::rekey::{Plan, stepped};

fn check(plan: Plan, at_a_time: u32) {
    let outcome = stepped(plan, at_a_time).unwrap_or_else(|error| panic!("{plan:?}: {error}"));
    assert_eq!((outcome.lost, outcome.dropped, outcome.unchanged), (0, 0, 0), "{outcome:?}");
    // Each tunnel had packets before, meanwhile and after.
    assert!(outcome.sent > 100 * u64::from(plan.tunnels()), "{outcome:?}");
    // What is published for one tunnel's keys does not grow with the number of peers.
    assert!(outcome.hub_snapshots < 4.0, "{outcome:?}");
}

#[test]
fn a_thousand_peers_with_a_tunnel_each() {
    check(Plan { peers: 1000, tunnels_each: 1 }, 64);
}

#[test]
fn ten_peers_with_a_hundred_tunnels_each() {
    check(Plan { peers: 10, tunnels_each: 100 }, 1000);
}
