//! Both sides at once: whoever connects, renews or deletes, one connection and one pair remain, and
//! packets pass after every message.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use ike::Settings;
use ike::output::Input;
use ike::policy::{Peer, Start};

use crate::sim::policy::{child, gre};
use crate::sim::{Net, Weather};

const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const CHILD: &str = "gre";

fn peer(here: IpAddr, there: IpAddr) -> Peer {
    // Foul weather is not to look like a dead peer.
    Peer { dpd: None, ..gre(CHILD, here, Some(there)) }
}

fn always(here: IpAddr, there: IpAddr) -> Peer {
    let mut always = child(CHILD);
    always.start = Start::Always;
    Peer { children: vec![Arc::new(always)], ..peer(here, there) }
}

/// Runs, with packets both ways all the time if `traffic`: from when they pass first, they pass
/// after every step.
fn run_without_a_gap(net: &mut Net, duration: Duration, traffic: bool, case: &str) {
    let end = net.now + duration;
    let passes = |net: &Net| net.passes(0, 1, CHILD) && net.passes(1, 0, CHILD);
    let mut up = passes(net);
    while net.step(end) {
        if traffic {
            net.traffic();
        }
        assert!(!up || passes(net), "{case}: at {:?}: {:#?}", net.now, logs(net));
        up |= passes(net);
    }
    net.now = end;
}

/// One IKE SA and one pair on each side, and packets pass.
fn assert_one(net: &Net, case: &str) {
    for node in &net.nodes {
        let status = node.ike.status();
        assert_eq!(status.len(), 1, "{case}: {status:#?} {:#?}", logs(net));
        assert_eq!(node.pairs_of(CHILD), 1, "{case}: {status:#?} {:#?}", logs(net));
    }
    let passes = net.passes(0, 1, CHILD) && net.passes(1, 0, CHILD);
    assert!(passes, "{case}: {:#?}", logs(net));
}

fn logs(net: &Net) -> Vec<&Vec<String>> {
    net.nodes.iter().map(|node| &node.log).collect()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Weathers in which messages of the two sides cross in every order.
const WEATHERS: [Weather; 3] = [
    Weather {
        loss_percent: 0,
        double_percent: 0,
        delay: (Duration::from_millis(1), Duration::from_millis(3000)),
    },
    Weather {
        loss_percent: 30,
        double_percent: 10,
        delay: (Duration::from_millis(1), Duration::from_millis(60)),
    },
    Weather::FOUL,
];

#[test]
fn both_start_at_will_and_no_packet_is_lost_once_they_pass() {
    for seed in 0..240 {
        let mut net = Net::new(seed, WEATHERS[seed as usize % WEATHERS.len()]);
        let (first, second) = if seed & 8 == 0 { (A, B) } else { (B, A) };
        for node in [A, B] {
            net.add(node, Settings::default());
        }
        let at = |address| usize::from(address == B);
        // The second gateway is started later: what it was sent before is lost.
        net.nodes[at(second)].dead = true;
        net.configure(at(first), vec![Arc::new(always(first, second))]);
        net.run(Duration::from_millis(seed % 40 * 150));
        net.nodes[at(second)].dead = false;
        net.configure(at(second), vec![Arc::new(always(second, first))]);
        let case = format!("seed {seed}");
        run_without_a_gap(&mut net, seconds(100), seed & 1 == 0, &case);
        net.weather = Weather::FINE;
        run_without_a_gap(&mut net, seconds(200), seed & 1 == 0, &case);
        assert_one(&net, &case);
    }
}

#[test]
fn both_authenticate_anew_at_once_without_a_gap() {
    for seed in 0..120 {
        let mut net = Net::new(seed, Weather::FINE);
        for (here, there) in [(A, B), (B, A)] {
            let node = net.add(here, Settings::default());
            let mut peer = always(here, there);
            // The one that is the later initiator, or both at nearly the same time.
            let late = seed / 6 % 5 * 7 * node as u64;
            peer.lifetime.reauthenticate = Some(seconds(600) + Duration::from_millis(late));
            net.configure(node, vec![Arc::new(peer)]);
        }
        let case = format!("seed {seed}");
        net.run(seconds(60));
        net.weather = WEATHERS[seed as usize % WEATHERS.len()];
        run_without_a_gap(&mut net, seconds(600), seed & 1 == 0, &case);
        net.weather = Weather::FINE;
        run_without_a_gap(&mut net, seconds(400), seed & 1 == 0, &case);
        assert_one(&net, &case);
    }
}

/// Both gateways, connected; `change` is made to what each says of the other.
fn connected(seed: u64, change: impl Fn(&mut Peer)) -> Net {
    let mut net = Net::new(seed, Weather::FINE);
    for (here, there) in [(A, B), (B, A)] {
        let node = net.add(here, Settings::default());
        let mut peer = peer(here, there);
        change(&mut peer);
        net.configure(node, vec![Arc::new(peer)]);
    }
    net.input(0, Input::Initiate { peer: CHILD.into() });
    net.run(seconds(1));
    assert_one(&net, "connected");
    net
}

fn act(net: &mut Net, node: usize, action: Action) {
    let pair = *net.nodes[node].pairs.keys().next().expect("there is a pair");
    net.input(
        node,
        match action {
            Action::RekeyChild => Input::SoftLimit(pair),
            Action::RekeyIke => Input::Rekey { peer: CHILD.into(), ike: true },
        },
    );
}

#[derive(Clone, Copy, Debug)]
enum Action {
    /// New keys for the pair.
    RekeyChild,
    /// New keys for the pair, then for the connection.
    RekeyIke,
}

/// What happens to one message of those that follow.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Lost,
    Late(u64),
}

const FATES: [Fate; 5] =
    [Fate::Lost, Fate::Late(15), Fate::Late(25), Fate::Late(45), Fate::Late(2500)];

const ACTIONS: [(Action, Option<Action>); 6] = [
    (Action::RekeyChild, Some(Action::RekeyChild)),
    (Action::RekeyChild, Some(Action::RekeyIke)),
    (Action::RekeyIke, Some(Action::RekeyChild)),
    (Action::RekeyIke, Some(Action::RekeyIke)),
    (Action::RekeyChild, None),
    (Action::RekeyIke, None),
];

/// What the two gateways do, how many milliseconds apart, and what one message meets.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    of_a: Action,
    of_b: Option<Action>,
    apart: u64,
    message: usize,
    fate: Fate,
    seed: u64,
}

impl Schedule {
    fn run(self, change: impl Fn(&mut Peer)) {
        let case = format!("{self:?}");
        let mut net = connected(self.seed, change);
        let late = match self.fate {
            Fate::Lost => None,
            Fate::Late(late) => Some(Duration::from_millis(late)),
        };
        net.fate.insert(net.sent.len() + self.message, late);
        act(&mut net, 0, self.of_a);
        run_without_a_gap(&mut net, Duration::from_millis(self.apart), self.seed == 0, &case);
        if let Some(of_b) = self.of_b {
            act(&mut net, 1, of_b);
        }
        run_without_a_gap(&mut net, seconds(200), self.seed == 0, &case);
        assert_one(&net, &case);
    }
}

#[test]
fn whatever_message_of_a_collision_is_late_or_lost_one_pair_remains() {
    for (of_a, of_b) in ACTIONS {
        for apart in [0, 5, 12, 25] {
            for message in 0..12 {
                for fate in FATES {
                    for seed in 0..2 {
                        Schedule { of_a, of_b, apart, message, fate, seed }.run(|_| {});
                    }
                }
            }
        }
    }
}

#[test]
fn the_same_holds_where_keys_come_of_two_key_exchanges() {
    let further = |peer: &mut Peer| {
        peer.proposals = vec!["aes256gcm16-prfsha256-x25519-ke1_ecp256".parse().unwrap()];
        let mut child = child(CHILD);
        child.proposals = vec!["aes128gcm16-x25519-ke1_ecp256".parse().unwrap()];
        peer.children = vec![Arc::new(child)];
    };
    for (of_a, of_b) in ACTIONS {
        for apart in [0, 12] {
            for message in 0..18 {
                for fate in FATES {
                    let seed = message as u64 % 2;
                    Schedule { of_a, of_b, apart, message, fate, seed }.run(further);
                }
            }
        }
    }
}
