//! The state of a gateway that is made up of tables and counters alone.

use std::path::Path;

use esp::{InboundSa, Keys, OutboundSa, Suite};
use tables::{
    Addresses, Endpoints, InboundEntry, Nexthop, Nexthops, OuterRules, Payload, PortEntry, Rewrite,
    Sad, TunnelId,
};
use wire::ethernet::Mac;

use super::*;

const KEY: [u8; 36] = [0xa5; 36];
const MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);

fn config() -> Config {
    let text = format!(
        r#"
        [gateway]
        name = "site-a"
        workers = 2
        [[port]]
        name = "lan"
        device = "lan0"
        role = "inside"
        [[port]]
        name = "wan"
        device = "wan0"
        role = "outside"
        [[tunnel]]
        name = "to-b"
        kind = "vti"
        local = "203.0.113.1"
        remote = "203.0.113.2"
        [tunnel.sa]
        suite = "aes256gcm16"
        [tunnel.sa.out]
        spi = 0x1001
        encryption_key = "0x{out}"
        [tunnel.sa.in]
        spi = 0x1002
        encryption_key = "0x{into}"
        [[tunnel]]
        name = "to-c"
        kind = "gre"
        local = "203.0.113.1"
        remote = "203.0.113.3"
        [[route]]
        prefix = "10.2.0.0/16"
        tunnel = "to-b"
        [[route]]
        prefix = "10.3.0.0/16"
        tunnel = "to-c"
        "#,
        out = "0123456789abcdef".repeat(5).get(..72).unwrap(),
        into = "fedcba9876543210".repeat(5).get(..72).unwrap(),
    );
    config::parse("site-a.toml", &text, Path::new("")).unwrap_or_else(|report| panic!("{report}"))
}

fn port(name: &str, role: tables::Role) -> PortEntry {
    PortEntry {
        name: name.into(),
        role,
        mac: Some(MAC),
        mtu: 1500,
        addresses: Addresses::default(),
        up: true,
    }
}

fn tunnel(name: &str, protection: Protection, egress: Option<NexthopId>) -> tables::Tunnel {
    let (local, remote) = ([203, 0, 113, 1].into(), [203, 0, 113, 2].into());
    let ends = Endpoints { local, remote };
    tables::Tunnel {
        name: name.into(),
        ends,
        inner: None,
        rewrite: Rewrite::esp(ends, OuterRules::default()),
        payload: Payload::IP,
        protection,
        selectors: None,
        narrowed: None,
        egress,
        mtu: 1438,
        mss: None,
        padded_len: None,
        worker_sas: tables::WorkerSas::default(),
        demand: None,
        addresses: Addresses::default(),
        punts_ospf: false,
        punts_bfd: false,
        sequences: Arc::default(),
        counters: Arc::default(),
    }
}

fn keys() -> Keys<'static> {
    Keys { encryption: &KEY, authentication: &[] }
}

fn tables() -> Tables {
    let sa = OutboundSa::new(0x1001, Suite::AES256GCM16, keys(), false, [7; 32]).unwrap();
    let opener = InboundSa::new(0x1002, Suite::AES256GCM16, keys(), true, 1024).unwrap();
    let hop = Nexthop {
        port: PortId(1),
        address: "203.0.113.2".parse().unwrap(),
        neighbour: Neighbour::Resolved(MAC),
    };
    let silent =
        Nexthop { address: "203.0.113.3".parse().unwrap(), neighbour: Neighbour::Failed, ..hop };
    let entry = InboundEntry {
        sa: Arc::new(opener),
        tunnel: TunnelId(0),
        remote: hop.address,
        local: "203.0.113.1".parse().unwrap(),
        remote_port: None,
        follows: false,
    };
    Tables {
        ports: [port("lan", tables::Role::Inside), port("wan", tables::Role::Outside)].into(),
        nexthops: Arc::new(Nexthops::build(vec![hop, silent])),
        tunnels: [
            Arc::new(tunnel("to-b", Protection::Esp(Some(Arc::new(sa))), Some(NexthopId(0)))),
            Arc::new(tunnel("to-c", Protection::Clear, Some(NexthopId(1)))),
        ]
        .into(),
        sad: Arc::new(Sad::build(vec![entry])),
        ..Tables::default()
    }
}

fn facts() -> PortFacts {
    PortFacts {
        addresses: vec!["10.1.0.1/24".parse().unwrap()],
        attach: Attach::Generic,
        copy: CopyMode::Copy,
        queues: 2,
        kernel_rx_dropped: 1,
        ring_full: 2,
        fill_empty: 3,
        syscalls: 4,
    }
}

/// The status of a gateway with these tables.
fn status(tables: &Tables, workers: &[Arc<WorkerCounters>], section: Section) -> Status {
    let net = |text: &str| text.parse::<IpNet>().unwrap();
    let routes = [
        (net("10.2.0.0/16"), tables::Route::Blackhole),
        (net("203.0.113.1/32"), tables::Route::Local),
        (net("203.0.113.0/24"), tables::Route::Connected(PortId(1))),
        (net("10.9.0.0/16"), tables::Route::Via(NexthopId(0))),
        (net("10.2.0.0/16"), tables::Route::Tunnel(TunnelId(0))),
    ];
    let sources = Sources {
        config: &config(),
        tables,
        workers,
        cores: &[Some(3), None],
        ports: &|| vec![facts(), facts()],
        routes: &routes,
        uptime: Duration::from_secs(61),
    };
    sources.status(section)
}

fn two_workers() -> [Arc<WorkerCounters>; 2] {
    [(); 2].map(|()| Arc::new(WorkerCounters::new(2)))
}

#[test]
fn ports_and_drops_are_summed_over_the_workers() {
    let workers = two_workers();
    for (worker, n) in workers.iter().zip([5, 7]) {
        worker.port(PortId(1)).unwrap().rx.add(n, 100 * n);
        worker.port(PortId(0)).unwrap().tx.add(n, 60 * n);
        WorkerCounters::drop(worker, DropReason::EspReplayed, n);
        worker.held.add(n);
    }
    let status = status(&tables(), &workers, Section::Summary);
    let ports = status.ports.unwrap();
    let (lan, wan) = (&ports[0], &ports[1]);
    assert_eq!((wan.rx_packets, wan.rx_bytes, wan.tx_packets), (12, 1200, 0));
    assert_eq!((lan.rx_packets, lan.tx_packets, lan.tx_bytes), (0, 12, 720));
    assert_eq!((lan.device.as_str(), lan.role, wan.role), ("lan0", Role::Inside, Role::Outside));
    assert_eq!((lan.kernel_rx_dropped, lan.ring_full, lan.fill_empty, lan.syscalls), (1, 2, 3, 4));
    assert_eq!(lan.mac.as_deref(), Some("02:00:00:00:00:09"));

    let drops = status.drops.unwrap();
    assert_eq!(drops.len(), DropReason::COUNT, "all of them, also those that never happened");
    let happened: Vec<_> = drops.iter().filter(|drop| drop.count > 0).collect();
    assert_eq!((happened[0].reason.as_str(), happened[0].count), ("esp_replayed", 12));
    assert_eq!(happened.len(), 1);

    let shown = status.workers.unwrap();
    assert_eq!((shown[0].core, shown[0].held), (Some(3), 5));
    assert_eq!((shown[1].core, shown[1].held), (None, 7));
}

#[test]
fn a_tunnel_says_what_it_lacks() {
    let mut tables = tables();
    let states = |tables: &Tables| {
        let status = status(tables, &two_workers(), Section::Tunnels);
        status.tunnels.unwrap().iter().map(|tunnel| tunnel.state).collect::<Vec<_>>()
    };
    assert_eq!(states(&tables), [TunnelState::Up, TunnelState::NoPath], "a silent next hop");
    tables.ports = [port("lan", tables::Role::Inside), {
        PortEntry { up: false, ..port("wan", tables::Role::Outside) }
    }]
    .into();
    assert_eq!(states(&tables)[0], TunnelState::NoPath, "the port is down");
    tables.tunnels = [
        Arc::new(tunnel("to-b", Protection::Esp(None), Some(NexthopId(0)))),
        Arc::new(tunnel("to-c", Protection::Clear, None)),
    ]
    .into();
    assert_eq!(states(&tables), [TunnelState::NoSa, TunnelState::NoPath]);
}

#[test]
fn a_tunnel_has_the_words_of_its_configuration_and_the_counters_of_its_tables() {
    let tables = tables();
    tables.tunnels[0].counters.inbound.add(3, 300);
    tables.tunnels[0].counters.outbound.add(4, 400);
    let tunnels = status(&tables, &two_workers(), Section::Tunnels).tunnels.unwrap();
    let tunnel = &tunnels[0];
    assert_eq!((tunnel.name.as_str(), tunnel.kind.as_str(), tunnel.mtu), ("to-b", "vti", 1438));
    assert_eq!(tunnel.remote, "203.0.113.2".parse::<std::net::IpAddr>().unwrap());
    assert_eq!(tunnel.egress.as_deref(), Some("wan"));
    assert_eq!((tunnel.in_packets, tunnel.in_bytes), (3, 300));
    assert_eq!((tunnel.out_packets, tunnel.out_bytes), (4, 400));
    assert_eq!(tunnels[1].kind, "gre");
}

#[test]
fn sas_are_listed_by_tunnel_and_without_a_key() {
    let tables = tables();
    let Protection::Esp(Some(sa)) = &tables.tunnels[0].protection else { panic!() };
    sa.reserve(9).unwrap();
    sa.count(9, 900);
    let status = status(&tables, &two_workers(), Section::Sas);
    let sas = status.sas.as_deref().unwrap();
    let [inbound, outbound] = sas else { panic!("{sas:?}") };
    assert_eq!((inbound.direction, inbound.spi), (Direction::Inbound, 0x1002));
    assert_eq!((inbound.esn, inbound.replay_window, inbound.sequence), (true, 1024, 0));
    assert_eq!((outbound.direction, outbound.spi), (Direction::Outbound, 0x1001));
    assert_eq!((outbound.sequence, outbound.packets, outbound.bytes), (9, 9, 900));
    assert_eq!(outbound.suite, "aes256gcm16");
    let json = serde_json::to_string(&status).unwrap().to_lowercase();
    assert!(!json.contains("a5a5") && !json.contains("165,165") && !json.contains("0123456789"));
}

#[test]
fn the_sas_of_single_workers_are_below_the_one_that_all_share() {
    let mut tables = tables();
    let mut tunnel = tables::Tunnel::clone(&tables.tunnels[0]);
    let sa = OutboundSa::new(0x1003, Suite::AES256GCM16, keys(), true, [0; 32]).unwrap();
    tunnel.worker_sas.sas = [None, Some(Arc::new(sa))].into();
    tables.tunnels = [Arc::new(tunnel)].into();
    let sas = status(&tables, &two_workers(), Section::Sas).sas.unwrap();
    let shown: Vec<_> = sas.iter().map(|sa| (sa.direction, sa.spi, sa.worker)).collect();
    let (inbound, outbound) = (Direction::Inbound, Direction::Outbound);
    let expected = [(inbound, 0x1002, None), (outbound, 0x1001, None), (outbound, 0x1003, Some(1))];
    assert_eq!(shown, expected);
}

#[test]
fn routes_are_sorted_and_the_last_of_two_counts() {
    let status = status(&tables(), &two_workers(), Section::Routes);
    let routes = status.routes.unwrap();
    let shown: Vec<_> =
        routes.iter().map(|route| format!("{} {}", route.prefix, route.target)).collect();
    let expected = [
        "10.2.0.0/16 tunnel to-b",
        "10.9.0.0/16 via 203.0.113.2 on wan",
        "203.0.113.0/24 port wan",
        "203.0.113.1/32 local",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn a_section_has_its_own_list_only() {
    let status = status(&tables(), &two_workers(), Section::Neighbors);
    assert!(status.ports.is_none() && status.drops.is_none() && status.sas.is_none());
    let neighbors = status.neighbors.unwrap();
    assert_eq!(neighbors[0].mac.as_deref(), Some("02:00:00:00:00:09"));
    assert_eq!((neighbors[1].state, neighbors[1].mac.as_ref()), (NeighborState::Failed, None));
    assert_eq!((status.uptime_s, status.pid), (61, process::id()));
}
