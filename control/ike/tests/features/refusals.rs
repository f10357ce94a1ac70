//! Messages that are answered with an error.

use ike::msg::sealed::{self, Plain};
use ike::msg::{ExchangeType, Header, IkeSpi, Message, Payload, numbers};

use super::wire::{INFORMATIONAL, Zeros, first_message, logged_pair, notified};
use crate::sim::Net;
use crate::sim::read::{contents, keys};
use crate::{assert_one, initiate, logs, seconds};

/// A type of payload that nobody knows.
const UNKNOWN: u8 = 200;

/// A connected pair, and the header of the initiator's next request.
fn connected(seed: u64) -> (Net, Header) {
    let mut net = logged_pair(seed, |_| {});
    initiate(&mut net, 0);
    net.run(seconds(1));
    let (_, request) = net.sent.iter().find(|(_, bytes)| bytes[18] == 35).unwrap();
    let header = Header {
        exchange: ExchangeType(INFORMATIONAL),
        message_id: 2,
        ..Header::parse(request).unwrap()
    };
    (net, header)
}

/// Sends the responder an authentic request; where its answer begins.
fn ask(net: &mut Net, header: &Header, plain: &Plain) -> usize {
    let keys = keys(net);
    let bytes = sealed::seal_plain(header, plain, &keys[&header.initiator_spi].0, &mut Zeros);
    let (path, _) = first_message(net);
    let sent = net.sent.len();
    net.inject(path, bytes);
    net.run(seconds(1));
    sent
}

#[test]
fn a_critical_payload_that_is_not_known_is_named_and_nothing_else_of_the_message_counts() {
    let (mut net, header) = connected(50);
    let delete = ike::msg::Delete { protocol: ike::msg::IKE, spis: Vec::new() };
    let payloads = [Payload::Delete(delete), Payload::Unknown(UNKNOWN, true, vec![1, 2, 3])];
    let sent = ask(&mut net, &header, &Plain::new(&payloads));
    let kind = numbers::notify::UNSUPPORTED_CRITICAL_PAYLOAD;
    assert_eq!(notified(&net, sent, kind).unwrap().data, [UNKNOWN]);
    assert_one(&net);
}

#[test]
fn a_payload_that_is_not_known_and_not_critical_is_left_out() {
    let (mut net, header) = connected(51);
    let payloads = [Payload::Unknown(UNKNOWN, false, vec![1, 2, 3])];
    let sent = ask(&mut net, &header, &Plain::new(&payloads));
    assert_eq!(contents(&net, sent)[0].1, []);
    assert_one(&net);
}

#[test]
fn an_authentic_request_that_is_malformed_is_told_so_and_ends_the_connection() {
    let (mut net, header) = connected(52);
    // A security association payload of which three bytes are left.
    let plain = Plain { first: 33, bytes: vec![0, 0, 0, 7, 1, 2, 3].into() };
    let sent = ask(&mut net, &header, &plain);
    assert!(notified(&net, sent, numbers::notify::INVALID_SYNTAX).is_some(), "{:#?}", logs(&net));
    assert!(net.nodes[1].pairs.is_empty());
    assert!(net.nodes[1].ike.status().is_empty());
}

#[test]
fn an_exchange_that_does_not_exist_is_refused_and_leaves_the_connection_alone() {
    let (mut net, header) = connected(53);
    let header = Header { exchange: ExchangeType(99), ..header };
    let sent = ask(&mut net, &header, &Plain::new(&[]));
    assert!(notified(&net, sent, numbers::notify::INVALID_SYNTAX).is_some());
    assert_one(&net);
}

#[test]
fn a_stranger_with_a_critical_payload_that_is_not_known_is_told_which() {
    let (mut net, _) = connected(54);
    let (path, bytes) = first_message(&net);
    let mut message = Message::parse(&bytes).unwrap();
    message.header.initiator_spi = IkeSpi(7);
    message.payloads.push(Payload::Unknown(UNKNOWN, true, vec![0; 4]));
    let sent = net.sent.len();
    net.inject(path, message.write());
    net.run(seconds(1));
    let kind = numbers::notify::UNSUPPORTED_CRITICAL_PAYLOAD;
    assert_eq!(notified(&net, sent, kind).expect("an answer").data, [UNKNOWN]);
    assert_one(&net);
}

#[test]
fn a_stranger_that_speaks_a_version_to_come_is_told_ours() {
    let (mut net, _) = connected(55);
    let (path, mut bytes) = first_message(&net);
    bytes[..8].fill(7);
    bytes[17] = 0x30;
    let sent = net.sent.len();
    net.inject(path, bytes);
    net.run(seconds(1));
    assert!(notified(&net, sent, numbers::notify::INVALID_MAJOR_VERSION).is_some());
    let (_, answer) = &net.sent[sent];
    assert_eq!(answer[17], 0x20);
    assert_eq!(answer[..8], [7; 8]);
    assert_eq!(net.sent.len(), sent + 1);
    assert_one(&net);
}

#[test]
fn further_addresses_of_the_peer_are_taken_notice_of() {
    let (mut net, header) = connected(58);
    let notify = |kind, data: &[u8]| {
        Payload::Notify(ike::msg::Notify {
            protocol: 0,
            spi: Vec::new(),
            kind,
            data: data.to_vec(),
        })
    };
    let payloads = [
        notify(numbers::notify::ADDITIONAL_IP4_ADDRESS, &[10, 0, 0, 9]),
        notify(numbers::notify::ADDITIONAL_IP6_ADDRESS, &[0xfd; 16]),
        notify(numbers::notify::ADDITIONAL_IP4_ADDRESS, &[1]),
        notify(numbers::notify::NO_ADDITIONAL_ADDRESSES, &[]),
    ];
    let sent = ask(&mut net, &header, &Plain::new(&payloads));
    assert_eq!(crate::sim::read::contents(&net, sent)[0].1, []);
    assert_one(&net);
}
