//! LSAs: the header that all have (RFC 2328 appendix A.4.1), the checksum (section 12.1.7), and
//! which of two instances is newer (section 13.1).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::net::Ipv4Addr;

use wire::cursor::Reader;

use super::lsa_body::LsaBody;
use super::malformed::{Fault, Malformed, Part};
use super::numbers::{LsaType, Options};
use super::{address, fletcher};

/// Age at which an LSA is no longer used, in seconds (RFC 2328 appendix B).
pub const MAX_AGE: u16 = 3600;
/// Ages of one instance that differ by more seconds than this make the younger one newer.
pub const MAX_AGE_DIFF: u16 = 900;
/// The first sequence number of an LSA (RFC 2328 section 12.1.6).
pub const INITIAL_SEQUENCE: i32 = -0x7fff_ffff;
/// The last one: an LSA with it is flushed before the number starts anew.
pub const MAX_SEQUENCE: i32 = 0x7fff_ffff;
/// The longest LSA that fits into a link state update with the longest digest, in an IP packet
/// without options.
pub const LSA_LEN_MAX: usize = 65_535 - 20 - super::Header::LEN - 4 - super::auth::DIGEST_LEN_MAX;

/// What every LSA begins with, and what describes or acknowledges it in other packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LsaHeader {
    /// Seconds since it was originated, as far as routers have counted them; [`MAX_AGE`] at most
    /// in what is well.
    pub age: u16,
    /// What the routers of the described part can do.
    pub options: Options,
    /// What it describes.
    pub kind: LsaType,
    /// The link state ID: which part of what it describes, by a rule of each type.
    pub id: Ipv4Addr,
    /// The router that originated it.
    pub advertising_router: Ipv4Addr,
    /// Sequence number; signed, greater ones are newer.
    pub sequence: i32,
    /// Fletcher checksum of all but the age.
    pub checksum: u16,
    /// Length with this header, in bytes.
    pub length: u16,
}

/// What tells LSAs of one area (or of the AS) apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LsaKey {
    /// What it describes.
    pub kind: LsaType,
    /// The link state ID.
    pub id: Ipv4Addr,
    /// The router that originated it.
    pub advertising_router: Ipv4Addr,
}

/// An LSA as it stands in a packet. What follows its header is shared by all copies, whatever
/// their age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lsa {
    header: LsaHeader,
    body: Arc<[u8]>,
}

impl LsaHeader {
    /// Length on the wire.
    pub const LEN: usize = 20;

    /// Reads the next 20 bytes.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let header = Self {
            age: reader.u16()?,
            options: Options(reader.u8()?),
            kind: LsaType(reader.u8()?),
            id: address(reader)?,
            advertising_router: address(reader)?,
            sequence: reader.u32()?.cast_signed(),
            checksum: reader.u16()?,
            length: reader.u16()?,
        };
        if usize::from(header.length) < Self::LEN { Err(Fault::Length) } else { Ok(header) }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
    }

    fn bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..2].copy_from_slice(&self.age.to_be_bytes());
        bytes[2..4].copy_from_slice(&[self.options.0, self.kind.0]);
        bytes[4..8].copy_from_slice(&self.id.octets());
        bytes[8..12].copy_from_slice(&self.advertising_router.octets());
        bytes[12..16].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[16..18].copy_from_slice(&self.checksum.to_be_bytes());
        bytes[18..].copy_from_slice(&self.length.to_be_bytes());
        bytes
    }

    /// What tells the LSA from others.
    #[must_use]
    pub fn key(&self) -> LsaKey {
        LsaKey { kind: self.kind, id: self.id, advertising_router: self.advertising_router }
    }

    /// Whether the LSA is at the end of its life.
    #[must_use]
    pub fn is_max_age(&self) -> bool {
        self.age >= MAX_AGE
    }

    /// The same header some seconds later; never beyond [`MAX_AGE`].
    #[must_use]
    pub fn aged_by(&self, seconds: u16) -> Self {
        self.with_age(self.age.saturating_add(seconds))
    }

    /// The same header with another age; never beyond [`MAX_AGE`].
    #[must_use]
    pub fn with_age(&self, age: u16) -> Self {
        Self { age: age.min(MAX_AGE), ..*self }
    }
}

/// Which of two instances of one LSA is newer (RFC 2328 section 13.1): `Greater` if `a` is.
#[must_use]
pub fn compare_recency(a: &LsaHeader, b: &LsaHeader) -> Ordering {
    a.sequence
        .cmp(&b.sequence)
        .then(a.checksum.cmp(&b.checksum))
        .then(a.is_max_age().cmp(&b.is_max_age()))
        .then_with(|| match a.age.abs_diff(b.age) {
            0..=MAX_AGE_DIFF => Ordering::Equal,
            _ => b.age.cmp(&a.age),
        })
}

impl Lsa {
    /// An LSA of ours. Length and checksum are computed, whatever `header` has there, and so is
    /// the type unless the body is opaque.
    ///
    /// `None` if it is longer than [`LSA_LEN_MAX`].
    #[must_use]
    pub fn build(header: LsaHeader, body: &LsaBody) -> Option<Self> {
        let kind = body.kind().unwrap_or(header.kind);
        let body: Arc<[u8]> = body.encode().into();
        let len = LsaHeader::LEN + body.len();
        let length = u16::try_from(len).ok().filter(|_| len <= LSA_LEN_MAX)?;
        let mut header = LsaHeader { kind, length, checksum: 0, ..header };
        header.checksum = fletcher::checksum(&header.bytes()[2..], &body, CHECKSUM_AT);
        Some(Self { header, body })
    }

    /// Reads the next LSA.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let header = LsaHeader::read(reader).map_err(Part::LsaHeader.says())?;
        let body = reader.take(usize::from(header.length) - LsaHeader::LEN);
        let body = body.map_err(Part::LsaHeader.says())?.into();
        Ok(Self { header, body })
    }

    /// Reads one LSA, which must be all there is.
    ///
    /// # Errors
    ///
    /// If its length is not that of `bytes`. The checksum is another question:
    /// [`Self::checksum_ok`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let lsa = Self::read(&mut reader)?;
        reader.end().map_err(Part::LsaHeader.says())?;
        Ok(lsa)
    }

    /// Appends the LSA to a packet.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.header.write(out);
        out.extend_from_slice(&self.body);
    }

    /// Its header.
    #[must_use]
    pub fn header(&self) -> &LsaHeader {
        &self.header
    }

    /// What tells it from others.
    #[must_use]
    pub fn key(&self) -> LsaKey {
        self.header.key()
    }

    /// Length on the wire; it is never nothing.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a header is always there")]
    pub fn len(&self) -> usize {
        LsaHeader::LEN + self.body.len()
    }

    /// What follows the header, as bytes: what is the same in both needs no new routes.
    #[must_use]
    pub fn body_bytes(&self) -> &[u8] {
        &self.body
    }

    /// What follows the header.
    ///
    /// # Errors
    ///
    /// If its type is unknown, or if it contradicts its own lengths and counts.
    pub fn body(&self) -> Result<LsaBody, Malformed> {
        LsaBody::parse(self.header.kind, &self.body)
    }

    /// Whether the checksum is right: what is not is not taken (RFC 2328 section 13).
    #[must_use]
    pub fn checksum_ok(&self) -> bool {
        self.header.checksum != 0 && fletcher::is_right(&self.header.bytes()[2..], &self.body)
    }

    /// The same LSA some seconds later; never beyond [`MAX_AGE`].
    #[must_use]
    pub fn aged_by(&self, seconds: u16) -> Self {
        Self { header: self.header.aged_by(seconds), body: Arc::clone(&self.body) }
    }

    /// The same LSA with another age; never beyond [`MAX_AGE`].
    #[must_use]
    pub fn with_age(&self, age: u16) -> Self {
        Self { header: self.header.with_age(age), body: Arc::clone(&self.body) }
    }
}

impl fmt::Display for LsaKey {
    /// As in "Router LSA 10.0.0.1 of 10.0.0.1".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} LSA {} of {}", self.kind, self.id, self.advertising_router)
    }
}

/// Where the checksum stands in what it covers: the LSA without its age.
const CHECKSUM_AT: usize = 14;
