//! Two clients at different places that say they are the same.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ike::Settings;
use ike::policy::{Uniqueness, Versions};

use crate::sim::policy::gre;
use crate::sim::{Net, Weather};
use crate::{A, B, CHILD, initiate, logs, seconds};

const C: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 3));
const HUB: usize = 2;

/// Two clients and a hub that treats them so; both have connected, one after the other.
fn twins(versions: Versions, uniqueness: Uniqueness) -> Net {
    let mut net = Net::new(140, Weather::FINE);
    for (here, there) in [(A, Some(B)), (C, Some(B)), (B, None)] {
        let node = net.add(here, Settings::default());
        let mut peer = gre(CHILD, here, there);
        peer.versions = versions;
        peer.proposals = vec!["aes128-sha256-x25519".parse().unwrap()];
        peer.uniqueness = uniqueness;
        match there {
            Some(_) => peer.local_identity = "client.example.org".parse().unwrap(),
            None => peer.remote_identity = "client.example.org".parse().unwrap(),
        }
        net.configure(node, vec![Arc::new(peer)]);
    }
    for client in [0, 1] {
        initiate(&mut net, client);
        net.run(seconds(2));
        assert!(net.passes(client, HUB, CHILD), "{:#?}", logs(&net));
    }
    net
}

/// Whether the hub still takes what a client sends, and the client what the hub has for it.
fn is_served(net: &Net, client: usize) -> bool {
    let ours = net.nodes[client].pairs.values().any(|pair| {
        let same = |spi| spi == pair.sa.inbound.spi;
        net.nodes[HUB].pairs.values().any(|it| it.outbound && same(it.sa.outbound.spi))
    });
    ours && net.passes(client, HUB, CHILD)
}

#[test]
fn the_newcomer_takes_the_place_of_its_twin() {
    for versions in [Versions::V1, Versions::V2] {
        let mut net = twins(versions, Uniqueness::Replace);
        net.run(seconds(10));
        assert!(is_served(&net, 1) && !is_served(&net, 0), "{:#?}", logs(&net));
        assert_eq!(net.nodes[HUB].pairs_of(CHILD), 1);
        // The one that has lost its place notices, and does not come back by itself.
        net.run(seconds(300));
        assert!(net.nodes[0].pairs.is_empty(), "{:#?}", logs(&net));
        assert!(is_served(&net, 1));
    }
}

#[test]
fn both_stay_where_identities_need_not_be_unique() {
    for versions in [Versions::V1, Versions::V2] {
        let mut net = twins(versions, Uniqueness::Never);
        for _ in 0..3 {
            net.run(seconds(100));
            assert!(is_served(&net, 0) && is_served(&net, 1), "{:#?}", logs(&net));
            assert_eq!(net.nodes[HUB].pairs_of(CHILD), 2);
        }
        // New keys of one are none of the other's business.
        crate::rekey(&mut net, 0, true);
        net.run(seconds(100));
        assert!(is_served(&net, 0) && is_served(&net, 1), "{:#?}", logs(&net));
        assert_eq!(net.nodes[HUB].ike.status().len(), 2);
    }
}
