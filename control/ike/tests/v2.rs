//! IKEv2 in virtual time: two gateways of ours, and which SAs each has installed.

mod collisions;
mod features;
mod sim;
mod thousand;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ike::Settings;
use ike::output::Input;
use ike::policy::Peer;

use self::sim::policy::gre;
use self::sim::{Net, Weather};

const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
const CHILD: &str = "gre";

/// Two gateways that may call each other.
fn pair_with(seed: u64, weather: Weather, change: impl Fn(&mut Peer)) -> Net {
    let mut net = Net::new(seed, weather);
    for (here, there) in [(A, B), (B, A)] {
        let node = net.add(here, Settings::default());
        let mut peer = gre(CHILD, here, Some(there));
        change(&mut peer);
        net.configure(node, vec![Arc::new(peer)]);
    }
    net
}

fn pair(seed: u64) -> Net {
    pair_with(seed, Weather::FINE, |_| {})
}

fn initiate(net: &mut Net, node: usize) {
    net.input(node, Input::Initiate { peer: CHILD.into() });
}

fn rekey(net: &mut Net, node: usize, ike: bool) {
    net.input(node, Input::Rekey { peer: CHILD.into(), ike });
}

fn assert_up(net: &Net) {
    assert!(net.passes(0, 1, CHILD) && net.passes(1, 0, CHILD), "{:#?}", logs(net));
}

/// One IKE SA and one pair on each side, and packets pass.
fn assert_one(net: &Net) {
    assert_up(net);
    for node in &net.nodes {
        assert_eq!(node.pairs_of(CHILD), 1, "{:#?}", logs(net));
        assert_eq!(node.ike.status().len(), 1, "{:#?} {:#?}", node.ike.status(), logs(net));
    }
}

fn logs(net: &Net) -> Vec<&Vec<String>> {
    net.nodes.iter().map(|node| &node.log).collect()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_connection_with_one_child_comes_up_in_two_exchanges() {
    let mut net = pair(1);
    initiate(&mut net, 0);
    net.run(seconds(1));
    assert_one(&net);
    assert_eq!(net.sent.len(), 4);
}

#[test]
fn a_wrong_secret_is_told_to_the_operator_and_not_to_the_peer() {
    let mut net = Net::new(2, Weather::FINE);
    for (here, there) in [(A, B), (B, A)] {
        let node = net.add(here, Settings::default());
        let mut peer = gre(CHILD, here, Some(there));
        if node == 1 {
            let other = Arc::new(engine::Secret::copy_of(b"another"));
            peer.remote_auth = ike::policy::RemoteAuth::Psk(other);
        }
        net.configure(node, vec![Arc::new(peer)]);
    }
    initiate(&mut net, 0);
    net.run(seconds(1));
    assert_eq!(net.nodes[0].pairs.len() + net.nodes[1].pairs.len(), 0);
    assert!(net.nodes[1].log.iter().any(|line| line.contains("pre-shared key is not")));
    assert!(net.nodes[0].log.iter().any(|line| line.contains("does not accept our authen")));
}

#[test]
fn a_child_is_made_anew_without_a_gap() {
    let mut net = pair(3);
    initiate(&mut net, 0);
    net.run(seconds(1));
    for node in [0, 1] {
        rekey(&mut net, node, false);
        let end = net.now + seconds(1);
        while net.step(end) {
            assert_up(&net);
        }
        net.run(seconds(10));
        assert_one(&net);
    }
}

#[test]
fn both_make_the_child_anew_at_once_and_one_pair_survives() {
    for seed in 0..20 {
        let mut net = pair_with(seed, Weather::FINE, |_| {});
        initiate(&mut net, 0);
        net.run(seconds(1));
        rekey(&mut net, 0, false);
        rekey(&mut net, 1, false);
        let end = net.now + seconds(20);
        while net.step(end) {
            assert_up(&net);
        }
        net.now = end;
        assert_one(&net);
    }
}

#[test]
fn the_connection_is_made_anew_and_keeps_its_child() {
    let mut net = pair(5);
    initiate(&mut net, 0);
    net.run(seconds(1));
    for node in [0, 1] {
        rekey(&mut net, node, true);
        net.run(seconds(20));
        assert_one(&net);
        assert!(net.nodes[node].removed.len() < 3);
    }
}

#[test]
fn both_make_the_connection_anew_at_once_and_one_survives() {
    for seed in 0..20 {
        let mut net = pair_with(seed, Weather::FINE, |_| {});
        initiate(&mut net, 0);
        net.run(seconds(1));
        rekey(&mut net, 0, true);
        rekey(&mut net, 1, true);
        net.run(seconds(60));
        assert_one(&net);
    }
}

#[test]
fn both_connect_at_once_and_one_connection_survives() {
    for seed in 0..20 {
        let mut net = pair_with(seed, Weather::FINE, |_| {});
        initiate(&mut net, 0);
        initiate(&mut net, 1);
        net.run(seconds(60));
        assert_one(&net);
    }
}

#[test]
fn a_deletion_ends_it_on_both_sides() {
    let mut net = pair(7);
    initiate(&mut net, 0);
    net.run(seconds(1));
    net.input(1, Input::Terminate { peer: CHILD.into() });
    net.run(seconds(1));
    for node in &net.nodes {
        assert_eq!(node.pairs.len(), 0);
        assert_eq!(node.ike.status().len(), 0);
    }
}

#[test]
fn a_dead_peer_is_noticed_within_the_time_that_policy_allows() {
    let mut net = pair(8);
    initiate(&mut net, 0);
    net.run(seconds(1));
    net.nodes[1].dead = true;
    net.run(seconds(91));
    assert_eq!(net.nodes[0].pairs.len(), 0, "{:#?}", logs(&net));
}

#[test]
fn a_replayed_request_gets_the_same_answer_and_makes_nothing() {
    let mut net = pair(9);
    initiate(&mut net, 0);
    net.run(seconds(1));
    let sent = net.sent.clone();
    for (path, bytes) in sent.iter().filter(|(path, _)| path.local.ip() == B) {
        net.inject(*path, bytes.clone());
    }
    net.run(seconds(1));
    let answers = net.sent[sent.len()..].iter();
    let auth = |(_, bytes): &&(_, Vec<u8>)| bytes[18] == 35;
    assert!(answers.filter(auth).all(|answer| sent.contains(answer)));
    // An IKE_SA_INIT that comes late looks like a new one, which comes to nothing.
    net.run(seconds(60));
    assert_one(&net);
}

#[test]
fn in_foul_weather_all_come_up_and_stay_up() {
    for seed in 0..20 {
        let mut net = pair_with(seed, Weather::FOUL, |peer| {
            let mut child = sim::policy::child(CHILD);
            child.start = ike::policy::Start::Always;
            peer.children = vec![Arc::new(child)];
        });
        net.run(seconds(200));
        for _ in 0..4 {
            rekey(&mut net, 0, true);
            rekey(&mut net, 1, true);
            net.run(seconds(60));
            net.traffic();
        }
        net.weather = Weather::FINE;
        net.run(seconds(200));
        assert_one(&net);
    }
}

#[test]
fn a_nat_before_the_initiator_moves_everything_to_port_4500_and_esp_into_udp() {
    let mut net = pair(20);
    let outside = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
    for port in [500, 4500] {
        let outer = std::net::SocketAddr::new(outside, 20_000 + port);
        net.nat.insert(std::net::SocketAddr::new(A, port), outer);
    }
    let mut peer = gre(CHILD, B, None);
    peer.remote_identity = A.to_string().parse().unwrap();
    net.configure(1, vec![Arc::new(peer)]);
    initiate(&mut net, 0);
    net.run(seconds(1));
    assert_one(&net);
    let path = net.nodes[1].path_of(CHILD);
    assert_eq!(path.remote, std::net::SocketAddr::new(outside, 24_500));
    assert!(net.nodes.iter().all(|node| node.pairs.values().all(|pair| pair.sa.udp)));
}

#[test]
fn ml_kem_beside_x25519_protects_the_connection_and_its_new_keys() {
    let mut net = pair_with(21, Weather::FINE, |peer| {
        peer.proposals = vec!["aes256gcm16-prfsha256-x25519-ke1_mlkem768".parse().unwrap()];
    });
    initiate(&mut net, 0);
    net.run(seconds(1));
    assert_one(&net);
    for node in [0, 1] {
        rekey(&mut net, node, true);
        net.run(seconds(20));
        assert_one(&net);
    }
}

#[test]
fn a_cookie_is_asked_for_when_too_many_are_half_open() {
    let mut net = Net::new(22, Weather::FINE);
    for (here, there) in [(A, B), (B, A)] {
        let settings = Settings { cookie_threshold: 0, ..Settings::default() };
        let node = net.add(here, settings);
        net.configure(node, vec![Arc::new(gre(CHILD, here, Some(there)))]);
    }
    initiate(&mut net, 0);
    net.run(seconds(1));
    assert_one(&net);
    assert_eq!(net.sent.len(), 6);
}

#[test]
fn another_group_is_taken_when_the_peer_asks_for_it() {
    let mut net = Net::new(23, Weather::FINE);
    let suites = ["aes128-sha256-x25519-ecp256", "aes128-sha256-ecp256"];
    for ((here, there), suite) in [(A, B), (B, A)].into_iter().zip(suites) {
        let node = net.add(here, Settings::default());
        let mut peer = gre(CHILD, here, Some(there));
        peer.proposals = vec![suite.parse().unwrap()];
        net.configure(node, vec![Arc::new(peer)]);
    }
    initiate(&mut net, 0);
    net.run(seconds(1));
    assert_one(&net);
    assert_eq!(net.sent.len(), 6);
}

#[test]
fn a_post_quantum_secret_is_part_of_the_keys() {
    let mut net = pair_with(24, Weather::FINE, |peer| {
        let secret = engine::Secret::copy_of(&[7; 32]);
        let id: Box<[u8]> = Box::from(*b"quantum");
        peer.ppk = Some(ike::policy::Ppk { id, secret, required: true });
    });
    initiate(&mut net, 0);
    net.run(seconds(1));
    assert_one(&net);
}

#[test]
fn a_new_authentication_is_made_before_the_old_one_is_broken() {
    let mut net = pair_with(25, Weather::FINE, |peer| {
        if peer.local == Some(A) {
            peer.lifetime.reauthenticate = Some(Duration::from_secs(600));
        }
    });
    initiate(&mut net, 0);
    net.run(seconds(1));
    let end = net.now + seconds(700);
    while net.step(end) {
        assert_up(&net);
    }
    net.now = end;
    assert_one(&net);
}
