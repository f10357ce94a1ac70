//! The mirror fed with messages as the kernel sends them.

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{DefaultNla, NLM_F_CREATE};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressFlags};
use netlink_packet_route::link::{LinkAttribute, LinkFlags};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourState};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteNextHop, RouteNextHopFlags,
    RouteType, RouteVia,
};

use super::super::Resolution;
use super::super::route::RouteTarget;
use super::*;

const WAN: u32 = 2;
const LAN: u32 = 3;

#[test]
fn link_is_followed_from_birth_to_death() {
    let mut state = State::default();
    assert_eq!(state.apply(0, &new_link(WAN, "wan", UP)).changes, [Change::Link(WAN)]);
    let wan = state.link_by_name("wan").expect("known by name");
    assert_eq!((wan.ifindex, wan.mtu, wan.mac), (WAN, 1500, Some([2, 0, 0, 0, 0, 2])));
    assert!(wan.up());

    assert_eq!(state.apply(0, &new_link(WAN, "wan", UP)), Applied::default());
    assert_eq!(state.apply(0, &new_link(WAN, "dsl", UP)).changes, [Change::Link(WAN)]);
    assert!(state.link_by_name("wan").is_none());

    state.apply(0, &new_address(WAN, "192.0.2.1/24"));
    state.apply(0, &new_neighbour(WAN, "192.0.2.9", NeighbourState::Reachable, Some([9; 6])));
    let gone = state.apply(0, &RouteNetlinkMessage::DelLink(link(WAN, "dsl", UP)));
    let neighbour = Change::Neighbour(WAN, ip("192.0.2.9"));
    assert_eq!(gone.changes, [Change::Link(WAN), Change::Address(WAN), neighbour]);
    assert_eq!(state, State::default());
}

#[test]
fn link_that_loses_its_carrier_is_no_longer_up() {
    let mut state = two_links();
    let applied = state.apply(0, &new_link(WAN, "wan", LinkFlags::Up));
    assert_eq!(applied, Applied { changes: vec![Change::Link(WAN)], suspect: true });
    let wan = state.link(WAN).expect("still there");
    assert!(wan.admin_up && !wan.running && !wan.up());
}

#[test]
fn attributes_that_a_link_message_leaves_out_are_kept() {
    let mut state = two_links();
    let mut message = link(WAN, "wan", UP);
    message.attributes.retain(|attribute| matches!(attribute, LinkAttribute::IfName(_)));
    assert_eq!(state.apply(0, &RouteNetlinkMessage::NewLink(message)), Applied::default());
    assert_eq!(state.link(WAN).map(|wan| wan.mtu), Some(1500));
}

#[test]
fn bridge_port_messages_do_not_touch_the_link() {
    let mut state = two_links();
    let before = state.clone();
    let mut message = link(WAN, "wan", LinkFlags::empty());
    message.header.interface_family = AddressFamily::Bridge;
    assert_eq!(state.apply(0, &RouteNetlinkMessage::DelLink(message.clone())), Applied::default());
    assert_eq!(state.apply(0, &RouteNetlinkMessage::NewLink(message)), Applied::default());
    assert_eq!(state, before);
}

#[test]
fn routes_are_suspect_whenever_the_kernel_may_drop_them_silently() {
    let mut state = two_links();
    assert!(state.apply(0, &new_link(WAN, "wan", LinkFlags::empty())).suspect, "link goes down");
    assert!(state.apply(0, &new_link(WAN, "wan", LinkFlags::empty())).suspect, "old news of it");
    let over_down_link = route("198.51.100.0/24", 0, via(WAN, "192.0.2.9"));
    assert!(state.apply(0, &new(&over_down_link)).suspect, "route over a link that is down");
    assert!(state.apply(0, &new_link(WAN, "wan", UP)).suspect, "link comes up, hops revive");
    assert!(!state.apply(0, &new_link(WAN, "wan", UP)).suspect, "nothing new");
    assert!(!state.apply(0, &new_address(WAN, "192.0.2.1/24")).suspect);
    let gone = RouteNetlinkMessage::DelAddress(address(WAN, "192.0.2.1/24"));
    assert!(state.apply(0, &gone).suspect, "address goes");
    assert!(state.apply(0, &gone).suspect, "old news of it");
    assert!(state.apply(0, &RouteNetlinkMessage::DelLink(link(9, "x", UP))).suspect);
}

#[test]
fn addresses_of_a_link_are_told_apart_by_prefix_and_peer() {
    let mut state = two_links();
    let plain = new_address(WAN, "192.0.2.1/24");
    assert_eq!(state.apply(0, &plain).changes, [Change::Address(WAN)]);
    assert_eq!(state.apply(0, &plain), Applied::default());
    let mut peer = address(WAN, "192.0.2.1/32");
    peer.attributes.push(AddressAttribute::Address(ip("203.0.113.9")));
    state.apply(0, &RouteNetlinkMessage::NewAddress(peer));
    state.apply(0, &new_address(LAN, "10.1.0.1/16"));

    let of_wan: Vec<_> = state.addresses_of(WAN).map(|a| (a.net, a.peer)).collect();
    let expected = [(net("192.0.2.1/24"), None), (net("192.0.2.1/32"), Some(ip("203.0.113.9")))];
    assert_eq!(of_wan, expected);

    let gone = RouteNetlinkMessage::DelAddress(address(WAN, "192.0.2.1/24"));
    assert_eq!(state.apply(0, &gone).changes, [Change::Address(WAN)]);
    assert_eq!(state.addresses_of(WAN).count(), 1);
    assert!(state.apply(0, &gone).changes.is_empty());
}

#[test]
fn primary_addresses_of_each_version_come_first() {
    let mut state = two_links();
    for (prefix, flags) in [
        ("2001:db8::1/64", AddressFlags::Deprecated),
        ("192.0.2.1/24", AddressFlags::Secondary),
        ("2001:db8::2/64", AddressFlags::Secondary),
        ("2001:db8::3/64", AddressFlags::Permanent),
        ("192.0.2.9/24", AddressFlags::Permanent),
    ] {
        let mut message = address(WAN, prefix);
        message.attributes.push(AddressAttribute::Flags(flags));
        state.apply(0, &RouteNetlinkMessage::NewAddress(message));
    }
    let order: Vec<_> = state.addresses_of(WAN).map(|address| address.net.addr()).collect();
    let expected = ["192.0.2.9", "192.0.2.1", "2001:db8::3", "2001:db8::1", "2001:db8::2"];
    assert_eq!(order, expected.map(ip));
}

#[test]
fn longest_prefix_wins_then_lowest_metric() {
    let mut state = two_links();
    for message in [
        route("0.0.0.0/0", 100, via(WAN, "192.0.2.254")),
        route("10.0.0.0/8", 20, via(WAN, "192.0.2.2")),
        route("10.0.0.0/8", 10, via(LAN, "10.1.0.2")),
        route("10.1.0.0/16", 0, vec![RouteAttribute::Oif(LAN)]),
    ] {
        state.apply(0, &new(&message));
    }
    let to = |address| state.next_hop(ip(address)).map(|hop| (hop.ifindex, hop.gateway));
    assert_eq!(to("10.1.2.3"), Some((LAN, None)));
    assert_eq!(to("10.2.0.1"), Some((LAN, Some(ip("10.1.0.2")))));
    assert_eq!(to("8.8.8.8"), Some((WAN, Some(ip("192.0.2.254")))));

    let through = |ifindex| state.routes_through(ifindex).collect::<Vec<_>>();
    assert_eq!(through(WAN), [(net("0.0.0.0/0"), Some(ip("192.0.2.254")))]);
    let via_lan = (net("10.0.0.0/8"), Some(ip("10.1.0.2")));
    assert_eq!(through(LAN), [via_lan, (net("10.1.0.0/16"), None)]);
}

#[test]
fn route_that_refuses_ends_the_lookup() {
    let mut state = two_links();
    state.apply(0, &new(&route("0.0.0.0/0", 0, via(WAN, "192.0.2.254"))));
    for (kind, target) in [
        (RouteType::BlackHole, RouteTarget::Blackhole),
        (RouteType::Unreachable, RouteTarget::Unreachable),
        (RouteType::Prohibit, RouteTarget::Prohibit),
        (RouteType::Throw, RouteTarget::Throw),
    ] {
        let mut refuses = route("10.0.0.0/8", 0, vec![]);
        refuses.header.kind = kind;
        state.apply(0, &new(&refuses));
        assert_eq!(state.next_hop(ip("10.9.9.9")), None, "{target:?}");
        assert_eq!(state.routes().last().map(|route| &route.target), Some(&target));
        state.apply(0, &RouteNetlinkMessage::DelRoute(refuses));
        assert!(state.next_hop(ip("10.9.9.9")).is_some(), "{target:?} is gone");
    }
}

#[test]
fn route_beyond_fastgw_hides_the_less_specific_ones() {
    let mut state = two_links();
    state.apply(0, &new(&route("0.0.0.0/0", 0, via(WAN, "192.0.2.254"))));
    let sixth = RouteAttribute::Via(RouteVia::Inet6("fe80::1".parse().expect("address")));
    state.apply(0, &new(&route("10.0.0.0/8", 0, vec![RouteAttribute::Oif(WAN), sixth])));
    assert_eq!(state.next_hop(ip("10.9.9.9")), None);
}

#[test]
fn multipath_spreads_destinations_by_weight_over_live_hops() {
    let mut state = two_links();
    state.apply(0, &new(&multipath(&[(WAN, 2, false), (LAN, 0, false)])));
    let count = |state: &State, ifindex| {
        (0..1024u32)
            .filter_map(|n| state.next_hop(Ipv4Addr::from(0x0A00_0000 + n).into()))
            .filter(|hop| hop.ifindex == ifindex)
            .count()
    };
    let (wan, lan) = (count(&state, WAN), count(&state, LAN));
    assert_eq!(wan + lan, 1024);
    assert!((600..950).contains(&wan), "three quarters are expected on wan, not {wan}");
    assert_eq!(state.next_hop(ip("10.0.0.7")), state.next_hop(ip("10.0.0.7")));

    // The same route with a dead hop is no second route.
    let applied = state.apply(NLM_F_APPEND, &new(&multipath(&[(WAN, 2, true), (LAN, 0, false)])));
    assert_eq!(applied.changes, [Change::Route(net("10.0.0.0/8"))]);
    assert_eq!(state.routes().count(), 1);
    assert_eq!((count(&state, WAN), count(&state, LAN)), (0, 1024));
    assert_eq!(state.routes_through(WAN).count(), 0);
}

#[test]
fn route_with_dead_hops_only_is_passed_over() {
    let mut state = two_links();
    state.apply(0, &new(&route("10.0.0.0/8", 50, via(LAN, "10.1.0.2"))));
    let mut dead = route("10.0.0.0/8", 10, via(WAN, "192.0.2.2"));
    dead.header.flags = RouteFlags::Dead;
    state.apply(0, &new(&dead));
    assert_eq!(state.next_hop(ip("10.0.0.1")).map(|hop| hop.ifindex), Some(LAN));
}

#[test]
fn route_flags_say_what_replaces_and_what_stands_beside() {
    let mut state = two_links();
    let to = |gateway| new(&route("10.0.0.0/8", 5, via(WAN, gateway)));
    let first = |state: &State| state.next_hop(ip("10.0.0.1")).and_then(|hop| hop.gateway);
    state.apply(NLM_F_CREATE, &to("192.0.2.2"));
    state.apply(NLM_F_APPEND, &to("192.0.2.3"));
    assert_eq!((first(&state), state.routes().count()), (Some(ip("192.0.2.2")), 2));
    state.apply(NLM_F_CREATE, &to("192.0.2.4"));
    assert_eq!((first(&state), state.routes().count()), (Some(ip("192.0.2.4")), 3));
    let replaced = state.apply(NLM_F_REPLACE, &to("192.0.2.5"));
    assert_eq!(replaced.changes, [Change::Route(net("10.0.0.0/8"))]);
    assert_eq!((first(&state), state.routes().count()), (Some(ip("192.0.2.5")), 3));
    assert_eq!(state.apply(NLM_F_REPLACE, &to("192.0.2.3")), Applied::default());
    assert_eq!(state.routes().count(), 3);

    let gone = RouteNetlinkMessage::DelRoute(route("10.0.0.0/8", 5, via(WAN, "192.0.2.5")));
    assert_eq!(state.apply(0, &gone).changes, [Change::Route(net("10.0.0.0/8"))]);
    assert_eq!(first(&state), Some(ip("192.0.2.2")));
}

#[test]
fn deletion_that_fits_no_known_route_asks_for_a_new_look() {
    let mut state = two_links();
    state.apply(0, &new(&route("10.0.0.0/8", 5, via(WAN, "192.0.2.2"))));
    let del =
        |metric| RouteNetlinkMessage::DelRoute(route("10.0.0.0/8", metric, via(WAN, "192.0.2.9")));
    assert_eq!(state.apply(0, &del(5)), Applied { changes: vec![], suspect: true });
    assert_eq!(state.apply(0, &del(6)), Applied::default());
    assert_eq!(state.routes().count(), 1);
}

#[test]
fn what_is_no_main_table_route_is_ignored() {
    let mut state = two_links();
    let before = state.clone();
    let base = route("10.0.0.0/8", 0, via(WAN, "192.0.2.2"));
    let mut other_table = base.clone();
    other_table.header.table = 100;
    let mut large_table = base.clone();
    large_table.attributes.push(RouteAttribute::Table(1000));
    let mut cached = base.clone();
    cached.header.flags = RouteFlags::Cloned;
    let mut tos = base.clone();
    tos.header.tos = 0x10;
    let mut sixth = base.clone();
    sixth.header.address_family = AddressFamily::Unspec;
    let mut local = base.clone();
    local.header.kind = RouteType::Local;
    let mut too_long = base.clone();
    too_long.header.destination_prefix_length = 33;
    for message in [other_table, large_table, cached, tos, sixth, local, too_long] {
        assert_eq!(state.apply(0, &new(&message)), Applied::default(), "{message:?}");
    }
    assert_eq!(state, before);
}

#[test]
fn neighbour_is_told_only_when_its_use_changes() {
    let mut state = two_links();
    let (peer, mac) = ("192.0.2.9", [2, 0, 0, 0, 0, 9]);
    let change = Change::Neighbour(WAN, ip(peer));
    let says = |nud, mac| new_neighbour(WAN, peer, nud, mac);
    assert_eq!(state.apply(0, &says(NeighbourState::Incomplete, None)).changes, [change]);
    assert_eq!(state.apply(0, &says(NeighbourState::Reachable, Some(mac))).changes, [change]);
    let usable = [
        NeighbourState::Stale,
        NeighbourState::Delay,
        NeighbourState::Probe,
        NeighbourState::Reachable,
    ];
    for nud in usable {
        assert_eq!(state.apply(0, &says(nud, Some(mac))), Applied::default(), "{nud}");
    }
    let usable = state.neighbour(WAN, ip(peer)).map(|known| known.resolution);
    assert_eq!(usable, Some(Resolution::Reachable(mac)));
    assert_eq!(state.apply(0, &says(NeighbourState::Permanent, Some(mac))).changes, [change]);
    assert!(state.neighbour(WAN, ip(peer)).is_some_and(|known| known.fixed));
    assert_eq!(state.apply(0, &says(NeighbourState::Stale, Some([3; 6]))).changes, [change]);
    assert_eq!(state.apply(0, &says(NeighbourState::Failed, None)).changes, [change]);
    let failed = state.neighbour(WAN, ip(peer)).map(|known| known.resolution);
    assert_eq!(failed, Some(Resolution::Failed));
    assert_eq!(state.apply(0, &says(NeighbourState::None, None)).changes, [change]);
    assert!(state.neighbour(WAN, ip(peer)).is_none());
}

#[test]
fn neighbours_that_no_frame_can_be_sent_to_are_ignored() {
    let mut state = two_links();
    let before = state.clone();
    let usable = |edit: fn(&mut NeighbourMessage)| {
        let mut message = neighbour(WAN, "192.0.2.9", NeighbourState::Reachable, Some([9; 6]));
        edit(&mut message);
        RouteNetlinkMessage::NewNeighbour(message)
    };
    for message in [
        usable(|message| message.header.flags = NeighbourFlags::Proxy),
        usable(|message| message.header.family = AddressFamily::Unspec),
        usable(|message| {
            message.attributes[0] = NeighbourAttribute::Destination(ip("224.0.0.5").into())
        }),
        usable(|message| message.attributes.clear()),
        usable(|message| message.attributes[1] = NeighbourAttribute::LinkLayerAddress(vec![1; 4])),
    ] {
        assert_eq!(state.apply(0, &message), Applied::default(), "{message:?}");
    }
    assert_eq!(state, before);
}

#[test]
fn unknown_attributes_and_messages_change_nothing() {
    let mut state = two_links();
    let before = state.clone();
    let mut message = link(WAN, "wan", UP);
    message.attributes.push(LinkAttribute::Other(DefaultNla::new(999, vec![1, 2, 3])));
    assert_eq!(state.apply(0, &RouteNetlinkMessage::NewLink(message)), Applied::default());
    let get = RouteNetlinkMessage::GetLink(LinkMessage::default());
    assert_eq!(state.apply(0, &get), Applied::default());
    assert_eq!(state, before);
}

#[test]
fn new_look_tells_exactly_what_differs() {
    let mut old = two_links();
    old.apply(0, &new_address(WAN, "192.0.2.1/24"));
    old.apply(0, &new_address(LAN, "10.1.0.1/16"));
    old.apply(0, &new(&route("10.0.0.0/8", 0, via(WAN, "192.0.2.2"))));
    old.apply(0, &new(&route("10.9.0.0/16", 0, via(WAN, "192.0.2.2"))));
    old.apply(0, &new_neighbour(WAN, "192.0.2.2", NeighbourState::Reachable, Some([2; 6])));
    old.apply(0, &new_neighbour(WAN, "192.0.2.3", NeighbourState::Reachable, Some([3; 6])));
    assert_eq!(old.clone().replace(old.clone()), []);

    let mut fresh = two_links();
    fresh.apply(0, &new_link(LAN, "lan", LinkFlags::Up));
    fresh.apply(0, &new_link(7, "new", UP));
    fresh.apply(0, &new_address(WAN, "192.0.2.1/24"));
    fresh.apply(0, &new_address(WAN, "192.0.2.77/24"));
    fresh.apply(0, &new(&route("10.0.0.0/8", 0, via(WAN, "192.0.2.3"))));
    fresh.apply(0, &new(&route("10.8.0.0/16", 0, via(WAN, "192.0.2.2"))));
    fresh.apply(0, &new_neighbour(WAN, "192.0.2.2", NeighbourState::Failed, None));
    fresh.apply(0, &new_neighbour(WAN, "192.0.2.3", NeighbourState::Stale, Some([3; 6])));

    let mut changes = old.replace(fresh.clone());
    changes.sort_unstable();
    let expected = [
        Change::Link(LAN),
        Change::Link(7),
        Change::Address(WAN),
        Change::Address(LAN),
        Change::Route(net("10.0.0.0/8")),
        Change::Route(net("10.8.0.0/16")),
        Change::Route(net("10.9.0.0/16")),
        Change::Neighbour(WAN, ip("192.0.2.2")),
    ];
    assert_eq!(changes, expected);
    assert_eq!(old, fresh);
}

#[test]
fn ipv6_is_mirrored_like_ipv4_but_for_what_every_link_has() {
    let mut state = two_links();
    state.apply(0, &new_address(WAN, "2001:db8::1/64"));
    state.apply(0, &new_address(WAN, "fe80::1/64"));
    let global: Vec<_> = state.addresses_of(WAN).filter(|a| a.is_global()).map(|a| a.net).collect();
    assert_eq!(global, [net("2001:db8::1/64")]);
    let mut tentative = address(WAN, "2001:db8::9/64");
    tentative.attributes.push(AddressAttribute::Flags(AddressFlags::Tentative));
    let nothing = state.apply(0, &RouteNetlinkMessage::NewAddress(tentative));
    assert_eq!(nothing, Applied::default(), "not known to be ours yet");
    let mut by_source = route("2001:db8:5::/48", 1024, via(WAN, "fe80::fe"));
    by_source.header.source_prefix_length = 48;
    assert_eq!(state.apply(0, &new(&by_source)), Applied::default());

    state.apply(0, &new(&route("2001:db8::/64", 256, vec![RouteAttribute::Oif(WAN)])));
    state.apply(0, &new(&route("::/0", 1024, via(WAN, "fe80::fe"))));
    state.apply(0, &new(&route("fe80::/64", 256, vec![RouteAttribute::Oif(LAN)])));
    let to = |text| state.next_hop(ip(text)).map(|hop| (hop.ifindex, hop.gateway));
    assert_eq!(to("2001:db8::7"), Some((WAN, None)));
    assert_eq!(to("2001:db9::7"), Some((WAN, Some(ip("fe80::fe")))));
    assert_eq!(state.routes_through(LAN).count(), 0);
    assert_eq!(to("192.0.2.7"), None, "no route of the other version");
    assert_eq!((to("fe80::7"), to("ff05::7")), (None, None), "on every link, not by ::/0");
}

#[test]
fn ipv6_address_counts_while_nobody_else_claims_it() {
    let mut state = two_links();
    let flagged = |flags| {
        let mut message = address(WAN, "2001:db8::1/64");
        message.attributes.push(AddressAttribute::Flags(flags));
        message
    };
    let mut says = |flags| {
        let applied = state.apply(0, &RouteNetlinkMessage::NewAddress(flagged(flags)));
        (applied.changes, state.addresses_of(WAN).count())
    };
    let changed = vec![Change::Address(WAN)];
    let tentative = AddressFlags::Tentative | AddressFlags::Permanent;
    assert_eq!(says(tentative), (vec![], 0));
    assert_eq!(says(AddressFlags::Permanent), (changed.clone(), 1));
    assert_eq!(says(tentative), (changed.clone(), 0), "it is checked anew");
    assert_eq!(says(tentative | AddressFlags::Optimistic), (changed.clone(), 1));
    assert_eq!(says(AddressFlags::Permanent | AddressFlags::Dadfailed), (changed.clone(), 0));
    assert_eq!(says(AddressFlags::Permanent), (changed.clone(), 1));
    let gone = RouteNetlinkMessage::DelAddress(flagged(tentative));
    assert_eq!(state.apply(0, &gone), Applied { changes: changed, suspect: true });
}

#[test]
fn equal_ipv6_routes_ask_for_a_new_look() {
    let mut state = two_links();
    let to = |prefix, metric, gateway| new(&route(prefix, metric, via(WAN, gateway)));
    assert!(!state.apply(0, &to("2001:db8:1::/48", 50, "fe80::1")).suspect);
    assert!(!state.apply(0, &to("2001:db8:1::/48", 60, "fe80::2")).suspect, "another metric");
    assert!(!state.apply(NLM_F_REPLACE, &to("2001:db8:1::/48", 50, "fe80::3")).suspect);
    assert!(state.apply(0, &to("2001:db8:1::/48", 50, "fe80::2")).suspect);
    assert!(!state.apply(0, &to("2001:db8:1::/48", 50, "fe80::2")).suspect, "nothing new");
    state.apply(0, &to("10.0.0.0/8", 50, "192.0.2.1"));
    assert!(!state.apply(0, &to("10.0.0.0/8", 50, "192.0.2.2")).suspect, "IPv4 tells all");
}

const UP: LinkFlags = LinkFlags::Up.union(LinkFlags::Running);

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn route_address(address: IpAddr) -> RouteAddress {
    match address {
        IpAddr::V4(address) => RouteAddress::Inet(address),
        IpAddr::V6(address) => RouteAddress::Inet6(address),
    }
}

fn two_links() -> State {
    let mut state = State::default();
    state.apply(0, &new_link(WAN, "wan", UP));
    state.apply(0, &new_link(LAN, "lan", UP));
    state
}

fn link(ifindex: u32, name: &str, flags: LinkFlags) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = ifindex;
    message.header.flags = flags;
    message.attributes = vec![
        LinkAttribute::IfName(name.into()),
        LinkAttribute::Mtu(1500),
        LinkAttribute::Address(vec![2, 0, 0, 0, 0, ifindex as u8]),
    ];
    message
}

fn new_link(ifindex: u32, name: &str, flags: LinkFlags) -> RouteNetlinkMessage {
    RouteNetlinkMessage::NewLink(link(ifindex, name, flags))
}

/// As the kernel sends it for an address without a peer, but for the attribute that repeats it.
fn address(ifindex: u32, prefix: &str) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(net(prefix).addr());
    message.header.index = ifindex;
    message.header.prefix_len = net(prefix).prefix_len();
    message.attributes.push(AddressAttribute::Local(net(prefix).addr()));
    message
}

fn new_address(ifindex: u32, prefix: &str) -> RouteNetlinkMessage {
    RouteNetlinkMessage::NewAddress(address(ifindex, prefix))
}

fn route(prefix: &str, metric: u32, attributes: Vec<RouteAttribute>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(net(prefix).addr());
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.kind = RouteType::Unicast;
    message.header.destination_prefix_length = net(prefix).prefix_len();
    message.attributes = attributes;
    message.attributes.push(RouteAttribute::Priority(metric));
    if net(prefix).prefix_len() > 0 {
        let address = route_address(net(prefix).addr());
        message.attributes.push(RouteAttribute::Destination(address));
    }
    message
}

fn new(message: &RouteMessage) -> RouteNetlinkMessage {
    RouteNetlinkMessage::NewRoute(message.clone())
}

fn via(ifindex: u32, gateway: &str) -> Vec<RouteAttribute> {
    vec![RouteAttribute::Oif(ifindex), RouteAttribute::Gateway(route_address(ip(gateway)))]
}

/// 10.0.0.0/8 over hops of (ifindex, weight less one, dead).
fn multipath(hops: &[(u32, u8, bool)]) -> RouteMessage {
    let hops = hops.iter().map(|&(ifindex, hops, dead)| {
        let mut hop = RouteNextHop::default();
        hop.interface_index = ifindex;
        hop.hops = hops;
        hop.flags = if dead { RouteNextHopFlags::Dead } else { RouteNextHopFlags::empty() };
        hop
    });
    route("10.0.0.0/8", 0, vec![RouteAttribute::MultiPath(hops.collect())])
}

fn neighbour(
    ifindex: u32,
    address: &str,
    nud: NeighbourState,
    mac: Option<[u8; 6]>,
) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = ifindex;
    message.header.state = nud;
    message.attributes.push(NeighbourAttribute::Destination(ip(address).into()));
    message.attributes.extend(mac.map(|mac| NeighbourAttribute::LinkLayerAddress(mac.to_vec())));
    message
}

fn new_neighbour(
    ifindex: u32,
    address: &str,
    nud: NeighbourState,
    mac: Option<[u8; 6]>,
) -> RouteNetlinkMessage {
    RouteNetlinkMessage::NewNeighbour(neighbour(ifindex, address, nud, mac))
}
