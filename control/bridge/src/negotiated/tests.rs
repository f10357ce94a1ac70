//! What workers see of pairs that come, move and go.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use config::{Config, Secret, Suite};
use ike::identity::Identity;
use ike::output::{IkeSaId, SaKeys};
use ike::policy::{ChildLifetime, Mode};
use ipnet::IpNet;
use tables::{Entrance, Neighbour, PortId, Protection, Route, WorkerSas};

use super::*;
use crate::{Built, PortState};

const GATEWAY: &str = r#"
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
"#;

const SITE: &str = r#"
[[ike]]
name = "b"
local = "203.0.113.1"
remote = "203.0.113.2"
psk = "a secret that nobody guesses"

[[tunnel]]
name = "to-b"
kind = "esp"
local = "203.0.113.1"
remote = "203.0.113.2"
local_subnets = ["10.1.0.0/24"]
remote_subnets = ["10.2.0.0/24"]

[tunnel.ike]
peer = "b"
"#;

const HUB: &str = r#"
[[ike]]
name = "branches"
local = "203.0.113.1"
local_id = "hub.example.org"
remote = "any"
remote_id = "*.branch.example.org"
psk = "another secret that nobody guesses"

[[tunnel]]
name = "branches"
kind = "vti"
local = "203.0.113.1"
address = "10.255.0.1/32"

[tunnel.ike]
peer = "branches"
local_subnets = ["10.0.0.0/8"]
remote_subnets = ["10.0.0.0/8"]
"#;

const ANY: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// A machine with the ports of [`GATEWAY`]; everything else is out there, on the link.
struct Machine;

impl Underlay for Machine {
    fn port(&self, port: PortId) -> PortState {
        let network = ["10.1.0.1/24", "203.0.113.1/24"][port.index()];
        let networks = vec![network.parse().expect("a network")];
        PortState { mac: Some([2, 0, 0, 0, 0, 1]), mtu: 1500, up: true, networks }
    }

    fn addresses(&self) -> Vec<IpAddr> {
        vec![[10, 1, 0, 1].into(), [203, 0, 113, 1].into()]
    }

    fn routes(&self, port: PortId) -> Vec<(IpNet, Option<IpAddr>)> {
        self.port(port).networks.iter().map(|network| (network.trunc(), None)).collect()
    }

    fn next_hop(&self, destination: IpAddr) -> Option<(PortId, IpAddr)> {
        Some((PortId(1), destination))
    }

    fn neighbour(&self, _: PortId, _: IpAddr) -> Neighbour {
        Neighbour::Unresolved
    }

    fn path_mtu(&self, _: IpAddr) -> Option<u16> {
        None
    }
}

fn config(sections: &[&str]) -> Config {
    let text = [&[GATEWAY], sections].concat().concat();
    config::parse("test.toml", &text, "").unwrap_or_else(|report| panic!("{report}"))
}

fn seed() -> Result<[u8; 32], Box<dyn Error>> {
    Ok([7; 32])
}

/// A bridge with what it has built before anything was negotiated.
fn bridge(config: &Config) -> (Bridge, Tables) {
    let mut bridge = Bridge::new(config, &mut seed).expect("keys that fit");
    let tables = bridge.build(&Machine).tables;
    (bridge, tables)
}

fn selector(prefix: &str) -> TrafficSelector {
    let net: IpNet = prefix.parse().expect("a prefix");
    let addresses = (net.network(), net.broadcast());
    TrafficSelector { protocol: 0, ports: (0, u16::MAX), addresses }
}

fn path(remote: [u8; 4], port: u16) -> Path {
    let local = SocketAddr::from(([203, 0, 113, 1], port));
    Path { local, remote: SocketAddr::from((remote, port)) }
}

/// The pair `n` of a child with the peer at 203.0.113.`host`; its SPIs are 0x1000 and 0x2000 more
/// than `n`.
fn pair(n: u64, child: &str, host: u8, remote: &str) -> Arc<ChildSa> {
    let suite = Suite::AES128GCM16;
    let keys = |spi: u32| SaKeys {
        spi,
        encryption: Secret::new(vec![spi as u8; suite.encryption_key_len()]),
        authentication: Secret::new(Vec::new()),
    };
    let no_limits = ChildLifetime {
        rekey: None,
        hard: None,
        rekey_bytes: None,
        hard_bytes: None,
        rekey_packets: None,
        hard_packets: None,
        jitter_percent: 0,
    };
    Arc::new(ChildSa {
        id: ChildSaId(n),
        ike: IkeSaId(1),
        connection: IkeSaId(1),
        peer: "peer".into(),
        child: child.into(),
        peer_identity: Identity::Fqdn(format!("{host}.branch.example.org").into()),
        mode: Mode::Tunnel,
        suite,
        esn: true,
        inbound: keys(0x1000 + n as u32),
        outbound: keys(0x2000 + n as u32),
        local: vec![selector("10.1.0.0/24")],
        remote: vec![selector(remote)],
        path: path([203, 0, 113, host], 500),
        udp: false,
        behind_nat: false,
        original_addresses: None,
        lifetime: no_limits,
        worker: None,
        per_worker: false,
    })
}

fn site_pair(n: u64) -> Arc<ChildSa> {
    pair(n, "to-b", 2, "10.2.0.0/24")
}

/// The SPI that a tunnel sends through; `None` where it fails closed.
fn sends(tables: &Tables, tunnel: usize) -> Option<u32> {
    match &tables.tunnels[tunnel].protection {
        Protection::Esp(sa) => sa.as_ref().map(|sa| sa.spi()),
        Protection::Clear => panic!("a tunnel in clear"),
    }
}

fn takes(tables: &Tables) -> Vec<u32> {
    let mut spis: Vec<u32> = tables.sad.entries().map(|entry| entry.sa.spi()).collect();
    spis.sort_unstable();
    spis
}

fn install(bridge: &mut Bridge, pair: &Arc<ChildSa>) {
    bridge.install_inbound(pair, [1; 32]).expect("a tunnel and keys that fit");
    bridge.install_outbound(pair.id);
}

fn route(built: &Built, destination: [u8; 4]) -> Option<Route> {
    built.tables.fib.lookup(Ipv4Addr::from(destination).into()).copied()
}

#[test]
fn a_pair_is_listened_to_before_it_is_sent_through() {
    let (mut bridge, tables) = bridge(&config(&[SITE]));
    assert_eq!((sends(&tables, 0), takes(&tables)), (None, vec![]));
    assert_eq!(bridge.pending(), Pending::Nothing);
    let pair = site_pair(1);
    bridge.install_inbound(&pair, [1; 32]).unwrap();
    assert_eq!(bridge.pending(), Pending::Keys);
    let tables = bridge.refresh(&tables, &Machine);
    assert_eq!((sends(&tables, 0), takes(&tables)), (None, vec![0x1001]));
    bridge.install_outbound(pair.id);
    assert_eq!(bridge.pending(), Pending::Keys);
    let tables = bridge.refresh(&tables, &Machine);
    assert_eq!((sends(&tables, 0), takes(&tables)), (Some(0x2001), vec![0x1001]));
    assert_eq!(bridge.pending(), Pending::Nothing);
    // Whoever builds everything anew comes to the same.
    let built = bridge.build(&Machine);
    assert_eq!((sends(&built.tables, 0), takes(&built.tables)), (Some(0x2001), vec![0x1001]));
}

#[test]
fn what_a_pair_has_replaced_still_takes_what_is_on_its_way() {
    let (mut bridge, tables) = bridge(&config(&[SITE]));
    install(&mut bridge, &site_pair(1));
    bridge.install_inbound(&site_pair(2), [2; 32]).unwrap();
    let tables = bridge.refresh(&tables, &Machine);
    assert_eq!((sends(&tables, 0), takes(&tables)), (Some(0x2001), vec![0x1001, 0x1002]));
    bridge.install_outbound(ChildSaId(2));
    let tables = bridge.refresh(&tables, &Machine);
    assert_eq!((sends(&tables, 0), takes(&tables)), (Some(0x2002), vec![0x1001, 0x1002]));
    bridge.remove(ChildSaId(1));
    let tables = bridge.refresh(&tables, &Machine);
    assert_eq!((sends(&tables, 0), takes(&tables)), (Some(0x2002), vec![0x1002]));
    assert!(bridge.pair(ChildSaId(1)).is_none());
}

#[test]
fn a_tunnel_without_its_pair_fails_closed() {
    let (mut bridge, tables) = bridge(&config(&[SITE]));
    install(&mut bridge, &site_pair(1));
    bridge.install_inbound(&site_pair(2), [2; 32]).unwrap();
    bridge.remove(ChildSaId(1));
    let tables = bridge.refresh(&tables, &Machine);
    // The other one is not known to be usable by the peer yet.
    assert_eq!((sends(&tables, 0), takes(&tables)), (None, vec![0x1002]));
    assert!(tables.tunnels[0].demand.is_some());
    // What has gone is not missed.
    bridge.remove(ChildSaId(1));
    bridge.install_outbound(ChildSaId(1));
    bridge.move_pair(ChildSaId(1), path([203, 0, 113, 3], 500), false);
    assert_eq!(bridge.pending(), Pending::Nothing);
}

#[test]
fn a_pair_that_moves_takes_its_tunnel_along() {
    let (mut bridge, tables) = bridge(&config(&[SITE]));
    install(&mut bridge, &site_pair(1));
    let before = bridge.refresh(&tables, &Machine);
    let there = path([203, 0, 113, 77], 4500);
    bridge.move_pair(ChildSaId(1), there, true);
    assert_eq!(bridge.pending(), Pending::Keys);
    let after = bridge.refresh(&before, &Machine);
    let entry = after.sad.entries().next().unwrap();
    assert_eq!((entry.remote, entry.remote_port), (there.remote.ip(), Some(4500)));
    assert_eq!(bridge.path_of(ChildSaId(1)), Some(there));
    let outer_len = |tables: &Tables| tables.tunnels[0].outer_len(100);
    assert_eq!(outer_len(&after), outer_len(&before) + 8, "a UDP header");
    assert_ne!(after.tunnels[0].egress, before.tunnels[0].egress);
}

#[test]
fn a_pair_on_another_address_of_ours_is_told_to_the_xdp_programs() {
    let (mut bridge, tables) = bridge(&config(&[SITE]));
    install(&mut bridge, &site_pair(1));
    let _tables = bridge.refresh(&tables, &Machine);
    let local = SocketAddr::from(([203, 0, 113, 9], 500));
    bridge.move_pair(ChildSaId(1), Path { local, ..path([203, 0, 113, 2], 500) }, false);
    assert_eq!(bridge.pending(), Pending::All);
    assert!(bridge.build(&Machine).endpoints.contains(&local.ip()));
}

#[test]
fn packets_are_held_against_what_the_peer_has_narrowed_and_only_then() {
    let (mut bridge, tables) = bridge(&config(&[SITE]));
    let narrowed = |tables: &Tables| tables.tunnels[0].narrowed.clone();
    assert_eq!(narrowed(&tables), None);
    install(&mut bridge, &site_pair(1));
    let tables = bridge.refresh(&tables, &Machine);
    assert_eq!(narrowed(&tables), None, "all that leads into it");
    install(&mut bridge, &pair(2, "to-b", 2, "10.2.0.0/25"));
    let tables = bridge.refresh(&tables, &Machine);
    let agreed = narrowed(&tables).expect("half of what leads into it");
    let holds = |to: [u8; 4]| {
        agreed.hold([10, 1, 0, 1].into(), to.into(), || unreachable!("addresses settle it"))
    };
    assert!(holds([10, 2, 0, 1]) && !holds([10, 2, 0, 200]));
    install(&mut bridge, &pair(3, "to-b", 2, "10.2.0.0/16"));
    assert_eq!(narrowed(&bridge.refresh(&tables, &Machine)), None, "more than leads into it");
}

#[test]
fn what_leads_into_a_peer_of_a_vti_template_is_held_against_what_was_negotiated() {
    let (mut bridge, _) = bridge(&config(&[HUB]));
    install(&mut bridge, &pair(1, "branches", 11, "10.11.0.0/16"));
    let tables = bridge.build(&Machine).tables;
    assert!(tables.tunnels[1].narrowed.is_some());
    let any = Arc::new(ChildSa {
        local: ANY.map(selector).into(),
        remote: ANY.map(selector).into(),
        ..Arc::into_inner(pair(2, "branches", 12, "10.12.0.0/16")).expect("the only one")
    });
    install(&mut bridge, &any);
    assert_eq!(bridge.build(&Machine).tables.tunnels[2].narrowed, None);
}

#[test]
fn a_first_packet_is_told_of_once() {
    let (mut bridge, _) = bridge(&config(&[SITE]));
    install(&mut bridge, &site_pair(1));
    assert_eq!(bridge.first_packet(0x1001), Some(ChildSaId(1)));
    assert_eq!(bridge.first_packet(0x1001), None);
    assert_eq!(bridge.first_packet(0x9999), None);
    assert!(bridge.usage().is_empty());
}

#[test]
fn keys_for_no_tunnel_are_refused() {
    let (mut bridge, _) = bridge(&config(&[SITE]));
    let error = bridge.install_inbound(&pair(1, "nobody", 2, "10.2.0.0/24"), [1; 32]);
    assert_eq!(error.unwrap_err().to_string(), "no tunnel is called nobody");
    assert_eq!(bridge.pending(), Pending::Nothing);
}

#[test]
fn each_peer_of_a_template_has_a_tunnel_and_its_routes() {
    let (mut bridge, tables) = bridge(&config(&[HUB]));
    assert_eq!(tables.tunnels.len(), 1);
    install(&mut bridge, &pair(1, "branches", 11, "10.11.0.0/16"));
    install(&mut bridge, &pair(2, "branches", 12, "10.12.0.0/16"));
    assert_eq!(bridge.pending(), Pending::All);
    let built = bridge.build(&Machine);
    assert_eq!(built.tables.tunnels.len(), 3);
    for (tunnel, spi) in [(1, 0x2001), (2, 0x2002)] {
        assert_eq!(sends(&built.tables, tunnel as usize), Some(spi));
        let its = Some(Route::Tunnel(TunnelId(tunnel)));
        assert_eq!(route(&built, [10, 10 + tunnel as u8, 0, 1]), its);
    }
    assert_eq!(route(&built, [10, 13, 0, 1]), None);
    // New keys for a peer are for the tunnel that it has.
    install(&mut bridge, &pair(3, "branches", 11, "10.11.0.0/16"));
    assert_eq!(bridge.pending(), Pending::Keys);
    let tables = bridge.refresh(&built.tables, &Machine);
    assert_eq!((sends(&tables, 1), takes(&tables).len()), (Some(0x2003), 3));
}

#[test]
fn a_peer_of_a_template_that_goes_leaves_no_route_and_its_place_to_another() {
    let (mut bridge, _) = bridge(&config(&[HUB]));
    install(&mut bridge, &pair(1, "branches", 11, "10.11.0.0/16"));
    let _built = bridge.build(&Machine);
    bridge.remove(ChildSaId(1));
    assert_eq!(bridge.pending(), Pending::All);
    let built = bridge.build(&Machine);
    assert_eq!((sends(&built.tables, 1), takes(&built.tables)), (None, vec![]));
    assert_eq!(route(&built, [10, 11, 0, 1]), None);
    assert!(built.problems.is_empty(), "{:?}", built.problems);
    install(&mut bridge, &pair(2, "branches", 12, "10.12.0.0/16"));
    let built = bridge.build(&Machine);
    assert_eq!(built.tables.tunnels.len(), 2);
    assert_eq!(route(&built, [10, 12, 0, 1]), Some(Route::Tunnel(TunnelId(1))));
    assert_eq!(&*built.tables.tunnels[1].name, "branches[203.0.113.12:500]");
}

#[test]
fn a_multipoint_tunnel_without_peers_is_no_template() {
    let cloud = r#"
[[tunnel]]
name = "dmvpn"
kind = "mgre"
local = "203.0.113.1"
address = "10.255.0.1/24"

[[route]]
prefix = "10.2.0.0/24"
tunnel = "dmvpn"
via = "10.255.0.2"
"#;
    let (mut bridge, tables) = bridge(&config(&[cloud]));
    assert_eq!((tables.tunnels.len(), tables.clouds.len()), (0, 1));
    let via = Some([10, 255, 0, 2].into());
    let to_a_stranger = Some(Route::Multipoint(tables::CloudId(0), via));
    assert_eq!(route(&bridge.build(&Machine), [10, 2, 0, 1]), to_a_stranger);
}

#[test]
fn pairs_outlive_a_change_of_the_configuration() {
    let old = config(&[HUB]);
    let (mut bridge, _) = bridge(&old);
    install(&mut bridge, &pair(1, "branches", 11, "10.11.0.0/16"));
    let before = bridge.build(&Machine);
    // One more in front: ids change, SAs do not.
    let new = config(&[SITE, HUB]);
    bridge.change(&old, &new, &mut seed).unwrap();
    let after = bridge.build(&Machine);
    assert_eq!(after.tables.tunnels.len(), 3);
    assert_eq!((sends(&after.tables, 0), sends(&after.tables, 2)), (None, Some(0x2001)));
    assert_eq!(route(&after, [10, 11, 0, 1]), Some(Route::Tunnel(TunnelId(2))));
    let sa = |built: &Built| Arc::clone(&built.tables.sad.entries().next().unwrap().sa);
    assert!(Arc::ptr_eq(&sa(&before), &sa(&after)), "the same window and counters");
    install(&mut bridge, &site_pair(2));
    let tables = bridge.refresh(&after.tables, &Machine);
    assert_eq!((sends(&tables, 0), sends(&tables, 2)), (Some(0x2002), Some(0x2001)));
    // Without their template there are no peers of it.
    bridge.change(&new, &config(&[SITE]), &mut seed).unwrap();
    let built = bridge.build(&Machine);
    assert_eq!((built.tables.tunnels.len(), takes(&built.tables)), (1, vec![0x1002]));
    bridge.remove(ChildSaId(1));
    assert_eq!(bridge.pending(), Pending::Nothing);
}

/// The pair `n` of the child `to-b` for a single worker.
fn worker_pair(n: u64, worker: u16) -> Arc<ChildSa> {
    let pair = Arc::into_inner(site_pair(n)).expect("no other");
    Arc::new(ChildSa { worker: Some(worker), ..pair })
}

/// The SPIs that single workers send through, and whether others are to ask.
fn of_workers(tables: &Tables) -> (Vec<Option<u32>>, bool) {
    let WorkerSas { sas, wanted } = &tables.tunnels[0].worker_sas;
    (sas.iter().map(|sa| sa.as_ref().map(|sa| sa.spi())).collect(), *wanted)
}

#[test]
fn a_worker_has_a_pair_of_its_own_until_that_goes() {
    let config = config(&[SITE]);
    let (mut bridge, mut tables) = bridge(&config);
    let mut now = |bridge: &mut Bridge| {
        tables = bridge.refresh(&tables, &Machine);
        (sends(&tables, 0), of_workers(&tables))
    };
    let shared = Arc::into_inner(site_pair(1)).expect("no other");
    install(&mut bridge, &Arc::new(ChildSa { per_worker: true, ..shared }));
    assert_eq!(bridge.shared_pair(TunnelId(0)), Some(ChildSaId(1)));
    assert_eq!(now(&mut bridge), (Some(0x2001), (vec![], true)));
    bridge.install_inbound(&worker_pair(2, 1), [2; 32]).unwrap();
    assert_eq!(now(&mut bridge), (Some(0x2001), (vec![], true)), "listened to, not sent through");
    bridge.install_outbound(ChildSaId(2));
    install(&mut bridge, &worker_pair(3, 0));
    let both = vec![Some(0x2003), Some(0x2002)];
    assert_eq!(now(&mut bridge), (Some(0x2001), (both, true)));
    assert_eq!((bridge.worker_of(0x1002), bridge.worker_of(0x1001)), (Some(1), None));
    // New keys for one worker, and the end of another's.
    install(&mut bridge, &worker_pair(4, 1));
    bridge.remove(ChildSaId(2));
    bridge.remove(ChildSaId(3));
    bridge.share_among_workers(ChildSaId(1));
    let one = vec![None, Some(0x2004)];
    assert_eq!(now(&mut bridge), (Some(0x2001), (one.clone(), false)));
    // A peer that is elsewhere by the shared pair is not there by an older one of a worker.
    bridge.move_pair(ChildSaId(1), path([203, 0, 113, 7], 4500), true);
    assert_eq!(now(&mut bridge), (Some(0x2001), (vec![None, None], false)));
    bridge.move_pair(ChildSaId(4), path([203, 0, 113, 7], 4500), true);
    assert_eq!(now(&mut bridge), (Some(0x2001), (one.clone(), false)));
    // Nor is that of a connection which another has replaced.
    let (again, theirs) = (Arc::into_inner(site_pair(5)), path([203, 0, 113, 7], 4500));
    let again = ChildSa { connection: IkeSaId(2), udp: true, path: theirs, ..again.unwrap() };
    install(&mut bridge, &Arc::new(again));
    assert_eq!(now(&mut bridge), (Some(0x2005), (vec![None, None], false)));
    bridge.install_outbound(ChildSaId(1));
    bridge.remove(ChildSaId(5));
    // Without the shared one the worker goes on, the same way, and a reload changes nothing.
    bridge.remove(ChildSaId(1));
    bridge.change(&config, &config, &mut seed).unwrap();
    let built = bridge.build(&Machine).tables;
    assert_eq!((sends(&built, 0), of_workers(&built)), (None, (one, false)));
    assert_eq!(takes(&built), [0x1004]);
    bridge.remove(ChildSaId(4));
    let tables = bridge.refresh(&built, &Machine);
    assert_eq!((sends(&tables, 0), of_workers(&tables)), (None, (vec![], false)));
}

#[test]
fn control_enters_tunnels_but_no_templates_and_groups_of_a_link_stay_there() {
    const GROUPS: &str = r#"
[[tunnel]]
name = "cloud"
kind = "mgre"
local = "203.0.113.1"
address = "10.254.0.1/24"

[[tunnel.peer]]
name = "spoke"
remote = "203.0.113.9"
address = "10.254.0.9"

[[route]]
prefix = "224.0.0.0/4"
tunnel = "cloud"
"#;
    let config = config(&[HUB, GROUPS]);
    let mut bridge = Bridge::new(&config, &mut seed).expect("keys that fit");
    let cloud = Entrance::AllPeers(tables::CloudId(0));
    let found = ["branches", "cloud", "spoke"].map(|name| bridge.entrance(name));
    assert_eq!(found, [None, Some(cloud), None]);
    bridge.punt_ospf(&[cloud]);
    let built = bridge.build(&Machine);
    let asked = built.tables.tunnels.iter().map(|tunnel| (&*tunnel.name, tunnel.punts_ospf));
    assert_eq!(asked.collect::<Vec<_>>(), [("branches", false), ("spoke", true)]);
    let takes = |address: [u8; 4]| {
        let covering = built.owned.iter().filter(|(net, _)| net.contains(&IpAddr::from(address)));
        covering.max_by_key(|(net, _)| net.prefix_len()).map(|(_, take)| *take)
    };
    assert_eq!(takes([239, 1, 1, 1]), Some(true), "the route's");
    assert_eq!(takes([224, 0, 0, 5]), Some(false), "the kernel's, where OSPF listens");

    let before = built.tables.numbering;
    bridge.change(&config, &config, &mut seed).expect("keys that fit");
    let built = bridge.build(&Machine);
    assert_ne!(built.tables.numbering, before, "ids may mean other tunnels");
    assert!(built.tables.tunnels.iter().all(|tunnel| !tunnel.punts_ospf), "to be asked anew");
}
