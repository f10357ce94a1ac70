//! Which ways learned routes have, as neighbours and ports come and go.

use std::error::Error;

use tables::Neighbour;

use super::*;
use crate::PortState;

const CONFIG: &str = r#"
[[port]]
name = "lan"
device = "lan0"
role = "inside"
addresses = ["10.1.0.1/24"]

[[port]]
name = "wan"
device = "wan0"
role = "outside"
addresses = ["203.0.113.1/24"]

[[tunnel]]
name = "first"
kind = "gre"
local = "203.0.113.1"
remote = "203.0.113.2"
address = "10.255.0.1/30"

[[tunnel]]
name = "second"
kind = "gre"
local = "203.0.113.1"
remote = "203.0.113.3"
address = "10.255.0.5/30"
"#;

const LAN: PortId = PortId(0);
const WAN: PortId = PortId(1);

/// A machine with these ports, on which everything is on the link but what fails.
#[derive(Default)]
struct Machine {
    failed: Vec<IpAddr>,
    lan_is_down: bool,
}

impl Underlay for Machine {
    fn port(&self, port: PortId) -> PortState {
        let network = if port == LAN { "10.1.0.1/24" } else { "203.0.113.1/24" };
        let networks = vec![network.parse().expect("a network")];
        let up = port != LAN || !self.lan_is_down;
        PortState { mac: Some([2, 0, 0, 0, 0, 1]), mtu: 1500, up, networks }
    }

    fn addresses(&self) -> Vec<IpAddr> {
        vec![[10, 1, 0, 1].into(), [203, 0, 113, 1].into()]
    }

    fn routes(&self, _: PortId) -> Vec<(IpNet, Option<IpAddr>)> {
        Vec::new()
    }

    fn next_hop(&self, destination: IpAddr) -> Option<(PortId, IpAddr)> {
        Some((WAN, destination))
    }

    fn neighbour(&self, _: PortId, address: IpAddr) -> Neighbour {
        if self.failed.contains(&address) { Neighbour::Failed } else { Neighbour::Unresolved }
    }

    fn path_mtu(&self, _: IpAddr) -> Option<u16> {
        None
    }
}

fn router(n: u8) -> Learned {
    Learned::Via(LAN, [10, 1, 0, n].into())
}

fn bridge(routes: &[(&str, &[Learned])]) -> Bridge {
    let config = config::parse("test.toml", CONFIG, "").unwrap_or_else(|report| panic!("{report}"));
    let mut no_seeds = || -> Result<[u8; 32], Box<dyn Error>> { Ok([7; 32]) };
    let mut bridge = Bridge::new(&config, &mut no_seeds).expect("no keys");
    let routes = routes.iter();
    let routes = routes.map(|(net, ways)| (net.parse().expect("a prefix"), ways.to_vec()));
    bridge.learn(routes.collect());
    bridge
}

/// Where packets to an address may go: names of tunnels and addresses of routers.
fn ways(tables: &Tables, to: [u8; 4]) -> Vec<String> {
    let name = |route: &Route| match *route {
        Route::Tunnel(id) => tables.tunnels[id.0 as usize].name.to_string(),
        Route::Via(id) => tables.nexthops.by_id(id).expect("a next hop").address.to_string(),
        other => panic!("{other:?}"),
    };
    match tables.fib.lookup(to.into()) {
        None => Vec::new(),
        Some(Route::Multipath(id)) => tables.multipaths.paths(*id).iter().map(name).collect(),
        Some(single) => vec![name(single)],
    }
}

#[test]
fn paths_that_fail_are_left_out_and_come_back() {
    let tunnels = [Learned::Tunnel(TunnelId(0)), Learned::Tunnel(TunnelId(1))];
    let mut bridge =
        bridge(&[("10.2.0.0/24", &tunnels), ("10.3.0.0/24", &[router(2), router(3), router(4)])]);
    let mut machine = Machine::default();
    let tables = bridge.build(&machine).tables;
    assert_eq!(ways(&tables, [10, 2, 0, 1]), ["first", "second"]);
    assert_eq!(ways(&tables, [10, 3, 0, 1]), ["10.1.0.2", "10.1.0.3", "10.1.0.4"]);
    // Neighbours change without a new build, and with one.
    machine.failed = vec![[203, 0, 113, 2].into(), [10, 1, 0, 3].into()];
    for tables in [bridge.follow_neighbours(&tables, &machine), bridge.build(&machine).tables] {
        assert_eq!(ways(&tables, [10, 2, 0, 1]), ["second"]);
        assert_eq!(ways(&tables, [10, 3, 0, 1]), ["10.1.0.2", "10.1.0.4"]);
    }
    machine.failed.clear();
    let tables = bridge.build(&machine).tables;
    assert_eq!(ways(&tables, [10, 2, 0, 1]), ["first", "second"]);
    // Where all fail, packets end as those of any route do.
    machine.lan_is_down = true;
    let tables = bridge.build(&machine).tables;
    assert_eq!(ways(&tables, [10, 3, 0, 1]), ["10.1.0.2", "10.1.0.3", "10.1.0.4"]);
}

#[test]
fn ways_that_there_are_not_make_no_paths() {
    let outside = Learned::Via(WAN, [203, 0, 113, 9].into());
    let gone = Learned::Tunnel(TunnelId(2));
    let many: Vec<Learned> = (2..40).map(router).collect();
    let mut bridge = bridge(&[
        ("10.2.0.0/24", &[outside, router(2), gone]),
        ("10.3.0.0/24", &[outside, gone]),
        ("10.4.0.0/24", &many),
    ]);
    let tables = bridge.build(&Machine::default()).tables;
    let single = tables.fib.lookup([10, 2, 0, 1].into());
    assert!(matches!(single, Some(Route::Via(_))), "{single:?}");
    assert_eq!(ways(&tables, [10, 3, 0, 1]), [""; 0]);
    assert_eq!(ways(&tables, [10, 4, 0, 1]).len(), Multipaths::PATHS_MAX);
}

#[test]
fn routes_with_the_same_ways_share_them() {
    let both = [router(2), router(3)];
    let mut bridge = bridge(&[("10.2.0.0/24", &both), ("10.3.0.0/24", &both)]);
    let tables = bridge.build(&Machine::default()).tables;
    let of = |to: [u8; 4]| tables.fib.lookup(to.into()).copied();
    assert_eq!(of([10, 2, 0, 1]), Some(Route::Multipath(MultipathId(0))));
    assert_eq!(of([10, 2, 0, 1]), of([10, 3, 0, 1]));
}
