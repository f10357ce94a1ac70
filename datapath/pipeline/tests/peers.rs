//! Peers that are many or that move: multipoint tunnels, translated addresses, limits of SAs.

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use common::*;
use esp::{Limits, Suite};
use pipeline::Event;
use tables::{
    ClearKind, ClearTunnels, Cloud, CloudId, DropReason, Endpoints, Entrance, Fib, GreHeader,
    NexthopId, Nexthops, OuterRules, Protection, Rewrite, Route, Sad, Tunnel, TunnelId,
};
use wire::udp::Udp;

const SUITE: Suite = Suite::AES128GCM16;
const KEY: GreHeader = GreHeader { key: Some(7), checksum: false, sequence: false };
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);

fn overlay(n: u8) -> IpAddr {
    [10, 255, 0, n].into()
}

fn nbma(n: u8) -> IpAddr {
    [203, 0, 113, n].into()
}

/// Site A as the hub of a cloud with the peers 2, 3 and 4; peer 2 has B's site behind it.
fn hub() -> Site {
    let mut a = Site::a(Join::Carried(Carrier::Gre(Some(7)), Cover::Clear));
    a.change(|tables| {
        let template = Tunnel::clone(&tables.tunnels[0]);
        let ends = |n| Endpoints { local: A_OUTER.into(), remote: nbma(n) };
        let peer = |n: u8| Tunnel {
            ends: ends(n),
            rewrite: Rewrite::gre(ends(n), KEY, OuterRules::default()),
            egress: Some(NexthopId(u32::from(n))),
            counters: Arc::default(),
            ..template.clone()
        };
        tables.tunnels = [2, 3, 4].map(|n| Arc::new(peer(n))).into();
        let ids = [2, 3, 4].map(|n| (n, TunnelId(u32::from(n) - 2)));
        tables.clouds = [Cloud::build(ids.map(|(n, id)| (overlay(n), id)))].into();
        let clear = ids.map(|(n, id)| (ClearKind::Gre(Some(7)), ends(n), id));
        tables.clear_tunnels = Arc::new(ClearTunnels::build(clear));
        let hops = [hop(LAN, A_HOST), hop(LAN, GROUP)].into_iter();
        let hops = hops.chain([2, 3, 4].map(|n| hop(WAN, nbma(n))));
        tables.nexthops = Arc::new(Nexthops::build(hops.collect()));
        let net = |text: &str| text.parse().unwrap();
        let cloud = CloudId(0);
        tables.fib = Arc::new(Fib::build([
            (net("10.1.0.0/24"), Route::Connected(LAN)),
            (net("10.255.0.0/24"), Route::Multipoint(cloud, None)),
            (net("10.2.0.0/24"), Route::Multipoint(cloud, Some(overlay(2)))),
            (net("10.9.0.0/24"), Route::Multipoint(cloud, Some(overlay(9)))),
            (net("239.0.0.0/8"), Route::Multipoint(cloud, None)),
            (IpAddr::from(A_OUTER).into(), Route::Local),
        ]));
    });
    a
}

/// The outer destinations of packets.
fn destinations(packets: &[Vec<u8>]) -> Vec<IpAddr> {
    packets.iter().map(|packet| header(packet).destination_addr().into()).collect()
}

#[test]
fn unicast_goes_to_the_peer_that_is_the_next_hop_and_to_nobody_when_there_is_none() {
    let mut hub = hub();
    let send = |hub: &mut Site, to: [u8; 4]| {
        let out = hub.outcome(LAN, &frame(&packet(A_HOST, to.into(), 100)));
        (out.at_peer.into_iter().map(unframe).collect::<Vec<_>>(), out.dropped)
    };
    assert_eq!(destinations(&send(&mut hub, [10, 255, 0, 3]).0), [nbma(3)]);
    assert_eq!(destinations(&send(&mut hub, [10, 2, 0, 2]).0), [nbma(2)]);
    assert_eq!(send(&mut hub, [10, 9, 0, 2]).1, [DropReason::NbmaUnknown]);
    assert_eq!(send(&mut hub, [10, 255, 0, 9]).1, [DropReason::NbmaUnknown]);
}

#[test]
fn multicast_is_copied_to_every_peer_and_never_back_into_the_cloud() {
    let mut hub = hub();
    let sent = packet(A_HOST, GROUP, 700);
    let mut copies = hub.host_sends(&sent);
    copies.sort_by_key(|copy| header(copy).destination);
    assert_eq!(destinations(&copies), [nbma(2), nbma(3), nbma(4)]);
    for copy in &copies {
        assert_eq!(copy[28..], one_hop_later(&sent));
    }
    let mut from_3 = with_header(copies[1].clone(), |ip| {
        (ip.source, ip.destination) = ([203, 0, 113, 3], A_OUTER.octets());
    });
    let reflected = with_header(from_3.split_off(28), |ip| ip.source = [10, 3, 0, 1]);
    from_3.extend_from_slice(&reflected);
    assert_eq!(hub.refusal(WAN, &frame(&from_3)), DropReason::MulticastLoop);
    hub.end();
}

#[test]
fn control_sends_to_one_peer_or_to_all_and_hears_which_one_it_was() {
    let mut hub = hub();
    let hello = ospf(A_LAN, [224, 0, 0, 5].into(), 64);
    hub.control_sends(Entrance::Tunnel(TunnelId(1)), &hello);
    let to_one = hub.at_peer();
    assert_eq!(destinations(&to_one), [nbma(3)]);
    hub.control_sends(Entrance::AllPeers(CloudId(0)), &hello);
    let mut copies = hub.at_peer();
    copies.sort_by_key(|copy| header(copy).destination);
    assert_eq!(destinations(&copies), [nbma(2), nbma(3), nbma(4)]);
    assert!(copies.iter().chain(&to_one).all(|copy| copy[28..] == hello));

    let heard = ospf([10, 255, 0, 4].into(), [224, 0, 0, 5].into(), 64);
    let from_4 =
        with_header(outer(47, &[&[0x20, 0, 8, 0, 0, 0, 0, 7], &heard[..]].concat()), |ip| {
            ip.source = [203, 0, 113, 4];
        });
    assert_eq!(hub.refusal(WAN, &frame(&from_4)), DropReason::LinkLocal, "not asked for");
    hub.change(|tables| {
        let asking = |tunnel: &Arc<Tunnel>| Tunnel { punts_ospf: true, ..Tunnel::clone(tunnel) };
        tables.tunnels = tables.tunnels.iter().map(asking).map(Arc::new).collect();
    });
    hub.peer_sends(&from_4);
    assert_eq!(hub.punted(), [(TunnelId(2), heard)]);
    hub.end();
}

#[test]
fn a_cloud_without_peers_sends_nothing() {
    let mut hub = hub();
    hub.change(|tables| tables.clouds = [Cloud::default()].into());
    assert_eq!(hub.refusal(LAN, &frame(&packet(A_HOST, GROUP, 60))), DropReason::NbmaUnknown);
}

/// B's packet to A's host in ESP in UDP, as a NAT passes it on: from another address and port.
fn translated(b: &mut Site, address: [u8; 4], port: u16) -> Vec<u8> {
    let outer = b.host_sends(&packet(B_HOST, A_HOST, 100)).remove(0);
    let mut outer = with_header(outer, |ip| ip.source = address);
    outer[20..22].copy_from_slice(&port.to_be_bytes());
    frame(&outer)
}

#[test]
fn a_peer_behind_a_nat_is_followed_once_it_has_proven_itself() {
    let join = Join::VtiInUdp(SUITE);
    let (mut a, mut b) = (Site::a(join), Site::b(join));
    let from_elsewhere = translated(&mut b, [198, 51, 100, 7], 61_000);
    assert_eq!(a.refusal(WAN, &from_elsewhere), DropReason::EspWrongPeer, "a fixed peer");
    follow(&mut a);
    let early = translated(&mut b, [198, 51, 100, 8], 61_001);
    let late = translated(&mut b, [198, 51, 100, 7], 61_000);
    let mut forged = translated(&mut b, [198, 51, 100, 9], 61_002);
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(a.refusal(WAN, &forged), DropReason::EspIntegrity);
    assert_eq!(a.requests(), [], "a forger moves nobody");
    assert_eq!(a.outcome(WAN, &late).at_host.len(), 1);
    let moved = Event::PeerMoved {
        spi: 0x1002,
        seq: 3,
        address: [198, 51, 100, 7].into(),
        port: Some(61_000),
    };
    assert_eq!(a.requests(), [moved, Event::FirstPacket { spi: 0x1002 }]);
    assert_eq!(a.outcome(WAN, &early).at_host.len(), 1, "late, but welcome");
    assert_eq!(a.requests(), [], "what is older does not say where the peer is now");
}

fn follow(site: &mut Site) {
    site.change(|tables| {
        let mut entry = tables.sad.entries().next().unwrap().clone();
        entry.follows = true;
        tables.sad = Arc::new(Sad::build(vec![entry]));
    });
}

#[test]
fn the_udp_length_must_fit_the_packet() {
    let join = Join::VtiInUdp(SUITE);
    let outer = Site::b(join).host_sends(&packet(B_HOST, A_HOST, 100)).remove(0);
    let mut a = Site::a(join);
    for len in [0, Udp::LEN - 1, outer.len() - 20 + 1, 0xffff] {
        let mut wrong = outer.clone();
        wrong[24..26].copy_from_slice(&(len as u16).to_be_bytes());
        assert_eq!(a.refusal(WAN, &frame(&wrong)), DropReason::UdpMalformed, "{len}");
    }
}

#[test]
fn an_sa_at_its_hard_limit_carries_nothing_more() {
    let join = Join::Vti(SUITE);
    let (mut a, mut b) = (Site::a(join), Site::b(join));
    let limits = Limits { packets: Some(2), ..Limits::default() };
    a.change_tunnel(|tunnel| {
        let (sealing, _) = sa_pair(SUITE, false, false);
        let sealing = Arc::into_inner(sealing).unwrap().with_limits(limits);
        tunnel.protection = Protection::Esp(Some(Arc::new(sealing)));
    });
    b.change(|tables| {
        let (_, opening) = sa_pair(SUITE, false, true);
        let opening = Arc::into_inner(opening).unwrap().with_limits(limits);
        let mut entry = tables.sad.entries().next().unwrap().clone();
        entry.sa = Arc::new(opening);
        tables.sad = Arc::new(Sad::build(vec![entry]));
    });
    let sent = packet(A_HOST, B_HOST, 100);
    let outers = [(); 2].map(|()| a.host_sends(&sent).remove(0));
    assert_eq!(a.refusal(LAN, &frame(&sent)), DropReason::SaExpired);
    for outer in &outers {
        assert_eq!(b.peer_sends(outer).len(), 1);
    }
    assert_eq!(b.refusal(WAN, &frame(&outers[0])), DropReason::EspExpired);
}
