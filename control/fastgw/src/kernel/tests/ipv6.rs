//! The same for IPv6, which differs from IPv4 in how addresses come to count, in how routes with
//! several hops are told, and in that routers are link-local.

use super::*;

#[test]
fn open_sees_all_that_is_ipv6() {
    let Some(_) = inside("ipv6::open_sees_all_that_is_ipv6") else { return };
    two_ipv6_wires();
    ip_command("addr add 2001:db8:1::1/64 dev wan nodad");
    ip_command("addr add 2001:db8:2::1/64 dev lan nodad");
    ip_command("addr add 2001:db8:3::1 peer 2001:db8:3::2/128 dev lan nodad");
    ip_command("route add default via fe80::fe dev wan metric 100");
    ip_command("route add 2001:db8:51::/48 via 2001:db8:1::53 metric 20");
    ip_command("route add 2001:db8:51::/48 via fe80::52 dev lan metric 10");
    ip_command("route add blackhole 2001:db8:bad::/48");
    ip_command("route add unreachable 2001:db8:bae::/48");
    let hops = "nexthop via 2001:db8:1::3 weight 1 nexthop via fe80::33 dev lan weight 3";
    ip_command(&format!("route add 2001:db8:64::/48 {hops}"));
    ip_command("route add 2001:db8:77::/48 via fe80::7 dev lan table 77");
    ip_command("-6 route add 2001:db8:78::/48 from 2001:db8:2::/64 via fe80::7 dev lan");
    ip_command("neigh add fe80::fe lladdr 02:00:00:00:02:fe dev wan nud permanent");

    let kernel = Kernel::open().expect("rtnetlink opens");
    let state = kernel.state();
    let (wan, lan) = (ifindex(&kernel, "wan"), ifindex(&kernel, "lan"));
    let global = state.addresses_of(lan).filter(|address| address.is_global());
    let addresses: Vec<_> = global.map(|address| (address.net, address.peer)).collect();
    let peer = Some(ip("2001:db8:3::2"));
    assert_eq!(addresses, [(net("2001:db8:2::1/64"), None), (net("2001:db8:3::1/128"), peer)]);
    assert!(state.addresses_of(lan).any(|address| !address.is_global()));

    let to = |address| state.next_hop(ip(address)).map(|hop| (hop.ifindex, hop.gateway));
    let router = Some((wan, Some(ip("fe80::fe"))));
    assert_eq!(to("2001:db8:1::9"), Some((wan, None)));
    assert_eq!(to("2001:db8:3::2"), Some((lan, None)));
    assert_eq!(to("2620:fe::fe"), router);
    assert_eq!(to("2001:db8:51::7"), Some((lan, Some(ip("fe80::52")))));
    assert_eq!(to("2001:db8:bad::1"), None);
    assert_eq!(to("2001:db8:bae::1"), None);
    assert_eq!(to("2001:db8:77::1"), router, "not by table 77");
    assert_eq!(to("2001:db8:78::1"), router, "not by what holds for one source only");
    let spread: Vec<_> = state.routes().filter(|r| r.prefix == net("2001:db8:64::/48")).collect();
    let [multipath] = spread.as_slice() else { panic!("one route is expected: {spread:?}") };
    let mut hops: Vec<_> =
        multipath.live_hops().map(|hop| (hop.ifindex, hop.gateway, hop.weight)).collect();
    hops.sort_unstable();
    let mut expected = [(wan, Some(ip("2001:db8:1::3")), 1), (lan, Some(ip("fe80::33")), 3)];
    expected.sort_unstable();
    assert_eq!(hops, expected);
    let through: Vec<_> = state.routes_through(wan).map(|(prefix, _)| prefix).collect();
    assert_eq!(through, [net("::/0"), net("2001:db8:1::/64"), net("2001:db8:64::/48")]);

    let gateway = state.neighbour(wan, ip("fe80::fe")).expect("the permanent neighbour");
    assert_eq!(gateway.resolution, Resolution::Reachable([2, 0, 0, 0, 2, 0xfe]));
    assert!(gateway.fixed);
    assert!(state.neighbour(lan, ip("fe80::fe")).is_none(), "that is another one");
}

#[test]
fn each_ipv6_change_is_told_and_mirrored() {
    let Some(_) = inside("ipv6::each_ipv6_change_is_told_and_mirrored") else { return };
    two_ipv6_wires();
    let mut follower = Follower::open();
    let (wan, lan) = (follower.ifindex("wan"), follower.ifindex("lan"));

    let connected = Change::Route(net("2001:db8:1::/64"));
    let changes = follower.after("addr add 2001:db8:1::1/64 dev wan nodad");
    assert_eq!(changes, [Change::Address(wan), connected]);
    let changes = follower.after("addr add 2001:db8:1::2/64 dev lan nodad");
    assert_eq!(changes, [Change::Address(lan), connected]);
    follower.assert_agrees_with_the_kernel();
    let changes = follower.after("addr del 2001:db8:1::2/64 dev lan");
    assert_eq!(changes, [Change::Address(lan), connected]);
    let hop = follower.kernel.state().next_hop(ip("2001:db8:1::9"));
    assert_eq!(hop.map(|hop| hop.ifindex), Some(wan));

    let routes = [Change::Route(net("2001:db8:10::/48"))];
    let hops = |follower: &Follower| {
        let state = follower.kernel.state();
        let of = state.routes().filter(|route| route.prefix == net("2001:db8:10::/48"));
        let mut hops: Vec<_> =
            of.flat_map(|route| route.live_hops()).map(|hop| hop.gateway).collect();
        hops.sort_unstable();
        hops
    };
    let via = |address: &str| Some(ip(address));
    for (verb, way, expected) in [
        ("add", "via fe80::2 dev wan", vec![via("fe80::2")]),
        ("replace", "via fe80::3 dev wan", vec![via("fe80::3")]),
        ("append", "via fe80::4 dev wan", vec![via("fe80::3"), via("fe80::4")]),
        ("append", "dev lan", vec![None, via("fe80::3"), via("fe80::4")]),
        ("del", "via fe80::3 dev wan", vec![None, via("fe80::4")]),
        ("del", "dev lan", vec![via("fe80::4")]),
        (
            "replace",
            "nexthop via fe80::5 dev wan nexthop via fe80::6 dev lan",
            vec![via("fe80::5"), via("fe80::6")],
        ),
        ("replace", "via 2001:db8:1::7", vec![via("2001:db8:1::7")]),
        ("del", "", vec![]),
    ] {
        let command = format!("route {verb} 2001:db8:10::/48 metric 50 {way}");
        assert_eq!(follower.after(&command), routes, "{command}");
        assert_eq!(hops(&follower), expected, "{command}");
        follower.assert_agrees_with_the_kernel();
    }
    assert_eq!(follower.after("route add blackhole 2001:db8:10::/48"), routes);
    assert_eq!(follower.kernel.state().next_hop(ip("2001:db8:10::1")), None);

    let peer = [Change::Neighbour(wan, ip("2001:db8:1::9"))];
    let add = "neigh add 2001:db8:1::9 lladdr 02:00:00:00:00:09 dev wan nud permanent";
    assert_eq!(follower.after(add), peer);
    let change = "neigh change 2001:db8:1::9 lladdr 02:00:00:00:00:aa dev wan nud permanent";
    assert_eq!(follower.after(change), peer);
    assert_eq!(follower.mac(wan, "2001:db8:1::9"), Some([2, 0, 0, 0, 0, 0xaa]));
    assert_eq!(follower.after("neigh del 2001:db8:1::9 dev wan"), peer);
    assert!(follower.kernel.state().neighbour(wan, ip("2001:db8:1::9")).is_none());
    follower.assert_agrees_with_the_kernel();
}

#[test]
fn link_that_goes_down_takes_its_ipv6_along() {
    let Some(_) = inside("ipv6::link_that_goes_down_takes_its_ipv6_along") else { return };
    two_ipv6_wires();
    ip_command("addr add 2001:db8:1::1/64 dev wan nodad");
    ip_command("addr add 2001:db8:2::1/64 dev lan nodad");
    ip_command("route add 2001:db8:51::/48 via fe80::2 dev wan");
    ip_command("route add 2001:db8:52::/48 via 2001:db8:2::2 src 2001:db8:2::1");
    let hops = "nexthop via fe80::2 dev wan nexthop via fe80::3 dev lan";
    ip_command(&format!("route add 2001:db8:11::/48 {hops}"));
    ip_command("nexthop add id 5 via fe80::9 dev lan");
    ip_command("route add 2001:db8:12::/48 nhid 5");
    let mut follower = Follower::open();
    let (wan, lan) = (follower.ifindex("wan"), follower.ifindex("lan"));
    let hop = follower.kernel.state().next_hop(ip("2001:db8:12::1"));
    assert_eq!(hop.and_then(|hop| hop.gateway), Some(ip("fe80::9")));
    assert_eq!(follower.after("nexthop del id 5"), [Change::Route(net("2001:db8:12::/48"))]);

    let changes = follower.after("link set wan down");
    for expected in [
        Change::Link(wan),
        Change::Address(wan),
        Change::Route(net("2001:db8:1::/64")),
        Change::Route(net("2001:db8:11::/48")),
        Change::Route(net("2001:db8:51::/48")),
    ] {
        assert!(changes.contains(&expected), "{expected:?} in {changes:?}");
    }
    let state = follower.kernel.state();
    assert_eq!(state.next_hop(ip("2001:db8:51::1")), None);
    assert_eq!(state.addresses_of(wan).count(), 0);
    assert_eq!(state.routes_through(wan).count(), 0);
    for n in 0..64 {
        let hop = state.next_hop(ip(&format!("2001:db8:11::{n}"))).expect("one hop still lives");
        assert_eq!(hop.ifindex, lan);
    }
    follower.assert_agrees_with_the_kernel();

    let changes = follower.after("addr del 2001:db8:2::1/64 dev lan");
    assert!(changes.contains(&Change::Address(lan)), "{changes:?}");
    assert!(changes.contains(&Change::Route(net("2001:db8:2::/64"))), "{changes:?}");
    follower.assert_agrees_with_the_kernel();
    let changes = follower.after("link set wan up");
    assert!(changes.contains(&Change::Link(wan)), "{changes:?}");
    follower.assert_agrees_with_the_kernel();
    follower.after("link del wan");
    assert_eq!(follower.kernel.state().routes_through(wan).count(), 0);
    follower.assert_agrees_with_the_kernel();
}

#[test]
fn ipv6_address_counts_when_it_is_known_to_be_ours_alone() {
    let name = "ipv6::ipv6_address_counts_when_it_is_known_to_be_ours_alone";
    let Some(Inside { peer }) = inside(name) else { return };
    let mut follower = wire_to(&peer);
    let wan = follower.ifindex("wan");
    write("/proc/sys/net/ipv6/conf/wan/accept_dad", "1");
    let has = |follower: &Follower, address: &str| {
        follower.kernel.state().addresses_of(wan).any(|known| known.net.addr() == ip(address))
    };
    ip_command("addr add 2001:db8:1::2/64 dev wan");
    ip_command("addr add 2001:db8:1::7/64 dev wan");
    follower.until("the address is ours", |follower| has(follower, "2001:db8:1::7"));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !ip_command("-6 addr show dev wan").contains("dadfailed") {
        assert!(Instant::now() < deadline, "the peer has this address, which goes unnoticed");
        follower.settle();
    }
    follower.settle();
    assert!(!has(&follower, "2001:db8:1::2"), "the peer's");
    follower.after("addr del 2001:db8:1::7/64 dev wan");
    assert!(!has(&follower, "2001:db8:1::7"));
    follower.assert_agrees_with_the_kernel();
}

#[test]
fn ipv6_resolution_ends_in_usable_or_failed() {
    let name = "ipv6::ipv6_resolution_ends_in_usable_or_failed";
    let Some(Inside { peer }) = inside(name) else { return };
    let mut follower = wire_to(&peer);
    let wan = follower.ifindex("wan");
    for there in ["2001:db8:1::2", "fe80::2"] {
        follower.kernel.resolve(wan, ip(there)).expect("asked for a peer that is there");
        let answered = |follower: &Follower| follower.mac(wan, there).is_some();
        let told = follower.until("the peer answers", answered);
        assert!(told.contains(&Change::Neighbour(wan, ip(there))), "{told:?}");
        assert_eq!(follower.mac(wan, there), Some([2, 0, 0, 0, 0, 0x99]));
    }

    // A stale entry whose peer has a new address is confirmed anew, and so corrected.
    write("/proc/sys/net/ipv6/neigh/wan/delay_first_probe_time", "0");
    write("/proc/sys/net/ipv6/neigh/wan/ucast_solicit", "1");
    write("/proc/sys/net/ipv6/neigh/wan/mcast_resolicit", "3");
    ip_command(&format!("-n {peer} link set wan-far address 02:00:00:00:00:aa"));
    ip_command("neigh change 2001:db8:1::2 lladdr 02:00:00:00:00:99 dev wan nud stale");
    follower.settle();
    follower.kernel.resolve(wan, ip("2001:db8:1::2")).expect("asked for a stale peer");
    follower.until("the new address is learned", |follower| {
        follower.mac(wan, "2001:db8:1::2") == Some([2, 0, 0, 0, 0, 0xaa])
    });

    let nobody = ip("2001:db8:1::200");
    follower.kernel.resolve(wan, nobody).expect("asked for a peer that is not there");
    let told = follower.until("the resolution fails", |follower| {
        let known = follower.kernel.state().neighbour(wan, nobody);
        known.is_some_and(|known| known.resolution == Resolution::Failed)
    });
    assert!(told.contains(&Change::Neighbour(wan, nobody)), "{told:?}");

    ip_command("neigh add 2001:db8:1::7 lladdr 02:00:00:00:00:07 dev wan nud permanent");
    follower.settle();
    follower.kernel.resolve(wan, ip("2001:db8:1::7")).expect("a fixed neighbour is left alone");
    let shown = ip_command("neigh show 2001:db8:1::7 dev wan");
    assert!(shown.contains("PERMANENT"), "{shown}");
}

/// As [`two_wires`], with IPv6 on all ends and no waiting for duplicates to object.
fn two_ipv6_wires() {
    two_wires();
    for link in ["wan", "wan-far", "lan", "lan-far"] {
        speak_ipv6(link);
    }
    std::thread::sleep(QUIET);
}

/// A wire from wan, 2001:db8:1::1, to wan-far, 2001:db8:1::2 and fe80::2, in the other namespace.
fn wire_to(peer: &str) -> Follower {
    two_wires();
    ip_command(&format!("link set wan-far netns {peer}"));
    ip_command(&format!("-n {peer} link set wan-far address 02:00:00:00:00:99 up"));
    ip_command(&format!("-n {peer} addr add 2001:db8:1::2/64 dev wan-far nodad"));
    ip_command(&format!("-n {peer} addr add fe80::2/64 dev wan-far nodad"));
    speak_ipv6("wan");
    ip_command("addr add 2001:db8:1::1/64 dev wan nodad");
    let mut follower = Follower::open();
    let wan = follower.ifindex("wan");
    follower.until("the carrier is back and wan has its own link-local address", |follower| {
        let state = follower.kernel.state();
        let own = state.addresses_of(wan).any(|address| !address.is_global());
        own && state.link(wan).is_some_and(|link| link.up())
    });
    follower
}

fn speak_ipv6(link: &str) {
    write(&format!("/proc/sys/net/ipv6/conf/{link}/accept_dad"), "0");
    write(&format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6"), "0");
}

fn ifindex(kernel: &Kernel, name: &str) -> u32 {
    kernel.state().link_by_name(name).expect("the link is there").ifindex
}
