//! Messages that are sent again: ours until they are answered, and answers when they are asked for
//! once more (RFC 2408 section 5.1).

use alloc::vec::Vec;
use core::time::Duration;

use engine::Instant;

use crate::algorithm::Prf;
use crate::crypto::digest;
use crate::shared::Settings;

/// A message that waits for an answer.
pub(super) struct Retransmit {
    message: Vec<u8>,
    /// When it is sent once more, or given up.
    pub at: Instant,
    interval: Duration,
    tries_left: u32,
}

impl Retransmit {
    /// `message` has been sent for the first time.
    pub fn new(settings: &Settings, now: Instant, message: Vec<u8>) -> Self {
        let interval = settings.retransmit_first;
        Self { message, at: now + interval, interval, tries_left: settings.retransmit_tries }
    }

    /// What to send again now that [`Retransmit::at`] has come; `None` is to give up.
    pub fn again(&mut self, now: Instant) -> Option<&[u8]> {
        self.tries_left = self.tries_left.checked_sub(1)?;
        self.interval *= 2;
        self.at = now + self.interval;
        Some(&self.message)
    }
}

/// The message of the peer's that was acted upon last, and what it was answered.
pub(super) struct Answered {
    fingerprint: Vec<u8>,
    answer: Vec<u8>,
    /// Until when the answer is kept.
    pub until: Instant,
}

impl Answered {
    /// Long enough for the last retransmission of a peer that backs off like we do.
    const KEPT: Duration = Duration::from_secs(60);

    pub fn new(now: Instant, message: &[u8], answer: Vec<u8>) -> Self {
        Self { fingerprint: fingerprint(message), answer, until: now + Self::KEPT }
    }

    /// The answer, if `message` is the one that was answered.
    pub fn to(&self, message: &[u8]) -> Option<&[u8]> {
        (self.fingerprint == fingerprint(message)).then_some(&*self.answer)
    }
}

/// What tells messages apart that a stranger may have made to look alike.
fn fingerprint(message: &[u8]) -> Vec<u8> {
    let mut hash = digest(Prf::HmacSha256, &[message]);
    hash.truncate(16);
    hash
}
