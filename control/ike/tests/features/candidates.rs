//! A caller that may be one of several peers, each with proposals of its own.

use std::sync::Arc;

use engine::Secret;
use ike::Settings;
use ike::policy::{LocalAuth, Peer, RemoteAuth, Versions};

use crate::sim::policy::gre;
use crate::sim::{Net, Weather};
use crate::{A, B, CHILD, assert_one, initiate, logs, seconds};

/// Proposals that both versions can speak.
const STRONG: &str = "aes256-sha256-ecp256";
const COMMON: &str = "aes128-sha256-ecp256";
const OTHER: &str = "aes192-sha256-ecp256";

/// A gateway that offers `offered` calls one that has a peer `other` with `first` before the peer
/// that it is, with `own`.
fn call(versions: Versions, offered: &[&str], first: &[&str], own: &[&str]) -> Net {
    let mut net = Net::new(110, Weather::FINE);
    let speak = |peer: &mut Peer, proposals: &[&str]| {
        peer.versions = versions;
        peer.proposals = proposals.iter().map(|it| it.parse().unwrap()).collect();
    };
    let caller = net.add(A, Settings::default());
    let mut peer = gre(CHILD, A, Some(B));
    speak(&mut peer, offered);
    net.configure(caller, vec![Arc::new(peer)]);
    let called = net.add(B, Settings::default());
    let mut other = gre("other", B, None);
    other.remote_identity = "other.example.org".parse().unwrap();
    let psk = || Arc::new(Secret::copy_of(b"of another peer"));
    (other.local_auth, other.remote_auth) = (LocalAuth::Psk(psk()), RemoteAuth::Psk(psk()));
    speak(&mut other, first);
    let mut peer = gre(CHILD, B, None);
    peer.remote_identity = A.to_string().parse().unwrap();
    speak(&mut peer, own);
    net.configure(called, vec![Arc::new(other), Arc::new(peer)]);
    initiate(&mut net, 0);
    net.run(seconds(2));
    net
}

#[test]
fn what_all_that_may_call_allow_is_chosen_rather_than_what_the_first_prefers() {
    for versions in [Versions::V1, Versions::V2] {
        let net = call(versions, &[STRONG, COMMON], &[STRONG, COMMON], &[COMMON]);
        assert_one(&net);
        let suite = net.nodes[0].ike.status()[0].suite.clone();
        assert!(suite.starts_with("aes128"), "{suite}");
    }
}

#[test]
fn the_order_of_the_configuration_decides_between_what_all_allow() {
    for versions in [Versions::V1, Versions::V2] {
        let net = call(versions, &[COMMON, STRONG], &[STRONG, COMMON], &[STRONG, COMMON]);
        assert_one(&net);
        let suite = net.nodes[0].ike.status()[0].suite.clone();
        assert!(suite.starts_with("aes256"), "{suite}");
    }
}

#[test]
fn a_caller_that_only_a_later_peer_has_a_proposal_for_is_that_one() {
    for versions in [Versions::V1, Versions::V2] {
        assert_one(&call(versions, &[OTHER], &[STRONG], &[OTHER]));
    }
}

#[test]
fn peers_without_a_proposal_in_common_are_said_to_have_none() {
    let net = call(Versions::V2, &[STRONG, OTHER], &[STRONG], &[OTHER]);
    assert!(net.nodes[1].pairs.is_empty());
    let said = "10.0.0.1 is peer gre, which does not allow aes256-sha256";
    assert!(net.nodes[1].log.iter().any(|line| line.contains(said)), "{:#?}", logs(&net));
}
