//! Main mode and quick mode: what is agreed upon, and what is refused.

use std::sync::Arc;
use std::time::Duration;

use engine::Secret;
use ike::output::Level;
use ike::policy::{LocalAuth, Mode, RemoteAuth};

use crate::net::{A, B, Net, gre, ip};

const SECOND: Duration = Duration::from_secs(1);

fn up(net: &mut Net) {
    net.acquire(0, "gre");
    net.run(5 * SECOND);
    net.assert_connected();
    net.assert_pairs(1);
}

#[test]
fn first_packet_makes_a_pair_in_transport_mode() {
    let mut net = gre(|_, _, _| {});
    up(&mut net);
    let sa = net.nodes[0].datapath.current().unwrap();
    assert_eq!(sa.mode, Mode::Transport);
    assert_eq!(sa.suite.name(), "aes128-sha1");
    assert_eq!((sa.local[0].protocol, sa.remote[0].protocol), (47, 47));
    assert_eq!(sa.remote[0].addresses, (ip(B), ip(B)));
    assert!(!sa.udp);
    let status = net.nodes[0].ike.status();
    assert_eq!((status.len(), status[0].version, status[0].state), (1, 1, "established"));
    assert_eq!(status[0].suite, "aes128-sha1-modp1024");
    assert_eq!(status[0].children.len(), 1);
}

#[test]
fn nine_messages_are_enough() {
    let mut net = gre(|_, _, _| {});
    up(&mut net);
    assert_eq!((net.nodes[0].sent.len(), net.nodes[1].sent.len()), (5, 4));
}

#[test]
fn what_is_under_way_is_not_begun_twice() {
    let mut net = gre(|_, _, _| {});
    for _ in 0..10 {
        net.acquire(0, "gre");
    }
    net.run(5 * SECOND);
    net.acquire(0, "gre");
    net.run(5 * SECOND);
    net.assert_pairs(1);
    assert_eq!((net.nodes[0].sent.len(), net.nodes[1].sent.len()), (5, 4));
}

#[test]
fn quick_mode_has_its_own_key_exchange_where_both_want_it() {
    let mut net = gre(|_, _, child| {
        child.proposals = vec!["aes256-sha256-modp2048".parse().unwrap()];
        child.mode = Mode::Tunnel;
    });
    up(&mut net);
    assert_eq!(net.nodes[1].datapath.current().unwrap().mode, Mode::Tunnel);
}

#[test]
fn each_key_exchange_has_its_turn_until_the_peer_takes_one() {
    let offered = ["aes256-sha256-ecp384-modp2048", "aes128-sha1", "aes256-sha256-ecp256"];
    for allowed in ["aes256-sha256-modp2048", "aes128-sha1", "aes256-sha256-ecp256"] {
        let mut net = gre(|index, _, child| {
            let proposals = if index == 0 { &offered[..] } else { &[allowed] };
            child.proposals = proposals.iter().map(|it| it.parse().unwrap()).collect();
        });
        up(&mut net);
        let suite = net.nodes[0].datapath.current().unwrap().suite.name();
        assert!(allowed.starts_with(suite), "{allowed} {suite}");
        assert!(net.logged(0, "with ecp384 is refused"), "{:?}", net.nodes[0].log);
    }
}

#[test]
fn after_the_last_key_exchange_it_is_said_that_none_was_taken() {
    let mut net = gre(|index, _, child| {
        let proposal = ["aes256-sha256-ecp384-ecp256", "aes256-sha256-modp2048"][index];
        child.proposals = vec![proposal.parse().unwrap()];
    });
    net.acquire(0, "gre");
    net.run(3 * SECOND);
    net.assert_pairs(0);
    assert!(net.logged(0, "with ecp384 is refused: ecp256 is tried"), "{:?}", net.nodes[0].log);
    assert!(net.logged(0, "peer answered NO_PROPOSAL_CHOSEN"), "{:?}", net.nodes[0].log);
    assert_eq!(net.nodes[0].sent.len(), 5, "main mode, and two quick modes");
}

#[test]
fn many_suites_are_negotiated() {
    for (ike, esp) in [
        ("aes256-sha256-modp2048", "aes256-sha256"),
        ("aes192-sha384-ecp256", "aes192-sha1"),
        ("aes256-sha512-ecp384", "aes128-sha512"),
        ("aes128-md5-modp1536", "null-md5"),
        ("aes128-sha1-modp1024", "null-sha1"),
        ("aes256-sha256-modp2048", "aes128gcm16"),
        ("aes256-sha256-modp2048", "aes256gcm16-ecp256"),
        ("aes256-sha256-modp2048", "aes256gmac"),
    ] {
        let mut net = gre(|_, peer, child| {
            peer.proposals = vec![ike.parse().unwrap()];
            child.proposals = vec![esp.parse().unwrap()];
        });
        up(&mut net);
        let suite = net.nodes[0].datapath.current().unwrap().suite.name();
        assert!(esp.starts_with(suite), "{esp} {suite}");
    }
}

#[test]
fn no_common_suite_is_said_in_words() {
    let mut net = gre(|index, peer, _| {
        if index == 0 {
            peer.proposals = vec!["aes256-sha1-modp1024".parse().unwrap()];
        }
    });
    net.acquire(0, "gre");
    net.run(200 * SECOND);
    net.assert_pairs(0);
    assert!(net.logged(1, "peer proposed aes256-sha1-modp1024"), "{:?}", net.nodes[1].log);
    assert!(net.logged(1, "we allow aes128-sha1-modp1024"), "{:?}", net.nodes[1].log);
    assert!(net.logged(0, "NO_PROPOSAL_CHOSEN"), "{:?}", net.nodes[0].log);
}

#[test]
fn no_common_esp_suite_is_said_in_words() {
    let mut net = gre(|index, _, child| {
        if index == 0 {
            child.proposals = vec!["aes256-sha256".parse().unwrap()];
        }
    });
    net.acquire(0, "gre");
    net.run(20 * SECOND);
    net.assert_pairs(0);
    assert!(net.logged(1, "peer proposed aes256-sha256"), "{:?}", net.nodes[1].log);
    assert!(net.logged(0, "peer answered NO_PROPOSAL_CHOSEN"), "{:?}", net.nodes[0].log);
}

#[test]
fn wrong_key_is_told_to_the_operator_and_not_to_the_peer() {
    let mut net = gre(|index, peer, _| {
        if index == 0 {
            let psk = || Arc::new(Secret::copy_of(b"another"));
            peer.local_auth = LocalAuth::Psk(psk());
            peer.remote_auth = RemoteAuth::Psk(psk());
        }
    });
    net.acquire(0, "gre");
    net.run(200 * SECOND);
    net.assert_pairs(0);
    assert!(net.logged(1, "pre-shared key is another one"), "{:?}", net.nodes[1].log);
    assert!(net.logged(0, "another pre-shared key"), "{:?}", net.nodes[0].log);
    // Messages 2 and 4: nothing follows the proof that is not one.
    assert_eq!(net.nodes[1].sent.len(), 2);
    let warnings = net.nodes[1].log.iter().filter(|(level, _)| *level == Level::Warning);
    assert_eq!(warnings.count(), 1);
}

#[test]
fn other_traffic_than_configured_is_refused_in_words() {
    let mut net = gre(|index, _, child| {
        if index == 0 {
            child.local[0].protocol = 4;
            child.remote[0].protocol = 4;
        }
    });
    net.acquire(0, "gre");
    net.run(20 * SECOND);
    net.assert_pairs(0);
    assert!(net.logged(1, "peer asked for 10.0.0.2 protocol 4"), "{:?}", net.nodes[1].log);
}

#[test]
fn l2tp_accepts_any_port_of_the_caller() {
    let mut net = gre(|index, _, child| {
        for template in child.local.iter_mut().chain(&mut child.remote) {
            template.protocol = 17;
            template.ports = (1701, 1701);
        }
        if index == 0 {
            child.local[0].ports = (0, u16::MAX);
        }
    });
    up(&mut net);
    assert_eq!(net.nodes[1].datapath.current().unwrap().remote[0].ports, (1701, 1701));
}

#[test]
fn lost_messages_are_sent_again_and_copies_are_answered_alike() {
    for lost in 0..9 {
        let mut net = gre(|_, _, _| {});
        let mut count = 0;
        net.weather = Box::new(move |_, _| {
            count += 1;
            let delay = Duration::from_millis(10);
            if count - 1 == lost { vec![] } else { vec![delay, delay * 2] }
        });
        net.acquire(0, "gre");
        net.run(30 * SECOND);
        net.assert_connected();
        net.assert_pairs(1);
    }
}

#[test]
fn one_half_of_a_nat_changes_addresses_and_esp_goes_in_udp() {
    let nat = "192.0.2.1";
    let mut net = gre(|index, peer, _| {
        if index == 0 {
            peer.remote = None;
        }
    });
    net.nat = Some(ip(nat));
    net.acquire(1, "gre");
    net.run(5 * SECOND);
    net.assert_connected();
    let ours = net.nodes[0].datapath.current().unwrap();
    assert!(ours.udp && !ours.behind_nat);
    assert_eq!((ours.path.remote.ip(), ours.path.local.port()), (ip(nat), 4500));
    assert_eq!(ours.remote[0].addresses, (ip(nat), ip(nat)));
    assert_eq!(ours.original_addresses, Some((ip(B), ip(A))));
    let theirs = net.nodes[1].datapath.current().unwrap();
    assert!(theirs.udp && theirs.behind_nat);
    assert_eq!(theirs.local[0].addresses, (ip(B), ip(B)));
    assert_eq!(theirs.original_addresses, Some((ip(A), ip(nat))));
    assert_eq!(theirs.path.remote.port(), 4500);
}

#[test]
fn esp_goes_in_udp_without_a_nat_where_that_is_wanted() {
    let mut net = gre(|index, peer, _| peer.force_udp = index == 1);
    up(&mut net);
    assert!(net.nodes.iter().all(|node| node.datapath.current().unwrap().udp));
}
