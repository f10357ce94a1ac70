//! Control's own packets: out of a tunnel to control, and from control into a tunnel.

mod common;

use std::net::Ipv4Addr;

use common::*;
use esp::Suite;
use pipeline::{Event, Injected, PUNT_LEN_MAX};
use tables::{DropReason, Entrance, Protection, Selector, Selectors, TunnelId};
use wire::ipv4::Ipv4;
use wire::protocol;

const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 5);
const DESIGNATED_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 6);
const TUNNEL: TunnelId = TunnelId(0);
const INTO: Entrance = Entrance::Tunnel(TUNNEL);

/// The site's tunnel hands its OSPF packets to control.
fn asking(mut site: Site) -> Site {
    site.change_tunnel(|tunnel| tunnel.punts_ospf = true);
    site
}

#[test]
fn what_control_sends_into_any_tunnel_reaches_control_at_its_other_end_as_it_was() {
    let mut carried = 0;
    for join in joins().into_iter().chain(carried_joins()) {
        if matches!(join, Join::Policy(_)) {
            continue;
        }
        let (mut a, mut b) = (asking(Site::a(join)), asking(Site::b(join)));
        for to in [ALL_ROUTERS, DESIGNATED_ROUTERS, B_LAN] {
            let sent = ospf(A_LAN, to, 64);
            a.control_sends(INTO, &sent);
            let outer = a.at_peer();
            assert_eq!(outer.len(), 1, "{join:?}, {to}: {:?}", a.counters);
            assert_eq!(b.peer_sends(&outer[0]), Vec::<Vec<u8>>::new());
            assert_eq!(b.punted(), [(TUNNEL, sent)], "{join:?}, {to}: {:?}", b.counters);
            carried += 1;
        }
        a.assert_drops(&[]);
        b.assert_drops(&[]);
        assert_eq!(b.counters.punted.value(), 3);
        a.end();
        b.end();
    }
    assert!(carried > 300, "{carried}");
}

#[test]
fn the_outer_packet_is_the_tunnels_headers_and_then_the_packet_byte_by_byte() {
    let sent = ospf(A_LAN, ALL_ROUTERS, 64);
    let carriers = [
        (Carrier::Gre(None), protocol::GRE, vec![0, 0, 8, 0]),
        (Carrier::Gre(Some(42)), protocol::GRE, vec![0x20, 0, 8, 0, 0, 0, 0, 42]),
        (Carrier::Ipip, protocol::IPV4, vec![]),
    ];
    for (carrier, number, own) in carriers {
        let mut a = Site::a(Join::Carried(carrier, Cover::Clear));
        a.control_sends(INTO, &sent);
        let outer = a.at_peer().remove(0);
        let ip = header(&outer);
        assert_eq!((ip.source_addr(), ip.destination_addr()), (A_OUTER, B_OUTER));
        assert_eq!((ip.protocol, ip.tos, ip.ttl), (number, 0xc0, 64));
        assert_eq!(outer[20..], [own, sent.clone()].concat());
    }
}

#[test]
fn a_tunnel_that_control_did_not_ask_for_drops_them_as_any_other_link_local_packet() {
    let mut a = Site::a(Join::Gre);
    let to_group = frame(&gre(&ospf(B_LAN, ALL_ROUTERS, 64)));
    let to_us = frame(&gre(&ospf(B_LAN, A_LAN, 64)));
    assert_eq!(a.refusal(WAN, &to_group), DropReason::LinkLocal);
    assert_eq!(a.refusal(WAN, &to_us), DropReason::NotServed);
    assert_eq!(a.punted(), []);
}

#[test]
fn nothing_is_punted_but_ospf_to_us_out_of_a_tunnel() {
    let mut a = asking(Site::a(Join::Gre));
    let hello = ospf(B_LAN, ALL_ROUTERS, 64);
    let other_group = ospf(B_LAN, [224, 0, 0, 9].into(), 64);
    let udp = packet(B_LAN, ALL_ROUTERS, 64);
    let udp_to_us = packet(B_LAN, A_LAN, 64);
    let other_address = ospf(B_LAN, A_OUTER, 64);
    let from_host = ospf(A_HOST, ALL_ROUTERS, 64);
    for (from, packet, reason) in [
        (WAN, gre(&other_group), DropReason::LinkLocal),
        (WAN, gre(&udp), DropReason::LinkLocal),
        (WAN, gre(&udp_to_us), DropReason::NotServed),
        (WAN, gre(&other_address), DropReason::NotServed),
        (WAN, hello.clone(), DropReason::ClearFromOutside),
        (LAN, from_host, DropReason::LinkLocal),
        (LAN, ospf(A_HOST, A_LAN, 64), DropReason::NotServed),
    ] {
        assert_eq!(a.refusal(from, &frame(&packet)), reason, "{packet:02x?}");
    }
    let transit = ospf(B_LAN, A_HOST, 64);
    let transit = with_header(transit, |header| header.ttl = 9);
    assert_eq!(a.peer_sends(&gre(&transit)), [one_hop_later(&transit)], "a host's own business");
    assert_eq!(a.punted(), []);
    assert_eq!(a.peer_sends(&gre(&hello)), Vec::<Vec<u8>>::new());
    assert_eq!(a.punted(), [(TUNNEL, hello)]);
}

#[test]
fn bfd_is_punted_where_it_was_asked_for_and_only_from_a_neighbour() {
    let bfd = |ttl, port: u16| {
        let mut sent = with_header(packet(B_LAN, A_LAN, 52), |header| header.ttl = ttl);
        sent[22..24].copy_from_slice(&port.to_be_bytes());
        sent[24..26].copy_from_slice(&32_u16.to_be_bytes());
        sent
    };
    let mut a = asking(Site::a(Join::Gre));
    assert_eq!(a.refusal(WAN, &frame(&gre(&bfd(255, 3784)))), DropReason::NotServed);
    a.change_tunnel(|tunnel| tunnel.punts_bfd = true);
    let with_more = with_header(bfd(255, 3784), |header| header.flags_offset.set(Ipv4::MF));
    for (from, packet, reason) in [
        (WAN, gre(&bfd(254, 3784)), DropReason::BfdTtl),
        (WAN, gre(&bfd(255, 3785)), DropReason::NotServed),
        (WAN, gre(&with_more), DropReason::PuntFragment),
        (WAN, bfd(255, 3784), DropReason::NotServed),
        (LAN, bfd(255, 3784), DropReason::NotServed),
    ] {
        assert_eq!(a.refusal(from, &frame(&packet)), reason, "{packet:02x?}");
    }
    assert_eq!(a.punted(), []);
    assert_eq!(a.peer_sends(&gre(&bfd(255, 3784))), Vec::<Vec<u8>>::new());
    assert_eq!(a.punted(), [(TUNNEL, bfd(255, 3784))]);
    a.end();
}

#[test]
fn what_the_ring_has_no_room_for_is_counted_and_there_is_room_again_once_control_has_read() {
    let mut a = asking(Site::a(Join::Gre));
    let hello = |n: usize| ospf(B_LAN, ALL_ROUTERS, 64 + n);
    for n in 0..PUNTS_MAX + 4 {
        a.put_at_peer(&frame(&gre(&hello(n))));
    }
    a.settle();
    a.assert_drops(&[(DropReason::PuntFull, 4)]);
    let kept: Vec<_> = (0..PUNTS_MAX).map(|n| (TUNNEL, hello(n))).collect();
    assert_eq!(a.punted(), kept, "the oldest, in their order");
    for round in 0..3 {
        for n in 0..PUNTS_MAX {
            a.put_at_peer(&frame(&gre(&hello(n))));
        }
        a.settle();
        assert_eq!(a.punted(), kept, "{round}");
    }
    a.assert_drops(&[(DropReason::PuntFull, 4)]);
    a.end();
}

#[test]
fn fragments_and_what_no_buffer_holds_are_counted() {
    let mut a = asking(Site::a(Join::Gre));
    let sent = ospf(B_LAN, ALL_ROUTERS, 1000);
    for fragment in fragments_of(&sent, 400) {
        assert_eq!(a.refusal(WAN, &frame(&gre(&fragment))), DropReason::PuntFragment);
    }
    let longest = ospf(B_LAN, ALL_ROUTERS, PUNT_LEN_MAX);
    let too_long = ospf(B_LAN, ALL_ROUTERS, PUNT_LEN_MAX + 1);
    assert_eq!(a.refusal(WAN, &frame(&gre(&too_long))), DropReason::PuntFull);
    for _ in 0..PUNTS_MAX {
        a.peer_sends(&gre(&longest));
    }
    assert_eq!(a.punted(), vec![(TUNNEL, longest); PUNTS_MAX], "no buffer was lost");
    a.end();
}

#[test]
fn a_protected_tunnel_without_an_sa_sends_nothing_of_controls_in_clear() {
    let mut a = Site::a(Join::Carried(Carrier::Gre(None), Cover::Transport(Suite::AES128GCM16)));
    a.change_tunnel(|tunnel| {
        tunnel.protection = Protection::Esp(None);
        tunnel.demand = Some(Default::default());
    });
    a.control_sends(INTO, &ospf(A_LAN, ALL_ROUTERS, 64));
    assert_eq!(a.at_peer(), Vec::<Vec<u8>>::new());
    // It waits for an SA, but not for ever.
    a.advance(1_100_000_000);
    a.settle();
    assert_eq!(a.at_peer(), Vec::<Vec<u8>>::new());
    a.assert_drops(&[(DropReason::TunnelNoSa, 1)]);
    let asked = Event::Acquire {
        tunnel: TUNNEL,
        source: A_LAN.into(),
        destination: ALL_ROUTERS.into(),
        protocol: Some(protocol::OSPF),
        ports: None,
    };
    assert_eq!(a.requests(), [asked], "its SA is asked for");
    a.end();
}

#[test]
fn a_packet_of_controls_that_is_too_big_leaves_in_fragments() {
    let mut a = Site::a(Join::Gre);
    let sent = ospf(A_LAN, B_LAN, 3000);
    a.control_sends(INTO, &sent);
    let fragments: Vec<_> = a.at_peer().iter().map(|outer| outer[24..].to_vec()).collect();
    assert_eq!(fragments.len(), 3);
    assert_eq!(reassembled(&fragments), sent);
    a.assert_drops(&[]);
    a.end();
}

#[test]
fn selectors_hold_for_control_too() {
    let mut a = Site::a(Join::Policy(Suite::AES128GCM16));
    a.control_sends(INTO, &ospf(A_LAN, ALL_ROUTERS, 64));
    a.assert_drops(&[(DropReason::NoPolicy, 1)]);
    assert_eq!(a.at_peer(), Vec::<Vec<u8>>::new());
    let ospf_only = Selector { protocol: Some(protocol::OSPF), ..Selector::default() };
    a.change_tunnel(|tunnel| tunnel.selectors = Some(Selectors([ospf_only].into())));
    a.control_sends(INTO, &ospf(A_LAN, ALL_ROUTERS, 64));
    assert_eq!(a.at_peer().len(), 1);
    a.end();
}

#[test]
fn nothing_enters_another_tunnel_than_was_meant_when_tunnels_change() {
    let mut a = Site::a(Join::Gre);
    let hello = ospf(A_LAN, ALL_ROUTERS, 64);
    let made = Injected::Made { into: INTO, numbering: 0, packet: hello.clone().into() };
    a.change(|tables| tables.numbering = 1);
    a.injected.push(made).unwrap();
    a.settle();
    a.control_sends(Entrance::Tunnel(TunnelId(7)), &hello);
    a.control_sends(Entrance::AllPeers(tables::CloudId(0)), &hello);
    assert_eq!(a.at_peer(), Vec::<Vec<u8>>::new());
    a.assert_drops(&[(DropReason::TunnelGone, 3)]);
    a.control_sends(INTO, &hello);
    assert_eq!(a.at_peer().len(), 1);
    let mut a = asking(a);
    a.put_at_peer(&frame(&gre(&ospf(B_LAN, ALL_ROUTERS, 64))));
    a.settle();
    assert_eq!(a.punts.take(|punted| (punted.tunnel, punted.numbering)), Some((TUNNEL, 1)));
    a.end();
}
