//! Neighbours become adjacent, or do not and say why; what one of them tells reaches the others.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use engine::Secret;
use ipnet::Ipv4Net;
use ospf::msg::auth::{Algorithm, Authentication, Key, Keys};
use ospf::refusal::Refusal;
use ospf::routes::RouteKind;
use ospf::settings::{
    AreaKind, AreaRange, AreaSettings, ExternalRoute, InterfaceSettings, NetworkType, Shielded,
};
use ospf::{InterfaceState, NeighborState};

use crate::sim::Net;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn routers(count: usize) -> Net {
    let mut net = Net::new(count as u64);
    for n in 0..count {
        net.add_router(Net::settings(n));
    }
    net
}

fn prefix(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn area(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(0, 0, 0, n)
}

fn in_area(n: u8) -> impl Fn(usize, &mut InterfaceSettings) {
    move |_, settings| settings.area = area(n)
}

fn external(metric: u32, is_type2: bool) -> Option<ExternalRoute> {
    Some(ExternalRoute { metric, is_type2, tag: 7, forwarding: None })
}

fn tell(net: &mut Net, node: usize, prefix: Ipv4Net, route: Option<ExternalRoute>) {
    net.with(node, |ospf, now, wall| ospf.change_externals(now, wall, [(prefix, route)]));
}

/// A network behind a router that no other is on.
fn add_stub(net: &mut Net, node: usize, area: Ipv4Addr) -> Ipv4Net {
    let segment = net.add_segment_with(NetworkType::Broadcast, &[(node, 5)], |_, settings| {
        settings.area = area;
        settings.is_passive = true;
    });
    net.segments[segment].prefix
}

#[test]
fn two_routers_are_full_at_once_on_a_point_to_point_network() {
    let mut net = routers(2);
    net.add_segment(NetworkType::PointToPoint, &[(0, 10), (1, 10)]);
    let took =
        net.run_until(MINUTE, |net| (0..2).all(|node| net.states(node) == [NeighborState::Full]));
    assert!(took < SECOND, "{took:?}");
}

#[test]
fn a_designated_router_and_its_backup_are_adjacent_to_all_others_and_those_not_to_each_other() {
    let mut net = routers(5);
    let ends: Vec<(usize, u16)> = (0..5).map(|node| (node, 10)).collect();
    net.add_segment(NetworkType::Broadcast, &ends);
    net.run(2 * MINUTE);
    let role = |net: &Net, node: usize| net.nodes[node].ospf.interfaces()[0].1.state;
    // The largest router IDs are those of the last.
    assert_eq!((role(&net, 4), role(&net, 3)), (InterfaceState::Dr, InterfaceState::Backup));
    assert!((0..3).all(|node| role(&net, node) == InterfaceState::DrOther));
    for node in 0..3 {
        let mut states = net.states(node);
        states.sort_unstable();
        let full = [NeighborState::Full; 2];
        assert_eq!(states, [[NeighborState::TwoWay; 2], full].concat());
    }
    net.restart(4);
    net.run(MINUTE);
    assert_eq!(role(&net, 3), InterfaceState::Dr, "the backup takes over");
    net.run(MINUTE);
    assert_ne!(role(&net, 4), InterfaceState::Dr, "who comes back takes nothing away");
}

#[test]
fn a_priority_of_zero_is_never_designated() {
    let mut net = routers(2);
    let priority = |at, settings: &mut InterfaceSettings| settings.priority = [2, 0][at];
    net.add_segment_with(NetworkType::Broadcast, &[(0, 1), (1, 1)], priority);
    net.run(MINUTE);
    let states: Vec<InterfaceState> =
        (0..2).map(|node| net.nodes[node].ospf.interfaces()[0].1.state).collect();
    assert_eq!(states, [InterfaceState::Dr, InterfaceState::DrOther]);
    assert_eq!(net.states(1), [NeighborState::Full]);
}

#[test]
fn neighbours_that_are_configured_need_no_multicast() {
    let mut net = routers(2);
    let called = |at, settings: &mut InterfaceSettings| {
        settings.neighbors = vec![Ipv4Addr::new(10, 0, 0, 2 - at as u8)];
    };
    net.add_segment_with(NetworkType::Nbma, &[(0, 1), (1, 1)], called);
    net.run(2 * MINUTE);
    assert_eq!(net.states(0), [NeighborState::Full]);
}

#[test]
fn a_hub_and_its_spokes_learn_host_routes_and_networks() {
    let mut net = routers(3);
    // Spokes reach each other's addresses through the hub alone.
    net.add_segment(NetworkType::PointToMultipoint, &[(0, 10), (1, 10)]);
    net.add_segment(NetworkType::PointToMultipoint, &[(0, 10), (2, 10)]);
    let lan = add_stub(&mut net, 2, area(0));
    net.run(2 * MINUTE);
    let costs = net.costs(1);
    assert_eq!(costs.get(&prefix("10.0.0.1/32")), Some(&10));
    assert_eq!(costs.get(&prefix("10.0.1.2/32")), Some(&20));
    assert_eq!(costs.get(&lan), Some(&25));
}

#[test]
fn what_must_agree_is_compared_and_named() {
    type Set = fn(usize, &mut InterfaceSettings);
    let cases: [(Set, Refusal); 8] = [
        (|at, set| set.area = area(at as u8), Refusal::Area),
        (|at, set| set.hello_interval = [10, 11][at] * SECOND, Refusal::HelloInterval),
        (|at, set| set.dead_interval = [40, 41][at] * SECOND, Refusal::DeadInterval),
        (
            |at, set| {
                let len = [24, 25][at];
                set.address = Ipv4Net::new(set.address.addr(), len).unwrap();
            },
            Refusal::Mask,
        ),
        (|at, set| set.mtu = [1500, 1400][at], Refusal::Mtu),
        (
            |at, set| {
                let secret = Secret::copy_of([&b"one"[..], b"two"][at]);
                set.authentication = Arc::new(Authentication::Simple(secret));
            },
            Refusal::Authentication,
        ),
        (
            |at, set| {
                if at == 0 {
                    set.authentication = Arc::new(Authentication::Simple(Secret::copy_of(b"one")));
                }
            },
            Refusal::AuthenticationType,
        ),
        (
            |at, set| set.authentication = Arc::new(digest(Algorithm::HmacSha256, [1, 2][at])),
            Refusal::Authentication,
        ),
    ];
    for (set, refusal) in cases {
        let mut net = routers(2);
        net.add_segment_with(NetworkType::Broadcast, &[(0, 1), (1, 1)], set);
        net.run(2 * MINUTE);
        let is_full = (0..2).any(|node| net.states(node) == [NeighborState::Full]);
        assert!(!is_full, "{refusal}");
        let all = net.nodes.iter();
        let refused = all.flat_map(|node| node.ospf.interfaces()[0].1.refused.clone());
        assert!(refused.clone().any(|(known, _)| known == refusal), "{refusal}");
        let text = refusal.to_string();
        let lines = net.nodes.iter().flat_map(|node| &node.log);
        let count = lines.filter(|line| line.contains(&text)).count();
        assert!((1..=2).contains(&count), "{refusal} is logged once a side, not {count} times");
    }
}

fn digest(algorithm: Algorithm, id: u8) -> Authentication {
    let secret = Secret::copy_of(b"between us");
    let key = Key { id, algorithm, secret, accept: None, generate: None };
    Authentication::Cryptographic(Keys::new(vec![key]).unwrap())
}

#[test]
fn digests_of_each_kind_are_accepted() {
    let all = [
        Algorithm::Md5,
        Algorithm::HmacSha1,
        Algorithm::HmacSha256,
        Algorithm::HmacSha384,
        Algorithm::HmacSha512,
    ];
    for algorithm in all {
        let mut net = routers(2);
        let set = |_, settings: &mut InterfaceSettings| {
            settings.authentication = Arc::new(digest(algorithm, 3));
        };
        net.add_segment_with(NetworkType::PointToPoint, &[(0, 1), (1, 1)], set);
        net.run(5 * SECOND);
        assert_eq!(net.states(0), [NeighborState::Full], "{algorithm:?}");
    }
}

#[test]
fn a_neighbour_that_restarts_without_a_word_is_full_again() {
    let mut net = routers(3);
    net.add_segment(NetworkType::Broadcast, &[(0, 1), (1, 1), (2, 1)]);
    let lan = add_stub(&mut net, 1, area(0));
    net.run(2 * MINUTE);
    assert!(net.costs(0).contains_key(&lan));
    net.restart(1);
    net.run(2 * MINUTE);
    assert!(net.costs(0).contains_key(&lan));
    assert!(net.states(1).iter().all(|state| *state == NeighborState::Full));
}

#[test]
fn a_silent_neighbour_is_gone_after_the_dead_interval() {
    let mut net = routers(2);
    let segment = net.add_segment(NetworkType::PointToPoint, &[(0, 1), (1, 1)]);
    let lan = add_stub(&mut net, 1, area(0));
    net.run(MINUTE);
    assert!(net.costs(0).contains_key(&lan));
    net.segments[segment].loss = 100;
    net.run(41 * SECOND);
    assert_eq!(net.states(0), []);
    assert!(!net.costs(0).contains_key(&lan));
}

#[test]
fn a_failed_path_is_left_within_milliseconds() {
    let mut net = routers(3);
    let direct = net.add_segment(NetworkType::PointToPoint, &[(0, 1), (1, 1)]);
    net.add_segment(NetworkType::PointToPoint, &[(0, 10), (2, 10)]);
    net.add_segment(NetworkType::PointToPoint, &[(2, 10), (1, 10)]);
    let lan = add_stub(&mut net, 1, area(0));
    net.run(MINUTE);
    assert_eq!(net.costs(0).get(&lan), Some(&6));
    net.segments[direct].loss = 100;
    let far = net.segments[direct].ends[1].address;
    let interface = net.segments[direct].ends[0].interface;
    net.with(0, |ospf, now, wall| ospf.path_failed(now, wall, interface, far));
    net.run(Duration::from_millis(20));
    assert_eq!(net.costs(0).get(&lan), Some(&25));
}

#[test]
fn equal_ways_are_both_taken() {
    let mut net = routers(4);
    for middle in [1, 2] {
        net.add_segment(NetworkType::PointToPoint, &[(0, 10), (middle, 10)]);
        net.add_segment(NetworkType::PointToPoint, &[(middle, 10), (3, 10)]);
    }
    let lan = add_stub(&mut net, 3, area(0));
    net.run(MINUTE);
    assert_eq!(net.nodes[0].fib[&lan].next_hops.len(), 2);
}

#[test]
fn external_routes_are_told_and_taken_back() {
    let mut net = routers(3);
    net.add_segment(NetworkType::PointToPoint, &[(0, 10), (1, 10)]);
    net.add_segment(NetworkType::PointToPoint, &[(1, 10), (2, 10)]);
    let told = [
        ("172.16.0.0/16", external(20, true)),
        ("172.16.0.0/24", external(20, false)),
        ("172.16.0.0/32", external(1, true)),
        ("0.0.0.0/0", external(1, true)),
    ];
    let told = told.map(|(text, route)| (prefix(text), route));
    net.with(0, |ospf, now, wall| ospf.change_externals(now, wall, told));
    net.run(MINUTE);
    let route = |net: &Net, text| net.nodes[2].fib.get(&prefix(text)).cloned();
    let second = route(&net, "172.16.0.0/16").unwrap();
    assert_eq!(
        (second.kind, second.cost, second.type2_cost, second.tag),
        (RouteKind::ExternalType2, 20, 20, 7)
    );
    let first = route(&net, "172.16.0.0/24").unwrap();
    assert_eq!((first.kind, first.cost), (RouteKind::ExternalType1, 40));
    assert!(route(&net, "172.16.0.0/32").is_some() && route(&net, "0.0.0.0/0").is_some());
    tell(&mut net, 0, prefix("172.16.0.0/24"), None);
    net.run(MINUTE);
    assert!(route(&net, "172.16.0.0/24").is_none() && route(&net, "172.16.0.0/16").is_some());
    assert!(route(&net, "172.16.0.0/32").is_some());
}

/// Routers 0 to 3 in a row: 0 and 1 in area 1, 1 and 2 in the backbone, 2 and 3 in area 2, which is
/// of this kind.
fn three_areas(kind: AreaKind, ranges: Vec<AreaRange>) -> (Net, [Ipv4Net; 2]) {
    let mut net = Net::new(3);
    for n in 0..4 {
        let mut settings = Net::settings(n);
        settings.areas.insert(area(2), AreaSettings { kind, ranges: Vec::new() });
        settings
            .areas
            .insert(area(1), AreaSettings { kind: AreaKind::Normal, ranges: ranges.clone() });
        net.add_router(settings);
    }
    net.add_segment_with(NetworkType::PointToPoint, &[(0, 10), (1, 10)], in_area(1));
    net.add_segment_with(NetworkType::PointToPoint, &[(1, 10), (2, 10)], in_area(0));
    net.add_segment_with(NetworkType::PointToPoint, &[(2, 10), (3, 10)], in_area(2));
    let lans = [add_stub(&mut net, 0, area(1)), add_stub(&mut net, 3, area(2))];
    let outside = prefix("192.0.2.0/24");
    tell(&mut net, 0, outside, external(5, true));
    net.run(2 * MINUTE);
    (net, lans)
}

#[test]
fn areas_hear_of_each_others_networks() {
    let (net, [first, last]) = three_areas(AreaKind::Normal, Vec::new());
    let (near, far) = (&net.nodes[0].fib[&last], &net.nodes[3].fib[&first]);
    assert_eq!((near.kind, near.cost), (RouteKind::InterArea, 35));
    assert_eq!((far.kind, far.cost), (RouteKind::InterArea, 35));
    let outside = &net.nodes[3].fib[&prefix("192.0.2.0/24")];
    assert_eq!((outside.kind, outside.cost), (RouteKind::ExternalType2, 30));
}

#[test]
fn a_stub_area_has_a_default_route_and_no_externals() {
    let shielded = Shielded { summaries: true, default_cost: 3 };
    let (net, [first, _]) = three_areas(AreaKind::Stub(shielded), Vec::new());
    let known = &net.nodes[3].fib;
    assert!(known.contains_key(&first));
    assert!(!known.contains_key(&prefix("192.0.2.0/24")));
    assert_eq!(known[&prefix("0.0.0.0/0")].cost, 13);
    let shielded = Shielded { summaries: false, default_cost: 3 };
    let (net, [first, _]) = three_areas(AreaKind::Stub(shielded), Vec::new());
    let known = &net.nodes[3].fib;
    assert!(!known.contains_key(&first) && known.contains_key(&prefix("0.0.0.0/0")));
}

#[test]
fn routes_out_of_a_not_so_stubby_area_are_translated() {
    let shielded = Shielded { summaries: true, default_cost: 3 };
    let (mut net, _) = three_areas(AreaKind::Nssa(shielded), Vec::new());
    let told = prefix("198.51.100.0/24");
    tell(&mut net, 3, told, external(9, true));
    net.run(MINUTE);
    let far = &net.nodes[0].fib[&told];
    assert_eq!((far.kind, far.type2_cost, far.tag), (RouteKind::ExternalType2, 9, 7));
    assert!(!net.nodes[3].fib.contains_key(&prefix("192.0.2.0/24")));
    assert!(net.nodes[3].fib.contains_key(&prefix("0.0.0.0/0")));
    tell(&mut net, 3, told, None);
    net.run(MINUTE);
    assert!(!net.nodes[0].fib.contains_key(&told));
}

#[test]
fn a_range_stands_for_what_it_contains() {
    let range = AreaRange { prefix: prefix("10.0.0.0/16"), advertise: true };
    let (net, [first, _]) = three_areas(AreaKind::Normal, vec![range]);
    assert!(!net.nodes[3].fib.contains_key(&first));
    assert_eq!(net.nodes[3].fib[&range.prefix].cost, 35, "the worst of what it stands for");
    let hidden = AreaRange { advertise: false, ..range };
    let (net, [first, _]) = three_areas(AreaKind::Normal, vec![hidden]);
    assert!(!net.nodes[3].fib.contains_key(&first));
    assert!(!net.nodes[3].fib.contains_key(&range.prefix));
}

#[test]
fn a_day_passes_and_nothing_is_lost() {
    let mut net = routers(3);
    net.add_segment(NetworkType::Broadcast, &[(0, 1), (1, 1), (2, 1)]);
    let lan = add_stub(&mut net, 1, area(0));
    net.run(MINUTE);
    let before = net.costs(0);
    net.run(24 * 60 * MINUTE);
    assert_eq!(net.costs(0), before);
    assert!(before.contains_key(&lan));
    let database = net.nodes[0].ospf.database();
    assert!(database.iter().all(|lsa| lsa.header.age < 1900), "refreshed in time");
    assert!(database.iter().all(|lsa| lsa.header.sequence > -0x7fff_ffff + 40));
}

#[test]
fn a_stub_router_is_no_way_through() {
    let mut net = Net::new(1);
    for n in 0..3 {
        let mut settings = Net::settings(n);
        if n == 1 {
            settings.stub_router_for = 5 * MINUTE;
        }
        net.add_router(settings);
    }
    net.add_segment(NetworkType::PointToPoint, &[(0, 1), (1, 1)]);
    net.add_segment(NetworkType::PointToPoint, &[(1, 1), (2, 1)]);
    net.add_segment(NetworkType::PointToPoint, &[(0, 100), (2, 100)]);
    let lan = add_stub(&mut net, 2, area(0));
    net.run(MINUTE);
    assert_eq!(net.costs(0).get(&lan), Some(&105));
    net.run(6 * MINUTE);
    assert_eq!(net.costs(0).get(&lan), Some(&7));
}

#[test]
fn settings_of_an_interface_change_while_it_runs() {
    let mut net = routers(2);
    let segment = net.add_segment(NetworkType::PointToPoint, &[(0, 10), (1, 10)]);
    let lan = add_stub(&mut net, 1, area(0));
    net.run(MINUTE);
    let end = net.segments[segment].ends[0];
    net.change(end, |settings| settings.cost = 77);
    net.run(10 * SECOND);
    assert_eq!(net.costs(0).get(&lan), Some(&82));
    assert_eq!(net.states(0), [NeighborState::Full], "no adjacency is lost by that");
}

#[test]
fn hellos_do_not_disturb_a_long_exchange() {
    let mut net = routers(2);
    let many = (0..4000).map(|n| {
        let prefix = Ipv4Net::new(Ipv4Addr::from_bits(0xac00_0000 + (n << 8)), 24).unwrap();
        (prefix, external(1, true))
    });
    net.with(0, |ospf, now, wall| ospf.change_externals(now, wall, many));
    // Small packets, so that there are many of them; each takes a millisecond or two.
    let set = |_, settings: &mut InterfaceSettings| {
        settings.mtu = 128;
        settings.hello_interval = SECOND / 5;
        settings.dead_interval = SECOND;
    };
    net.add_segment_with(NetworkType::PointToPoint, &[(0, 1), (1, 1)], set);
    net.run(MINUTE);
    assert_eq!(net.states(1), [NeighborState::Full]);
    assert_eq!(net.nodes[1].fib.len(), 4001);
    for node in &net.nodes {
        assert_eq!(node.ospf.interfaces()[0].1.refused, []);
    }
}

#[test]
fn two_borders_of_one_area_do_not_send_packets_to_each_other() {
    let shielded = Shielded { summaries: true, default_cost: 3 };
    let ranges = vec![AreaRange { prefix: prefix("10.0.0.0/13"), advertise: true }];
    let mut net = Net::new(5);
    for n in 0..3 {
        let mut settings = Net::settings(n);
        let kind = AreaKind::Nssa(shielded);
        settings.areas.insert(area(2), AreaSettings { kind, ranges: ranges.clone() });
        net.add_router(settings);
    }
    // 0 and 1 are the borders, 2 is inside.
    net.add_segment_with(NetworkType::PointToPoint, &[(0, 10), (1, 10)], in_area(0));
    net.add_segment_with(NetworkType::PointToPoint, &[(0, 10), (2, 10)], in_area(2));
    net.add_segment_with(NetworkType::PointToPoint, &[(1, 10), (2, 10)], in_area(2));
    net.run(2 * MINUTE);
    assert_eq!(net.nodes[2].fib[&prefix("0.0.0.0/0")].next_hops.len(), 2);
    for border in [0, 1] {
        let known = &net.nodes[border].fib;
        assert!(!known.contains_key(&prefix("0.0.0.0/0")), "a default that it supplies itself");
        assert!(!known.contains_key(&prefix("10.0.0.0/13")), "a range that it tells itself");
    }
}

#[test]
fn an_adjacency_that_is_made_again_at_once_has_its_routes_again() {
    let mut net = routers(3);
    let link = net.add_segment(NetworkType::PointToPoint, &[(0, 1), (1, 1)]);
    net.add_segment(NetworkType::PointToPoint, &[(1, 1), (2, 1)]);
    let lan = add_stub(&mut net, 2, area(0));
    net.run(MINUTE);
    let (far, near) = (net.segments[link].ends[1].address, net.segments[link].ends[0].interface);
    for _ in 0..5 {
        net.with(0, |ospf, now, wall| ospf.path_failed(now, wall, near, far));
        net.run(11 * SECOND);
        assert_eq!(net.costs(0).get(&lan), Some(&7));
    }
}

#[test]
fn who_leaves_is_not_waited_for() {
    let mut net = routers(2);
    net.add_segment(NetworkType::PointToPoint, &[(0, 1), (1, 1)]);
    let lan = add_stub(&mut net, 1, area(0));
    net.run(MINUTE);
    assert!(net.costs(0).contains_key(&lan));
    net.with(1, |ospf, now, wall| ospf.leave(now, wall));
    net.run(SECOND);
    assert!(!net.costs(0).contains_key(&lan));
}

#[test]
fn an_mtu_that_changes_while_an_exchange_begins_keeps_nobody_apart() {
    let mut net = routers(2);
    let link = net.add_segment(NetworkType::PointToPoint, &[(0, 1), (1, 1)]);
    while net.states(0) != [NeighborState::ExStart] || net.states(1) != [NeighborState::ExStart] {
        net.run(Duration::from_micros(100));
        assert!(net.now.since(Default::default()) < MINUTE, "{:?}", net.states(0));
    }
    for end in net.segments[link].ends.clone() {
        net.change(end, |settings| settings.mtu = 1400);
    }
    let is_full = |net: &Net| [0, 1].iter().all(|n| net.states(*n) == [NeighborState::Full]);
    net.run_until(10 * SECOND, is_full);
}
