//! Packets between two sites through each kind of tunnel, both gateways being the real worker.

mod common;

use common::*;
use esp::Suite;
use std::sync::Arc;

use pipeline::Event;
use tables::{DropReason, Tunnel, TunnelId};
use wire::ipv6::Ipv6;

#[test]
fn a_packet_of_every_size_crosses_every_join_and_arrives_as_it_was_two_hops_later() {
    for join in joins().into_iter().chain(carried_joins()) {
        let (mut a, mut b) = (Site::a(join), Site::b(join));
        let mtu = usize::from(a.publisher.newest().tunnels[0].mtu);
        for len in (20..mtu).step_by(23).chain(mtu - 40..=mtu) {
            let sent = if len % 3 == 0 && len >= 48 {
                packet6(A_HOST6, B_HOST6, len)
            } else {
                packet(A_HOST, B_HOST, len)
            };
            let outer = a.host_sends(&sent);
            assert_eq!(outer.len(), 1, "{join:?}, {len} bytes: {:?}", a.counters);
            let arrived = b.peer_sends(&outer[0]);
            let expected = one_hop_later(&one_hop_later(&sent));
            assert_eq!(arrived, [expected], "{join:?}, {len} bytes");
        }
        a.assert_drops(&[]);
        b.assert_drops(&[]);
    }
}

/// Every kind of tunnel under this suite; those in clear for the first one only.
fn every_kind(suite: Suite) -> Vec<Join> {
    let carriers = [
        Carrier::Gre(None),
        Carrier::Gre(Some(42)),
        Carrier::GRE_FULL,
        Carrier::Ipip,
        Carrier::L2tp(L2TP),
        Carrier::L2tp(l2tp_headers().last().unwrap()),
    ];
    let mut kinds = vec![
        Join::Policy(suite),
        Join::Vti(suite),
        Join::VtiInUdp(suite),
        Join::OverV6(None, Cover::Tunnel(suite)),
    ];
    for carrier in carriers {
        let is_l2tp = matches!(carrier, Carrier::L2tp(_));
        let mut covers = vec![Cover::Transport(suite), Cover::TransportInUdp(suite)];
        if !is_l2tp {
            covers.push(Cover::Tunnel(suite));
        }
        if suite == Suite::ALL[0] {
            covers.push(Cover::Clear);
        }
        for cover in covers {
            kinds.push(Join::Carried(carrier, cover));
            if !is_l2tp && !matches!(cover, Cover::TransportInUdp(_)) {
                kinds.push(Join::OverV6(Some(carrier), cover));
            }
        }
    }
    kinds
}

/// Makes room for jumbo frames on every link and in the tunnel.
fn widen(site: &mut Site) {
    site.change(|tables| {
        let mut ports = tables.ports.to_vec();
        ports.iter_mut().for_each(|port| port.mtu = 9600);
        tables.ports = ports.into();
    });
    site.change_tunnel(|tunnel| tunnel.mtu = 9000);
}

#[test]
fn packets_of_20_to_9000_bytes_cross_every_kind_of_tunnel_under_every_suite() {
    // Around the blocks of all ciphers, around an Ethernet's size, and the largest.
    let sizes = || (20..60).chain([255, 256, 1279, 1280, 1499, 1500, 1501, 4096, 8999, 9000]);
    let mut crossed = 0;
    for suite in Suite::ALL {
        for join in every_kind(*suite) {
            let (mut a, mut b) = (Site::a(join), Site::b(join));
            widen(&mut a);
            widen(&mut b);
            for len in sizes() {
                let mut all = vec![packet(A_HOST, B_HOST, len)];
                if len >= 48 {
                    all.push(packet6(A_HOST6, B_HOST6, len));
                }
                for sent in all {
                    let outer = a.host_sends(&sent);
                    assert_eq!(outer.len(), 1, "{join:?}, {len} bytes: {:?}", a.counters);
                    let predicted = a.publisher.newest().tunnels[0].outer_len(len);
                    assert_eq!(outer[0].len(), predicted, "{join:?}, {len} bytes");
                    let arrived = b.peer_sends(&outer[0]);
                    let expected = one_hop_later(&one_hop_later(&sent));
                    assert_eq!(arrived, [expected], "{join:?}, {len} bytes");
                    crossed += 1;
                }
            }
            a.assert_drops(&[]);
            b.assert_drops(&[]);
            a.end();
            b.end();
        }
    }
    assert!(crossed > 50_000, "{crossed}");
}

#[test]
fn the_outer_header_is_what_the_rfcs_ask_for() {
    for join in joins().into_iter().chain(carried_joins()) {
        let mut a = Site::a(join);
        let sent = with_header(packet(A_HOST, B_HOST, 100), |header| {
            header.tos = 0xb8;
            header.flags_offset.set(wire::ipv4::Ipv4::DF);
        });
        let [first, second] = [a.host_sends(&sent).remove(0), a.host_sends(&sent).remove(0)];
        let expected = outer_protocol(join);
        if matches!(join, Join::OverV6(..)) {
            let (outer, total_len) = Ipv6::parse(&first).unwrap();
            assert_eq!(total_len, first.len());
            assert_eq!((outer.source_addr(), outer.destination_addr()), (A_OUTER6, B_OUTER6));
            let fields = (outer.next_header, outer.traffic_class(), outer.hop_limit);
            assert_eq!(fields, (expected, 0xb8, 64), "{join:?}");
            continue;
        }
        let [first, second] = [first, second].map(|outer| header(&outer));
        assert_eq!((first.source_addr(), first.destination_addr()), (A_OUTER, B_OUTER));
        assert_eq!((first.protocol, first.tos, first.ttl), (expected, 0xb8, 64), "{join:?}");
        assert!(first.dont_fragment() && !first.is_fragment());
        assert_ne!(first.id, second.id, "each outer packet has its own identification");
    }
}

#[test]
fn nothing_but_esp_leaves_a_protected_tunnel() {
    let mut a = Site::a(Join::Policy(Suite::AES256GCM16));
    let sent = packet(A_HOST, B_HOST, 600);
    let outer = a.host_sends(&sent).remove(0);
    let payload = &sent[28..];
    assert!(!outer.windows(16).any(|window| payload.windows(16).any(|clear| clear == window)));
}

#[test]
fn a_protected_tunnel_without_an_sa_sends_nothing() {
    let mut a = Site::a(Join::Policy(Suite::AES128GCM16));
    a.change(|tables| {
        let mut tunnel = Tunnel::clone(&tables.tunnels[0]);
        tunnel.protection = tables::Protection::Esp(None);
        tables.tunnels = [Arc::new(tunnel)].into();
    });
    assert!(a.host_sends(&packet(A_HOST, B_HOST, 100)).is_empty());
    a.assert_drops(&[(DropReason::TunnelNoSa, 1)]);
}

#[test]
fn a_tunnel_without_a_path_sends_nothing() {
    let mut a = Site::a(Join::Gre);
    a.change(|tables| {
        let mut tunnel = Tunnel::clone(&tables.tunnels[0]);
        tunnel.egress = None;
        tables.tunnels = [Arc::new(tunnel)].into();
    });
    assert!(a.host_sends(&packet(A_HOST, B_HOST, 100)).is_empty());
    a.assert_drops(&[(DropReason::TunnelNoPath, 1)]);
}

#[test]
fn selectors_hold_in_both_directions() {
    let join = Join::Policy(Suite::NULL_SHA1);
    let mut a = Site::a(join);
    assert!(a.host_sends(&packet([10, 9, 0, 1].into(), B_HOST, 60)).is_empty());
    a.assert_drops(&[(DropReason::NoPolicy, 1)]);
    // The far side seals what our selectors do not allow: same keys, no selectors.
    let mut liar = Site::b(Join::Vti(Suite::NULL_SHA1));
    let outer = liar.host_sends(&packet([10, 9, 0, 1].into(), A_HOST, 60));
    assert!(a.peer_sends(&outer[0]).is_empty());
    a.assert_drops(&[(DropReason::EspSelectors, 1), (DropReason::NoPolicy, 1)]);
}

#[test]
fn a_used_up_sequence_space_stops_the_tunnel() {
    let mut a = Site::a(Join::Vti(Suite::AES128GCM16));
    let tables::Protection::Esp(Some(sa)) = &a.publisher.newest().tunnels[0].protection else {
        panic!("the tunnel is protected");
    };
    while sa.reserve(u32::MAX - 10).is_ok() {}
    while sa.reserve(1).is_ok() {}
    assert!(a.host_sends(&packet(A_HOST, B_HOST, 100)).is_empty());
    a.assert_drops(&[(DropReason::SequenceExhausted, 1)]);
}

#[test]
fn congestion_marks_cross_the_tunnel() {
    let join = Join::Gre;
    let (mut a, mut b) = (Site::a(join), Site::b(join));
    let capable = with_header(packet(A_HOST, B_HOST, 100), |header| header.tos = 2);
    let marked = with_header(a.host_sends(&capable).remove(0), |outer| outer.tos |= 3);
    assert_eq!(header(&b.peer_sends(&marked)[0]).tos & 3, 3);
    let deaf = packet(A_HOST, B_HOST, 100);
    let marked = with_header(a.host_sends(&deaf).remove(0), |outer| outer.tos |= 3);
    assert!(b.peer_sends(&marked).is_empty());
    b.assert_drops(&[(DropReason::EcnNotCapable, 1)]);
}

#[test]
fn the_gateway_answers_echo_requests_from_the_far_side() {
    for join in [Join::Policy(Suite::AES128_SHA256), Join::Gre] {
        let (mut a, mut b) = (Site::a(join), Site::b(join));
        let outer = a.host_sends(&echo(A_HOST, B_LAN, b"are you there?"));
        assert!(b.peer.send(&mut b.pool, &frame(&outer[0])));
        b.settle();
        let answer = b.at_peer();
        let back = a.peer_sends(&answer[0]);
        let ip = header(&back[0]);
        assert_eq!((ip.source_addr(), ip.destination_addr()), (B_LAN, A_HOST));
        assert_eq!((back[0][20], &back[0][28..]), (0, &b"are you there?"[..]));
        assert_eq!(wire::checksum::of(&back[0][20..]), 0);
    }
}

/// The lengths that captures of Cisco routers show for an echo request with 32 bytes of data.
#[test]
fn each_stack_is_as_long_as_a_cisco_routers() {
    use Carrier::{Gre, Ipip, L2tp};
    let sha1 = Suite::NULL_SHA1;
    let rows = [
        (Join::Policy(sha1), 104),
        (Join::Vti(sha1), 104),
        (Join::Carried(Gre(None), Cover::Transport(sha1)), 108),
        (Join::Carried(Gre(None), Cover::Tunnel(sha1)), 128),
        (Join::Carried(Ipip, Cover::Transport(sha1)), 104),
        (Join::Carried(Ipip, Cover::Tunnel(sha1)), 124),
        (Join::Carried(Gre(Some(1)), Cover::Transport(sha1)), 112),
    ];
    let l2tp = (Join::Carried(L2tp(L2TP), Cover::Transport(Suite::NULL_MD5)), 120);
    for (join, outer_len) in rows.into_iter().chain([l2tp]) {
        let mut a = Site::a(join);
        let ping = echo(A_HOST, B_HOST, &[b'a'; 32]);
        assert_eq!(ping.len(), 60);
        let outer = a.host_sends(&ping).remove(0);
        assert_eq!(outer.len(), outer_len, "{join:?}");
        // NULL encryption: the pad length stands in clear before the next header and the ICV.
        let pad_len = if join == l2tp.0 { 1 } else { 2 };
        assert_eq!(outer[outer_len - sha1.icv_len() - 2], pad_len, "{join:?}");
        let tunnel = &a.publisher.newest().tunnels[0];
        assert_eq!(tunnel.outer_len(60), outer_len, "{join:?}");
    }
}

#[test]
fn a_protected_carrier_in_clear_is_refused() {
    let join = Join::Carried(Carrier::Gre(Some(42)), Cover::Transport(Suite::AES128GCM16));
    let mut b = Site::b(join);
    let naked = Site::a(Join::Carried(Carrier::Gre(Some(42)), Cover::Clear))
        .host_sends(&packet(A_HOST, B_HOST, 100));
    assert!(b.peer_sends(&naked[0]).is_empty());
    b.assert_drops(&[(DropReason::GreNoTunnel, 1)]);
    let mut c = Site::b(Join::Carried(Carrier::Ipip, Cover::Transport(Suite::AES128GCM16)));
    let naked = Site::a(Join::Carried(Carrier::Ipip, Cover::Clear))
        .host_sends(&packet(A_HOST, B_HOST, 100));
    assert!(c.peer_sends(&naked[0]).is_empty());
    c.assert_drops(&[(DropReason::IpipNoTunnel, 1)]);
}

#[test]
fn what_esp_brings_must_be_between_the_carriers_own_ends() {
    let suite = Suite::AES128GCM16;
    let mut b = Site::b(Join::Carried(Carrier::Gre(None), Cover::Tunnel(suite)));
    // The same keys, but the sealed packet is the host's own instead of the carrier's.
    let bare = Site::a(Join::Vti(suite)).host_sends(&packet(A_HOST, B_HOST, 100));
    assert!(b.peer_sends(&bare[0]).is_empty());
    b.assert_drops(&[(DropReason::EspEndpoints, 1)]);
}

#[test]
fn another_key_is_another_tunnel() {
    let mut b = Site::b(Join::Carried(Carrier::Gre(Some(1)), Cover::Clear));
    for key in [None, Some(2)] {
        let join = Join::Carried(Carrier::Gre(key), Cover::Clear);
        let outer = Site::a(join).host_sends(&packet(A_HOST, B_HOST, 100));
        assert!(b.peer_sends(&outer[0]).is_empty());
    }
    b.assert_drops(&[(DropReason::GreNoTunnel, 2)]);
}

/// The SPI of what worker 0 sends.
fn sent_under(a: &mut Site) -> Option<u32> {
    let outer = a.host_sends(&packet(A_HOST, B_HOST, 100));
    let esp = outer.first()?.get(20..24)?;
    Some(u32::from_be_bytes(esp.try_into().unwrap()))
}

#[test]
fn a_worker_sends_through_its_own_sa_and_asks_for_it_while_it_has_none() {
    const SUITE: Suite = Suite::AES128GCM16;
    let mut a = Site::a(Join::Policy(SUITE));
    let before = Tunnel::clone(&a.publisher.newest().tunnels[0]);
    let tables::Protection::Esp(Some(shared)) = &before.protection else { panic!() };
    let sa = |spi| {
        let keys = esp::Keys { encryption: &[7; 20], authentication: &[] };
        Some(Arc::new(esp::OutboundSa::new(spi, SUITE, keys, false, [1; 32]).unwrap()))
    };
    let own = |worker_0, wanted| tables::WorkerSas { sas: [worker_0, sa(901)].into(), wanted };
    // Another worker's is not touched.
    a.change_tunnel(|tunnel| tunnel.worker_sas = own(None, false));
    assert_eq!((sent_under(&mut a), a.requests()), (Some(shared.spi()), vec![]));
    a.change_tunnel(|tunnel| {
        tunnel.worker_sas = own(None, true);
        tunnel.demand = Some(Arc::default());
    });
    for asked in [1, 0] {
        assert_eq!(sent_under(&mut a), Some(shared.spi()));
        let event = Event::WorkerAcquire { tunnel: TunnelId(0) };
        assert_eq!(a.requests(), vec![event; asked]);
    }
    a.change_tunnel(|tunnel| tunnel.worker_sas = own(sa(900), true));
    assert_eq!((sent_under(&mut a), a.requests()), (Some(900), vec![]));
    // It needs no shared one, and others drop what they have.
    a.change_tunnel(|tunnel| tunnel.protection = tables::Protection::Esp(None));
    let after = Tunnel::clone(&a.publisher.newest().tunnels[0]);
    assert_eq!(after.outer_len(100), before.outer_len(100));
    assert_eq!(sent_under(&mut a), Some(900));
    let of_worker = after.worker_sas.of(0).unwrap();
    assert_eq!((of_worker.packets(), of_worker.bytes(), shared.packets()), (2, 200, 3));
    a.assert_drops(&[]);
    a.change_tunnel(|tunnel| (tunnel.worker_sas, tunnel.demand) = (own(None, true), None));
    assert_eq!(sent_under(&mut a), None);
    a.assert_drops(&[(DropReason::TunnelNoSa, 1)]);
    // Nor does one that is over let packets out by another.
    a.change_tunnel(|tunnel| {
        *tunnel = before.clone();
        tunnel.worker_sas = own(sa(902), false);
    });
    a.publisher.newest().tunnels[0].worker_sas.of(0).unwrap().expire();
    assert_eq!(sent_under(&mut a), None);
    a.assert_drops(&[(DropReason::TunnelNoSa, 1), (DropReason::SaExpired, 1)]);
}
