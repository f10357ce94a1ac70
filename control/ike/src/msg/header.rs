//! The header of both versions (RFC 7296 section 3.1, RFC 2408 section 3.1), and the chain of
//! payloads behind it (RFC 7296 section 3.2, RFC 2408 section 3.2).

use alloc::vec::Vec;
use core::fmt;

use super::cursor::{Reader, counted};
use super::malformed::{Fault, Malformed};
use super::numbers::exchange;
use super::{ExchangeType, Header, IkeSpi};

/// A message is never longer than this: no UDP datagram holds more.
pub const LEN_MAX: usize = 65_535;

/// More payloads than this in one chain are refused. Certificates, their requests and vendor IDs
/// make the longest that are sent.
pub const PAYLOADS_MAX: usize = 128;

impl Header {
    /// Length on the wire.
    pub const LEN: usize = 28;
    /// Flag of IKEv2: the sender is the original initiator of the IKE SA.
    pub const INITIATOR: u8 = 0x08;
    /// Flag of IKEv2: the sender could speak a higher major version.
    pub const VERSION: u8 = 0x10;
    /// Flag of IKEv2: an answer.
    pub const RESPONSE: u8 = 0x20;
    /// Flag of IKEv1: what follows the header is encrypted.
    pub const ENCRYPTION: u8 = 0x01;
    /// Flag of IKEv1: the SA is not to be used before the answer has come.
    pub const COMMIT: u8 = 0x02;
    /// Version 2.0.
    pub const V2: u8 = 0x20;
    /// Version 1.0.
    pub const V1: u8 = 0x10;

    /// Reads the header of a whole message, of any version.
    ///
    /// # Errors
    ///
    /// If there is less than a header, or if its length field is not the length of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::split(bytes).map(|(header, _, _)| header)
    }

    /// Header, type of the first payload, and what follows the header.
    pub(super) fn split(bytes: &[u8]) -> Result<(Self, u8, &[u8]), Malformed> {
        Self::read(bytes).map_err(Malformed::header)
    }

    fn read(bytes: &[u8]) -> Result<(Self, u8, &[u8]), Fault> {
        let mut reader = Reader::new(bytes);
        let initiator_spi = IkeSpi(reader.u64()?);
        let responder_spi = IkeSpi(reader.u64()?);
        let first = reader.u8()?;
        let version = reader.u8()?;
        let exchange = ExchangeType(reader.u8()?);
        let flags = reader.u8()?;
        let message_id = reader.u32()?;
        let len = reader.u32()?;
        if usize::try_from(len) != Ok(bytes.len()) || bytes.len() > LEN_MAX {
            return Err(Fault::Length);
        }
        let header = Self { initiator_spi, responder_spi, version, exchange, flags, message_id };
        Ok((header, first, reader.rest()))
    }

    /// The header of a message with this first payload and `len` bytes in all.
    pub(super) fn write(&self, out: &mut Vec<u8>, first: u8, len: usize) {
        out.extend_from_slice(&self.initiator_spi.0.to_be_bytes());
        out.extend_from_slice(&self.responder_spi.0.to_be_bytes());
        out.extend_from_slice(&[first, self.version, self.exchange.0, self.flags]);
        out.extend_from_slice(&self.message_id.to_be_bytes());
        out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    }

    /// 2 for IKEv2, 1 for IKEv1.
    #[must_use]
    pub fn major_version(&self) -> u8 {
        self.version >> 4
    }

    /// IKEv2: whether the sender is the original initiator of the IKE SA.
    #[must_use]
    pub fn is_initiator(&self) -> bool {
        self.flags & Self::INITIATOR != 0
    }

    /// IKEv2: whether this is an answer.
    #[must_use]
    pub fn is_response(&self) -> bool {
        self.flags & Self::RESPONSE != 0
    }

    /// IKEv1: whether what follows the header is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.flags & Self::ENCRYPTION != 0
    }
}

impl ExchangeType {
    /// IKEv1's main mode.
    pub const MAIN_MODE: Self = Self(exchange::MAIN_MODE);
    /// IKEv1's aggressive mode, which we refuse.
    pub const AGGRESSIVE: Self = Self(exchange::AGGRESSIVE);
    /// IKEv1's informational exchange.
    pub const INFORMATIONAL_V1: Self = Self(exchange::INFORMATIONAL_V1);
    /// IKEv1's quick mode.
    pub const QUICK_MODE: Self = Self(exchange::QUICK_MODE);
    /// RFC 7296 section 1.2.
    pub const IKE_SA_INIT: Self = Self(exchange::IKE_SA_INIT);
    /// RFC 7296 section 1.2.
    pub const IKE_AUTH: Self = Self(exchange::IKE_AUTH);
    /// RFC 7296 section 1.3.
    pub const CREATE_CHILD_SA: Self = Self(exchange::CREATE_CHILD_SA);
    /// RFC 7296 section 1.4.
    pub const INFORMATIONAL: Self = Self(exchange::INFORMATIONAL);
    /// RFC 9242.
    pub const IKE_INTERMEDIATE: Self = Self(exchange::IKE_INTERMEDIATE);
    /// RFC 9370 section 2.2.4.
    pub const IKE_FOLLOWUP_KE: Self = Self(exchange::IKE_FOLLOWUP_KE);
}

impl fmt::Display for ExchangeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match exchange::name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "exchange {}", self.0),
        }
    }
}

/// A payload as it stands in a message: what is hashed or signed is over these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    /// Its type.
    pub kind: u8,
    /// The type of the next one, or of the first one inside an encrypted payload.
    pub next: u8,
    /// IKEv2's critical bit (RFC 7296 section 2.5).
    pub critical: bool,
    /// What follows the generic header.
    pub body: &'a [u8],
}

impl<'a> Raw<'a> {
    fn read(kind: u8, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let next = reader.u8()?;
        let critical = reader.u8()? & CRITICAL != 0;
        let len = usize::from(reader.u16()?).checked_sub(4).ok_or(Fault::Length)?;
        Ok(Self { kind, next, critical, body: reader.take(len)? })
    }
}

/// The chain of payloads that starts with one of type `first`, and what follows it: in a decrypted
/// message of IKEv1 that is padding. An encrypted payload of IKEv2 ends the chain.
///
/// # Errors
///
/// If a payload is longer than what is there, or if there are more than [`PAYLOADS_MAX`].
pub fn chain(first: u8, bytes: &[u8]) -> Result<(Vec<Raw<'_>>, &[u8]), Malformed> {
    use super::numbers::payload::{ENCRYPTED, FRAGMENT};

    let mut reader = Reader::new(bytes);
    let mut raws: Vec<Raw<'_>> = Vec::new();
    let mut kind = first;
    while kind != 0 {
        let fault = |fault| Malformed { payload: kind, fault };
        if raws.len() == PAYLOADS_MAX {
            return Err(fault(Fault::TooMany));
        }
        let raw = Raw::read(kind, &mut reader).map_err(fault)?;
        let next = raw.next;
        raws.push(raw);
        kind = if matches!(kind, ENCRYPTED | FRAGMENT) { 0 } else { next };
    }
    Ok((raws, reader.rest()))
}

/// Appends a payload.
pub(super) fn put(out: &mut Vec<u8>, next: u8, critical: bool, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    counted(out, next, body);
    if critical {
        out[start + 1] = CRITICAL;
    }
}

const CRITICAL: u8 = 0x80;
