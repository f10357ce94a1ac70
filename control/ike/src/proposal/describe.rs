//! Proposals in words: ours as they are written, and a peer's, with whatever it offers that we do
//! not have.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::transforms::{self, ADDITIONAL, ENCRYPTION, ESN, GROUP, INTEGRITY, PRF};
use super::{EspProposal, IkeProposal};
use crate::algorithm::{Encryption, Group, Integrity, Prf};
use crate::msg::{Proposal, Transform};

/// Most proposals of a peer that a refusal repeats, and most transforms of one: what a stranger can
/// make us print.
const PROPOSALS_MAX: usize = 8;
const TRANSFORMS_MAX: usize = 40;

/// Why there is no agreement: "peer proposed aes256-sha1-modp1024, we allow …".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whether it is an answer to our offer that we refuse.
    answered: bool,
    theirs: String,
    ours: String,
}

impl Refusal {
    pub(super) fn proposed(theirs: &[Proposal], ours: &[impl fmt::Display]) -> Self {
        Self { answered: false, theirs: describe(theirs), ours: join(ours) }
    }

    pub(super) fn answered(theirs: &[Proposal], ours: &[impl fmt::Display]) -> Self {
        Self { answered: true, theirs: describe(theirs), ours: join(ours) }
    }

    pub(super) fn of_texts(answered: bool, theirs: String, ours: String) -> Self {
        Self { answered, theirs, ours }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { theirs, ours, .. } = self;
        match self.answered {
            false => write!(f, "peer proposed {theirs}, we allow {ours}"),
            true => write!(f, "peer answered with {theirs}, we offered {ours}"),
        }
    }
}

impl core::error::Error for Refusal {}

impl fmt::Display for IkeProposal {
    /// As it is written in a configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = Vec::new();
        for wanted in transforms::of_ike(self) {
            let kind = wanted.kind;
            all.extend(wanted.any_of.iter().map(|one| one.to_msg(kind)));
        }
        write_transforms(f, &all)
    }
}

impl fmt::Display for EspProposal {
    /// As it is written in a configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = Vec::new();
        for wanted in transforms::of_esp(self, true) {
            let kind = wanted.kind;
            all.extend(wanted.any_of.iter().map(|one| one.to_msg(kind)));
        }
        write_esp_transforms(f, &all)
    }
}

/// "a, b and more".
pub(super) fn join(all: &[impl fmt::Display]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A peer's proposals.
fn describe(proposals: &[Proposal]) -> String {
    if proposals.is_empty() {
        return "nothing".to_string();
    }
    let mut texts: Vec<_> = proposals.iter().take(PROPOSALS_MAX).map(one).collect();
    if proposals.len() > PROPOSALS_MAX {
        texts.push("and more".to_string());
    }
    texts.join(", ")
}

fn one(proposal: &Proposal) -> String {
    let shown = proposal.transforms.get(..TRANSFORMS_MAX).unwrap_or(&proposal.transforms);
    let protocol = match proposal.protocol {
        2 => "ah:",
        1 | 3 => "",
        _ => "unknown protocol:",
    };
    let is_esp = proposal.protocol == 3;
    alloc::format!("{protocol}{}", Described(shown, is_esp))
}

/// A list of IKE's transforms.
pub(super) fn ike(transforms: &[Transform]) -> String {
    Described(transforms, false).to_string()
}

/// A list of ESP's transforms.
pub(super) fn esp(transforms: &[Transform]) -> String {
    Described(transforms, true).to_string()
}

struct Described<'a>(&'a [Transform], bool);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1 { write_esp_transforms(f, self.0) } else { write_transforms(f, self.0) }
    }
}

/// The algorithms of an IKE proposal with hyphens between them. PRFs that follow from the integrity
/// algorithms are left out, as they may be when a proposal is written.
pub(super) fn write_transforms(
    f: &mut fmt::Formatter<'_>,
    transforms: &[Transform],
) -> fmt::Result {
    let of = |kind| transforms.iter().filter(move |it| it.kind == kind);
    let derived = of(INTEGRITY).map(|it| Integrity::from_id(it.id).map(|it| it.prf().id()));
    let implied = of(PRF).map(|it| Some(it.id)).eq(derived);
    let shown = |it: &&Transform| !(implied && it.kind == PRF);
    write_ordered(f, transforms, shown)
}

/// The same for ESP, whose numbers of 32 bits go without saying.
pub(super) fn write_esp_transforms(
    f: &mut fmt::Formatter<'_>,
    transforms: &[Transform],
) -> fmt::Result {
    let extended = transforms.iter().any(|it| it.kind == ESN && it.id == 1);
    write_ordered(f, transforms, |it| it.kind != ESN || extended)
}

fn write_ordered(
    f: &mut fmt::Formatter<'_>,
    transforms: &[Transform],
    shown: impl Fn(&&Transform) -> bool,
) -> fmt::Result {
    let none = |it: &&Transform| it.id != 0 || it.kind == ESN;
    let mut hyphen = "";
    // As people write them: the PRF comes after the integrity algorithm.
    for kind in [ENCRYPTION, INTEGRITY, PRF, GROUP].into_iter().chain(ADDITIONAL).chain([ESN]) {
        for transform in transforms.iter().filter(|it| it.kind == kind).filter(none).filter(&shown)
        {
            f.write_str(hyphen)?;
            hyphen = "-";
            write_one(f, transform)?;
        }
    }
    for transform in transforms.iter().filter(|it| it.kind == 0 || it.kind > *ADDITIONAL.end()) {
        write!(f, "{hyphen}type{}#{}", transform.kind, transform.id)?;
        hyphen = "-";
    }
    if hyphen.is_empty() { f.write_str("nothing") } else { Ok(()) }
}

fn write_one(f: &mut fmt::Formatter<'_>, transform: &Transform) -> fmt::Result {
    let &Transform { kind, id, key_bits, .. } = transform;
    let group = |id| Group::from_id(id).map(Group::name).or_else(|| foreign(GROUP, id));
    let known = match kind {
        ENCRYPTION => Encryption::from_id(id, key_bits).map(Encryption::name),
        PRF => Prf::from_id(id).map(Prf::name),
        INTEGRITY => Integrity::from_id(id).map(Integrity::name),
        GROUP => group(id),
        ESN => Some(if id == 0 { "noesn" } else { "esn" }),
        _ => {
            write!(f, "ke{}_", kind - ADDITIONAL.start() + 1)?;
            group(id)
        }
    };
    if let Some(name) = known {
        return f.write_str(name);
    }
    let Some(name) = foreign(kind, id) else {
        write!(f, "{}#{id}", kind_name(kind))?;
        return key_bits.map_or(Ok(()), |bits| write!(f, "({bits})"));
    };
    // The star is where the length of the key is written.
    let (before, after) = name.split_once('*').unwrap_or((name, ""));
    match key_bits {
        None => write!(f, "{before}{after}"),
        Some(bits) => write!(f, "{before}{bits}{after}"),
    }
}

const fn kind_name(kind: u8) -> &'static str {
    match kind {
        ENCRYPTION => "encryption",
        PRF => "prf",
        INTEGRITY => "integrity",
        _ => "group",
    }
}

/// Algorithms that we do not have, or whose key length is none of ours.
const fn foreign(kind: u8, id: u16) -> Option<&'static str> {
    Some(match (kind, id) {
        (ENCRYPTION, 2) => "des",
        (ENCRYPTION, 3) => "3des",
        (ENCRYPTION, 6) => "cast",
        (ENCRYPTION, 7) => "blowfish*",
        (ENCRYPTION, 11) => "null",
        (ENCRYPTION, 12) => "aes*",
        (ENCRYPTION, 13) => "aes*ctr",
        (ENCRYPTION, 14) => "aes*ccm8",
        (ENCRYPTION, 15) => "aes*ccm12",
        (ENCRYPTION, 16) => "aes*ccm16",
        (ENCRYPTION, 18) => "aes*gcm8",
        (ENCRYPTION, 19) => "aes*gcm12",
        (ENCRYPTION, 20) => "aes*gcm16",
        (ENCRYPTION, 21) => "aes*gmac",
        (ENCRYPTION, 23) => "camellia*",
        (PRF, 4) => "prfaesxcbc",
        (PRF, 8) => "prfaescmac",
        (INTEGRITY, 5) => "aesxcbc",
        (INTEGRITY, 8) => "aescmac",
        (GROUP, 1) => "modp768",
        (GROUP, 17) => "modp6144",
        (GROUP, 18) => "modp8192",
        (GROUP, 21) => "ecp521",
        (GROUP, 22) => "modp1024s160",
        (GROUP, 23) => "modp2048s224",
        (GROUP, 24) => "modp2048s256",
        (GROUP, 25) => "ecp192",
        (GROUP, 26) => "ecp224",
        (GROUP, 27) => "ecp224bp",
        (GROUP, 28) => "ecp256bp",
        (GROUP, 29) => "ecp384bp",
        (GROUP, 30) => "ecp512bp",
        (GROUP, 32) => "x448",
        (GROUP, 35) => "mlkem512",
        (GROUP, 37) => "mlkem1024",
        _ => return None,
    })
}
