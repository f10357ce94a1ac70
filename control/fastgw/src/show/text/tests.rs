//! Tables as they are printed, letter by letter.

use serde_json::Value;

use super::*;
use crate::show::status::{Percentiles, WorkerLatency};

/// A gateway with a bit of everything.
pub(in crate::show) fn status() -> Status {
    Status {
        ospf: None,
        bfd: None,
        name: "site-a".to_owned(),
        version: "0.1.0".to_owned(),
        pid: 1234,
        uptime_s: 7_500,
        workers: Some(vec![worker(0, Some(1)), worker(1, None)]),
        ports: Some(vec![
            port("lan", "lan0", Role::Inside, "10.1.0.1/24"),
            port("wan", "enp65s0f0np0", Role::Outside, "203.0.113.1/24"),
        ]),
        tunnels: Some(vec![
            tunnel("to-b", TunnelState::Up),
            Tunnel { egress: None, nexthop: None, ..tunnel("to-c", TunnelState::NoPath) },
        ]),
        sas: Some(vec![
            sa(Direction::Inbound, 1024),
            Sa { worker: Some(1), ..sa(Direction::Outbound, 0) },
        ]),
        ike: None,
        drops: Some(vec![
            drop("frame_truncated", 0, "The frame is shorter than an Ethernet header."),
            drop(
                "ipv4_martian",
                1_234_567,
                "The source address cannot be one host's: multicast, loopback, broadcast or \
                 unspecified (RFC 1812 5.3.7).",
            ),
        ]),
        routes: Some(vec![Route {
            prefix: "10.2.0.0/24".parse().unwrap(),
            target: "tunnel to-b".to_owned(),
        }]),
        neighbors: Some(vec![
            neighbor(NeighborState::Resolved, Some("02:00:00:00:00:02")),
            neighbor(NeighborState::Failed, None),
        ]),
        latency: Some(Latency {
            total: stages(24),
            workers: vec![
                WorkerLatency { index: 0, stages: stages(8) },
                WorkerLatency { index: 1, stages: stages(16) },
            ],
        }),
    }
}

/// Two stages that were passed, and one that was not.
fn stages(count: u64) -> Stages {
    let of = |count, p50_ns| Percentiles {
        count,
        p50_ns,
        p90_ns: 2 * p50_ns,
        p99_ns: 4 * p50_ns,
        p99_9_ns: 8 * p50_ns,
        p99_99_ns: 16 * p50_ns,
        max_ns: 1_073_741_823,
    };
    let stages = [
        ("route", of(1_000 * count, 950)),
        ("open", Percentiles::default()),
        ("end_to_end", of(1_000 * count, 41_000)),
    ];
    stages.map(|(name, percentiles)| (name.to_owned(), percentiles)).into()
}

fn worker(index: usize, core: Option<usize>) -> Worker {
    Worker {
        index,
        core,
        busy_turns: 98_765_432,
        held: 3,
        punted: 9,
        fragments: 12,
        icmp_sent: 2,
        icmp_withheld: 0,
        rx_packets: 1_234_567,
        rx_bytes: 987_654_321,
        tx_packets: 1_234_560,
        tx_bytes: 1_087_654_321,
    }
}

fn port(name: &str, device: &str, role: Role, address: &str) -> Port {
    Port {
        name: name.to_owned(),
        device: device.to_owned(),
        role,
        up: true,
        mac: Some("02:00:00:00:00:01".to_owned()),
        mtu: 1500,
        addresses: vec![address.parse().unwrap()],
        attach: Attach::Native,
        copy: CopyMode::ZeroCopy,
        queues: 2,
        rx_packets: 12_345_678_901,
        rx_bytes: 17_283_950_461_400,
        tx_packets: 12_345_678_900,
        tx_bytes: 17_283_950_460_000,
        kernel_rx_dropped: 0,
        ring_full: 17,
        fill_empty: 4,
        syscalls: 123_456,
    }
}

fn tunnel(name: &str, state: TunnelState) -> Tunnel {
    Tunnel {
        name: name.to_owned(),
        kind: "esp".to_owned(),
        local: "203.0.113.1".parse().unwrap(),
        remote: "203.0.113.2".parse().unwrap(),
        state,
        mtu: 1438,
        egress: Some("wan".to_owned()),
        nexthop: Some("203.0.113.254".parse().unwrap()),
        in_packets: 1_000_000,
        in_bytes: 1_400_000_000,
        out_packets: 999,
        out_bytes: 999,
    }
}

fn sa(direction: Direction, replay_window: u32) -> Sa {
    Sa {
        tunnel: "to-b".to_owned(),
        direction,
        spi: 0x1001,
        suite: "aes256gcm16".to_owned(),
        esn: false,
        replay_window,
        worker: None,
        sequence: 1_000_000,
        packets: 1_000_000,
        bytes: 1_400_000_000,
    }
}

fn drop(reason: &str, count: u64, help: &str) -> DropCount {
    DropCount { reason: reason.to_owned(), count, help: help.to_owned() }
}

fn neighbor(state: NeighborState, mac: Option<&str>) -> Neighbor {
    Neighbor {
        port: "wan".to_owned(),
        address: "203.0.113.2".parse().unwrap(),
        mac: mac.map(str::to_owned),
        state,
    }
}

#[test]
fn everything_is_shown_in_100_columns() {
    let shown = text(&status(), 20);
    assert_eq!(shown, include_str!("everything.txt"));
    for line in shown.lines() {
        assert!(line.chars().count() <= WIDTH, "{line}");
    }
}

#[test]
fn only_the_lists_that_are_there_are_shown_and_empty_ones_say_so() {
    let only_drops = Status {
        workers: None,
        ports: None,
        tunnels: None,
        sas: None,
        drops: Some(vec![drop("frame_truncated", 0, "Short.")]),
        routes: None,
        neighbors: Some(Vec::new()),
        latency: None,
        ..status()
    };
    let expected = "\
site-a: fastgw 0.1.0, pid 1234, up 2 h 5 min

no drops

no neighbors
";
    assert_eq!(text(&only_drops, 20), expected);
}

#[test]
fn a_long_list_is_cut_and_says_where_the_rest_is() {
    let route = |n: u8| Route {
        prefix: format!("10.{n}.0.0/16").parse().unwrap(),
        target: "blackhole".to_owned(),
    };
    let many = Status { routes: Some((0..30).map(route).collect()), ..status() };
    assert!(text(&many, 20).contains("10.19.0.0/16  blackhole\nand 10 more: fastgw show routes\n"));
    assert!(!text(&many, 30).contains("more"));
}

#[test]
fn json_has_the_words_of_the_tables_and_comes_back_whole() {
    let json = serde_json::to_value(status()).unwrap();
    assert_eq!(json["ports"][0]["copy"], "zerocopy");
    assert_eq!(json["ports"][0]["attach"], "native");
    assert_eq!(json["ports"][1]["role"], "outside");
    assert_eq!(json["tunnels"][1]["state"], "no path");
    assert_eq!(json["tunnels"][1]["egress"], Value::Null);
    assert_eq!(json["sas"][0]["direction"], "in");
    assert_eq!(json["sas"][0]["spi"], 0x1001);
    assert_eq!(json["neighbors"][1]["state"], "failed");
    assert_eq!(serde_json::from_value::<Status>(json).unwrap(), status());
    let none = Status { sas: None, ..status() };
    assert!(serde_json::to_value(none).unwrap().get("sas").is_none());
}
