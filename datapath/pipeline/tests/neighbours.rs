//! Next hops whose MAC is not known yet: who asks, who waits, how long, and who is told.

mod common;

use std::net::{IpAddr, Ipv4Addr};

use common::*;
use pipeline::Event;
use tables::{DropReason, Neighbour, Nexthop, PortId};
use wire::icmp;
use wire::ipv4::Ipv4;

const MS: u64 = 1_000_000;
/// How many packets wait for one next hop.
const PER_NEIGHBOUR: u64 = 64;
/// How many packets wait in all.
const ALL: u64 = 512;
const ROUTER: Event = Event::Resolve { port: WAN, address: IpAddr::V4(PLAIN_ROUTER) };

fn resolve(port: PortId, address: Ipv4Addr) -> Event {
    Event::Resolve { port, address: address.into() }
}

fn unresolved(port: PortId, address: Ipv4Addr) -> Nexthop {
    Nexthop { port, address: address.into(), neighbour: Neighbour::Unresolved }
}

/// A site that knows the MAC of nobody on its second port.
fn site() -> Site {
    let mut site = Site::plain();
    site.change_nexthops(vec![unresolved(WAN, PLAIN_ROUTER), hop(LAN, A_HOST)]);
    // Far from zero, as a clock is.
    site.advance(3_600_000 * MS);
    site
}

fn numbered(destination: Ipv4Addr, n: u16) -> Vec<u8> {
    with_header(packet(A_HOST, destination, 60), |header| header.id.set(n))
}

fn ids(packets: &[Vec<u8>]) -> Vec<u16> {
    packets.iter().map(|packet| header(packet).id.get()).collect()
}

/// The addresses on the second port that control is asked for, in order of address.
fn asked(site: &Site) -> Vec<Ipv4Addr> {
    let mut addresses = Vec::new();
    for request in site.requests() {
        let Event::Resolve { port: WAN, address: IpAddr::V4(address) } = request else {
            panic!("{request:?}");
        };
        addresses.push(address);
    }
    addresses.sort();
    addresses
}

/// An address on the second port's network that no next hop is known for.
fn neighbour(n: u16) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, 10 + n as u8)
}

#[test]
fn the_first_packets_to_a_new_neighbour_wait_and_leave_in_order() {
    for (destination, address) in [(B_HOST, PLAIN_ROUTER), (PLAIN_NEIGHBOUR, PLAIN_NEIGHBOUR)] {
        let mut site = site();
        for n in 0..PER_NEIGHBOUR as u16 {
            assert!(site.host_sends(&numbered(destination, n)).is_empty());
        }
        assert_eq!(site.requests(), [resolve(WAN, address)], "asked once");
        assert_eq!(site.unaccounted(), PER_NEIGHBOUR as i64);
        site.change_nexthops(vec![hop(WAN, PLAIN_ROUTER), hop(LAN, A_HOST), hop(WAN, address)]);
        site.settle();
        let left = site.at_peer();
        assert_eq!(ids(&left), (0..PER_NEIGHBOUR as u16).collect::<Vec<_>>());
        assert_eq!(left[0], one_hop_later(&numbered(destination, 0)));
        assert_eq!(site.counters.held.value(), PER_NEIGHBOUR);
        assert_eq!(site.host_sends(&numbered(destination, 99)).len(), 1, "no waiting any more");
        site.assert_drops(&[]);
        assert_eq!(site.unaccounted(), 0);
        site.end();
    }
}

#[test]
fn tables_that_do_not_say_more_release_nothing() {
    let mut site = site();
    site.host_sends(&numbered(B_HOST, 1));
    site.change(|_| ());
    site.settle();
    assert!(site.at_peer().is_empty());
    assert_eq!(site.unaccounted(), 1);
}

#[test]
fn one_silent_neighbour_has_room_for_so_many_and_no_more() {
    let mut site = site();
    for n in 0..100 {
        site.put_at_host(&frame(&numbered(B_HOST, n)));
    }
    site.put_at_host(&frame(&numbered(neighbour(0), 100)));
    site.settle();
    site.assert_drops(&[(DropReason::NeighbourQueueFull, 100 - PER_NEIGHBOUR)]);
    assert_eq!(asked(&site), [neighbour(0), PLAIN_ROUTER]);
    // The first ones are kept: whoever comes later is what is lost.
    site.change_nexthops(vec![hop(WAN, PLAIN_ROUTER), hop(WAN, neighbour(0))]);
    site.settle();
    let (to_router, to_other): (Vec<_>, Vec<_>) =
        site.at_peer().into_iter().partition(|sent| header(sent).destination_addr() == B_HOST);
    assert_eq!(ids(&to_router), (0..PER_NEIGHBOUR as u16).collect::<Vec<_>>());
    assert_eq!(ids(&to_other), [100]);
    site.end();
}

#[test]
fn all_silent_neighbours_together_have_room_for_so_many() {
    let mut site = site();
    for n in 0..10 {
        for _ in 0..60 {
            site.put_at_host(&frame(&numbered(neighbour(n), n)));
        }
    }
    site.settle();
    site.assert_drops(&[(DropReason::NeighbourQueueFull, 600 - ALL)]);
    assert_eq!(site.unaccounted(), ALL as i64);
    site.end();
}

#[test]
fn a_neighbour_that_fails_ends_those_that_wait_and_their_senders_hear_of_it() {
    let mut site = site();
    let sent = numbered(B_HOST, 1);
    site.host_sends(&sent);
    let failed = Nexthop { neighbour: Neighbour::Failed, ..unresolved(WAN, PLAIN_ROUTER) };
    site.change_nexthops(vec![failed, hop(LAN, A_HOST)]);
    site.settle();
    let error = icmp_error(&site.at_host()[0]);
    assert_eq!((error.source, error.destination), (A_LAN, A_HOST));
    assert_eq!((error.kind, error.code), (icmp::UNREACHABLE, icmp::HOST_UNREACHABLE));
    assert_eq!(error.quote, one_hop_later(&sent));
    site.requests();
    // Later ones do not wait, but each asks again: the neighbour may be back.
    assert!(site.host_sends(&numbered(B_HOST, 2)).is_empty());
    assert_eq!(icmp_error(&site.at_host()[0]).code, icmp::HOST_UNREACHABLE);
    assert_eq!(site.requests(), [ROUTER]);
    site.assert_drops(&[(DropReason::NeighbourFailed, 2)]);
    assert_eq!(site.unaccounted(), 0);
    site.end();
}

#[test]
fn a_packet_waits_four_seconds_and_no_longer() {
    let mut site = site();
    site.host_sends(&numbered(B_HOST, 1));
    for _ in 0..39 {
        site.advance(100 * MS);
        site.settle();
    }
    site.assert_drops(&[]);
    site.host_sends(&numbered(B_HOST, 2));
    // It is looked at twice a second.
    site.advance(600 * MS);
    site.settle();
    site.assert_drops(&[(DropReason::NeighbourFailed, 1)]);
    let errors = site.at_host();
    assert_eq!(header(&icmp_error(&errors[0]).quote).id.get(), 1, "the second one still waits");
    assert_eq!((errors.len(), site.unaccounted()), (1, 1));
    site.advance(4_000 * MS);
    site.settle();
    site.assert_drops(&[(DropReason::NeighbourFailed, 2)]);
    assert_eq!(site.unaccounted(), 0);
    site.end();
}

#[test]
fn control_is_asked_again_every_half_second_once_for_each_neighbour() {
    let mut site = site();
    for n in 0..20 {
        site.put_at_host(&frame(&numbered(B_HOST, n)));
        site.put_at_host(&frame(&numbered(neighbour(0), n)));
    }
    site.settle();
    let both = [neighbour(0), PLAIN_ROUTER];
    assert_eq!(asked(&site), both);
    for _ in 0..6 {
        site.advance(499 * MS);
        site.settle();
        assert!(site.requests().is_empty(), "not before the time");
        site.advance(MS);
        site.settle();
        assert_eq!(asked(&site), both);
        site.settle();
        assert!(site.requests().is_empty(), "once");
    }
}

#[test]
fn a_ring_that_is_full_of_requests_loses_none_for_good() {
    let mut site = site();
    while site.events.push(ROUTER).is_ok() {}
    site.host_sends(&numbered(neighbour(3), 1));
    let wanted = resolve(WAN, neighbour(3));
    assert!(!site.requests().contains(&wanted));
    site.advance(500 * MS);
    site.settle();
    assert_eq!(site.requests(), [wanted]);
}

#[test]
fn nobody_is_told_about_what_waited_from_the_outside() {
    let mut a = Site::a(Join::Gre);
    a.change_nexthops(vec![hop(WAN, B_OUTER)]);
    assert!(a.peer_sends(&gre(&packet(B_HOST, A_HOST, 60))).is_empty());
    assert_eq!(a.requests(), [resolve(LAN, A_HOST)]);
    a.advance(4_000 * MS);
    a.settle();
    a.assert_drops(&[(DropReason::NeighbourFailed, 1)]);
    // The error goes into the tunnel, to the one who sent the inner packet.
    let back = a.at_peer();
    let error = icmp_error(&Site::b(Join::Gre).peer_sends(&back[0])[0]);
    assert_eq!((error.source, error.destination), (A_LAN, B_HOST));
}

#[test]
fn sealed_packets_wait_sealed_and_are_not_reported() {
    let join = Join::Vti(esp::Suite::AES128GCM16);
    let (mut a, mut b) = (Site::a(join), Site::b(join));
    a.change_nexthops(vec![unresolved(WAN, B_OUTER), hop(LAN, A_HOST)]);
    assert!(a.host_sends(&packet(A_HOST, B_HOST, 100)).is_empty());
    assert_eq!(a.requests(), [resolve(WAN, B_OUTER)]);
    a.change_nexthops(vec![hop(WAN, B_OUTER), hop(LAN, A_HOST)]);
    a.settle();
    let outer = a.at_peer();
    assert_eq!(b.peer_sends(&outer[0]).len(), 1);
    // When the next hop never answers, what is reported must not be the sealed packet.
    a.change_nexthops(vec![unresolved(WAN, B_OUTER), hop(LAN, A_HOST)]);
    a.host_sends(&packet(A_HOST, B_HOST, 100));
    a.advance(4_000 * MS);
    a.settle();
    a.assert_drops(&[(DropReason::NeighbourFailed, 1)]);
    assert!(a.at_host().is_empty() && a.at_peer().is_empty());
}

#[test]
fn fragments_wait_together_and_leave_in_order() {
    let mut site = site();
    let sent = packet(A_HOST, B_HOST, 9000);
    assert!(site.host_sends(&sent).is_empty());
    site.change_nexthops(vec![hop(WAN, PLAIN_ROUTER)]);
    site.settle();
    let left = site.at_peer();
    let offsets = left.iter().map(|packet| header(packet).flags_offset.get() & Ipv4::OFFSET);
    assert!(offsets.is_sorted());
    assert_eq!(reassembled(&left), one_hop_later(&sent));
}

#[test]
fn what_waits_is_given_back_when_the_worker_ends() {
    let mut site = site();
    site.host_sends(&numbered(B_HOST, 1));
    site.host_sends(&numbered(neighbour(0), 1));
    assert_eq!(site.unaccounted(), 2);
    site.end();
}
