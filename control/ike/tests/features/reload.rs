//! Peers that change while the gateway runs.

use std::sync::Arc;

use ike::Settings;
use ike::output::RemovalReason;
use ike::policy::{Peer, Start};

use crate::sim::policy::{child, gre};
use crate::sim::{Net, Weather};
use crate::{A, B, CHILD, assert_one, initiate, logs, pair, seconds};

fn always(peer: &mut Peer) {
    let mut child = child(CHILD);
    child.start = Start::Always;
    peer.children = vec![Arc::new(child)];
}

#[test]
fn a_peer_that_stays_the_same_keeps_its_connection() {
    let mut net = Net::new(90, Weather::FINE);
    let mut peers = Vec::new();
    for (here, there) in [(A, B), (B, A)] {
        let node = net.add(here, Settings::default());
        let mut peer = gre(CHILD, here, Some(there));
        always(&mut peer);
        peers.push(Arc::new(peer));
        net.configure(node, vec![peers[node].clone()]);
    }
    net.run(seconds(25));
    assert_one(&net);
    let sent = net.sent.len();
    let other = Arc::new(gre("other", A, Some([10, 0, 0, 9].into())));
    net.configure(0, vec![other, peers[0].clone()]);
    net.configure(1, vec![peers[1].clone()]);
    net.run(seconds(1));
    assert_eq!(net.sent.len(), sent);
    assert_one(&net);
}

#[test]
fn a_peer_that_is_gone_from_the_configuration_is_told_and_forgotten() {
    for node in [0, 1] {
        let mut net = pair(91);
        initiate(&mut net, 0);
        net.run(seconds(1));
        net.configure(node, Vec::new());
        assert_eq!(net.nodes[node].removed[0].1, RemovalReason::Terminated);
        net.run(seconds(1));
        assert!(net.nodes.iter().all(|it| it.pairs.is_empty() && it.ike.status().is_empty()));
        assert_eq!(net.nodes[1 - node].removed[0].1, RemovalReason::DeletedByPeer);
    }
}

#[test]
fn a_peer_that_has_changed_is_connected_anew_under_its_new_policy() {
    for node in [0, 1] {
        for seed in 92..102 {
            let mut net = Net::new(seed, Weather::FINE);
            for (here, there) in [(A, B), (B, A)] {
                let node = net.add(here, Settings::default());
                let mut peer = gre(CHILD, here, Some(there));
                peer.proposals.push("aes128-sha256-ecp256".parse().unwrap());
                always(&mut peer);
                net.configure(node, vec![Arc::new(peer)]);
            }
            net.run(seconds(60));
            assert_one(&net);
            let mut peer = gre(CHILD, net.address_of(node), Some([B, A][node]));
            peer.proposals = vec!["aes128-sha256-ecp256".parse().unwrap()];
            always(&mut peer);
            net.configure(node, vec![Arc::new(peer)]);
            net.run(seconds(60));
            assert_one(&net);
            let suite = &net.nodes[1 - node].ike.status()[0].suite;
            assert!(suite.contains("ecp256"), "{suite} {:#?}", logs(&net));
        }
    }
}

#[test]
fn a_peer_that_goes_while_it_connects_is_not_let_in() {
    for steps in 0..4 {
        for node in [0, 1] {
            let mut net = pair(93);
            // Somebody else at the same address comes first in the configuration.
            let other = Arc::new({
                let mut other = gre("other", B, Some(A));
                other.remote_identity = "somebody.example".parse().unwrap();
                other
            });
            if node == 1 {
                let same = Arc::new(gre(CHILD, B, Some(A)));
                net.configure(1, vec![other.clone(), same]);
            }
            initiate(&mut net, 0);
            for _ in 0..steps {
                net.step(net.now + seconds(1));
            }
            net.configure(node, if node == 1 { vec![other] } else { Vec::new() });
            net.run(seconds(10));
            assert!(net.nodes[node].pairs.is_empty(), "{steps} {:#?}", logs(&net));
            assert!(net.nodes[node].ike.status().is_empty());
        }
    }
}
