//! Suites of children, and limits.

use std::sync::Arc;
use std::time::Duration;

use ike::msg::Payload;
use ike::output::{ChildSaId, Input, RemovalReason};
use ike::policy::{Child, Peer, Start};

use super::wire::{CREATE_CHILD_SA, logged_pair};
use crate::sim::policy::child;
use crate::sim::read::contents;
use crate::sim::{Net, Weather};
use crate::{A, CHILD, assert_one, assert_up, initiate, logs, pair, pair_with, rekey, seconds};

/// Changes the peer's child.
fn with_child(peer: &mut Peer, change: impl Fn(&mut Child)) {
    let mut child = child(CHILD);
    change(&mut child);
    peer.children = vec![Arc::new(child)];
}

fn only_pair(net: &Net, node: usize) -> ChildSaId {
    net.nodes[node].sends_by[CHILD]
}

fn reasons(net: &Net, node: usize) -> Vec<RemovalReason> {
    net.nodes[node].removed.iter().map(|(_, reason)| *reason).collect()
}

#[test]
fn new_keys_of_a_child_come_of_a_key_exchange_of_their_own() {
    for suite in ["aes128gcm16-x25519", "aes256-sha256-ecp384", "chacha20poly1305-modp2048"] {
        let mut net = logged_pair(40, |peer| {
            with_child(peer, |child| child.proposals = vec![suite.parse().unwrap()]);
        });
        initiate(&mut net, 0);
        net.run(seconds(1));
        assert_one(&net);
        for node in [0, 1] {
            let sent = net.sent.len();
            rekey(&mut net, node, false);
            net.run(seconds(20));
            assert_one(&net);
            let all = contents(&net, sent);
            let made = all.iter().filter(|(header, _)| header.exchange.0 == CREATE_CHILD_SA);
            let exchanged =
                made.map(|(_, payloads)| payloads.iter().any(|it| matches!(it, Payload::Ke(_))));
            assert_eq!(exchanged.collect::<Vec<_>>(), [true, true], "{suite}");
        }
    }
}

#[test]
fn another_group_for_a_child_is_taken_when_the_peer_asks_for_it() {
    let mut net = pair_with(41, Weather::FINE, |peer| {
        let suite =
            if peer.local == Some(A) { "aes128gcm16-x25519-ecp256" } else { "aes128gcm16-ecp256" };
        with_child(peer, |child| child.proposals = vec![suite.parse().unwrap()]);
    });
    initiate(&mut net, 0);
    net.run(seconds(1));
    rekey(&mut net, 0, false);
    net.run(seconds(20));
    assert_one(&net);
    assert!(reasons(&net, 0).contains(&RemovalReason::Replaced), "{:#?}", logs(&net));
}

#[test]
fn a_child_without_the_key_exchange_that_policy_wants_is_refused() {
    let mut net = pair_with(42, Weather::FINE, |peer| {
        let suite = if peer.local == Some(A) { "aes128gcm16" } else { "aes128gcm16-x25519" };
        with_child(peer, |child| child.proposals = vec![suite.parse().unwrap()]);
    });
    initiate(&mut net, 0);
    net.run(seconds(1));
    assert_one(&net);
    rekey(&mut net, 0, false);
    net.run(seconds(3));
    assert!(reasons(&net, 0).is_empty());
    let told = "is not negotiated: it allows none of our proposals (NO_PROPOSAL_CHOSEN); if it \
                wants PFS, give the tunnel's proposals a key exchange such as `x25519`";
    assert!(net.nodes[0].log.iter().any(|line| line.contains(told)), "{:#?}", logs(&net));
    assert_one(&net);
}

#[test]
fn sequence_numbers_of_64_bits_are_agreed_where_both_want_them() {
    for (theirs, esn) in [("-esn", true), ("-esn-noesn", true), ("-noesn", false), ("", false)] {
        let mut net = pair_with(43, Weather::FINE, |peer| {
            let own = if peer.local == Some(A) { "-esn-noesn" } else { theirs };
            let suite = format!("aes128gcm16{own}");
            with_child(peer, |child| child.proposals = vec![suite.parse().unwrap()]);
        });
        initiate(&mut net, 0);
        net.run(seconds(1));
        for again in [false, true] {
            if again {
                rekey(&mut net, 1, false);
                net.run(seconds(20));
            }
            assert_one(&net);
            for node in &net.nodes {
                assert!(node.pairs.values().all(|pair| pair.sa.esn == esn), "{theirs}");
            }
        }
    }
}

#[test]
fn a_child_is_made_anew_in_time_and_never_missing() {
    let mut net = pair_with(44, Weather::FINE, |peer| {
        with_child(peer, |child| child.lifetime.jitter_percent = 10);
        peer.lifetime.jitter_percent = 10;
    });
    initiate(&mut net, 0);
    net.run(seconds(1));
    let end = net.now + seconds(86_400);
    while net.step(end) {
        assert_up(&net);
    }
    net.now = end;
    assert_one(&net);
    // Twenty-four hours with a pair an hour, at the least.
    assert!(net.nodes[0].removed.len() >= 23);
    assert!(net.nodes[0].up >= 6, "{}", net.nodes[0].up);
}

#[test]
fn a_soft_limit_brings_new_keys_once() {
    let mut net = pair(45);
    initiate(&mut net, 0);
    net.run(seconds(1));
    for node in [0, 1] {
        let old = only_pair(&net, node);
        let before = net.nodes[node].removed.len();
        for _ in 0..3 {
            net.input(node, Input::SoftLimit(old));
        }
        let end = net.now + seconds(20);
        while net.step(end) {
            assert_up(&net);
        }
        net.now = end;
        assert_one(&net);
        assert_ne!(only_pair(&net, node), old);
        assert_eq!(net.nodes[node].removed[before..], [(old, RemovalReason::Replaced)]);
        // What is told late says nothing of the new pair.
        net.input(node, Input::SoftLimit(old));
        net.input(node, Input::HardLimit(old));
        net.run(seconds(20));
        assert_eq!(net.nodes[node].removed.len(), before + 1);
    }
}

#[test]
fn a_hard_limit_ends_a_pair_on_both_sides() {
    for node in [0, 1] {
        let mut net = pair(46);
        initiate(&mut net, 0);
        net.run(seconds(1));
        let pair = only_pair(&net, node);
        net.input(node, Input::HardLimit(pair));
        assert_eq!(reasons(&net, node), [RemovalReason::Expired]);
        net.run(seconds(1));
        assert_eq!(reasons(&net, 1 - node), [RemovalReason::DeletedByPeer]);
        assert!(net.nodes.iter().all(|node| node.pairs.is_empty()));
        // The next packet brings a new one on the connection that is there.
        let packet = Input::Acquire { child: CHILD.into(), remote: None, packet: None };
        net.input(node, packet);
        net.run(seconds(1));
        assert_one(&net);
        assert!(net.nodes.iter().all(|node| node.up == 1));
    }
}

#[test]
fn a_child_that_starts_by_itself_comes_back_once_after_a_hard_limit() {
    for seed in 0..10 {
        let mut net = pair_with(seed, Weather::FINE, |peer| {
            with_child(peer, |child| child.start = Start::Always);
        });
        net.run(seconds(60));
        assert_one(&net);
        let pair = only_pair(&net, 1);
        net.input(1, Input::HardLimit(pair));
        net.run(seconds(60));
        assert_one(&net);
    }
}

#[test]
fn a_pair_that_is_not_made_anew_ends_at_its_hard_limit_in_time() {
    let mut net = pair_with(47, Weather::FINE, |peer| {
        with_child(peer, |child| {
            child.lifetime.rekey = None;
            child.lifetime.hard = Some(Duration::from_secs(600));
        });
    });
    initiate(&mut net, 0);
    net.run(seconds(599));
    assert_one(&net);
    net.run(seconds(2));
    assert!(net.nodes.iter().all(|node| node.pairs.is_empty()));
    assert!(net.nodes.iter().all(|node| node.removed.len() == 1));
}

#[test]
fn a_connection_ends_at_its_hard_limit_and_children_that_start_by_themselves_come_back() {
    for start in [Start::OnDemand, Start::Always] {
        let mut net = pair_with(48, Weather::FINE, |peer| {
            peer.lifetime.rekey = Duration::from_secs(10_000);
            peer.lifetime.hard = Duration::from_secs(600);
            with_child(peer, |child| child.start = start);
        });
        initiate(&mut net, 0);
        net.run(seconds(500));
        assert_one(&net);
        net.run(seconds(200));
        if start == Start::Always {
            assert_one(&net);
        } else {
            assert!(net.nodes.iter().all(|it| it.pairs.is_empty() && it.ike.status().is_empty()));
        }
        assert!(net.nodes.iter().all(|node| node.down >= 1));
    }
}
