//! What the worker's samples tell, by a clock that goes on 5 us with each reading: so long does
//! every stage take, each time a batch passes it.

mod common;

use common::*;
use esp::Suite;
use tables::latency::Stage::{self, *};
use wire::protocol;

const READING_NS: u64 = 5_000;

/// How often each stage was passed, of the one batch that has been timed.
fn passed(site: &Site) -> Vec<(Stage, u64)> {
    let laps = |stage: &Stage| {
        let mut counts = site.counters.latency.of(*stage).counts();
        let (ns, count) = counts.next()?;
        assert!(count == 1 && counts.next().is_none(), "{stage:?}: one sample");
        // A slot tells its shortest duration.
        Some((*stage, ns.div_ceil(READING_NS)))
    };
    Stage::ALL.iter().filter_map(laps).collect()
}

/// A site that times every batch.
fn timed(mut site: Site) -> Site {
    site.worker.measure(ticking(READING_NS), 0);
    site
}

#[test]
fn a_forwarded_packet_takes_the_short_way() {
    let mut site = timed(Site::plain());
    assert_eq!(site.host_sends(&packet(A_HOST, B_HOST, 100)).len(), 1);
    let expected = [(Arrival, 1), (Route, 1), (Emit, 1), (Wait, 1), (Transmit, 1), (EndToEnd, 5)];
    assert_eq!(passed(&site), expected);
}

#[test]
fn a_packet_into_a_tunnel_is_encapsulated() {
    for join in joins() {
        let mut site = timed(Site::a(join));
        assert_eq!(site.host_sends(&packet(A_HOST, B_HOST, 100)).len(), 1);
        let passed = passed(&site);
        assert!(passed.contains(&(Encap, 1)), "{join:?}: {passed:?}");
        assert_sum(&passed);
    }
}

#[test]
fn a_packet_out_of_a_tunnel_is_routed_before_and_after() {
    let join = Join::Policy(Suite::AES128GCM16);
    let mut site = timed(Site::a(join));
    let sa = far_sa(Suite::AES128GCM16, false);
    let inner = packet(B_HOST, A_HOST, 100);
    assert_eq!(site.peer_sends(&sealed(&sa, protocol::IPV4, &inner)).len(), 1);
    let found = passed(&site);
    assert!(found.contains(&(Open, 1)) && found.contains(&(Route, 2)), "{found:?}");
    assert_sum(&found);

    let mut site = timed(Site::a(Join::Gre));
    assert_eq!(site.peer_sends(&gre(&inner)).len(), 1);
    let found = passed(&site);
    assert!(found.contains(&(Decap, 1)) && found.contains(&(Route, 2)), "{found:?}");
    assert_sum(&found);
}

/// Nothing of the way is left out, and nothing is counted twice.
fn assert_sum(passed: &[(Stage, u64)]) {
    let (parts, whole): (Vec<_>, Vec<_>) = passed.iter().partition(|(stage, _)| *stage != EndToEnd);
    let sum: u64 = parts.iter().map(|(_, laps)| laps).sum();
    assert_eq!(whole, [(EndToEnd, sum)], "{parts:?}");
}

#[test]
fn what_is_dropped_has_no_latency() {
    let mut site = timed(Site::plain());
    assert_eq!(site.host_sends(&[0x45; 40]).len(), 0);
    assert!(site.total_drops() > 0);
    assert_eq!(passed(&site), []);
}

#[test]
fn samples_keep_their_distance_in_the_time_that_turns_are_told() {
    let mut site = Site::plain();
    site.worker.measure(ticking(READING_NS), 50_000);
    for _ in 0..100 {
        site.host_sends(&packet(A_HOST, B_HOST, 100));
        site.advance(1_000);
    }
    let counts = site.counters.latency.of(EndToEnd).counts();
    assert_eq!(counts.map(|(_, count)| count).sum::<u64>(), 2);
}

#[test]
fn a_worker_without_a_clock_measures_nothing() {
    let mut site = Site::plain();
    assert_eq!(site.host_sends(&packet(A_HOST, B_HOST, 100)).len(), 1);
    assert_eq!(passed(&site), []);
}
