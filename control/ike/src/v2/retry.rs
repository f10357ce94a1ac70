//! Children that could not be negotiated or have gone: when each is tried again.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use engine::Instant;

use super::sa::Lost;
use crate::policy::{Child, DpdAction, Peer, Start};

/// By child and address.
#[derive(Default)]
pub(crate) struct Retries(BTreeMap<(Box<str>, IpAddr), Retry>);

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

impl Retries {
    /// Whether it is not too early for a packet to ask again.
    pub fn may_try(&self, child: &str, remote: IpAddr, now: Instant) -> bool {
        self.0.get(&(child.into(), remote)).is_none_or(|retry| retry.at <= now)
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
        let known = self.0.get(&(child.name.clone(), remote));
        let failures = known.map_or(0, |retry| retry.failures);
        let by_itself = by_itself || known.is_some_and(|retry| retry.by_itself);
        let (at, failures) = match why {
            Lost::Failed => (now + first * (1 << failures.min(5)), failures + 1),
            Lost::Gone | Lost::Restart if by_itself => (now + Duration::from_millis(50), failures),
            Lost::Gone | Lost::Restart => return,
        };
        let key = (child.name.clone(), remote);
        self.0.insert(key, Retry { peer, child, at, failures, by_itself, under_way: false });
    }

    /// A child is up.
    pub fn succeeded(&mut self, child: &str, remote: IpAddr) {
        self.0.remove(&(child.into(), remote));
    }

    /// Peers are no longer configured.
    pub fn forget(&mut self, gone: &[Arc<Peer>]) {
        self.0.retain(|_, retry| !gone.iter().any(|peer| Arc::ptr_eq(peer, &retry.peer)));
    }

    /// The operator does not want this peer for now.
    pub fn terminate(&mut self, peer: &str) {
        self.0.retain(|_, retry| &*retry.peer.name != peer);
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.0.values().filter(|retry| retry.by_itself && !retry.under_way).map(|it| it.at).min()
    }

    /// What is to be tried by ourselves now.
    pub fn due(&mut self, now: Instant) -> Vec<(Arc<Peer>, Arc<Child>, IpAddr)> {
        let mut due = Vec::new();
        for ((_, remote), retry) in &mut self.0 {
            if retry.by_itself && !retry.under_way && retry.at <= now {
                retry.under_way = true;
                due.push((retry.peer.clone(), retry.child.clone(), *remote));
            }
        }
        due
    }
}
