//! IKEv1's form of proposals (RFC 2408 section 4.2): each transform is a whole combination, in
//! attributes (RFC 2409 appendix A for phase 1, RFC 2407 section 4.5 for phase 2).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use wire::Suite;
use wire::suite::{self, AesKey};

use super::describe::{self, Refusal};
use super::transforms::{self, ENCRYPTION, GROUP, INTEGRITY};
use super::{EspProposal, IkeProposal};
use crate::algorithm::{Encryption, Group, Integrity, Prf};
use crate::msg::Transform;
use crate::msg::v1::{Attribute1, Proposal1, Transform1};

/// Protocol numbers of proposals (RFC 2407 section 4.4.1).
const ISAKMP: u8 = 1;
const ESP: u8 = 3;
/// The only transform of phase 1 (RFC 2407 section 4.4.2).
const KEY_IKE: u8 = 1;

/// Attributes of phase 1 (RFC 2409 appendix A).
mod phase1 {
    pub(super) const ENCRYPTION: u16 = 1;
    pub(super) const HASH: u16 = 2;
    pub(super) const METHOD: u16 = 3;
    pub(super) const GROUP: u16 = 4;
    pub(super) const LIFE_TYPE: u16 = 11;
    pub(super) const LIFE_DURATION: u16 = 12;
    pub(super) const KEY_LENGTH: u16 = 14;
}

/// Attributes of phase 2 (RFC 2407 section 4.5, RFC 4304 section 2).
mod phase2 {
    pub(super) const LIFE_TYPE: u16 = 1;
    pub(super) const LIFE_DURATION: u16 = 2;
    pub(super) const GROUP: u16 = 3;
    pub(super) const MODE: u16 = 4;
    pub(super) const AUTHENTICATION: u16 = 5;
    pub(super) const KEY_LENGTH: u16 = 6;
    pub(super) const ESN: u16 = 11;
}

/// Most combinations that we offer: what the one byte of their number holds.
const TRANSFORMS_MAX: usize = 255;

/// How long an SA lives, as it stands in a proposal; `None` is not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// Seconds.
    pub seconds: Option<u32>,
    /// Kilobytes of 1024 bytes.
    pub kilobytes: Option<u32>,
}

/// One combination for an ISAKMP SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase1Choice {
    /// The cipher.
    pub encryption: Encryption,
    /// The PRF, which is the HMAC of the negotiated hash.
    pub prf: Prf,
    /// The key exchange.
    pub group: Group,
    /// Authentication method: 1 is a pre-shared key, 3 an RSA signature (RFC 2409 appendix A).
    pub method: u16,
    /// What the peer wants.
    pub lifetime: Lifetime,
    /// The answer: the proposal with the chosen transform as it came.
    pub answer: Proposal1,
}

/// One combination for a pair of ESP SAs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase2Choice {
    /// The sender's SPI.
    pub spi: u32,
    /// Cipher and integrity.
    pub suite: Suite,
    /// The key exchange of quick mode, if there is one.
    pub group: Option<Group>,
    /// Encapsulation mode: 1 tunnel, 2 transport, 3 and 4 the same in UDP (RFC 2407 section 4.5,
    /// RFC 3947 section 5.1).
    pub mode: u16,
    /// Sequence numbers of 64 bits.
    pub esn: bool,
    /// What the peer wants.
    pub lifetime: Lifetime,
    transform: Transform1,
    number: u8,
}

impl Phase2Choice {
    /// The answer: the proposal with the chosen transform as it came, and our SPI.
    #[must_use]
    pub fn to_msg(&self, spi: u32) -> Proposal1 {
        Proposal1 {
            number: self.number,
            protocol: ESP,
            spi: spi.to_be_bytes().to_vec(),
            transforms: alloc::vec![self.transform.clone()],
        }
    }
}

/// What we offer in main mode. Ciphers that authenticate are left out: IKEv1 has none.
#[must_use]
pub fn offer_phase1(proposals: &[IkeProposal], method: u16, lifetime: Lifetime) -> Proposal1 {
    let combinations = proposals.iter().flat_map(|proposal| {
        let ciphers = proposal.encryption.iter().filter(|cipher| !cipher.is_aead());
        ciphers.flat_map(move |cipher| {
            let hashes = proposal.integrity.iter();
            hashes.flat_map(move |hash| {
                proposal.groups.iter().map(move |group| (cipher, hash, group))
            })
        })
    });
    let transforms = combinations.take(TRANSFORMS_MAX).zip(1..=u8::MAX);
    let transforms = transforms.map(|((cipher, hash, group), number)| {
        let mut attributes =
            alloc::vec![Attribute1::short(phase1::ENCRYPTION, cipher.v1_id().unwrap_or_default())];
        attributes.extend(cipher.key_bits().map(|it| Attribute1::short(phase1::KEY_LENGTH, it)));
        attributes.push(Attribute1::short(phase1::HASH, hash.prf().v1_id()));
        attributes.push(Attribute1::short(phase1::GROUP, group.id()));
        attributes.push(Attribute1::short(phase1::METHOD, method));
        push_lifetime(&mut attributes, lifetime, phase1::LIFE_TYPE, phase1::LIFE_DURATION);
        Transform1 { number, id: KEY_IKE, attributes }
    });
    Proposal1 { number: 1, protocol: ISAKMP, spi: Vec::new(), transforms: transforms.collect() }
}

/// The first combination by our preference that the peer offers, authenticated by one of `methods`.
/// An initiator takes its peer's answer in the same way.
///
/// # Errors
/// There is none.
pub fn choose_phase1(
    offered: &[Proposal1],
    allowed: &[IkeProposal],
    methods: &[u16],
) -> Result<Phase1Choice, Refusal> {
    let theirs = || {
        let isakmp = offered.iter().filter(|proposal| proposal.protocol == ISAKMP);
        isakmp.flat_map(|it| it.transforms.iter().map(move |transform| (it, transform)))
    };
    let read: Vec<_> = theirs().filter_map(|(proposal, it)| phase1_choice(proposal, it)).collect();
    for ours in allowed {
        let ranked = read.iter().filter_map(|choice| {
            let prf = |integrity: &Integrity| integrity.prf() == choice.prf;
            let rank = (
                ours.encryption.iter().position(|it| *it == choice.encryption)?,
                ours.integrity.iter().position(prf)?,
                ours.groups.iter().position(|it| *it == choice.group)?,
            );
            methods.contains(&choice.method).then_some((rank, choice))
        });
        if let Some((_, choice)) = ranked.min_by_key(|(rank, _)| *rank) {
            return Ok(choice.clone());
        }
    }
    let theirs: Vec<_> = theirs().map(|(_, transform)| phase1_text(transform)).collect();
    let methods: Vec<_> = methods.iter().map(|method| method_name(*method)).collect();
    let ours = format!("{} by {}", describe::join(allowed), methods.join(" or "));
    Err(Refusal::of_texts(false, some_of(&theirs), ours))
}

/// What we offer in quick mode, with our SPI: one key exchange or none for all (RFC 2409 section
/// 5.5), and an encapsulation mode that depends on whether there is a NAT.
#[must_use]
pub fn offer_phase2(
    proposals: &[EspProposal],
    spi: u32,
    group: Option<Group>,
    mode: u16,
    lifetime: Lifetime,
) -> Vec<Proposal1> {
    let widths = |proposal: &EspProposal| {
        let both = [(proposal.esn, true), (proposal.no_esn, false)];
        both.into_iter().filter(|(wanted, _)| *wanted).map(|(_, esn)| esn).collect::<Vec<_>>()
    };
    let combinations = proposals.iter().flat_map(|proposal| {
        let widths = widths(proposal);
        let of_suite = move |suite: &Suite| {
            let suite = *suite;
            widths.clone().into_iter().map(move |esn| (suite, esn))
        };
        proposal.suites.iter().flat_map(of_suite)
    });
    let known = combinations.filter_map(|(suite, esn)| Some((suite, esn, esp_id(suite)?)));
    let transforms = known.take(TRANSFORMS_MAX).zip(1..=u8::MAX);
    let transforms = transforms.map(|((suite, esn, (id, key_bits)), number)| {
        let mut attributes = alloc::vec![Attribute1::short(phase2::MODE, mode)];
        push_lifetime(&mut attributes, lifetime, phase2::LIFE_TYPE, phase2::LIFE_DURATION);
        attributes.extend(key_bits.map(|bits| Attribute1::short(phase2::KEY_LENGTH, bits)));
        let integrity = transforms::integrity(suite.integrity()).map(integrity_id);
        attributes.extend(integrity.map(|it| Attribute1::short(phase2::AUTHENTICATION, it)));
        attributes.extend(group.map(|group| Attribute1::short(phase2::GROUP, group.id())));
        if esn {
            attributes.push(Attribute1::short(phase2::ESN, 1));
        }
        Transform1 { number, id, attributes }
    });
    let spi = spi.to_be_bytes().to_vec();
    alloc::vec![Proposal1 { number: 1, protocol: ESP, spi, transforms: transforms.collect() }]
}

/// The first combination by our preference that the peer offers, in one of the encapsulation
/// `modes`. An initiator takes its peer's answer in the same way.
///
/// # Errors
/// There is none.
pub fn choose_phase2(
    offered: &[Proposal1],
    allowed: &[EspProposal],
    modes: &[u16],
) -> Result<Phase2Choice, Refusal> {
    // RFC 2408 section 4.2: proposals of one number are wanted together, and we have ESP alone.
    let alone = |it: &&Proposal1| offered.iter().filter(|o| o.number == it.number).count() == 1;
    let theirs = || {
        let esp = offered.iter().filter(|it| it.protocol == ESP).filter(alone);
        esp.flat_map(|it| it.transforms.iter().map(move |transform| (it, transform)))
    };
    let read: Vec<_> = theirs().filter_map(|(proposal, it)| phase2_choice(proposal, it)).collect();
    for ours in allowed {
        let ranked = read.iter().filter_map(|choice| {
            let group = match choice.group {
                None if ours.groups.is_empty() => 0,
                None => return None,
                Some(group) => ours.groups.iter().position(|it| *it == group)?,
            };
            let rank = (ours.suites.iter().position(|it| *it == choice.suite)?, group, !choice.esn);
            let width = if choice.esn { ours.esn } else { ours.no_esn };
            (width && modes.contains(&choice.mode)).then_some((rank, choice))
        });
        if let Some((_, choice)) = ranked.min_by_key(|(rank, _)| *rank) {
            return Ok(choice.clone());
        }
    }
    let theirs: Vec<_> = theirs().map(|(_, transform)| phase2_text(transform)).collect();
    let modes: Vec<_> = modes.iter().map(|mode| mode_name(u64::from(*mode))).collect();
    let ours = format!("{} in {}", describe::join(allowed), modes.join(" or "));
    Err(Refusal::of_texts(false, some_of(&theirs), ours))
}

fn push_lifetime(attributes: &mut Vec<Attribute1>, lifetime: Lifetime, kind: u16, duration: u16) {
    for (unit, value) in [(1, lifetime.seconds), (2, lifetime.kilobytes)] {
        if let Some(value) = value {
            attributes.push(Attribute1::short(kind, unit));
            attributes.push(Attribute1::long(duration, value));
        }
    }
}

/// The lifetimes among attributes: each type is followed by its duration. The shortest of each type
/// counts; one that does not fit is as good as none.
fn lifetime(attributes: &[Attribute1], kind: u16, duration: u16) -> Lifetime {
    let mut lifetime = Lifetime::default();
    for pair in attributes.windows(2) {
        let [what, value] = pair else { continue };
        if what.kind != kind || value.kind != duration {
            continue;
        }
        let Some(value) = value.number().and_then(|value| u32::try_from(value).ok()) else {
            continue;
        };
        let field = match what.number() {
            Some(1) => &mut lifetime.seconds,
            Some(2) => &mut lifetime.kilobytes,
            _ => continue,
        };
        *field = Some(field.map_or(value, |known| known.min(value)));
    }
    lifetime
}

fn number(attributes: &[Attribute1], kind: u16) -> Option<u64> {
    attributes.iter().find(|attribute| attribute.kind == kind)?.number()
}

fn short(attributes: &[Attribute1], kind: u16) -> Option<u16> {
    number(attributes, kind).and_then(|number| u16::try_from(number).ok())
}

/// `None` if there is something in it that we do not have.
fn phase1_choice(proposal: &Proposal1, transform: &Transform1) -> Option<Phase1Choice> {
    use phase1::{ENCRYPTION, GROUP, HASH, KEY_LENGTH, LIFE_DURATION, LIFE_TYPE, METHOD};
    let known = [ENCRYPTION, HASH, METHOD, GROUP, LIFE_TYPE, LIFE_DURATION, KEY_LENGTH];
    let attributes = &transform.attributes;
    if transform.id != KEY_IKE || attributes.iter().any(|it| !known.contains(&it.kind)) {
        return None;
    }
    let encryption = match short(attributes, ENCRYPTION)? {
        // RFC 3602 section 5.3 wants a key length; without one AES has its shortest key.
        7 => match short(attributes, KEY_LENGTH).unwrap_or(128) {
            bits @ (128 | 192 | 256) => Encryption::AesCbc(bits),
            _ => return None,
        },
        _ => return None,
    };
    let group = Group::from_id(short(attributes, GROUP)?).filter(|group| group.stands_alone())?;
    Some(Phase1Choice {
        encryption,
        prf: Prf::from_v1_id(short(attributes, HASH)?)?,
        group,
        method: short(attributes, METHOD)?,
        lifetime: lifetime(attributes, LIFE_TYPE, LIFE_DURATION),
        answer: Proposal1 { transforms: alloc::vec![transform.clone()], ..head(proposal) },
    })
}

/// A proposal without its transforms.
fn head(proposal: &Proposal1) -> Proposal1 {
    let Proposal1 { number, protocol, ref spi, .. } = *proposal;
    Proposal1 { number, protocol, spi: spi.clone(), transforms: Vec::new() }
}

/// `None` if there is something in it that we do not have.
fn phase2_choice(proposal: &Proposal1, transform: &Transform1) -> Option<Phase2Choice> {
    use phase2::{AUTHENTICATION, ESN, GROUP, KEY_LENGTH, LIFE_DURATION, LIFE_TYPE, MODE};
    let known = [LIFE_TYPE, LIFE_DURATION, GROUP, MODE, AUTHENTICATION, KEY_LENGTH, ESN];
    let attributes = &transform.attributes;
    let spi = u32::from_be_bytes(*proposal.spi.first_chunk()?);
    if proposal.spi.len() != 4 || spi < 256 || attributes.iter().any(|it| !known.contains(&it.kind))
    {
        return None;
    }
    let suite = Suite::ALL.iter().copied().find(|suite| {
        let Some((id, key_bits)) = esp_id(*suite) else { return false };
        let integrity = transforms::integrity(suite.integrity()).map(integrity_id);
        // Without a length AES has its shortest key.
        let bits = short(attributes, KEY_LENGTH).or(key_bits.map(|_| 128));
        id == transform.id && bits == key_bits && short(attributes, AUTHENTICATION) == integrity
    })?;
    let group = match short(attributes, GROUP) {
        Some(id) => Some(Group::from_id(id).filter(|group| group.stands_alone())?),
        None => None,
    };
    Some(Phase2Choice {
        spi,
        suite,
        group,
        mode: short(attributes, MODE)?,
        esn: number(attributes, ESN) == Some(1),
        lifetime: lifetime(attributes, LIFE_TYPE, LIFE_DURATION),
        transform: transform.clone(),
        number: proposal.number,
    })
}

/// ESP transform identifiers (RFC 2407 section 4.4.4, 3602, 4106, 4543), with the key length where
/// there is one; `None` for ChaCha20-Poly1305, which IKEv1 does not have.
fn esp_id(suite: Suite) -> Option<(u8, Option<u16>)> {
    let bits = |key: AesKey| Some(8 * key.len() as u16);
    Some(match suite.encryption() {
        suite::Encryption::Null => (11, None),
        suite::Encryption::AesCbc(key) => (12, bits(key)),
        suite::Encryption::AesGcm(key, 8) => (18, bits(key)),
        suite::Encryption::AesGcm(key, 12) => (19, bits(key)),
        suite::Encryption::AesGcm(key, _) => (20, bits(key)),
        suite::Encryption::NullAesGmac(key) => (23, bits(key)),
        suite::Encryption::ChaCha20Poly1305 => return None,
    })
}

/// Authentication algorithms of phase 2 (RFC 2407 section 4.5, RFC 4868 section 3).
const fn integrity_id(integrity: Integrity) -> u16 {
    match integrity {
        Integrity::HmacMd5 => 1,
        Integrity::HmacSha1 => 2,
        Integrity::HmacSha256 => 5,
        Integrity::HmacSha384 => 6,
        Integrity::HmacSha512 => 7,
    }
}

fn some_of(texts: &[String]) -> String {
    match texts {
        [] => "nothing".to_string(),
        [first @ .., _] if first.len() >= 12 => format!("{} and more", texts[..12].join(", ")),
        all => all.join(", "),
    }
}

/// A combination in the words of IKEv2's proposals.
fn phase1_text(transform: &Transform1) -> String {
    let attributes = &transform.attributes;
    let cipher = match short(attributes, phase1::ENCRYPTION) {
        Some(1) => 2,
        Some(3) => 7,
        Some(5) => 3,
        Some(6) => 6,
        Some(7) => 12,
        Some(8) => 23,
        Some(other) => other | 0x8000,
        None => 0,
    };
    let hash = short(attributes, phase1::HASH).and_then(Prf::from_v1_id);
    let integrity = hash.map_or(0, |hash| match hash {
        Prf::HmacMd5 => 1,
        Prf::HmacSha1 => 2,
        Prf::HmacSha256 => 12,
        Prf::HmacSha384 => 13,
        Prf::HmacSha512 => 14,
    });
    let bits = short(attributes, phase1::KEY_LENGTH);
    let group = short(attributes, phase1::GROUP).unwrap_or(0);
    let method = short(attributes, phase1::METHOD).unwrap_or(0);
    format!("{} by {}", describe::ike(&words(cipher, bits, integrity, group)), method_name(method))
}

fn phase2_text(transform: &Transform1) -> String {
    let attributes = &transform.attributes;
    let cipher = match transform.id {
        23 => 21,
        id => u16::from(id),
    };
    let integrity = match short(attributes, phase2::AUTHENTICATION).unwrap_or(0) {
        it @ (1 | 2) => it,
        5 => 12,
        6 => 13,
        7 => 14,
        0 => 0,
        other => other | 0x8000,
    };
    let bits = short(attributes, phase2::KEY_LENGTH);
    let group = short(attributes, phase2::GROUP).unwrap_or(0);
    let mode = number(attributes, phase2::MODE).unwrap_or(0);
    format!("{} in {}", describe::esp(&words(cipher, bits, integrity, group)), mode_name(mode))
}

fn words(cipher: u16, key_bits: Option<u16>, integrity: u16, group: u16) -> [Transform; 3] {
    let one = |kind, id, key_bits| Transform { kind, id, key_bits, attributes: Vec::new() };
    [one(ENCRYPTION, cipher, key_bits), one(INTEGRITY, integrity, None), one(GROUP, group, None)]
}

/// RFC 2409 appendix A; the large ones are those of extended authentication.
fn method_name(method: u16) -> String {
    match method {
        1 => "pre-shared key".to_string(),
        2 => "DSA signature".to_string(),
        3 => "RSA signature".to_string(),
        4 | 5 => "RSA encryption".to_string(),
        9..=11 => "ECDSA signature".to_string(),
        65001..=65010 => "extended authentication".to_string(),
        other => format!("method {other}"),
    }
}

fn mode_name(mode: u64) -> String {
    match mode {
        1 => "tunnel mode".to_string(),
        2 => "transport mode".to_string(),
        3 | 61443 => "tunnel mode in UDP".to_string(),
        4 | 61444 => "transport mode in UDP".to_string(),
        other => format!("mode {other}"),
    }
}
