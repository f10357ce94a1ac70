//! Both versions between ends that have IPv6 addresses.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ike::Settings;
use ike::policy::{Mode, Peer, SelectorAddresses, Versions};

use crate::sim::policy::{child, gre};
use crate::sim::{Net, Weather};
use crate::{CHILD, assert_one, assert_up, initiate, rekey, seconds};

const A: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
const B: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2));

/// Two gateways that speak this version, each changed by `change` with its number.
fn pair(versions: Versions, change: impl Fn(usize, &mut Peer)) -> Net {
    let mut net = Net::new(130, Weather::FINE);
    for (here, there) in [(A, B), (B, A)] {
        let node = net.add(here, Settings::default());
        let mut peer = gre(CHILD, here, Some(there));
        peer.versions = versions;
        peer.proposals = vec!["aes128-sha256-x25519".parse().unwrap()];
        change(node, &mut peer);
        net.configure(node, vec![Arc::new(peer)]);
    }
    initiate(&mut net, 0);
    net.run(seconds(1));
    assert_one(&net);
    net
}

#[test]
fn ends_with_ipv6_addresses_connect_and_renew_their_keys() {
    for versions in [Versions::V1, Versions::V2] {
        let mut net = pair(versions, |_, _| {});
        for (node, other) in [(0, B), (1, A)] {
            let path = net.nodes[node].path_of(CHILD);
            assert_eq!((path.remote.ip(), path.local.port()), (other, 500));
            let pair = net.nodes[node].pairs.values().next().unwrap();
            assert_eq!(pair.sa.remote[0].addresses, (other, other));
            assert!(!pair.sa.udp);
        }
        for node in [0, 1] {
            for ike in [false, true] {
                rekey(&mut net, node, ike);
                let end = net.now + seconds(60);
                while net.step(end) {
                    net.traffic();
                    assert_up(&net);
                }
                net.now = end;
                assert_one(&net);
            }
        }
    }
}

#[test]
fn esp_goes_in_udp_over_ipv6_where_that_is_wanted() {
    for versions in [Versions::V1, Versions::V2] {
        let net = pair(versions, |_, peer| peer.force_udp = true);
        for node in &net.nodes {
            assert_eq!(node.path_of(CHILD).remote.port(), 4500);
            assert!(node.pairs.values().all(|pair| pair.sa.udp));
        }
    }
}

#[test]
fn networks_of_ipv6_are_protected_in_every_form_that_they_are_said_in() {
    let net = |text: &str| text.parse::<IpAddr>().unwrap();
    // A prefix, a range, and one address.
    let sides = [
        ["fd01::", "fd01::ffff:ffff:ffff:ffff", "fd02::1", "fd02::3"],
        ["::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fd02::7", "fd02::7"],
    ];
    for versions in [Versions::V1, Versions::V2] {
        for [from, to, first, last] in sides {
            let ranges = [(net(from), net(to)), (net(first), net(last))];
            let gateways = pair(versions, |node, peer| {
                let mut child = child(CHILD);
                child.mode = Mode::Tunnel;
                for (at, side) in [&mut child.local, &mut child.remote].into_iter().enumerate() {
                    let (first, last) = ranges[(node + at) % 2];
                    side[0].addresses = SelectorAddresses::Range(first, last);
                    side[0].protocol = 0;
                }
                peer.children = vec![Arc::new(child)];
            });
            let pair = gateways.nodes[1].pairs.values().next().unwrap();
            assert_eq!(pair.sa.remote[0].addresses, ranges[0]);
            assert_eq!(pair.sa.local[0].addresses, ranges[1]);
        }
    }
}
