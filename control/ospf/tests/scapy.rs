//! Packets that scapy composed, and digests of Python's: each is read, says what scapy was told,
//! and is written again with the same bytes.

use std::net::Ipv4Addr;

use engine::{Secret, UnixTime};
use ospf::msg::{
    Body, DatabaseDescription, ExternalLsa, Header, Hello, LinkType, Lsa, LsaBody, LsaHeader,
    LsaKey, LsaType, METRIC_INFINITY, Options, Packet, RouterLink, RouterLsa,
    auth::{self, Algorithm, AuthError, Authentication, Key, Keys, Verified},
};

const NOW: UnixTime = UnixTime(1_000_000);

#[test]
fn a_hello_says_what_scapy_was_told() {
    let Body::Hello(hello) = read("hello").body else { panic!("a Hello") };
    let expected = Hello {
        mask: Ipv4Addr::new(255, 255, 255, 0),
        hello_interval: 10,
        options: Options::E,
        priority: 1,
        dead_interval: 40,
        designated: Ipv4Addr::new(192, 168, 1, 2),
        backup: Ipv4Addr::new(192, 168, 1, 1),
        neighbors: vec![Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 3)],
    };
    assert_eq!(hello, expected);
}

#[test]
fn a_description_says_what_scapy_was_told() {
    let Body::DatabaseDescription(first) = read("first description").body else { panic!("a DD") };
    let expected = DatabaseDescription {
        mtu: 1400,
        options: Options::O | Options::E,
        initial: true,
        more: true,
        master: true,
        sequence: 0xffff_fffe,
        headers: Vec::new(),
    };
    assert_eq!(first, expected);
    let Body::DatabaseDescription(second) = read("description").body else { panic!("a DD") };
    assert_eq!((second.initial, second.more, second.master), (false, false, true));
    assert_eq!(second.headers, headers());
}

#[test]
fn requests_and_acknowledgments_name_the_lsas_of_the_update() {
    let Body::LinkStateRequest(keys) = read("request").body else { panic!("a request") };
    assert_eq!(keys, headers().iter().map(LsaHeader::key).collect::<Vec<_>>());
    let Body::LinkStateAcknowledgment(acknowledged) = read("acknowledgment").body else {
        panic!("an acknowledgment")
    };
    assert_eq!(acknowledged, headers());
}

#[test]
fn lsas_say_what_scapy_was_told() {
    let address = |text: &str| text.parse::<Ipv4Addr>().expect("an address");
    let link =
        |kind, id, data, metric| RouterLink { kind, id: address(id), data: address(data), metric };
    let external = |mask, type2, metric, forwarding, tag| ExternalLsa {
        mask: address(mask),
        type2,
        metric,
        forwarding: address(forwarding),
        tag,
    };
    let expected = [
        LsaBody::Router(RouterLsa {
            flags: RouterLsa::AREA_BORDER | RouterLsa::AS_BOUNDARY,
            links: vec![
                link(LinkType::POINT_TO_POINT, "10.0.0.2", "172.16.0.1", 10),
                link(LinkType::TRANSIT, "192.168.1.2", "192.168.1.1", 1),
                link(LinkType::STUB, "172.16.0.0", "255.255.255.0", 65535),
            ],
        }),
        LsaBody::Network {
            mask: address("255.255.255.0"),
            routers: vec![address("10.0.0.1"), address("10.0.0.2"), address("10.0.0.3")],
        },
        LsaBody::Summary { mask: address("255.255.0.0"), metric: METRIC_INFINITY },
        LsaBody::AsbrSummary { metric: 12 },
        LsaBody::External(external("0.0.0.0", true, 20, "0.0.0.0", 0xfeed_f00d)),
        LsaBody::External(external("255.255.255.128", false, 100, "192.168.1.77", 0)),
        LsaBody::Nssa(external("255.255.255.255", true, 1, "192.168.1.8", 5)),
        LsaBody::Opaque((1..=12).collect()),
    ];
    let lsas = update();
    let bodies: Vec<_> = lsas.iter().map(|lsa| lsa.body().expect("a body")).collect();
    assert_eq!(bodies, expected);
    let kinds = lsas.iter().map(|lsa| lsa.header().kind.0);
    assert!(kinds.eq([1, 2, 3, 4, 5, 5, 7, 11]));
    let first = LsaKey {
        kind: LsaType::ROUTER,
        id: address("10.0.0.1"),
        advertising_router: address("10.0.0.1"),
    };
    assert_eq!(lsas[0].key(), first);
    assert_eq!((lsas[0].header().age, lsas[0].header().sequence), (1, 5 - 0x7fff_ffff - 1));
    assert_eq!(lsas[1].header().sequence, 0x7fff_ffff);
}

#[test]
fn lsas_are_built_with_the_lengths_and_checksums_of_scapy() {
    for lsa in update() {
        assert!(lsa.checksum_ok(), "{}", lsa.key());
        let stripped = LsaHeader { checksum: 0x5555, length: 0, ..*lsa.header() };
        let body = lsa.body().expect("a body");
        assert_eq!(Lsa::build(stripped, &body), Some(lsa));
    }
}

#[test]
fn packets_of_scapy_are_authentic_and_written_again_with_the_same_bytes() {
    let packets: Vec<_> = records().into_iter().filter(|r| r[0].0 == "packet").collect();
    assert_eq!(packets.len(), 8);
    for record in packets {
        let (name, bytes) = (record[0].1, hex(record[1].1));
        let authentication = match name {
            "hello with a password" => Authentication::Simple(Secret::copy_of(b"secret")),
            _ => Authentication::None,
        };
        let header = Header::parse(&bytes).expect(name);
        let verified = auth::verify(&header, &bytes, &authentication, NOW);
        assert_eq!(verified, Ok(Verified { sequence: None }), "{name}");
        let again = Packet::parse(&bytes).expect(name).encode(&authentication, 0, NOW);
        assert_eq!(again, bytes[..usize::from(header.length)], "{name}");
        let behind = if name.ends_with("signaling") { 4 } else { 0 };
        assert_eq!(bytes.len() - again.len(), behind, "{name}");
    }
}

#[test]
fn another_password_and_another_kind_of_authentication_are_refused() {
    let verdict = |name, authentication: &Authentication| {
        let bytes = packet(name);
        auth::verify(&Header::parse(&bytes).expect(name), &bytes, authentication, NOW)
    };
    let with_password = |text: &[u8]| Authentication::Simple(Secret::copy_of(text));
    let name = "hello with a password";
    assert_eq!(verdict(name, &with_password(b"Secret")), Err(AuthError::Password));
    assert_eq!(verdict(name, &with_password(b"")), Err(AuthError::Password));
    let other = |kind: u16| Err(AuthError::Type(ospf::msg::AuthenticationType(kind)));
    assert_eq!(verdict(name, &Authentication::None), other(1));
    assert_eq!(verdict("hello", &with_password(b"secret")), other(0));
    assert_eq!(verdict("hello", &one_key(1, Algorithm::Md5, b"secret")), other(0));
}

#[test]
fn every_bit_under_a_checksum_counts() {
    let bytes = packet("update");
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        // The authentication field is not covered.
        let covered = !(16 * 8..24 * 8).contains(&bit);
        let verdict = Header::parse(&damaged)
            .ok()
            .map(|header| auth::verify(&header, &damaged, &Authentication::None, NOW).is_ok());
        assert_eq!(verdict.unwrap_or(false), !covered, "bit {bit}");
    }
}

#[test]
fn digests_are_those_of_python() {
    let mut count = 0;
    for record in records().iter().filter(|record| record[0].0 == "digest") {
        let (secret, bytes) = (hex(record[1].1), hex(record[2].1));
        let header = Header::parse(&bytes).expect("a header");
        let authentication = one_key(bytes[18], algorithm(record[0].1), &secret);
        let sequence = u32::from_be_bytes(bytes[20..24].try_into().expect("four bytes"));
        let verified = auth::verify(&header, &bytes, &authentication, NOW);
        assert_eq!(verified, Ok(Verified { sequence: Some(sequence) }));
        let packet = Packet::parse(&bytes).expect("a packet");
        assert_eq!(packet.encode(&authentication, sequence, NOW), bytes);
        count += 1;
    }
    assert_eq!(count, 5 * 4);
}

#[test]
fn every_bit_of_a_packet_with_a_digest_is_authentic() {
    for record in records().iter().filter(|record| record[0].0 == "digest").step_by(4) {
        let (secret, bytes) = (hex(record[1].1), hex(record[2].1));
        let authentication = one_key(bytes[18], algorithm(record[0].1), &secret);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let Ok(header) = Header::parse(&damaged) else { continue };
            let verdict = auth::verify(&header, &damaged, &authentication, NOW);
            assert!(verdict.is_err(), "{} bit {bit}", record[0].1);
        }
        let header = Header::parse(&bytes).expect("a header");
        let cut = auth::verify(&header, &bytes[..bytes.len() - 1], &authentication, NOW);
        assert_eq!(cut, Err(AuthError::Length));
        let mut signaling = bytes.clone();
        signaling.extend_from_slice(&[0xff; 12]);
        assert!(auth::verify(&header, &signaling, &authentication, NOW).is_ok());
    }
}

#[test]
fn keys_of_another_id_secret_or_algorithm_are_refused() {
    let record = &records().into_iter().find(|record| record[0].0 == "digest").expect("a digest");
    let (secret, bytes) = (hex(record[1].1), hex(record[2].1));
    let header = Header::parse(&bytes).expect("a header");
    let verdict = |id, algorithm, secret: &[u8]| {
        auth::verify(&header, &bytes, &one_key(id, algorithm, secret), NOW).expect_err("not it")
    };
    assert_eq!(verdict(1, Algorithm::Md5, &secret), AuthError::Key(200));
    assert_eq!(verdict(200, Algorithm::Md5, b"cisco124"), AuthError::Digest);
    assert_eq!(verdict(200, Algorithm::HmacSha256, &secret), AuthError::Length);
    assert_eq!(verdict(1, Algorithm::Md5, b"").to_string(), "no key 200 for this time");
}

/// Wherever a packet ends, and whether or not its length field says so.
#[test]
fn packets_cut_short_are_refused_or_read() {
    for record in records() {
        let bytes = hex(record.last().expect("a field").1);
        let length = usize::from(Header::parse(&bytes).expect("a header").length);
        for len in 0..length {
            assert!(Packet::parse(&bytes[..len]).is_err(), "{len} of {length} bytes");
            let mut cut = bytes[..len].to_vec();
            if let Some(field) = cut.get_mut(2..4) {
                field.copy_from_slice(&u16::try_from(len).expect("short").to_be_bytes());
            }
            let Ok(packet) = Packet::parse(&cut) else { continue };
            assert_eq!(packet.encode(&Authentication::None, 0, NOW).len(), len);
        }
    }
}

#[test]
fn bodies_of_lsas_cut_short_or_drawn_out_are_refused_unless_whole() {
    for lsa in update() {
        let whole = lsa.body().expect("a body");
        let mut bytes = Vec::new();
        lsa.write(&mut bytes);
        bytes.extend_from_slice(&[0; 16]);
        for len in 0..bytes.len() {
            let mut cut = bytes[..len].to_vec();
            if let Some(field) = cut.get_mut(18..20) {
                field.copy_from_slice(&u16::try_from(len).expect("short").to_be_bytes());
            }
            let Ok(cut) = Lsa::parse(&cut) else {
                assert!(len < LsaHeader::LEN);
                continue;
            };
            assert_eq!(cut.len(), len);
            assert!(len == lsa.len() || !cut.checksum_ok(), "{} {len}", lsa.key());
            let Ok(body) = cut.body() else { continue };
            match body {
                LsaBody::Router(_) => assert_eq!(len, lsa.len()),
                LsaBody::Network { routers, .. } => assert_eq!(len, 24 + 4 * routers.len()),
                // Metrics for other types of service follow.
                LsaBody::Summary { .. } | LsaBody::AsbrSummary { .. } => {
                    assert!(len >= 28 && len.is_multiple_of(4) && body == whole);
                }
                LsaBody::External(_) | LsaBody::Nssa(_) => {
                    assert!((len == 36 || len == 48) && body == whole);
                }
                LsaBody::Opaque(bytes) => assert_eq!(bytes.len(), len - 20),
            }
        }
    }
}

fn one_key(id: u8, algorithm: Algorithm, secret: &[u8]) -> Authentication {
    let secret = Secret::copy_of(secret);
    let key = Key { id, algorithm, secret, accept: None, generate: None };
    Authentication::Cryptographic(Keys::new(vec![key]).expect("a key"))
}

fn algorithm(name: &str) -> Algorithm {
    match name {
        "md5" => Algorithm::Md5,
        "sha1" => Algorithm::HmacSha1,
        "sha256" => Algorithm::HmacSha256,
        "sha384" => Algorithm::HmacSha384,
        "sha512" => Algorithm::HmacSha512,
        other => panic!("no {other}"),
    }
}

fn update() -> Vec<Lsa> {
    let Body::LinkStateUpdate(lsas) = read("update").body else { panic!("an update") };
    assert_eq!(lsas.len(), 8);
    lsas
}

fn headers() -> Vec<LsaHeader> {
    update().iter().map(|lsa| *lsa.header()).collect()
}

fn read(name: &str) -> Packet {
    let packet = Packet::parse(&packet(name)).expect(name);
    assert_eq!(packet.router_id, Ipv4Addr::new(10, 0, 0, 1));
    assert_eq!(packet.area_id, Ipv4Addr::new(0, 0, 0, 1));
    packet
}

fn packet(name: &str) -> Vec<u8> {
    let record = records().into_iter().find(|record| record[0] == ("packet", name));
    hex(record.expect(name)[1].1)
}

/// The records of the file, each a list of names and values.
fn records() -> Vec<Vec<(&'static str, &'static str)>> {
    let text = include_str!("../../../tests/vectors/ospf-scapy.txt");
    let records = text.trim_end().split("\n\n").skip(1);
    records
        .map(|record| record.lines().map(|line| line.split_once(" = ").expect("a field")).collect())
        .collect()
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(byte).collect()
}
