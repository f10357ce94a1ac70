//! What one site puts into a tunnel the other one takes out, through files.

use std::{fs, path::Path};

use tests::{
    manual_sa::SUITES,
    site::{Join, Side, Site},
    tshark::Tshark,
};
use wire::checksum;

use crate::play::{Offline, drops, packets, record_lan};

fn every_join() -> impl Iterator<Item = Join> {
    let protected = SUITES.iter().flat_map(|suite| [Join::Esp(suite), Join::Vti(suite)]);
    protected.chain([Join::Gre])
}

fn site(side: Side, join: Join) -> Offline {
    Offline::new(&Site { side, join, workers: 1, socket: None }.toml())
}

#[test]
fn what_site_a_seals_site_b_opens_to_the_same_packets_two_hops_later() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let host = folder.path().join("host.pcap");
    record_lan(&host);
    let sent = packets(&host);
    let expected: Vec<_> = sent.iter().cloned().map(two_hops_later).collect();
    for join in every_join() {
        let (a, b) = (site(Side::A, join), site(Side::B, join));
        let sealed = a.play("lan", &host);
        assert_eq!(drops(&sealed), [], "{join}");
        judge_outside(&a.path("wan.pcap"), join, sent.len());
        let opened = b.play("wan", &a.path("wan.pcap"));
        assert_eq!(drops(&opened), [], "{join}");
        assert_eq!(opened["tunnels"][0]["inbound"], sent.len(), "{join}: {opened}");
        assert!(packets(&b.path("lan.pcap")) == expected, "{join}: other packets came out");
    }
}

#[test]
fn the_same_run_gives_the_same_bytes_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let host = folder.path().join("host.pcap");
    record_lan(&host);
    for join in [Join::Esp(&SUITES[0]), Join::Vti(&SUITES[3]), Join::Gre] {
        let mut results = Vec::new();
        for _ in 0..2 {
            let offline = site(Side::A, join);
            let summary = offline.play("lan", &host);
            let read = |name| fs::read(offline.path(name)).expect("a recording");
            results.push((summary, read("wan.pcap"), read("lan.pcap")));
        }
        assert!(results[0].1.len() > 10_000);
        assert!(results[0] == results[1], "{join}: two runs differ");
    }
}

/// tshark on what crosses the underlay: as many packets as were sent, each with a sound outer
/// header, and with the keys each authentic and IPv4 inside.
fn judge_outside(capture: &Path, join: Join, count: usize) {
    let outside = Tshark::new(capture);
    let (outside, inside) = match join {
        Join::Esp(suite) | Join::Vti(suite) => {
            let sa = Side::A.outbound_sa(suite).tshark();
            (outside.with_sas(&[sa]), "esp.icv_good == 1 && esp.protocol == 4")
        }
        Join::Gre => (outside, "gre.proto == 0x0800"),
        Join::Ike(..) => unreachable!("nobody negotiates offline"),
    };
    let sound = "!_ws.malformed && !(ip.checksum.status == \"Bad\")";
    assert_eq!(outside.count(&format!("{inside} && {sound}")), count, "{join}");
}

/// The packet with a TTL of two less and a header checksum to match.
fn two_hops_later(mut packet: Vec<u8>) -> Vec<u8> {
    let header_len = usize::from(packet[0] & 15) * 4;
    packet[8] -= 2;
    packet[10..12].fill(0);
    let sum = checksum::of(&packet[..header_len]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}
