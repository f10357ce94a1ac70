//! Proposals as users write them (`aes128gcm16-prfsha256-x25519`, strongSwan's spelling), as
//! messages carry them, and the choice among them.

mod choose;
mod describe;
mod spelling;
mod transforms;
pub mod v1;

use alloc::string::String;
use alloc::vec::Vec;

use wire::Suite;

pub use self::choose::{
    EspChoice, IkeChoice, accept_esp, accept_ike, choose_esp, choose_ike, offer_esp, offer_ike,
};
pub use self::describe::Refusal;
pub use self::spelling::Misspelled;
use crate::algorithm::{Encryption, Group, Integrity, Prf};

/// What an IKE SA may be protected by: any one of each list, the first that both have. Made from
/// text by [`core::str::FromStr`], and written as text by [`core::fmt::Display`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IkeProposal {
    /// At least one, all of them with or all without authentication of their own.
    pub encryption: Vec<Encryption>,
    /// At least one unless the ciphers authenticate.
    pub integrity: Vec<Integrity>,
    /// At least one.
    pub prf: Vec<Prf>,
    /// At least one.
    pub groups: Vec<Group>,
    /// Additional key exchanges, by position 1 to 7 (RFC 9370); an empty list is none.
    pub additional: [Vec<Group>; 7],
}

/// What a child SA may be protected by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspProposal {
    /// At least one, all of them with or all without authentication of their own: each cipher with
    /// each integrity algorithm.
    pub suites: Vec<Suite>,
    /// Fresh key exchanges when it is made later than with the IKE SA, or made anew; empty is none.
    pub groups: Vec<Group>,
    /// Additional key exchanges, as for IKE.
    pub additional: [Vec<Group>; 7],
    /// Numbers of 64 bits are offered or accepted.
    pub esn: bool,
    /// Numbers of 32 bits are offered or accepted.
    pub no_esn: bool,
}

/// What is offered and accepted where nobody says otherwise, in order of preference.
const IKE_DEFAULT: [&str; 2] = [
    "aes256gcm16-aes128gcm16-chacha20poly1305-prfsha384-prfsha256-prfsha512-\
     x25519-ecp256-ecp384-modp3072-modp2048-modp4096",
    "aes256-aes128-sha384-sha256-sha512-x25519-ecp256-ecp384-modp3072-modp2048-modp4096",
];

/// The same for children.
const ESP_DEFAULT: [&str; 2] = [
    "aes256gcm16-aes128gcm16-chacha20poly1305-\
     x25519-ecp256-ecp384-modp3072-modp2048-modp4096-esn-noesn",
    "aes256-aes128-sha256-sha384-sha512-\
     x25519-ecp256-ecp384-modp3072-modp2048-modp4096-esn-noesn",
];

impl IkeProposal {
    /// What is offered and accepted where nobody says otherwise, in order of preference: nothing
    /// that is weak.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        IKE_DEFAULT.iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// Why nobody should choose some of it today (RFC 8247), or `None` if all of it is sound:
    /// "modp1024 is a 1024-bit group, …".
    #[must_use]
    pub fn weakness(&self) -> Option<String> {
        let ciphers = self.encryption.iter().map(|it| (it.name(), it.weakness()));
        let integrity = self.integrity.iter().map(|it| (it.name(), it.weakness()));
        let prf = self.prf.iter().map(|it| (it.name(), it.weakness()));
        let groups = groups_of(&self.groups, &self.additional);
        first_weakness(ciphers.chain(integrity).chain(prf).chain(groups))
    }
}

impl EspProposal {
    /// What is offered and accepted where nobody says otherwise, in order of preference: nothing
    /// that is weak.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        ESP_DEFAULT.iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// Why nobody should choose some of it today (RFC 8221), or `None` if all of it is sound.
    #[must_use]
    pub fn weakness(&self) -> Option<String> {
        let suites = self.suites.iter().map(|suite| (suite.name(), suite.weakness()));
        first_weakness(suites.chain(groups_of(&self.groups, &self.additional)))
    }
}

type Weighed = (&'static str, Option<&'static str>);

fn groups_of<'a>(
    groups: &'a [Group],
    additional: &'a [Vec<Group>; 7],
) -> impl Iterator<Item = Weighed> + 'a {
    let all = groups.iter().chain(additional.iter().flatten());
    all.map(|group| (group.name(), group.weakness()))
}

fn first_weakness(mut all: impl Iterator<Item = Weighed>) -> Option<String> {
    all.find_map(|(name, weakness)| weakness.map(|weakness| alloc::format!("{name} {weakness}")))
}

#[cfg(test)]
mod tests;
