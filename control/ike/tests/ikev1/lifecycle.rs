//! What becomes of SAs with time: new keys, dead peers, restarts, deletion.

use std::time::Duration;

use ike::output::{Input, RemovalReason};
use ike::policy::{DpdAction, Start};

use crate::net::{Net, gre};

const SECOND: Duration = Duration::from_secs(1);

fn up(net: &mut Net) {
    net.acquire(0, "gre");
    net.run(5 * SECOND);
    net.assert_connected();
    net.assert_pairs(1);
}

fn settle(net: &mut Net) {
    net.run(60 * SECOND);
    net.assert_connected();
    net.assert_pairs(1);
}

fn rekey(net: &mut Net, index: usize, ike: bool) {
    let peer = net.nodes[index].peers[0].name.clone();
    net.input(index, Input::Rekey { peer, ike });
}

#[test]
fn either_side_renews_keys_without_a_gap() {
    for index in 0..2 {
        let mut net = gre(|_, _, _| {});
        up(&mut net);
        let before = net.nodes[0].datapath.current().unwrap().id;
        rekey(&mut net, index, false);
        for _ in 0..100 {
            net.run(Duration::from_millis(20));
            net.assert_connected();
        }
        settle(&mut net);
        assert_ne!(net.nodes[0].datapath.current().unwrap().id, before);
        assert_eq!(net.nodes[index].datapath.removed, [RemovalReason::Replaced]);
    }
}

#[test]
fn keys_that_are_renewed_soon_by_the_other_side_are_the_ones_that_stay() {
    let mut net = gre(|_, _, _| {});
    net.acquire(0, "gre");
    net.run(Duration::from_millis(600));
    net.assert_connected();
    for round in 1..=16 {
        let before = net.nodes.each_ref().map(|node| node.datapath.current().unwrap().id);
        rekey(&mut net, round % 2, false);
        net.run(Duration::from_millis(600));
        net.assert_connected();
        let after = net.nodes.each_ref().map(|node| node.datapath.current().unwrap().id);
        assert!(before[0] != after[0] && before[1] != after[1], "round {round}");
    }
    settle(&mut net);
}

#[test]
fn both_sides_renew_keys_at_once_and_one_pair_stays() {
    let mut net = gre(|_, _, _| {});
    up(&mut net);
    for _ in 0..5 {
        rekey(&mut net, 0, false);
        rekey(&mut net, 1, false);
        for _ in 0..100 {
            net.run(Duration::from_millis(20));
            net.assert_connected();
        }
        settle(&mut net);
    }
}

#[test]
fn both_sides_call_at_once_and_one_pair_stays() {
    let mut net = gre(|_, _, _| {});
    net.acquire(0, "gre");
    net.acquire(1, "gre");
    net.run(120 * SECOND);
    net.assert_connected();
    net.assert_pairs(1);
    assert!(net.nodes.iter().all(|node| node.ike.status().len() == 1));
}

#[test]
fn keys_are_renewed_before_they_expire() {
    let mut net = gre(|_, _, _| {});
    up(&mut net);
    for _ in 0..20 {
        net.run(600 * SECOND);
        net.assert_connected();
    }
    settle(&mut net);
    assert!(net.nodes[0].datapath.removed.len() >= 3);
    assert!(net.nodes[0].datapath.removed.iter().all(|why| *why == RemovalReason::Replaced));
}

#[test]
fn a_new_main_mode_takes_the_children_over() {
    let mut net = gre(|_, _, _| {});
    up(&mut net);
    let old = net.nodes[0].ike.status()[0].id;
    let pair = net.nodes[0].datapath.current().unwrap().id;
    for index in [0, 1] {
        let peer = net.nodes[index].peers[0].name.clone();
        net.input(index, Input::Rekey { peer, ike: true });
        settle(&mut net);
    }
    let status = net.nodes[0].ike.status();
    assert_eq!(status.len(), 1);
    assert_ne!(status[0].id, old);
    assert_eq!(status[0].children.len(), 1);
    assert_ne!(status[0].children[0].id, pair);
}

#[test]
fn the_shorter_lifetime_counts() {
    for index in 0..2 {
        let mut net = gre(|at, _, child| {
            if at == index {
                child.lifetime.hard = Some(Duration::from_secs(600));
                child.lifetime.rekey = Some(Duration::from_secs(500));
                child.lifetime.hard_bytes = Some(1 << 30);
            }
        });
        up(&mut net);
        for node in &net.nodes {
            let sa = node.datapath.current().unwrap();
            assert_eq!(sa.lifetime.hard_bytes, Some(1 << 30));
        }
        net.run(590 * SECOND);
        net.assert_connected();
        assert!(net.nodes[0].datapath.outbound.len() >= 2, "{:?}", net.nodes[0].log);
    }
}

#[test]
fn a_limit_of_bytes_brings_new_keys() {
    let mut net = gre(|_, _, _| {});
    up(&mut net);
    let id = net.nodes[1].datapath.current().unwrap().id;
    net.input(1, Input::SoftLimit(id));
    settle(&mut net);
    assert_eq!(net.nodes[0].datapath.outbound.len(), 2);
}

#[test]
fn a_dead_peer_is_noticed_in_time() {
    let mut net = gre(|_, peer, _| {
        peer.dpd.as_mut().unwrap().action = DpdAction::Restart;
    });
    up(&mut net);
    net.weather = Box::new(|_, _| vec![]);
    net.traffic = false;
    net.run(100 * SECOND);
    net.assert_pairs(0);
    for node in &net.nodes {
        assert_eq!(node.datapath.removed, [RemovalReason::PeerDead]);
    }
    net.weather = Box::new(|_, _| vec![Duration::from_millis(10)]);
    net.run(300 * SECOND);
    net.assert_connected();
}

#[test]
fn a_peer_whose_path_is_said_to_have_failed_is_asked_at_once_and_once() {
    let mut net = gre(|_, _, _| {});
    up(&mut net);
    let sent = |net: &Net| [net.nodes[0].sent.len(), net.nodes[1].sent.len()];
    let before = sent(&net);
    for child in ["gre", "gre", "another"] {
        net.input(0, Input::PathFailed { child: child.into() });
    }
    net.run(SECOND);
    assert_eq!(sent(&net), before.map(|count| count + 1), "a question and an answer");
    net.assert_pairs(1);
}

#[test]
fn a_silent_peer_that_answers_keeps_its_sas() {
    let mut net = gre(|_, _, _| {});
    up(&mut net);
    net.traffic = false;
    net.run(1000 * SECOND);
    net.assert_pairs(1);
    net.assert_connected();
}

#[test]
fn either_side_restarts_and_both_recover() {
    for index in 0..2 {
        let mut net = gre(|_, _, child| child.start = Start::Always);
        net.run(120 * SECOND);
        net.assert_connected();
        net.assert_pairs(1);
        net.restart(index, 7);
        net.run(60 * SECOND);
        settle(&mut net);
    }
}

#[test]
fn a_restarted_responder_is_noticed_by_dead_peer_detection() {
    let mut net = gre(|at, peer, child| {
        if at == 0 {
            child.start = Start::Always;
        } else {
            peer.remote = None;
        }
    });
    net.run(10 * SECOND);
    net.assert_connected();
    net.restart(1, 7);
    net.run(180 * SECOND);
    net.assert_connected();
    net.assert_pairs(1);
}

#[test]
fn terminated_sas_go_on_both_sides() {
    let mut net = gre(|_, _, _| {});
    up(&mut net);
    let peer = net.nodes[0].peers[0].name.clone();
    net.input(0, Input::Terminate { peer });
    net.run(SECOND);
    net.assert_pairs(0);
    assert_eq!(net.nodes[1].datapath.removed, [RemovalReason::DeletedByPeer]);
    assert!(net.nodes.iter().all(|node| node.ike.status().is_empty()));
}

#[test]
fn replayed_messages_change_nothing() {
    let mut net = gre(|_, _, _| {});
    up(&mut net);
    net.run(200 * SECOND);
    let before = net.nodes[1].sent.len();
    let recorded: Vec<_> = net.nodes[0].sent.clone();
    for datagram in recorded {
        let path = ike::output::Path { local: datagram.path.remote, remote: datagram.path.local };
        net.inject(1, &ike::output::Datagram { path, message: datagram.message });
    }
    net.assert_pairs(1);
    net.assert_connected();
    // A recorded first message is one more stranger who is answered once, and no more.
    assert!(net.nodes[1].sent.len() <= before + 1, "{:?}", net.nodes[1].log);
}
