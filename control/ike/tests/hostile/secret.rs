//! A wrong pre-shared key: the operator is told, and the wire is not.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use engine::Secret;
use ike::Settings;
use ike::output::Input;
use ike::policy::{Peer, RemoteAuth, Versions};

use crate::sim::policy::gre;
use crate::sim::{Net, Weather};

const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const CHILD: &str = "gre";

/// The first calls the second, for which `change` is made to what it knows of the first.
fn called(versions: Versions, change: impl Fn(&mut Peer)) -> Net {
    let mut net = Net::new(31, Weather::FINE);
    for (here, there) in [(A, B), (B, A)] {
        let node = net.add(here, Settings::default());
        let mut peer = gre(CHILD, here, Some(there));
        peer.versions = versions;
        if versions == Versions::V1 {
            peer.proposals = vec!["aes128-sha256-ecp256".parse().unwrap()];
        }
        if node == 1 {
            change(&mut peer);
        }
        net.configure(node, vec![Arc::new(peer)]);
    }
    net.input(0, Input::Initiate { peer: CHILD.into() });
    net.run(Duration::from_secs(60));
    net
}

/// Another secret than the caller's, in what both sides prove.
fn another_secret(peer: &mut Peer) {
    let secret = || Arc::new(Secret::copy_of(b"another"));
    peer.remote_auth = RemoteAuth::Psk(secret());
    peer.local_auth = ike::policy::LocalAuth::Psk(secret());
}

/// Type of exchange and length of what the one who was called has sent.
fn answers(net: &Net) -> Vec<(u8, usize)> {
    let sent = net.sent.iter().filter(|(path, _)| path.remote.ip() == B);
    sent.map(|(_, message)| (message[18], message.len())).collect()
}

fn logged(net: &Net, node: usize, text: &str) -> bool {
    net.nodes[node].log.iter().any(|line| line.contains(text))
}

fn assert_nothing_came_of_it(net: &Net) {
    for node in &net.nodes {
        assert_eq!((node.pairs.len(), node.up), (0, 0), "{:#?}", node.log);
    }
}

#[test]
fn a_wrong_secret_and_an_unknown_name_get_the_same_answer_from_ikev2() {
    let secret = called(Versions::V2, another_secret);
    let name = called(Versions::V2, |peer| {
        peer.remote_identity = "spoke.example.net".parse().unwrap();
    });
    for net in [&secret, &name] {
        assert_nothing_came_of_it(net);
    }
    assert!(logged(&secret, 1, "pre-shared key is not"), "{:#?}", secret.nodes[1].log);
    assert!(logged(&name, 1, "no peer is configured that may be 10.0.0.1"));
    assert!(logged(&secret, 0, "does not accept our authentication"));
    assert_eq!(answers(&secret), answers(&name));
    // An error in an encrypted payload, and no AUTH of ours to guess a secret by.
    let refusal = (35, 28 + 4 + 8 + 8 + 1 + 16);
    assert!(answers(&secret).contains(&refusal), "{:?}", answers(&secret));
    assert!(answers(&secret).iter().all(|(exchange, _)| matches!(exchange, 34 | 35)));
}

#[test]
fn a_wrong_secret_is_met_with_silence_by_ikev1() {
    let net = called(Versions::V1, another_secret);
    assert_nothing_came_of_it(&net);
    assert!(logged(&net, 1, "its pre-shared key is another one than ours"));
    let right = called(Versions::V1, |_| {});
    assert_eq!(right.nodes[1].up, 1, "{:#?}", right.nodes[1].log);
    // Messages 2 and 4, as they are whatever the secret is.
    assert_eq!(answers(&net), answers(&right)[..2]);
    assert_ne!(answers(&right).len(), 2);
}
