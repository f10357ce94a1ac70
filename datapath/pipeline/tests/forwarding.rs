//! Packets that enter no tunnel: forwarded, refused, or answered.

mod common;

use common::*;
use esp::Suite;
use port::{Umem, UmemConfig};
use tables::DropReason;
use wire::ethernet::Mac;
use wire::icmp::{self, Icmp};
use wire::ipv4::Ipv4;
use wire::{checksum, protocol};
use zerocopy::IntoBytes;

const NOWHERE: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 77, 0, 1);
const BLACKHOLE: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 66, 0, 1);

fn ttl(packet: Vec<u8>, ttl: u8) -> Vec<u8> {
    with_header(packet, |header| header.ttl = ttl)
}

/// A packet of `protocol` with this payload.
fn carrying(protocol: u8, payload: &[u8], destination: std::net::Ipv4Addr) -> Vec<u8> {
    let header = Ipv4::new(A_HOST, destination, protocol, payload.len() as u16);
    [header.as_bytes(), payload].concat()
}

#[test]
fn a_forwarded_packet_loses_one_hop_and_nothing_else() {
    let mut site = Site::plain();
    for len in 20..=1500 {
        let sent = with_header(packet(A_HOST, B_HOST, len), |header| {
            header.tos = len as u8;
            header.ttl = 2 + (len % 254) as u8;
            header.flags_offset.set(if len % 2 == 0 { Ipv4::DF } else { 0 });
        });
        assert_eq!(site.host_sends(&sent), [one_hop_later(&sent)], "{len} bytes");
    }
    site.assert_drops(&[]);
    assert_eq!(site.unaccounted(), 0);
    site.end();
}

#[test]
fn frames_are_addressed_to_the_router_or_the_neighbour_and_come_from_the_port() {
    let (port, router, neighbour) =
        (Mac([2, 1, 1, 1, 1, 1]), Mac([2, 2, 2, 2, 2, 2]), Mac([2, 3, 3, 3, 3, 3]));
    let mut site = Site::plain();
    site.change_port(WAN, |entry| entry.mac = Some(port));
    let resolved = |address, mac| {
        let neighbour = tables::Neighbour::Resolved(mac);
        tables::Nexthop { port: WAN, address, neighbour }
    };
    site.change_nexthops(vec![
        resolved(PLAIN_ROUTER.into(), router),
        resolved(PLAIN_NEIGHBOUR.into(), neighbour),
    ]);
    for (destination, mac) in [(B_HOST, router), (PLAIN_NEIGHBOUR, neighbour)] {
        let sent = packet(A_HOST, destination, 60);
        site.put_at_host(&frame(&sent));
        site.settle();
        let expected = [&mac.0[..], &port.0, &[0x08, 0x00], &one_hop_later(&sent)].concat();
        assert_eq!(site.frames_at_peer(), [expected]);
    }
}

#[test]
fn packets_of_one_port_leave_in_the_order_they_came() {
    let mut site = Site::plain();
    for n in 0..200 {
        // Several next hops, so that sorting would show.
        let destination = if n % 3 == 0 { B_HOST } else { PLAIN_NEIGHBOUR };
        let sent = with_header(packet(A_HOST, destination, 60), |header| header.id.set(n));
        site.put_at_host(&frame(&sent));
    }
    site.settle();
    let ids: Vec<_> = site.at_peer().iter().map(|packet| header(packet).id.get()).collect();
    assert_eq!(ids, (0..200).collect::<Vec<_>>());
}

#[test]
fn padding_behind_the_packet_is_not_forwarded() {
    let mut site = Site::plain();
    let sent = packet(A_HOST, B_HOST, 28);
    site.put_at_host(&[&frame(&sent)[..], &[0xaa; 18]].concat());
    site.settle();
    assert_eq!(site.at_peer(), [one_hop_later(&sent)]);
}

#[test]
fn ports_count_frames_and_bytes() {
    let mut site = Site::plain();
    site.host_sends(&packet(A_HOST, B_HOST, 100));
    site.host_sends(&packet(A_HOST, BLACKHOLE, 50));
    let [lan, wan] = [LAN, WAN].map(|port| site.counters.port(port).unwrap());
    let values = |t: &tables::counters::Traffic| (t.packets.value(), t.bytes.value());
    assert_eq!((values(&lan.rx), values(&lan.tx)), ((2, 178), (0, 0)));
    assert_eq!((values(&wan.rx), values(&wan.tx)), ((0, 0), (1, 114)));
}

#[test]
fn a_frame_that_is_not_for_the_gateway_is_left_alone() {
    let mut site = Site::plain();
    let sound = frame(&packet(A_HOST, B_HOST, 60));
    let with = |at: usize, bytes: &[u8]| {
        let mut frame = sound.clone();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    site.put_at_host(&with(0, &[0xff; 6]));
    site.put_at_host(&with(0, &[2, 0, 0, 0, 0, 9]));
    site.put_at_host(&with(12, &[0x08, 0x06]));
    site.put_at_host(&with(12, &[0x86, 0xdd]));
    site.put_at_host(&sound[..13]);
    site.settle();
    assert!(site.frames_at_peer().is_empty() && site.frames_at_host().is_empty());
    site.assert_drops(&[
        (DropReason::FrameTruncated, 1),
        (DropReason::FrameNotOurs, 2),
        (DropReason::FrameNotIp, 1),
        (DropReason::Ipv6Version, 1),
    ]);
}

#[test]
fn a_blackhole_swallows_in_silence() {
    let mut site = Site::plain();
    assert!(site.host_sends(&packet(A_HOST, BLACKHOLE, 60)).is_empty());
    assert!(site.at_host().is_empty());
    site.assert_drops(&[(DropReason::Blackhole, 1)]);
}

#[test]
fn the_sender_hears_that_there_is_no_route() {
    let mut site = Site::plain();
    let sent = packet(A_HOST, NOWHERE, 60);
    assert!(site.host_sends(&sent).is_empty());
    let expected = IcmpError {
        source: A_LAN,
        destination: A_HOST,
        kind: icmp::UNREACHABLE,
        code: icmp::NET_UNREACHABLE,
        mtu: 0,
        quote: sent,
    };
    assert_eq!(icmp_error(&site.at_host()[0]), expected);
    site.assert_drops(&[(DropReason::NoRoute, 1)]);
    assert_eq!(site.counters.icmp_sent.value(), 1);
}

#[test]
fn the_sender_hears_that_the_ttl_ran_out() {
    let mut site = Site::plain();
    for hops in [0, 1] {
        let sent = ttl(packet(A_HOST, B_HOST, 200), hops);
        assert!(site.host_sends(&sent).is_empty());
        let expected = IcmpError {
            source: A_LAN,
            destination: A_HOST,
            kind: icmp::TIME_EXCEEDED,
            code: icmp::TTL_EXCEEDED,
            mtu: 0,
            quote: sent,
        };
        assert_eq!(icmp_error(&site.at_host()[0]), expected);
    }
    let last = ttl(packet(A_HOST, B_HOST, 200), 2);
    assert_eq!(header(&site.host_sends(&last)[0]).ttl, 1);
    site.assert_drops(&[(DropReason::TtlExpired, 2)]);
    // To the gateway itself no hop is needed.
    site.put_at_host(&frame(&ttl(echo(A_HOST, A_LAN, b"near"), 1)));
    site.settle();
    assert_eq!(site.at_host().len(), 1);
}

#[test]
fn an_error_comes_from_the_address_of_the_port_that_the_packet_came_in_on() {
    let mut site = Site::plain();
    site.put_at_peer(&frame(&ttl(packet(PLAIN_NEIGHBOUR, A_HOST, 60), 1)));
    site.settle();
    let error = icmp_error(&site.at_peer()[0]);
    assert_eq!((error.source, error.destination), (PLAIN_WAN, PLAIN_NEIGHBOUR));
}

#[test]
fn an_error_about_a_packet_out_of_a_tunnel_goes_back_through_the_tunnel() {
    for join in [Join::Gre, Join::Policy(Suite::AES256GCM16), Join::Vti(Suite::AES128_SHA1)] {
        let (mut a, mut b) = (Site::a(join), Site::b(join));
        // Two hops left: the far gateway takes one, this one the other.
        let sent = ttl(packet(B_HOST, A_HOST, 100), 2);
        let outer = b.host_sends(&sent);
        assert!(a.peer_sends(&outer[0]).is_empty());
        let back = a.at_peer();
        assert_eq!(back.len(), 1, "{join:?}");
        let error = icmp_error(&b.peer_sends(&back[0])[0]);
        assert_eq!((error.source, error.destination), (A_LAN, B_HOST));
        assert_eq!((error.kind, error.quote), (icmp::TIME_EXCEEDED, one_hop_later(&sent)));
        a.assert_drops(&[(DropReason::TtlExpired, 1)]);
    }
}

#[test]
fn a_tunnel_or_port_without_an_address_sends_no_errors() {
    let mut a = Site::a(Join::Gre);
    a.change_tunnel(|tunnel| tunnel.addresses.v4 = None);
    assert!(a.peer_sends(&gre(&ttl(packet(B_HOST, A_HOST, 60), 1))).is_empty());
    assert!(a.at_peer().is_empty());
    let mut plain = Site::plain();
    plain.change_port(LAN, |port| port.addresses.v4 = None);
    assert!(plain.host_sends(&packet(A_HOST, NOWHERE, 60)).is_empty());
    assert!(plain.at_host().is_empty());
}

#[test]
fn an_error_quotes_as_much_as_576_bytes_hold() {
    let mut site = Site::plain();
    for (len, quoted) in [(20, 20), (547, 547), (548, 548), (549, 548), (1500, 548)] {
        let sent = packet(A_HOST, NOWHERE, len);
        site.host_sends(&sent);
        assert_eq!(icmp_error(&site.at_host()[0]).quote, sent[..quoted]);
    }
}

#[test]
fn no_error_is_sent_about_what_must_not_be_answered() {
    let mut site = Site::plain();
    let message = |kind: u8| carrying(protocol::ICMP, &[kind, 0, 0, 0, 0, 0, 0, 0], NOWHERE);
    let about = |change: fn(&mut Ipv4)| with_header(packet(A_HOST, NOWHERE, 60), change);
    let silent = [
        message(3),
        message(4),
        message(5),
        message(11),
        message(12),
        carrying(protocol::ICMP, &[], NOWHERE),
        about(|header| header.flags_offset.set(1)),
        about(|header| header.flags_offset.set(Ipv4::MF | 185)),
        about(|header| header.destination = [239, 1, 1, 1]),
        about(|header| header.destination = [255; 4]),
    ];
    for packet in &silent {
        site.put_at_host(&frame(packet));
    }
    site.settle();
    assert!(site.frames_at_host().is_empty() && site.frames_at_peer().is_empty());
    site.assert_drops(&[(DropReason::NoRoute, silent.len() as u64)]);
    let answered = [message(8), message(0), about(|header| header.flags_offset.set(Ipv4::MF))];
    for packet in &answered {
        site.put_at_host(&frame(packet));
    }
    site.settle();
    assert_eq!(site.at_host().len(), answered.len(), "these are no errors");
}

#[test]
fn errors_are_limited_in_rate() {
    let mut site = Site::plain();
    let errors_of = |site: &mut Site, n: usize| {
        for _ in 0..n {
            site.put_at_host(&frame(&packet(A_HOST, NOWHERE, 60)));
        }
        site.settle();
        site.at_host().len()
    };
    // A burst of 50, then one for each millisecond, however long the silence before.
    assert_eq!(errors_of(&mut site, 200), 50);
    assert_eq!(errors_of(&mut site, 10), 0);
    site.advance(1_000_000);
    assert_eq!(errors_of(&mut site, 10), 1);
    site.advance(7_500_000);
    assert_eq!(errors_of(&mut site, 100), 7);
    site.advance(500_000);
    assert_eq!(errors_of(&mut site, 100), 1, "what is left of a millisecond is not lost");
    site.advance(3_600_000_000_000);
    assert_eq!(errors_of(&mut site, 200), 50);
    let (sent, withheld) = (site.counters.icmp_sent.value(), site.counters.icmp_withheld.value());
    assert_eq!((sent, sent + withheld), (109, 620));
    site.assert_drops(&[(DropReason::NoRoute, 620)]);
}

#[test]
fn options_pass_in_transit() {
    let mut site = Site::plain();
    let record_route = [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0];
    let broken_length = [0x44, 0, 0, 0];
    let beyond_the_header = [0x44, 40, 0, 0];
    let cut_off = [1, 1, 1, 0x44];
    let source_route_behind_the_end = [0, 131, 4, 4];
    let full = [1; 40];
    let all: [&[u8]; 7] = [
        &record_route,
        &broken_length,
        &beyond_the_header,
        &cut_off,
        &source_route_behind_the_end,
        &full,
        &[0x94, 4, 0, 0],
    ];
    for options in all {
        let sent = with_options(&packet(A_HOST, B_HOST, 60), options);
        assert_eq!(site.host_sends(&sent), [one_hop_later(&sent)], "{options:?}");
    }
    site.assert_drops(&[]);
}

#[test]
fn source_routes_are_refused_wherever_they_stand() {
    let mut site = Site::plain();
    let all: [&[u8]; 5] = [
        &[131, 7, 4, 10, 2, 0, 2],
        &[137, 7, 4, 10, 2, 0, 2],
        &[1, 1, 1, 131, 3, 4],
        &[7, 7, 4, 0, 0, 0, 0, 137, 3, 4],
        &[0x44, 0, 131, 3],
    ];
    for options in all {
        let sent = with_options(&packet(A_HOST, B_HOST, 60), options);
        assert!(site.host_sends(&sent).is_empty(), "{options:?}");
        assert!(site.at_host().is_empty(), "{options:?}");
    }
    site.assert_drops(&[(DropReason::Ipv4SourceRoute, all.len() as u64)]);
}

#[test]
fn a_source_that_cannot_be_one_host_is_refused() {
    let mut site = Site::plain();
    for source in [[0, 0, 0, 0], [127, 0, 0, 1], [127, 9, 9, 9], [224, 0, 0, 1], [255; 4]] {
        let sent = with_header(packet(A_HOST, B_HOST, 60), |header| header.source = source);
        assert!(site.host_sends(&sent).is_empty());
    }
    site.assert_drops(&[(DropReason::Ipv4Martian, 5)]);
}

#[test]
fn nothing_leaves_through_a_port_that_is_down() {
    let mut site = Site::plain();
    let sent = packet(A_HOST, B_HOST, 60);
    site.change_port(WAN, |port| port.up = false);
    assert!(site.host_sends(&sent).is_empty());
    site.assert_drops(&[(DropReason::PortDown, 1)]);
    site.change_port(WAN, |port| port.up = true);
    assert_eq!(site.host_sends(&sent).len(), 1);
}

#[test]
fn a_full_transmit_ring_drops_what_has_no_room_and_nothing_twice() {
    let config = UmemConfig { chunk_size: 2048, chunks: 8192, headroom: 128 };
    let mut site = Site::new(Umem::heap(config).unwrap(), plain_tables());
    let sent = frame(&packet(A_HOST, B_HOST, 60));
    let total = 5 * 1024;
    for _ in 0..total / 64 {
        for _ in 0..64 {
            site.put_at_host(&sent);
        }
        site.turn();
    }
    let dropped = site.drops(DropReason::TxFull);
    assert!(dropped > 0);
    // The far side makes room: what still waited leaves.
    let mut arrived = 0;
    while site.turn() > 0 {
        arrived += site.frames_at_peer().len() as u64;
    }
    arrived += site.frames_at_peer().len() as u64;
    assert_eq!(arrived + dropped, total);
    site.assert_drops(&[(DropReason::TxFull, dropped)]);
    assert_eq!(site.unaccounted(), 0);
    site.end();
}

#[test]
fn clear_traffic_from_the_outside_is_refused_in_silence() {
    let sent_to = |destination| packet(B_OUTER, destination, 60);
    for join in [Join::Gre, Join::Vti(Suite::AES128GCM16)] {
        let mut a = Site::a(join);
        let transit = [
            sent_to(A_HOST),
            sent_to(B_HOST),
            sent_to(NOWHERE),
            ttl(sent_to(A_HOST), 1),
            with_header(packet(B_OUTER, A_HOST, 3000), |ip| ip.flags_offset.set(Ipv4::DF)),
            packet(A_HOST, B_HOST, 60),
        ];
        let local = [sent_to(A_OUTER), echo(B_OUTER, A_OUTER, b"?"), echo(B_OUTER, A_LAN, b"?")];
        for packet in transit.iter().chain(&local) {
            a.put_at_peer(&frame(packet));
        }
        a.settle();
        assert!(a.frames_at_host().is_empty() && a.frames_at_peer().is_empty());
        a.assert_drops(&[
            (DropReason::ClearFromOutside, transit.len() as u64),
            (DropReason::NotServed, local.len() as u64),
        ]);
        assert_eq!(a.counters.icmp_sent.value(), 0);
        a.end();
    }
}

#[test]
fn the_gateway_answers_echo_requests_from_the_inside() {
    let mut site = Site::plain();
    for (source, destination) in [(A_HOST, A_LAN), (A_HOST, PLAIN_WAN)] {
        site.put_at_host(&frame(&echo(source, destination, b"who?")));
        site.settle();
        let answer = site.at_host().remove(0);
        let ip = header(&answer);
        assert_eq!((ip.source_addr(), ip.destination_addr(), ip.ttl), (destination, source, 64));
        assert_eq!(checksum::of(&answer[20..]), 0);
        assert_eq!(answer[20..22], [icmp::ECHO_REPLY, 0]);
        assert_eq!(answer[24..], echo(source, destination, b"who?")[24..], "id, number, data");
    }
}

#[test]
fn the_gateway_serves_nothing_else() {
    let mut site = Site::plain();
    let request = echo(A_HOST, A_LAN, b"ask");
    let mut damaged = request.clone();
    damaged[30] ^= 1;
    let mut reply = request.clone();
    reply[20..24].copy_from_slice(&[0, 0, 0, 0]);
    let sum = checksum::of(&reply[20..]);
    reply[22..24].copy_from_slice(&sum.to_be_bytes());
    let refused = [
        packet(A_HOST, A_LAN, 60),
        damaged,
        reply,
        with_header(request.clone(), |ip| ip.flags_offset.set(Ipv4::MF)),
        with_options(&request, &[1, 1, 1, 1]),
        carrying(protocol::ICMP, &[8, 0, 0xf7, 0xff][..Icmp::LEN - 4], A_LAN),
        carrying(protocol::ICMP, &[], A_LAN),
    ];
    for packet in &refused {
        site.put_at_host(&frame(packet));
    }
    site.settle();
    assert!(site.frames_at_host().is_empty());
    site.assert_drops(&[(DropReason::NotServed, refused.len() as u64)]);
}
