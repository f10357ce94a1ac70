//! The mirror against the running kernel, in network namespaces that each test makes and removes.

mod installing;
mod ipv6;

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use mio::{Events, Interest, Poll, Token};

use super::route::RouteTarget;
use super::{Change, Kernel, Resolution};
use crate::namespace::{self, Inside, ip_batch, ip_command, write};

/// [`namespace::inside`] for the tests of this module and of those in it.
fn inside(test: &str) -> Option<Inside> {
    namespace::inside(module_path!(), test)
}

#[test]
fn open_sees_everything_that_is_there() {
    let Some(_) = inside("open_sees_everything_that_is_there") else { return };
    two_wires();
    ip_command("addr add 192.0.2.1/24 broadcast 192.0.2.255 dev wan");
    ip_command("addr add 10.1.0.1/16 dev lan");
    ip_command("addr add 172.31.0.1 peer 172.31.0.2/32 dev lan");
    ip_command("route add default via 192.0.2.254 metric 100");
    ip_command("route add 198.51.100.0/24 via 192.0.2.253 metric 20 src 10.1.0.1");
    ip_command("route add 198.51.100.0/24 via 10.1.0.2 metric 10");
    ip_command("route add blackhole 203.0.113.0/24");
    ip_command("route add unreachable 203.0.114.0/24");
    ip_command(
        "route add 100.64.0.0/10 nexthop via 192.0.2.3 weight 1 nexthop via 10.1.0.3 weight 3",
    );
    ip_command("route add 100.0.0.0/8 via 192.0.2.3 table 77");
    ip_command("neigh add 192.0.2.254 lladdr 02:00:00:00:02:fe dev wan nud permanent");

    let kernel = Kernel::open().expect("rtnetlink opens");
    let state = kernel.state();
    let wan = state.link_by_name("wan").expect("wan is there");
    let lan = state.link_by_name("lan").expect("lan is there");
    assert!(wan.up() && lan.up());
    assert_eq!((wan.mac, wan.mtu), (Some([2, 0, 0, 0, 0, 1]), 1400));
    assert!(!state.link_by_name("lo").expect("lo is there").up());
    assert!(state.link_by_name("wan2").is_none());
    assert_eq!(state.links().count(), 5);

    let (wan, lan) = (wan.ifindex, lan.ifindex);
    let addresses: Vec<_> = state.addresses_of(lan).map(|a| (a.net, a.peer)).collect();
    let peer = Some(ip("172.31.0.2"));
    assert_eq!(addresses, [(net("10.1.0.1/16"), None), (net("172.31.0.1/32"), peer)]);

    let to = |address| state.next_hop(ip(address)).map(|hop| (hop.ifindex, hop.gateway));
    assert_eq!(to("192.0.2.9"), Some((wan, None)));
    assert_eq!(to("8.8.8.8"), Some((wan, Some(ip("192.0.2.254")))));
    assert_eq!(to("198.51.100.7"), Some((lan, Some(ip("10.1.0.2")))));
    assert_eq!(to("172.31.0.2"), Some((lan, None)));
    assert_eq!(to("203.0.113.1"), None);
    assert_eq!(to("100.1.1.1"), Some((wan, Some(ip("192.0.2.254")))), "not by table 77");
    let targets = |prefix| {
        let of = state.routes().filter(move |route| route.prefix == net(prefix));
        of.map(|route| (route.metric, route.target.clone())).collect::<Vec<_>>()
    };
    assert_eq!(targets("203.0.113.0/24"), [(0, RouteTarget::Blackhole)]);
    assert_eq!(targets("203.0.114.0/24"), [(0, RouteTarget::Unreachable)]);
    let metrics: Vec<_> =
        targets("198.51.100.0/24").into_iter().map(|(metric, _)| metric).collect();
    assert_eq!(metrics, [10, 20]);
    let prefsrc: Vec<_> = state.routes().filter_map(|route| route.prefsrc).collect();
    assert!(prefsrc.contains(&ip("10.1.0.1")));
    let multipath = targets("100.64.0.0/10");
    let [(_, RouteTarget::Forward(hops))] = multipath.as_slice() else {
        panic!("one route that forwards is expected: {multipath:?}")
    };
    let hops: Vec<_> = hops.iter().map(|hop| (hop.ifindex, hop.gateway, hop.weight)).collect();
    assert_eq!(hops, [(wan, Some(ip("192.0.2.3")), 1), (lan, Some(ip("10.1.0.3")), 3)]);
    let through: Vec<_> = state.routes_through(wan).map(|(prefix, _)| prefix).collect();
    assert_eq!(through, [net("0.0.0.0/0"), net("100.64.0.0/10"), net("192.0.2.0/24")]);

    let gateway = state.neighbour(wan, ip("192.0.2.254")).expect("the permanent neighbour");
    assert_eq!(gateway.resolution, Resolution::Reachable([2, 0, 0, 0, 2, 0xfe]));
    assert!(gateway.fixed);
}

#[test]
fn each_change_is_told_once_and_mirrored() {
    let Some(_) = inside("each_change_is_told_once_and_mirrored") else { return };
    two_wires();
    let mut follower = Follower::open();
    let wan = follower.ifindex("wan");
    let lan = follower.ifindex("lan");

    let changes = follower.after("addr add 192.0.2.1/24 dev wan");
    assert_eq!(changes, [Change::Address(wan), Change::Route(net("192.0.2.0/24"))]);
    assert_eq!(follower.after("link set wan mtu 1300"), [Change::Link(wan)]);
    assert_eq!(follower.kernel.state().link(wan).map(|link| link.mtu), Some(1300));
    assert_eq!(follower.after("link set wan mtu 1300"), []);

    let ten = [Change::Route(net("10.0.0.0/8"))];
    let gateway = |follower: &Follower| {
        follower.kernel.state().next_hop(ip("10.0.0.1")).and_then(|h| h.gateway)
    };
    assert_eq!(follower.after("route add 10.0.0.0/8 via 192.0.2.2 metric 50"), ten);
    assert_eq!(gateway(&follower), Some(ip("192.0.2.2")));
    assert_eq!(follower.after("route replace 10.0.0.0/8 via 192.0.2.3 metric 50"), ten);
    assert_eq!(gateway(&follower), Some(ip("192.0.2.3")));
    assert_eq!(follower.after("route append 10.0.0.0/8 via 192.0.2.4 metric 50"), ten);
    assert_eq!(gateway(&follower), Some(ip("192.0.2.3")));
    assert_eq!(follower.after("route prepend 10.0.0.0/8 via 192.0.2.5 metric 50"), ten);
    assert_eq!(gateway(&follower), Some(ip("192.0.2.5")));
    assert_eq!(follower.after("route add 10.0.0.0/8 via 192.0.2.6 metric 10"), ten);
    assert_eq!(gateway(&follower), Some(ip("192.0.2.6")));
    assert_eq!(follower.after("route del 10.0.0.0/8 metric 10"), ten);
    assert_eq!(follower.after("route del 10.0.0.0/8 via 192.0.2.5"), ten);
    assert_eq!(gateway(&follower), Some(ip("192.0.2.3")));
    assert_eq!(follower.after("route replace blackhole 10.0.0.0/8 metric 50"), ten);
    assert_eq!(follower.kernel.state().next_hop(ip("10.0.0.1")), None);
    let multipath = "route add 11.0.0.0/8 nexthop via 192.0.2.2 nexthop dev lan";
    assert_eq!(follower.after(multipath), [Change::Route(net("11.0.0.0/8"))]);
    let on_lan = (net("11.0.0.0/8"), None);
    assert!(follower.kernel.state().routes_through(lan).any(|route| route == on_lan));

    let peer = [Change::Neighbour(wan, ip("192.0.2.9"))];
    let add = "neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev wan nud permanent";
    assert_eq!(follower.after(add), peer);
    let change = "neigh change 192.0.2.9 lladdr 02:00:00:00:00:aa dev wan nud permanent";
    assert_eq!(follower.after(change), peer);
    assert_eq!(follower.mac(wan, "192.0.2.9"), Some([2, 0, 0, 0, 0, 0xaa]));
    assert_eq!(follower.after("neigh del 192.0.2.9 dev wan"), peer);
    assert!(follower.kernel.state().neighbour(wan, ip("192.0.2.9")).is_none());
    follower.assert_agrees_with_the_kernel();
}

#[test]
fn routes_that_the_kernel_drops_silently_are_told() {
    let Some(_) = inside("routes_that_the_kernel_drops_silently_are_told") else { return };
    two_wires();
    ip_command("addr add 192.0.2.1/24 dev wan");
    ip_command("addr add 10.1.0.1/16 dev lan");
    ip_command("addr add 10.1.0.77/16 dev lan");
    ip_command("route add 198.51.100.0/24 via 192.0.2.2");
    ip_command("route add 203.0.113.0/24 via 10.1.0.2 src 10.1.0.77");
    ip_command("route add 11.0.0.0/8 nexthop via 192.0.2.2 nexthop via 10.1.0.2");
    ip_command("nexthop add id 5 via 10.1.0.9 dev lan");
    ip_command("route add 12.0.0.0/8 nhid 5");
    let mut follower = Follower::open();
    let wan = follower.ifindex("wan");
    let lan = follower.ifindex("lan");
    assert_eq!(follower.kernel.state().next_hop(ip("12.0.0.1")).map(|hop| hop.ifindex), Some(lan));

    let changes = follower.after("addr del 10.1.0.77/16 dev lan");
    assert_eq!(changes, [Change::Address(lan), Change::Route(net("203.0.113.0/24"))]);
    assert_eq!(follower.after("nexthop del id 5"), [Change::Route(net("12.0.0.0/8"))]);

    let wan_far = follower.ifindex("wan-far");
    let changes = follower.after("link set wan down");
    let expected = [
        Change::Link(wan_far),
        Change::Link(wan),
        Change::Route(net("11.0.0.0/8")),
        Change::Route(net("192.0.2.0/24")),
        Change::Route(net("198.51.100.0/24")),
    ];
    assert_eq!(changes, expected);
    let state = follower.kernel.state();
    assert_eq!(state.next_hop(ip("198.51.100.1")), None);
    for n in 0..64 {
        let hop =
            state.next_hop(Ipv4Addr::from(0x0B00_0000 + n).into()).expect("one hop still lives");
        assert_eq!(hop.ifindex, lan);
    }

    let changes = follower.after("link set wan up");
    assert!(changes.contains(&Change::Link(wan)), "{changes:?}");
    assert!(changes.contains(&Change::Route(net("192.0.2.0/24"))), "{changes:?}");
    let revived = (net("11.0.0.0/8"), Some(ip("192.0.2.2")));
    let revived = follower.kernel.state().routes_through(wan).any(|route| route == revived);
    assert!(revived, "the dead hop lives again");

    let changes = follower.after("link del wan");
    assert!(changes.contains(&Change::Link(wan)), "{changes:?}");
    assert!(changes.contains(&Change::Address(wan)), "{changes:?}");
    assert!(follower.kernel.state().link(wan).is_none());
    assert_eq!(follower.kernel.state().routes_through(wan).count(), 0);
    follower.assert_agrees_with_the_kernel();
}

#[test]
fn flapping_link_leaves_no_route_behind() {
    let Some(_) = inside("flapping_link_leaves_no_route_behind") else { return };
    two_wires();
    ip_command("addr add 192.0.2.1/24 dev wan");
    let mut follower = Follower::open();
    let mut rounds = String::new();
    for round in 0..30 {
        rounds += &format!("route replace 10.{round}.0.0/16 via 192.0.2.2\n");
        rounds += "link set wan down\nlink set wan up\n";
    }
    let mut batch = ip_batch(&rounds);
    while batch.try_wait().expect("ip runs").is_none() {
        follower.kernel.read_events().expect("events are read");
    }
    follower.settle();
    follower.assert_agrees_with_the_kernel();
    let left: Vec<_> = follower.kernel.state().routes().map(|route| route.prefix).collect();
    assert_eq!(left, [net("192.0.2.0/24")]);
}

#[test]
fn overrun_of_events_is_made_good() {
    let Some(_) = inside("overrun_of_events_is_made_good") else { return };
    two_wires();
    ip_command("addr add 192.0.2.1/24 dev wan");
    ip_command("route add 9.0.0.0/8 via 192.0.2.2");
    let mut follower = Follower::open();
    let mut many = String::from("route del 9.0.0.0/8\n");
    for n in 0..20_000 {
        many += &format!("route add 10.{}.{}.0/24 via 192.0.2.2\n", n / 256, n % 256);
    }
    assert!(ip_batch(&many).wait().expect("ip runs").success());
    let changes = follower.settle();
    assert_eq!(changes.len(), 20_001);
    assert!(changes.contains(&Change::Route(net("9.0.0.0/8"))));
    assert!(changes.contains(&Change::Route(net("10.78.31.0/24"))));
    assert!(follower.kernel.overruns > 0, "without an overrun this tests nothing");
    follower.assert_agrees_with_the_kernel();
}

#[test]
fn resolution_ends_in_usable_or_failed() {
    let Some(Inside { peer }) = inside("resolution_ends_in_usable_or_failed") else { return };
    two_wires();
    ip_command("addr add 192.0.2.1/24 dev wan");
    ip_command(&format!("link set wan-far netns {peer}"));
    ip_command(&format!("-n {peer} addr add 192.0.2.2/24 dev wan-far"));
    ip_command(&format!("-n {peer} link set wan-far address 02:00:00:00:00:99 up"));
    ip_command("neigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev wan nud permanent");
    let mut follower = Follower::open();
    let wan = follower.ifindex("wan");
    let carrier = |follower: &Follower| follower.kernel.state().link(wan).is_some_and(|l| l.up());
    follower.until("the carrier is back", carrier);

    follower.kernel.resolve(wan, ip("192.0.2.2")).expect("asked for a peer that is there");
    let told =
        follower.until("the peer answers", |follower| follower.mac(wan, "192.0.2.2").is_some());
    assert!(told.contains(&Change::Neighbour(wan, ip("192.0.2.2"))), "{told:?}");
    assert_eq!(follower.mac(wan, "192.0.2.2"), Some([2, 0, 0, 0, 0, 0x99]));

    // A stale entry whose peer has a new address is confirmed anew, and so corrected.
    write("/proc/sys/net/ipv4/neigh/wan/delay_first_probe_time", "0");
    write("/proc/sys/net/ipv4/neigh/wan/ucast_solicit", "1");
    write("/proc/sys/net/ipv4/neigh/wan/mcast_resolicit", "3");
    ip_command(&format!("-n {peer} link set wan-far address 02:00:00:00:00:aa"));
    ip_command("neigh change 192.0.2.2 lladdr 02:00:00:00:00:99 dev wan nud stale");
    follower.settle();
    follower.kernel.resolve(wan, ip("192.0.2.2")).expect("asked for a stale peer");
    follower.until("the new address is learned", |follower| {
        follower.mac(wan, "192.0.2.2") == Some([2, 0, 0, 0, 0, 0xaa])
    });

    follower.kernel.resolve(wan, ip("192.0.2.200")).expect("asked for a peer that is not there");
    let told = follower.until("the resolution fails", |follower| {
        let known = follower.kernel.state().neighbour(wan, ip("192.0.2.200"));
        known.is_some_and(|known| known.resolution == Resolution::Failed)
    });
    assert!(told.contains(&Change::Neighbour(wan, ip("192.0.2.200"))), "{told:?}");

    follower.kernel.resolve(wan, ip("192.0.2.7")).expect("a fixed neighbour is left alone");
    let shown = ip_command("neigh show 192.0.2.7 dev wan");
    assert!(shown.contains("PERMANENT"), "{shown}");
    let error = follower.kernel.resolve(9999, ip("192.0.2.2")).expect_err("no such link");
    assert!(error.to_string().contains("192.0.2.2 on link 9999"), "{error}");
}

/// A [`Kernel`] that is told by mio when to read.
struct Follower {
    kernel: Kernel,
    poll: Poll,
}

impl Follower {
    fn open() -> Follower {
        let mut kernel = Kernel::open().expect("rtnetlink opens");
        let poll = Poll::new().expect("epoll opens");
        poll.registry()
            .register(kernel.event_source(), Token(0), Interest::READABLE)
            .expect("the event socket is registered");
        Follower { kernel, poll }
    }

    fn ifindex(&self, name: &str) -> u32 {
        self.kernel.state().link_by_name(name).expect("the link is there").ifindex
    }

    fn mac(&self, ifindex: u32, address: &str) -> Option<[u8; 6]> {
        match self.kernel.state().neighbour(ifindex, ip(address))?.resolution {
            Resolution::Reachable(mac) => Some(mac),
            Resolution::Incomplete | Resolution::Failed => None,
        }
    }

    /// Runs `ip` and returns what moved.
    fn after(&mut self, command: &str) -> Vec<Change> {
        ip_command(command);
        self.settle()
    }

    /// Reads until nothing has come for a while; what moved, each thing once.
    fn settle(&mut self) -> Vec<Change> {
        let mut told = Vec::new();
        while self.wait(QUIET) {
            told.extend(self.read());
        }
        told.sort_unstable();
        told.dedup();
        told
    }

    /// Reads until `done`; what moved.
    fn until(&mut self, what: &str, done: impl Fn(&Follower) -> bool) -> Vec<Change> {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut told = self.read();
        while !done(self) {
            assert!(Instant::now() < deadline, "waited in vain until {what}; told: {told:?}");
            if self.wait(QUIET) {
                told.extend(self.read());
            }
        }
        told
    }

    fn read(&mut self) -> Vec<Change> {
        self.kernel.read_events().expect("events are read")
    }

    fn wait(&mut self, timeout: Duration) -> bool {
        let mut events = Events::with_capacity(1);
        self.poll.poll(&mut events, Some(timeout)).expect("epoll waits");
        !events.is_empty()
    }

    fn assert_agrees_with_the_kernel(&self) {
        let fresh = Kernel::open().expect("rtnetlink opens");
        assert_eq!(self.kernel.state(), fresh.state());
    }
}

const QUIET: Duration = Duration::from_millis(150);

/// Two veth pairs, all ends up: wan to wan-far and lan to lan-far.
fn two_wires() {
    ip_command("link add wan address 02:00:00:00:00:01 mtu 1400 type veth peer name wan-far");
    ip_command("link add lan type veth peer name lan-far");
    for link in ["wan", "wan-far", "lan", "lan-far"] {
        // Without IPv6 there are no events but those that a test makes.
        write(&format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6"), "1");
        ip_command(&format!("link set {link} up"));
    }
    std::thread::sleep(QUIET);
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}
