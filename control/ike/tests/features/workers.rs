//! Pairs of SAs for single workers beside the shared one (RFC 9611).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ike::msg::{Notify, Payload, numbers::notify as kind};
use ike::output::{ChildSaId, Input, RemovalReason};
use ike::policy::{Child, Peer, Start};

use super::wire::{CREATE_CHILD_SA, logged_pair};
use crate::sim::policy::child;
use crate::sim::read::contents;
use crate::sim::{Net, Weather};
use crate::{A, CHILD, initiate, logs, pair_with, rekey, seconds};

/// The gateway at [`A`] has so many workers, the other one so many.
fn with_workers(workers: [u16; 2], change: impl Fn(&mut Child)) -> impl Fn(&mut Peer) {
    move |peer| {
        let mut child = child(CHILD);
        child.per_worker = workers[usize::from(peer.local != Some(A))];
        change(&mut child);
        peer.children = vec![Arc::new(child)];
    }
}

/// Connected, in fine weather, with a key log.
fn connected(seed: u64, workers: [u16; 2]) -> Net {
    let mut net = logged_pair(seed, with_workers(workers, |_| {}));
    initiate(&mut net, 0);
    net.run(seconds(1));
    net
}

fn shared(net: &Net, node: usize) -> ChildSaId {
    net.nodes[node].sends_by[CHILD]
}

/// A worker sends through the shared pair, and says so.
fn ask(net: &mut Net, node: usize, worker: u16) {
    if let Some(id) = net.nodes[node].sends_by.get(CHILD).copied() {
        net.input(node, Input::WorkerAcquire(id, worker));
    }
}

/// Those of these workers that have no pair of their own ask, as they would while they send.
fn ask_where_missing(net: &mut Net, workers: u16) {
    for node in [0, 1] {
        for worker in 0..workers {
            if own(net, node, worker).is_none() {
                ask(net, node, worker);
            }
        }
    }
}

/// The pair that a worker sends through: not one of a connection that another has replaced.
fn own(net: &Net, node: usize, worker: u16) -> Option<ChildSaId> {
    let node = &net.nodes[node];
    let connection = |id: &ChildSaId| node.pairs[id].sa.connection;
    let own = node.workers.get(&(CHILD.to_owned(), worker)).copied();
    let shared = node.sends_by.get(CHILD);
    own.filter(|own| shared.is_none_or(|shared| connection(own) == connection(shared)))
}

/// Workers that have a pair of their own.
fn owners(net: &Net, node: usize) -> Vec<u16> {
    net.nodes[node].workers.keys().map(|(_, worker)| *worker).collect()
}

/// What was asked for is there, and has carried something.
fn settle(net: &mut Net) {
    net.run(seconds(1));
    net.traffic();
    net.run(seconds(1));
}

/// Whatever any of these workers sends is taken.
fn all_pass(net: &Net, workers: u16) -> bool {
    let passes = |from: usize, worker: u16| {
        let id = own(net, from, worker).or(net.nodes[from].sends_by.get(CHILD).copied());
        id.is_some_and(|id| net.takes(from, 1 - from, id))
    };
    (0..workers).all(|worker| passes(0, worker) && passes(1, worker))
}

/// Runs, and all that workers send is taken after every step; they ask where they have nothing.
fn run_without_a_gap(net: &mut Net, duration: Duration, workers: u16, case: &str) {
    let end = net.now + duration;
    while net.now < end {
        ask_where_missing(net, workers);
        let next = end.min(net.now + Duration::from_millis(250));
        while net.step(next) {
            net.traffic();
            assert!(all_pass(net, workers), "{case}: at {:?}: {:#?}", net.now, logs(net));
        }
        net.now = next;
    }
}

/// Both have the same pairs, and one connection.
fn assert_same_pairs(net: &Net, case: &str) {
    let spis = |node: usize, flip: bool| -> BTreeSet<(u32, u32)> {
        let all = net.nodes[node].pairs.values();
        let both = all.map(|it| (it.sa.inbound.spi, it.sa.outbound.spi));
        both.map(|(a, b)| if flip { (b, a) } else { (a, b) }).collect()
    };
    assert_eq!(spis(0, false), spis(1, true), "{case}: {:#?}", logs(net));
    assert!(net.nodes.iter().all(|node| node.ike.status().len() == 1), "{case}");
}

/// What SA_RESOURCE_INFO says in each message since `from` that has to do with a child.
fn resources(net: &Net, from: usize) -> Vec<Option<Notify>> {
    let all = contents(net, from).into_iter();
    let of_child = all.filter(|(_, all)| all.iter().any(|it| matches!(it, Payload::TsI(_))));
    let resource = |payloads: Vec<Payload>| {
        payloads.into_iter().find_map(|payload| match payload {
            Payload::Notify(notify) if notify.kind == kind::SA_RESOURCE_INFO => Some(notify),
            _ => None,
        })
    };
    of_child.map(|(_, payloads)| resource(payloads)).collect()
}

fn resource(data: &[u8]) -> Option<Notify> {
    let (kind, data) = (kind::SA_RESOURCE_INFO, data.to_vec());
    Some(Notify { protocol: 0, spi: Vec::new(), kind, data })
}

#[test]
fn each_worker_that_sends_gets_a_pair_of_its_own_beside_the_shared_one() {
    let mut net = connected(100, [2, 2]);
    assert_eq!(resources(&net, 0), [resource(&[]), resource(&[])], "in IKE_AUTH");
    let sent = net.sent.len();
    for _ in 0..3 {
        for worker in [1, 0, 7] {
            ask(&mut net, 0, worker);
        }
    }
    net.run(seconds(1));
    assert_eq!(owners(&net, 1), [], "not before something has come through it");
    settle(&mut net);
    // Ours by their indices, and what the peer has given them to.
    let said = [&[0, 0, 0, 1], &[0, 0, 0, 0], &[0, 0, 0, 0], &[0, 0, 0, 1]];
    assert_eq!(resources(&net, sent), said.map(|data| resource(data)));
    for node in [0, 1] {
        assert_eq!(owners(&net, node), [0, 1]);
        assert_eq!(net.nodes[node].pairs.len(), 3, "{:#?}", logs(&net));
    }
    assert!(all_pass(&net, 2));
    assert_same_pairs(&net, "two workers");
    let mut keys: Vec<_> =
        net.nodes[0].pairs.values().map(|it| it.sa.outbound.encryption.expose()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 3, "each has keys of its own");
    // No other differs from the shared one in what it protects, nor in how.
    let pairs: Vec<_> = net.nodes[1].pairs.values().map(|it| &it.sa).collect();
    let what = |at: usize| (&pairs[at].local, &pairs[at].remote, pairs[at].suite, pairs[at].mode);
    assert!(what(0) == what(1) && what(0) == what(2));
}

/// The shared pair decides, not the policy, which would allow more.
#[test]
fn a_pair_for_a_worker_is_offered_with_what_the_shared_one_has_only() {
    let mut net = logged_pair(
        101,
        with_workers([2, 2], |child| {
            let suites = ["aes256gcm16-aes128gcm16-esn-noesn", "aes256-sha256"];
            child.proposals = suites.map(|suite| suite.parse().unwrap()).into();
        }),
    );
    initiate(&mut net, 0);
    net.run(seconds(1));
    let sent = net.sent.len();
    ask(&mut net, 0, 1);
    net.run(seconds(1));
    let (_, request) = &contents(&net, sent)[0];
    let Some(Payload::Sa(proposals)) = request.iter().find(|it| matches!(it, Payload::Sa(_)))
    else {
        panic!("{request:?}")
    };
    assert_eq!(proposals.len(), 1);
    // A cipher, and whether numbers are extended.
    assert_eq!(proposals[0].transforms.len(), 2, "{proposals:?}");
    assert_eq!(owners(&net, 0), [1]);
}

#[test]
fn a_peer_that_does_not_offer_it_keeps_one_pair() {
    for workers in [[2, 0], [0, 2]] {
        let mut net = connected(102, workers);
        let (asked, answered) = (resource(&[]).filter(|_| workers[0] > 0), None);
        assert_eq!(resources(&net, 0), [asked, answered]);
        let sent = net.sent.len();
        for node in [0, 1] {
            assert!(!net.nodes[node].pairs[&shared(&net, node)].sa.per_worker);
            ask(&mut net, node, 0);
        }
        net.run(seconds(10));
        assert_eq!(net.sent.len(), sent, "nobody is asked");
        assert!(net.nodes.iter().all(|node| node.pairs.len() == 1));
    }
}

/// One worker needs no pair beside the shared one, and still takes those of a peer that has more.
#[test]
fn a_gateway_with_one_worker_takes_what_its_peer_asks_for() {
    let mut net = connected(103, [3, 1]);
    let wants = |node: usize| net.nodes[node].pairs[&shared(&net, node)].sa.per_worker;
    assert_eq!((wants(0), wants(1)), (true, false));
    for worker in 0..3 {
        ask(&mut net, 0, worker);
        ask(&mut net, 1, worker);
    }
    settle(&mut net);
    assert_eq!((owners(&net, 0), owners(&net, 1)), (vec![0, 1, 2], vec![0]));
    assert_same_pairs(&net, "three to one");
    assert!(all_pass(&net, 3));
}

#[test]
fn a_peer_that_has_enough_says_so_and_is_not_asked_again() {
    let mut net = connected(104, [40, 2]);
    let first = shared(&net, 0);
    for worker in 0..40 {
        ask(&mut net, 0, worker);
    }
    net.run(seconds(30));
    assert_eq!(owners(&net, 0), (0..32).collect::<Vec<_>>());
    assert_same_pairs(&net, "32 beside the shared one");
    let of_worker =
        |worker| net.nodes[1].pairs.values().filter(|pair| pair.sa.worker == Some(worker)).count();
    assert_eq!((of_worker(0), of_worker(1)), (16, 16));
    let errors: BTreeSet<u16> = contents(&net, 0)
        .into_iter()
        .flat_map(|(_, payloads)| payloads)
        .filter_map(|payload| match payload {
            Payload::Notify(notify) if notify.kind < 16384 => Some(notify.kind),
            _ => None,
        })
        .collect();
    assert_eq!(errors, BTreeSet::from([kind::TS_MAX_QUEUE]));
    assert_eq!(net.nodes[0].shared, [first]);
    // The others share on, before and after new keys.
    for round in 0..2 {
        let sent = net.sent.len();
        ask(&mut net, 0, 39);
        net.run(seconds(5));
        assert_eq!(resources(&net, sent), [], "round {round}");
        if round == 0 {
            net.input(0, Input::SoftLimit(first));
            net.run(seconds(20));
        }
    }
    assert_ne!(shared(&net, 0), first);
    assert!(all_pass(&net, 40));
}

#[test]
fn new_keys_stay_with_the_worker_and_no_packet_is_lost() {
    for (node, ike) in [(0, false), (1, false), (0, true), (1, true)] {
        let case = format!("from {node}, of the connection too: {ike}");
        let mut net = connected(105, [2, 2]);
        for worker in [0, 1] {
            ask(&mut net, 0, worker);
        }
        settle(&mut net);
        let (before, sent) = (net.nodes[1].workers.clone(), net.sent.len());
        rekey(&mut net, node, ike);
        run_without_a_gap(&mut net, seconds(30), 2, &case);
        assert_same_pairs(&net, &case);
        for (node, other) in [(0, 1), (1, 0)] {
            assert_eq!(owners(&net, node), [0, 1], "{case}");
            assert_eq!(net.nodes[node].pairs.len(), 3, "{case}");
            // The two ends of a pair belong to the same workers as before.
            let out = net.nodes[node].pairs[&own(&net, node, 0).unwrap()].sa.outbound.spi;
            let theirs = net.nodes[other].pairs.values().find(|it| it.sa.inbound.spi == out);
            assert_eq!(theirs.unwrap().sa.worker, Some(0), "{case}");
        }
        assert!(before.values().all(|old| !net.nodes[1].pairs.contains_key(old)), "{case}");
        let made = resources(&net, sent);
        assert!(made.len() == 6 && made.iter().all(Option::is_none), "{case}: {made:?}");
    }
}

#[test]
fn a_pair_that_ends_is_one_workers_end_and_comes_back_when_that_asks_later() {
    for node in [0, 1] {
        let mut net = connected(106, [2, 2]);
        for worker in [0, 1] {
            ask(&mut net, 0, worker);
        }
        settle(&mut net);
        let lost = own(&net, node, 1).unwrap();
        net.input(node, Input::HardLimit(lost));
        net.run(seconds(1));
        let removed = |node: usize| net.nodes[node].removed.iter().map(|(_, why)| *why);
        assert_eq!(removed(node).collect::<Vec<_>>(), [RemovalReason::Expired]);
        assert_eq!(removed(1 - node).collect::<Vec<_>>(), [RemovalReason::DeletedByPeer]);
        assert_same_pairs(&net, "one less");
        assert_eq!((owners(&net, 0), owners(&net, 1)), (vec![0], vec![0]));
        assert!(all_pass(&net, 2), "by the shared pair");
        let sent = net.sent.len();
        ask(&mut net, 0, 1);
        net.run(seconds(1));
        assert_eq!(net.sent.len(), sent, "not at once");
        net.run(seconds(4));
        ask(&mut net, 0, 1);
        settle(&mut net);
        assert_eq!((owners(&net, 0), owners(&net, 1)), (vec![0, 1], vec![0, 1]));
    }
}

#[test]
fn the_shared_pair_comes_back_while_workers_go_on_with_theirs() {
    let mut net =
        pair_with(107, Weather::FINE, with_workers([2, 2], |child| child.start = Start::Always));
    net.run(seconds(60));
    ask_where_missing(&mut net, 2);
    settle(&mut net);
    let (lost, before) = (shared(&net, 1), net.nodes[1].workers.clone());
    net.input(1, Input::HardLimit(lost));
    assert!(!net.nodes[1].sends_by.contains_key(CHILD));
    assert!(all_pass(&net, 2), "each by its own");
    net.run(seconds(20));
    assert_ne!(shared(&net, 1), lost);
    assert_eq!(net.nodes[1].workers, before);
    assert!(net.passes(0, 1, CHILD) && net.passes(1, 0, CHILD));
    assert_same_pairs(&net, "with another shared one");
}

/// Each side has what it asks for, whoever is heard first, and whatever is lost or late.
#[test]
fn both_sides_ask_at_once_in_any_weather() {
    for seed in 0..100 {
        let case = format!("seed {seed}");
        let weather = if seed % 3 == 0 { Weather::FINE } else { Weather::FOUL };
        let workers = 2 + seed as u16 % 2 * 2;
        let change = with_workers([workers; 2], |child| child.start = Start::Always);
        // Foul weather is not to look like a dead peer.
        let mut net = pair_with(seed, weather, |peer| {
            peer.dpd = None;
            change(peer);
        });
        net.run(seconds(60));
        net.weather = Weather::FINE;
        net.run(seconds(100));
        net.weather = weather;
        run_without_a_gap(&mut net, seconds(30), workers, &case);
        rekey(&mut net, 0, seed % 2 == 0);
        rekey(&mut net, 1, seed % 4 == 0);
        run_without_a_gap(&mut net, seconds(120), workers, &case);
        net.weather = Weather::FINE;
        run_without_a_gap(&mut net, seconds(300), workers, &case);
        assert_same_pairs(&net, &case);
        let all = (0..workers).collect::<Vec<_>>();
        assert_eq!((owners(&net, 0), owners(&net, 1)), (all.clone(), all), "{case}");
        let pairs = net.nodes[0].pairs.len();
        assert!(pairs <= 1 + 2 * usize::from(workers), "{case}: {pairs}");
    }
}

#[test]
fn a_connection_that_is_authenticated_anew_gets_its_workers_back_without_a_gap() {
    let change = with_workers([2, 2], |child| child.start = Start::Always);
    let mut net = pair_with(108, Weather::FINE, |peer| {
        peer.lifetime.reauthenticate = (peer.local == Some(A)).then(|| seconds(600));
        change(peer);
    });
    net.run(seconds(30));
    ask_where_missing(&mut net, 2);
    settle(&mut net);
    let before = net.nodes[0].workers.clone();
    assert_eq!(before.len(), 2);
    run_without_a_gap(&mut net, seconds(900), 2, "anew");
    assert!(net.nodes[0].up > 1);
    assert_eq!((owners(&net, 0), owners(&net, 1)), (vec![0, 1], vec![0, 1]));
    assert!(before.values().all(|old| !net.nodes[0].pairs.contains_key(old)));
    assert_same_pairs(&net, "anew");
}

/// Many SAs of one child are asked for in one exchange each.
#[test]
fn a_pair_for_a_worker_costs_one_exchange() {
    let mut net = connected(109, [4, 4]);
    let sent = net.sent.len();
    for worker in 0..4 {
        ask(&mut net, 1, worker);
    }
    settle(&mut net);
    let all = contents(&net, sent);
    assert!(all.len() == 8 && all.iter().all(|(header, _)| header.exchange.0 == CREATE_CHILD_SA));
    assert_eq!((owners(&net, 0), owners(&net, 1)), (vec![0, 1, 2, 3], vec![0, 1, 2, 3]));
}
