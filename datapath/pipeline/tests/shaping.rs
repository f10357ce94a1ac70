//! What a tunnel does to packets besides wrapping them, and what its own headers guard.

mod common;

use common::*;
use esp::Suite;
use pipeline::Injected;
use tables::{DropReason, GreHeader, L2tpHeader, MssClamp};
use wire::gre::Gre;
use wire::ipv4::Ipv4;
use wire::udp::Udp;
use wire::{checksum, protocol};
use zerocopy::{FromBytes, IntoBytes};

const SUITE: Suite = Suite::AES128GCM16;

/// A TCP SYN that announces this segment size, with a checksum.
fn syn(source: std::net::Ipv4Addr, destination: std::net::Ipv4Addr, mss: u16) -> Vec<u8> {
    let mut segment = [0, 80, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0];
    let pseudo = checksum::pseudo(source.into(), destination.into(), protocol::TCP, 24);
    let options = [&[2, 4][..], &mss.to_be_bytes()].concat();
    let sum = checksum::finish(checksum::add(checksum::add(pseudo, &segment), &options));
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    let ip = Ipv4::new(source, destination, protocol::TCP, 24);
    [ip.as_bytes(), &segment, &options].concat()
}

fn announced(packet: &[u8]) -> u16 {
    let ip = header(packet);
    let pseudo =
        checksum::pseudo(ip.source_addr().into(), ip.destination_addr().into(), ip.protocol, 24);
    assert_eq!(checksum::finish(checksum::add(pseudo, &packet[20..])), 0);
    u16::from_be_bytes([packet[42], packet[43]])
}

#[test]
fn syns_announce_what_fits_the_tunnel_whichever_way_they_go() {
    let join = Join::Carried(Carrier::Gre(None), Cover::Clear);
    let (mut a, mut b) = (Site::a(join), Site::b(join));
    let crossing = |from: &mut Site, to: &mut Site, sent: &[u8]| {
        to.peer_sends(&from.host_sends(sent).remove(0)).remove(0)
    };
    assert_eq!(announced(&crossing(&mut a, &mut b, &syn(A_HOST, B_HOST, 1460))), 1460, "off");
    a.change_tunnel(|tunnel| tunnel.mss = Some(MssClamp::of_mtu(tunnel.mtu)));
    // 1500 less 24 of GRE and IP, less 40 of IP and TCP.
    assert_eq!(announced(&crossing(&mut a, &mut b, &syn(A_HOST, B_HOST, 1460))), 1436);
    assert_eq!(announced(&crossing(&mut b, &mut a, &syn(B_HOST, A_HOST, 1460))), 1436);
    assert_eq!(announced(&crossing(&mut a, &mut b, &syn(A_HOST, B_HOST, 1200))), 1200);
}

#[test]
fn padded_packets_all_look_alike_and_come_out_as_they_were() {
    for join in [
        Join::Vti(SUITE),
        Join::Policy(Suite::AES256_SHA256),
        Join::Carried(Carrier::Gre(Some(42)), Cover::Tunnel(SUITE)),
    ] {
        let (mut a, mut b) = (Site::a(join), Site::b(join));
        a.change_tunnel(|tunnel| tunnel.padded_len = Some(1200));
        let expected = a.publisher.newest().tunnels[0].outer_len(60);
        for len in [20, 60, 777, 1200] {
            let sent = packet(A_HOST, B_HOST, len);
            let outer = a.host_sends(&sent).remove(0);
            assert_eq!(outer.len(), expected, "{join:?}, {len}");
            assert_eq!(b.peer_sends(&outer), [one_hop_later(&one_hop_later(&sent))]);
        }
        let longer = a.host_sends(&packet(A_HOST, B_HOST, 1300)).remove(0);
        assert!(longer.len() > expected);
    }
}

/// A Cisco's keepalive to B's end of a GRE tunnel, from A's: the answer, wrapped.
fn keepalive(key: Option<u32>) -> (Vec<u8>, Vec<u8>) {
    let answer = match key {
        Some(key) => [&[0x20, 0, 0, 0][..], &key.to_be_bytes()].concat(),
        None => vec![0; 4],
    };
    let mut inner = Ipv4::new(B_OUTER, A_OUTER, protocol::GRE, answer.len() as u16);
    inner.ttl = 255;
    inner.fill_checksum();
    let answer = [inner.as_bytes(), &answer].concat();
    let wrapped = match key {
        Some(key) => [&[0x20, 0, 8, 0][..], &key.to_be_bytes(), &answer].concat(),
        None => [&[0, 0, 8, 0][..], &answer].concat(),
    };
    let outer = Ipv4::new(A_OUTER, B_OUTER, protocol::GRE, wrapped.len() as u16);
    ([outer.as_bytes(), &wrapped].concat(), answer)
}

#[test]
fn gre_keepalives_are_answered_to_the_peer_and_to_nobody_else() {
    for key in [None, Some(42)] {
        let mut b = Site::b(Join::Carried(Carrier::Gre(key), Cover::Clear));
        let (sent, answer) = keepalive(key);
        b.put_at_peer(&frame(&sent));
        b.settle();
        assert_eq!(b.at_peer(), [one_hop_later(&answer)]);
        // One that would be answered to a third party is an ordinary packet, to nowhere.
        let inner_at = sent.len() - answer.len();
        let astray = with_header(answer, |ip| ip.destination = [203, 0, 113, 99]);
        let sent = [&sent[..inner_at], &astray].concat();
        let outcome = b.outcome(WAN, &frame(&sent));
        assert!(outcome.at_peer.is_empty() && outcome.dropped.contains(&DropReason::NoRoute));
    }
}

#[test]
fn gre_that_is_damaged_late_or_without_what_was_agreed_is_refused() {
    let full = Join::Carried(Carrier::GRE_FULL, Cover::Clear);
    let (mut a, mut b) = (Site::a(full), Site::b(full));
    let sent = packet(A_HOST, B_HOST, 100);
    let [first, second] = [(); 2].map(|()| a.host_sends(&sent).remove(0));
    let mut damaged = second.clone();
    damaged[90] ^= 1;
    assert_eq!(b.refusal(WAN, &frame(&damaged)), DropReason::GreChecksum);
    assert_eq!(b.peer_sends(&second).len(), 1);
    for late in [&first, &second] {
        assert_eq!(b.refusal(WAN, &frame(late)), DropReason::GreSequence);
    }
    for missing in [
        GreHeader { key: Some(42), checksum: false, sequence: true },
        GreHeader { key: Some(42), checksum: true, sequence: false },
    ] {
        let join = Join::Carried(Carrier::GreWith(missing), Cover::Clear);
        let outer = Site::a(join).host_sends(&sent).remove(0);
        assert_eq!(b.refusal(WAN, &frame(&outer)), DropReason::GreFlags);
    }
    // A checksum that nobody asked for is held against the packet all the same.
    let plain = Join::Carried(Carrier::Gre(Some(42)), Cover::Clear);
    let with_sum = GreHeader { key: Some(42), checksum: true, sequence: false };
    let outer = Site::a(Join::Carried(Carrier::GreWith(with_sum), Cover::Clear))
        .host_sends(&sent)
        .remove(0);
    assert!(Gre::checksum_holds(&outer[20..]));
    assert_eq!(Site::b(plain).peer_sends(&outer).len(), 1);
    let mut damaged = outer;
    damaged[90] ^= 1;
    assert_eq!(Site::b(plain).refusal(WAN, &frame(&damaged)), DropReason::GreChecksum);
}

#[test]
fn an_l2tp_message_that_contradicts_itself_or_the_session_is_refused() {
    let header = L2tpHeader { sequence: true, ..L2TP };
    let join = Join::Carried(Carrier::L2tp(header), Cover::Transport(SUITE));
    let (mut a, mut b) = (Site::a(join), Site::b(join));
    let sent = packet(A_HOST, B_HOST, 100);
    let [first, second] = [(); 2].map(|()| a.host_sends(&sent).remove(0));
    assert_eq!(b.peer_sends(&second).len(), 1);
    assert_eq!(b.refusal(WAN, &frame(&first)), DropReason::L2tpSequence);
    let sealing = sa_pair(SUITE, false, false).0;
    while sealing.sequence() < 2 {
        sealing.reserve(1).unwrap();
    }
    // UDP, L2TP with length, Ns and Nr, and PPP.
    let sound = [
        &[6, 165, 6, 165, 0, 121, 0, 0, 0x48, 2, 0, 113, 0x11, 0x11, 0x22, 0x22, 0, 9, 0, 0][..],
        &[0x21],
        &sent,
    ]
    .concat();
    let mut refusal = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut payload = sound.clone();
        change(&mut payload);
        let packet = with_header(sealed(&sealing, protocol::UDP, &payload), |ip| {
            (ip.source, ip.destination) = (A_OUTER.octets(), B_OUTER.octets());
        });
        b.refusal(WAN, &frame(&packet))
    };
    assert_eq!(refusal(&|p| p[3] = 53), DropReason::NotServed);
    assert_eq!(refusal(&|p| p[5] += 1), DropReason::UdpMalformed);
    assert_eq!(refusal(&|p| p[7] = 1), DropReason::UdpMalformed, "a wrong checksum");
    assert_eq!(refusal(&|p| p.truncate(7)), DropReason::UdpMalformed);
    assert_eq!(refusal(&|p| p[11] += 1), DropReason::L2tpMalformed);
    assert_eq!(refusal(&|p| p[9] = 3), DropReason::L2tpMalformed);
    assert_eq!(refusal(&|p| p[12] ^= 1), DropReason::L2tpNoSession);
    assert_eq!(refusal(&|p| p[15] ^= 1), DropReason::L2tpNoSession);
    assert_eq!(refusal(&|p| p[8] |= 0x80), DropReason::NotServed, "a control message");
    assert_eq!(refusal(&|p| p[20] = 0x57), DropReason::Ipv6Version);
    assert_eq!(refusal(&|p| p[20..22].copy_from_slice(&[0xc0, 0x21])), DropReason::PppProtocol);
    assert_eq!(refusal(&|p| p[17] = 1), DropReason::L2tpSequence);
}

#[test]
fn a_sound_udp_checksum_around_l2tp_is_taken_and_ignored_behind_a_nat() {
    let clear = Join::Carried(Carrier::L2tp(L2TP), Cover::Clear);
    let mut outer = Site::a(clear).host_sends(&packet(A_HOST, B_HOST, 100)).remove(0);
    let (udp, _) = Udp::ref_from_prefix(&outer[20..]).unwrap();
    let len = usize::from(udp.len.get());
    let pseudo = checksum::pseudo(A_OUTER.into(), B_OUTER.into(), protocol::UDP, len);
    let sum = checksum::finish(checksum::add(pseudo, &outer[20..]));
    outer[26..28].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(Site::b(clear).peer_sends(&outer).len(), 1);
    outer[27] ^= 1;
    assert_eq!(Site::b(clear).refusal(WAN, &frame(&outer)), DropReason::UdpMalformed);
}

#[test]
fn what_the_kernel_put_together_is_opened_and_sent_on_in_pieces() {
    let join = Join::Policy(SUITE);
    let (mut a, mut b) = (Site::a(join), Site::b(join));
    a.change_tunnel(|tunnel| tunnel.mtu = 4000);
    let sent = packet(A_HOST, B_HOST, 3000);
    let whole = a.host_sends(&sent).remove(0);
    b.injected.push(Injected::Received(whole.clone().into())).unwrap();
    b.settle();
    let pieces = b.at_host();
    assert_eq!(reassembled(&pieces), one_hop_later(&one_hop_later(&sent)));
    for useless in [&whole[..30], &[], &packet(B_HOST, B_HOST, 60)] {
        b.injected.push(Injected::Received(useless.into())).unwrap();
    }
    b.settle();
    b.assert_drops(&[
        (DropReason::Ipv4Truncated, 1),
        (DropReason::Ipv4TotalLength, 1),
        (DropReason::ClearFromOutside, 1),
    ]);
    let huge = vec![0; 20_000];
    b.injected.push(Injected::Received(huge.into())).unwrap();
    b.settle();
    assert_eq!(b.drops(DropReason::NoRoom), 1);
    b.end();
}
