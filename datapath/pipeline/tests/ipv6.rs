//! IPv6 inside: what is checked, what is answered, what its senders are told.

mod common;

use std::net::{IpAddr, Ipv6Addr};

use common::*;
use esp::Suite;
use tables::{DropReason, Endpoints};
use wire::icmpv6::{self, Icmpv6};
use wire::ipv6::Ipv6;
use wire::{checksum, protocol};
use zerocopy::{FromBytes, IntoBytes};

const JOIN: Join = Join::Vti(Suite::AES128GCM16);

fn icmp_sum(packet: &[u8]) -> u16 {
    let (ip, message) = Ipv6::ref_from_prefix(packet).unwrap();
    let [source, destination] = [ip.source_addr(), ip.destination_addr()].map(IpAddr::from);
    let pseudo = checksum::pseudo(source, destination, protocol::ICMPV6, message.len());
    checksum::finish(checksum::add(pseudo, message))
}

fn message(source: Ipv6Addr, destination: Ipv6Addr, kind: u8, data: &[u8]) -> Vec<u8> {
    let icmp = Icmpv6 { kind, code: 0, checksum: 0.into(), word: 7.into() };
    let len = (Icmpv6::LEN + data.len()) as u16;
    let ip = Ipv6::new(source, destination, protocol::ICMPV6, len);
    let mut packet = [ip.as_bytes(), icmp.as_bytes(), data].concat();
    let sum = icmp_sum(&packet);
    packet[42..44].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// An error to the host: its type, code and word, after what holds for each was asserted.
fn error(packet: &[u8], about: &[u8]) -> (u8, u8, u32) {
    let (ip, total_len) = Ipv6::parse(packet).unwrap();
    assert_eq!((total_len, ip.next_header), (packet.len(), protocol::ICMPV6));
    assert_eq!((ip.source_addr(), ip.destination_addr()), (A_LAN6, A_HOST6));
    assert!(packet.len() <= 1280);
    assert_eq!(icmp_sum(packet), 0);
    let (icmp, quote) = Icmpv6::ref_from_prefix(&packet[40..]).unwrap();
    // But for the hop that it may have made already.
    assert!(about[..7] == quote[..7] && about[8..].starts_with(&quote[8..]));
    assert_eq!(quote.len(), about.len().min(1232));
    (icmp.kind, icmp.code, icmp.word.get())
}

#[test]
fn senders_are_told_why_their_packet_went_no_further() {
    let mut a = Site::a(JOIN);
    let mtu = a.publisher.newest().tunnels[0].mtu;
    let mut last_hop = packet6(A_HOST6, B_HOST6, 100);
    last_hop[7] = 1;
    let nowhere = Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 1);
    let too_big = packet6(A_HOST6, B_HOST6, usize::from(mtu) + 1);
    for (sent, expected) in [
        (last_hop, (icmpv6::TIME_EXCEEDED, 0, 0)),
        (packet6(A_HOST6, nowhere, 60), (icmpv6::DESTINATION_UNREACHABLE, icmpv6::NO_ROUTE, 0)),
        (too_big, (icmpv6::PACKET_TOO_BIG, 0, u32::from(mtu))),
    ] {
        let outcome = a.outcome(LAN, &frame(&sent));
        assert!(outcome.at_peer.is_empty());
        assert_eq!(error(&outcome.at_host[0][14..], &sent), expected);
    }
    assert_eq!(a.host_sends(&packet6(A_HOST6, B_HOST6, usize::from(mtu))).len(), 1);
}

#[test]
fn nobody_is_told_about_errors_and_later_fragments() {
    let mut a = Site::a(JOIN);
    let nowhere = Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 1);
    let error = message(A_HOST6, nowhere, icmpv6::TIME_EXCEEDED, &[0; 40]);
    let mut fragment = packet6(A_HOST6, nowhere, 60);
    fragment[6] = protocol::FRAGMENT;
    fragment[40..48].copy_from_slice(&[protocol::UDP, 0, 0, 8, 0, 0, 0, 1]);
    for silent in [error, fragment] {
        assert_eq!(a.refusal(LAN, &frame(&silent)), DropReason::NoRoute);
    }
}

#[test]
fn a_link_too_small_for_ipv6_does_not_carry_it() {
    let mut a = Site::a(JOIN);
    a.change_tunnel(|tunnel| tunnel.mtu = 1279);
    let sent = frame(&packet6(A_HOST6, B_HOST6, 1280));
    assert_eq!(a.refusal(LAN, &sent), DropReason::CannotFragment);
}

#[test]
fn the_gateway_answers_echo_requests_and_nothing_else() {
    let (mut a, mut b) = (Site::a(JOIN), Site::b(JOIN));
    let ping = message(A_HOST6, B_LAN6, icmpv6::ECHO_REQUEST, b"are you there?");
    b.put_at_peer(&frame(&a.host_sends(&ping).remove(0)));
    b.settle();
    let back = a.peer_sends(&b.at_peer()[0]).remove(0);
    assert_eq!((icmp_sum(&back), back[40], &back[48..]), (0, 129, &b"are you there?"[..]));
    let mut damaged = message(A_HOST6, B_LAN6, icmpv6::ECHO_REQUEST, b"?");
    *damaged.last_mut().unwrap() ^= 1;
    for other in [damaged, message(A_HOST6, B_LAN6, 130, b"?"), packet6(A_HOST6, B_LAN6, 60)] {
        b.put_at_peer(&frame(&a.host_sends(&other).remove(0)));
        b.settle();
        assert!(b.at_peer().is_empty());
    }
    b.assert_drops(&[(DropReason::NotServed, 3)]);
}

#[test]
fn each_wrong_field_of_the_header_is_named() {
    let mut a = Site::a(JOIN);
    let sound = packet6(A_HOST6, B_HOST6, 100);
    let mut check = |change: &dyn Fn(&mut Vec<u8>), expected| {
        let mut changed = sound.clone();
        change(&mut changed);
        let as_ipv6 = [&frame(&sound)[..14], &changed].concat();
        assert_eq!(a.refusal(LAN, &as_ipv6), expected);
    };
    check(&|p| p.truncate(39), DropReason::Ipv6Truncated);
    check(&|p| p[0] = 0x45, DropReason::Ipv6Version);
    check(&|p| p[5] += 1, DropReason::Ipv6PayloadLength);
    check(&|p| p[8..24].copy_from_slice(&[0; 16]), DropReason::Ipv6Martian);
    check(&|p| p[8] = 0xff, DropReason::Ipv6Martian);
    check(
        &|p| {
            p[6] = protocol::ROUTING;
            p[40..48].copy_from_slice(&[protocol::UDP, 0, 0, 1, 0, 0, 0, 0]);
        },
        DropReason::Ipv6SourceRoute,
    );
    check(
        &|p| {
            p[6] = protocol::HOP_BY_HOP;
            p[40..48].copy_from_slice(&[protocol::UDP, 255, 0, 1, 0, 0, 0, 0]);
        },
        DropReason::Ipv6SourceRoute,
    );
    check(
        &|p| {
            p[6] = protocol::FRAGMENT;
            p[40..48].copy_from_slice(&[protocol::ROUTING, 0, 0, 1, 0, 0, 0, 1]);
            p[48..56].copy_from_slice(&[protocol::UDP, 0, 0, 1, 0, 0, 0, 0]);
        },
        DropReason::Ipv6SourceRoute,
    );
    let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).octets();
    check(&|p| p[8..24].copy_from_slice(&link_local), DropReason::LinkLocal);
    check(&|p| p[24..26].copy_from_slice(&[0xff, 0x02]), DropReason::LinkLocal);
}

#[test]
fn a_tunnels_outer_packet_has_no_extension_headers_and_is_whole() {
    let join = Join::OverV6(Some(Carrier::Gre(None)), Cover::Clear);
    let outer = Site::b(join).host_sends(&packet(B_HOST, A_HOST, 100)).remove(0);
    let mut a = Site::a(join);
    for (kind, expected) in [
        (protocol::DESTINATION_OPTIONS, DropReason::OuterOptions),
        (protocol::FRAGMENT, DropReason::OuterFragment),
    ] {
        let mut extended = outer.clone();
        extended.splice(40..40, [outer[6], 0, 0, 0, 0, 0, 0, 0]);
        extended[6] = kind;
        extended[5] += 8;
        assert_eq!(a.refusal(WAN, &frame(&extended)), expected);
    }
    assert_eq!(a.peer_sends(&outer).len(), 1);
}

#[test]
fn a_tunnels_header_under_esp_may_have_options_and_must_be_whole() {
    let suite = Suite::AES128GCM16;
    let mut a = Site::a(Join::Carried(Carrier::Gre(None), Cover::Tunnel(suite)));
    let ends = Endpoints { local: A_OUTER6.into(), remote: B_OUTER6.into() };
    a.change_tunnel(|tunnel| tunnel.payload.between = Some(ends));
    let gre = [&[0, 0, 8, 0], &packet(B_HOST, A_HOST, 100)[..]].concat();
    let sa = far_sa(suite, false);
    let mut receive = |extension: &[u8], kind| {
        let middle = outer6(kind, &[extension, &gre].concat());
        a.outcome(WAN, &frame(&sealed(&sa, protocol::IPV6, &middle)))
    };
    assert_eq!(receive(&[], protocol::GRE).at_host.len(), 1);
    // RFC 2473 4.1.1: the limit of encapsulations, which Linux sends unless told not to.
    let limit = [protocol::GRE, 0, 4, 1, 4, 1, 0, 0];
    assert_eq!(receive(&limit, protocol::DESTINATION_OPTIONS).at_host.len(), 1);
    let first = [protocol::GRE, 0, 0, 1, 0, 0, 0, 1];
    assert_eq!(receive(&first, protocol::FRAGMENT).dropped, [DropReason::OuterFragment]);
}
