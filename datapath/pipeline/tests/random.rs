//! Random frames on each port: nothing panics, nothing is lost or counted twice, and only what is
//! entitled to comes out.

mod common;

use std::net::Ipv4Addr;
use std::sync::OnceLock;

use common::*;
use esp::Suite;
use port::{Umem, UmemConfig};
use proptest::prelude::*;
use proptest::sample::select;
use tables::PortId;
use wire::ipv4::Ipv4;
use wire::protocol;
use zerocopy::IntoBytes;

const JOINS: [Join; 4] = [
    Join::Gre,
    Join::Policy(Suite::AES128GCM16),
    Join::Vti(Suite::AES256_SHA256),
    Join::Vti(Suite::NULL_SHA1),
];

/// Longer than any packet waits.
const LATER_NS: u64 = 5_000_000_000;

fn address() -> impl Strategy<Value = Ipv4Addr> {
    let known = [A_OUTER, B_OUTER, A_LAN, A_HOST, B_LAN, B_HOST];
    let odd = [[0, 0, 0, 0], [255; 4], [224, 0, 0, 1], [127, 0, 0, 1], [192, 0, 2, 7]];
    prop_oneof![
        8 => select(known.to_vec()),
        1 => select(odd.map(Ipv4Addr::from).to_vec()),
        1 => any::<[u8; 4]>().prop_map(Ipv4Addr::from),
        1 => (0u8..5).prop_map(|host| Ipv4Addr::new(10, 1, 0, host)),
    ]
}

fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..longest)
}

/// An IPv4 packet whose header is sound but for some luck, around this payload.
fn ip_around(payload: impl Strategy<Value = (u8, Vec<u8>)>) -> impl Strategy<Value = Vec<u8>> {
    let options = prop_oneof![9 => Just(Vec::new()), 1 => bytes(41)];
    let ttl = select(vec![0, 1, 2, 64, 255]);
    let flags =
        prop_oneof![4 => Just(0), 2 => Just(Ipv4::DF), 1 => Just(Ipv4::MF), 1 => any::<u16>()];
    (payload, address(), address(), options, ttl, flags, any::<u8>()).prop_map(
        |((protocol, payload), source, destination, options, ttl, flags, tos)| {
            let mut header = Ipv4::new(source, destination, protocol, payload.len() as u16);
            header.ttl = ttl;
            header.tos = tos;
            header.flags_offset.set(flags);
            header.fill_checksum();
            let packet = [header.as_bytes(), &payload].concat();
            if options.is_empty() { packet } else { with_options(&packet, &options[..]) }
        },
    )
}

/// What may lie in an IPv4 packet: tunnels, also in each other, messages, and noise.
fn packets() -> impl Strategy<Value = Vec<u8>> {
    let esp = (select(vec![0x1001u32, 0x1002, 0, 7]), any::<u32>(), bytes(120)).prop_map(
        |(spi, seq, text)| {
            (protocol::ESP, [&spi.to_be_bytes()[..], &seq.to_be_bytes(), &text].concat())
        },
    );
    let icmp = (select(vec![0u8, 3, 8, 11]), bytes(60))
        .prop_map(|(kind, body)| (protocol::ICMP, icmp_message(kind, &body)));
    let noise = (any::<u8>(), bytes(200));
    let known_noise = (select(vec![protocol::ESP, protocol::GRE, protocol::UDP]), bytes(200));
    let flat = ip_around(prop_oneof![esp, icmp, noise, known_noise]).boxed();
    flat.prop_recursive(3, 8, 1, |inner| {
        let gre_word = prop_oneof![8 => Just([0u8, 0, 8, 0]), 1 => any::<[u8; 4]>()];
        let gre = (gre_word, inner)
            .prop_map(|(word, inner)| (protocol::GRE, [&word[..], &inner].concat()));
        // Mostly between the tunnel's ends, so that it is taken off.
        (ip_around(gre), any::<u8>()).prop_map(|(packet, luck)| {
            if luck < 32 {
                return packet;
            }
            with_header(packet, |ip| {
                (ip.source, ip.destination) = (B_OUTER.octets(), A_OUTER.octets());
                ip.flags_offset.set(0);
            })
        })
    })
}

fn icmp_message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, 0, 0, 0, 0, 1, 0, 1], body].concat();
    let sum = wire::checksum::of(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// A frame: a packet in Ethernet, sometimes damaged, cut off or padded; or nothing but noise.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let damage = prop_oneof![
        5 => Just(None),
        2 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(Some),
    ];
    let cut = prop_oneof![5 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)];
    let padding = prop_oneof![3 => Just(Vec::new()), 1 => bytes(30)];
    let built = (packets(), damage, cut, padding).prop_map(|(packet, damage, cut, padding)| {
        let mut frame = frame(&packet);
        if let Some((at, value)) = damage {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        if let Some(at) = cut {
            frame.truncate(at.index(frame.len()));
        }
        frame.extend(padding);
        frame
    });
    let to_us = bytes(120).prop_map(|packet| frame(&packet));
    prop_oneof![8 => built, 1 => to_us, 1 => bytes(150)]
}

/// A memory for all cases of one test, so that what a case loses is missing at its end.
fn umem_of(test: &'static OnceLock<&Umem>) -> &'static Umem {
    let config = UmemConfig { chunk_size: 4096, chunks: 512, headroom: 128 };
    test.get_or_init(|| Umem::heap(config).unwrap())
}

/// Puts the frames on a port's link and turns until nothing is left in the gateway.
fn carry(site: &mut Site, from: PortId, frames: &[Vec<u8>]) {
    for frame in frames {
        if from == LAN {
            site.put_at_host(frame)
        } else {
            site.put_at_peer(frame)
        };
    }
    site.settle();
    // What waits for neighbours that do not exist gives up, and then the errors about that.
    for _ in 0..2 {
        site.advance(LATER_NS);
        site.settle();
    }
}

fn assert_outer(join: Join, packet: &[u8]) {
    let ip = header(packet);
    let expected = if suite_of(join).is_some() { protocol::ESP } else { protocol::GRE };
    let ends = (ip.source_addr(), ip.destination_addr(), ip.protocol);
    assert_eq!(ends, (A_OUTER, B_OUTER, expected));
}

proptest! {
    // With 8 frames on average: more than ten thousand frames on each port.
    #![proptest_config(ProptestConfig {
        cases: 1500, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn from_the_outside_only_what_a_tunnel_carried_comes_in(
        join in select(JOINS.to_vec()),
        frames in proptest::collection::vec(frames(), 1..16),
    ) {
        static UMEM: OnceLock<&Umem> = OnceLock::new();
        let mut a = Site::new(umem_of(&UMEM), tables(join, false, false));
        carry(&mut a, WAN, &frames);
        prop_assert_eq!(a.unaccounted(), 0);
        let (at_host, at_peer) = (a.at_host(), a.at_peer());
        if suite_of(join).is_some() {
            prop_assert!(at_host.is_empty() && at_peer.is_empty(), "nothing was authentic");
            prop_assert_eq!(a.counters.icmp_sent.value(), 0);
            prop_assert_eq!(a.total_drops(), frames.len() as u64);
        }
        for packet in &at_host {
            let ip = header(packet);
            if ip.protocol == protocol::ICMP && [A_LAN, A_OUTER].contains(&ip.source_addr()) {
                continue; // What the gateway itself says to the inner sender.
            }
            // Ethernet, outer header, GRE and inner header are in front of it.
            let payload = &packet[ip.header_len()..];
            let carried = |frame: &Vec<u8>| {
                let behind = frame.get(14 + 20 + 4 + 20..).unwrap_or_default();
                payload.is_empty() || behind.windows(payload.len()).any(|part| part == payload)
            };
            prop_assert!(frames.iter().any(carried), "{:02x?} came from nowhere", packet);
        }
        at_peer.iter().for_each(|packet| assert_outer(join, packet));
        a.end();
    }

    #[test]
    fn from_the_inside_only_tunnel_packets_that_the_far_side_accepts_get_out(
        join in select(JOINS.to_vec()),
        frames in proptest::collection::vec(frames(), 1..16),
    ) {
        static UMEM: OnceLock<&Umem> = OnceLock::new();
        let mut a = Site::new(umem_of(&UMEM), tables(join, false, false));
        carry(&mut a, LAN, &frames);
        prop_assert_eq!(a.unaccounted(), 0);
        let at_peer = a.at_peer();
        a.end();
        let mut b = Site::new(umem_of(&UMEM), tables(join, false, true));
        at_peer.iter().for_each(|packet| assert_outer(join, packet));
        let outer: Vec<_> = at_peer.iter().map(|packet| frame(packet)).collect();
        carry(&mut b, WAN, &outer);
        // Each was taken out of the tunnel, and in clear perhaps another one out of that.
        let taken = b.publisher.newest().tunnels[0].counters.inbound.packets();
        prop_assert!(taken >= at_peer.len() as u64, "{:?}", b.counters);
        prop_assert!(suite_of(join).is_none() || taken == at_peer.len() as u64);
        prop_assert_eq!(b.unaccounted(), 0);
        b.end();
    }
}
