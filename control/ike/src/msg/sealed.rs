//! Messages with an encrypted payload (RFC 7296 section 3.14) and those that are cut into encrypted
//! fragments (RFC 7383).
//!
//! What is opened is authentic and still bytes: whether it can be understood is asked separately,
//! since an authentic message that cannot is answered and any other is not.

use alloc::vec::Vec;
use core::fmt;

use engine::Random;
use zeroize::Zeroizing;

use super::cursor::Reader;
use super::header::{LEN_MAX, put};
use super::malformed::{Fault, Malformed};
use super::numbers::payload::{ENCRYPTED, FRAGMENT};
use super::{Header, Payload, chain, parse_payloads, write_payloads};
use crate::crypto::{MessageKeys, NotAuthentic};

/// A message in more fragments than this is refused: 64 KiB, in what the smallest IPv6 path takes,
/// are fewer.
pub const FRAGMENTS_MAX: u16 = 128;

/// Generic header of a payload.
const GENERIC: usize = 4;
/// Number and total of a fragment.
const NUMBERS: usize = 4;

/// Payloads in clear that were encrypted, or will be.
pub struct Plain {
    /// The type of the first payload.
    pub first: u8,
    /// The chain, without padding.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl Plain {
    /// The payloads, as [`seal_plain`] takes them.
    #[must_use]
    pub fn new(payloads: &[Payload]) -> Self {
        let (first, bytes) = write_payloads(payloads);
        Self { first, bytes: Zeroizing::new(bytes) }
    }

    /// What they say.
    ///
    /// # Errors
    ///
    /// If they are malformed: the peer is told INVALID_SYNTAX.
    pub fn payloads(&self) -> Result<Vec<Payload>, Malformed> {
        parse_payloads(self.first, &self.bytes)
    }

    /// What AUTH covers of an IKE_INTERMEDIATE message (RFC 9242 section 3.3.2: A and P), whether
    /// it was sent in fragments or not: the message as if it had neither IV, padding nor ICV.
    #[must_use]
    pub fn int_auth(&self, header: &Header) -> Vec<u8> {
        let len = self.bytes.len();
        let mut out = associated(header, ENCRYPTED, self.first, &[], len);
        out.extend_from_slice(&self.bytes);
        out
    }
}

/// A part of a message.
pub struct Fragment {
    /// Counted from 1.
    pub number: u16,
    /// How many there are.
    pub total: u16,
    /// The part; the type of the first payload is told by the first fragment.
    pub plain: Plain,
}

/// What was in an encrypted payload.
pub enum Opened {
    /// All payloads of the message.
    Whole(Plain),
    /// A part of them: for [`Reassembly::add`].
    Fragment(Fragment),
}

/// Why a message cannot be opened. It is dropped either way: nothing proves that it is the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// It is no IKEv2 message with an encrypted payload and nothing beside it.
    Malformed(Malformed),
    /// Its ICV is not what our key makes it.
    NotAuthentic,
}

impl From<Malformed> for OpenError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<NotAuthentic> for OpenError {
    fn from(_: NotAuthentic) -> Self {
        Self::NotAuthentic
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::NotAuthentic => f.write_str("not authentic"),
        }
    }
}

impl core::error::Error for OpenError {}

/// A whole message with `payloads` in an encrypted payload.
#[must_use]
pub fn seal(
    header: &Header,
    payloads: &[Payload],
    keys: &MessageKeys,
    random: &mut dyn Random,
) -> Vec<u8> {
    seal_plain(header, &Plain::new(payloads), keys, random)
}

/// [`seal`] for payloads that are bytes already.
#[must_use]
pub fn seal_plain(
    header: &Header,
    plain: &Plain,
    keys: &MessageKeys,
    random: &mut dyn Random,
) -> Vec<u8> {
    let body_len = keys.sealed_len(plain.bytes.len());
    let mut message = associated(header, ENCRYPTED, plain.first, &[], body_len);
    let body = keys.seal(&message, &plain.bytes, random);
    message.extend_from_slice(&body);
    message
}

/// The message in datagrams of at most `max_len` bytes: a single one with an encrypted payload if
/// it fits, else encrypted fragments (RFC 7383 section 2.5). A limit that leaves no room for
/// payloads, or that would take more than [`FRAGMENTS_MAX`], is not kept.
#[must_use]
pub fn seal_fragments(
    header: &Header,
    payloads: &[Payload],
    keys: &MessageKeys,
    max_len: usize,
    random: &mut dyn Random,
) -> Vec<Vec<u8>> {
    seal_plain_fragments(header, &Plain::new(payloads), keys, max_len, random)
}

/// [`seal_fragments`] for payloads that are bytes already.
#[must_use]
pub fn seal_plain_fragments(
    header: &Header,
    plain: &Plain,
    keys: &MessageKeys,
    max_len: usize,
    random: &mut dyn Random,
) -> Vec<Vec<u8>> {
    let whole_len = Header::LEN + GENERIC + keys.sealed_len(plain.bytes.len());
    let room = max_len.checked_sub(Header::LEN + GENERIC + NUMBERS);
    let capacity = room.and_then(|room| keys.capacity(room)).filter(|capacity| *capacity > 0);
    let (true, Some(capacity)) = (whole_len > max_len, capacity) else {
        return alloc::vec![seal_plain(header, plain, keys, random)];
    };
    let least = plain.bytes.len().div_ceil(usize::from(FRAGMENTS_MAX));
    let parts = plain.bytes.chunks(capacity.max(least));
    // At most `FRAGMENTS_MAX`.
    let total = parts.len() as u16;
    let mut messages = Vec::with_capacity(parts.len());
    for (number, part) in (1..=total).zip(parts) {
        let first = if number == 1 { plain.first } else { 0 };
        let [n, t] = [number.to_be_bytes(), total.to_be_bytes()];
        let numbers = [n[0], n[1], t[0], t[1]];
        let body_len = keys.sealed_len(part.len());
        let mut message = associated(header, FRAGMENT, first, &numbers, body_len);
        let body = keys.seal(&message, part, random);
        message.extend_from_slice(&body);
        messages.push(message);
    }
    messages
}

/// The message up to where the IV begins, with a body of `body_len` bytes to follow.
fn associated(header: &Header, kind: u8, first: u8, numbers: &[u8], body_len: usize) -> Vec<u8> {
    let payload_len = GENERIC + numbers.len() + body_len;
    let mut out = Vec::with_capacity(Header::LEN + payload_len);
    header.write(&mut out, kind, Header::LEN + payload_len);
    put(&mut out, first, false, |out| out.extend_from_slice(numbers));
    let len = u16::try_from(payload_len).unwrap_or(u16::MAX).to_be_bytes();
    out[Header::LEN + 2..Header::LEN + GENERIC].copy_from_slice(&len);
    out
}

/// Opens a message of which the encrypted payload, or fragment, is the only one.
///
/// # Errors
///
/// If there is anything else in it, or if it is not authentic.
pub fn open(bytes: &[u8], keys: &MessageKeys) -> Result<Opened, OpenError> {
    let (header, first, after) = Header::split(bytes)?;
    if header.major_version() != 2 {
        return Err(Malformed::header(Fault::Version).into());
    }
    let (raws, rest) = chain(first, after)?;
    let [raw] = raws[..] else { return Err(Malformed::header(Fault::BesideEncrypted).into()) };
    if !rest.is_empty() || !matches!(raw.kind, ENCRYPTED | FRAGMENT) {
        return Err(Malformed::header(Fault::BesideEncrypted).into());
    }
    let numbers_len = if raw.kind == FRAGMENT { NUMBERS } else { 0 };
    let fault = |fault| Malformed { payload: raw.kind, fault };
    let mut reader = Reader::new(raw.body);
    let numbers = reader.take(numbers_len).map_err(|error| fault(error.into()))?;
    let (associated, body) = bytes.split_at(Header::LEN + GENERIC + numbers_len);
    let text = Zeroizing::new(keys.open(associated, body)?);
    let plain = Plain { first: raw.next, bytes: text };
    let &[a, b, c, d] = numbers else { return Ok(Opened::Whole(plain)) };
    let (number, total) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    // RFC 7383 section 2.5; the number of a fragment after the first names no payload type.
    if number == 0 || number > total || (number > 1 && plain.first != 0) {
        return Err(fault(Fault::Value).into());
    }
    Ok(Opened::Fragment(Fragment { number, total, plain }))
}

/// The fragments of one message that have come so far (RFC 7383 section 2.6): at most
/// [`FRAGMENTS_MAX`] and [`LEN_MAX`] bytes, all of them authentic.
#[derive(Default)]
pub struct Reassembly {
    parts: Vec<Option<Plain>>,
    len: usize,
}

impl Reassembly {
    /// Takes a fragment, in any order; gives the whole once nothing is missing, and is empty then.
    /// What is beyond the caps is dropped.
    pub fn add(&mut self, fragment: Fragment) -> Option<Plain> {
        let total = usize::from(fragment.total);
        // RFC 7383 section 2.6: the peer cuts smaller when it cuts again, so more fragments in all
        // are newer, and fewer are old ones on a slow way.
        if fragment.total > FRAGMENTS_MAX || total < self.parts.len() {
            return None;
        }
        if total > self.parts.len() {
            self.clear();
            self.parts.resize_with(total, || None);
        }
        let slot = self.parts.get_mut(usize::from(fragment.number).checked_sub(1)?)?;
        let len = fragment.plain.bytes.len();
        if slot.is_some() || self.len + len > LEN_MAX {
            return None;
        }
        self.len += len;
        *slot = Some(fragment.plain);
        if self.parts.iter().any(Option::is_none) {
            return None;
        }
        let mut whole = Zeroizing::new(Vec::with_capacity(self.len));
        self.parts.iter().flatten().for_each(|part| whole.extend_from_slice(&part.bytes));
        let first = self.parts.iter().flatten().next().map_or(0, |part| part.first);
        self.clear();
        Some(Plain { first, bytes: whole })
    }

    /// Whether nothing waits here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Forgets what has come.
    pub fn clear(&mut self) {
        self.parts.clear();
        self.len = 0;
    }
}
