//! ESP that other implementations sealed, opened with its keys.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use tests::tshark::Tshark;

use crate::{
    keys::Row,
    play::{Offline, drops},
};

/// libreswan's, from tcpdump's test data: eight echo requests in AES-256-CBC with HMAC-SHA-1-96.
#[test]
fn the_public_capture_of_libreswan_opens_to_eight_echo_requests() {
    let Some(capture) = shared("public/08-sunrise-sunset-aes.pcap") else { return };
    let keys = "spi = 0xd1234567
encryption_key = \"0xaaaabbbbccccdddd4043434545464649494a4a4c4c4f4f515152525454575758\"
authentication_key = \"0x8765876587658765876587658765876587658765\"";
    // The capture has one direction; the other one has to have keys of its own.
    let other =
        keys.replace("0xd1234567", "0xd1234568").replace("aaaa", "bbbb").replace("8765", "4321");
    let gateway = gateway("esp", "192.0.1.254/24", "192.1.2.45", "192.1.2.23");
    let selectors = "local_subnets = [\"192.0.1.0/24\"]\nremote_subnets = [\"192.0.2.0/24\"]\n";
    let sas = sa_tables("aes256-sha1", keys, &other);
    let offline = Offline::new(&format!("{gateway}{selectors}{sas}"));
    let summary = offline.play("wan", &capture);
    assert_eq!(summary["tunnels"][0]["inbound"], 8, "{summary}");
    assert_eq!(drops(&summary), []);
    let expected: Vec<String> =
        (1..=8).map(|n| format!("192.0.2.1 192.0.1.1 62 8 28416 {} 84", 1024 + 256 * n)).collect();
    assert_eq!(echoes(&offline.path("lan.pcap")), expected);
}

/// A Linux kernel's or strongSwan's, with NULL and HMAC-SHA-1-96: each end in turn is the gateway
/// that is played. Two packets of each direction are fragments outside, which the kernel would put
/// together before they came to us.
#[test]
fn our_capture_of_manual_keys_opens_at_both_ends() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("offline");
    let rows = rows(&folder.join("esp-manual.keys"));
    let expected = [
        ["0 150 1 84", "0 150 2 84", "0 150 3 84", "8 151 1 1228", "8 151 2 1228"],
        ["8 150 1 84", "8 150 2 84", "8 150 3 84", "0 151 1 1228", "0 151 2 1228"],
    ];
    for (here, expected) in [1, 2].into_iter().zip(expected) {
        let there = 3 - here;
        let local = format!("203.0.113.{here}");
        let selectors = format!(
            "local_subnets = [\"10.{here}.0.0/24\"]\nremote_subnets = [\"10.{there}.0.0/24\"]\n"
        );
        let gateway = our_gateway("esp", here, there);
        let offline = Offline::new(&format!("{gateway}{selectors}{}", pair(&rows, 0, &local)));
        let summary = offline.play("wan", &folder.join("esp-manual.pcap"));
        assert_eq!(summary["tunnels"][0]["inbound"], 5, "{summary}");
        // The other seven frames are those that this end had sent itself.
        assert_eq!(drops(&summary), [("clear_from_outside", 7), ("outer_fragment", 2)]);
        let echoes = echoes(&offline.path("lan.pcap"));
        let expected: Vec<String> = expected
            .map(|echo| {
                let (kind, rest) = echo.split_once(' ').expect("a type and the rest");
                format!("10.{there}.0.1 10.{here}.0.1 63 {kind} {rest}")
            })
            .into();
        assert_eq!(echoes, expected);
    }
}

/// strongSwan's keys in the Linux kernel, AES-GCM, two generations of SAs: those that a gateway
/// has open, the others it names as unknown; OSPF in the tunnel is not forwarded.
#[test]
fn our_capture_of_a_rekeyed_route_based_tunnel_opens_with_each_generation_of_keys() {
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("offline/ikev2-ospf.pcap");
    let rows = rows(&capture.with_extension("keys"));
    let mut opened = Vec::new();
    for (here, generation) in [(1, 0), (1, 1), (2, 0), (2, 1)] {
        let there = 3 - here;
        let gateway = our_gateway("vti", here, there);
        let sas = pair(&rows, generation, &format!("203.0.113.{here}"));
        let route = format!("[[route]]\nprefix = \"10.{there}.0.0/24\"\ntunnel = \"join\"\n");
        let offline = Offline::new(&format!("{gateway}{sas}{route}"));
        let summary = offline.play("wan", &capture);
        let inbound = summary["tunnels"][0]["inbound"].as_u64().expect("a count");
        let dropped: u64 = drops(&summary).iter().map(|(_, count)| count).sum();
        let lan = Tshark::new(&offline.path("lan.pcap"));
        lan.assert_well_formed();
        let pings = lan.count(&format!("icmp && ip.src == 10.{there}.0.1 && ip.ttl == 63"));
        assert_eq!(inbound - pings as u64, drop_of(&summary, "link_local"), "{summary}");
        assert_eq!(dropped + pings as u64, 65, "every frame is accounted for: {summary}");
        assert_eq!(drop_of(&summary, "esp_integrity"), 0);
        opened.push((inbound, pings));
    }
    assert_eq!(opened, [(23, 3), (5, 2), (23, 3), (5, 2)]);
}

/// Source, destination, TTL, type, identifier, sequence number and length of each echo; the
/// capture must hold nothing else.
fn echoes(capture: &Path) -> Vec<String> {
    let lan = Tshark::new(capture);
    lan.assert_well_formed();
    assert_eq!(lan.count("!icmp"), 0, "{}", lan.summary("!icmp"));
    let fields = ["ip.src", "ip.dst", "ip.ttl", "icmp.type", "icmp.ident", "icmp.seq", "ip.len"];
    lan.fields("icmp", &fields).iter().map(|row| row.join(" ")).collect()
}

fn drop_of(summary: &serde_json::Value, name: &str) -> u64 {
    summary["drops"][name].as_u64().unwrap_or(0)
}

fn rows(file: &Path) -> Vec<Row> {
    Row::all(&fs::read_to_string(file).expect("keys beside the capture"))
}

/// The tables of the `generation`th SA in each direction of the gateway at `local`.
fn pair(rows: &[Row], generation: usize, local: &str) -> String {
    let nth = |wanted: &dyn Fn(&&Row) -> bool| rows.iter().filter(wanted).nth(generation);
    let outbound = nth(&|row| row.source == local).expect("an SA from here");
    let inbound = nth(&|row| row.destination == local).expect("an SA to here");
    sa_tables(inbound.suite, &inbound.toml(), &outbound.toml())
}

/// The gateway at 203.0.113.`here`, with a tunnel to the one at 203.0.113.`there`, still open. The
/// hosts of both are what was a gateway's own address in the recorded network.
fn our_gateway(kind: &str, here: u8, there: u8) -> String {
    let (local, remote) = (format!("203.0.113.{here}"), format!("203.0.113.{there}"));
    gateway(kind, &format!("10.{here}.0.254/24"), &local, &remote)
}

/// Ports `lan` and `wan`, and a tunnel from `local` to `remote`, still open.
fn gateway(kind: &str, lan: &str, local: &str, remote: &str) -> String {
    format!(
        r#"
[[port]]
name = "lan"
device = "lan0"
role = "inside"
addresses = ["{lan}"]

[[port]]
name = "wan"
device = "wan0"
role = "outside"
addresses = ["{local}/24"]

[[tunnel]]
name = "join"
kind = "{kind}"
local = "{local}"
remote = "{remote}"
"#
    )
}

fn sa_tables(suite: &str, inbound: &str, outbound: &str) -> String {
    format!(
        "[tunnel.sa]\nsuite = \"{suite}\"\n[tunnel.sa.in]\n{inbound}\n[tunnel.sa.out]\n{outbound}\n"
    )
}

/// A capture that is kept beside the checkout and not in it; says so when there is none.
pub fn shared(name: &str) -> Option<PathBuf> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = above.map(|folder| folder.join("shared/captures").join(name)).find(|p| p.exists());
    if found.is_none() {
        println!("not checked: there is no shared/captures/{name} beside this checkout");
    }
    found
}
