//! Answers to the first message that prove nothing: whoever sends them cannot end an attempt.

use std::time::Duration;

use ike::msg::{Header, IkeSpi, Message, Notify, Payload, numbers::notify as kind};
use ike::output::{Datagram, Path};
use ike::policy::Versions;

use crate::wire::{CHILD, Wire};

const BOTH: [&str; 2] = ["aes256gcm16-prfsha256-x25519", "aes128-sha256-ecp256"];
const ECP256: [u8; 2] = [0, 19];
const RESPONSE: u8 = 0x20;

/// A connection that has just been begun.
fn calling(proposals: &[&str]) -> Wire {
    let mut wire = Wire::new(7, Versions::V2, proposals);
    wire.input(0, ike::output::Input::Initiate { peer: CHILD.into() });
    wire
}

/// Somebody who has seen the first message answers it.
fn forge(wire: &mut Wire, responder_spi: u64, payloads: Vec<Payload>) {
    let (_, first) = &wire.sent[0];
    let asked = Header::parse(&first.message).unwrap();
    let header = Header { flags: RESPONSE, responder_spi: IkeSpi(responder_spi), ..asked };
    let path = Path { local: first.path.remote, remote: first.path.local };
    let message = Message::new(header, payloads).write();
    wire.inject(0, &Datagram { path, message });
}

fn notify(kind: u16, data: &[u8]) -> Payload {
    Payload::Notify(Notify { protocol: 0, spi: Vec::new(), kind, data: data.to_vec() })
}

fn assert_connected(mut wire: Wire) {
    wire.run(|_, _| {});
    assert_eq!(wire.counts(), [(1, 1); 2], "{:#?}", wire.ends[0].log);
}

#[test]
fn a_forged_error_does_not_end_an_attempt() {
    for error in [kind::NO_PROPOSAL_CHOSEN, kind::INVALID_SYNTAX, kind::INVALID_MAJOR_VERSION] {
        let mut wire = calling(&BOTH);
        forge(&mut wire, 0, vec![notify(error, &[])]);
        assert!(wire.logged(0, "answer without proof: "), "{:#?}", wire.ends[0].log);
        assert_connected(wire);
    }
}

#[test]
fn a_forged_wish_for_another_key_exchange_does_not_end_an_attempt() {
    // One that we can grant, one that we cannot, and more than we grant.
    for wishes in [&[ECP256][..], &[[0, 99]], &[ECP256, [0, 31], ECP256, [0, 31], ECP256, [0, 31]]]
    {
        let mut wire = calling(&BOTH);
        for wish in wishes {
            forge(&mut wire, 0, vec![notify(kind::INVALID_KE_PAYLOAD, wish)]);
        }
        assert_connected(wire);
    }
}

#[test]
fn a_forged_answer_that_makes_no_sense_does_not_end_an_attempt() {
    for payloads in [vec![], vec![Payload::Nonce(vec![1; 32])]] {
        let mut wire = calling(&BOTH);
        forge(&mut wire, 99, payloads);
        assert_connected(wire);
    }
}

#[test]
fn an_attempt_that_is_refused_ends_after_a_while_and_says_why() {
    let mut wire = calling(&BOTH);
    wire.cut();
    forge(&mut wire, 0, vec![notify(kind::NO_PROPOSAL_CHOSEN, &[])]);
    wire.wait(Duration::from_secs(10));
    let requests = wire.sent.len();
    assert!(requests > 1, "it is asked once more");
    assert!(!wire.logged(0, "cannot connect"), "{:#?}", wire.ends[0].log);
    wire.wait(Duration::from_secs(10));
    assert!(wire.logged(0, "cannot connect: it allows none of our proposals"));
    assert!(wire.ends[0].ike.status().is_empty());
}
