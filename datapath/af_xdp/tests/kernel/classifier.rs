//! The classifier, frame by frame, by the kernel's test run.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use af_xdp::{Classifier, Endpoints, Maps, OwnedPrefixes, Program, SocketMap, Verdict};

use crate::frames::{Random, ipv4, ipv4_with, ipv6, padded, udp};
use crate::model::Model;
use crate::namespace::need_root;

const ENDPOINT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// In the owned prefix.
const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 3);
/// The gateway's own address in the owned prefix.
const OWN: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
/// In the owned multicast prefix.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const ENDPOINT6: Ipv6Addr = documentation(0, 1);
const OTHER6: Ipv6Addr = documentation(0, 2);
/// In the owned prefix.
const INSIDE6: Ipv6Addr = documentation(0x1234, 5);
/// The gateway's own address in the owned prefix.
const OWN6: Ipv6Addr = documentation(0x1234, 1);
/// In the owned multicast prefix.
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 0x77, 7);
const ALL: Classifier = Classifier { tunnels: true, prefixes: true };

/// An address in 2001:db8::/32 (RFC 3849).
const fn documentation(net: u16, host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, net, 0, 0, 0, 0, host)
}

/// The maps of one interface, filled, and programs whose miss verdict shows what was taken.
struct Bench {
    sockets: SocketMap,
    endpoints: Endpoints,
    prefixes: OwnedPrefixes,
}

impl Bench {
    fn new() -> Self {
        need_root();
        let bench = Self {
            sockets: SocketMap::new(4).unwrap(),
            endpoints: Endpoints::new().unwrap(),
            prefixes: OwnedPrefixes::new().unwrap(),
        };
        let model = model();
        for endpoint in model.endpoints {
            bench.endpoints.insert(endpoint).unwrap();
        }
        for (prefix, len, take) in model.prefixes {
            bench.prefixes.insert(prefix, len, take).unwrap();
        }
        bench
    }

    fn maps(&self) -> Maps<'_> {
        Maps { sockets: &self.sockets, endpoints: &self.endpoints, prefixes: &self.prefixes }
    }

    fn program(&self, classifier: Classifier) -> Judge {
        let instructions = classifier.assemble(&self.maps(), Verdict::Aborted);
        Judge(Program::load_instructions(&instructions).unwrap())
    }
}

struct Judge(Program);

impl Judge {
    fn takes(&self, frame: &[u8]) -> bool {
        match self.0.test_run(frame).unwrap() {
            Verdict::Aborted => true,
            Verdict::Pass => false,
            other => panic!("{other:?} on {frame:02x?}"),
        }
    }
}

fn model() -> Model {
    let prefix4 = |address: Ipv4Addr, len, take| (IpAddr::V4(address), len, take);
    let prefix6 = |address: Ipv6Addr, len, take| (IpAddr::V6(address), len, take);
    Model {
        endpoints: vec![ENDPOINT.into(), ENDPOINT6.into()],
        prefixes: vec![
            prefix4(Ipv4Addr::new(10, 1, 0, 0), 16, true),
            prefix4(OWN, 32, false),
            prefix4(Ipv4Addr::new(239, 1, 0, 0), 16, true),
            prefix6(documentation(0x1234, 0), 48, true),
            prefix6(OWN6, 128, false),
            prefix6(Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 0x77, 0), 112, true),
        ],
    }
}

/// Frames by name, and whether the gateway takes them.
fn table() -> Vec<(&'static str, Vec<u8>, bool)> {
    let esp = [0xc0, 0, 0, 1, 0, 0, 0, 1, 0xaa, 0xbb, 0xcc, 0xdd];
    let gre = [0, 0, 0x08, 0, 0x45, 0, 0, 20];
    let inner = &ipv4(1, INSIDE, &[8, 0, 0, 0])[14..];
    let options = [1, 1, 1, 0];
    let marked = [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let (data, control) = ([0, 2, 0, 1, 0, 2, 0xff, 3], [0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0]);
    let broadcast = Ipv4Addr::BROADCAST;
    let multicast = Ipv4Addr::new(224, 0, 0, 5);
    let mut frames = vec![
        ("ESP", ipv4(50, ENDPOINT, &esp), true),
        ("GRE", ipv4(47, ENDPOINT, &gre), true),
        ("IPIP", ipv4(4, ENDPOINT, inner), true),
        ("6in4", ipv4(41, ENDPOINT, &ipv6(58, INSIDE6, &[128, 0, 0, 0])[14..]), true),
        ("ESP in UDP", ipv4(17, ENDPOINT, &udp(4500, &esp)), true),
        ("L2TP data", ipv4(17, ENDPOINT, &udp(1701, &data)), true),
        ("shortest L2TP data", ipv4(17, ENDPOINT, &udp(1701, &data[..6])), true),
        ("padded L2TP data", padded(ipv4(17, ENDPOINT, &udp(1701, &data[..6]))), true),
        ("ESP behind options", ipv4_with(&options, 0, 50, ENDPOINT, &esp), true),
        ("L2TP behind options", ipv4_with(&options, 0, 17, ENDPOINT, &udp(1701, &data)), true),
        ("ESP with DF", ipv4_with(&[], 0x4000, 50, ENDPOINT, &esp), true),
        ("ESP to another", ipv4(50, OTHER, &esp), false),
        ("GRE to another", ipv4(47, OTHER, &gre), false),
        ("IPIP to another", ipv4(4, OTHER, inner), false),
        ("6in4 to another", ipv4(41, OTHER, &ipv6(59, INSIDE6, &[])[14..]), false),
        ("ESP in UDP to another", ipv4(17, OTHER, &udp(4500, &esp)), false),
        ("L2TP data to another", ipv4(17, OTHER, &udp(1701, &data)), false),
        ("IKE", ipv4(17, ENDPOINT, &udp(500, &esp)), false),
        ("IKE with marker", ipv4(17, ENDPOINT, &udp(4500, &marked)), false),
        (
            "IKE with marker, options",
            ipv4_with(&[1; 8], 0, 17, ENDPOINT, &udp(4500, &marked)),
            false,
        ),
        ("keepalive", ipv4(17, ENDPOINT, &udp(4500, &[0xff])), false),
        ("padded keepalive", padded(ipv4(17, ENDPOINT, &udp(4500, &[0xff]))), false),
        ("three bytes on 4500", padded(ipv4(17, ENDPOINT, &udp(4500, &[1, 2, 3]))), false),
        ("nothing on 1701", padded(ipv4(17, ENDPOINT, &udp(1701, &[]))), false),
        ("L2TP control", ipv4(17, ENDPOINT, &udp(1701, &control)), false),
        ("ping", ipv4(1, ENDPOINT, &[8, 0, 0, 0, 0, 0, 0, 0]), false),
        ("first ESP fragment", ipv4_with(&[], 0x2000, 50, ENDPOINT, &esp), false),
        ("later ESP fragment", ipv4_with(&[], 0x0010, 50, ENDPOINT, &esp), false),
        ("first 6in4 fragment", ipv4_with(&[], 0x2000, 41, ENDPOINT, &[0x60; 48]), false),
        ("first UDP fragment", ipv4_with(&[], 0x2000, 17, ENDPOINT, &udp(4500, &esp)), false),
        ("later UDP fragment", ipv4_with(&[], 0x0001, 17, ENDPOINT, &udp(4500, &esp)), false),
        ("owned", ipv4(6, INSIDE, &[0; 20]), true),
        ("owned, options", ipv4_with(&options, 0, 6, INSIDE, &[0; 20]), true),
        ("owned, no payload", ipv4(6, INSIDE, &[]), true),
        ("owned, first fragment", ipv4_with(&[], 0x2000, 17, INSIDE, &[0; 24]), true),
        ("owned, later fragment", ipv4_with(&[], 0x0003, 50, INSIDE, &[0; 24]), true),
        ("owned, IKE between strangers", ipv4(17, INSIDE, &udp(4500, &marked)), true),
        ("owned, ESP between strangers", ipv4(50, INSIDE, &esp), true),
        ("owned group", ipv4(17, GROUP, &udp(5004, &[0; 20])), true),
        ("own address", ipv4(6, OWN, &[0; 20]), false),
        ("own address, ESP", ipv4(50, OWN, &esp), false),
        ("outside the prefix", ipv4(6, Ipv4Addr::new(10, 2, 2, 3), &[0; 20]), false),
        ("broadcast", ipv4(17, broadcast, &udp(4500, &esp)), false),
        ("multicast", ipv4(89, multicast, &[2, 1, 0, 44]), false),
    ];
    frames.extend(not_ipv4(&esp));
    frames.extend(over_ipv6(&esp));
    frames.extend(not_ipv6(&esp));
    frames
}

/// The same over IPv6.
fn over_ipv6(esp: &[u8]) -> Vec<(&'static str, Vec<u8>, bool)> {
    let gre = [0, 0, 0x08, 0, 0x45, 0, 0, 20];
    let echo = &ipv6(58, INSIDE6, &[128, 0, 0, 0])[14..];
    // An extension header of eight bytes in front of ESP; as a fragment header it is an atomic one.
    let extended = &[&[50, 0, 0, 0, 0, 0, 0, 0], esp].concat();
    let later_fragment = &[&[50, 0, 0x00, 0x10, 0, 0, 0, 9], esp].concat();
    let solicitation = [135; 24];
    let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    let solicited = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1);
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    vec![
        ("ESP over IPv6", ipv6(50, ENDPOINT6, esp), true),
        ("GRE over IPv6", ipv6(47, ENDPOINT6, &gre), true),
        ("4in6", ipv6(4, ENDPOINT6, &ipv4(1, INSIDE, &[8, 0, 0, 0])[14..]), true),
        ("6in6", ipv6(41, ENDPOINT6, echo), true),
        ("padded ESP over IPv6", padded(ipv6(50, ENDPOINT6, &[])), true),
        ("ESP over IPv6 to another", ipv6(50, OTHER6, esp), false),
        ("GRE over IPv6 to another", ipv6(47, OTHER6, &gre), false),
        ("6in6 to another", ipv6(41, OTHER6, echo), false),
        ("ESP in UDP over IPv6", ipv6(17, ENDPOINT6, &udp(4500, esp)), false),
        ("L2TP data over IPv6", ipv6(17, ENDPOINT6, &udp(1701, &[0, 2, 0, 1, 0, 2])), false),
        ("ping over IPv6", ipv6(58, ENDPOINT6, &[128, 0, 0, 0, 0, 0, 0, 0]), false),
        ("atomic ESP fragment over IPv6", ipv6(44, ENDPOINT6, extended), false),
        ("later ESP fragment over IPv6", ipv6(44, ENDPOINT6, later_fragment), false),
        ("ESP behind hop-by-hop options", ipv6(0, ENDPOINT6, extended), false),
        ("ESP behind a routing header", ipv6(43, ENDPOINT6, extended), false),
        ("ESP behind destination options", ipv6(60, ENDPOINT6, extended), false),
        ("owned, IPv6", ipv6(6, INSIDE6, &[0; 20]), true),
        ("owned, IPv6, no payload", ipv6(59, INSIDE6, &[]), true),
        ("owned, IPv6 fragment", ipv6(44, INSIDE6, later_fragment), true),
        ("owned, hop-by-hop options", ipv6(0, INSIDE6, extended), true),
        ("owned, ESP between IPv6 strangers", ipv6(50, INSIDE6, esp), true),
        ("owned IPv6 group", ipv6(17, GROUP6, &udp(5004, &[0; 20])), true),
        ("own IPv6 address", ipv6(6, OWN6, &[0; 20]), false),
        ("own IPv6 address, ESP", ipv6(50, OWN6, esp), false),
        ("outside the IPv6 prefix", ipv6(6, documentation(0x1235, 5), &[0; 20]), false),
        ("neighbour solicitation", ipv6(58, solicited, &solicitation), false),
        ("neighbour solicitation to one", ipv6(58, link_local, &solicitation), false),
        ("router advertisement", ipv6(58, all_nodes, &[134; 16]), false),
        ("ESP to a link-local address", ipv6(50, link_local, esp), false),
    ]
}

/// ESP to an IPv6 endpoint with something wrong in front of it.
fn not_ipv6(esp: &[u8]) -> Vec<(&'static str, Vec<u8>, bool)> {
    let changed = |at: usize, byte| {
        let mut frame = ipv6(50, ENDPOINT6, esp);
        frame[at] = byte;
        frame
    };
    vec![
        ("IPv6 of version 4", changed(14, 0x45), false),
        ("IPv6 longer than the frame", changed(19, esp.len() as u8 + 1), false),
        ("IPv6 much longer than the frame", changed(18, 0xff), false),
        ("IPv6 behind the ethertype of IPv4", changed(12, 0x08), false),
    ]
}

/// ESP to an endpoint with something wrong in front of it.
fn not_ipv4(esp: &[u8]) -> Vec<(&'static str, Vec<u8>, bool)> {
    let vlan = {
        let mut frame = ipv4(50, ENDPOINT, esp);
        frame.splice(12..12, [0x81, 0x00, 0x00, 0x05]);
        frame
    };
    let ethertype = |high, low| {
        let mut frame = ipv4(50, ENDPOINT, esp);
        frame[12..14].copy_from_slice(&[high, low]);
        frame
    };
    let version = |byte| {
        let mut frame = ipv4(50, ENDPOINT, esp);
        frame[14] = byte;
        frame
    };
    vec![
        ("VLAN", vlan, false),
        ("IPv6", ethertype(0x86, 0xdd), false),
        ("ARP", ethertype(0x08, 0x06), false),
        ("version 6", version(0x65), false),
        ("header of 16 bytes", version(0x44), false),
        ("header longer than the packet", version(0x4f), false),
    ]
}

#[test]
fn every_kind_of_frame_goes_where_it_belongs() {
    let bench = Bench::new();
    let judge = bench.program(ALL);
    for (name, frame, taken) in table() {
        assert_eq!(judge.takes(&frame), taken, "{name}");
        assert_eq!(model().takes(&ALL, &frame), taken, "the model is wrong about {name}");
    }
}

#[test]
fn tunnels_and_prefixes_are_taken_only_where_the_interface_wants_them() {
    let bench = Bench::new();
    for (tunnels, prefixes) in [(false, false), (true, false), (false, true)] {
        let classifier = Classifier { tunnels, prefixes };
        let judge = bench.program(classifier);
        for (name, frame, taken) in table() {
            let to_prefix = name.starts_with("owned");
            let wanted = taken && if to_prefix { prefixes } else { tunnels };
            assert_eq!(judge.takes(&frame), wanted, "{name} under {classifier:?}");
        }
    }
}

#[test]
fn packets_cut_short_anywhere_pass() {
    let judge = Bench::new().program(ALL);
    for (name, frame, _) in table() {
        // Padding is no part of the packet: it may be missing.
        let half = |at| usize::from(u16::from_be_bytes([frame[at], frame[at + 1]]));
        let packet_len = if frame[12] == 0x86 { 14 + 40 + half(18) } else { 14 + half(16) };
        for len in 14..frame.len().min(packet_len) {
            assert!(!judge.takes(&frame[..len]), "{name} cut to {len} bytes");
        }
    }
}

#[test]
fn random_frames_are_judged_as_the_model_judges() {
    let bench = Bench::new();
    let judge = bench.program(ALL);
    let mut random = Random::seeded(1);
    for _ in 0..1000 {
        let len = 14 + random.below(1500);
        let frame = random.bytes(len);
        assert_eq!(judge.takes(&frame), model().takes(&ALL, &frame), "{frame:02x?}");
    }
}

#[test]
fn damaged_frames_are_judged_as_the_model_judges() {
    let bench = Bench::new();
    let mut random = Random::seeded(2);
    let (table, model) = (table(), model());
    let (mut taken, mut passed) = (0, 0);
    for (tunnels, prefixes) in [(true, true), (true, false), (false, true)] {
        let classifier = Classifier { tunnels, prefixes };
        let judge = bench.program(classifier);
        for _ in 0..4000 {
            let mut frame = table[random.below(table.len())].1.clone();
            for _ in 0..=random.below(3) {
                // Beyond the Ethernet addresses, mostly in the headers.
                let at = 12 + random.below(frame.len().min(56) - 12);
                frame[at] ^= 1 << random.below(8);
            }
            if random.below(4) == 0 {
                frame.truncate(14 + random.below(frame.len() - 14));
            }
            let takes = model.takes(&classifier, &frame);
            assert_eq!(judge.takes(&frame), takes, "{classifier:?} on {frame:02x?}");
            if takes { taken += 1 } else { passed += 1 }
        }
    }
    assert!(taken > 1000 && passed > 1000, "one-sided: {taken} taken, {passed} passed");
}

#[test]
fn endpoints_come_and_go_without_reloading() {
    let bench = Bench::new();
    let judge = bench.program(ALL);
    let esp = [0xc0, 0, 0, 1, 0, 0, 0, 1];
    let endpoints = &bench.endpoints;
    for (address, frame) in
        [(IpAddr::V4(OTHER), ipv4(50, OTHER, &esp)), (IpAddr::V6(OTHER6), ipv6(50, OTHER6, &esp))]
    {
        assert!(!judge.takes(&frame));
        endpoints.insert(address).unwrap();
        endpoints.insert(address).unwrap();
        assert!(judge.takes(&frame));
        assert!(endpoints.remove(address).unwrap());
        assert!(!judge.takes(&frame));
        assert!(!endpoints.remove(address).unwrap());
    }
}

#[test]
fn longest_prefix_decides_and_changes_without_reloading() {
    let bench = Bench::new();
    let judge = bench.program(ALL);
    let prefixes = &bench.prefixes;
    let to = |a, b, c, d| ipv4(6, Ipv4Addr::new(a, b, c, d), &[0; 20]);
    let any = Ipv4Addr::UNSPECIFIED;
    prefixes.insert(any, 0, true).unwrap();
    assert!(judge.takes(&to(203, 0, 113, 9)));
    assert!(!judge.takes(&to(10, 1, 0, 1)), "the own /32 is longer");
    // Bits beyond the length do not make another prefix.
    prefixes.insert(Ipv4Addr::new(203, 0, 113, 77), 24, false).unwrap();
    assert!(!judge.takes(&to(203, 0, 113, 9)));
    assert!(judge.takes(&to(203, 0, 114, 9)));
    prefixes.insert(Ipv4Addr::new(203, 0, 113, 0), 24, true).unwrap();
    assert!(judge.takes(&to(203, 0, 113, 9)));
    assert!(prefixes.remove(Ipv4Addr::new(203, 0, 113, 0), 24).unwrap());
    assert!(prefixes.remove(any, 0).unwrap());
    assert!(!prefixes.remove(any, 0).unwrap());
    assert!(!judge.takes(&to(203, 0, 113, 9)));
    assert!(judge.takes(&to(10, 1, 2, 3)));
}

#[test]
fn longest_ipv6_prefix_decides_and_changes_without_reloading() {
    let bench = Bench::new();
    let judge = bench.program(ALL);
    let prefixes = &bench.prefixes;
    let to = |net, host| ipv6(6, documentation(net, host), &[0; 20]);
    let any = Ipv6Addr::UNSPECIFIED;
    prefixes.insert(any, 0, true).unwrap();
    assert!(judge.takes(&to(9, 9)));
    assert!(!judge.takes(&to(0x1234, 1)), "the own /128 is longer");
    assert!(!judge.takes(&ipv4(6, OTHER, &[0; 20])), "the default is that of the other family");
    // Bits beyond the length do not make another prefix.
    prefixes.insert(documentation(9, 0x77), 121, false).unwrap();
    assert!(!judge.takes(&to(9, 9)));
    assert!(judge.takes(&to(9, 0x80)));
    prefixes.insert(documentation(9, 0), 121, true).unwrap();
    assert!(judge.takes(&to(9, 9)));
    assert!(prefixes.remove(documentation(9, 0), 121).unwrap());
    assert!(prefixes.remove(any, 0).unwrap());
    assert!(!prefixes.remove(any, 0).unwrap());
    assert!(!judge.takes(&to(9, 9)));
    assert!(judge.takes(&to(0x1234, 5)));
}

#[test]
fn frame_taken_on_a_queue_without_a_socket_passes() {
    let bench = Bench::new();
    let program = Program::load(&ALL, &bench.maps()).unwrap();
    for (name, frame, _) in table() {
        assert_eq!(program.test_run(&frame).unwrap(), Verdict::Pass, "{name}");
    }
}

#[test]
fn refused_program_shows_what_the_verifier_says() {
    need_root();
    let error = Program::load_instructions(&[]).unwrap_err();
    assert!(error.to_string().contains("refuses"), "{error}");
    // Without its last instruction the program runs off its end.
    let bench = Bench::new();
    let mut instructions = ALL.assemble(&bench.maps(), Verdict::Pass);
    instructions.pop();
    let error = Program::load_instructions(&instructions).unwrap_err();
    assert!(!error.verifier_log.is_empty(), "{error}");
}
