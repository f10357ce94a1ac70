//! IKE messages: whatever the bytes are, what is understood of them is written and understood
//! again, and nothing is opened that was not sealed.

use ::ike::{
    algorithm::{Encryption, Integrity},
    crypto::MessageKeys,
    msg::{
        self, ExchangeType, Header, IkeSpi, Message,
        sealed::{self, Opened, Plain, Reassembly},
        v1::{self, Message1},
    },
};
use engine::{Secret, Seeded};

/// A message of IKEv2, and the same bytes as the inside of an encrypted payload.
pub fn ike_v2(input: &[u8]) {
    if let Ok(message) = Message::parse(input) {
        assert_eq!(Message::parse(&message.write()), Ok(message));
    }
    let Some((first, chain)) = input.split_first() else { return };
    if let Ok(payloads) = msg::parse_payloads(*first, chain) {
        let (first, again) = msg::write_payloads(&payloads);
        assert_eq!(again.len(), chain.len());
        assert_eq!(msg::parse_payloads(first, &again), Ok(payloads));
    }
}

/// A message of IKEv1, and the same bytes as one that has been decrypted.
pub fn ike_v1(input: &[u8]) {
    if let Ok(message) = Message1::parse(input) {
        assert_eq!(Message1::parse(&message.write()), Ok(message));
    }
    let Some((first, chain)) = input.split_first() else { return };
    if let Ok((payloads, padding)) = v1::parse_decrypted(*first, chain) {
        let (first, mut again) = v1::write_payloads(&payloads);
        again.extend_from_slice(padding);
        assert_eq!(again.len(), chain.len());
        assert_eq!(v1::parse_decrypted(first, &again), Ok((payloads, padding)));
    }
}

/// Bytes as a sealed message, which they never are; and sealed by the peer that has the keys, whole
/// and in fragments: they come out as they went in, and what they say is asked without harm. The
/// first byte chooses the cipher, the second the size of the fragments, the third the first
/// payload.
pub fn ike_sealed(input: &[u8]) {
    let [choice, size, first, chain @ ..] = input else { return };
    let keys = keys(*choice);
    let opened = sealed::open(input, &keys);
    assert!(opened.is_err(), "nobody has sealed it");
    let header = Header {
        initiator_spi: IkeSpi(1),
        responder_spi: IkeSpi(2),
        version: Header::V2,
        exchange: ExchangeType::IKE_AUTH,
        flags: *choice,
        message_id: u32::from(*size),
    };
    let plain = Plain { first: *first, bytes: chain.to_vec().into() };
    let mut random = Seeded::new([*choice; 32]);
    let max_len = 100 + 4 * usize::from(*size);
    let messages = sealed::seal_plain_fragments(&header, &plain, &keys, max_len, &mut random);
    let mut reassembly = Reassembly::default();
    let mut whole = None;
    for message in messages.iter().rev() {
        assert!(whole.is_none(), "complete before the last part");
        whole = match sealed::open(message, &keys) {
            Ok(Opened::Whole(plain)) => Some(plain),
            Ok(Opened::Fragment(fragment)) => reassembly.add(fragment),
            Err(error) => panic!("sealed with these keys: {error}"),
        };
    }
    let whole = whole.expect("no part is missing");
    assert_eq!((whole.first, &whole.bytes), (plain.first, &plain.bytes));
    let _ = whole.payloads();
}

fn keys(choice: u8) -> MessageKeys {
    let encryption = match choice % 3 {
        0 => Encryption::AesCbc(128),
        1 => Encryption::AesGcm(256, 16),
        _ => Encryption::ChaCha20Poly1305,
    };
    let integrity = (!encryption.is_aead()).then_some(Integrity::HmacSha256);
    let integrity_key = Secret::new(vec![2; integrity.map_or(0, Integrity::key_len)]);
    let encryption_key = Secret::new(vec![1; encryption.key_len()]);
    MessageKeys::new(encryption, integrity, encryption_key, integrity_key)
}
