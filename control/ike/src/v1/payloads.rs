//! Where the payloads of a message stand: IKEv1's hashes are over bytes as they came (RFC 2409
//! section 5), not over what was understood of them.

use alloc::vec::Vec;

/// A payload as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Raw<'a> {
    /// Its type.
    pub kind: u8,
    /// What follows its generic header (RFC 2408 section 3.2).
    pub body: &'a [u8],
    /// The payloads behind it, without padding.
    pub rest: &'a [u8],
}

/// More payloads than this are in no message of ours or of any peer that is known: certificates and
/// vendor IDs make the longest.
const MAX: usize = 64;

const GENERIC_HEADER: usize = 4;

/// The chain of payloads that begins with one of type `first`; `None` if a length contradicts the
/// message's, or if there are too many. Bytes behind the chain are padding.
pub(super) fn walk(first: u8, bytes: &[u8]) -> Option<Vec<Raw<'_>>> {
    let mut ends = Vec::new();
    let mut kind = first;
    let mut at = 0;
    while kind != 0 {
        let header = bytes.get(at..at + GENERIC_HEADER)?;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if len < GENERIC_HEADER || ends.len() == MAX {
            return None;
        }
        bytes.get(at..at + len)?;
        ends.push((kind, at + GENERIC_HEADER, at + len));
        at += len;
        kind = header[0];
    }
    let chain = &bytes[..at];
    let raw = |&(kind, from, to): &(u8, usize, usize)| Raw {
        kind,
        body: &chain[from..to],
        rest: &chain[to..],
    };
    Some(ends.iter().map(raw).collect())
}

/// The body of the only payload of type `kind`; `None` if there is none or more than one.
pub(super) fn only<'a>(payloads: &[Raw<'a>], kind: u8) -> Option<&'a [u8]> {
    let mut found = payloads.iter().filter(|payload| payload.kind == kind);
    let payload = found.next()?;
    found.next().is_none().then_some(payload.body)
}
