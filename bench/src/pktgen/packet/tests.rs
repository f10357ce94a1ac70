//! Packets as others would see them, and every way to damage them.

use proptest::prelude::*;

use super::*;
use crate::pktgen::flow::{self, PORT};

const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
const B: Mac = Mac([2, 0, 0, 0, 0, 2]);

fn blueprint(ipv6: bool, sizes: &Sizes) -> Blueprint {
    let (source, destination) =
        if ipv6 { ("fd01::2-fd01::5", "fd02::2") } else { ("10.1.0.2-10.1.0.5", "10.2.0.2") };
    let flows = flow::flows(source.parse().unwrap(), destination.parse().unwrap(), 100).unwrap();
    Blueprint::new(A, B, &flows, sizes, PORT)
}

fn stamp(flow: u32, seq: u32) -> Stamp {
    Stamp { trial: 3, flow, seq, intended_ns: 0x1234_5678_9abc }
}

fn frame(blueprint: &Blueprint, place: usize, stamp: Stamp) -> Vec<u8> {
    let mut frame = vec![0xee; blueprint.len(place)];
    blueprint.write(place, stamp, &mut frame);
    frame
}

#[test]
fn a_64_byte_frame_holds_the_stamp_and_ipv6_takes_84() {
    assert_eq!(smallest(false), 64);
    assert_eq!(smallest(true), 84);
    for (ipv6, size) in [(false, 64), (true, 84)] {
        let blueprint = blueprint(ipv6, &Sizes::fixed(size));
        let frame = frame(&blueprint, 0, stamp(0, 0));
        assert_eq!(frame.len(), usize::from(size) - FCS);
        assert_eq!(recognise(&frame, PORT), Recognised::Ours(stamp(0, 0)));
    }
}

#[test]
fn checksums_are_right_for_every_flow_and_size() {
    for ipv6 in [false, true] {
        let sizes = "84,85,594,1518,3500".parse().unwrap();
        let blueprint = blueprint(ipv6, &sizes);
        for (place, flow) in (0..5).flat_map(|place| (0..100).map(move |flow| (place, flow))) {
            let frame = frame(&blueprint, place, stamp(flow, flow * 7));
            let packet = &frame[14..];
            let (source, destination, udp): (IpAddr, IpAddr, _) = if ipv6 {
                let (ip, total) = Ipv6::parse(packet).unwrap();
                (ip.source_addr().into(), ip.destination_addr().into(), &packet[40..total])
            } else {
                let (ip, header, total) = Ipv4::parse(packet).unwrap();
                assert_eq!(checksum::of(&packet[..header]), 0);
                (ip.source_addr().into(), ip.destination_addr().into(), &packet[header..total])
            };
            let pseudo = checksum::pseudo(source, destination, protocol::UDP, udp.len());
            assert_eq!(checksum::finish(checksum::add(pseudo, udp)), 0, "{ipv6} {place} {flow}");
            assert_eq!(recognise(&frame, PORT), Recognised::Ours(stamp(flow, flow * 7)));
        }
    }
}

#[test]
fn a_hop_and_ethernet_padding_are_no_corruption() {
    let blueprint = blueprint(false, &Sizes::fixed(64));
    let mut frame = frame(&blueprint, 0, stamp(1, 2));
    let (ip, _) = Ipv4::mut_from_prefix(&mut frame[14..]).unwrap();
    ip.decrement_ttl();
    frame[..6].copy_from_slice(&[9; 6]);
    frame.extend([0xff; 20]);
    assert_eq!(recognise(&frame, PORT), Recognised::Ours(stamp(1, 2)));
    assert_eq!(recognise(&frame, PORT + 1), Recognised::Foreign);
}

proptest! {
    /// Every byte from the addresses on, but for the UDP checksum, is covered.
    #[test]
    fn a_flipped_bit_is_seen(ipv6: bool, size in 84u16..1518, flow in 0u32..100, bit: usize) {
        let blueprint = blueprint(ipv6, &Sizes::fixed(size));
        let mut frame = frame(&blueprint, 0, stamp(flow, 1));
        let addresses = if ipv6 { 22 } else { 26 };
        let udp = Ethernet::LEN + ip_len(ipv6);
        let at = addresses * 8 + bit % ((frame.len() - addresses) * 8);
        prop_assume!(!(udp + 6..udp + 8).contains(&(at / 8)));
        frame[at / 8] ^= 1 << (at % 8);
        let seen = recognise(&frame, PORT);
        prop_assert!(!matches!(seen, Recognised::Ours(_)), "byte {} is {seen:?}", at / 8);
        // What no longer goes to our port cannot be told from others' packets.
        let port_hit = (udp + 2..udp + 4).contains(&(at / 8));
        prop_assert!(port_hit || seen == Recognised::Corrupt, "byte {} is {seen:?}", at / 8);
    }

    #[test]
    fn a_cut_packet_is_not_taken_for_a_whole_one(size in 84u16..1518, cut in 1usize..60) {
        let blueprint = blueprint(false, &Sizes::fixed(size));
        let frame = frame(&blueprint, 0, stamp(0, 1));
        let seen = recognise(&frame[..frame.len() - cut.min(frame.len())], PORT);
        prop_assert!(!matches!(seen, Recognised::Ours(_)));
    }

    #[test]
    fn arbitrary_bytes_are_never_ours(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!matches!(recognise(&bytes, PORT), Recognised::Ours(_)));
    }
}
