//! What strangers, broken peers and damaged links send: it comes out nowhere, and each frame is
//! counted once, under its reason.

mod common;

use common::*;
use esp::Suite;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use tables::DropReason;
use wire::ipv4::Ipv4;
use wire::protocol;

const ETHERNET: usize = 14;
const SOURCE_MAC: std::ops::Range<usize> = 6..12;

/// A sound tunnel packet of B's gateway, which A has not seen yet, around this inner packet.
fn from_b(join: Join, inner: &[u8]) -> Vec<u8> {
    Site::b(join).host_sends(inner).remove(0)
}

fn inner() -> Vec<u8> {
    packet(B_HOST, A_HOST, 61)
}

/// Asserts that the packet still passes: what was refused before it left no trace.
fn assert_passes(site: &mut Site, packet: &[u8]) {
    let outcome = site.outcome(WAN, &frame(packet));
    assert_eq!((outcome.at_host.len(), outcome.dropped.len()), (1, 0), "{outcome:?}");
}

fn all_bits(len: usize) -> impl Iterator<Item = (usize, u8)> {
    (0..len).flat_map(|at| (0..8).map(move |bit| (at, 1 << bit)))
}

#[test]
fn a_frame_cut_off_anywhere_is_refused() {
    for join in joins() {
        let mut a = Site::a(join);
        let outer = from_b(join, &inner());
        let whole = frame(&outer);
        for len in 0..whole.len() {
            let reason = a.refusal(WAN, &whole[..len]);
            let expected = match len {
                0..14 => DropReason::FrameTruncated,
                14..34 => DropReason::Ipv4Truncated,
                _ => DropReason::Ipv4TotalLength,
            };
            assert_eq!(reason, expected, "{join:?}, {len} bytes");
        }
        assert_passes(&mut a, &outer);
        a.end();
    }
}

#[test]
fn a_tunnel_packet_that_says_itself_that_it_is_shorter_is_refused() {
    for join in joins() {
        let mut a = Site::a(join);
        let whole = from_b(join, &inner());
        let (number, payload) = (header(&whole).protocol, &whole[Ipv4::LEN..]);
        for len in 0..payload.len() {
            let reason = a.refusal(WAN, &frame(&outer(number, &payload[..len])));
            let named = match (suite_of(join), len) {
                (None, 0..4) => reason == DropReason::GreTruncated,
                (None, 4..24) => reason == DropReason::Ipv4Truncated,
                (None, _) => reason == DropReason::Ipv4TotalLength,
                (Some(suite), len) => {
                    let text = len.checked_sub(suite.header_len() + suite.icv_len());
                    match text {
                        None | Some(0 | 1) => reason == DropReason::EspTruncated,
                        Some(text) if text % suite.align() != 0 => {
                            reason == DropReason::EspAlignment
                        }
                        Some(_) => reason == DropReason::EspIntegrity,
                    }
                }
            };
            assert!(named, "{join:?}, {len} bytes: {reason:?}");
        }
        assert_passes(&mut a, &whole);
        a.end();
    }
}

#[test]
fn a_single_flipped_bit_is_noticed_wherever_something_vouches_for_it() {
    for join in joins() {
        let mut a = Site::a(join);
        let outer = from_b(join, &inner());
        let sound = frame(&outer);
        // Nothing in clear GRE covers the inner payload; its own transport does.
        let clear = match join {
            Join::Gre => ETHERNET + Ipv4::LEN + 4 + Ipv4::LEN..sound.len(),
            _ => 0..0,
        };
        for (at, bit) in all_bits(sound.len()) {
            let mut damaged = sound.clone();
            damaged[at] ^= bit;
            if SOURCE_MAC.contains(&at) {
                // Who it came from does not matter; sent at the end, since it can pass but once.
            } else if clear.contains(&at) {
                assert_eq!(a.outcome(WAN, &damaged).at_host.len(), 1);
            } else {
                a.refusal(WAN, &damaged);
            }
        }
        let mut from_elsewhere = sound;
        from_elsewhere[SOURCE_MAC.start] ^= 4;
        assert_eq!(a.outcome(WAN, &from_elsewhere).at_host.len(), 1, "{join:?}");
        assert_eq!(a.unaccounted(), 0);
        a.end();
    }
}

#[test]
fn a_flipped_bit_on_the_inside_is_refused_in_the_header_and_carried_in_the_payload() {
    for join in [Join::Gre, Join::Policy(Suite::AES128GCM16)] {
        let mut a = Site::a(join);
        let sound = frame(&packet(A_HOST, B_HOST, 61));
        for (at, bit) in all_bits(sound.len()) {
            let mut damaged = sound.clone();
            damaged[at] ^= bit;
            if SOURCE_MAC.contains(&at) || at >= ETHERNET + Ipv4::LEN {
                assert_eq!(a.outcome(LAN, &damaged).at_peer.len(), 1, "byte {at}");
            } else {
                a.refusal(LAN, &damaged);
            }
        }
        for len in 0..sound.len() {
            a.refusal(LAN, &sound[..len]);
        }
        assert_eq!(a.unaccounted(), 0);
        a.end();
    }
}

#[test]
fn each_wrong_field_of_the_ip_header_is_named() {
    for from in [LAN, WAN] {
        let mut a = Site::a(Join::Gre);
        let sound = if from == LAN { packet(A_HOST, B_HOST, 61) } else { gre(&inner()) };
        let mut check = |change: fn(&mut Ipv4), expected| {
            let changed = with_header(sound.clone(), change);
            assert_eq!(a.refusal(from, &frame_of_ipv4(&changed)), expected);
        };
        check(|ip| ip.version_ihl = 0x65, DropReason::Ipv4Version);
        check(|ip| ip.version_ihl = 0x05, DropReason::Ipv4Version);
        check(|ip| ip.version_ihl = 0x44, DropReason::Ipv4HeaderLength);
        check(|ip| ip.version_ihl = 0x40, DropReason::Ipv4HeaderLength);
        check(|ip| ip.total_len.set(19), DropReason::Ipv4TotalLength);
        check(|ip| ip.total_len.set(0), DropReason::Ipv4TotalLength);
        check(|ip| ip.total_len.set(0xffff), DropReason::Ipv4TotalLength);
        check(|ip| ip.source = [127, 0, 0, 1], DropReason::Ipv4Martian);
        let mut wrong_sum = sound.clone();
        wrong_sum[10] ^= 0xff;
        assert_eq!(a.refusal(from, &frame(&wrong_sum)), DropReason::Ipv4Checksum);
        let short = with_header(sound[..24].to_vec(), |ip| {
            ip.version_ihl = 0x45;
            ip.total_len.set(24);
        });
        let long_header = [&[0x4f], &short[1..]].concat();
        assert_eq!(a.refusal(from, &frame(&long_header)), DropReason::Ipv4HeaderLength);
        a.end();
    }
}

#[test]
fn every_wrong_total_length_of_a_tunnel_packet_is_refused() {
    for join in joins() {
        let mut a = Site::a(join);
        let sound = from_b(join, &inner());
        for len in (0..sound.len() as u16 + 100).filter(|len| usize::from(*len) != sound.len()) {
            a.refusal(WAN, &frame(&with_header(sound.clone(), |ip| ip.total_len.set(len))));
        }
        // What Ethernet adds behind the packet is no part of it.
        assert_passes(&mut a, &[&sound[..], &[0xee; 9]].concat());
        a.end();
    }
}

#[test]
fn a_packet_is_taken_once_and_only_while_it_is_young() {
    for esn in [false, true] {
        for suite in Suite::ALL {
            let mut a = Site::new(umem(), tables(Join::Vti(*suite), esn, false));
            let sa = far_sa(*suite, esn);
            let mut packets = Vec::new();
            for _ in 0..1500 {
                packets.push(sealed(&sa, protocol::IPV4, &inner()));
            }
            // With 64 bits, what is too old is taken for a number of the next round, where no
            // packet is authentic (RFC 4303 A2.2).
            let too_old = if esn { DropReason::EspIntegrity } else { DropReason::EspTooOld };
            // The newest first: what is 1024 behind it is too old, the rest comes late but in time.
            assert_passes(&mut a, &packets[1499]);
            for (at, packet) in packets.iter().enumerate().step_by(37) {
                if at <= 1499 - 1024 {
                    assert_eq!(a.refusal(WAN, &frame(packet)), too_old);
                } else {
                    assert_passes(&mut a, packet);
                    assert_eq!(a.refusal(WAN, &frame(packet)), DropReason::EspReplayed);
                }
            }
            assert_eq!(a.refusal(WAN, &frame(&packets[1499])), DropReason::EspReplayed);
            a.end();
        }
    }
}

#[test]
fn a_forged_sequence_number_does_not_move_the_window() {
    for suite in Suite::ALL {
        let mut a = Site::a(Join::Vti(*suite));
        let sound = from_b(Join::Vti(*suite), &inner());
        for seq in [2u32, 5000, u32::MAX] {
            let mut forged = sound.clone();
            forged[24..28].copy_from_slice(&seq.to_be_bytes());
            assert_eq!(a.refusal(WAN, &frame(&forged)), DropReason::EspIntegrity);
        }
        let mut zero = sound.clone();
        zero[24..28].copy_from_slice(&[0; 4]);
        assert_eq!(a.refusal(WAN, &frame(&zero)), DropReason::EspTooOld);
        assert_passes(&mut a, &sound);
    }
}

#[test]
fn a_spi_that_is_not_ours_is_refused() {
    for suite in Suite::ALL {
        let mut a = Site::a(Join::Policy(*suite));
        let sound = from_b(Join::Policy(*suite), &inner());
        // 0x1001 is the SPI of the other direction.
        for spi in [0u32, 1, 255, 0x1001, 0x1003, 0x2002, u32::MAX] {
            let mut wrong = sound.clone();
            wrong[20..24].copy_from_slice(&spi.to_be_bytes());
            assert_eq!(a.refusal(WAN, &frame(&wrong)), DropReason::EspNoSa);
        }
        a.change(|tables| tables.sad = Default::default());
        assert_eq!(a.refusal(WAN, &frame(&sound)), DropReason::EspNoSa);
    }
    let mut gre_only = Site::a(Join::Gre);
    let sealed = from_b(Join::Vti(Suite::NULL_SHA1), &inner());
    assert_eq!(gre_only.refusal(WAN, &frame(&sealed)), DropReason::EspNoSa);
}

#[test]
fn an_sa_whose_tunnel_is_gone_opens_nothing() {
    let join = Join::Vti(Suite::AES256GCM16);
    let mut a = Site::a(join);
    a.change(|tables| tables.tunnels = [].into());
    assert_eq!(a.refusal(WAN, &frame(&from_b(join, &inner()))), DropReason::EspNoSa);
}

#[test]
fn a_tunnel_packet_with_other_outer_addresses_is_refused_before_it_is_opened() {
    for join in joins() {
        let mut a = Site::a(join);
        let sound = from_b(join, &inner());
        let expected = match join {
            Join::Gre => DropReason::GreNoTunnel,
            _ => DropReason::EspWrongPeer,
        };
        let other_source = with_header(sound.clone(), |ip| ip.source = [203, 0, 113, 3]);
        // Another address of the gateway's own.
        let other_destination = with_header(sound.clone(), |ip| ip.destination = A_LAN.octets());
        for wrong in [other_source, other_destination] {
            assert_eq!(a.refusal(WAN, &frame(&wrong)), expected, "{join:?}");
        }
        assert_passes(&mut a, &sound);
    }
}

#[test]
fn a_payload_that_the_tunnel_does_not_carry_is_refused_although_it_is_authentic() {
    for suite in Suite::ALL {
        let mut a = Site::a(Join::Vti(*suite));
        let sa = far_sa(*suite, false);
        for next_header in (0..=255).filter(|n| *n != protocol::IPV4) {
            let packet = sealed(&sa, next_header, &inner());
            let expected = match next_header {
                protocol::NONE => DropReason::EspDummy,
                // It carries IPv6 as well, but this is none.
                protocol::IPV6 => DropReason::Ipv6Version,
                _ => DropReason::EspNextHeader,
            };
            assert_eq!(a.refusal(WAN, &frame(&packet)), expected);
        }
        // A dummy's content is arbitrary, and there may be none.
        for payload in [&[][..], &[0xff; 700]] {
            let dummy = sealed(&sa, protocol::NONE, payload);
            assert_eq!(a.refusal(WAN, &frame(&dummy)), DropReason::EspDummy);
        }
        a.end();
    }
}

/// Inner packets that are wrong in themselves, with the reason that each is refused for.
fn malformed_inner_packets() -> Vec<(Vec<u8>, DropReason)> {
    let sound = inner();
    let with = |change: fn(&mut Ipv4)| with_header(sound.clone(), change);
    let mut all: Vec<_> =
        (0..20).map(|len| (sound[..len].to_vec(), DropReason::Ipv4Truncated)).collect();
    all.extend((20..sound.len()).map(|len| (sound[..len].to_vec(), DropReason::Ipv4TotalLength)));
    let mut wrong_sum = sound.clone();
    wrong_sum[11] ^= 1;
    all.extend([
        (with(|ip| ip.version_ihl = 0x65), DropReason::Ipv4Version),
        (with(|ip| ip.version_ihl = 0x44), DropReason::Ipv4HeaderLength),
        (with(|ip| ip.total_len.set(62)), DropReason::Ipv4TotalLength),
        (with(|ip| ip.total_len.set(19)), DropReason::Ipv4TotalLength),
        (wrong_sum, DropReason::Ipv4Checksum),
        (with(|ip| ip.source = [224, 0, 0, 9]), DropReason::Ipv4Martian),
        (with_options(&sound, &[131, 3, 4]), DropReason::Ipv4SourceRoute),
    ]);
    all
}

#[test]
fn an_inner_packet_is_checked_like_any_other() {
    for (packet, expected) in malformed_inner_packets() {
        let mut a = Site::a(Join::Gre);
        assert_eq!(a.refusal(WAN, &frame(&gre(&packet))), expected, "{packet:02x?}");
        a.end();
    }
    for suite in Suite::ALL {
        let sa = far_sa(*suite, false);
        let mut a = Site::a(Join::Policy(*suite));
        for (packet, expected) in malformed_inner_packets() {
            let sealed = sealed(&sa, protocol::IPV4, &packet);
            assert_eq!(a.refusal(WAN, &frame(&sealed)), expected, "{packet:02x?}");
        }
        a.end();
    }
}

#[test]
fn what_hides_the_length_behind_an_inner_packet_is_cut_off() {
    // RFC 4303 2.7: traffic flow confidentiality padding.
    let sent = inner();
    let padded = [&sent[..], &[0x5a; 300]].concat();
    let expected = [frame_to_host(&one_hop_later(&sent))];
    let mut a = Site::a(Join::Gre);
    assert_eq!(a.outcome(WAN, &frame(&gre(&padded))).at_host, expected);
    for suite in Suite::ALL {
        let mut a = Site::a(Join::Vti(*suite));
        let sealed = sealed(&far_sa(*suite, false), protocol::IPV4, &padded);
        assert_eq!(a.outcome(WAN, &frame(&sealed)).at_host, expected);
    }
}

/// An ESP packet under NULL and HMAC-SHA-1-96 whose text, trailer included, is given: authentic,
/// however wrong.
fn sealed_by_hand(seq: u32, text: &[u8]) -> Vec<u8> {
    let (_, key) = keys(Suite::NULL_SHA1, 2);
    let covered = [&0x1002u32.to_be_bytes()[..], &seq.to_be_bytes(), text].concat();
    let mut mac = Hmac::<Sha1>::new_from_slice(&key).unwrap();
    mac.update(&covered);
    outer(protocol::ESP, &[&covered, &mac.finalize().into_bytes()[..12]].concat())
}

#[test]
fn authentic_padding_that_breaks_the_rules_is_refused() {
    let mut a = Site::a(Join::Vti(Suite::NULL_SHA1));
    let text = |behind: &[u8]| [&packet(B_HOST, A_HOST, 60)[..], behind].concat();
    assert_passes(&mut a, &sealed_by_hand(1, &text(&[1, 2, 2, 4])));
    let broken: [&[u8]; 8] = [
        &[2, 1, 2, 4],
        &[0, 0, 2, 4],
        &[1, 3, 2, 4],
        &[1, 2, 3, 4],
        &[1, 2, 63, 4],
        &[1, 2, 255, 4],
        &[0, 0, 0, 0, 0, 0, 6, 59],
        &[9, 9, 100, 59],
    ];
    for (seq, behind) in (2..).zip(broken) {
        let reason = a.refusal(WAN, &frame(&sealed_by_hand(seq, &text(behind))));
        assert_eq!(reason, DropReason::EspPadding, "{behind:?}");
    }
    // 255 pad bytes are within the rules.
    let longest: Vec<u8> = (1..=254).chain([254, 4]).collect();
    assert_passes(&mut a, &sealed_by_hand(50, &text(&longest)));
    // Nothing but a trailer.
    let bare = frame(&sealed_by_hand(51, &[1, 2, 2, 4]));
    assert_eq!(a.refusal(WAN, &bare), DropReason::Ipv4Truncated);
}

#[test]
fn gre_that_was_not_agreed_to_is_refused() {
    let mut a = Site::a(Join::Gre);
    let mut refusal = |gre: [u8; 4], behind: &[u8]| {
        a.refusal(WAN, &frame(&outer(protocol::GRE, &[&gre, behind].concat())))
    };
    for bit in 0..16 {
        let [high, low] = (1u16 << bit).to_be_bytes();
        let expected = match bit {
            0..3 => DropReason::GreVersion,
            // A key, which names another tunnel.
            13 => DropReason::GreNoTunnel,
            // A checksum, which is wrong, and a sequence number, which leaves no sound packet.
            15 => DropReason::GreChecksum,
            12 => DropReason::Ipv4Version,
            _ => DropReason::GreFlags,
        };
        assert_eq!(refusal([high, low, 8, 0], &inner()), expected);
    }
    // With the fields that the flags announce: checksum, key, sequence number.
    let optional = [&[0; 12][..], &inner()].concat();
    assert_eq!(refusal([0xb0, 0, 8, 0], &optional), DropReason::GreNoTunnel);
    for [high, low] in [[0x65, 0x58], [0, 0], [0x88, 0x0b], [8, 6]] {
        assert_eq!(refusal([0, 0, high, low], &inner()), DropReason::GreProtocol);
    }
    a.end();
    let mut protected = Site::a(Join::Vti(Suite::AES128GCM16));
    assert_eq!(protected.refusal(WAN, &frame(&gre(&inner()))), DropReason::GreNoTunnel);
}

#[test]
fn tunnels_in_tunnels_end_somewhere() {
    let esp = Join::Vti(Suite::AES128GCM16);
    for join in [Join::Gre, esp] {
        let mut a = Site::a(join);
        let sa = far_sa(Suite::AES128GCM16, false);
        let wrap = |inner: &[u8]| match join {
            Join::Gre => gre(inner),
            _ => sealed(&sa, protocol::IPV4, inner),
        };
        for levels in 1..=40 {
            let nested = (0..levels).fold(inner(), |packet, _| wrap(&packet));
            let outcome = a.outcome(WAN, &frame(&nested));
            if levels <= 4 {
                assert_eq!(outcome.at_host, [frame_to_host(&one_hop_later(&inner()))]);
            } else {
                assert_eq!(outcome.dropped, [DropReason::NestedTooDeep], "{levels} levels");
                assert!(outcome.at_host.is_empty());
            }
            assert!(outcome.at_peer.is_empty());
        }
        // In and out again counts too: nobody goes round for ever in one turn.
        let round = (0..4).fold(packet(B_HOST, B_HOST, 61), |packet, _| wrap(&packet));
        assert_eq!(a.refusal(WAN, &frame(&round)), DropReason::NestedTooDeep);
        a.end();
    }
    // Selectors end it at once.
    let mut policy = Site::a(Join::Policy(Suite::AES128GCM16));
    let sa = far_sa(Suite::AES128GCM16, false);
    let nested = sealed(&sa, protocol::IPV4, &sealed(&sa, protocol::IPV4, &inner()));
    assert_eq!(policy.refusal(WAN, &frame(&nested)), DropReason::EspSelectors);
}

#[test]
fn a_batch_that_mixes_sound_and_hostile_frames_is_told_apart() {
    let join = Join::Vti(Suite::AES128_SHA256);
    let mut a = Site::a(join);
    let sa = far_sa(Suite::AES128_SHA256, false);
    for n in 0..64u16 {
        let sound = with_header(inner(), |ip| ip.id.set(n));
        let mut packet = sealed(&sa, protocol::IPV4, &sound);
        match n % 4 {
            0 => {}
            1 => *packet.last_mut().unwrap() ^= 1,
            2 => packet[23] ^= 1,
            _ => packet = with_header(packet, |ip| ip.source = [203, 0, 113, 9]),
        }
        a.put_at_peer(&frame(&packet));
    }
    a.settle();
    let ids: Vec<_> = a.at_host().iter().map(|packet| header(packet).id.get()).collect();
    assert_eq!(ids, (0..64).step_by(4).collect::<Vec<_>>());
    a.assert_drops(&[
        (DropReason::EspNoSa, 16),
        (DropReason::EspWrongPeer, 16),
        (DropReason::EspIntegrity, 16),
    ]);
    a.end();
}

/// Bytes of a frame that nothing vouches for: IPv6's traffic class, flow label and hop limit, and
/// the checksum of UDP around ESP (RFC 3948 2.1).
fn unprotected(join: Join) -> &'static [usize] {
    match join {
        Join::OverV6(..) => &[14, 15, 16, 17, 21],
        Join::VtiInUdp(_) | Join::Carried(_, Cover::TransportInUdp(_)) => &[40, 41],
        _ => &[],
    }
}

#[test]
fn a_damaged_packet_of_a_protected_carrier_is_refused_wherever_it_is_damaged() {
    for join in carried_joins().filter(|join| suite_of(*join).is_some()) {
        let mut a = Site::a(join);
        let outer = Site::b(join).host_sends(&packet(B_HOST, A_HOST, 61)).remove(0);
        let sound = frame(&outer);
        let vouched_for = |at: &usize| !SOURCE_MAC.contains(at) && !unprotected(join).contains(at);
        for (at, bit) in all_bits(sound.len()).filter(|(at, _)| vouched_for(at)) {
            let mut damaged = sound.clone();
            damaged[at] ^= bit;
            a.refusal(WAN, &damaged);
        }
        for len in 0..sound.len() {
            a.refusal(WAN, &sound[..len]);
        }
        assert_passes(&mut a, &outer);
        assert_eq!(a.refusal(WAN, &sound), DropReason::EspReplayed);
        a.end();
    }
}
