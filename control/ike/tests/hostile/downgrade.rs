//! Somebody on the wire takes out of the first messages what is strong, and repeats what was said.

use std::time::Duration;

use ike::msg::v1::{Body1, Message1, Payload1};
use ike::msg::{Message, Payload};
use ike::output::{Datagram, Input, Path};
use ike::policy::Versions;

use crate::wire::{CHILD, Wire};

const BOTH: [&str; 2] = ["aes256gcm16-prfsha256-x25519", "aes128-sha256-ecp256"];
const EITHER: [&str; 1] = ["aes256-aes128-sha256-ecp256"];
const IKE_SA_INIT: u8 = 34;
const NAT_DETECTION: [u16; 2] = [16_388, 16_389];
const SIGNATURE_HASH_ALGORITHMS: u16 = 16_431;

/// A connection in which `change` is made to each IKE_SA_INIT of `whose`, and how often it was.
fn connected(
    proposals: &[&str],
    whose: usize,
    change: impl Fn(&mut Vec<Payload>),
) -> (Wire, usize) {
    let mut wire = Wire::new(1, Versions::V2, proposals);
    let mut changed = 0;
    wire.connect(|from, bytes| {
        if from == whose && bytes[18] == IKE_SA_INIT {
            let mut message = Message::parse(bytes).unwrap();
            change(&mut message.payloads);
            let after = message.write();
            changed += usize::from(*bytes != after);
            *bytes = after;
        }
    });
    (wire, changed)
}

fn assert_refused((wire, changed): &(Wire, usize)) {
    assert!(*changed > 0);
    let [caller, called] = wire.counts();
    assert_eq!((caller, called.1), ((0, 0), 0), "{:#?}", wire.ends[0].log);
    assert!(wire.ends.iter().all(|end| end.ike.status().is_empty()));
}

/// A notification of this kind is no longer there.
fn without(kind: u16) -> impl Fn(&mut Vec<Payload>) {
    move |payloads| {
        payloads.retain(|it| !matches!(it, Payload::Notify(notify) if notify.kind == kind));
    }
}

#[test]
fn untouched_the_best_is_chosen() {
    for proposals in [&BOTH[..], &EITHER[..]] {
        let (wire, changed) = connected(proposals, 0, |_| {});
        assert_eq!((wire.counts(), changed), ([(1, 1); 2], 0), "{:#?}", wire.ends[1].log);
        let suite = &wire.ends[0].ike.status()[0].suite;
        assert!(suite.starts_with("aes256"), "{suite}");
    }
}

#[test]
fn a_proposal_that_somebody_has_taken_out_makes_authentication_fail() {
    let refused = connected(&BOTH, 0, |payloads| {
        for payload in payloads {
            if let Payload::Sa(proposals) = payload
                && proposals.len() == 2
            {
                proposals.remove(0);
                proposals[0].number = 1;
            }
        }
    });
    assert_refused(&refused);
    assert!(refused.0.logged(0, "it wants the key exchange ecp256 instead"));
    assert!(refused.0.logged(1, "pre-shared key is not"), "{:#?}", refused.0.ends[1].log);
}

#[test]
fn a_cipher_that_somebody_has_taken_out_makes_authentication_fail() {
    let refused = connected(&EITHER, 0, |payloads| {
        for payload in payloads {
            if let Payload::Sa(proposals) = payload {
                let weak = |bits| bits != Some(256);
                proposals[0].transforms.retain(|transform| weak(transform.key_bits));
            }
        }
    });
    assert_refused(&refused);
    assert!(refused.0.logged(1, "pre-shared key is not"), "{:#?}", refused.0.ends[1].log);
}

#[test]
fn hash_algorithms_that_somebody_has_taken_out_make_authentication_fail() {
    for whose in [0, 1] {
        let refused = connected(&BOTH, whose, without(SIGNATURE_HASH_ALGORITHMS));
        assert_refused(&refused);
    }
}

#[test]
fn a_nat_that_somebody_has_made_up_leads_nowhere() {
    for whose in [0, 1] {
        for kind in NAT_DETECTION {
            let refused = connected(&BOTH, whose, |payloads| {
                for payload in payloads {
                    if let Payload::Notify(notify) = payload
                        && notify.kind == kind
                    {
                        notify.data[0] ^= 1;
                    }
                }
            });
            assert_refused(&refused);
            assert_refused(&connected(&BOTH, whose, without(kind)));
        }
    }
}

#[test]
fn a_proposal_taken_out_of_main_mode_makes_authentication_fail() {
    let proposals = ["aes256-sha256-ecp256", "aes128-sha1-ecp256"];
    for taken in [false, true] {
        let mut wire = Wire::new(5, Versions::V1, &proposals);
        wire.connect(|from, bytes| {
            // The first message has no cookie of the one who is called.
            if from == 0 && taken && bytes[8..16] == [0; 8] {
                let mut message = Message1::parse(bytes).unwrap();
                if let Body1::Clear(payloads) = &mut message.body
                    && let Payload1::Sa(sa) = &mut payloads[0]
                {
                    assert_eq!(sa.proposals[0].transforms.len(), 2);
                    sa.proposals[0].transforms.remove(0);
                }
                *bytes = message.write();
            }
        });
        let expected = if taken { (0, 0) } else { (1, 1) };
        assert_eq!(wire.counts(), [expected; 2], "{:#?} {:#?}", wire.ends[0].log, wire.ends[1].log);
    }
}

/// All that was said, to either end, in both directions.
fn repeat(wire: &mut Wire, said: &[(usize, Datagram)]) {
    for (from, datagram) in said {
        wire.inject(1 - from, datagram);
        // And to the one who has said it, as if the other had.
        let Path { local, remote } = datagram.path;
        let path = Path { local: remote, remote: local };
        wire.inject(*from, &Datagram { path, message: datagram.message.clone() });
        wire.cut();
    }
}

#[test]
fn what_was_said_is_worth_nothing_when_it_is_repeated() {
    for (versions, proposals) in [(Versions::V1, &EITHER[..]), (Versions::V2, &BOTH[..])] {
        let mut wire = Wire::new(7, versions, proposals);
        wire.connect(|_, _| {});
        wire.input(1, Input::Rekey { peer: CHILD.into(), ike: false });
        wire.run(|_, _| {});
        wire.wait(Duration::from_secs(10));
        let up = wire.counts();
        assert_eq!(up.map(|(_, pairs)| pairs), [1, 1], "{up:?}");
        let said = wire.sent.clone();
        assert!(said.len() > 6);
        // While it is up, once it has ended, and to gateways that have never spoken.
        repeat(&mut wire, &said);
        assert_eq!(wire.counts(), up);
        wire.input(0, Input::Terminate { peer: CHILD.into() });
        wire.run(|_, _| {});
        let again = wire.counts();
        assert_eq!(again.map(|(_, pairs)| pairs), [0, 0], "{again:?}");
        let said = wire.sent.clone();
        repeat(&mut wire, &said);
        assert_eq!(wire.counts(), again);
        let mut others = Wire::new(77, versions, proposals);
        repeat(&mut others, &said);
        assert_eq!(others.counts(), [(0, 0); 2]);
        others.wait(Duration::from_secs(120));
        assert!(others.ends.iter().all(|end| end.ike.status().is_empty()));
    }
}
