//! Everything at once.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use engine::{Random, Seeded};
use ike::output::Input;
use ike::policy::Start;

use super::mobility::mobile;
use crate::sim::policy::child;
use crate::sim::{Net, Weather};
use crate::{A, CHILD, assert_one, pair_with, rekey, seconds};

/// Where the first gateway may be.
const PLACES: [IpAddr; 3] =
    [A, IpAddr::V4(Ipv4Addr::new(10, 0, 7, 1)), IpAddr::V4(Ipv4Addr::new(10, 0, 7, 2))];

/// What may be told to a gateway at any time.
#[derive(Clone, Copy)]
enum Told {
    SoftLimit,
    HardLimit,
    NewKeys,
    NewKeysOfAll,
    Elsewhere,
    Traffic,
}

fn disturb(net: &mut Net, told: Told, random: [u8; 3]) {
    let node = usize::from(random[0] % 2);
    let pair = net.nodes[node].pairs.keys().nth(usize::from(random[1]) % 3).copied();
    match (told, pair) {
        (Told::SoftLimit, Some(pair)) => net.input(node, Input::SoftLimit(pair)),
        (Told::HardLimit, Some(pair)) => net.input(node, Input::HardLimit(pair)),
        (Told::NewKeysOfAll, _) => rekey(net, node, true),
        (Told::NewKeys, _) => rekey(net, node, false),
        (Told::Elsewhere, _) => {
            let place = PLACES[usize::from(random[2]) % PLACES.len()];
            net.move_to(0, place);
            net.input(0, Input::LocalAddresses(vec![place]));
        }
        _ => net.traffic(),
    }
}

/// So many disturbances in foul weather, and then peace.
fn storm(seed: u8, steps: usize, kinds: &[Told]) {
    let mut net = pair_with(seed.into(), Weather::FOUL, |peer| {
        mobile(peer);
        let mut always = child(CHILD);
        always.start = Start::Always;
        peer.children = vec![Arc::new(always)];
    });
    let mut random = Seeded::new([seed; 32]);
    net.run(seconds(3));
    for _ in 0..steps {
        let mut drawn = [0; 6];
        random.fill(&mut drawn);
        let [kind, first, second, third, high, low] = drawn;
        disturb(&mut net, kinds[usize::from(kind) % kinds.len()], [first, second, third]);
        net.run(Duration::from_millis(u64::from(u16::from_be_bytes([high, low])) / 8));
    }
    net.weather = Weather::FINE;
    for _ in 0..10 {
        net.run(seconds(60));
        net.traffic();
    }
    net.run(seconds(20));
    assert_one(&net);
}

#[test]
fn whatever_comes_in_whatever_order_ends_with_one_pair_in_use() {
    use Told::{Elsewhere, HardLimit, NewKeys, NewKeysOfAll, SoftLimit, Traffic};
    let storms: [&[Told]; 6] = [
        &[NewKeys, Traffic],
        &[NewKeys, NewKeysOfAll, Traffic],
        &[SoftLimit, HardLimit, Traffic],
        &[HardLimit, NewKeysOfAll, Traffic],
        &[Elsewhere, NewKeys, Traffic],
        &[Elsewhere, NewKeysOfAll, Traffic],
    ];
    for kinds in storms {
        for steps in 1..7 {
            for seed in 0..60 {
                storm(seed, steps, kinds);
            }
        }
    }
}
