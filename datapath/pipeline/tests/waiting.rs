//! Tunnels whose SA is still being negotiated: who waits for it, how long, and what leaves then.

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use common::*;
use esp::{OutboundSa, Suite};
use ipnet::IpNet;
use pipeline::Event;
use tables::{Demand, DropReason, Fib, Protection, Route, Tunnel, TunnelId};
use wire::protocol;

const SUITE: Suite = Suite::AES128GCM16;
const MS: u64 = 1_000_000;
/// How many packets wait for one tunnel.
const PER_TUNNEL: u64 = 16;
/// How many packets wait in all.
const ALL: u64 = 256;

/// Site A whose tunnel has no SA yet, and the SA that it gets.
fn site() -> (Site, Arc<OutboundSa>) {
    let mut site = Site::a(Join::Policy(SUITE));
    let (sa, _) = sa_pair(SUITE, false, false);
    site.change_tunnel(|tunnel| {
        tunnel.protection = Protection::Esp(None);
        tunnel.demand = Some(Arc::default());
    });
    site.advance(3_600_000 * MS);
    (site, sa)
}

fn give(site: &mut Site, sa: &Arc<OutboundSa>) {
    let sa = Arc::clone(sa);
    site.change_tunnel(|tunnel| tunnel.protection = Protection::Esp(Some(sa)));
}

fn numbered(n: u16) -> Vec<u8> {
    with_header(packet(A_HOST, B_HOST, 60 + 16 * usize::from(n % 4)), |ip| ip.id.set(n))
}

/// What comes out at the other site, which has the SA.
fn opened(site: &mut Site) -> Vec<u16> {
    let mut b = Site::b(Join::Policy(SUITE));
    let sealed = site.at_peer();
    sealed.iter().for_each(|outer| assert_eq!(header(outer).protocol, protocol::ESP));
    let inner = sealed.iter().flat_map(|outer| b.peer_sends(outer));
    inner.map(|inner| header(&inner).id.get()).collect()
}

#[test]
fn the_first_packets_wait_for_the_sa_and_leave_in_order() {
    let (mut site, sa) = site();
    for n in 0..5 {
        assert!(site.host_sends(&numbered(n)).is_empty());
    }
    let asked = site.requests();
    assert!(matches!(asked[..], [Event::Acquire { tunnel: TunnelId(0), .. }]), "{asked:?}");
    assert_eq!((site.unaccounted(), site.counters.held.value()), (5, 5));
    give(&mut site, &sa);
    site.settle();
    assert_eq!(opened(&mut site), [0, 1, 2, 3, 4]);
    assert_eq!(site.host_sends(&numbered(5)).len(), 1, "no waiting any more");
    site.assert_drops(&[]);
    assert_eq!(site.unaccounted(), 0);
    site.end();
}

#[test]
fn whoever_is_one_too_many_or_waits_too_long_is_dropped() {
    let (mut site, sa) = site();
    for n in 0..20 {
        site.put_at_host(&frame(&numbered(n)));
    }
    site.settle();
    site.assert_drops(&[(DropReason::TunnelNoSa, 20 - PER_TUNNEL)]);
    site.change(|_| ());
    site.advance(900 * MS);
    site.settle();
    assert_eq!(site.unaccounted(), PER_TUNNEL as i64, "new tables without an SA release nothing");
    site.advance(100 * MS);
    site.settle();
    site.assert_drops(&[(DropReason::TunnelNoSa, 20)]);
    give(&mut site, &sa);
    site.settle();
    assert!(site.at_peer().is_empty());
    assert_eq!(site.unaccounted(), 0);
}

#[test]
fn a_tunnel_that_nobody_negotiates_keeps_nothing() {
    let (mut site, _) = site();
    site.change_tunnel(|tunnel| tunnel.demand = None);
    assert_eq!(site.refusal(LAN, &frame(&numbered(1))), DropReason::TunnelNoSa);
}

/// A changed configuration gives the tunnel's id to another, which has an SA.
#[test]
fn what_waits_for_one_tunnel_does_not_leave_by_another() {
    let (mut site, sa) = site();
    assert!(site.host_sends(&numbered(1)).is_empty());
    site.change_tunnel(|tunnel| tunnel.demand = Some(Arc::new(Demand::default())));
    give(&mut site, &sa);
    site.settle();
    assert!(site.at_peer().is_empty());
    site.assert_drops(&[(DropReason::TunnelNoSa, 1)]);
}

#[test]
fn many_tunnels_together_have_room_for_so_many_and_no_more() {
    let mut site = Site::plain();
    let sample = tables(Join::Vti(SUITE), false, false).tunnels[0].clone();
    let ways = 20_u32;
    let to = |way: u32| Ipv4Addr::from([10, 77, way as u8, 1]);
    let tunnel = |_| {
        let mut tunnel = Tunnel::clone(&sample);
        (tunnel.protection, tunnel.demand) = (Protection::Esp(None), Some(Arc::default()));
        Arc::new(tunnel)
    };
    let route = |way| (IpNet::from(IpAddr::V4(to(way))), Route::Tunnel(TunnelId(way)));
    site.change(|tables| {
        tables.tunnels = (0..ways).map(tunnel).collect();
        tables.fib = Arc::new(Fib::build((0..ways).map(route)));
    });
    for way in 0..ways {
        for _ in 0..PER_TUNNEL {
            site.host_sends(&packet(A_HOST, to(way), 60));
        }
    }
    let sent = u64::from(ways) * PER_TUNNEL;
    site.assert_drops(&[(DropReason::TunnelNoSa, sent - ALL)]);
    assert_eq!(site.unaccounted(), ALL as i64);
    site.end();
}
