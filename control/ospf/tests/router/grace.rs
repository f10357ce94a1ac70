//! A neighbour that has said that it restarts is kept while it is silent, for no longer than it has
//! asked for, and not if the network changes meanwhile (RFC 3623 section 3).

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use ospf::msg::auth::Authentication;
use ospf::msg::{
    Body, INITIAL_SEQUENCE, Lsa, LsaBody, LsaHeader, LsaType, MAX_AGE, Options, Packet,
};
use ospf::settings::{ExternalRoute, NetworkType};
use ospf::{ALL_SPF_ROUTERS, Restart};

use crate::sim::Net;

const MINUTE: Duration = Duration::from_secs(60);
/// Seconds that the neighbour asks for.
const PERIOD: u32 = 180;

/// Routers 0, 1 and 2 in a row and 3 beside 0; a network behind 2. Router 1 has asked 0 and 2 for
/// grace and says nothing more.
fn restarting() -> Net {
    let mut net = Net::new(3);
    for n in 0..4 {
        net.add_router(Net::settings(n));
    }
    for ends in [[(0, 1), (1, 1)], [(1, 1), (2, 1)], [(0, 1), (3, 1)]] {
        net.add_segment(NetworkType::PointToPoint, &ends);
    }
    net.add_segment(NetworkType::Broadcast, &[(2, 5)]);
    net.run(MINUTE);
    says_grace(&mut net, 0);
    for segment in [0, 1] {
        net.segments[segment].loss = 100;
    }
    net
}

/// What router 1 says to those beside it, this many seconds after it began to.
fn says_grace(net: &mut Net, age: u16) {
    for (segment, to) in [(0, 0), (1, 2)] {
        let ends = net.segments[segment].ends.clone();
        let from = ends.iter().find(|end| end.node == 1).unwrap();
        let to = ends.iter().find(|end| end.node == to).unwrap();
        let packet = grace(from.address, age).encode(&Authentication::None, 0, net.wall());
        let source = from.address;
        net.with(to.node, |ospf, now, wall| {
            ospf.handle_packet(now, wall, to.interface, source, ALL_SPF_ROUTERS, &packet);
        });
    }
}

fn grace(address: Ipv4Addr, age: u16) -> Packet {
    let period = PERIOD.to_be_bytes();
    let tlvs: [&[u8]; 6] = [
        &[0, 1, 0, 4],
        &period,
        // Why: the software restarts.
        &[0, 2, 0, 1],
        &[1, 0, 0, 0],
        &[0, 3, 0, 4],
        &address.octets(),
    ];
    let header = LsaHeader {
        age,
        options: Options::E,
        kind: LsaType::OPAQUE_LINK,
        id: Ipv4Addr::new(3, 0, 0, 0),
        advertising_router: Net::router_id(1),
        sequence: INITIAL_SEQUENCE,
        checksum: 0,
        length: 0,
    };
    let lsa = Lsa::build(header, &LsaBody::Opaque(tlvs.concat())).unwrap();
    let (router_id, area_id) = (Net::router_id(1), Ipv4Addr::UNSPECIFIED);
    Packet { router_id, area_id, body: Body::LinkStateUpdate(vec![lsa]) }
}

fn knows_the_far_network(net: &Net) -> bool {
    let far = net.segments[3].prefix;
    [0, 3].iter().all(|node| net.nodes[*node].fib.contains_key(&far))
}

#[test]
fn a_silent_neighbour_is_kept_for_as_long_as_it_has_asked_for() {
    let mut net = restarting();
    net.run(Duration::from_secs(u64::from(PERIOD) - 5));
    assert!(knows_the_far_network(&net));
    assert!(net.nodes[0].ospf.neighbors().iter().any(|neighbor| neighbor.is_helped));
    net.run(Duration::from_secs(10));
    assert!(!knows_the_far_network(&net));
    let said = net.nodes[0].log.iter().filter(|line| line.contains("grace period is over"));
    assert_eq!(said.count(), 1);
}

#[test]
fn a_change_elsewhere_ends_it() {
    let mut net = restarting();
    net.run(MINUTE);
    assert!(knows_the_far_network(&net));
    let end = net.segments[2].ends[1];
    net.change(end, |settings| settings.cost = 7);
    net.run(MINUTE);
    assert!(!knows_the_far_network(&net));
    assert!(net.nodes[0].log.iter().any(|line| line.contains("has changed meanwhile")));
}

#[test]
fn it_is_over_when_the_neighbour_says_so() {
    let mut net = restarting();
    net.run(MINUTE);
    for segment in [0, 1] {
        net.segments[segment].loss = 0;
    }
    says_grace(&mut net, MAX_AGE);
    net.run(MINUTE);
    assert!(knows_the_far_network(&net));
    assert!(
        net.nodes.iter().all(|node| node.ospf.neighbors().iter().all(|known| !known.is_helped))
    );
}

/// A router in the middle of a row, another on a network of three whose designated router it is;
/// a border of areas; one that tells of a route of another protocol.
fn busy() -> Net {
    let mut net = Net::new(11);
    for n in 0..5 {
        net.add_router(Net::settings(n));
    }
    net.add_segment(NetworkType::PointToPoint, &[(0, 1), (1, 1)]);
    net.add_segment_with(NetworkType::Broadcast, &[(1, 1), (2, 1), (3, 1)], |at, settings| {
        settings.priority = if at == 0 { 9 } else { 1 };
    });
    net.add_segment_with(NetworkType::PointToMultipoint, &[(1, 1), (4, 1)], |_, settings| {
        settings.area = Ipv4Addr::new(0, 0, 0, 7);
    });
    net.add_segment(NetworkType::Broadcast, &[(2, 5)]);
    net.add_segment_with(NetworkType::Broadcast, &[(4, 5)], |_, settings| {
        settings.area = Ipv4Addr::new(0, 0, 0, 7);
    });
    net.add_segment(NetworkType::Broadcast, &[(0, 5)]);
    net.with(1, |ospf, now, wall| ospf.change_externals(now, wall, [elsewhere()]));
    net.run(2 * MINUTE);
    net
}

fn elsewhere() -> (Ipv4Net, Option<ExternalRoute>) {
    let route = ExternalRoute { metric: 20, is_type2: true, tag: 0, forwarding: None };
    ("198.51.100.0/24".parse().unwrap(), Some(route))
}

fn announces(net: &mut Net, node: usize) {
    net.with(node, |ospf, now, wall| ospf.announce_restart(now, wall, 2 * MINUTE));
    net.run_until(MINUTE, |net| net.nodes[node].ospf.is_restart_announced());
}

/// Lets a router be gone for a while and come back, and time pass; the others must have noticed
/// nothing at any moment.
fn restarts_unnoticed(net: &mut Net, node: usize, gone: Duration) {
    let before: Vec<_> = (0..net.nodes.len()).map(|n| net.costs(n)).collect();
    let own = net.costs(node);
    net.nodes[node].is_gone = true;
    let others: Vec<usize> = (0..net.nodes.len()).filter(|n| *n != node).collect();
    let unnoticed = |net: &Net| others.iter().all(|other| net.costs(*other) == before[*other]);
    for _ in 0..gone.as_secs() {
        net.run(Duration::from_secs(1));
        assert!(unnoticed(net), "while it is gone");
    }
    net.nodes[node].is_gone = false;
    net.resume(node, 2 * MINUTE - gone);
    if node == 1 {
        net.with(node, |ospf, now, wall| ospf.change_externals(now, wall, [elsewhere()]));
    }
    let start = net.now;
    while net.nodes[node].ospf.restart() != Restart::No {
        net.run(Duration::from_millis(100));
        assert!(unnoticed(net), "{:?} after it is back", net.now.since(start));
    }
    for _ in 0..600 {
        net.run(Duration::from_millis(100));
        assert!(unnoticed(net), "afterwards, {:?}", net.now.since(start));
    }
    assert_eq!(net.costs(node), own);
    assert!(net.nodes[node].log.iter().any(|line| line.contains("all neighbours are back")));
}

#[test]
fn a_router_that_has_asked_for_grace_restarts_unnoticed() {
    for node in [1, 2, 3, 4] {
        let mut net = busy();
        announces(&mut net, node);
        restarts_unnoticed(&mut net, node, Duration::from_secs(25));
        let helped = net.nodes.iter().flat_map(|node| node.ospf.neighbors());
        assert!(helped.into_iter().all(|neighbor| !neighbor.is_helped), "{node}");
    }
}

#[test]
fn it_restarts_unnoticed_after_the_dead_interval_too_and_twice() {
    let mut net = busy();
    for _ in 0..2 {
        announces(&mut net, 1);
        restarts_unnoticed(&mut net, 1, Duration::from_secs(70));
    }
}

#[test]
fn who_asks_for_grace_and_stays_takes_it_back() {
    let mut net = busy();
    let before: Vec<_> = (0..5).map(|n| net.costs(n)).collect();
    for cancels in [true, false] {
        announces(&mut net, 1);
        assert!(net.nodes[0].ospf.neighbors().iter().any(|neighbor| neighbor.is_helped));
        if cancels {
            net.with(1, |ospf, now, wall| ospf.cancel_restart(now, wall));
            // Too soon after the first word it is not taken, and said again.
            net.run(Duration::from_secs(12));
            assert!(net.nodes[0].ospf.neighbors().iter().all(|neighbor| !neighbor.is_helped));
        }
    }
    net.run(3 * MINUTE);
    assert_eq!(net.nodes[1].ospf.restart(), Restart::No);
    assert!(net.nodes[0].ospf.neighbors().iter().all(|neighbor| !neighbor.is_helped));
    assert_eq!((0..5).map(|n| net.costs(n)).collect::<Vec<_>>(), before);
}

#[test]
fn who_asks_for_grace_again_gets_it_from_then_on() {
    let mut net = busy();
    announces(&mut net, 1);
    net.run(MINUTE + Duration::from_secs(30));
    announces(&mut net, 1);
    restarts_unnoticed(&mut net, 1, Duration::from_secs(70));
}

#[test]
fn who_does_not_know_of_a_change_is_not_helped() {
    let mut net = busy();
    // What 0 tells of its network does not come through to 1.
    net.segments[0].loss = 100;
    let end = net.segments[5].ends[0];
    net.change(end, |settings| settings.cost = 6);
    net.run(Duration::from_secs(1));
    let [to, from] = [net.segments[0].ends[0], net.segments[0].ends[1]];
    let packet = grace(from.address, 0).encode(&Authentication::None, 0, net.wall());
    net.with(0, |ospf, now, wall| {
        let source = from.address;
        ospf.handle_packet(now, wall, to.interface, source, ALL_SPF_ROUTERS, &packet);
    });
    assert!(net.nodes[0].ospf.neighbors().iter().all(|neighbor| !neighbor.is_helped));
}

#[test]
fn who_comes_back_to_neighbours_that_have_not_waited_speaks_at_once() {
    let mut net = Net::new(5);
    for n in 0..3 {
        net.add_router(Net::settings(n));
    }
    for ends in [[(0, 1), (1, 1)], [(1, 1), (2, 1)], [(0, 1), (2, 1)]] {
        net.add_segment(NetworkType::PointToPoint, &ends);
    }
    net.add_segment(NetworkType::Broadcast, &[(0, 5)]);
    net.run(MINUTE);
    announces(&mut net, 1);
    net.nodes[1].is_gone = true;
    // A change elsewhere ends the grace.
    let end = net.segments[3].ends[0];
    net.change(end, |settings| settings.cost = 6);
    net.run(MINUTE);
    net.nodes[1].is_gone = false;
    net.segments[0].loss = 100;
    net.resume(1, MINUTE);
    let took = net.run_until(MINUTE, |net| net.nodes[1].ospf.restart() == Restart::No);
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(net.nodes[1].log.iter().any(|line| line.contains("has not waited")));
    let far = net.segments[3].prefix;
    net.run_until(MINUTE, |net| net.costs(1).get(&far) == Some(&8));
}

#[test]
fn a_restarting_neighbour_is_kept_though_its_path_is_said_to_have_failed() {
    let mut net = restarting();
    let (near, far) = (net.segments[0].ends[0], net.segments[0].ends[1].address);
    net.with(0, |ospf, now, wall| ospf.path_failed(now, wall, near.interface, far));
    net.run(Duration::from_secs(u64::from(PERIOD) - 5));
    assert!(knows_the_far_network(&net));
    let told = net.nodes[0].log.iter().filter(|line| line.contains("kept without BFD")).count();
    assert_eq!(told, 1, "{:?}", net.nodes[0].log);
}
