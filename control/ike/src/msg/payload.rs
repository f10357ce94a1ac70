//! Payloads of IKEv2 and whole messages: bytes to values, and back.

use alloc::vec::Vec;

use super::cursor::Reader;
use super::header::{PAYLOADS_MAX, Raw, chain, put};
use super::malformed::{Fault, Malformed};
use super::numbers::{payload, protocol};
use super::{Delete, Header, IdPayload, KeyExchange, Message, Notify, Payload, sa, selectors};

impl Message {
    /// A message of ours.
    #[must_use]
    pub fn new(header: Header, payloads: Vec<Payload>) -> Self {
        Self { header, payloads, critical: 0 }
    }

    /// Reads a message of IKEv2, up to and including its encrypted payload if it has one.
    ///
    /// # Errors
    ///
    /// If it is of another major version, or if anything in it contradicts its lengths and counts.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let (header, first, bytes) = Header::split(bytes)?;
        if header.major_version() != 2 {
            return Err(Malformed::header(Fault::Version));
        }
        let raws = whole_chain(first, bytes)?;
        let payloads = parse_all(&raws)?;
        let marks = raws.iter().zip(&payloads).map(|(raw, payload)| {
            u128::from(raw.critical && !matches!(payload, Payload::Unknown(..)))
        });
        let critical = marks.rev().fold(0, |mask, mark| mask << 1 | mark);
        Ok(Self { header, payloads, critical })
    }

    /// The message's bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let (first, payloads) = write_marked(&self.payloads, self.critical);
        let len = Header::LEN + payloads.len();
        let mut out = Vec::with_capacity(len);
        self.header.write(&mut out, first, len);
        out.extend_from_slice(&payloads);
        out
    }
}

/// Reads a chain of payloads that begins with one of type `first`, and nothing after it.
///
/// # Errors
///
/// If a payload contradicts its lengths and counts, or if there are too many.
pub fn parse_payloads(first: u8, bytes: &[u8]) -> Result<Vec<Payload>, Malformed> {
    parse_all(&whole_chain(first, bytes)?)
}

fn whole_chain(first: u8, bytes: &[u8]) -> Result<Vec<Raw<'_>>, Malformed> {
    let (raws, rest) = chain(first, bytes)?;
    if rest.is_empty() { Ok(raws) } else { Err(Malformed::header(Fault::Trailing)) }
}

fn parse_all(raws: &[Raw<'_>]) -> Result<Vec<Payload>, Malformed> {
    let one =
        |raw: &Raw<'_>| Payload::parse(raw).map_err(|fault| Malformed { payload: raw.kind, fault });
    raws.iter().map(one).collect()
}

/// The type of the first payload, and the chain.
#[must_use]
pub fn write_payloads(payloads: &[Payload]) -> (u8, Vec<u8>) {
    write_marked(payloads, 0)
}

fn write_marked(payloads: &[Payload], marks: u128) -> (u8, Vec<u8>) {
    let mut out = Vec::new();
    for (index, payload) in payloads.iter().enumerate() {
        let next = match (payload, payloads.get(index + 1)) {
            (Payload::Encrypted(inside, _) | Payload::Fragment(inside, ..), _) => *inside,
            (_, Some(next)) => next.kind(),
            (_, None) => 0,
        };
        let marked = index < PAYLOADS_MAX && marks >> index & 1 == 1;
        let critical = marked || matches!(payload, Payload::Unknown(_, true, _));
        put(&mut out, next, critical, |out| payload.write(out));
    }
    (payloads.first().map_or(0, Payload::kind), out)
}

impl Payload {
    /// Its type (RFC 7296 section 3.2).
    #[must_use]
    pub fn kind(&self) -> u8 {
        match self {
            Self::Sa(_) => payload::SA,
            Self::Ke(_) => payload::KE,
            Self::IdI(_) => payload::IDI,
            Self::IdR(_) => payload::IDR,
            Self::Cert(..) => payload::CERT,
            Self::CertReq(..) => payload::CERTREQ,
            Self::Auth(..) => payload::AUTH,
            Self::Nonce(_) => payload::NONCE,
            Self::Notify(_) => payload::NOTIFY,
            Self::Delete(_) => payload::DELETE,
            Self::VendorId(_) => payload::VENDOR_ID,
            Self::TsI(_) => payload::TSI,
            Self::TsR(_) => payload::TSR,
            Self::Encrypted(..) => payload::ENCRYPTED,
            Self::Fragment(..) => payload::FRAGMENT,
            Self::Unknown(kind, ..) => *kind,
        }
    }

    /// RFC 7296 section 2.5: the critical bit of a payload that we know says nothing, and reserved
    /// fields are ignored.
    fn parse(raw: &Raw<'_>) -> Result<Self, Fault> {
        let mut reader = Reader::new(raw.body);
        let unknown = || Self::Unknown(raw.kind, raw.critical, raw.body.to_vec());
        Ok(match raw.kind {
            payload::SA => Self::Sa(sa::parse(raw.body)?),
            payload::KE => {
                let group = reader.u16()?;
                reader.take(2)?;
                Self::Ke(KeyExchange { group, data: reader.rest().to_vec() })
            }
            payload::IDI => Self::IdI(IdPayload::parse(reader)?),
            payload::IDR => Self::IdR(IdPayload::parse(reader)?),
            payload::CERT => Self::Cert(reader.u8()?, reader.rest().to_vec()),
            payload::CERTREQ => Self::CertReq(reader.u8()?, reader.rest().to_vec()),
            payload::AUTH => {
                let method = reader.u8()?;
                reader.take(3)?;
                Self::Auth(method, reader.rest().to_vec())
            }
            payload::NONCE if (16..=256).contains(&raw.body.len()) => {
                Self::Nonce(raw.body.to_vec())
            }
            payload::NONCE => return Err(Fault::Length),
            payload::NOTIFY => Self::Notify(Notify::parse(reader)?),
            payload::DELETE => Self::Delete(Delete::parse(reader)?),
            payload::VENDOR_ID => Self::VendorId(raw.body.to_vec()),
            payload::TSI => selectors::parse(raw.body)?.map_or_else(unknown, Self::TsI),
            payload::TSR => selectors::parse(raw.body)?.map_or_else(unknown, Self::TsR),
            payload::ENCRYPTED => Self::Encrypted(raw.next, raw.body.to_vec()),
            payload::FRAGMENT => {
                let (number, total) = (reader.u16()?, reader.u16()?);
                // RFC 7383 section 2.5.
                if number == 0 || number > total {
                    return Err(Fault::Value);
                }
                Self::Fragment(raw.next, number, total, reader.rest().to_vec())
            }
            _ => unknown(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sa(proposals) => sa::write(proposals, out),
            Self::Ke(ke) => {
                out.extend_from_slice(&ke.group.to_be_bytes());
                out.extend_from_slice(&[0; 2]);
                out.extend_from_slice(&ke.data);
            }
            Self::IdI(id) | Self::IdR(id) => out.extend_from_slice(&id.body()),
            Self::Cert(encoding, data) | Self::CertReq(encoding, data) => {
                out.push(*encoding);
                out.extend_from_slice(data);
            }
            Self::Auth(method, data) => {
                out.extend_from_slice(&[*method, 0, 0, 0]);
                out.extend_from_slice(data);
            }
            Self::Notify(notify) => notify.write(out),
            Self::Delete(delete) => delete.write(out),
            Self::TsI(selectors) | Self::TsR(selectors) => selectors::write(selectors, out),
            Self::Fragment(_, number, total, body) => {
                out.extend_from_slice(&number.to_be_bytes());
                out.extend_from_slice(&total.to_be_bytes());
                out.extend_from_slice(body);
            }
            Self::Nonce(body)
            | Self::VendorId(body)
            | Self::Encrypted(_, body)
            | Self::Unknown(_, _, body) => out.extend_from_slice(body),
        }
    }
}

impl IdPayload {
    fn parse(mut reader: Reader<'_>) -> Result<Self, Fault> {
        let (kind, reserved) = (reader.u8()?, [reader.u8()?, reader.u8()?, reader.u8()?]);
        Ok(Self { kind, reserved, data: reader.rest().to_vec() })
    }

    /// The payload without its generic header: what AUTH covers (RFC 7296 section 2.15).
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        [&[self.kind], &self.reserved[..], &self.data].concat()
    }
}

impl Notify {
    /// Both versions' (RFC 7296 section 3.10), behind the DOI that IKEv1 has.
    pub(super) fn parse(mut reader: Reader<'_>) -> Result<Self, Fault> {
        let (protocol, spi_len, kind) = (reader.u8()?, reader.u8()?, reader.u16()?);
        let spi = reader.take(usize::from(spi_len))?.to_vec();
        Ok(Self { protocol, spi, kind, data: reader.rest().to_vec() })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.protocol, u8::try_from(self.spi.len()).unwrap_or(u8::MAX)]);
        out.extend_from_slice(&self.kind.to_be_bytes());
        out.extend_from_slice(&self.spi);
        out.extend_from_slice(&self.data);
    }
}

impl Delete {
    fn parse(mut reader: Reader<'_>) -> Result<Self, Fault> {
        let (protocol, spi_len, count) = (reader.u8()?, reader.u8()?, reader.u16()?);
        // RFC 7296 section 3.11: no SPI for IKE, four bytes for the others.
        if spi_len != Self::spi_len(protocol) || (spi_len == 0 && count != 0) {
            return Err(Fault::Length);
        }
        let spis = (0..count).map(|_| reader.u32()).collect::<Result<_, _>>()?;
        reader.end()?;
        Ok(Self { protocol, spis })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.protocol, Self::spi_len(self.protocol)]);
        let count = u16::try_from(self.spis.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        out.extend(self.spis.iter().flat_map(|spi| spi.to_be_bytes()));
    }

    fn spi_len(protocol: u8) -> u8 {
        if protocol == protocol::IKE { 0 } else { 4 }
    }
}
