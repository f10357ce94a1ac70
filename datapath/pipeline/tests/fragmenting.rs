//! Packets larger than the next link: told to the sender, or cut and put together again.

mod common;

use common::*;
use esp::Suite;
use port::{Umem, UmemConfig};
use tables::DropReason;
use wire::icmp;
use wire::ipv4::Ipv4;
use wire::protocol;

const OUTER_MTU: usize = 1500;

fn unfragmentable(packet: Vec<u8>) -> Vec<u8> {
    with_header(packet, |header| header.flags_offset.set(Ipv4::DF))
}

/// Asserts what a set of fragments for a link of `mtu` bytes looks like, in the order they left.
fn assert_cut_well(fragments: &[Vec<u8>], mtu: usize) {
    let step = (mtu - Ipv4::LEN) & !7;
    let (last, full) = fragments.split_last().unwrap();
    assert!(full.iter().all(|fragment| fragment.len() == Ipv4::LEN + step), "as large as can be");
    assert!(last.len() <= mtu);
    let offsets = fragments.iter().map(|f| header(f).flags_offset.get() & Ipv4::OFFSET);
    assert!(offsets.is_sorted(), "fragments leave in order");
}

/// The tunnel's inner MTU as control computed it.
fn inner_mtu(site: &Site) -> usize {
    usize::from(site.publisher.newest().tunnels[0].mtu)
}

/// Sends through both sites and gives what arrives at B's host.
fn across(a: &mut Site, b: &mut Site, sent: &[u8]) -> Vec<Vec<u8>> {
    let outer = a.host_sends(sent);
    for packet in &outer {
        let ip = header(packet);
        assert!(packet.len() <= OUTER_MTU, "{} bytes outside", packet.len());
        assert!(!ip.is_fragment(), "it is the inner packet that is cut");
    }
    outer.iter().flat_map(|packet| b.peer_sends(packet)).collect()
}

#[test]
fn a_packet_of_the_mtu_passes_and_one_more_byte_is_reported_with_the_exact_size() {
    for join in joins() {
        let mut a = Site::a(join);
        let mtu = inner_mtu(&a);
        let outer = a.host_sends(&unfragmentable(packet(A_HOST, B_HOST, mtu)));
        assert!(outer.len() == 1 && outer[0].len() <= OUTER_MTU);
        let sent = unfragmentable(packet(A_HOST, B_HOST, mtu + 1));
        assert!(a.host_sends(&sent).is_empty());
        let error = icmp_error(&a.at_host()[0]);
        assert_eq!((error.source, error.destination), (A_LAN, A_HOST));
        assert_eq!((error.kind, error.code), (icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED));
        assert_eq!(usize::from(error.mtu), mtu, "{join:?}");
        // The hop is taken off before the size is looked at.
        assert_eq!(error.quote, one_hop_later(&sent)[..548]);
        a.assert_drops(&[(DropReason::TooBig, 1)]);
        // And the size is exact: one byte more would not have fitted outside.
        a.change_tunnel(|tunnel| tunnel.mtu += 1);
        assert!(a.host_sends(&sent)[0].len() > OUTER_MTU, "{join:?}");
        a.end();
    }
}

#[test]
fn a_small_mtu_of_a_tunnel_is_what_the_sender_is_told() {
    let mut a = Site::a(Join::Vti(Suite::AES128GCM16));
    for mtu in [68, 576, 1280] {
        a.change_tunnel(|tunnel| tunnel.mtu = mtu);
        a.host_sends(&unfragmentable(packet(A_HOST, B_HOST, usize::from(mtu) + 1)));
        assert_eq!(icmp_error(&a.at_host()[0]).mtu, mtu);
        let fits = unfragmentable(packet(A_HOST, B_HOST, usize::from(mtu)));
        assert_eq!(a.host_sends(&fits).len(), 1);
    }
}

#[test]
fn the_far_side_hears_through_the_tunnel_that_a_packet_exceeds_our_lan() {
    for join in [Join::Gre, Join::Policy(Suite::AES256_SHA256)] {
        let (mut a, mut b) = (Site::a(join), Site::b(join));
        b.change_port(LAN, |port| port.mtu = 1000);
        let sent = unfragmentable(packet(A_HOST, B_HOST, 1200));
        let outer = a.host_sends(&sent);
        assert!(b.peer_sends(&outer[0]).is_empty());
        let back = b.at_peer();
        let error = icmp_error(&a.peer_sends(&back[0])[0]);
        assert_eq!((error.source, error.destination, error.mtu), (B_LAN, A_HOST, 1000));
        assert_eq!((error.kind, error.code), (icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED));
        b.assert_drops(&[(DropReason::TooBig, 1)]);
    }
}

#[test]
fn fragments_of_any_packet_are_put_together_behind_every_join() {
    for join in joins() {
        let (mut a, mut b) = (Site::a(join), Site::b(join));
        let mtu = inner_mtu(&a);
        let sizes = (mtu + 1..mtu + 40).chain((1500..9000).step_by(487)).chain(8990..=9000);
        for len in sizes {
            let sent = packet(A_HOST, B_HOST, len);
            let arrived = across(&mut a, &mut b, &sent);
            assert_cut_well(&arrived, mtu);
            let expected = one_hop_later(&one_hop_later(&sent));
            assert_eq!(reassembled(&arrived), expected, "{join:?}, {len} bytes");
        }
        a.assert_drops(&[]);
        b.assert_drops(&[]);
        a.end();
        b.end();
    }
}

#[test]
fn plain_forwarding_cuts_as_well() {
    let mut site = Site::plain();
    let mut fragments = 0;
    for mtu in [68, 69, 75, 76, 576, 1499, 1500] {
        site.change_port(WAN, |port| port.mtu = mtu);
        let mtu = usize::from(mtu);
        for len in (mtu + 1..mtu + 20).chain([2999, 3000, 9000]) {
            for destination in [B_HOST, PLAIN_NEIGHBOUR] {
                let sent = packet(A_HOST, destination, len);
                let arrived = site.host_sends(&sent);
                assert_cut_well(&arrived, mtu);
                assert_eq!(reassembled(&arrived), one_hop_later(&sent), "{mtu}, {len} bytes");
                fragments += arrived.len() as u64;
            }
        }
        let fits = packet(A_HOST, B_HOST, mtu);
        assert_eq!(site.host_sends(&fits), [one_hop_later(&fits)]);
    }
    assert_eq!(site.counters.fragments.value(), fragments);
    site.assert_drops(&[]);
    site.end();
}

#[test]
fn plain_forwarding_tells_the_sender_the_size_of_the_next_link() {
    let mut site = Site::plain();
    site.change_port(WAN, |port| port.mtu = 1400);
    for destination in [B_HOST, PLAIN_NEIGHBOUR] {
        let sent = unfragmentable(packet(A_HOST, destination, 1401));
        assert!(site.host_sends(&sent).is_empty());
        let error = icmp_error(&site.at_host()[0]);
        assert_eq!((error.kind, error.code, error.mtu), (3, icmp::FRAGMENTATION_NEEDED, 1400));
        assert_eq!(site.host_sends(&unfragmentable(packet(A_HOST, destination, 1400))).len(), 1);
    }
    site.assert_drops(&[(DropReason::TooBig, 2)]);
}

#[test]
fn fragments_are_cut_again_and_still_put_together() {
    let original = packet(A_HOST, B_HOST, 8990);
    let expected = one_hop_later(&original);
    // Two links, each smaller than the one before.
    let (mut first, mut second) = (Site::plain(), Site::plain());
    first.change_port(WAN, |port| port.mtu = 1500);
    second.change_port(WAN, |port| port.mtu = 300);
    for step in [1480, 2000, 4480, 8000] {
        let mut arrived = Vec::new();
        for fragment in fragments_of(&original, step) {
            for smaller in first.host_sends(&fragment) {
                arrived.extend(second.host_sends(&smaller));
            }
        }
        assert!(arrived.iter().all(|fragment| fragment.len() <= 300));
        assert_eq!(reassembled(&arrived), one_hop_later(&expected), "{step}");
    }
    for join in joins() {
        let (mut a, mut b) = (Site::a(join), Site::b(join));
        let mut arrived = Vec::new();
        for fragment in fragments_of(&original, 4480) {
            arrived.extend(across(&mut a, &mut b, &fragment));
        }
        assert_eq!(reassembled(&arrived), one_hop_later(&expected), "{join:?}");
    }
}

#[test]
fn a_fragment_that_fits_is_forwarded_as_it_is() {
    let mut site = Site::plain();
    for fragment in fragments_of(&packet(A_HOST, B_HOST, 4000), 1480) {
        assert_eq!(site.host_sends(&fragment), [one_hop_later(&fragment)]);
    }
}

#[test]
fn what_cannot_be_cut_is_named() {
    let mut site = Site::plain();
    site.change_port(WAN, |port| port.mtu = 67);
    assert!(site.host_sends(&packet(A_HOST, B_HOST, 68)).is_empty());
    site.change_port(WAN, |port| port.mtu = 576);
    let with_option = with_options(&packet(A_HOST, B_HOST, 600), &[7, 7, 4, 0, 0, 0, 0]);
    assert!(site.host_sends(&with_option).is_empty());
    site.assert_drops(&[(DropReason::CannotFragment, 2)]);
    assert_eq!(site.unaccounted(), 0);
}

#[test]
fn outer_fragments_and_outer_options_are_refused_by_name() {
    for join in [Join::Gre, Join::Policy(Suite::NULL_MD5)] {
        let (mut a, mut b) = (Site::a(join), Site::b(join));
        let outer = b.host_sends(&packet(B_HOST, A_HOST, 1000)).remove(0);
        let pieces = fragments_of(&outer, 504);
        for piece in &pieces {
            assert!(a.peer_sends(piece).is_empty());
        }
        assert!(a.peer_sends(&with_options(&outer, &[1, 1, 1, 1])).is_empty());
        a.assert_drops(&[
            (DropReason::OuterFragment, pieces.len() as u64),
            (DropReason::OuterOptions, 1),
        ]);
        assert!(a.at_peer().is_empty(), "the outside is told nothing");
        assert_eq!(a.peer_sends(&outer).len(), 1, "the whole packet is still welcome");
        a.end();
    }
}

#[test]
fn with_every_chunk_in_use_nothing_is_cut_and_nothing_is_reported() {
    let config = UmemConfig { chunk_size: 16_384, chunks: 1, headroom: 128 };
    let mut site = Site::new(Umem::heap(config).unwrap(), plain_tables());
    let sent = packet(A_HOST, B_HOST, 3000);
    assert!(site.host_sends(&sent).is_empty());
    site.assert_drops(&[(DropReason::NoChunk, 1)]);
    assert_eq!(site.unaccounted(), 0);
    site.end();
    let mut site = Site::new(Umem::heap(config).unwrap(), plain_tables());
    assert!(site.host_sends(&unfragmentable(sent)).is_empty());
    assert!(site.at_host().is_empty());
    site.assert_drops(&[(DropReason::TooBig, 1)]);
    assert_eq!(site.counters.icmp_sent.value(), 0);
    site.end();
}

#[test]
fn a_chunk_without_room_for_headers_or_trailer_is_named() {
    let chunk = |headroom| UmemConfig { chunk_size: 2048, chunks: 256, headroom };
    for (join, headroom, len) in [
        (Join::Vti(Suite::AES128GCM16), 128, 1890),
        (Join::Vti(Suite::AES256_SHA256), 10, 500),
        (Join::Gre, 0, 500),
    ] {
        let mut a = Site::new(Umem::heap(chunk(headroom)).unwrap(), tables(join, false, false));
        a.change_tunnel(|tunnel| tunnel.mtu = 2000);
        assert!(a.host_sends(&packet(A_HOST, B_HOST, len)).is_empty(), "{join:?}");
        a.assert_drops(&[(DropReason::NoRoom, 1)]);
        a.end();
    }
}

#[test]
fn the_outer_header_of_a_fragment_is_no_fragment_itself() {
    let mut a = Site::a(Join::Gre);
    let outer = a.host_sends(&packet(A_HOST, B_HOST, 4000));
    let ids: std::collections::HashSet<_> = outer.iter().map(|p| header(p).id.get()).collect();
    assert_eq!(ids.len(), outer.len(), "each outer packet has its own identification");
    assert!(outer.iter().all(|p| header(p).protocol == protocol::GRE && !header(p).is_fragment()));
}
