//! One request at a time in each direction, and what became of the last one (RFC 7296 sections 2.1
//! to 2.3): requests are sent again until they are answered, and the last answer is kept so that a
//! request that comes again gets the same bytes.

use alloc::vec::Vec;
use core::time::Duration;

use engine::Instant;

use crate::output::Path;
use crate::shared::Shared;

/// Message ids, and what may have to be sent again.
#[derive(Default)]
pub(crate) struct Window {
    next_request: u32,
    expected_request: u32,
    outstanding: Option<Outstanding>,
    answered: Option<Vec<Vec<u8>>>,
}

/// How long a request waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Before it is sent again for the first time.
    pub first: Duration,
    /// The longest time between two of them.
    pub longest: Duration,
    /// Altogether.
    pub total: Duration,
}

/// A request that has no answer yet.
struct Outstanding {
    datagrams: Vec<Vec<u8>>,
    interval: Duration,
    longest: Duration,
    again_at: Instant,
    give_up_at: Instant,
}

/// What a request's message id says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The one that is due.
    New,
    /// The last one, once more.
    Again,
    /// None that we could answer.
    Stale,
}

/// What has become due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// The request was sent once more.
    SentAgain,
    /// Nobody answers.
    GiveUp,
}

impl Window {
    /// Whether a request waits for its answer.
    pub fn is_busy(&self) -> bool {
        self.outstanding.is_some()
    }

    /// The id of the request that is sent next, or of the one that waits.
    pub fn request_id(&self) -> u32 {
        self.next_request
    }

    /// The id of our request that was answered last.
    pub fn answered_id(&self) -> u32 {
        self.next_request.wrapping_sub(1)
    }

    /// The id of the peer's request that is due, or being answered.
    pub fn due_id(&self) -> u32 {
        self.expected_request
    }

    /// Whether this response is the one that is waited for.
    pub fn awaits(&self, message_id: u32) -> bool {
        self.is_busy() && message_id == self.next_request
    }

    /// Sends a request, in one datagram or in fragments.
    pub fn send(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        path: Path,
        datagrams: Vec<Vec<u8>>,
        patience: Patience,
    ) {
        for datagram in &datagrams {
            shared.transmit(path, datagram.clone());
        }
        // A little noise, so that peers which lost a link together do not return together.
        let interval = shared.jitter(patience.first, 10);
        self.outstanding = Some(Outstanding {
            datagrams,
            interval,
            longest: patience.longest,
            again_at: now + interval,
            give_up_at: now + patience.total,
        });
    }

    /// The response to the outstanding request has come and is accepted.
    pub fn complete(&mut self) {
        if self.outstanding.take().is_some() {
            self.next_request = self.next_request.wrapping_add(1);
        }
    }

    /// The request is forgotten and its id used again: IKE_SA_INIT after COOKIE or
    /// INVALID_KE_PAYLOAD (RFC 7296 section 2.2 keeps id 0 for all of them).
    pub fn withdraw(&mut self) {
        self.outstanding = None;
    }

    /// When [`Window::handle_timeout`] is wanted.
    pub fn deadline(&self) -> Option<Instant> {
        self.outstanding.as_ref().map(|waiting| waiting.again_at.min(waiting.give_up_at))
    }

    /// Sends the request once more, on the path of now, if it is time.
    pub fn handle_timeout(&mut self, shared: &mut Shared, now: Instant, path: Path) -> Due {
        let Some(waiting) = &mut self.outstanding else { return Due::Nothing };
        if now >= waiting.give_up_at {
            return Due::GiveUp;
        }
        if now < waiting.again_at {
            return Due::Nothing;
        }
        for datagram in &waiting.datagrams {
            shared.transmit(path, datagram.clone());
        }
        waiting.interval = (waiting.interval * 2).min(waiting.longest);
        waiting.again_at = now + waiting.interval;
        Due::SentAgain
    }

    /// Nobody waits for the answer longer than until then.
    pub fn hasten(&mut self, until: Instant) {
        if let Some(waiting) = &mut self.outstanding {
            waiting.give_up_at = waiting.give_up_at.min(until);
        }
    }

    /// Sends the outstanding request at once: the path has changed under it.
    pub fn send_now(&mut self, shared: &mut Shared, path: Path) {
        for datagram in self.outstanding.iter().flat_map(|waiting| &waiting.datagrams) {
            shared.transmit(path, datagram.clone());
        }
    }

    /// What to do with a request of this id.
    pub fn arrival(&self, message_id: u32) -> Arrival {
        if message_id == self.expected_request {
            Arrival::New
        } else if message_id.wrapping_add(1) == self.expected_request && self.answered.is_some() {
            Arrival::Again
        } else {
            Arrival::Stale
        }
    }

    /// Sends the response to the request that was due, and keeps it.
    pub fn answer(&mut self, shared: &mut Shared, path: Path, datagrams: Vec<Vec<u8>>) {
        for datagram in &datagrams {
            shared.transmit(path, datagram.clone());
        }
        self.answered = Some(datagrams);
        self.expected_request = self.expected_request.wrapping_add(1);
    }

    /// Sends the last response once more, to wherever the request came from now.
    pub fn answer_again(&self, shared: &mut Shared, path: Path) {
        for datagram in self.answered.iter().flatten() {
            shared.transmit(path, datagram.clone());
        }
    }
}
