//! Payloads of IKEv1 (RFC 2408 section 3, RFC 2407 section 4, RFC 3947).
//!
//! What is encrypted is encrypted from the header to the end, padding included: it is kept as bytes
//! until [`parse_decrypted`] reads it. Hashes are over bytes as they came: `msg::chain` gives them.

use alloc::vec::Vec;

use super::cursor::Reader;
use super::header::{Raw, chain, put};
use super::malformed::{Fault, Malformed};
use super::numbers::payload;
use super::sa::{
    MORE_PROPOSALS, MORE_TRANSFORMS, PROPOSALS_MAX, TRANSFORMS_MAX, attributes, each,
    put_attribute, substructures,
};
use super::{Header, Notify};

/// The DOI of IPsec (RFC 2407).
pub const DOI_IPSEC: u32 = 1;
/// SIT_IDENTITY_ONLY (RFC 2407 section 4.2.1), the only situation there is in practice.
pub const IDENTITY_ONLY: u32 = 1;

/// A message of IKEv1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message1 {
    /// The header. Its ENCRYPTION flag says which body there is.
    pub header: Header,
    /// What follows it.
    pub body: Body1,
}

/// What follows the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body1 {
    /// Payloads in clear.
    Clear(Vec<Payload1>),
    /// The type of the first payload, and the encrypted chain with its padding.
    Encrypted(u8, Vec<u8>),
}

/// A payload of IKEv1 (RFC 2408 section 3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload1 {
    /// Security association (3.4).
    Sa(Sa1),
    /// Key exchange (3.7): the public value.
    Ke(Vec<u8>),
    /// Identification (RFC 2407 section 4.6.2).
    Id(Id1),
    /// Certificate (3.9): encoding, data.
    Cert(u8, Vec<u8>),
    /// Certificate request (3.10): encoding, authority.
    CertReq(u8, Vec<u8>),
    /// Hash (3.11).
    Hash(Vec<u8>),
    /// Signature (3.12).
    Signature(Vec<u8>),
    /// Nonce (3.13): 8 to 256 bytes (RFC 2409 section 5).
    Nonce(Vec<u8>),
    /// Notification (3.14): DOI, and what IKEv2 has too. An SPI of IKE is both cookies.
    Notify(u32, Notify),
    /// Deletion (3.15).
    Delete(Delete1),
    /// Vendor ID (3.16).
    VendorId(Vec<u8>),
    /// NAT discovery (RFC 3947 section 3.2): the hash of an address and port.
    NatD(NatNumbers, Vec<u8>),
    /// Original address (RFC 3947 section 5.2): type of identification, address.
    NatOa(NatNumbers, u8, Vec<u8>),
    /// Any other, kept as it came: type, body.
    Unknown(u8, Vec<u8>),
}

/// Which numbers the payloads of NAT traversal have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatNumbers {
    /// 20 and 21 (RFC 3947).
    Rfc3947,
    /// 130 and 131, of its drafts up to 03.
    Draft,
}

/// A security association payload (RFC 2407 section 4.6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sa1 {
    /// [`DOI_IPSEC`]; 0 is ISAKMP's own.
    pub doi: u32,
    /// [`IDENTITY_ONLY`]. Another situation has fields of its own and is refused.
    pub situation: u32,
    /// In the order of preference; equal numbers belong together.
    pub proposals: Vec<Proposal1>,
}

/// A proposal (RFC 2408 section 3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal1 {
    /// Its number.
    pub number: u8,
    /// 1 ISAKMP, 2 AH, 3 ESP, 4 IPCOMP.
    pub protocol: u8,
    /// Of the sender: 4 bytes for ESP; for ISAKMP anything from none to a cookie.
    pub spi: Vec<u8>,
    /// In the order of preference.
    pub transforms: Vec<Transform1>,
}

/// A transform (RFC 2408 section 3.6): all attributes belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform1 {
    /// Its number.
    pub number: u8,
    /// KEY_IKE is 1; for ESP the cipher.
    pub id: u8,
    /// In the order of the wire.
    pub attributes: Vec<Attribute1>,
}

/// A data attribute (RFC 2408 section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute1 {
    /// Without the bit that says which format it has.
    pub kind: u16,
    /// What it says.
    pub value: Value1,
}

/// An attribute's value, in the format that it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value1 {
    /// Two bytes in place of a length.
    Short(u16),
    /// With a length.
    Long(Vec<u8>),
}

/// An identification payload (RFC 2407 section 4.6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id1 {
    /// As in IKEv2: 1 IPv4, 2 FQDN, 4 IPv4 subnet, …
    pub kind: u8,
    /// IP protocol; 0 is any.
    pub protocol: u8,
    /// Port; 0 is any.
    pub port: u16,
    /// The identification.
    pub data: Vec<u8>,
}

/// A delete payload (RFC 2408 section 3.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete1 {
    /// [`DOI_IPSEC`]; 0 is ISAKMP's own.
    pub doi: u32,
    /// 1 ISAKMP, 2 AH, 3 ESP.
    pub protocol: u8,
    /// Length of each SPI: 16 for ISAKMP (both cookies), 4 for ESP.
    pub spi_len: u8,
    /// Of `spi_len` bytes each.
    pub spis: Vec<Vec<u8>>,
}

impl Attribute1 {
    /// An attribute in the short format.
    #[must_use]
    pub const fn short(kind: u16, value: u16) -> Self {
        Self { kind, value: Value1::Short(value) }
    }

    /// A number in the long format, as four bytes.
    #[must_use]
    pub fn long(kind: u16, value: u32) -> Self {
        Self { kind, value: Value1::Long(value.to_be_bytes().to_vec()) }
    }

    /// The value as a number, whatever its format; `None` if it has more than eight bytes or none.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match &self.value {
            Value1::Short(value) => Some(u64::from(*value)),
            Value1::Long(bytes) if (1..=8).contains(&bytes.len()) => {
                Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
            }
            Value1::Long(_) => None,
        }
    }

    /// The attributes in the data of RESPONDER-LIFETIME (RFC 2407 section 4.6.3.1).
    #[must_use]
    pub fn parse_all(bytes: &[u8]) -> Option<Vec<Self>> {
        Some(attributes(bytes).ok()?.into_iter().map(Self::from_wire).collect())
    }

    /// The bytes of several attributes.
    #[must_use]
    pub fn write_all(attributes: &[Self]) -> Vec<u8> {
        let mut out = Vec::new();
        attributes.iter().for_each(|attribute| attribute.write(&mut out));
        out
    }

    fn from_wire((kind, value): (u16, Vec<u8>)) -> Self {
        match value[..] {
            [high, low] if kind & SHORT != 0 => {
                Self::short(kind & !SHORT, u16::from_be_bytes([high, low]))
            }
            _ => Self { kind, value: Value1::Long(value) },
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match &self.value {
            Value1::Short(value) => put_attribute(self.kind | SHORT, &value.to_be_bytes(), out),
            Value1::Long(value) => put_attribute(self.kind & !SHORT, value, out),
        }
    }
}

const SHORT: u16 = 0x8000;

impl Message1 {
    /// Reads a message of IKEv1.
    ///
    /// # Errors
    ///
    /// If it is of another major version, or if anything in it contradicts its lengths and counts.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let (header, first, bytes) = Header::split(bytes)?;
        if header.major_version() != 1 {
            return Err(Malformed::header(Fault::Version));
        }
        if header.is_encrypted() {
            return Ok(Self { header, body: Body1::Encrypted(first, bytes.to_vec()) });
        }
        let (payloads, padding) = parse_decrypted(first, bytes)?;
        if !padding.is_empty() {
            return Err(Malformed::header(Fault::Trailing));
        }
        Ok(Self { header, body: Body1::Clear(payloads) })
    }

    /// The message's bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let written;
        let (first, body) = match &self.body {
            Body1::Clear(payloads) => {
                written = write_payloads(payloads);
                (written.0, &written.1)
            }
            Body1::Encrypted(first, body) => (*first, body),
        };
        let len = Header::LEN + body.len();
        let mut out = Vec::with_capacity(len);
        self.header.write(&mut out, first, len);
        out.extend_from_slice(body);
        out
    }
}

/// Reads a chain of payloads that begins with one of type `first`; gives the padding that follows
/// it too, which hashes do not cover (RFC 2409 section 5.5).
///
/// # Errors
///
/// If a payload contradicts its lengths and counts, as most do after decryption with a wrong key.
pub fn parse_decrypted(first: u8, bytes: &[u8]) -> Result<(Vec<Payload1>, &[u8]), Malformed> {
    let (raws, padding) = chain(first, bytes)?;
    let one = |raw: &Raw<'_>| {
        Payload1::parse(raw).map_err(|fault| Malformed { payload: raw.kind, fault })
    };
    Ok((raws.iter().map(one).collect::<Result<_, _>>()?, padding))
}

/// The type of the first payload, and the chain without padding.
#[must_use]
pub fn write_payloads(payloads: &[Payload1]) -> (u8, Vec<u8>) {
    let mut out = Vec::new();
    for (index, payload) in payloads.iter().enumerate() {
        let next = payloads.get(index + 1).map_or(0, Payload1::kind);
        put(&mut out, next, false, |out| payload.write(out));
    }
    (payloads.first().map_or(0, Payload1::kind), out)
}

impl Payload1 {
    /// Its type (RFC 2408 section 3.1).
    #[must_use]
    pub fn kind(&self) -> u8 {
        match self {
            Self::Sa(_) => payload::V1_SA,
            Self::Ke(_) => payload::V1_KE,
            Self::Id(_) => payload::V1_ID,
            Self::Cert(..) => payload::V1_CERT,
            Self::CertReq(..) => payload::V1_CERTREQ,
            Self::Hash(_) => payload::V1_HASH,
            Self::Signature(_) => payload::V1_SIGNATURE,
            Self::Nonce(_) => payload::V1_NONCE,
            Self::Notify(..) => payload::V1_NOTIFY,
            Self::Delete(_) => payload::V1_DELETE,
            Self::VendorId(_) => payload::V1_VENDOR_ID,
            Self::NatD(NatNumbers::Rfc3947, _) => payload::V1_NAT_D,
            Self::NatOa(NatNumbers::Rfc3947, ..) => payload::V1_NAT_OA,
            Self::NatD(NatNumbers::Draft, _) => payload::V1_NAT_D_DRAFT,
            Self::NatOa(NatNumbers::Draft, ..) => payload::V1_NAT_OA_DRAFT,
            Self::Unknown(kind, _) => *kind,
        }
    }

    /// The payload without its generic header: SAi_b, IDii_b and their like (RFC 2409 section 3.2).
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, Fault> {
        let mut reader = Reader::new(raw.body);
        let body = || raw.body.to_vec();
        Ok(match raw.kind {
            payload::V1_SA => Self::Sa(Sa1::parse(reader)?),
            payload::V1_KE => Self::Ke(body()),
            payload::V1_ID => {
                let (kind, protocol, port) = (reader.u8()?, reader.u8()?, reader.u16()?);
                Self::Id(Id1 { kind, protocol, port, data: reader.rest().to_vec() })
            }
            payload::V1_CERT => Self::Cert(reader.u8()?, reader.rest().to_vec()),
            payload::V1_CERTREQ => Self::CertReq(reader.u8()?, reader.rest().to_vec()),
            payload::V1_HASH => Self::Hash(body()),
            payload::V1_SIGNATURE => Self::Signature(body()),
            payload::V1_NONCE if (8..=256).contains(&raw.body.len()) => Self::Nonce(body()),
            payload::V1_NONCE => return Err(Fault::Length),
            payload::V1_NOTIFY => Self::Notify(reader.u32()?, Notify::parse(reader)?),
            payload::V1_DELETE => Self::Delete(Delete1::parse(reader)?),
            payload::V1_VENDOR_ID => Self::VendorId(body()),
            payload::V1_NAT_D => Self::NatD(NatNumbers::Rfc3947, body()),
            payload::V1_NAT_D_DRAFT => Self::NatD(NatNumbers::Draft, body()),
            payload::V1_NAT_OA | payload::V1_NAT_OA_DRAFT => {
                let numbers = match raw.kind {
                    payload::V1_NAT_OA => NatNumbers::Rfc3947,
                    _ => NatNumbers::Draft,
                };
                let kind = reader.u8()?;
                reader.take(3)?;
                Self::NatOa(numbers, kind, reader.rest().to_vec())
            }
            kind => Self::Unknown(kind, body()),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sa(sa) => sa.write(out),
            Self::Id(id) => {
                out.extend_from_slice(&[id.kind, id.protocol]);
                out.extend_from_slice(&id.port.to_be_bytes());
                out.extend_from_slice(&id.data);
            }
            Self::Cert(encoding, data) | Self::CertReq(encoding, data) => {
                out.push(*encoding);
                out.extend_from_slice(data);
            }
            Self::Notify(doi, notify) => {
                out.extend_from_slice(&doi.to_be_bytes());
                notify.write(out);
            }
            Self::Delete(delete) => delete.write(out),
            Self::NatOa(_, kind, address) => {
                out.extend_from_slice(&[*kind, 0, 0, 0]);
                out.extend_from_slice(address);
            }
            Self::Ke(body)
            | Self::Hash(body)
            | Self::Signature(body)
            | Self::Nonce(body)
            | Self::VendorId(body)
            | Self::NatD(_, body)
            | Self::Unknown(_, body) => out.extend_from_slice(body),
        }
    }
}

impl Sa1 {
    fn parse(mut reader: Reader<'_>) -> Result<Self, Fault> {
        let (doi, situation) = (reader.u32()?, reader.u32()?);
        if situation != IDENTITY_ONLY {
            return Err(Fault::Value);
        }
        let proposals =
            substructures(reader.rest(), MORE_PROPOSALS, PROPOSALS_MAX, Proposal1::parse)?;
        Ok(Self { doi, situation, proposals })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.doi.to_be_bytes());
        out.extend_from_slice(&self.situation.to_be_bytes());
        each(&self.proposals, MORE_PROPOSALS, out, Proposal1::write);
    }
}

impl Proposal1 {
    fn parse(body: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(body);
        let (number, protocol) = (reader.u8()?, reader.u8()?);
        let (spi_len, count) = (reader.u8()?, reader.u8()?);
        let spi = reader.take(usize::from(spi_len))?.to_vec();
        let transforms =
            substructures(reader.rest(), MORE_TRANSFORMS, TRANSFORMS_MAX, Transform1::parse)?;
        if transforms.len() != usize::from(count) {
            return Err(Fault::Count);
        }
        Ok(Self { number, protocol, spi, transforms })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let spi_len = u8::try_from(self.spi.len()).unwrap_or(u8::MAX);
        let count = u8::try_from(self.transforms.len()).unwrap_or(u8::MAX);
        out.extend_from_slice(&[self.number, self.protocol, spi_len, count]);
        out.extend_from_slice(&self.spi);
        each(&self.transforms, MORE_TRANSFORMS, out, Transform1::write);
    }
}

impl Transform1 {
    fn parse(body: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(body);
        let (number, id) = (reader.u8()?, reader.u8()?);
        reader.take(2)?;
        let attributes = attributes(reader.rest())?;
        let attributes = attributes.into_iter().map(Attribute1::from_wire).collect();
        Ok(Self { number, id, attributes })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.number, self.id, 0, 0]);
        self.attributes.iter().for_each(|attribute| attribute.write(out));
    }
}

impl Delete1 {
    fn parse(mut reader: Reader<'_>) -> Result<Self, Fault> {
        let (doi, protocol) = (reader.u32()?, reader.u8()?);
        let (spi_len, count) = (reader.u8()?, reader.u16()?);
        let spis = reader.rest();
        // Without a length for each, their count alone would be what a stranger makes us allocate.
        if spi_len == 0 || spis.len() != usize::from(spi_len) * usize::from(count) {
            return Err(Fault::Length);
        }
        let spis = spis.chunks(usize::from(spi_len)).map(<[u8]>::to_vec).collect();
        Ok(Self { doi, protocol, spi_len, spis })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.doi.to_be_bytes());
        out.extend_from_slice(&[self.protocol, self.spi_len]);
        let count = u16::try_from(self.spis.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        self.spis.iter().for_each(|spi| out.extend_from_slice(spi));
    }
}
