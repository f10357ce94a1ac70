//! Proposals as lists of transforms (RFC 7296 section 3.3.2), and ESP's suites as two of them.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use wire::{Suite, suite};

use super::{EspProposal, IkeProposal};
use crate::algorithm::{Group, Integrity};
use crate::msg::Transform;

/// Transform types.
pub(super) const ENCRYPTION: u8 = 1;
pub(super) const PRF: u8 = 2;
pub(super) const INTEGRITY: u8 = 3;
pub(super) const GROUP: u8 = 4;
pub(super) const ESN: u8 = 5;
/// Additional key exchanges 1 to 7 (RFC 9370).
pub(super) const ADDITIONAL: RangeInclusive<u8> = 6..=12;

/// What is wanted of one transform type: any one, the first by preference.
pub(super) struct Wanted {
    pub(super) kind: u8,
    pub(super) any_of: Vec<Id>,
}

/// A transform's number with its key length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) id: u16,
    key_bits: Option<u16>,
}

impl Id {
    const fn plain(id: u16) -> Self {
        Self { id, key_bits: None }
    }

    /// Whether a peer's transform is this one. One with attributes that we do not know is none of
    /// ours (RFC 7296 section 3.3.6).
    pub(super) fn is(self, theirs: &Transform) -> bool {
        (self.id, self.key_bits) == (theirs.id, theirs.key_bits) && theirs.attributes.is_empty()
    }

    pub(super) fn to_msg(self, kind: u8) -> Transform {
        Transform { kind, id: self.id, key_bits: self.key_bits, attributes: Vec::new() }
    }
}

/// What an IKE proposal wants, by transform type.
pub(super) fn of_ike(proposal: &IkeProposal) -> Vec<Wanted> {
    let ciphers = proposal.encryption.iter();
    let ciphers = ciphers.map(|it| Id { id: it.id(), key_bits: it.key_bits() });
    let mut all = Vec::new();
    want(&mut all, ENCRYPTION, ciphers);
    want(&mut all, PRF, proposal.prf.iter().map(|it| Id::plain(it.id())));
    want(&mut all, INTEGRITY, proposal.integrity.iter().map(|it| Id::plain(it.id())));
    want_groups(&mut all, &proposal.groups, &proposal.additional);
    all
}

/// What an ESP proposal wants, by transform type; key exchanges only if they are `fresh`.
pub(super) fn of_esp(proposal: &EspProposal, fresh: bool) -> Vec<Wanted> {
    let suites = &proposal.suites;
    let mut all = Vec::new();
    want(&mut all, ENCRYPTION, suites.iter().map(|suite| cipher(suite.encryption())));
    let integrity = suites.iter().filter_map(|suite| integrity(suite.integrity()));
    want(&mut all, INTEGRITY, integrity.map(|it| Id::plain(it.id())));
    if fresh {
        want_groups(&mut all, &proposal.groups, &proposal.additional);
    }
    let esn = [(proposal.esn, 1), (proposal.no_esn, 0)];
    want(&mut all, ESN, esn.iter().filter(|(wanted, _)| *wanted).map(|(_, id)| Id::plain(*id)));
    all
}

fn want_groups(all: &mut Vec<Wanted>, groups: &[Group], additional: &[Vec<Group>; 7]) {
    let ids = |groups: &[Group]| groups.iter().map(|it| Id::plain(it.id())).collect::<Vec<_>>();
    want(all, GROUP, ids(groups).into_iter());
    for (kind, groups) in ADDITIONAL.zip(additional) {
        want(all, kind, ids(groups).into_iter());
    }
}

/// Adds a type, unless nothing of it is wanted; what occurs twice counts once.
fn want(all: &mut Vec<Wanted>, kind: u8, ids: impl Iterator<Item = Id>) {
    let mut any_of = Vec::new();
    for id in ids {
        if !any_of.contains(&id) {
            any_of.push(id);
        }
    }
    if !any_of.is_empty() {
        all.push(Wanted { kind, any_of });
    }
}

/// The number of an ESP cipher (IANA "Transform Type 1").
fn cipher(cipher: suite::Encryption) -> Id {
    let bits = |key: suite::AesKey| Some(8 * key.len() as u16);
    let (id, key_bits) = match cipher {
        suite::Encryption::Null => (11, None),
        suite::Encryption::AesCbc(key) => (12, bits(key)),
        suite::Encryption::AesGcm(key, 8) => (18, bits(key)),
        suite::Encryption::AesGcm(key, 12) => (19, bits(key)),
        suite::Encryption::AesGcm(key, _) => (20, bits(key)),
        suite::Encryption::NullAesGmac(key) => (21, bits(key)),
        suite::Encryption::ChaCha20Poly1305 => (28, None),
    };
    Id { id, key_bits }
}

/// The integrity algorithm beside a cipher that does not authenticate.
pub(super) fn integrity(integrity: suite::Integrity) -> Option<Integrity> {
    match integrity {
        suite::Integrity::Combined => None,
        suite::Integrity::HmacMd5 => Some(Integrity::HmacMd5),
        suite::Integrity::HmacSha1 => Some(Integrity::HmacSha1),
        suite::Integrity::HmacSha256 => Some(Integrity::HmacSha256),
        suite::Integrity::HmacSha384 => Some(Integrity::HmacSha384),
        suite::Integrity::HmacSha512 => Some(Integrity::HmacSha512),
    }
}

/// The suite of a cipher and an integrity algorithm, 0 for none.
pub(super) fn suite(theirs: &Transform, integrity_id: u16) -> Option<Suite> {
    Suite::ALL.iter().copied().find(|suite| {
        let beside = integrity(suite.integrity()).map_or(0, Integrity::id);
        cipher(suite.encryption()).is(theirs) && beside == integrity_id
    })
}
