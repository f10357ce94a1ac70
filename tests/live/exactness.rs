//! The bytes of every kind of tunnel on the wire: the lengths are those in captures of Cisco
//! routers, of an echo request with 32 bytes of data under NULL encryption, and tshark reads them.

use std::fmt::Write;

use tests::{
    capture::Capture,
    gateway::Gateway,
    manual_sa::Suite,
    site::{Side, port_tables, sa_tables},
    tshark::Tshark,
};

use crate::lab::{End, Lab};

/// One kind of tunnel.
struct Row {
    name: &'static str,
    /// Its keys in `[[tunnel]]`.
    tunnel: fn(Side) -> String,
    /// Those of `[tunnel.sa]` besides the suite.
    sa: fn(Side) -> String,
    suite: &'static str,
    /// Length of the outer IPv4 packet, bytes.
    outer_len: &'static str,
    /// ESP's pad length.
    pad_len: &'static str,
    /// What tshark calls the layers above Ethernet.
    layers: &'static str,
}

const NONE: fn(Side) -> String = |_| String::new();
const TUNNEL_MODE: fn(Side) -> String = |_| "mode = \"tunnel\"\n".to_owned();
/// ESP between the public addresses around a tunnel between private ones.
const AROUND: fn(Side) -> String = |side| {
    let (local, remote) = (side.wan(), side.other().wan());
    format!("mode = \"tunnel\"\nlocal = \"{local}\"\nremote = \"{remote}\"\n")
};

fn ends(side: Side, kind: &str) -> String {
    let (local, remote) = (side.wan(), side.other().wan());
    format!("kind = \"{kind}\"\nlocal = \"{local}\"\nremote = \"{remote}\"\n")
}

fn between_loopbacks(side: Side, kind: &str) -> String {
    let (local, remote) = (loopback(side), loopback(side.other()));
    format!("kind = \"{kind}\"\nlocal = \"{local}\"\nremote = \"{remote}\"\n")
}

fn loopback(side: Side) -> &'static str {
    match side {
        Side::A => "192.168.255.1",
        Side::B => "192.168.255.2",
    }
}

fn by_policy(side: Side) -> String {
    let (local, remote) = (side.lan(), side.other().lan());
    let subnets = format!("local_subnets = [\"{local}\"]\nremote_subnets = [\"{remote}\"]\n");
    ends(side, "esp") + &subnets
}

const ROWS: [Row; 10] = [
    Row {
        name: "ESP tunnel mode",
        tunnel: by_policy,
        sa: NONE,
        suite: "null-sha1",
        outer_len: "104",
        pad_len: "2",
        layers: "ip:esp:ip:icmp:data",
    },
    Row {
        name: "static VTI",
        tunnel: |side| ends(side, "vti"),
        sa: NONE,
        suite: "null-sha1",
        outer_len: "104",
        pad_len: "2",
        layers: "ip:esp:ip:icmp:data",
    },
    Row {
        name: "GRE + ESP transport",
        tunnel: |side| ends(side, "gre"),
        sa: NONE,
        suite: "null-sha1",
        outer_len: "108",
        pad_len: "2",
        layers: "ip:esp:gre:ip:icmp:data",
    },
    Row {
        name: "GRE + ESP tunnel",
        tunnel: |side| ends(side, "gre"),
        sa: TUNNEL_MODE,
        suite: "null-sha1",
        outer_len: "128",
        pad_len: "2",
        layers: "ip:esp:ip:gre:ip:icmp:data",
    },
    Row {
        name: "GRE between loopbacks + ESP tunnel",
        tunnel: |side| between_loopbacks(side, "gre"),
        sa: AROUND,
        suite: "null-sha1",
        outer_len: "128",
        pad_len: "2",
        layers: "ip:esp:ip:gre:ip:icmp:data",
    },
    Row {
        name: "IPIP + ESP transport",
        tunnel: |side| ends(side, "ipip"),
        sa: NONE,
        suite: "null-sha1",
        outer_len: "104",
        pad_len: "2",
        layers: "ip:esp:ip:icmp:data",
    },
    Row {
        name: "IPIP + ESP tunnel",
        tunnel: |side| ends(side, "ipip"),
        sa: TUNNEL_MODE,
        suite: "null-sha1",
        outer_len: "124",
        pad_len: "2",
        layers: "ip:esp:ip:ip:icmp:data",
    },
    Row {
        name: "IPIP between loopbacks + ESP tunnel",
        tunnel: |side| between_loopbacks(side, "ipip"),
        sa: AROUND,
        suite: "null-sha1",
        outer_len: "124",
        pad_len: "2",
        layers: "ip:esp:ip:ip:icmp:data",
    },
    Row {
        name: "DMVPN (GRE with key) + ESP transport",
        tunnel: multipoint,
        sa: NONE,
        suite: "null-sha1",
        outer_len: "112",
        pad_len: "2",
        layers: "ip:esp:gre:ip:icmp:data",
    },
    Row {
        name: "L2TP (length bit, 1-byte PPP protocol) + ESP transport",
        tunnel: |side| {
            ends(side, "l2tp")
                + "local_tunnel_id = 7\nremote_tunnel_id = 7\n\
                   local_session_id = 9\nremote_session_id = 9\n"
        },
        sa: NONE,
        suite: "null-md5",
        outer_len: "120",
        pad_len: "1",
        layers: "ip:esp:udp:l2tp:ppp:ip:icmp:data",
    },
];

/// The overlay network of the multipoint tunnel.
fn overlay(side: Side) -> &'static str {
    match side {
        Side::A => "10.255.0.1",
        Side::B => "10.255.0.2",
    }
}

fn multipoint(side: Side) -> String {
    let (local, remote) = (side.wan(), side.other().wan());
    let (ours, theirs) = (overlay(side), overlay(side.other()));
    format!(
        "kind = \"mgre\"\nlocal = \"{local}\"\nkey = 42\naddress = \"{ours}/24\"\n\n\
         [[tunnel.peer]]\nname = \"other\"\nremote = \"{remote}\"\naddress = \"{theirs}\"\n"
    )
}

fn config(row: &Row, side: Side, socket: &std::path::Path) -> String {
    let tunnel = (row.tunnel)(side);
    let many = tunnel.contains("[[tunnel.peer]]");
    let table = if many { "tunnel.peer.sa" } else { "tunnel.sa" };
    let sa = sa_tables(side, Suite::named(row.suite), table, &(row.sa)(side));
    let mut text = format!(
        "[gateway]\nname = \"exact\"\ncontrol_socket = \"{}\"\n\n{}\n[[tunnel]]\n\
         name = \"join\"\n{tunnel}\n{sa}",
        socket.display(),
        port_tables(side),
    );
    if !tunnel.contains("local_subnets") {
        let via =
            if many { format!("via = \"{}\"\n", overlay(side.other())) } else { String::new() };
        let remote = side.other().lan();
        write!(text, "\n[[route]]\nprefix = \"{remote}\"\ntunnel = \"join\"\n{via}")
            .expect("a String takes everything");
    }
    text
}

#[test]
fn every_tunnel_is_byte_for_byte_as_long_as_a_cisco_routers() {
    let lab = Lab::new();
    for end in [&lab.a, &lab.b] {
        end.gateway.ip(&format!("addr add {}/32 dev lo", loopback(end.side)));
        end.gateway.ip("link set lo up");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    println!("{:<56} {:>5} {:>4}", "tunnel", "bytes", "pad");
    for row in &ROWS {
        let start =
            |end: &End| Gateway::start(&end.gateway, |socket| config(row, end.side, socket));
        let (a, b) = (start(&lab.a), start(&lab.b));
        // The neighbours on the way are asked for before, so that one packet is enough.
        lab.a.wait_for_other_host(std::time::Duration::from_secs(5));
        let file = folder.path().join("wan.pcap");
        let capture = Capture::start(lab.outside(&lab.a), "esp", &file);
        assert_eq!(lab.a.host.ping(Side::B.host(), 1, 32), 1, "{}", row.name);
        check(row, &Tshark::new(&capture.finish()));
        println!("{:<56} {:>5} {:>4}", row.name, row.outer_len, row.pad_len);
        drop((a, b));
    }
}

/// A request and an answer, both as long as they must be.
fn check(row: &Row, capture: &Tshark) {
    let suite = Suite::named(row.suite);
    let sas = [Side::A, Side::B].map(|side| side.outbound_sa(suite).tshark());
    let capture = capture.clone().with_sas(&sas);
    capture.assert_well_formed();
    let fields = ["ip.len", "esp.pad_len", "frame.protocols", "icmp.type"];
    let rows = capture.fields("esp", &fields);
    assert_eq!(rows.len(), 2, "{}: {rows:?}", row.name);
    for (frame, kind) in rows.iter().zip(["8", "0"]) {
        let [lens, pad_len, layers, icmp] = frame.as_slice() else { panic!("{frame:?}") };
        let outer_len = lens.split(',').next();
        assert_eq!(outer_len, Some(row.outer_len), "{}: {frame:?}", row.name);
        assert_eq!((pad_len.as_str(), icmp.as_str()), (row.pad_len, kind), "{}", row.name);
        let expected = format!("eth:ethertype:{}", row.layers);
        assert_eq!(layers, &expected, "{}", row.name);
    }
}
