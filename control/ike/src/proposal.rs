//! Proposals as users write them (`aes128gcm16-prfsha256-x25519`), as messages carry them, and the
//! choice among them.

use alloc::vec::Vec;

use wire::Suite;

use crate::algorithm::{Encryption, Group, Integrity, Prf};

/// What an IKE SA may be protected by: any one of each list.
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
    /// At least one.
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
