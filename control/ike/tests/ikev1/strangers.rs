//! What strangers send, and what the network does.

use std::sync::Arc;
use std::time::Duration;

use engine::Seeded;
use ike::output::{Datagram, Input, Path};
use ike::policy::Start;
use ike::{Ike, Settings};

use crate::net::{self, Net, gre};

const SECOND: Duration = Duration::from_secs(1);

fn at(net: &Net, remote: &str) -> Path {
    let local = std::net::SocketAddr::new(net.nodes[0].address, 500);
    Path { local, remote: remote.parse().unwrap() }
}

fn call(net: &mut Net) -> Datagram {
    net.acquire(1, "gre");
    let mut first = net.nodes[1].sent[0].clone();
    first.path = Path { local: first.path.remote, remote: first.path.local };
    first
}

#[test]
fn aggressive_mode_is_refused_with_the_reason() {
    let mut net = gre(|_, _, _| {});
    let mut first = call(&mut net);
    first.message[18] = 4;
    net.inject(0, &first);
    assert!(net.logged(0, "aggressive mode of 10.0.0.2:500 refused: it shows a hash"));
}

#[test]
fn a_flood_of_first_messages_stays_below_the_cap_and_the_peer_gets_through() {
    let mut net = gre(|index, peer, _| {
        if index == 0 {
            peer.remote = None;
        }
    });
    let first = call(&mut net);
    for number in 0_u32..20_000 {
        let mut message = first.message.clone();
        message[..4].copy_from_slice(&(number | 1 << 31).to_be_bytes());
        let remote = format!("198.51.{}.{}:500", number % 256, number / 256 % 256);
        let path = at(&net, &remote);
        net.inject(0, &Datagram { path, message });
    }
    assert!(net.nodes[0].ike.status().len() <= 4096);
    net.run(20 * SECOND);
    net.assert_connected();
    net.run(60 * SECOND);
    assert_eq!(net.nodes[0].ike.status().len(), 1);
}

/// Strangers whom our answers reach begin a main mode and say no more after message 3.
fn pile_up(net: &mut Net, count: u32, remote: impl Fn(u32) -> String) {
    let mut model = open_to_all();
    model.acquire(1, "gre");
    model.run(SECOND);
    let [first, third] = [0, 1].map(|at| model.nodes[1].sent[at].message.clone());
    for number in 0..count {
        let path = at(net, &remote(number));
        let mut message = first.clone();
        message[..4].copy_from_slice(&(number | 1 << 31).to_be_bytes());
        let cookie = message[..8].to_vec();
        net.inject(0, &Datagram { path, message });
        let answer = net.nodes[0].sent.pop().unwrap();
        assert_eq!(answer.path, path);
        let mut message = third.clone();
        message[..8].copy_from_slice(&cookie);
        message[8..16].copy_from_slice(&answer.message[8..16]);
        net.inject(0, &Datagram { path, message });
        assert_eq!(net.nodes[0].sent.pop().unwrap().path, path, "message 4");
        if number % 64 == 63 {
            net.run(Duration::from_millis(1));
        }
    }
}

#[test]
fn strangers_that_stop_after_message_3_do_not_shut_the_peer_out() {
    let one = |number: u32| format!("198.51.100.1:{}", 1024 + number);
    let many = |number: u32| format!("198.51.{}.{}:500", number % 256, number / 256);
    let remotes: [&dyn Fn(u32) -> String; 2] = [&one, &many];
    for remote in remotes {
        let mut net = open_to_all();
        net.nodes[0].ike = smaller(&net);
        net.configure(0);
        pile_up(&mut net, 200, remote);
        assert!(net.nodes[0].ike.status().len() <= 128);
        net.acquire(1, "gre");
        net.run(SECOND);
        net.assert_connected();
    }
}

/// A gateway that anybody may call, and one that does.
fn open_to_all() -> Net {
    gre(|index, peer, _| {
        peer.proposals = vec!["aes128-sha1-x25519".parse().unwrap()];
        if index == 0 {
            peer.remote = None;
        }
    })
}

/// A gateway with room for few strangers: each costs a key exchange.
fn smaller(net: &Net) -> Ike {
    let settings = Settings { half_open_max: 128, ..Settings::default() };
    let mut ike = Ike::new(settings, Box::new(Seeded::new([9; 32])));
    let addresses = vec![net.nodes[0].address];
    ike.handle_input(net.now, net::WALL, Input::LocalAddresses(addresses));
    ike
}

#[test]
fn one_address_takes_no_more_than_its_share_of_scarce_places() {
    let mut net = open_to_all();
    net.nodes[0].ike = smaller(&net);
    net.configure(0);
    pile_up(&mut net, 200, |number| format!("198.51.100.1:{}", 1024 + number));
    assert_eq!(net.nodes[0].ike.status().len(), 64);
    let elsewhere = |number| format!("198.51.101.{number}:500");
    pile_up(&mut net, 60, elsewhere);
    assert_eq!(net.nodes[0].ike.status().len(), 124, "others have their places");
}

#[test]
fn damaged_messages_change_nothing() {
    let mut net = gre(|_, _, _| {});
    let mut count = 0_usize;
    net.acquire(0, "gre");
    net.run(5 * SECOND);
    let recorded = net.nodes[0].sent.clone();
    for datagram in recorded {
        for byte in 0..datagram.message.len() {
            let mut message = datagram.message.clone();
            message[byte] ^= 1 << (byte % 8);
            let path = Path { local: datagram.path.remote, remote: datagram.path.local };
            net.inject(1, &Datagram { path, message });
            count += 1;
        }
    }
    assert!(count > 500);
    net.assert_connected();
    net.assert_pairs(1);
}

#[test]
fn twenty_in_a_hundred_lost_and_doubled_and_still_one_pair_stays() {
    for seed in 1_u64..30 {
        let mut net = gre(|_, _, child| child.start = Start::Always);
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        net.weather = Box::new(move |_, _| {
            let mut draw = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state >> 33
            };
            let copies = match draw() % 10 {
                0 | 1 => 0,
                2 => 2,
                _ => 1,
            };
            (0..copies).map(|_| Duration::from_millis(1 + draw() % 60)).collect()
        });
        net.run(120 * SECOND);
        net.assert_connected();
        for index in [0, 1] {
            let peer = net.nodes[index].peers[0].name.clone();
            net.input(index, ike::output::Input::Rekey { peer, ike: true });
        }
        net.run(300 * SECOND);
        net.assert_connected();
        net.assert_pairs(1);
        assert!(Arc::strong_count(&net.nodes[0].peers[0]) > 1);
    }
}
