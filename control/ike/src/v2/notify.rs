//! Notifications (RFC 7296 section 3.10.1): their numbers, and how they are written.

use alloc::vec::Vec;

pub(crate) use crate::msg::numbers::notify as kind;
use crate::msg::{Notify, Payload};

/// Types below this one are errors.
const FIRST_STATUS: u16 = 16384;

/// A notification about the exchange itself.
pub(crate) fn notify(kind: u16) -> Payload {
    notify_with(kind, Vec::new())
}

/// A notification with data.
pub(crate) fn notify_with(kind: u16, data: Vec<u8>) -> Payload {
    Payload::Notify(Notify { protocol: 0, spi: Vec::new(), kind, data })
}

/// A notification about an ESP SA.
pub(crate) fn notify_esp(kind: u16, spi: u32) -> Payload {
    let spi = spi.to_be_bytes().to_vec();
    Payload::Notify(Notify { protocol: crate::msg::ESP, spi, kind, data: Vec::new() })
}

/// Every notification among `payloads`.
pub(crate) fn notifies(payloads: &[Payload]) -> impl Iterator<Item = &Notify> {
    payloads.iter().filter_map(|payload| match payload {
        Payload::Notify(notify) => Some(notify),
        _ => None,
    })
}

/// The first notification of this kind.
pub(crate) fn find(payloads: &[Payload], kind: u16) -> Option<&Notify> {
    notifies(payloads).find(|notify| notify.kind == kind)
}

/// Whether there is a notification of this kind.
pub(crate) fn has(payloads: &[Payload], kind: u16) -> bool {
    find(payloads, kind).is_some()
}

/// The first error (RFC 7296 section 3.10.1: types below 16384).
pub(crate) fn error(payloads: &[Payload]) -> Option<&Notify> {
    notifies(payloads).find(|notify| notify.kind < FIRST_STATUS)
}

/// What an error means, for the log.
pub(crate) fn words(kind: u16) -> &'static str {
    match kind {
        kind::UNSUPPORTED_CRITICAL_PAYLOAD => "it does not know a critical payload of ours",
        kind::INVALID_MAJOR_VERSION => "it does not speak IKEv2",
        kind::INVALID_SYNTAX => "it finds our message malformed (INVALID_SYNTAX)",
        kind::NO_PROPOSAL_CHOSEN => "it allows none of our proposals (NO_PROPOSAL_CHOSEN)",
        kind::INVALID_KE_PAYLOAD => "it wants another key exchange (INVALID_KE_PAYLOAD)",
        kind::AUTHENTICATION_FAILED => "it does not accept our authentication",
        kind::TS_UNACCEPTABLE => "it allows none of our traffic selectors (TS_UNACCEPTABLE)",
        kind::NO_ADDITIONAL_SAS => "it wants no further SAs (NO_ADDITIONAL_SAS)",
        kind::UNACCEPTABLE_ADDRESSES => "it does not accept our address",
        kind::TEMPORARY_FAILURE => "it is busy (TEMPORARY_FAILURE)",
        kind::CHILD_SA_NOT_FOUND => "it does not have that SA (CHILD_SA_NOT_FOUND)",
        kind::STATE_NOT_FOUND => "it has forgotten the exchange (STATE_NOT_FOUND)",
        kind::TS_MAX_QUEUE => "it wants no SA for a further worker (TS_MAX_QUEUE)",
        _ => "it answers with an error",
    }
}
