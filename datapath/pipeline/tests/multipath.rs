//! Routes with several equal ways: each flow takes one of them, and all of its packets do.

mod common;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use common::*;
use tables::{
    DropReason, Fib, MultipathId, Multipaths, Neighbour, Nexthop, NexthopId, Nexthops, Route,
};
use wire::ethernet::Mac;
use wire::ipv6::Ipv6;
use wire::protocol;
use zerocopy::IntoBytes;

const FLOWS: u16 = 10_000;
const SINGLE: Ipv4Addr = Ipv4Addr::new(10, 3, 0, 2);
const A_HOST_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 2);
const B_HOST_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 2);

fn mac(n: u32) -> Mac {
    Mac([2, 9, 0, 0, 0, n as u8])
}

/// A plain gateway with three routers on its second port: each of them leads to B's site, and the
/// first one alone to another.
fn forked() -> Site {
    let mut site = Site::plain();
    site.change(|tables| {
        let paths = (0..3).map(|n| Route::Via(NexthopId(n))).collect();
        tables.multipaths = Arc::new(Multipaths::build(7, vec![paths]));
        let hop = |n: u32| Nexthop {
            port: WAN,
            address: IpAddr::from([192, 0, 2, 100 + n as u8]),
            neighbour: Neighbour::Resolved(mac(n)),
        };
        tables.nexthops = Arc::new(Nexthops::build((0..3).map(hop).collect()));
        let net = |text: &str| text.parse().unwrap();
        tables.fib = Arc::new(Fib::build([
            (net("10.2.0.0/24"), Route::Multipath(MultipathId(0))),
            (net("fd00:2::/64"), Route::Multipath(MultipathId(0))),
            (net("10.4.0.0/24"), Route::Multipath(MultipathId(9))),
            (net("10.3.0.0/24"), Route::Via(NexthopId(0))),
        ]));
    });
    site
}

/// UDP of this flow with `payload` bytes.
fn udp(destination: Ipv4Addr, source_port: u16, payload: usize) -> Vec<u8> {
    let mut sent = with_header(packet(A_HOST, destination, 28 + payload), |header| {
        header.protocol = protocol::UDP;
        header.id.set(source_port);
    });
    sent[20..22].copy_from_slice(&source_port.to_be_bytes());
    sent[22..24].copy_from_slice(&443u16.to_be_bytes());
    sent
}

/// By which router each of these packets leaves.
fn routers(site: &mut Site, packets: &[Vec<u8>]) -> Vec<usize> {
    packets.iter().for_each(|packet| site.put_at_host(&frame(packet)));
    site.settle();
    let frames = site.frames_at_peer();
    assert_eq!(frames.len(), packets.len());
    let router = |frame: &Vec<u8>| (0..3).position(|n| frame[..6] == mac(n as u32).0);
    frames.iter().map(|frame| router(frame).expect("one of the routers")).collect()
}

#[test]
fn flows_are_spread_evenly_and_each_stays_where_it_is() {
    let mut site = forked();
    let mut counts = [0usize; 3];
    for first in (0..FLOWS).step_by(100) {
        let flows = || (first..first + 100).map(|port| udp(B_HOST, port, 10));
        let sent = routers(&mut site, &flows().collect::<Vec<_>>());
        sent.iter().for_each(|router| counts[*router] += 1);
        // More of the same flows, longer and in another order.
        let again: Vec<_> = (first..first + 100).rev().map(|port| udp(B_HOST, port, 90)).collect();
        let again = routers(&mut site, &again);
        assert!(sent.iter().eq(again.iter().rev()));
    }
    let share = usize::from(FLOWS) / 3;
    assert!(counts.iter().all(|count| count.abs_diff(share) < share * 6 / 100), "{counts:?}");
    site.assert_drops(&[]);
    site.end();
}

#[test]
fn all_fragments_of_a_packet_take_one_path() {
    let mut site = forked();
    let mut used = [0; 3];
    for n in 0..60 {
        let destination = Ipv4Addr::new(10, 2, 0, 2 + n as u8);
        let fragments = fragments_of(&udp(destination, 1000 + n, 400), 64);
        assert!(fragments.len() > 5);
        let sent = routers(&mut site, &fragments);
        assert!(sent.iter().all(|router| *router == sent[0]), "{sent:?}");
        used[sent[0]] += 1;
    }
    assert!(used.iter().all(|count| *count > 0), "{used:?}");
}

/// A fragment of a UDP datagram over IPv6, whose first eight bytes are `bytes`.
fn fragment_6(offset_and_more: u16, bytes: [u8; 8]) -> Vec<u8> {
    let header = Ipv6::new(A_HOST_6, B_HOST_6, protocol::FRAGMENT, 16);
    let [high, low] = offset_and_more.to_be_bytes();
    [header.as_bytes(), &[protocol::UDP, 0, high, low, 0, 0, 0, 7], &bytes].concat()
}

#[test]
fn ports_count_in_ipv6_but_not_in_its_fragments() {
    let mut site = forked();
    let whole = |port: u16| {
        let header = Ipv6::new(A_HOST_6, B_HOST_6, protocol::UDP, 8);
        let [high, low] = port.to_be_bytes();
        [header.as_bytes(), &[high, low, 1, 187, 0, 8, 0, 0]].concat()
    };
    let sent = routers(&mut site, &(0..100).map(whole).collect::<Vec<_>>());
    assert!((0..3).all(|router| sent.contains(&router)), "{sent:?}");
    let fragments: Vec<_> = (0..100)
        .map(|n: u16| fragment_6(if n == 0 { 1 } else { 8 * n + 1 }, [n as u8; 8]))
        .collect();
    let sent = routers(&mut site, &fragments);
    assert!(sent.iter().all(|router| *router == sent[0]), "{sent:?}");
}

#[test]
fn a_route_with_one_target_takes_every_flow_there() {
    let mut site = forked();
    let flows: Vec<_> = (0..100).map(|port| udp(SINGLE, port, 10)).collect();
    assert!(routers(&mut site, &flows).iter().all(|router| *router == 0));
}

#[test]
fn a_route_whose_paths_are_not_there_is_none() {
    let mut site = forked();
    let lost = frame(&udp(Ipv4Addr::new(10, 4, 0, 1), 1, 10));
    assert_eq!(site.refusal(LAN, &lost), DropReason::NoRoute);
}
