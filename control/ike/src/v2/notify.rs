//! Notifications (RFC 7296 section 3.10.1): their numbers, and how they are written.

use alloc::vec::Vec;

use crate::msg::{Notify, Payload};

/// IANA "IKEv2 Notify Message Types", as far as this engine knows them.
pub(crate) mod kind {
    pub const UNSUPPORTED_CRITICAL_PAYLOAD: u16 = 1;
    pub const INVALID_MAJOR_VERSION: u16 = 5;
    pub const INVALID_SYNTAX: u16 = 7;
    pub const NO_PROPOSAL_CHOSEN: u16 = 14;
    pub const INVALID_KE_PAYLOAD: u16 = 17;
    pub const AUTHENTICATION_FAILED: u16 = 24;
    pub const TS_UNACCEPTABLE: u16 = 38;
    pub const NO_ADDITIONAL_SAS: u16 = 35;
    pub const UNACCEPTABLE_ADDRESSES: u16 = 40;
    pub const TEMPORARY_FAILURE: u16 = 43;
    pub const CHILD_SA_NOT_FOUND: u16 = 44;
    /// RFC 9370.
    pub const STATE_NOT_FOUND: u16 = 47;
    /// RFC 9611.
    pub const TS_MAX_QUEUE: u16 = 48;
    /// Types below this one are errors.
    pub const FIRST_STATUS: u16 = 16384;
    pub const INITIAL_CONTACT: u16 = 16384;
    pub const NAT_DETECTION_SOURCE_IP: u16 = 16388;
    pub const NAT_DETECTION_DESTINATION_IP: u16 = 16389;
    pub const COOKIE: u16 = 16390;
    pub const USE_TRANSPORT_MODE: u16 = 16391;
    pub const REKEY_SA: u16 = 16393;
    pub const ESP_TFC_PADDING_NOT_SUPPORTED: u16 = 16394;
    /// RFC 4555.
    pub const MOBIKE_SUPPORTED: u16 = 16396;
    pub const UPDATE_SA_ADDRESSES: u16 = 16400;
    pub const COOKIE2: u16 = 16401;
    pub const NO_NATS_ALLOWED: u16 = 16402;
    /// RFC 6023.
    pub const CHILDLESS_IKEV2_SUPPORTED: u16 = 16418;
    /// RFC 7383.
    pub const IKEV2_FRAGMENTATION_SUPPORTED: u16 = 16430;
    /// RFC 7427.
    pub const SIGNATURE_HASH_ALGORITHMS: u16 = 16431;
    /// RFC 8784.
    pub const USE_PPK: u16 = 16435;
    pub const PPK_IDENTITY: u16 = 16436;
    pub const NO_PPK_AUTH: u16 = 16437;
    /// RFC 9242.
    pub const INTERMEDIATE_EXCHANGE_SUPPORTED: u16 = 16438;
    /// RFC 9370.
    pub const ADDITIONAL_KEY_EXCHANGE: u16 = 16441;
    /// RFC 9611.
    pub const SA_RESOURCE_INFO: u16 = 16444;
}

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
    notifies(payloads).find(|notify| notify.kind < kind::FIRST_STATUS)
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
