//! Packets as values: what is written is read again, what lies is refused, and no bytes bring a
//! parser down.

use std::cmp::Ordering;
use std::net::Ipv4Addr;

use engine::{Secret, UnixTime};
use ospf::msg::{
    Body, DatabaseDescription, ExternalLsa, Fault, Header, Hello, INITIAL_SEQUENCE, LSA_LEN_MAX,
    LinkType, Lsa, LsaBody, LsaHeader, LsaKey, LsaType, MAX_AGE, MAX_SEQUENCE, METRIC_INFINITY,
    Malformed, Options, Packet, PacketType, Part, Room, RouterLink, RouterLsa,
    auth::{self, Algorithm, AuthError, Authentication, Key, Keys, Window},
    compare_recency,
};
use proptest::{collection::vec, prelude::*};

const NOW: UnixTime = UnixTime(1000);

proptest! {
    #[test]
    fn what_is_written_is_read_again(packet in packet()) {
        let bytes = packet.encode(&Authentication::None, 0, NOW);
        let header = Header::parse(&bytes).expect("a header");
        prop_assert!(auth::verify(&header, &bytes, &Authentication::None, NOW).is_ok());
        prop_assert_eq!(Packet::parse(&bytes), Ok(packet));
    }

    #[test]
    fn no_bytes_bring_a_parser_down(kind in 0_u8..8, input in vec(any::<u8>(), 0..300)) {
        let _ = Packet::parse(&input);
        let _ = Lsa::parse(&input).map(|lsa| lsa.body());
        let mut bytes = with_header(kind, &input);
        if let Ok(packet) = Packet::parse(&bytes) {
            // Reserved fields are ignored, so the bytes may differ; what they say must not.
            let again = packet.encode(&Authentication::None, 0, NOW);
            prop_assert_eq!(again.len(), bytes.len());
            prop_assert_eq!(Packet::parse(&again), Ok(packet));
        }
        bytes.truncate(Header::LEN + input.len() / 2);
        prop_assert!(Packet::parse(&bytes).is_err() || input.is_empty());
    }

    #[test]
    fn a_checksum_holds_at_every_age_and_nothing_else(
        lsa in lsa(),
        age in any::<u16>(),
        place in any::<prop::sample::Index>(),
        change in 1_u8..255,
    ) {
        prop_assert!(lsa.checksum_ok() && lsa.with_age(age).checksum_ok());
        prop_assert_eq!(lsa.with_age(age).header().age, age.min(MAX_AGE));
        let mut bytes = Vec::new();
        lsa.write(&mut bytes);
        let place = 2 + place.index(bytes.len() - 2);
        prop_assume!(!(18..20).contains(&place));
        // Fletcher's sums are modulo 255, so they see any change but that between 0 and 255.
        bytes[place] = match bytes[place].wrapping_add(change) {
            0 if bytes[place] == 255 => 1,
            other => other,
        };
        prop_assert!(!Lsa::parse(&bytes).expect("an LSA").checksum_ok());
    }

    #[test]
    fn recency_is_the_same_from_both_sides(a in lsa_header(), b in lsa_header()) {
        prop_assert_eq!(compare_recency(&a, &b), compare_recency(&b, &a).reverse());
        prop_assert_eq!(compare_recency(&a, &a), Ordering::Equal);
    }
}

/// RFC 2328 section 13.1.
#[test]
fn recency_is_by_sequence_then_checksum_then_age() {
    let header = |sequence, checksum, age| LsaHeader { sequence, checksum, age, ..example() };
    let newer = |a, b| {
        assert_eq!(compare_recency(&a, &b), Ordering::Greater, "{a:?} {b:?}");
        assert_eq!(compare_recency(&b, &a), Ordering::Less, "{a:?} {b:?}");
    };
    newer(header(1, 0, 0), header(-1, 9, 0));
    newer(header(INITIAL_SEQUENCE + 1, 0, 3000), header(INITIAL_SEQUENCE, 9, 0));
    newer(header(MAX_SEQUENCE, 0, 0), header(INITIAL_SEQUENCE, 0, 0));
    newer(header(5, 0x8000, 0), header(5, 0x7fff, MAX_AGE));
    newer(header(5, 7, MAX_AGE), header(5, 7, 0));
    newer(header(5, 7, MAX_AGE), header(5, 7, MAX_AGE - 1));
    newer(header(5, 7, 100), header(5, 7, 1001));
    assert_eq!(compare_recency(&header(5, 7, 100), &header(5, 7, 1000)), Ordering::Equal);
}

#[test]
fn an_age_ends_at_an_hour() {
    let header = LsaHeader { age: 3598, ..example() };
    assert_eq!((header.aged_by(1).age, header.aged_by(1).is_max_age()), (3599, false));
    assert_eq!((header.aged_by(2).age, header.aged_by(2).is_max_age()), (3600, true));
    assert_eq!(header.aged_by(u16::MAX).age, 3600);
}

#[test]
fn lengths_and_counts_that_lie_are_refused() {
    let refused = |kind: u8, body: &[u8], part, fault| {
        let error = Packet::parse(&with_header(kind, body)).expect_err("it lies");
        assert_eq!(error, Malformed { part, fault }, "{error}");
    };
    let part = |kind: u8| Part::Body(PacketType(kind));
    refused(1, &[0; 19], part(1), Fault::Truncated);
    refused(1, &[0; 22], part(1), Fault::Truncated);
    refused(2, &[0; 7], part(2), Fault::Truncated);
    refused(2, &[0; 9], part(2), Fault::Truncated);
    // An LSA header whose LSA is shorter than its header.
    refused(2, &[0; 28], part(2), Fault::Length);
    refused(5, &[0; 20], part(5), Fault::Length);
    refused(3, &[0; 11], part(3), Fault::Truncated);
    // A request for type 256.
    refused(3, &[0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], part(3), Fault::Value);
    refused(4, &[0; 3], part(4), Fault::Truncated);
    refused(4, &[0, 0, 0, 1], part(4), Fault::Count);
    refused(4, &[0xff; 4], part(4), Fault::Count);
    refused(4, &[0, 0, 0, 1, 0], Part::LsaHeader, Fault::Truncated);
    refused(6, &[], part(6), Fault::Type);
    // An LSA that is longer than the packet, and one that is shorter than its header.
    let mut update = vec![0, 0, 0, 1];
    let opaque = Lsa::build(LsaHeader { kind: LsaType::OPAQUE_AS, ..example() }, &opaque(4));
    opaque.expect("short").write(&mut update);
    assert!(Packet::parse(&with_header(4, &update)).is_ok());
    update[4 + 19] += 1;
    refused(4, &update, Part::LsaHeader, Fault::Truncated);
    update[4 + 19] = 19;
    refused(4, &update, Part::LsaHeader, Fault::Length);
    update[4 + 19] = 23;
    refused(4, &update, Part::LsaHeader, Fault::Truncated);
    let header = |bytes: &[u8]| Header::parse(bytes).expect_err("no header").fault;
    assert_eq!(header(&[]), Fault::Truncated);
    assert_eq!(header(&[3, 1, 0, 24]), Fault::Version);
    let mut bytes = with_header(1, &[]);
    assert_eq!(header(&bytes[..23]), Fault::Truncated);
    bytes[3] = 23;
    assert_eq!(header(&bytes), Fault::Length);
}

#[test]
fn bodies_of_lsas_that_lie_are_refused() {
    let refused = |kind: LsaType, body: &[u8], fault| {
        let whole = Lsa::build(LsaHeader { kind, ..example() }, &LsaBody::Opaque(body.to_vec()));
        let error = whole.expect("short").body().expect_err("it lies");
        assert_eq!(error, Malformed { part: Part::Lsa(kind), fault }, "{error}");
    };
    // A link that is not there, one that is not counted, and one of 255 types of service.
    refused(LsaType::ROUTER, &[0, 0, 0, 1], Fault::Truncated);
    refused(LsaType::ROUTER, &[0; 16], Fault::Trailing);
    let link = [&[0, 0, 0, 1][..], &[0; 9], &[255, 0, 1]].concat();
    refused(LsaType::ROUTER, &link, Fault::Truncated);
    refused(LsaType::NETWORK, &[255, 255, 255, 0], Fault::Count);
    refused(LsaType::NETWORK, &[255, 255, 255, 0, 1], Fault::Truncated);
    refused(LsaType::NETWORK, &[255, 0, 255, 0, 1, 1, 1, 1], Fault::Value);
    refused(LsaType::SUMMARY, &[255, 255, 255, 0], Fault::Truncated);
    refused(LsaType::SUMMARY, &[0, 0, 0, 1, 0, 0, 0, 1], Fault::Value);
    refused(LsaType::ASBR_SUMMARY, &[0; 9], Fault::Trailing);
    refused(LsaType::EXTERNAL, &[0; 15], Fault::Truncated);
    refused(LsaType::EXTERNAL, &[0; 20], Fault::Trailing);
    refused(LsaType::NSSA, &[0; 27], Fault::Trailing);
    refused(LsaType(6), &[], Fault::Type);
    refused(LsaType(200), &[], Fault::Type);
}

/// RFC 2328 appendix A.4.2: metrics for other types of service follow that of a link.
#[test]
fn metrics_for_types_of_service_are_passed_over() {
    let body = [
        &[0, 0, 0, 2][..],
        &[1, 1, 1, 1, 2, 2, 2, 2, 3, 2, 0, 7, 8, 0, 0, 9, 16, 0, 0, 9],
        &[3, 3, 3, 3, 4, 4, 4, 4, 3, 0, 0, 8],
    ]
    .concat();
    let bytes = Lsa::build(
        LsaHeader { kind: LsaType::ROUTER, ..example() },
        &LsaBody::Opaque(body.clone()),
    );
    let Ok(LsaBody::Router(router)) = bytes.expect("short").body() else { panic!("a router") };
    let link = |id, data, metric| RouterLink {
        kind: LinkType::STUB,
        id: Ipv4Addr::from([id; 4]),
        data: Ipv4Addr::from([data; 4]),
        metric,
    };
    assert_eq!(router.links, [link(1, 2, 7), link(3, 4, 8)]);
}

/// Numbers that we do not know are kept, and what they are called is a number.
#[test]
fn unknown_links_and_lsas_are_kept() {
    let link = RouterLink {
        kind: LinkType(77),
        id: Ipv4Addr::LOCALHOST,
        data: Ipv4Addr::BROADCAST,
        metric: 1,
    };
    let body = LsaBody::Router(RouterLsa { flags: 0xff, links: vec![link] });
    let lsa = Lsa::build(example(), &body).expect("short");
    assert_eq!(lsa.body(), Ok(body));
    let names = [LinkType(77).to_string(), LsaType(6).to_string(), LsaType::NSSA.to_string()];
    assert_eq!(names, ["LinkType 77", "LsaType 6", "NSSA-External"]);
    assert_eq!(lsa.key().to_string(), "Router LSA 1.2.3.4 of 5.6.7.8");
    assert_eq!((Options::O | Options::E).to_string(), "-|O|-|-|-|-|E|-");
}

#[test]
fn an_lsa_that_fits_into_no_packet_is_not_built() {
    let longest = LSA_LEN_MAX - LsaHeader::LEN;
    let header = LsaHeader { kind: LsaType::OPAQUE_AREA, ..example() };
    let lsa = Lsa::build(header, &opaque(longest)).expect("it fits");
    assert!(lsa.checksum_ok());
    assert_eq!(Lsa::build(header, &opaque(longest + 1)), None);
    let link = RouterLink {
        kind: LinkType::STUB,
        id: Ipv4Addr::LOCALHOST,
        data: Ipv4Addr::BROADCAST,
        metric: 1,
    };
    let links = vec![link; 70_000];
    assert_eq!(Lsa::build(example(), &LsaBody::Router(RouterLsa { flags: 0, links })), None);
    // With the longest digest, it is the longest IP packet.
    let packet = of_body(Body::LinkStateUpdate(vec![lsa]));
    let bytes = packet.encode(&keys(vec![key(1, Algorithm::HmacSha512, None)]), 1, NOW);
    assert_eq!(bytes.len() + 20, 65_535);
}

#[test]
fn a_metric_that_does_not_fit_is_no_way() {
    let summary = LsaBody::Summary { mask: Ipv4Addr::BROADCAST, metric: 1 << 24 };
    let lsa = Lsa::build(example(), &summary).expect("short");
    let infinite = LsaBody::Summary { mask: Ipv4Addr::BROADCAST, metric: METRIC_INFINITY };
    assert_eq!(lsa.body(), Ok(infinite));
}

/// Full packets, by their lengths as IP packets.
#[test]
fn what_fits_into_a_packet_leaves_it_unfragmented_and_no_more_would() {
    let digest = keys(vec![key(1, Algorithm::HmacSha256, None)]);
    for authentication in [&Authentication::None, &digest] {
        for mtu in [576, 1400, 1500, 9000] {
            let room = Room::new(mtu, authentication, NOW);
            let full = |body: &dyn Fn(usize) -> Body, fits: usize| {
                let len = |count| 20 + of_body(body(count)).encode(authentication, 1, NOW).len();
                let mtu = usize::from(mtu);
                assert!(len(fits) <= mtu && len(fits + 1) > mtu, "{fits} in {mtu}");
            };
            let acknowledgment = |n| Body::LinkStateAcknowledgment(vec![lsa_of(0); n]);
            let lsas = |n| Body::LinkStateUpdate(vec![lsa_with(44); n]);
            full(&|n| Body::LinkStateRequest(vec![example().key(); n]), room.requested());
            full(&acknowledgment, room.acknowledged());
            full(&description, room.described());
            full(&lsas, room.updated([64; 1000]));
        }
    }
    let room = Room::new(100, &Authentication::None, NOW);
    assert_eq!((room.updated([]), room.updated([4000, 20]), room.updated([20, 4000])), (0, 1, 1));
    let none = Room::new(0, &Authentication::None, NOW);
    assert_eq!((none.described(), none.requested(), none.acknowledged()), (1, 1, 1));
}

/// RFC 2328 appendix D.3: the old key is taken until it expires, the new one is sent with as soon
/// as its time has come.
#[test]
fn keys_roll_over_without_a_gap() {
    let here = keys(vec![
        Key { accept: window(0, 200), ..key(1, Algorithm::Md5, window(0, 100)) },
        Key { accept: window(50, 300), ..key(2, Algorithm::HmacSha1, window(100, 300)) },
    ]);
    let sent = |now| hello().encode(&here, 7, UnixTime(now));
    let id_at = |now| sent(now)[18];
    assert_eq!([id_at(0), id_at(99), id_at(100), id_at(299)], [1, 1, 2, 2]);
    let verdict = |bytes: &[u8], now| {
        let header = Header::parse(bytes).expect("a header");
        auth::verify(&header, bytes, &here, UnixTime(now)).map(|verified| verified.sequence)
    };
    let (old, new) = (sent(99), sent(100));
    assert_eq!(verdict(&old, 199), Ok(Some(7)));
    assert_eq!(verdict(&old, 200), Err(AuthError::Key(1)));
    assert_eq!(verdict(&new, 49), Err(AuthError::Key(2)));
    assert_eq!(verdict(&new, 50), Ok(Some(7)));
    // All have expired: the last one goes on, and no other.
    assert_eq!(id_at(10_000), 2);
    assert_eq!(verdict(&new, 10_000), Ok(Some(7)));
    assert_eq!(verdict(&old, 10_000), Err(AuthError::Key(1)));
}

#[test]
fn between_two_keys_the_one_that_was_goes_on() {
    let here = keys(vec![
        key(1, Algorithm::Md5, window(0, 100)),
        key(2, Algorithm::Md5, window(500, 600)),
    ]);
    assert_eq!(hello().encode(&here, 7, UnixTime(300))[18], 1);
    let always = keys(vec![key(1, Algorithm::Md5, None), key(2, Algorithm::Md5, window(5, 9))]);
    let id_at = |now| hello().encode(&always, 7, UnixTime(now))[18];
    assert_eq!([id_at(4), id_at(5), id_at(9)], [1, 2, 1]);
    // Of two that began at once, the last one.
    let two = keys(vec![key(9, Algorithm::Md5, None), key(3, Algorithm::Md5, None)]);
    assert_eq!(hello().encode(&two, 7, NOW)[18], 3);
    assert!(Keys::new(Vec::new()).is_none());
}

fn window(start: u64, end: u64) -> Option<Window> {
    Some(Window { start: UnixTime(start), end: UnixTime(end) })
}

fn key(id: u8, algorithm: Algorithm, generate: Option<Window>) -> Key {
    Key { id, algorithm, secret: Secret::new(vec![id; 20]), accept: None, generate }
}

fn keys(keys: Vec<Key>) -> Authentication {
    Authentication::Cryptographic(Keys::new(keys).expect("keys"))
}

fn opaque(len: usize) -> LsaBody {
    LsaBody::Opaque(vec![0xa5; len])
}

fn lsa_with(body_len: usize) -> Lsa {
    let header = LsaHeader { kind: LsaType::OPAQUE_AS, ..example() };
    Lsa::build(header, &opaque(body_len)).expect("short")
}

fn lsa_of(body_len: usize) -> LsaHeader {
    *lsa_with(body_len).header()
}

fn description(count: usize) -> Body {
    Body::DatabaseDescription(DatabaseDescription {
        mtu: 1500,
        options: Options::E,
        initial: false,
        more: false,
        master: false,
        sequence: 1,
        headers: vec![lsa_of(0); count],
    })
}

fn hello() -> Packet {
    of_body(Body::Hello(Hello {
        mask: Ipv4Addr::BROADCAST,
        hello_interval: 10,
        options: Options::E,
        priority: 1,
        dead_interval: 40,
        designated: Ipv4Addr::UNSPECIFIED,
        backup: Ipv4Addr::UNSPECIFIED,
        neighbors: Vec::new(),
    }))
}

fn of_body(body: Body) -> Packet {
    Packet { router_id: Ipv4Addr::LOCALHOST, area_id: Ipv4Addr::UNSPECIFIED, body }
}

fn example() -> LsaHeader {
    LsaHeader {
        age: 1,
        options: Options::E,
        kind: LsaType::ROUTER,
        id: Ipv4Addr::new(1, 2, 3, 4),
        advertising_router: Ipv4Addr::new(5, 6, 7, 8),
        sequence: INITIAL_SEQUENCE,
        checksum: 0,
        length: 0,
    }
}

/// A packet of this type around a body.
fn with_header(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, kind];
    let length = u16::try_from(Header::LEN + body.len()).expect("short");
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.resize(Header::LEN, 0);
    bytes.extend_from_slice(body);
    bytes
}

fn address() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from_bits)
}

fn mask() -> impl Strategy<Value = Ipv4Addr> {
    (0_u32..=32).prop_map(|len| Ipv4Addr::from_bits(!u32::MAX.checked_shr(len).unwrap_or(0)))
}

prop_compose! {
    fn lsa_header()(
        age in prop_oneof![Just(MAX_AGE), 0_u16..=MAX_AGE],
        (options, kind) in any::<(u8, u8)>(),
        (id, advertising_router) in (address(), address()),
        sequence in prop_oneof![any::<i32>(), Just(INITIAL_SEQUENCE)],
        checksum in prop_oneof![any::<u16>(), 0_u16..3],
        length in 20_u16..,
    ) -> LsaHeader {
        let (options, kind) = (Options(options), LsaType(kind));
        LsaHeader { age, options, kind, id, advertising_router, sequence, checksum, length }
    }
}

prop_compose! {
    fn external()(
        mask in mask(),
        type2 in any::<bool>(),
        metric in 0..=METRIC_INFINITY,
        forwarding in address(),
        tag in any::<u32>(),
    ) -> ExternalLsa {
        ExternalLsa { mask, type2, metric, forwarding, tag }
    }
}

fn body() -> impl Strategy<Value = LsaBody> {
    let link = (any::<u8>(), address(), address(), any::<u16>())
        .prop_map(|(kind, id, data, metric)| RouterLink { kind: LinkType(kind), id, data, metric });
    let metric = || 0..=METRIC_INFINITY;
    prop_oneof![
        (any::<u8>(), vec(link, 0..6))
            .prop_map(|(flags, links)| LsaBody::Router(RouterLsa { flags, links })),
        (mask(), vec(address(), 1..6))
            .prop_map(|(mask, routers)| LsaBody::Network { mask, routers }),
        (mask(), metric()).prop_map(|(mask, metric)| LsaBody::Summary { mask, metric }),
        metric().prop_map(|metric| LsaBody::AsbrSummary { metric }),
        external().prop_map(LsaBody::External),
        external().prop_map(LsaBody::Nssa),
        vec(any::<u8>(), 0..40).prop_map(LsaBody::Opaque),
    ]
}

prop_compose! {
    fn lsa()(header in lsa_header(), body in body(), scope in 9_u8..12) -> Lsa {
        let header = LsaHeader { kind: LsaType(scope), ..header };
        let lsa = Lsa::build(header, &body).expect("short");
        assert_eq!(lsa.body(), Ok(body));
        lsa
    }
}

fn packet() -> impl Strategy<Value = Packet> {
    let flags = any::<(bool, bool, bool)>();
    let description = (any::<(u16, u8, u32)>(), flags, vec(lsa_header(), 0..5)).prop_map(
        |((mtu, options, sequence), (initial, more, master), headers)| {
            let options = Options(options);
            Body::DatabaseDescription(DatabaseDescription {
                mtu,
                options,
                initial,
                more,
                master,
                sequence,
                headers,
            })
        },
    );
    let key = (any::<u8>(), address(), address()).prop_map(|(kind, id, advertising_router)| {
        LsaKey { kind: LsaType(kind), id, advertising_router }
    });
    let hello = (any::<(u16, u8, u8, u32)>(), vec(address(), 3..9)).prop_map(
        |((hello_interval, options, priority, dead_interval), mut neighbors)| {
            let rest = neighbors.split_off(3);
            Body::Hello(Hello {
                mask: neighbors[0],
                hello_interval,
                options: Options(options),
                priority,
                dead_interval,
                designated: neighbors[1],
                backup: neighbors[2],
                neighbors: rest,
            })
        },
    );
    let body = prop_oneof![
        hello,
        description,
        vec(key, 0..6).prop_map(Body::LinkStateRequest),
        vec(lsa(), 0..5).prop_map(Body::LinkStateUpdate),
        vec(lsa_header(), 0..6).prop_map(Body::LinkStateAcknowledgment),
    ];
    (address(), address(), body).prop_map(|(router_id, area_id, body)| Packet {
        router_id,
        area_id,
        body,
    })
}
