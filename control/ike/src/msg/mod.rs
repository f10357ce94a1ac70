//! IKE messages as owned values: what stands in a datagram, and the datagram again.
//!
//! Both versions share the header (RFC 7296 section 3.1, RFC 2408 section 3.1) and the chain of
//! payloads; [`v1`] has the payloads that only IKEv1 knows. What is parsed and written again has
//! the same bytes: unknown payloads, transforms, attributes and numbers are kept as they are. Only
//! reserved fields, which a receiver has to ignore, are written as zero whatever they were.
//!
//! A message has at most [`LEN_MAX`] bytes, [`PAYLOADS_MAX`] payloads in a chain, [`PROPOSALS_MAX`]
//! proposals in a payload, [`TRANSFORMS_MAX`] transforms in each, [`ATTRIBUTES_MAX`] attributes in
//! each of those, and 255 traffic selectors in a payload, so what is parsed takes less than 2 MiB.

mod cursor;
mod header;
mod malformed;
pub mod numbers;
mod payload;
mod sa;
pub mod sealed;
mod selectors;
pub mod v1;

pub use self::header::{LEN_MAX, PAYLOADS_MAX, Raw, chain};
pub use self::malformed::{Fault, Malformed};
pub use self::numbers::protocol::{AH, ESP, IKE};
pub use self::payload::{parse_payloads, write_payloads};
pub use self::sa::{ATTRIBUTES_MAX, PROPOSALS_MAX, TRANSFORMS_MAX};

use alloc::vec::Vec;
use core::net::IpAddr;

/// The SPI of one side of an IKE SA; IKEv1 calls it a cookie. Zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IkeSpi(pub u64);

/// The header of a message (RFC 7296 section 3.1). Its length field is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Of the original initiator.
    pub initiator_spi: IkeSpi,
    /// Of the original responder; zero in the first message.
    pub responder_spi: IkeSpi,
    /// Major version in the high four bits, minor in the low four: 0x20 or 0x10.
    pub version: u8,
    /// What the message is for: an [`ExchangeType`] number.
    pub exchange: ExchangeType,
    /// IKEv2: INITIATOR 0x08, VERSION 0x10, RESPONSE 0x20. IKEv1: ENCRYPTION 0x01, COMMIT 0x02,
    /// AUTHENTICATION_ONLY 0x04.
    pub flags: u8,
    /// Number of the exchange.
    pub message_id: u32,
}

/// What a message is for (IANA "IKEv2 Exchange Types", and RFC 2408 section 3.1 below 34).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeType(pub u8);

/// A whole IKEv2 message in clear: parsed as far as the first encrypted payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The header.
    pub header: Header,
    /// In the order of the wire.
    pub payloads: Vec<Payload>,
    /// Which of the payloads that are known had the critical bit, the first in the lowest bit. It
    /// says nothing and is zero in what we send (RFC 7296 section 3.2).
    pub critical: u128,
}

/// A payload of IKEv2 (RFC 7296 section 3.2 and following).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Security association (3.3).
    Sa(Vec<Proposal>),
    /// Key exchange (3.4).
    Ke(KeyExchange),
    /// Identification of the initiator (3.5).
    IdI(IdPayload),
    /// Identification of the responder (3.5).
    IdR(IdPayload),
    /// Certificate (3.6): encoding, data.
    Cert(u8, Vec<u8>),
    /// Certificate request (3.7): encoding, authorities.
    CertReq(u8, Vec<u8>),
    /// Authentication (3.8): method, data.
    Auth(u8, Vec<u8>),
    /// Nonce (3.9): 16 to 256 bytes.
    Nonce(Vec<u8>),
    /// Notify (3.10).
    Notify(Notify),
    /// Delete (3.11).
    Delete(Delete),
    /// Vendor ID (3.12).
    VendorId(Vec<u8>),
    /// Traffic selectors of the initiator (3.13).
    TsI(Vec<TrafficSelector>),
    /// Traffic selectors of the responder (3.13).
    TsR(Vec<TrafficSelector>),
    /// Encrypted and authenticated (3.14): always the last. The type of the first payload inside;
    /// IV, ciphertext and ICV.
    Encrypted(u8, Vec<u8>),
    /// Encrypted fragment (RFC 7383 section 2.5): always the last. The type of the first payload
    /// inside (zero but in the first fragment), number, total; IV, ciphertext and ICV.
    Fragment(u8, u16, u16, Vec<u8>),
    /// Any other, kept as it came: type, critical bit, body.
    Unknown(u8, bool, Vec<u8>),
}

/// A proposal (RFC 7296 section 3.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Counted from 1.
    pub number: u8,
    /// 1 IKE, 2 AH, 3 ESP.
    pub protocol: u8,
    /// Of the sender: none in an initial IKE exchange, 8 bytes in an IKE rekey, 4 for ESP.
    pub spi: Vec<u8>,
    /// What is proposed.
    pub transforms: Vec<Transform>,
}

/// A transform (RFC 7296 section 3.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    /// 1 encryption, 2 PRF, 3 integrity, 4 key exchange, 5 ESN, 6 to 12 additional key exchanges.
    pub kind: u8,
    /// Which one.
    pub id: u16,
    /// The key length attribute, bits.
    pub key_bits: Option<u16>,
    /// Other attributes as they came: type (with the AF bit), value.
    pub attributes: Vec<(u16, Vec<u8>)>,
}

/// A key exchange payload: group, public value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyExchange {
    /// IANA "Transform Type 4".
    pub group: u16,
    /// The public value.
    pub data: Vec<u8>,
}

/// An identification payload's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdPayload {
    /// 1 IPv4, 2 FQDN, 3 RFC 822, 5 IPv6, 9 DN, 11 KEY_ID.
    pub kind: u8,
    /// Zero if it is ours. Whatever they are, AUTH covers them (RFC 7296 section 2.15).
    pub reserved: [u8; 3],
    /// What follows them.
    pub data: Vec<u8>,
}

/// A notification (RFC 7296 section 3.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// 0 none, 1 IKE, 2 AH, 3 ESP.
    pub protocol: u8,
    /// Of the SA it is about.
    pub spi: Vec<u8>,
    /// IANA "IKEv2 Notify Message Types".
    pub kind: u16,
    /// What the type says.
    pub data: Vec<u8>,
}

/// A deletion (RFC 7296 section 3.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// 1 IKE, 2 AH, 3 ESP.
    pub protocol: u8,
    /// Of 4 bytes each for ESP and AH; empty for IKE.
    pub spis: Vec<u32>,
}

/// A traffic selector (RFC 7296 section 3.13.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrafficSelector {
    /// IANA protocol number; 0 is any.
    pub protocol: u8,
    /// First and last; 0 to 65535 is any, 65535 to 0 is OPAQUE.
    pub ports: (u16, u16),
    /// First and last address, of one IP version.
    pub addresses: (IpAddr, IpAddr),
}
