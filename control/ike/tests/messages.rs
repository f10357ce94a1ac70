//! Messages as values: what is written is read again, and no bytes of a stranger's bring us down.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use engine::{Secret, Seeded};
use ike::{
    algorithm::{Encryption, Integrity},
    crypto::MessageKeys,
    msg::{
        self, Delete, ExchangeType, Fault, Header, IdPayload, IkeSpi, KeyExchange, Malformed,
        Message, Notify, Payload, Proposal, TrafficSelector, Transform,
        sealed::{self, OpenError, Opened, Plain, Reassembly},
        v1::{
            self, Attribute1, Body1, Delete1, Id1, Message1, NatNumbers, Payload1, Proposal1, Sa1,
            Transform1, Value1,
        },
    },
};
use proptest::{collection::vec, option, prelude::*};

proptest! {
    #[test]
    fn what_is_written_is_read_again(header in header(0x20), payloads in vec(payload(), 0..8)) {
        let message = Message::new(header, payloads);
        prop_assert_eq!(Message::parse(&message.write()), Ok(message));
    }

    #[test]
    fn what_is_written_by_ikev1_is_read_again(
        header in header(0x10),
        payloads in vec(payload1(), 0..8),
        encrypted in option::of((any::<u8>(), bytes(64))),
    ) {
        let clear = Header { flags: header.flags & !Header::ENCRYPTION, ..header };
        let message = match encrypted {
            None => Message1 { header: clear, body: Body1::Clear(payloads) },
            Some((first, body)) => Message1 {
                header: Header { flags: clear.flags | Header::ENCRYPTION, ..clear },
                body: Body1::Encrypted(first, body),
            },
        };
        prop_assert_eq!(Message1::parse(&message.write()), Ok(message));
    }

    #[test]
    fn padding_of_a_decrypted_chain_is_told_apart(
        payloads in vec(payload1(), 1..5),
        padding in bytes(16),
    ) {
        let (first, mut text) = v1::write_payloads(&payloads);
        text.extend_from_slice(&padding);
        prop_assert_eq!(v1::parse_decrypted(first, &text), Ok((payloads, &padding[..])));
    }

    #[test]
    fn no_bytes_bring_a_parser_down(first in any::<u8>(), input in bytes(300)) {
        let _ = Message::parse(&input);
        let _ = Message1::parse(&input);
        let _ = msg::parse_payloads(first, &input);
        let _ = v1::parse_decrypted(first, &input);
        let _ = sealed::open(&input, &keys(Encryption::ChaCha20Poly1305));
    }

    #[test]
    fn a_damaged_message_is_read_or_refused(
        header in header(0x20),
        payloads in vec(payload(), 1..5),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = Message::new(header, payloads).write();
        for (index, value) in damage {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        if let Ok(message) = Message::parse(&bytes) {
            // Reserved fields are ignored, so the bytes may differ; what they say must not.
            prop_assert_eq!(Message::parse(&message.write()), Ok(message));
        }
    }

    #[test]
    fn fragments_in_any_order_are_the_message(
        header in header(0x20),
        payloads in vec(payload(), 1..8),
        max_len in 0_usize..700,
        order in any::<prop::sample::Index>(),
    ) {
        let mut random = Seeded::new([7; 32]);
        for encryption in CIPHERS {
            let keys = keys(encryption);
            let plain = Plain::new(&payloads);
            let mut messages =
                sealed::seal_fragments(&header, &payloads, &keys, max_len, &mut random);
            prop_assert!(messages.len() <= usize::from(sealed::FRAGMENTS_MAX));
            let at = order.index(messages.len());
            messages.rotate_left(at);
            let mut reassembly = Reassembly::default();
            let mut whole = None;
            for message in &messages {
                whole = match sealed::open(message, &keys).expect("it is authentic") {
                    Opened::Whole(plain) => Some(plain),
                    Opened::Fragment(fragment) => reassembly.add(fragment),
                };
            }
            let whole = whole.expect("nothing is missing");
            prop_assert_eq!((whole.first, &whole.bytes), (plain.first, &plain.bytes));
            prop_assert!(reassembly.is_empty());
        }
    }
}

const CIPHERS: [Encryption; 3] =
    [Encryption::AesCbc(128), Encryption::AesGcm(256, 16), Encryption::ChaCha20Poly1305];

fn keys(encryption: Encryption) -> MessageKeys {
    let integrity = (!encryption.is_aead()).then_some(Integrity::HmacSha256);
    let integrity_key = Secret::new(vec![2; integrity.map_or(0, Integrity::key_len)]);
    MessageKeys::new(
        encryption,
        integrity,
        Secret::new(vec![1; encryption.key_len()]),
        integrity_key,
    )
}

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..max)
}

prop_compose! {
    fn header(version: u8)(
        initiator in any::<u64>(),
        responder in any::<u64>(),
        exchange in any::<u8>(),
        flags in any::<u8>(),
        message_id in any::<u32>(),
    ) -> Header {
        Header {
            initiator_spi: IkeSpi(initiator),
            responder_spi: IkeSpi(responder),
            version,
            exchange: ExchangeType(exchange),
            flags,
            message_id,
        }
    }
}

prop_compose! {
    fn transform()(
        kind in any::<u8>(),
        id in any::<u16>(),
        key_bits in option::of(any::<u16>()),
        long in option::of(bytes(8)),
    ) -> Transform {
        let attributes = long.map(|value| (99, value)).into_iter().collect();
        Transform { kind, id, key_bits, attributes }
    }
}

prop_compose! {
    fn proposal()(
        number in any::<u8>(),
        protocol in any::<u8>(),
        spi in bytes(9),
        transforms in vec(transform(), 0..6),
    ) -> Proposal {
        Proposal { number, protocol, spi, transforms }
    }
}

fn selector() -> impl Strategy<Value = TrafficSelector> {
    let v4 = (any::<u32>(), any::<u32>()).prop_map(|(a, b)| {
        let address = |bits| IpAddr::from(Ipv4Addr::from_bits(bits));
        (address(a.min(b)), address(a.max(b)))
    });
    let v6 = (any::<u128>(), any::<u128>()).prop_map(|(a, b)| {
        let address = |bits| IpAddr::from(Ipv6Addr::from_bits(bits));
        (address(a.min(b)), address(a.max(b)))
    });
    (any::<u8>(), any::<(u16, u16)>(), prop_oneof![v4, v6])
        .prop_map(|(protocol, ports, addresses)| TrafficSelector { protocol, ports, addresses })
}

fn notify() -> impl Strategy<Value = Notify> {
    (any::<u8>(), bytes(17), any::<u16>(), bytes(40))
        .prop_map(|(protocol, spi, kind, data)| Notify { protocol, spi, kind, data })
}

fn payload() -> impl Strategy<Value = Payload> {
    let id = || {
        let parts = (any::<u8>(), any::<[u8; 3]>(), bytes(40));
        parts.prop_map(|(kind, reserved, data)| IdPayload { kind, reserved, data })
    };
    let tagged = || (any::<u8>(), bytes(80));
    prop_oneof![
        vec(proposal(), 0..4).prop_map(Payload::Sa),
        (any::<u16>(), bytes(300))
            .prop_map(|(group, data)| Payload::Ke(KeyExchange { group, data })),
        id().prop_map(Payload::IdI),
        id().prop_map(Payload::IdR),
        tagged().prop_map(|(encoding, data)| Payload::Cert(encoding, data)),
        tagged().prop_map(|(encoding, data)| Payload::CertReq(encoding, data)),
        tagged().prop_map(|(method, data)| Payload::Auth(method, data)),
        vec(any::<u8>(), 16..=256).prop_map(Payload::Nonce),
        notify().prop_map(Payload::Notify),
        (2_u8..=3, vec(any::<u32>(), 0..4))
            .prop_map(|(protocol, spis)| Payload::Delete(Delete { protocol, spis })),
        Just(Payload::Delete(Delete { protocol: msg::IKE, spis: Vec::new() })),
        bytes(40).prop_map(Payload::VendorId),
        vec(selector(), 0..4).prop_map(Payload::TsI),
        vec(selector(), 0..4).prop_map(Payload::TsR),
        (54_u8.., any::<bool>(), bytes(40))
            .prop_map(|(kind, critical, body)| Payload::Unknown(kind, critical, body)),
    ]
}

fn attribute1() -> impl Strategy<Value = Attribute1> {
    let value = prop_oneof![any::<u16>().prop_map(Value1::Short), bytes(9).prop_map(Value1::Long)];
    (0_u16..0x8000, value).prop_map(|(kind, value)| Attribute1 { kind, value })
}

prop_compose! {
    fn proposal1()(
        number in any::<u8>(),
        protocol in any::<u8>(),
        spi in bytes(9),
        transforms in vec((any::<u8>(), any::<u8>(), vec(attribute1(), 0..6)), 0..4),
    ) -> Proposal1 {
        let transform = |(number, id, attributes)| Transform1 { number, id, attributes };
        let transforms = transforms.into_iter().map(transform).collect();
        Proposal1 { number, protocol, spi, transforms }
    }
}

fn payload1() -> impl Strategy<Value = Payload1> {
    let nat = || prop_oneof![Just(NatNumbers::Rfc3947), Just(NatNumbers::Draft)];
    prop_oneof![
        (any::<u32>(), vec(proposal1(), 0..4)).prop_map(|(doi, proposals)| {
            Payload1::Sa(Sa1 { doi, situation: v1::IDENTITY_ONLY, proposals })
        }),
        bytes(200).prop_map(Payload1::Ke),
        (any::<u8>(), any::<u8>(), any::<u16>(), bytes(20)).prop_map(
            |(kind, protocol, port, data)| Payload1::Id(Id1 { kind, protocol, port, data })
        ),
        (any::<u8>(), bytes(80)).prop_map(|(encoding, data)| Payload1::Cert(encoding, data)),
        (any::<u8>(), bytes(80)).prop_map(|(encoding, data)| Payload1::CertReq(encoding, data)),
        bytes(64).prop_map(Payload1::Hash),
        bytes(80).prop_map(Payload1::Signature),
        vec(any::<u8>(), 8..=256).prop_map(Payload1::Nonce),
        (any::<u32>(), notify()).prop_map(|(doi, notify)| Payload1::Notify(doi, notify)),
        (any::<u32>(), any::<u8>(), vec(vec(any::<u8>(), 4), 0..4)).prop_map(
            |(doi, protocol, spis)| Payload1::Delete(Delete1 { doi, protocol, spi_len: 4, spis })
        ),
        bytes(40).prop_map(Payload1::VendorId),
        (nat(), bytes(33)).prop_map(|(numbers, hash)| Payload1::NatD(numbers, hash)),
        (nat(), any::<u8>(), bytes(17))
            .prop_map(|(numbers, kind, address)| Payload1::NatOa(numbers, kind, address)),
        (132_u8.., bytes(40)).prop_map(|(kind, body)| Payload1::Unknown(kind, body)),
    ]
}

/// A response with one notification, byte by byte as RFC 7296 sections 3.1 and 3.10 draw it.
#[test]
fn a_refusal_is_as_the_rfc_draws_it() {
    let bytes = [
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, // SPIs
        41, 0x20, 34, 0x20, 0, 0, 0, 0, 0, 0, 0, 36, // Notify, 2.0, IKE_SA_INIT, RESPONSE
        0, 0, 0, 8, 0, 0, 0, 14, // no next payload; NO_PROPOSAL_CHOSEN
    ];
    let message = Message::parse(&bytes).expect("a message");
    let notify = Notify { protocol: 0, spi: Vec::new(), kind: 14, data: Vec::new() };
    assert_eq!(message.payloads, [Payload::Notify(notify)]);
    assert_eq!(message.header.exchange.to_string(), "IKE_SA_INIT");
    assert_eq!(msg::numbers::notify::name(14), Some("NO_PROPOSAL_CHOSEN"));
    assert!(message.header.is_response() && !message.header.is_initiator());
    assert_eq!(message.write(), bytes);
}

#[test]
fn an_unknown_critical_payload_is_kept_with_its_bit() {
    let body = [0, 0x80, 0, 6, 1, 2];
    let payloads = msg::parse_payloads(200, &body).expect("payloads");
    assert_eq!(payloads, [Payload::Unknown(200, true, vec![1, 2])]);
    assert_eq!(msg::write_payloads(&payloads), (200, body.to_vec()));
}

/// RFC 7296 section 2.5: whoever knows the payload ignores the bit.
#[test]
fn a_critical_bit_without_meaning_survives_and_is_not_an_unknown_payload() {
    let mut bytes = Message::new(example(), vec![Payload::VendorId(vec![7]); 2]).write();
    let second = bytes.len() - 5;
    bytes[second + 1] = 0x80;
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!(message.payloads, vec![Payload::VendorId(vec![7]); 2]);
    assert_eq!(message.critical, 0b10);
    assert_eq!(message.write(), bytes);
}

#[test]
fn a_security_label_makes_the_selectors_unknown_and_not_malformed() {
    let body = [0, 0, 0, 14, 1, 0, 0, 0, 10, 0, 0, 6, b'x', b'y'];
    let payloads = msg::parse_payloads(44, &body).expect("payloads");
    assert_eq!(payloads, [Payload::Unknown(44, false, body[4..].to_vec())]);
}

#[test]
fn lengths_counts_and_marks_that_lie_are_refused() {
    let refused = |first: u8, bytes: &[u8], fault: Fault| {
        let error = msg::parse_payloads(first, bytes).expect_err("it lies");
        assert_eq!(error, Malformed { payload: error.payload, fault }, "{error}");
    };
    refused(41, &[0, 0, 0, 3], Fault::Length);
    refused(41, &[0, 0, 0, 9, 0, 0, 0, 14], Fault::Truncated);
    refused(41, &[0, 0, 0, 8, 0, 0, 0, 14, 0], Fault::Trailing);
    refused(40, &[0, 0, 0, 5, 1], Fault::Length);
    // A proposal that promises a transform, and one that promises a successor.
    refused(33, &[0, 0, 0, 12, 0, 0, 0, 8, 1, 1, 0, 1], Fault::Count);
    refused(33, &[0, 0, 0, 12, 2, 0, 0, 8, 1, 1, 0, 0], Fault::Count);
    // Deletion of an IKE SA with an SPI.
    refused(42, &[0, 0, 0, 12, 1, 4, 0, 1, 0, 0, 0, 1], Fault::Length);
    // Fragment 2 of 1.
    refused(53, &[0, 0, 0, 8, 0, 2, 0, 1], Fault::Value);
}

#[test]
fn more_than_the_stated_number_of_payloads_is_refused() {
    let chain = |count: usize| {
        let mut bytes = [43, 0, 0, 4].repeat(count);
        let last = bytes.len() - 4;
        bytes[last] = 0;
        msg::parse_payloads(43, &bytes).map(|payloads| payloads.len())
    };
    assert_eq!(chain(msg::PAYLOADS_MAX), Ok(msg::PAYLOADS_MAX));
    let error = chain(msg::PAYLOADS_MAX + 1).expect_err("one too many");
    assert_eq!(error.to_string(), "VENDOR_ID payload: too many of a kind");
}

fn example() -> Header {
    Header {
        initiator_spi: IkeSpi(1),
        responder_spi: IkeSpi(2),
        version: Header::V2,
        exchange: ExchangeType::IKE_AUTH,
        flags: Header::INITIATOR,
        message_id: 1,
    }
}

#[test]
fn every_bit_of_a_sealed_message_is_authentic() {
    let payloads = [Payload::VendorId(vec![5; 20])];
    for encryption in CIPHERS {
        let keys = keys(encryption);
        let message = sealed::seal(&example(), &payloads, &keys, &mut Seeded::new([3; 32]));
        for bit in 0..message.len() * 8 {
            let mut damaged = message.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(sealed::open(&damaged, &keys).is_err(), "bit {bit}");
        }
    }
}

/// A man in the middle cannot add to what is sealed, and may not be able to before it either.
#[test]
fn payloads_in_clear_before_an_encrypted_one_are_refused() {
    let keys = keys(Encryption::AesGcm(128, 16));
    let sealed = sealed::seal(&example(), &[], &keys, &mut Seeded::new([3; 32]));
    let mut message = Message::parse(&sealed).expect("a message");
    message.payloads.insert(0, Payload::VendorId(Vec::new()));
    let opened = sealed::open(&message.write(), &keys);
    let expected = OpenError::Malformed(Malformed { payload: 0, fault: Fault::BesideEncrypted });
    assert_eq!(opened.err(), Some(expected));
}

/// The first `max_len` that leaves more parts starts anew; what is left of the old ones is ignored.
#[test]
fn a_message_that_is_cut_again_in_smaller_parts_takes_the_place_of_the_first() {
    let keys = keys(Encryption::AesGcm(128, 16));
    let payloads = [Payload::VendorId(vec![9; 1000])];
    let mut random = Seeded::new([3; 32]);
    let mut cut = |max_len| {
        let messages = sealed::seal_fragments(&example(), &payloads, &keys, max_len, &mut random);
        assert!(messages.iter().all(|message| message.len() <= max_len));
        messages
    };
    let (large, small) = (cut(600), cut(300));
    assert!(small.len() > large.len());
    let mut reassembly = Reassembly::default();
    let mut add = |message: &Vec<u8>| match sealed::open(message, &keys) {
        Ok(Opened::Fragment(fragment)) => reassembly.add(fragment),
        _ => panic!("a fragment"),
    };
    assert!(add(&large[0]).is_none());
    let (last, others) = small.split_last().expect("parts");
    assert!(others.iter().all(|message| add(message).is_none()));
    assert!(add(&large[1]).is_none(), "of the first cut");
    assert!(add(&others[0]).is_none(), "a part that is there already");
    let whole = add(last).expect("the whole");
    assert_eq!(whole.payloads(), Ok(payloads.to_vec()));
}

/// RFC 9242 section 3.3.2: lengths as if there were neither IV nor padding nor ICV.
#[test]
fn the_octets_of_an_intermediate_exchange_have_the_lengths_of_what_is_inside() {
    let plain = Plain::new(&[Payload::VendorId(vec![5; 3])]);
    let octets = plain.int_auth(&example());
    assert_eq!(octets.len(), 28 + 4 + 7);
    assert_eq!(octets[24..28], [0, 0, 0, 39]);
    assert_eq!(octets[28..], [43, 0, 0, 11, 0, 0, 0, 7, 5, 5, 5]);
}
