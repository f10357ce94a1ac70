//! Security association payloads of IKEv2 (RFC 7296 section 3.3), and data attributes, which both
//! versions write alike (RFC 2408 section 3.3).

use alloc::vec::Vec;

use super::cursor::{Reader, counted, split_counted};
use super::malformed::Fault;
use super::{Proposal, Transform};

/// More proposals than this in one payload are refused; strongSwan sends two, Windows six.
pub const PROPOSALS_MAX: usize = 64;
/// More transforms than this in one proposal are refused; the field that counts them has eight
/// bits.
pub const TRANSFORMS_MAX: usize = 255;
/// More attributes than this in one transform are refused.
pub const ATTRIBUTES_MAX: usize = 32;

/// RFC 7296 section 3.3.1: "last substructure" of a proposal that is not the last.
pub(super) const MORE_PROPOSALS: u8 = 2;
/// RFC 7296 section 3.3.2: the same of a transform.
pub(super) const MORE_TRANSFORMS: u8 = 3;

/// The bit of an attribute's type that says that its value is two bytes in place of a length.
const SHORT: u16 = 0x8000;
/// The only attribute of IKEv2 (RFC 7296 section 3.3.5), in its only format.
const KEY_LENGTH: u16 = SHORT | 14;

pub(super) fn parse(body: &[u8]) -> Result<Vec<Proposal>, Fault> {
    substructures(body, MORE_PROPOSALS, PROPOSALS_MAX, proposal)
}

pub(super) fn write(proposals: &[Proposal], out: &mut Vec<u8>) {
    each(proposals, MORE_PROPOSALS, out, |proposal, out| {
        let spi_len = u8::try_from(proposal.spi.len()).unwrap_or(u8::MAX);
        let count = u8::try_from(proposal.transforms.len()).unwrap_or(u8::MAX);
        out.extend_from_slice(&[proposal.number, proposal.protocol, spi_len, count]);
        out.extend_from_slice(&proposal.spi);
        each(&proposal.transforms, MORE_TRANSFORMS, out, |transform, out| {
            out.extend_from_slice(&[transform.kind, 0]);
            out.extend_from_slice(&transform.id.to_be_bytes());
            if let Some(bits) = transform.key_bits {
                put_attribute(KEY_LENGTH, &bits.to_be_bytes(), out);
            }
            for (kind, value) in &transform.attributes {
                put_attribute(*kind, value, out);
            }
        });
    });
}

/// All structures in `body`, each of which says whether another one follows.
pub(super) fn substructures<T>(
    body: &[u8],
    more: u8,
    max: usize,
    parse: impl Fn(&[u8]) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut reader = Reader::new(body);
    let mut found = Vec::new();
    while !reader.is_empty() {
        let (mark, body) = split_counted(&mut reader)?;
        if found.len() == max {
            return Err(Fault::TooMany);
        }
        if mark != if reader.is_empty() { 0 } else { more } {
            return Err(Fault::Count);
        }
        found.push(parse(body)?);
    }
    Ok(found)
}

/// Writes what [`substructures`] reads.
pub(super) fn each<T>(items: &[T], more: u8, out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    for (index, item) in items.iter().enumerate() {
        let mark = if index + 1 == items.len() { 0 } else { more };
        counted(out, mark, |out| write(item, out));
    }
}

fn proposal(body: &[u8]) -> Result<Proposal, Fault> {
    let mut reader = Reader::new(body);
    let (number, protocol) = (reader.u8()?, reader.u8()?);
    let (spi_len, count) = (reader.u8()?, reader.u8()?);
    let spi = reader.take(usize::from(spi_len))?.to_vec();
    let transforms = substructures(reader.rest(), MORE_TRANSFORMS, TRANSFORMS_MAX, transform)?;
    if transforms.len() != usize::from(count) {
        return Err(Fault::Count);
    }
    Ok(Proposal { number, protocol, spi, transforms })
}

fn transform(body: &[u8]) -> Result<Transform, Fault> {
    let mut reader = Reader::new(body);
    let kind = reader.u8()?;
    reader.u8()?;
    let id = reader.u16()?;
    let mut attributes = attributes(reader.rest())?;
    // Only as the first one, so that the order survives. A transform with other attributes cannot
    // be chosen anyway (RFC 7296 section 3.3.6).
    let key_bits = match attributes.first() {
        Some((KEY_LENGTH, value)) => Some(u16::from_be_bytes([value[0], value[1]])),
        _ => None,
    };
    if key_bits.is_some() {
        attributes.remove(0);
    }
    Ok(Transform { kind, id, key_bits, attributes })
}

/// Type (with the bit that says that the value has two bytes) and value of each.
pub(super) fn attributes(body: &[u8]) -> Result<Vec<(u16, Vec<u8>)>, Fault> {
    let mut reader = Reader::new(body);
    let mut found = Vec::new();
    while !reader.is_empty() {
        if found.len() == ATTRIBUTES_MAX {
            return Err(Fault::TooMany);
        }
        let kind = reader.u16()?;
        let len = if kind & SHORT == 0 { usize::from(reader.u16()?) } else { 2 };
        found.push((kind, reader.take(len)?.to_vec()));
    }
    Ok(found)
}

pub(super) fn put_attribute(kind: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&kind.to_be_bytes());
    if kind & SHORT == 0 {
        let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&len.to_be_bytes());
    }
    out.extend_from_slice(value);
}
