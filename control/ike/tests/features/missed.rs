//! Children that were to be there and are not, since what was to make or keep them has gone.

use std::sync::Arc;
use std::time::Duration;

use ike::Settings;
use ike::output::Input;
use ike::policy::{Peer, Start};

use crate::sim::policy::{child, gre};
use crate::sim::{Net, Weather};
use crate::{A, B, CHILD, assert_one, logs, seconds};

const OTHER: &str = "other";

/// Two gateways, of which the first always wants these children; `change` is made to each peer.
fn wanting(seed: u64, names: &[&str], change: impl Fn(usize, &mut Peer)) -> Net {
    let mut net = Net::new(seed, Weather::FINE);
    for (here, there, start) in [(A, B, Start::Always), (B, A, Start::OnDemand)] {
        let node = net.add(here, Settings::default());
        let mut peer = gre(CHILD, here, Some(there));
        let children = names.iter().zip(47..).map(|(name, protocol)| {
            let mut child = child(name);
            child.start = start;
            child.local[0].protocol = protocol;
            child.remote[0].protocol = protocol;
            Arc::new(child)
        });
        peer.children = children.collect();
        change(node, &mut peer);
        net.configure(node, vec![Arc::new(peer)]);
    }
    net
}

#[test]
fn a_child_that_was_being_negotiated_when_the_peer_died_is_there_once_that_is_back() {
    for after in [20, 35, 45] {
        let mut net = wanting(120, &[CHILD, OTHER], |_, _| {});
        // Within IKE_AUTH, with the second child's request, or after that.
        net.run(Duration::from_millis(after));
        net.nodes[1].dead = true;
        net.run(seconds(100));
        net.nodes[1].dead = false;
        net.run(seconds(200));
        for name in [CHILD, OTHER] {
            assert!(net.passes(0, 1, name) && net.passes(1, 0, name), "{name}: {:#?}", logs(&net));
        }
    }
}

#[test]
fn a_child_whose_connection_the_peer_ends_after_a_crossing_is_negotiated_anew() {
    // The peer is the first to be up, by the ten milliseconds that a message takes. Both renew
    // their connection within that time: the peer's request is answered, ours is lost, and the peer
    // deletes what both have renewed.
    let mut net = wanting(121, &[CHILD], |node, peer| {
        peer.dpd = None;
        peer.lifetime.rekey = Duration::from_millis([99_995, 100_000][node]);
    });
    net.run(seconds(10));
    assert_one(&net);
    let (from, established) = (net.sent.len(), net.nodes[0].up);
    net.fate.insert(from + 1, None);
    net.run(seconds(91));
    assert_eq!(net.sent[from].0.local.ip(), A);
    assert_eq!(net.sent[from + 1].0.local.ip(), B, "ours was under way");
    assert_eq!(net.nodes[0].up, established + 1);
    assert_one(&net);
    net.input(1, Input::Terminate { peer: CHILD.into() });
    net.run(Duration::from_millis(30));
    assert!(net.nodes[0].pairs.is_empty(), "{:#?}", logs(&net));
    net.run(seconds(10));
    assert_one(&net);
}
