//! Neighbours whose paths are watched: which these are, and what becomes of one whose path fails.

use std::net::Ipv4Addr;
use std::time::Duration;

use ospf::NeighborState;
use ospf::settings::{InterfaceId, NetworkType};

use crate::sim::Net;

const MINUTE: Duration = Duration::from_secs(60);

/// Routers 0 and 1 on a link, of which 0 wants it watched; 1 has a network of its own.
fn watching(network: NetworkType) -> Net {
    let mut net = Net::new(11);
    for n in 0..2 {
        net.add_router(Net::settings(n));
    }
    net.add_segment_with(network, &[(0, 1), (1, 1)], |at, settings| settings.bfd = at == 0);
    net.add_segment(NetworkType::Broadcast, &[(1, 5)]);
    net
}

fn watched(net: &Net, node: usize) -> Vec<(InterfaceId, Ipv4Addr)> {
    net.nodes[node].watched.iter().copied().collect()
}

#[test]
fn who_is_heard_is_watched_where_that_is_asked_for_and_no_longer() {
    for network in [NetworkType::PointToPoint, NetworkType::Broadcast] {
        let mut net = watching(network);
        assert_eq!(watched(&net, 0), []);
        net.run(MINUTE);
        let (near, far) = (net.segments[0].ends[0], net.segments[0].ends[1]);
        assert_eq!(watched(&net, 0), [(near.interface, far.address)]);
        assert_eq!(watched(&net, 1), []);
        // It may be asked for later, or no more: neighbours do not go for that.
        net.change(far, |settings| settings.bfd = true);
        assert_eq!(watched(&net, 1), [(far.interface, near.address)]);
        net.change(near, |settings| settings.bfd = false);
        assert_eq!(watched(&net, 0), []);
        assert_eq!([net.states(0), net.states(1)], [[NeighborState::Full], [NeighborState::Full]]);
        net.segments[0].loss = 100;
        net.run(MINUTE);
        assert_eq!(watched(&net, 1), []);
    }
}

#[test]
fn a_neighbour_with_another_address_is_watched_there() {
    let mut net = watching(NetworkType::PointToPoint);
    net.run(MINUTE);
    let (near, far) = (net.segments[0].ends[0], net.segments[0].ends[1]);
    let moved = Ipv4Addr::from_bits(far.address.to_bits() + 7);
    net.segments[0].ends[1].address = moved;
    net.change(far, |settings| {
        settings.address = ipnet::Ipv4Net::new(moved, 24).unwrap();
    });
    net.run(MINUTE);
    assert_eq!(watched(&net, 0), [(near.interface, moved)]);
}

#[test]
fn each_failure_is_answered_within_milliseconds_however_many_there_were() {
    let mut net = watching(NetworkType::PointToPoint);
    net.run(MINUTE);
    let (near, far) = (net.segments[0].ends[0], net.segments[0].ends[1].address);
    let behind = net.segments[1].prefix;
    for round in 0..10 {
        assert!(net.costs(0).contains_key(&behind), "round {round}");
        net.segments[0].loss = 100;
        net.with(0, |ospf, now, wall| ospf.path_failed(now, wall, near.interface, far));
        net.run(Duration::from_millis(10));
        assert!(!net.costs(0).contains_key(&behind), "round {round}");
        assert_eq!((net.states(0), watched(&net, 0)), (Vec::new(), Vec::new()));
        net.segments[0].loss = 0;
        net.run_until(MINUTE, |net| net.costs(0).contains_key(&behind));
    }
}
