//! Messages on the wire: headers, and the encrypted payloads of RFC 2409 appendix B.

use alloc::vec::Vec;

use crate::keymat::v1::{Iv, Phase1Keys};
use crate::msg::v1::{Body1, Message1, Payload1, parse_decrypted, write_payloads};
use crate::msg::{ExchangeType, Header, IkeSpi};

/// A header of IKEv1.
pub(super) fn header(
    cookies: (IkeSpi, IkeSpi),
    exchange: ExchangeType,
    flags: u8,
    message_id: u32,
) -> Header {
    Header {
        initiator_spi: cookies.0,
        responder_spi: cookies.1,
        version: Header::V1,
        exchange,
        flags,
        message_id,
    }
}

/// A message in clear.
pub(super) fn clear(
    cookies: (IkeSpi, IkeSpi),
    exchange: ExchangeType,
    message_id: u32,
    payloads: Vec<Payload1>,
) -> Vec<u8> {
    let header = header(cookies, exchange, 0, message_id);
    Message1 { header, body: Body1::Clear(payloads) }.write()
}

/// An encrypted message; `iv` becomes the next one's.
pub(super) fn encrypted(
    cookies: (IkeSpi, IkeSpi),
    exchange: ExchangeType,
    message_id: u32,
    keys: &Phase1Keys,
    iv: &mut Iv,
    payloads: &[Payload1],
) -> Vec<u8> {
    let (first, payloads) = write_payloads(payloads);
    let body = keys.encrypt(iv, &payloads);
    let header = header(cookies, exchange, Header::ENCRYPTION, message_id);
    Message1 { header, body: Body1::Encrypted(first, body) }.write()
}

/// The same with a HASH payload in front that covers the others (RFC 2409 sections 5.5 and 5.7).
pub(super) fn hashed(
    cookies: (IkeSpi, IkeSpi),
    exchange: ExchangeType,
    message_id: u32,
    keys: &Phase1Keys,
    iv: &mut Iv,
    payloads: Vec<Payload1>,
    nonce_i: Option<&[u8]>,
) -> Vec<u8> {
    let (_, rest) = write_payloads(&payloads);
    let hash = keys.message_hash(message_id, nonce_i, &rest);
    let mut all = alloc::vec![Payload1::Hash(hash.expose().to_vec())];
    all.extend(payloads);
    encrypted(cookies, exchange, message_id, keys, iv, &all)
}

/// What an encrypted message says, once it is decrypted.
pub(super) struct Opened {
    /// In the order of the wire.
    pub payloads: Vec<Payload1>,
    /// Bytes of the payloads behind the first one, without padding: what hashes cover.
    pub rest: Vec<u8>,
    /// The IV of the next message, to be taken once this one has proven authentic.
    pub next_iv: Iv,
}

/// Decrypts a message; `None` if it is none that our keys have encrypted, or malformed.
pub(super) fn open(keys: &Phase1Keys, iv: Iv, first: u8, body: &[u8]) -> Option<Opened> {
    let (bytes, next_iv) = keys.decrypt(iv, body).ok()?;
    let (payloads, padding) = parse_decrypted(first, &bytes).ok()?;
    let end = bytes.len() - padding.len();
    let skip = payloads.first().map_or(0, |first| first.body().len() + 4);
    let rest = bytes.get(skip..end)?.to_vec();
    Some(Opened { payloads, rest, next_iv })
}
