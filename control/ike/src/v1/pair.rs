//! Pairs of ESP SAs: which one of a child packets are sent through, and when the others go.
//!
//! Both ends may begin a quick mode at once. Then there are two pairs, of which the one whose lower
//! nonce is higher stays: both ends know all nonces, so both choose the same. Every inbound SA
//! takes packets until it has been quiet for a while, whichever the peer sends through.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use engine::Instant;

use super::lifetime::Ends;
use super::phase1::{PeerKey, Wanted};
use super::quick_mode::Quick;
use super::{Engine, Timer};
use crate::output::{ChildSa, ChildSaId, Event, IkeSaId, Level, RemovalReason};
use crate::policy::{Child, Peer, Start};
use crate::shared::Shared;

/// A pair of ESP SAs.
pub(super) struct Pair {
    pub sa: Arc<ChildSa>,
    pub peer: Arc<Peer>,
    pub child: Arc<Child>,
    pub key: PeerKey,
    /// The IKE SA that it lives on now; [`super::pairs::Pairs`] changes it.
    pub ike: IkeSaId,
    /// The quick mode was ours.
    initiator: bool,
    /// When the quick mode began.
    pub began: Instant,
    /// When the quick mode was over.
    pub live_since: Option<Instant>,
    /// The nonces of the quick mode, until its last message is made.
    pub nonces: Option<(Vec<u8>, Vec<u8>)>,
    rank: Vec<u8>,
    pub state: PairState,
    pub ends: Ends,
    /// When packets came through it last, as far as we were told.
    pub alive: Instant,
    /// Packets are sent through it.
    pub outbound: bool,
    /// Until then the pair before it is sent through: message 3 may still be on its way.
    switch_at: Option<Instant>,
    /// Since when it has been draining.
    drains_since: Option<Instant>,
    /// Its replacement is under way.
    pub rekeying: bool,
}

/// What a pair is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PairState {
    /// It takes packets; the peer's message 3 is awaited.
    Installing,
    /// It may be sent through.
    Live,
    /// It takes what is still on its way.
    Draining,
}

/// How long a pair that replaces another is not sent through, unless the peer shows that it is
/// ready: message 3 is not answered.
const SWITCH_DELAY: Duration = Duration::from_millis(500);

/// The longest that a message may have been under way, however long an answer took to come: the
/// rest was spent on sending again.
const CROSSING: Duration = Duration::from_secs(1);

impl Pair {
    pub fn new(
        sa: Arc<ChildSa>,
        peer: Arc<Peer>,
        child: Arc<Child>,
        key: PeerKey,
        quick: &Quick,
        nonces: (Vec<u8>, Vec<u8>),
        ends: Ends,
    ) -> Self {
        Self {
            ike: sa.ike,
            sa,
            peer,
            child,
            key,
            initiator: quick.initiator,
            began: quick.began,
            live_since: None,
            rank: nonces.0.clone().min(nonces.1.clone()),
            nonces: Some(nonces),
            state: PairState::Installing,
            ends,
            alive: quick.began,
            outbound: false,
            switch_at: None,
            drains_since: None,
            rekeying: false,
        }
    }

    /// Its quick mode is over.
    pub fn live(&mut self, now: Instant) {
        self.state = PairState::Live;
        self.live_since = Some(now);
        self.alive = now;
        self.switch_at = self.initiator.then_some(now + SWITCH_DELAY);
    }

    /// Whether the quick mode of `other` was known to both ends only after this one was over.
    ///
    /// A quick mode of ours tells how long a message takes to come back: what the peer begins
    /// within that time after it may have left before it, and been overtaken. One of the peer's is
    /// over when its last message is here, and ours that begins then is known to be the later one.
    fn precedes(&self, other: &Self) -> bool {
        self.live_since.is_some_and(|live| {
            let took = if self.initiator { live.since(self.began) } else { Duration::ZERO };
            live + took.min(CROSSING) <= other.began
        })
    }

    /// Whether this pair is to be sent through rather than `other`.
    fn outranks(&self, other: &Self) -> bool {
        let crossed =
            self.initiator != other.initiator && !self.precedes(other) && !other.precedes(self);
        if crossed {
            return self.rank > other.rank;
        }
        (self.began, self.sa.id) > (other.began, other.sa.id)
    }

    /// The next moment at which something is to be done.
    pub fn deadline(&self, drain: Duration) -> Option<Instant> {
        let renew = self.ends.renew_at.filter(|_| self.state == PairState::Live && !self.rekeying);
        let switch = self.switch_at.filter(|_| self.state == PairState::Live && !self.outbound);
        let quiet = (self.state == PairState::Draining).then(|| self.alive + drain);
        [renew, self.ends.expires_at, switch, quiet].into_iter().flatten().min()
    }

    /// It carries packets, or is about to.
    pub fn useful(&self) -> bool {
        self.state != PairState::Draining
    }

    /// In words.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            PairState::Installing => "installing",
            PairState::Live if self.rekeying => "rekeying",
            PairState::Live => "installed",
            PairState::Draining => "draining",
        }
    }
}

impl Engine {
    /// A pair whose inbound SA has been installed.
    pub(super) fn add_pair(&mut self, shared: &mut Shared, now: Instant, pair: Pair) {
        let id = pair.sa.id;
        let live = pair.state == PairState::Live;
        self.pairs.insert(pair);
        self.touch(Timer::Pair(id));
        if live {
            self.settle(shared, now, id);
        }
    }

    /// The pairs of the same child and peer as `id`.
    fn siblings(&self, id: ChildSaId) -> Vec<ChildSaId> {
        let Some(pair) = self.pairs.get(&id) else { return Vec::new() };
        self.pairs.of_child(&pair.key, &pair.child.name).map(|other| other.sa.id).collect()
    }

    /// Chooses the pair to send through among those of one child and peer, and lets the others
    /// drain.
    pub(super) fn settle(&mut self, shared: &mut Shared, now: Instant, id: ChildSaId) {
        let siblings = self.siblings(id);
        let live = siblings.iter().filter_map(|id| self.pairs.get(id));
        let live = live.filter(|pair| pair.state == PairState::Live);
        let best = live.reduce(|best, pair| if pair.outranks(best) { pair } else { best });
        let Some(best) = best.map(|pair| pair.sa.id) else { return };
        let other_carries = siblings
            .iter()
            .filter(|id| **id != best)
            .any(|id| self.pairs.get(id).is_some_and(|pair| pair.outbound));
        let Some(pair) = self.pairs.get_mut(&best) else { return };
        let waits = pair.switch_at.is_some_and(|at| at > now) && other_carries;
        if !pair.outbound && waits {
            return self.touch(Timer::Pair(best));
        }
        if !pair.outbound {
            pair.outbound = true;
            shared.emit(Event::InstallOutbound(best));
            let text = alloc::format!(
                "keys for {}: {}, SPIs {:08x} in, {:08x} out",
                pair.child.name,
                pair.sa.suite.name(),
                pair.sa.inbound.spi,
                pair.sa.outbound.spi
            );
            shared.log(Level::Info, &pair.peer.name, text);
        }
        self.touch(Timer::Pair(best));
        for id in siblings.into_iter().filter(|id| *id != best) {
            let Some(pair) = self.pairs.get_mut(&id) else { continue };
            pair.outbound = false;
            if pair.state == PairState::Live {
                pair.state = PairState::Draining;
                pair.alive = now;
                pair.drains_since = Some(now);
            }
            self.touch(Timer::Pair(id));
        }
    }

    /// Ends a pair; the peer is told if `tell`.
    pub(super) fn remove_pair(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        id: ChildSaId,
        reason: RemovalReason,
        tell: bool,
    ) {
        let siblings = self.siblings(id);
        let Some(pair) = self.pairs.remove(&id) else { return };
        self.touch(Timer::Pair(id));
        shared.release_esp_spi(pair.sa.inbound.spi);
        shared.emit(Event::Remove(id, reason));
        if tell {
            self.send_delete(shared, &pair);
        }
        // What was about to drain carries on if nothing better is left.
        let left: Vec<_> = siblings.into_iter().filter(|other| *other != id).collect();
        let carries = |id: &ChildSaId| {
            self.pairs.get(id).is_some_and(|pair| pair.state != PairState::Draining)
        };
        if !left.iter().any(carries) {
            let revived = left.iter().filter_map(|id| self.pairs.get(id));
            let revived = revived.max_by_key(|pair| pair.began).map(|pair| pair.sa.id);
            if let Some(revived) = revived.and_then(|id| self.pairs.get_mut(&id)) {
                revived.state = PairState::Live;
                revived.switch_at = None;
                revived.drains_since = None;
            }
        }
        if let Some(first) = left.first() {
            self.settle(shared, now, *first);
        } else if reason != RemovalReason::Terminated && pair.child.start == Start::Always {
            let remote = pair.sa.path.remote.ip();
            self.retry_at(now, &pair.peer, &pair.child, remote);
        }
        self.bury(shared, pair.ike);
    }

    /// The clock of a pair.
    pub(super) fn tick_pair(&mut self, shared: &mut Shared, now: Instant, id: ChildSaId) {
        let drain = shared.settings.drain;
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        if pair.ends.expires_at.is_some_and(|at| at <= now) {
            return self.remove_pair(shared, now, id, RemovalReason::Expired, true);
        }
        if pair.state == PairState::Draining && pair.alive + drain <= now {
            return self.remove_pair(shared, now, id, RemovalReason::Replaced, true);
        }
        if pair.state == PairState::Live {
            let renew = pair.ends.renew_at.is_some_and(|at| at <= now) && !pair.rekeying;
            if !pair.outbound && pair.switch_at.is_some_and(|at| at <= now) {
                pair.switch_at = None;
                self.settle(shared, now, id);
            }
            if renew {
                self.rekey_pair(shared, now, id);
            }
        }
        self.touch(Timer::Pair(id));
    }

    /// The peer has sent through this pair: it is ready for ours.
    pub(super) fn inbound_used(&mut self, shared: &mut Shared, now: Instant, id: ChildSaId) {
        self.follow(shared, now, id);
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        pair.switch_at = None;
        if pair.state == PairState::Live && !pair.outbound {
            self.settle(shared, now, id);
        }
        self.touch(Timer::Pair(id));
    }

    /// The peer keeps to a pair that we let drain, and never sends through ours: the two ends have
    /// not chosen the same. The one that answered in main mode gives in.
    pub(super) fn follow(&mut self, shared: &mut Shared, now: Instant, id: ChildSaId) {
        let long = shared.settings.drain * 3;
        let Some(pair) = self.pairs.get(&id) else { return };
        let kept = pair.drains_since.is_some_and(|since| since + long <= now);
        let yields = self.sas.get(&pair.ike).is_some_and(|sa| !sa.initiator);
        let siblings = self.siblings(id);
        let unused = |other: &ChildSaId| {
            self.pairs.get(other).is_some_and(|it| it.outbound && it.alive + long <= now)
        };
        let Some(ours) = siblings.iter().find(|other| unused(other)).copied() else { return };
        if !kept || !yields {
            return;
        }
        if let Some(ours) = self.pairs.get_mut(&ours) {
            (ours.state, ours.outbound) = (PairState::Draining, false);
            (ours.alive, ours.drains_since) = (now, Some(now));
        }
        if let Some(pair) = self.pairs.get_mut(&id) {
            (pair.state, pair.drains_since, pair.switch_at) = (PairState::Live, None, None);
        }
        self.touch(Timer::Pair(ours));
        self.settle(shared, now, id);
    }

    /// Negotiates the replacement of a pair, unless that is under way from either side.
    pub(super) fn rekey_pair(&mut self, shared: &mut Shared, now: Instant, id: ChildSaId) {
        let Some(pair) = self.pairs.get(&id).filter(|pair| pair.state == PairState::Live) else {
            return;
        };
        let (peer, child, remote) =
            (pair.peer.clone(), pair.child.clone(), pair.sa.path.remote.ip());
        let installing = |id: &ChildSaId| {
            self.pairs.get(id).is_some_and(|pair| pair.state == PairState::Installing)
        };
        let busy = self.siblings(id).iter().any(installing);
        if let Some(pair) = self.pairs.get_mut(&id) {
            // Tried again later if nothing comes of it.
            pair.ends.renew_at = Some(now + shared.settings.retry * 4);
            pair.rekeying = !busy;
        }
        if !busy {
            let packet = None;
            let wanted = Wanted { child, packet, replaces: Some(id) };
            self.negotiate(shared, now, &peer, remote, wanted);
        }
        self.touch(Timer::Pair(id));
    }
}
