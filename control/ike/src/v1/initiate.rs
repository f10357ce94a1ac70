//! What we begin: main modes for children that are wanted, and again what has failed.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use engine::Instant;

use super::main_mode::{self, Flaw};
use super::pair::Pair;
use super::phase1::{Phase1, State, Wanted};
use super::retransmit::Retransmit;
use super::{Engine, Timer};
use crate::output::{IkeSaId, Level, Path, RemovalReason};
use crate::policy::{Child, Peer, Start};
use crate::shared::Shared;

/// A child that could not be negotiated, or is to be negotiated soon.
pub(super) struct Retry {
    /// Not before then.
    pub at: Instant,
    /// How long after another failure.
    interval: Duration,
    /// It is tried by itself, not only when a packet asks for it.
    by_itself: bool,
    peer: Arc<Peer>,
    child: Arc<Child>,
}

impl Engine {
    /// Negotiates a child: on the SA there is, on the one that is being made, or on a new one.
    pub(super) fn negotiate(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        peer: &Arc<Peer>,
        remote: IpAddr,
        wanted: Wanted,
    ) {
        let with_it = |sa: &&Phase1| sa.peer().is_some_and(|it| it.name == peer.name);
        let name = &wanted.child.name;
        let asked = self.at(remote).filter(with_it).any(|sa| {
            sa.wanted.iter().any(|wanted| wanted.child.name == *name)
                || sa.established().is_some_and(|up| {
                    let mut quick = up.quick.values();
                    quick.any(|it| it.under_way() && it.child.name == *name)
                })
        });
        if asked {
            return;
        }
        let usable = self.at(remote).filter(with_it).rfind(|sa| sa.usable());
        if let Some(ike) = usable.map(|sa| sa.id) {
            return self.begin_quick(shared, now, ike, wanted);
        }
        let calling = |sa: &&Phase1| matches!(sa.state, State::Calling(_));
        let calling = self.at(remote).filter(with_it).find(calling).map(|sa| sa.id);
        if let Some(sa) = calling.and_then(|id| self.sas.get_mut(&id)) {
            return sa.wanted.push(wanted);
        }
        let known = self.at(remote).rfind(with_it).map(|sa| sa.path);
        let path = known.unwrap_or_else(|| Path {
            local: SocketAddr::new(shared.local_address(peer, remote), shared.settings.port),
            remote: SocketAddr::new(remote, shared.settings.port),
        });
        self.call(shared, now, peer, path, Some(wanted));
    }

    /// Begins a main mode.
    pub(super) fn call(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        peer: &Arc<Peer>,
        path: Path,
        wanted: Option<Wanted>,
    ) {
        if shared.sa_count >= shared.settings.sa_max {
            let text = format!("not called: there are {} SAs already", shared.sa_count);
            return shared.log(Level::Warning, &peer.name, text);
        }
        match main_mode::call(shared, now, peer, path) {
            Ok((mut sa, message)) => {
                shared.transmit(path, message.clone());
                sa.sent = Some(Retransmit::new(&shared.settings, now, message));
                sa.wanted.extend(wanted);
                self.insert(shared, sa);
            }
            Err(Flaw::Fatal(why) | Flaw::Dropped(why)) => {
                shared.log(Level::Error, &peer.name, why);
                if let Some(wanted) = wanted {
                    let remote = path.remote.ip();
                    self.retry_later(shared, now, peer, &wanted.child, remote);
                }
            }
        }
    }

    /// Another main mode in place of an SA that is up.
    pub(super) fn renew(&mut self, shared: &mut Shared, now: Instant, ike: IkeSaId) {
        let Some(sa) = self.sas.get_mut(&ike) else { return };
        let (path, peer, id) = (sa.path, sa.peer().cloned(), sa.id);
        let Some(up) = sa.established_mut() else { return };
        // Tried again in a while, should nothing come of it before the SA ends.
        up.renew_at = Some(now + (up.expires_at.since(now) / 4).max(shared.settings.retry));
        self.touch(Timer::Sa(id));
        let Some(peer) = peer else { return };
        let calling = self
            .at(path.remote.ip())
            .any(|sa| matches!(sa.state, State::Calling(_)) && sa.path.remote == path.remote);
        if !calling {
            self.call(shared, now, &peer, path, None);
        }
    }

    /// A main mode comes to nothing.
    pub(super) fn give_up(&mut self, shared: &mut Shared, now: Instant, ike: IkeSaId, why: &str) {
        let Some(sa) = self.sas.get_mut(&ike) else { return };
        let (remote, peer) = (sa.path.remote, sa.peer().cloned());
        let wanted = core::mem::take(&mut sa.wanted);
        let text = format!("main mode with {remote} failed: {why}");
        match &peer {
            Some(peer) if sa.initiator => shared.log(Level::Warning, &peer.name, text),
            _ => shared.log_stranger(now, Level::Warning, None, text),
        }
        self.drop_sa(shared, ike);
        let Some(peer) = peer else { return };
        for wanted in wanted {
            self.retry_later(shared, now, &peer, &wanted.child, remote.ip());
            // What lives without an IKE SA and cannot be given one has lost its peer.
            let orphan = wanted
                .replaces
                .and_then(|id| self.pairs.get(&id))
                .filter(|pair| self.usable_for(&pair.key, pair.ike).is_none());
            if let Some(id) = orphan.map(|pair| pair.sa.id) {
                self.remove_pair(shared, now, id, RemovalReason::PeerDead, false);
            }
        }
    }

    /// A child could not be negotiated: it is tried later, and later still.
    pub(super) fn retry_later(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        peer: &Arc<Peer>,
        child: &Arc<Child>,
        remote: IpAddr,
    ) {
        let key = (child.name.clone(), remote);
        let (first, most) = (shared.settings.retry, shared.settings.retry * 32);
        let last = self.retries.get(&key).map(|retry| retry.interval);
        let interval = last.map_or(first, |last| (last * 2).min(most));
        let interval = shared.jitter(interval, 20);
        let retry = Retry {
            at: now + interval,
            interval,
            by_itself: child.start == Start::Always,
            peer: peer.clone(),
            child: child.clone(),
        };
        self.retries.insert(key, retry);
        self.touch(Timer::Retry(child.name.clone(), remote));
    }

    /// A child is to be negotiated at a moment, whatever failed before.
    pub(super) fn retry_at(
        &mut self,
        at: Instant,
        peer: &Arc<Peer>,
        child: &Arc<Child>,
        remote: IpAddr,
    ) {
        let (peer, child) = (peer.clone(), child.clone());
        self.touch(Timer::Retry(child.name.clone(), remote));
        let interval = Duration::from_secs(1);
        let key = (child.name.clone(), remote);
        let retry = Retry { at, interval, by_itself: true, peer, child };
        self.retries.insert(key, retry);
    }

    /// It has been negotiated.
    pub(super) fn no_retry(&mut self, child: &Child, remote: IpAddr) {
        self.retries.remove(&(child.name.clone(), remote));
        self.touch(Timer::Retry(child.name.clone(), remote));
    }

    /// Nothing of these peers' is tried any longer.
    pub(super) fn cancel_retries(&mut self, is_meant: impl Fn(&str) -> bool) {
        let of_it = self.retries.iter().filter(|(_, retry)| is_meant(&retry.peer.name));
        for key in of_it.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.retries.remove(&key);
            self.touch(Timer::Retry(key.0, key.1));
        }
    }

    /// The clock of what has failed.
    pub(super) fn tick_retry(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        child: Box<str>,
        remote: IpAddr,
    ) {
        let Some(retry) = self.retries.get_mut(&(child.clone(), remote)) else { return };
        if !retry.by_itself {
            self.retries.remove(&(child, remote));
            return;
        }
        // Nothing is due until this try has failed, which sets the clock again.
        retry.by_itself = false;
        retry.at = now + retry.interval;
        let (peer, child) = (retry.peer.clone(), retry.child.clone());
        let has = self.pairs.at(&child.name, remote).any(Pair::useful);
        if !has && shared.peers.has(&peer) {
            let wanted = Wanted { child, packet: None, replaces: None };
            self.negotiate(shared, now, &peer, remote, wanted);
        }
    }
}
