//! A neighbour that is one, and means no good: what it says is bounded in memory, in packets and in
//! words of the log.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use engine::Secret;
use ospf::msg::auth::{Algorithm, Authentication, Key, Keys};
use ospf::msg::{
    Body, INITIAL_SEQUENCE, LinkType, Lsa, LsaBody, LsaHeader, LsaType, MAX_SEQUENCE, Options,
    Packet, RouterLink, RouterLsa,
};
use ospf::refusal::Refusal;
use ospf::settings::NetworkType;
use ospf::{ALL_SPF_ROUTERS, NeighborState};

use crate::sim::{End, Net};

const MINUTE: Duration = Duration::from_secs(60);

/// Two routers; 1 is about to say more than it should.
fn pair() -> Net {
    let mut net = Net::new(23);
    for n in 0..2 {
        net.add_router(Net::settings(n));
    }
    net.add_segment(NetworkType::PointToPoint, &[(0, 1), (1, 1)]);
    net.run(MINUTE);
    net
}

fn ends(net: &Net) -> [End; 2] {
    [net.segments[0].ends[0], net.segments[0].ends[1]]
}

/// Has router 0 hear a packet of router 1.
fn says(net: &mut Net, packet: &[u8]) {
    let [to, from] = ends(net);
    net.with(0, |ospf, now, wall| {
        ospf.handle_packet(now, wall, to.interface, from.address, ALL_SPF_ROUTERS, packet);
    });
}

fn update(net: &Net, lsas: Vec<Lsa>) -> Vec<u8> {
    let (router_id, area_id) = (Net::router_id(1), Ipv4Addr::UNSPECIFIED);
    let packet = Packet { router_id, area_id, body: Body::LinkStateUpdate(lsas) };
    packet.encode(&Authentication::None, 0, net.wall())
}

/// A router LSA of any router, with so many links into nowhere.
fn router_lsa(router: Ipv4Addr, links: u32, sequence: i32) -> Lsa {
    let link = |n| RouterLink {
        kind: LinkType::POINT_TO_POINT,
        id: Ipv4Addr::from_bits(0x6400_0000 + n),
        data: Ipv4Addr::from_bits(n),
        metric: 1,
    };
    let header = LsaHeader {
        age: 1,
        options: Options::E,
        kind: LsaType::ROUTER,
        id: router,
        advertising_router: router,
        sequence,
        checksum: 0,
        length: 0,
    };
    let body = RouterLsa { flags: 0, links: (0..links).map(link).collect() };
    Lsa::build(header, &LsaBody::Router(body)).unwrap()
}

fn refused(net: &Net, refusal: Refusal) -> u64 {
    let all = net.nodes[0].ospf.interfaces();
    let of_first = all[0].1.refused.iter().find(|(why, _)| *why == refusal);
    of_first.map_or(0, |(_, count)| *count)
}

fn logged(net: &Net, refusal: Refusal) -> usize {
    let text = refusal.to_string();
    net.nodes[0].log.iter().filter(|line| line.contains(&text)).count()
}

#[test]
fn a_database_that_is_full_takes_no_more_and_says_so_once() {
    let mut net = pair();
    for n in 0..1_500 {
        let lsa = router_lsa(Ipv4Addr::from_bits(0x7000_0000 + n), 4_000, INITIAL_SEQUENCE);
        let packet = update(&net, vec![lsa]);
        says(&mut net, &packet);
    }
    let held: usize = net.nodes[0].ospf.database().len();
    assert!((500..1_490).contains(&held), "{held}");
    assert!(refused(&net, Refusal::DatabaseFull) >= 10);
    assert_eq!(logged(&net, Refusal::DatabaseFull), 1);
    // The adjacency lives, and what is known can still be renewed.
    net.run(MINUTE);
    assert_eq!(net.states(0), [NeighborState::Full]);
    let known = Ipv4Addr::from_bits(0x7000_0000);
    let packet = update(&net, vec![router_lsa(known, 4_000, INITIAL_SEQUENCE + 1)]);
    says(&mut net, &packet);
    let all = net.nodes[0].ospf.database();
    let found = all.iter().find(|lsa| lsa.header.id == known).unwrap();
    assert_eq!(found.header.sequence, INITIAL_SEQUENCE + 1);
}

#[test]
fn our_lsa_at_the_end_of_its_numbers_is_flushed_and_begins_anew() {
    let mut net = pair();
    let before = net.costs(1);
    let packet = update(&net, vec![router_lsa(Net::router_id(0), 3, MAX_SEQUENCE)]);
    says(&mut net, &packet);
    net.run(MINUTE);
    for node in 0..2 {
        let all = net.nodes[node].ospf.database();
        let own = all.iter().find(|lsa| lsa.header.id == Net::router_id(0)).unwrap();
        assert!(own.header.sequence < INITIAL_SEQUENCE + 5, "{:x}", own.header.sequence);
    }
    assert_eq!(net.costs(1), before);
    assert_eq!(net.states(0), [NeighborState::Full]);
}

#[test]
fn who_contends_for_our_lsa_is_answered_no_more_often_than_every_five_seconds() {
    let mut net = pair();
    let own = Net::router_id(0);
    let sequence = |net: &Net| {
        let all = net.nodes[0].ospf.database();
        all.iter().find(|lsa| lsa.header.id == own).unwrap().header.sequence
    };
    let mut ours = 0;
    let start = net.now;
    while net.now.since(start) < MINUTE {
        let theirs = sequence(&net) + 10;
        let packet = update(&net, vec![router_lsa(own, 3, theirs)]);
        says(&mut net, &packet);
        net.run(Duration::from_millis(1_100));
        ours += usize::from(sequence(&net) == theirs + 1);
    }
    assert!((2..=13).contains(&ours), "{ours}");
    net.run(MINUTE);
    assert_eq!(net.costs(1).len(), 1, "in the end ours holds");
}

#[test]
fn an_old_packet_with_a_good_digest_is_refused() {
    let keys = || {
        let secret = Secret::copy_of(b"a secret");
        let algorithm = Algorithm::HmacSha256;
        let key = Key { id: 1, algorithm, secret, accept: None, generate: None };
        Arc::new(Authentication::Cryptographic(Keys::new(vec![key]).unwrap()))
    };
    let mut net = Net::new(29);
    for n in 0..2 {
        net.add_router(Net::settings(n));
    }
    net.add_segment_with(NetworkType::PointToPoint, &[(0, 1), (1, 1)], |_, settings| {
        settings.authentication = keys();
    });
    net.run(MINUTE);
    assert_eq!(net.states(0), [NeighborState::Full]);
    let (router_id, area_id) = (Net::router_id(1), Ipv4Addr::UNSPECIFIED);
    let body = Body::LinkStateUpdate(vec![router_lsa(router_id, 0, INITIAL_SEQUENCE + 500)]);
    let packet = Packet { router_id, area_id, body }.encode(&keys(), 5, net.wall());
    for _ in 0..3 {
        says(&mut net, &packet);
    }
    assert_eq!((refused(&net, Refusal::Replay), logged(&net, Refusal::Replay)), (3, 1));
    let all = net.nodes[0].ospf.database();
    let kept = all.iter().find(|lsa| lsa.header.id == router_id).unwrap();
    assert!(kept.header.sequence < INITIAL_SEQUENCE + 500);
}

#[test]
fn who_begins_anew_in_the_middle_of_an_exchange_becomes_full_all_the_same() {
    for moment in [1, 2, 3, 4, 5, 7, 9] {
        let mut net = Net::new(31 + moment);
        for n in 0..2 {
            net.add_router(Net::settings(n));
        }
        net.add_segment(NetworkType::PointToPoint, &[(0, 1), (1, 1)]);
        net.run(Duration::from_millis(moment));
        net.restart(1);
        net.run_until(MINUTE, |net| (0..2).all(|node| net.states(node) == [NeighborState::Full]));
    }
}
