//! Peers that connect once more, or in other ways than the plain one.

use std::net::IpAddr;
use std::sync::Arc;

use engine::Secret;
use ike::Settings;
use ike::output::{Input, RemovalReason};
use ike::policy::{Peer, Ppk, Start, Uniqueness};

use super::wire::{logged_pair, notified};
use crate::sim::policy::{child, gre};
use crate::sim::read::contents;
use crate::sim::{Net, Weather};
use crate::{A, B, CHILD, assert_one, initiate, logs, pair_with, rekey, seconds};

/// Where the first gateway is after it has moved.
const C: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 3));

/// The process of a gateway ends, and another one begins.
fn restart(net: &mut Net, node: usize, peer: Peer) {
    let mut bytes = [9; 32];
    bytes[0] = node as u8;
    let random = Box::new(engine::Seeded::new(bytes));
    let settings = Settings { key_log: true, ..Settings::default() };
    net.restart(node, settings, random);
    net.configure(node, vec![Arc::new(peer)]);
}

/// A pair of which the first authenticates anew from another address after a while, and cannot tell
/// the old connection's end that it has moved.
fn roaming(seed: u64, uniqueness: Uniqueness) -> Net {
    let mut net = pair_with(seed, Weather::FINE, |peer| {
        peer.uniqueness = uniqueness;
        peer.dpd = None;
        if peer.local == Some(A) {
            peer.local = None;
            peer.lifetime.reauthenticate = Some(seconds(60));
        } else {
            peer.remote = None;
            peer.remote_identity = A.to_string().parse().unwrap();
        }
    });
    initiate(&mut net, 0);
    net.run(seconds(10));
    assert_one(&net);
    net.move_to(0, C);
    net.input(0, Input::LocalAddresses(vec![C]));
    net.run(seconds(51));
    net
}

#[test]
fn a_peer_that_has_forgotten_everything_takes_the_place_of_what_was() {
    for uniqueness in [Uniqueness::Replace, Uniqueness::Keep, Uniqueness::Never] {
        let mut net = logged_pair(70, |peer| peer.uniqueness = uniqueness);
        initiate(&mut net, 0);
        net.run(seconds(1));
        let sent = net.sent.len();
        let mut peer = gre(CHILD, A, Some(B));
        peer.uniqueness = uniqueness;
        restart(&mut net, 0, peer);
        initiate(&mut net, 0);
        net.run(seconds(1));
        let kind = ike::msg::numbers::notify::INITIAL_CONTACT;
        assert!(notified(&net, sent, kind).is_some());
        assert_one(&net);
        let removed = &net.nodes[1].removed;
        assert_eq!(removed.iter().map(|it| it.1).collect::<Vec<_>>(), [RemovalReason::PeerDead]);
    }
}

#[test]
fn a_gateway_that_has_forgotten_everything_is_replaced_within_the_dpd_time() {
    let mut net = pair_with(71, Weather::FINE, |peer| {
        let mut always = child(CHILD);
        always.start = Start::Always;
        peer.children = vec![Arc::new(always)];
    });
    net.run(seconds(60));
    restart(&mut net, 1, gre(CHILD, B, Some(A)));
    net.run(seconds(100));
    assert_one(&net);
}

#[test]
fn a_peer_whose_path_is_said_to_have_failed_is_asked_at_once_and_once() {
    let mut net = pair_with(75, Weather::FINE, |_| {});
    initiate(&mut net, 0);
    net.run(seconds(5));
    let sent = net.sent.len();
    for child in [CHILD, CHILD, "another"] {
        net.input(0, Input::PathFailed { child: child.into() });
    }
    net.run(seconds(1));
    assert_eq!(net.sent.len(), sent + 2, "a question and an answer");
    assert_one(&net);
}

#[test]
fn an_identity_that_connects_from_elsewhere_replaces_its_older_connection() {
    let mut net = roaming(72, Uniqueness::Replace);
    assert!(net.passes(0, 1, CHILD), "{:#?}", logs(&net));
    let packet = net.nodes[1].pairs.values().find(|pair| pair.sa.path.remote.ip() == C);
    let used = packet.expect("a pair with the new address").sa.id;
    net.input(1, Input::InboundUsed(used));
    assert!(net.passes(1, 0, CHILD));
    // What is left of the old one ends when its deletion is given up.
    net.run(seconds(400));
    assert_eq!(net.nodes[1].pairs.len(), 1, "{:#?}", logs(&net));
    assert_eq!(net.nodes[1].path_of(CHILD).remote.ip(), C);
}

#[test]
fn an_identity_that_connects_from_elsewhere_is_refused_where_policy_keeps_the_older() {
    let net = roaming(73, Uniqueness::Keep);
    let text = "is connected already: the new connection is refused";
    assert!(net.nodes[1].log.iter().any(|line| line.contains(text)), "{:#?}", logs(&net));
    assert_eq!(net.nodes[1].path_of(CHILD).remote.ip(), A);
    assert_eq!(net.nodes[1].pairs.len(), 1);
    assert_eq!(net.nodes[1].ike.status().len(), 1);
}

#[test]
fn where_policy_keeps_the_older_a_new_authentication_still_replaces_it() {
    let mut net = pair_with(74, Weather::FINE, |peer| {
        peer.uniqueness = Uniqueness::Keep;
        if peer.local == Some(A) {
            peer.lifetime.reauthenticate = Some(seconds(600));
        }
    });
    initiate(&mut net, 0);
    net.run(seconds(700));
    assert_one(&net);
    assert_eq!(net.nodes[0].up, 2, "{:#?}", logs(&net));
}

#[test]
fn a_connection_is_made_without_a_child_and_the_child_with_keys_of_its_own() {
    let mut net = logged_pair(75, |peer| {
        peer.childless = true;
        let mut of_its_own = child(CHILD);
        of_its_own.proposals = vec!["aes128gcm16-x25519".parse().unwrap()];
        peer.children = vec![Arc::new(of_its_own)];
    });
    initiate(&mut net, 0);
    net.run(seconds(1));
    assert_one(&net);
    let exchanges: Vec<_> = contents(&net, 0).iter().map(|(it, _)| it.exchange.0).collect();
    assert_eq!(exchanges, [34, 34, 35, 35, 36, 36]);
    for ike in [false, true] {
        rekey(&mut net, 1, ike);
        net.run(seconds(20));
        assert_one(&net);
    }
}

fn ppk(id: &[u8], byte: u8, required: bool) -> Option<Ppk> {
    Some(Ppk { id: id.into(), secret: Secret::copy_of(&[byte; 32]), required })
}

/// What each side has, and whether they connect, and whether the secret is part of the keys.
fn with_ppks(ours: impl Fn() -> Option<Ppk>, theirs: impl Fn() -> Option<Ppk>) -> (bool, bool) {
    let mut used = false;
    let mut up = [false; 2];
    for node in [0, 1] {
        let mut net = logged_pair(76, |peer| {
            peer.ppk = if peer.local == Some(A) { ours() } else { theirs() };
        });
        initiate(&mut net, node);
        net.run(seconds(1));
        up[node] = net.passes(0, 1, CHILD) && net.passes(1, 0, CHILD);
        if up[node] {
            rekey(&mut net, node, true);
            net.run(seconds(20));
            assert_one(&net);
        }
        let identity = ike::msg::numbers::notify::PPK_IDENTITY;
        let named = |(header, payloads): &(ike::msg::Header, Vec<ike::msg::Payload>)| {
            header.is_response()
                && payloads.iter().any(|payload| match payload {
                    ike::msg::Payload::Notify(notify) => notify.kind == identity,
                    _ => false,
                })
        };
        used = contents(&net, 0).iter().any(named);
    }
    assert_eq!(up[0], up[1], "whoever begins");
    (up[0], used)
}

#[test]
fn a_post_quantum_secret_is_used_where_both_have_it_and_missed_where_one_requires_it() {
    let same = |required| move || ppk(b"quantum", 7, required);
    let other = |required| move || ppk(b"other", 8, required);
    assert_eq!(with_ppks(same(false), same(false)), (true, true));
    assert_eq!(with_ppks(same(true), same(false)), (true, true));
    assert_eq!(with_ppks(same(false), || None), (true, false));
    assert_eq!(with_ppks(same(false), other(false)), (true, false));
    assert_eq!(with_ppks(same(true), || None), (false, false));
    assert_eq!(with_ppks(same(true), other(false)), (false, false));
    let wrong = || ppk(b"quantum", 9, false);
    assert!(!with_ppks(same(false), wrong).0);
}

#[test]
fn who_comes_to_a_gateway_with_several_peers_is_the_one_that_it_proves_to_be() {
    for node in [0, 1] {
        let mut net = pair_with(77, Weather::FINE, |peer| peer.ppk = ppk(b"quantum", 7, true));
        // Another peer that may be there comes first, and has no such secret.
        let (here, there) = [(A, B), (B, A)][1 - node];
        let mut other = gre("other", here, None);
        other.remote_identity = "somebody.example".parse().unwrap();
        let mut same = gre(CHILD, here, None);
        same.remote_identity = there.to_string().parse().unwrap();
        same.ppk = ppk(b"quantum", 7, true);
        net.configure(1 - node, vec![Arc::new(other), Arc::new(same)]);
        initiate(&mut net, node);
        net.run(seconds(1));
        assert_one(&net);
    }
}
