//! Which of many things is due next.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;

use engine::Instant;

use crate::output::{ChildSaId, IkeSaId};

/// What has a clock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Sa(IkeSaId),
    Pair(ChildSaId),
    /// A child that could not be negotiated with this peer.
    Retry(Box<str>, IpAddr),
}

/// Each thing's next moment.
#[derive(Default)]
pub(super) struct Timers {
    queue: BTreeSet<(Instant, Timer)>,
    armed: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// From now on `timer` is due `at`; `None` is never.
    pub fn set(&mut self, timer: Timer, at: Option<Instant>) {
        if let Some(old) = self.armed.remove(&timer) {
            self.queue.remove(&(old, timer.clone()));
        }
        if let Some(at) = at {
            self.armed.insert(timer.clone(), at);
            self.queue.insert((at, timer));
        }
    }

    /// The next moment at which anything is due.
    pub fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes what is due by now, one at a time.
    pub fn due(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = self.queue.first().filter(|(at, _)| *at <= now).cloned()?;
        self.queue.remove(&(at, timer.clone()));
        self.armed.remove(&timer);
        Some(timer)
    }
}
