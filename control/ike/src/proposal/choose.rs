//! What we offer, what of a peer's offer we take, and whether its answer is one that we offered
//! (RFC 7296 sections 2.7 and 3.3).

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use wire::Suite;

use super::describe::Refusal;
use super::transforms::{self, ADDITIONAL, ENCRYPTION, ESN, GROUP, INTEGRITY, PRF};
use super::{EspProposal, IkeProposal};
use crate::algorithm::{Encryption, Group, Integrity, Prf};
use crate::keymat::v2::IkeSuite;
use crate::msg::{Proposal, Transform};

/// Protocol numbers of proposals (RFC 7296 section 3.3.1).
const IKE: u8 = 1;
const ESP: u8 = 3;

/// One algorithm of each kind for an IKE SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IkeChoice {
    /// Number of the proposal that it is from.
    pub number: u8,
    /// The SPI in that proposal: the sender's in a rekey, empty in an initial exchange.
    pub spi: Vec<u8>,
    /// The cipher.
    pub encryption: Encryption,
    /// `None` where the cipher authenticates.
    pub integrity: Option<Integrity>,
    /// The pseudo-random function.
    pub prf: Prf,
    /// The key exchange: a KE payload of another group is answered by INVALID_KE_PAYLOAD with this
    /// one's number (RFC 7296 section 1.3).
    pub group: Group,
    /// Additional key exchanges in this order, by position 1 to 7 (RFC 9370).
    pub additional: [Option<Group>; 7],
    transforms: Vec<Transform>,
}

/// One algorithm of each kind for a pair of ESP SAs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspChoice {
    /// Number of the proposal that it is from.
    pub number: u8,
    /// The SPI in that proposal: the sender's.
    pub spi: u32,
    /// Cipher and integrity.
    pub suite: Suite,
    /// A fresh key exchange, if there is one.
    pub group: Option<Group>,
    /// Additional key exchanges, by position 1 to 7 (RFC 9370).
    pub additional: [Option<Group>; 7],
    /// Sequence numbers of 64 bits.
    pub esn: bool,
    transforms: Vec<Transform>,
}

impl IkeChoice {
    /// What keys are derived for.
    #[must_use]
    pub const fn suite(&self) -> IkeSuite {
        IkeSuite { encryption: self.encryption, integrity: self.integrity, prf: self.prf }
    }

    /// The answer: the proposal with its own number and what is chosen of it. `spi` is ours, empty
    /// in an initial exchange.
    #[must_use]
    pub fn to_msg(&self, spi: &[u8]) -> Proposal {
        answer(self.number, IKE, spi, &self.transforms)
    }
}

impl EspChoice {
    /// The answer, with our SPI.
    #[must_use]
    pub fn to_msg(&self, spi: u32) -> Proposal {
        answer(self.number, ESP, &spi.to_be_bytes(), &self.transforms)
    }
}

impl fmt::Display for IkeChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::describe::write_transforms(f, &self.transforms)
    }
}

impl fmt::Display for EspChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::describe::write_esp_transforms(f, &self.transforms)
    }
}

/// What we offer for an IKE SA; `spi` is ours, empty in an initial exchange.
#[must_use]
pub fn offer_ike(proposals: &[IkeProposal], spi: &[u8]) -> Vec<Proposal> {
    let all = proposals.iter().map(|proposal| offer(&transforms::of_ike(proposal)));
    number(all, IKE, spi)
}

/// What we offer for a child, with our SPI. Key exchanges are left out unless `fresh`: the child
/// that comes with the IKE SA takes its keys from that (RFC 7296 section 1.2).
#[must_use]
pub fn offer_esp(proposals: &[EspProposal], spi: u32, fresh: bool) -> Vec<Proposal> {
    let all = proposals.iter().map(|proposal| offer(&transforms::of_esp(proposal, fresh)));
    number(all, ESP, &spi.to_be_bytes())
}

/// The first of what we allow that the peer offers; within a proposal, the first of each kind.
///
/// # Errors
/// There is none.
pub fn choose_ike(offered: &[Proposal], allowed: &[IkeProposal]) -> Result<IkeChoice, Refusal> {
    let choice = allowed.iter().find_map(|ours| {
        let wanted = transforms::of_ike(ours);
        offered.iter().find_map(|theirs| ike_choice(theirs, pick(theirs, IKE, &wanted, true)?))
    });
    choice.ok_or_else(|| Refusal::proposed(offered, allowed))
}

/// The same for a child. Unless `fresh`, key exchanges do not matter.
///
/// # Errors
/// There is none.
pub fn choose_esp(
    offered: &[Proposal],
    allowed: &[EspProposal],
    fresh: bool,
) -> Result<EspChoice, Refusal> {
    let choice = allowed.iter().find_map(|ours| {
        let wanted = transforms::of_esp(ours, fresh);
        offered
            .iter()
            .find_map(|theirs| esp_choice(theirs, pick(theirs, ESP, &wanted, fresh)?, &ours.suites))
    });
    choice.ok_or_else(|| Refusal::proposed(offered, allowed))
}

/// What a responder made of our offer: one proposal with one transform of each kind, all of them
/// ours.
///
/// # Errors
/// The answer is something else.
pub fn accept_ike(answer: &[Proposal], offered: &[IkeProposal]) -> Result<IkeChoice, Refusal> {
    if let [one] = answer
        && is_single(one)
        && let Ok(choice) = choose_ike(answer, offered)
    {
        return Ok(choice);
    }
    Err(Refusal::answered(answer, offered))
}

/// The same for a child.
///
/// # Errors
/// The answer is something else.
pub fn accept_esp(
    answer: &[Proposal],
    offered: &[EspProposal],
    fresh: bool,
) -> Result<EspChoice, Refusal> {
    if let [one] = answer
        && is_single(one)
        && let Ok(choice) = choose_esp(answer, offered, fresh)
    {
        return Ok(choice);
    }
    Err(Refusal::answered(answer, offered))
}

fn answer(number: u8, protocol: u8, spi: &[u8], transforms: &[Transform]) -> Proposal {
    Proposal { number, protocol, spi: spi.to_vec(), transforms: transforms.to_vec() }
}

/// Proposals as they are sent, counted from 1.
fn number(all: impl Iterator<Item = Vec<Transform>>, protocol: u8, spi: &[u8]) -> Vec<Proposal> {
    let numbered = all.zip(1..=u8::MAX);
    numbered.map(|(transforms, number)| answer(number, protocol, spi, &transforms)).collect()
}

fn offer(wanted: &[transforms::Wanted]) -> Vec<Transform> {
    let of_kind = |wanted: &transforms::Wanted| {
        let kind = wanted.kind;
        wanted.any_of.clone().into_iter().map(move |one| one.to_msg(kind))
    };
    wanted.iter().flat_map(of_kind).collect()
}

/// One transform of each kind that is offered, by our preference; `None` if something that we want
/// is not offered, or something that we do not have is insisted upon. `fresh` is whether key
/// exchanges matter.
fn pick(
    offered: &Proposal,
    protocol: u8,
    wanted: &[transforms::Wanted],
    fresh: bool,
) -> Option<Vec<Transform>> {
    if offered.protocol != protocol {
        return None;
    }
    let mut picked = Vec::new();
    for wanted in wanted {
        let mut of_kind = offered.transforms.iter().filter(|it| it.kind == wanted.kind).peekable();
        // RFC 7296 section 3.3.3 wants ESN of every ESP proposal; old peers say nothing and mean
        // numbers of 32 bits.
        if wanted.kind == ESN && of_kind.peek().is_none() {
            wanted.any_of.iter().find(|one| one.id == 0)?;
            continue;
        }
        let of_kind: Vec<_> = of_kind.collect();
        let ours = |one: &transforms::Id| of_kind.iter().find(|theirs| one.is(theirs)).copied();
        picked.push(wanted.any_of.iter().find_map(ours)?.clone());
    }
    for kind in offered.transforms.iter().map(|transform| transform.kind) {
        let known = wanted.iter().any(|wanted| wanted.kind == kind);
        let done = picked.iter().any(|it: &Transform| it.kind == kind);
        let moot = !fresh && (kind == GROUP || ADDITIONAL.contains(&kind));
        if known || done || moot {
            continue;
        }
        // RFC 7296 section 3.3.6: a kind that we have no use for must allow NONE.
        let may_lack = kind == INTEGRITY || kind == GROUP || ADDITIONAL.contains(&kind);
        let none = |it: &&Transform| it.kind == kind && it.id == 0 && may_lack;
        picked.push(offered.transforms.iter().find(none)?.clone());
    }
    Some(picked)
}

/// Whether there is one transform of each kind at most.
fn is_single(proposal: &Proposal) -> bool {
    let mut seen = vec![];
    proposal.transforms.iter().all(|transform| {
        let first = !seen.contains(&transform.kind);
        seen.push(transform.kind);
        first
    })
}

fn ike_choice(offered: &Proposal, transforms: Vec<Transform>) -> Option<IkeChoice> {
    if !matches!(offered.spi.len(), 0 | 8) {
        return None;
    }
    let of = |kind| transforms.iter().find(move |it| it.kind == kind);
    let cipher = of(ENCRYPTION)?;
    let encryption = Encryption::from_id(cipher.id, cipher.key_bits)?;
    let integrity = of(INTEGRITY).and_then(|it| Integrity::from_id(it.id));
    Some(IkeChoice {
        number: offered.number,
        spi: offered.spi.clone(),
        encryption,
        integrity,
        prf: Prf::from_id(of(PRF)?.id)?,
        group: Group::from_id(of(GROUP)?.id)?,
        additional: additional(&transforms),
        transforms,
    })
}

fn esp_choice(
    offered: &Proposal,
    transforms: Vec<Transform>,
    allowed: &[Suite],
) -> Option<EspChoice> {
    let spi = u32::from_be_bytes(*offered.spi.first_chunk()?);
    // RFC 4303 section 2.1 reserves the low ones.
    if offered.spi.len() != 4 || spi < 256 {
        return None;
    }
    let of = |kind| transforms.iter().find(move |it| it.kind == kind);
    let integrity = of(INTEGRITY).map_or(0, |it| it.id);
    let suite = transforms::suite(of(ENCRYPTION)?, integrity)?;
    if !allowed.contains(&suite) {
        return None;
    }
    Some(EspChoice {
        number: offered.number,
        spi,
        suite,
        group: of(GROUP).and_then(|it| Group::from_id(it.id)),
        additional: additional(&transforms),
        esn: of(ESN).is_some_and(|it| it.id == 1),
        transforms,
    })
}

fn additional(transforms: &[Transform]) -> [Option<Group>; 7] {
    core::array::from_fn(|index| {
        let kind = ADDITIONAL.start() + index as u8;
        let transform = transforms.iter().find(|it| it.kind == kind)?;
        Group::from_id(transform.id)
    })
}
