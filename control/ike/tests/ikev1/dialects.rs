//! Peers that speak in other ways than we do: drafts, bits and exchanges that we do not use.

use std::time::Duration;

use ike::msg::v1::{Attribute1, Body1, Message1, NatNumbers, Payload1};
use ike::output::{Datagram, Path};
use md5::{Digest, Md5};

use crate::net::{B, Net, gre, ip};

const SECOND: Duration = Duration::from_secs(1);
const QUICK_MODE: u8 = 32;
const TRANSACTION: u8 = 6;
/// The flag COMMIT of a header (RFC 2408 section 3.1).
const COMMIT: u8 = 2;

/// Payloads of a message in clear.
fn clear(message: &[u8]) -> Vec<Payload1> {
    match Message1::parse(message).unwrap().body {
        Body1::Clear(payloads) => payloads,
        Body1::Encrypted(..) => panic!("an encrypted message"),
    }
}

fn vendor_ids(message: &[u8]) -> Vec<Vec<u8>> {
    let ids = clear(message).into_iter().filter_map(|payload| match payload {
        Payload1::VendorId(id) => Some(id),
        _ => None,
    });
    ids.collect()
}

/// Changes a message in clear.
fn change(message: &mut Vec<u8>, change: impl FnOnce(&mut Vec<Payload1>)) {
    let mut parsed = Message1::parse(message).unwrap();
    if let Body1::Clear(payloads) = &mut parsed.body {
        change(payloads);
    }
    *message = parsed.write();
}

fn is_first(message: &[u8]) -> bool {
    message[8..16] == [0; 8]
}

#[test]
fn a_nat_is_passed_with_a_peer_that_knows_a_draft_alone() {
    let drafts = ["draft-ietf-ipsec-nat-t-ike-03", "draft-ietf-ipsec-nat-t-ike-02\n"];
    for draft in drafts.into_iter().chain(["draft-ietf-ipsec-nat-t-ike-02"]) {
        let id = Md5::digest(draft.as_bytes()).to_vec();
        let mut net = gre(|index, peer, _| {
            if index == 0 {
                peer.remote = None;
            }
        });
        net.nat = Some(ip("192.0.2.1"));
        let only = id.clone();
        net.tamper = Box::new(move |_, message| {
            if is_first(message) {
                change(message, |payloads| {
                    payloads.retain(|it| !matches!(it, Payload1::VendorId(id) if *id != only));
                });
            }
        });
        net.acquire(1, "gre");
        net.run(5 * SECOND);
        net.assert_connected();
        let [called, caller] = [0, 1].map(|node| &net.nodes[node].sent);
        assert_eq!(vendor_ids(&caller[0].message), std::slice::from_ref(&id), "{draft:?}");
        assert!(vendor_ids(&called[0].message).contains(&id), "{draft:?}");
        for message in [&caller[1].message, &called[1].message] {
            let numbers = clear(message).into_iter().filter_map(|payload| match payload {
                Payload1::NatD(numbers, _) => Some(numbers),
                _ => None,
            });
            assert_eq!(numbers.collect::<Vec<_>>(), [NatNumbers::Draft; 2]);
        }
        let ours = net.nodes[0].datapath.current().unwrap();
        assert!(ours.udp && ours.path.local.port() == 4500);
        // NAT-OA, of another number too.
        assert_eq!(ours.original_addresses.unwrap().0, ip(B));
    }
}

#[test]
fn a_commit_bit_is_tolerated() {
    for who in [0, 1] {
        let mut net = gre(|_, _, _| {});
        net.tamper = Box::new(move |from, message| {
            if from == who && message[18] == QUICK_MODE {
                message[19] |= COMMIT;
            }
        });
        net.acquire(0, "gre");
        net.run(5 * SECOND);
        net.assert_connected();
        let peer = net.nodes[who].peers[0].name.clone();
        net.input(who, ike::output::Input::Rekey { peer, ike: false });
        net.run(60 * SECOND);
        net.assert_connected();
        net.assert_pairs(1);
    }
}

fn called(net: &mut Net) -> Datagram {
    net.acquire(1, "gre");
    let first = net.nodes[1].sent[0].clone();
    let Path { local, remote } = first.path;
    Datagram { path: Path { local: remote, remote: local }, ..first }
}

#[test]
fn extended_authentication_is_refused_with_the_reason() {
    // RFC 2409 appendix A has the method as attribute 3; XAUTHInitPreShared is 65001.
    let mut net = gre(|_, _, _| {});
    let mut first = called(&mut net);
    change(&mut first.message, |payloads| {
        for payload in payloads {
            let Payload1::Sa(sa) = payload else { continue };
            let transforms = sa.proposals.iter_mut().flat_map(|it| &mut it.transforms);
            for attribute in transforms.flat_map(|it| &mut it.attributes) {
                if attribute.kind == 3 {
                    *attribute = Attribute1::short(3, 65001);
                }
            }
        }
    });
    net.inject(0, &first);
    let said = "by extended authentication, we allow aes128-sha1-modp1024 by pre-shared key";
    assert!(net.logged(0, said), "{:?}", net.nodes[0].log);
    // And the exchange that it takes place in.
    first.message[18] = TRANSACTION;
    net.inject(0, &first);
    assert!(net.logged(0, "XAuth or mode config of 10.0.0.2:500 refused"));
    assert!(net.nodes[0].ike.status().is_empty());
}
