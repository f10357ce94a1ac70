//! Children that could not be negotiated or have gone: when each is tried again.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use engine::Instant;

use super::sa::Lost;
use crate::policy::{Child, DpdAction, Peer, Start};

/// A child and an address.
type Key = (Box<str>, IpAddr);

/// What is to be tried again.
#[derive(Default)]
pub(crate) struct Retries {
    all: BTreeMap<Key, Retry>,
    /// Those that are to be tried by ourselves and are not under way, by their time.
    due: BTreeSet<(Instant, Key)>,
}

struct Retry {
    peer: Arc<Peer>,
    child: Arc<Child>,
    /// Not before.
    at: Instant,
    failures: u32,
    /// By ourselves, or when a packet asks.
    by_itself: bool,
    /// It is being tried.
    under_way: bool,
}

impl Retry {
    /// When we try by ourselves.
    fn due_at(&self) -> Option<Instant> {
        (self.by_itself && !self.under_way).then_some(self.at)
    }
}

impl Retries {
    /// Whether it is not too early for a packet to ask again.
    pub fn may_try(&self, child: &str, remote: IpAddr, now: Instant) -> bool {
        self.all.get(&(child.into(), remote)).is_none_or(|retry| retry.at <= now)
    }

    /// A child is not there. Failures are tried again later and later.
    pub fn lost(
        &mut self,
        now: Instant,
        first: Duration,
        (peer, child, remote): (Arc<Peer>, Arc<Child>, IpAddr),
        why: Lost,
    ) {
        let restart =
            why == Lost::Restart && peer.dpd.is_some_and(|dpd| dpd.action == DpdAction::Restart);
        let called = peer.remote.is_some() || restart;
        let by_itself = called && (child.start == Start::Always || restart);
        let key = (child.name.clone(), remote);
        let known = self.all.get(&key);
        let failures = known.map_or(0, |retry| retry.failures);
        let by_itself = by_itself || known.is_some_and(|retry| retry.by_itself);
        let (at, failures) = match why {
            Lost::Failed => (now + first * (1 << failures.min(5)), failures + 1),
            Lost::Gone | Lost::Restart if by_itself => (now + Duration::from_millis(50), failures),
            Lost::Gone | Lost::Restart => return,
        };
        self.remove(&key);
        let retry = Retry { peer, child, at, failures, by_itself, under_way: false };
        self.due.extend(retry.due_at().map(|at| (at, key.clone())));
        self.all.insert(key, retry);
    }

    /// A child is up.
    pub fn succeeded(&mut self, child: &str, remote: IpAddr) {
        self.remove(&(child.into(), remote));
    }

    fn remove(&mut self, key: &Key) {
        let removed = self.all.remove_entry(key);
        if let Some((key, at)) = removed.and_then(|(key, retry)| Some((key, retry.due_at()?))) {
            self.due.remove(&(at, key));
        }
    }

    /// Peers are no longer configured.
    pub fn forget(&mut self, gone: &[Arc<Peer>]) {
        let gone: BTreeSet<_> = gone.iter().map(Arc::as_ptr).collect();
        self.keep(|retry| !gone.contains(&Arc::as_ptr(&retry.peer)));
    }

    /// The operator does not want this peer for now.
    pub fn terminate(&mut self, peer: &str) {
        self.keep(|retry| &*retry.peer.name != peer);
    }

    fn keep(&mut self, stays: impl Fn(&Retry) -> bool) {
        self.all.retain(|_, retry| stays(retry));
        self.due.retain(|(_, key)| self.all.contains_key(key));
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// What is to be tried by ourselves now.
    pub fn due(&mut self, now: Instant) -> Vec<(Arc<Peer>, Arc<Child>, IpAddr)> {
        let mut due = Vec::new();
        while self.deadline().is_some_and(|at| at <= now) {
            let Some((_, key)) = self.due.pop_first() else { break };
            if let Some(retry) = self.all.get_mut(&key) {
                retry.under_way = true;
                due.push((retry.peer.clone(), retry.child.clone(), key.1));
            }
        }
        due
    }
}
