//! How long SAs live: what we are configured to, or less if the peer says so (RFC 2407 sections
//! 4.5.4 and 4.6.3.1).

use alloc::vec::Vec;
use core::time::Duration;

use engine::Instant;

use crate::msg::numbers::notify_v1;
use crate::msg::v1::{Attribute1, DOI_IPSEC, Payload1};
use crate::msg::{ESP, Notify};
use crate::policy::{ChildLifetime, IkeLifetime};
use crate::proposal::v1::Lifetime;
use crate::shared::Shared;

/// When an SA is made anew, and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub renew_at: Option<Instant>,
    pub expires_at: Option<Instant>,
}

/// A shorter life than this would be spent on making it anew.
const SHORTEST: Duration = Duration::from_secs(10);

/// Where the new one is begun if the peer's limit is shorter than ours: at nine tenths.
fn before(hard: Duration) -> Duration {
    hard / 10 * 9
}

/// The SA's end and the moment to replace it, of an IKE SA that is up now. A responder waits
/// longer, for the initiator comes first and both at once would be one too many.
pub(super) fn of_ike(
    shared: &mut Shared,
    now: Instant,
    ours: IkeLifetime,
    theirs: Option<u32>,
    initiator: bool,
) -> (Instant, Instant) {
    let theirs = theirs.map(|seconds| Duration::from_secs(seconds.into()).max(SHORTEST));
    let hard = theirs.map_or(ours.hard, |theirs| theirs.min(ours.hard));
    let rekey = ours.reauthenticate.map_or(ours.rekey, |it| it.min(ours.rekey)).min(before(hard));
    let rekey = shared.jitter(rekey, ours.jitter_percent);
    let rekey = if initiator { rekey } else { rekey + hard.saturating_sub(rekey) / 2 };
    (now + rekey, now + hard)
}

/// The same of a pair of ESP SAs.
pub(super) fn of_child(
    shared: &mut Shared,
    now: Instant,
    ours: &ChildLifetime,
    theirs: Option<u32>,
    initiator: bool,
) -> Ends {
    let theirs = theirs.map(|seconds| Duration::from_secs(seconds.into()).max(SHORTEST));
    let hard = match (ours.hard, theirs) {
        (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
        (ours, theirs) => ours.or(theirs),
    };
    let rekey = match (ours.rekey, hard) {
        (Some(rekey), Some(hard)) => Some(rekey.min(before(hard))),
        (rekey, hard) => rekey.or(hard.map(before)),
    };
    let rekey = rekey.map(|rekey| shared.jitter(rekey, ours.jitter_percent)).map(|rekey| {
        let left = hard.map_or(rekey / 4, |hard| hard.saturating_sub(rekey) / 2);
        if initiator { rekey } else { rekey + left }
    });
    Ends { renew_at: rekey.map(|it| now + it), expires_at: hard.map(|it| now + it) }
}

/// Our limits in bytes, or the peer's where those are lower: the shell watches them.
pub(super) fn of_bytes(ours: ChildLifetime, theirs: Option<u32>) -> ChildLifetime {
    let Some(theirs) = theirs.map(|kilobytes| u64::from(kilobytes) * 1024) else { return ours };
    let hard = ours.hard_bytes.map_or(theirs, |ours| ours.min(theirs));
    let before = hard / 10 * 9;
    let rekey = ours.rekey_bytes.map_or(before, |ours| ours.min(before));
    ChildLifetime { rekey_bytes: Some(rekey), hard_bytes: Some(hard), ..ours }
}

/// What we say in a proposal.
pub(super) fn offered(ours: &ChildLifetime) -> Lifetime {
    let seconds = ours.hard.and_then(|hard| u32::try_from(hard.as_secs()).ok());
    let kilobytes = ours.hard_bytes.and_then(|bytes| u32::try_from(bytes / 1024).ok());
    Lifetime { seconds, kilobytes: kilobytes.filter(|kilobytes| *kilobytes > 0) }
}

/// The shorter of both.
pub(super) fn shorter(one: Lifetime, other: Lifetime) -> Lifetime {
    let least = |one: Option<u32>, other: Option<u32>| one.into_iter().chain(other).min();
    Lifetime {
        seconds: least(one.seconds, other.seconds),
        kilobytes: least(one.kilobytes, other.kilobytes),
    }
}

/// RESPONDER-LIFETIME notifications about SAs of `protocol` among `payloads`: attributes as in a
/// proposal.
pub(super) fn responder_lifetime(payloads: &[Payload1], protocol: u8) -> Lifetime {
    let mut lifetime = Lifetime::default();
    for payload in payloads {
        let Payload1::Notify(_, notify) = payload else { continue };
        if notify.kind != notify_v1::RESPONDER_LIFETIME || notify.protocol != protocol {
            continue;
        }
        let attributes = Attribute1::parse_all(&notify.data).unwrap_or_default();
        // Life type and duration: 1 and 2 of phase 2, 11 and 12 of phase 1.
        for pair in attributes.windows(2) {
            let [what, value] = pair else { continue };
            let number = value.number().and_then(|value| u32::try_from(value).ok());
            match (what.kind, value.kind, what.number()) {
                (1, 2, Some(1)) | (11, 12, Some(1)) => lifetime.seconds = number,
                (1, 2, Some(2)) | (11, 12, Some(2)) => lifetime.kilobytes = number,
                _ => {}
            }
        }
    }
    lifetime
}

/// RESPONDER-LIFETIME about the ESP SA with this SPI of ours: what of our limits is below what the
/// peer has offered.
pub(super) fn announce(spi: u32, ours: Lifetime, theirs: Lifetime) -> Option<Payload1> {
    let below = |ours: Option<u32>, theirs: Option<u32>| {
        ours.filter(|ours| theirs.is_none_or(|theirs| *ours < theirs))
    };
    let mut attributes = Vec::new();
    let units =
        [(1, below(ours.seconds, theirs.seconds)), (2, below(ours.kilobytes, theirs.kilobytes))];
    for (unit, value) in units {
        if let Some(value) = value {
            attributes.extend([Attribute1::short(1, unit), Attribute1::long(2, value)]);
        }
    }
    let notify = Notify {
        protocol: ESP,
        spi: spi.to_be_bytes().to_vec(),
        kind: notify_v1::RESPONDER_LIFETIME,
        data: Attribute1::write_all(&attributes),
    };
    (!attributes.is_empty()).then_some(Payload1::Notify(DOI_IPSEC, notify))
}
