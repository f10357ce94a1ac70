//! Ends that move: MOBIKE (RFC 4555), and NATs that change their mind.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ike::output::{Input, Path};
use ike::policy::Peer;

use super::wire::{logged_pair, notified};
use crate::sim::policy::gre;
use crate::sim::{Net, Weather};
use crate::{A, B, CHILD, assert_one, initiate, logs, pair, pair_with, rekey, seconds};

const MOVED: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 7, 1));

/// Our own end is wherever we are, and the peer may be anywhere.
pub fn mobile(peer: &mut Peer) {
    if peer.local == Some(A) {
        peer.local = None;
    } else {
        peer.remote = None;
        peer.remote_identity = A.to_string().parse().unwrap();
    }
    peer.mobike = true;
}

fn move_first(net: &mut Net, address: IpAddr) {
    net.move_to(0, address);
    net.input(0, Input::LocalAddresses(vec![address]));
}

fn path(local: IpAddr, remote: IpAddr) -> Path {
    Path { local: SocketAddr::new(local, 4500), remote: SocketAddr::new(remote, 4500) }
}

#[test]
fn a_new_address_of_ours_moves_the_connection_and_its_pairs_on_both_ends() {
    let mut net = logged_pair(80, mobile);
    initiate(&mut net, 0);
    net.run(seconds(1));
    assert_one(&net);
    let keys: Vec<_> = net.nodes[0].pairs.keys().copied().collect();
    let sent = net.sent.len();
    move_first(&mut net, MOVED);
    net.run(seconds(1));
    assert_one(&net);
    let kind = ike::msg::numbers::notify::UPDATE_SA_ADDRESSES;
    assert!(notified(&net, sent, kind).is_some());
    assert_eq!(net.nodes[0].path_of(CHILD), path(MOVED, B), "{:#?}", logs(&net));
    assert_eq!(net.nodes[1].path_of(CHILD), path(B, MOVED));
    assert_eq!(net.nodes[1].ike.status()[0].path, path(B, MOVED));
    assert!(net.nodes[0].pairs.keys().eq(&keys));
    // Everything goes on from there, whoever begins it.
    for (node, ike) in [(0, false), (1, false), (0, true), (1, true)] {
        rekey(&mut net, node, ike);
        net.run(seconds(20));
        assert_one(&net);
    }
    assert_eq!(net.nodes[1].path_of(CHILD), path(B, MOVED));
    // The peer has begun the last of the SAs, and still it is the other one that moves.
    move_first(&mut net, A);
    net.run(seconds(1));
    assert_one(&net);
    assert_eq!(net.nodes[0].path_of(CHILD), path(A, B));
    assert_eq!(net.nodes[1].path_of(CHILD), path(B, A));
}

#[test]
fn who_moves_in_foul_weather_or_in_the_middle_of_an_exchange_arrives() {
    for seed in 0..20 {
        let mut net = pair_with(seed, Weather::FINE, mobile);
        initiate(&mut net, 0);
        net.run(seconds(1));
        net.weather = Weather::FOUL;
        rekey(&mut net, (seed % 2) as usize, seed % 3 == 0);
        net.step(net.now + seconds(1));
        move_first(&mut net, MOVED);
        net.run(seconds(50));
        net.weather = Weather::FINE;
        net.run(seconds(200));
        assert_one(&net);
        assert_eq!(net.nodes[0].path_of(CHILD), path(MOVED, B), "{seed}: {:#?}", logs(&net));
        assert_eq!(net.nodes[1].path_of(CHILD), path(B, MOVED), "{seed}: {:#?}", logs(&net));
    }
}

#[test]
fn nobody_moves_while_the_address_in_use_is_still_there() {
    let mut net = pair_with(81, Weather::FINE, mobile);
    initiate(&mut net, 0);
    net.run(seconds(1));
    let sent = net.sent.len();
    net.input(0, Input::LocalAddresses(vec![MOVED, A]));
    net.run(seconds(1));
    assert_eq!(net.sent.len(), sent);
    assert_eq!(net.nodes[0].path_of(CHILD), path(A, B));
}

/// A NAT before the first gateway, which gives it these ports.
fn behind_nat(net: &mut Net, outside: IpAddr, base: u16) {
    for port in [500, 4500] {
        net.nat.insert(SocketAddr::new(A, port), SocketAddr::new(outside, base + port));
    }
}

#[test]
fn a_peer_behind_a_nat_that_changes_is_where_it_was_heard_last() {
    let outside = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    let mut net = pair(82);
    behind_nat(&mut net, outside, 20_000);
    let mut peer = gre(CHILD, B, None);
    peer.remote_identity = A.to_string().parse().unwrap();
    net.configure(1, vec![Arc::new(peer)]);
    initiate(&mut net, 0);
    net.run(seconds(1));
    assert_one(&net);
    let id = net.nodes[1].sends_by[CHILD];
    // An authentic packet is enough.
    behind_nat(&mut net, outside, 30_000);
    let there = SocketAddr::new(outside, 34_500);
    net.input(1, Input::PeerMoved(id, there));
    assert_eq!(net.nodes[1].path_of(CHILD).remote, there);
    rekey(&mut net, 1, false);
    net.run(seconds(20));
    assert_one(&net);
    // So is an authentic message.
    behind_nat(&mut net, outside, 40_000);
    rekey(&mut net, 0, false);
    net.run(seconds(20));
    assert_one(&net);
    assert_eq!(net.nodes[1].path_of(CHILD).remote, SocketAddr::new(outside, 44_500));
}

#[test]
fn a_peer_without_a_nat_stays_where_it_is_whatever_a_packet_says() {
    let mut net = pair(83);
    initiate(&mut net, 0);
    net.run(seconds(1));
    let (id, before) = (net.nodes[1].sends_by[CHILD], net.nodes[1].path_of(CHILD));
    net.input(1, Input::PeerMoved(id, SocketAddr::new(MOVED, 500)));
    assert_eq!(net.nodes[1].path_of(CHILD), before);
}
