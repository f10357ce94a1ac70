//! Dead peer detection (RFC 3706): silence makes us ask, and silence again makes us give up.

use alloc::vec::Vec;
use core::time::Duration;

use engine::Instant;

use crate::msg::v1::{DOI_IPSEC, Payload1};
use crate::msg::{IKE, IkeSpi, Notify};
use crate::policy;

/// What is known of a peer's life.
pub(super) struct Dpd {
    /// When something authentic came last.
    pub heard: Instant,
    asked: Option<Asked>,
    /// Number of our next question.
    sequence: u32,
    /// Number of the peer's last question: an older one is a replay (RFC 3706 section 5.4).
    answered: Option<u32>,
}

struct Asked {
    sequence: u32,
    since: Instant,
    again_at: Instant,
    interval: Duration,
}

/// What the clock says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing to do.
    Quiet,
    /// Ask, with this number.
    Ask(u32),
    /// It has not answered in time.
    Dead,
}

impl Dpd {
    /// The first number is random (RFC 3706 section 5.4), but leaves room to count.
    pub fn new(now: Instant, random: u32) -> Self {
        Self { heard: now, asked: None, sequence: random >> 1, answered: None }
    }

    /// Something authentic came.
    pub fn hear(&mut self, now: Instant) {
        self.heard = now;
        self.asked = None;
    }

    /// When [`Dpd::tick`] has something to say.
    pub fn deadline(&self, settings: &policy::Dpd) -> Instant {
        match &self.asked {
            Some(asked) => asked.again_at.min(asked.since + settings.timeout),
            None => self.heard + settings.delay,
        }
    }

    /// Asks once the peer has been silent for long enough.
    pub fn tick(&mut self, now: Instant, settings: &policy::Dpd) -> Verdict {
        match &mut self.asked {
            Some(asked) if asked.since + settings.timeout <= now => Verdict::Dead,
            Some(asked) if asked.again_at <= now => {
                asked.interval *= 2;
                asked.again_at = now + asked.interval;
                Verdict::Ask(asked.sequence)
            }
            None if self.heard + settings.delay <= now => self.ask(now, settings),
            _ => Verdict::Quiet,
        }
    }

    /// Asks now, whatever the clock says: there is a hint that the peer has forgotten us.
    pub fn ask(&mut self, now: Instant, settings: &policy::Dpd) -> Verdict {
        if self.asked.is_some() {
            return Verdict::Quiet;
        }
        self.sequence = self.sequence.wrapping_add(1);
        let interval = (settings.timeout / 8).max(Duration::from_millis(500));
        let (sequence, again_at) = (self.sequence, now + interval);
        self.asked = Some(Asked { sequence, since: now, again_at, interval });
        Verdict::Ask(sequence)
    }

    /// The peer has asked with this number; whether it is to be answered. What is older than its
    /// last question has been recorded and played back.
    pub fn answer(&mut self, sequence: u32) -> bool {
        let fresh = self.answered.is_none_or(|last| sequence.wrapping_sub(last) < u32::MAX / 2);
        if fresh {
            self.answered = Some(sequence);
        }
        fresh
    }

    /// The peer has answered; whether it was asked that.
    pub fn acknowledge(&mut self, now: Instant, sequence: u32) -> bool {
        let ours = self.asked.as_ref().is_some_and(|asked| asked.sequence == sequence);
        if ours {
            self.hear(now);
        }
        ours
    }
}

/// R-U-THERE or R-U-THERE-ACK (RFC 3706 section 5.3).
pub(super) fn notify(cookies: (IkeSpi, IkeSpi), kind: u16, sequence: u32) -> Payload1 {
    let spi = [cookies.0.0.to_be_bytes(), cookies.1.0.to_be_bytes()].concat();
    let data = sequence.to_be_bytes().to_vec();
    Payload1::Notify(DOI_IPSEC, Notify { protocol: IKE, spi, kind, data })
}

/// The number in such a notification, if it is about the SA with these cookies.
pub(super) fn sequence(cookies: (IkeSpi, IkeSpi), notify: &Notify) -> Option<u32> {
    let spi: Vec<u8> = [cookies.0.0.to_be_bytes(), cookies.1.0.to_be_bytes()].concat();
    let number = notify.data[..].try_into().ok().map(u32::from_be_bytes);
    number.filter(|_| notify.spi == spi)
}
