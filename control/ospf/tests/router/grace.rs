//! A neighbour that has said that it restarts is kept while it is silent, for no longer than it has
//! asked for, and not if the network changes meanwhile (RFC 3623 section 3).

use std::net::Ipv4Addr;
use std::time::Duration;

use ospf::ALL_SPF_ROUTERS;
use ospf::msg::auth::Authentication;
use ospf::msg::{
    Body, INITIAL_SEQUENCE, Lsa, LsaBody, LsaHeader, LsaType, MAX_AGE, Options, Packet,
};
use ospf::settings::NetworkType;

use crate::sim::Net;

const MINUTE: Duration = Duration::from_secs(60);
/// Seconds that the neighbour asks for.
const PERIOD: u32 = 180;

/// Routers 0, 1 and 2 in a row and 3 beside 0; a network behind 2. Router 1 has asked 0 and 2 for
/// grace and says nothing more.
fn restarting() -> Net {
    let mut net = Net::new(3);
    for n in 0..4 {
        net.add_router(Net::settings(n));
    }
    for ends in [[(0, 1), (1, 1)], [(1, 1), (2, 1)], [(0, 1), (3, 1)]] {
        net.add_segment(NetworkType::PointToPoint, &ends);
    }
    net.add_segment(NetworkType::Broadcast, &[(2, 5)]);
    net.run(MINUTE);
    says_grace(&mut net, 0);
    for segment in [0, 1] {
        net.segments[segment].loss = 100;
    }
    net
}

/// What router 1 says to those beside it, this many seconds after it began to.
fn says_grace(net: &mut Net, age: u16) {
    for (segment, to) in [(0, 0), (1, 2)] {
        let ends = net.segments[segment].ends.clone();
        let from = ends.iter().find(|end| end.node == 1).unwrap();
        let to = ends.iter().find(|end| end.node == to).unwrap();
        let packet = grace(from.address, age).encode(&Authentication::None, 0, net.wall());
        let source = from.address;
        net.with(to.node, |ospf, now, wall| {
            ospf.handle_packet(now, wall, to.interface, source, ALL_SPF_ROUTERS, &packet);
        });
    }
}

fn grace(address: Ipv4Addr, age: u16) -> Packet {
    let period = PERIOD.to_be_bytes();
    let tlvs: [&[u8]; 6] = [
        &[0, 1, 0, 4],
        &period,
        // Why: the software restarts.
        &[0, 2, 0, 1],
        &[1, 0, 0, 0],
        &[0, 3, 0, 4],
        &address.octets(),
    ];
    let header = LsaHeader {
        age,
        options: Options::E,
        kind: LsaType::OPAQUE_LINK,
        id: Ipv4Addr::new(3, 0, 0, 0),
        advertising_router: Net::router_id(1),
        sequence: INITIAL_SEQUENCE,
        checksum: 0,
        length: 0,
    };
    let lsa = Lsa::build(header, &LsaBody::Opaque(tlvs.concat())).unwrap();
    let (router_id, area_id) = (Net::router_id(1), Ipv4Addr::UNSPECIFIED);
    Packet { router_id, area_id, body: Body::LinkStateUpdate(vec![lsa]) }
}

fn knows_the_far_network(net: &Net) -> bool {
    let far = net.segments[3].prefix;
    [0, 3].iter().all(|node| net.nodes[*node].fib.contains_key(&far))
}

#[test]
fn a_silent_neighbour_is_kept_for_as_long_as_it_has_asked_for() {
    let mut net = restarting();
    net.run(Duration::from_secs(u64::from(PERIOD) - 5));
    assert!(knows_the_far_network(&net));
    assert!(net.nodes[0].ospf.neighbors().iter().any(|neighbor| neighbor.is_helped));
    net.run(Duration::from_secs(10));
    assert!(!knows_the_far_network(&net));
    let said = net.nodes[0].log.iter().filter(|line| line.contains("grace period is over"));
    assert_eq!(said.count(), 1);
}

#[test]
fn a_change_elsewhere_ends_it() {
    let mut net = restarting();
    net.run(MINUTE);
    assert!(knows_the_far_network(&net));
    let end = net.segments[2].ends[1];
    net.change(end, |settings| settings.cost = 7);
    net.run(MINUTE);
    assert!(!knows_the_far_network(&net));
    assert!(net.nodes[0].log.iter().any(|line| line.contains("has changed meanwhile")));
}

#[test]
fn it_is_over_when_the_neighbour_says_so() {
    let mut net = restarting();
    net.run(MINUTE);
    for segment in [0, 1] {
        net.segments[segment].loss = 0;
    }
    says_grace(&mut net, MAX_AGE);
    net.run(MINUTE);
    assert!(knows_the_far_network(&net));
    assert!(
        net.nodes.iter().all(|node| node.ospf.neighbors().iter().all(|known| !known.is_helped))
    );
}
