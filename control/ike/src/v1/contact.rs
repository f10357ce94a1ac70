//! SAs that come up and go: which one stays where a peer has several, and what becomes of the pairs
//! of the others.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use engine::Instant;

use super::dpd::Dpd;
use super::main_mode::Authenticated;
use super::pair::Pair;
use super::phase1::{Established, PeerKey, Phase1, State, Wanted};
use super::{Engine, Timer, lifetime};
use crate::key_log;
use crate::output::{ChildSaId, Event, IkeSaId, Level, Path, RemovalReason};
use crate::policy::{DpdAction, Uniqueness};
use crate::proposal::v1::Lifetime;
use crate::shared::Shared;

/// How long an SA that has been replaced stays for what is under way on it.
const RETIREMENT: Duration = Duration::from_secs(30);

impl Engine {
    /// The SAs whose peer is at an address, the oldest first.
    pub(super) fn at(&self, address: IpAddr) -> impl DoubleEndedIterator<Item = &Phase1> {
        self.known.at(address).filter_map(|id| self.sas.get(&id))
    }

    /// The SAs with a peer, the oldest first.
    fn with(&self, key: &PeerKey) -> impl DoubleEndedIterator<Item = &Phase1> {
        self.known.of(key).filter_map(|id| self.sas.get(&id))
    }

    /// Whether nothing is left of earlier SAs with the peer that `sa` calls.
    pub(super) fn is_first_contact(&self, sa: &Phase1) -> bool {
        let Some(peer) = sa.peer() else { return false };
        let same = |other: &Phase1| {
            other.id != sa.id
                && matches!(other.state, State::Up(_) | State::Gone(_))
                && other.peer().is_some_and(|it| it.name == peer.name)
        };
        !self.at(sa.path.remote.ip()).any(same)
    }

    /// Both ends are authenticated.
    pub(super) fn on_up(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        mut sa: Phase1,
        proven: Authenticated,
    ) {
        let (id, began) = (sa.id, sa.began);
        let peer = proven.peer.clone();
        self.no_longer_half_open(shared, id);
        let said = Lifetime { seconds: proven.lifetime, kilobytes: None };
        let theirs = lifetime::shorter(proven.choice.lifetime, said).seconds;
        let (renew_at, expires_at) =
            lifetime::of_ike(shared, now, peer.lifetime, theirs, sa.initiator);
        let suite = format!(
            "{}-{}-{}",
            proven.choice.encryption.name(),
            proven.choice.prf.name().trim_start_matches("prf"),
            proven.choice.group.name()
        );
        key_log::ikev1(shared, sa.cookies.0, &proven.keys.cipher);
        let text =
            format!("IKEv1 SA with {} at {} is up: {suite}", proven.identity, sa.path.remote);
        shared.log(Level::Info, &peer.name, text);
        shared.emit(Event::IkeUp(id));
        let identity = proven.identity;
        let key = PeerKey::new(&identity, sa.path, peer.uniqueness != Uniqueness::Never);
        sa.candidates = alloc::vec![peer];
        sa.sent = None;
        sa.state = State::Up(Box::new(Established {
            keys: proven.keys,
            last_block: proven.last_block,
            identity,
            key,
            since: now,
            renew_at: Some(renew_at),
            expires_at,
            retires_at: None,
            rank: proven.rank,
            quick: BTreeMap::new(),
            used: BTreeSet::new(),
            informed: Vec::new(),
            suite,
            dpd: Dpd::new(now, shared.random_u32()),
        }));
        let wanted = core::mem::take(&mut sa.wanted);
        self.known.note(&sa);
        self.sas.insert(id, sa);
        self.touch(Timer::Sa(id));
        if proven.initial_contact {
            self.on_initial_contact(shared, now, id, began);
        }
        if self.outlives_others(shared, now, id) {
            self.begin_wanted(shared, now, id, wanted);
        }
    }

    /// Negotiates what waited for the SA, unless the peer has been faster.
    fn begin_wanted(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        ike: IkeSaId,
        wanted: Vec<Wanted>,
    ) {
        let Some(sa) = self.sas.get(&ike) else { return };
        let (Some(key), Some(peer)) = (sa.key(), sa.peer().cloned()) else { return };
        let remote = sa.path.remote.ip();
        for wanted in wanted {
            let replaced = wanted.replaces;
            let serves = |pair: &Pair| pair.useful() && Some(pair.sa.id) != replaced;
            let has = self.pairs.of_child(&key, &wanted.child.name).any(serves);
            if !has {
                self.negotiate(shared, now, &peer, remote, wanted);
            }
        }
    }

    /// The peer says that it knows of no SA with us from before the exchange in which it says so:
    /// it has restarted. Whom it is about is who it has proven to be, not where it is.
    pub(super) fn on_initial_contact(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        ike: IkeSaId,
        began: Instant,
    ) {
        let Some(key) = self.sas.get(&ike).and_then(Phase1::key) else { return };
        let before =
            |sa: &&Phase1| sa.id != ike && sa.established().is_none_or(|up| up.since < began);
        let old: Vec<_> = self.with(&key).filter(before).map(|sa| sa.id).collect();
        let pairs = self.pairs.of_peer(&key).filter(|pair| pair.began < began);
        for id in pairs.map(|pair| pair.sa.id).collect::<Vec<_>>() {
            self.remove_pair(shared, now, id, RemovalReason::DeletedByPeer, false);
        }
        for id in old {
            self.close(shared, now, id);
        }
    }

    /// Settles which SA of the peer stays; `false` if it is not this one.
    fn outlives_others(&mut self, shared: &mut Shared, now: Instant, ike: IkeSaId) -> bool {
        let Some(sa) = self.sas.get(&ike) else { return false };
        let (Some(key), Some(peer), path) = (sa.key(), sa.peer().cloned(), sa.path) else {
            return false;
        };
        let others: Vec<_> = self.known.of(&key).filter(|other| *other != ike).collect();
        let mut winner = ike;
        for other_id in others {
            let Some(other) = self.sas.get(&other_id) else { continue };
            let moved = other.path.remote.ip() != path.remote.ip();
            match peer.uniqueness {
                Uniqueness::Keep if moved && other.usable() => {
                    let text = format!("is still connected from {}: refused", other.path.remote);
                    shared.log(Level::Warning, &peer.name, text);
                    self.send_ike_delete(shared, ike);
                    self.close(shared, now, ike);
                    return false;
                }
                Uniqueness::Replace if moved => {
                    self.end_peer_sa(shared, now, other_id);
                    continue;
                }
                _ => {}
            }
            let crossed = other.established().is_some_and(|up| {
                let Some(sa) = self.sas.get(&ike) else { return false };
                let ours = sa.established().map(|up| &up.rank);
                other.initiator != sa.initiator && up.since > sa.began && Some(&up.rank) > ours
            });
            let (stays, goes) = if crossed { (other_id, ike) } else { (ike, other_id) };
            winner = stays;
            if let Some(up) = self.sas.get_mut(&goes).and_then(Phase1::established_mut) {
                up.retires_at.get_or_insert(now + RETIREMENT);
                up.renew_at = None;
            }
            self.touch(Timer::Sa(goes));
        }
        let pairs = self.pairs.of_peer(&key);
        let (moves, left): (Vec<_>, BTreeSet<_>) = pairs.map(|pair| (pair.sa.id, pair.ike)).unzip();
        moves.into_iter().for_each(|id| self.pairs.move_to(id, winner));
        for id in left {
            self.bury(shared, id);
        }
        // What is wanted is negotiated on whichever stays.
        true
    }

    /// Ends an SA and its pairs, and tells the peer there.
    fn end_peer_sa(&mut self, shared: &mut Shared, now: Instant, ike: IkeSaId) {
        for id in self.pairs.on(ike).map(|pair| pair.sa.id).collect::<Vec<_>>() {
            self.remove_pair(shared, now, id, RemovalReason::Terminated, true);
        }
        self.send_ike_delete(shared, ike);
        self.close(shared, now, ike);
    }

    /// The SA through which the peer can be told something: the one given, or another one.
    pub(super) fn usable_for(&self, key: &PeerKey, ike: IkeSaId) -> Option<IkeSaId> {
        let own = self.sas.get(&ike).filter(|sa| sa.established().is_some());
        let other = || self.with(key).rfind(|sa| sa.established().is_some());
        own.or_else(other).map(|sa| sa.id)
    }

    /// An SA is over: its keys are wiped, and what was under way on it fails. Its pairs go to
    /// another one, or wait for one.
    pub(super) fn close(&mut self, shared: &mut Shared, now: Instant, ike: IkeSaId) {
        let Some(up) = self.sas.get(&ike).and_then(Phase1::established) else { return };
        let under_way = up.quick.iter().filter(|(_, quick)| quick.under_way());
        for id in under_way.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.fail_quick(shared, now, ike, id, None, "the IKE SA is gone");
        }
        let Some(sa) = self.sas.get_mut(&ike) else { return };
        let peer = sa.peer().map(|peer| peer.name.clone()).unwrap_or_default();
        let key = sa.key();
        let State::Up(up) = core::mem::replace(&mut sa.state, State::Gone(None)) else { return };
        sa.state = State::Gone(Some(up.key.clone()));
        let cookie = sa.our_cookie();
        self.cookies.remove(&cookie);
        shared.release_ike_spi(cookie);
        shared.sa_count = shared.sa_count.saturating_sub(1);
        shared.emit(Event::IkeDown(ike));
        shared.log(Level::Info, &peer, "IKEv1 SA is gone".into());
        if let Some(heir) = key.and_then(|key| self.usable_for(&key, ike)) {
            let pairs: Vec<_> = self.pairs.on(ike).map(|pair| pair.sa.id).collect();
            pairs.into_iter().for_each(|id| self.pairs.move_to(id, heir));
        }
        self.touch(Timer::Sa(ike));
        self.bury(shared, ike);
    }

    /// Forgets an SA that is gone and has no pairs.
    pub(super) fn bury(&mut self, _shared: &mut Shared, ike: IkeSaId) {
        let gone = self.sas.get(&ike).is_some_and(|sa| matches!(sa.state, State::Gone(_)));
        if gone && self.pairs.on(ike).next().is_none() {
            self.sas.remove(&ike);
            self.known.forget(ike);
            self.touch(Timer::Sa(ike));
        }
    }

    /// Forgets an SA that has not come up.
    pub(super) fn drop_sa(&mut self, shared: &mut Shared, ike: IkeSaId) {
        let Some(sa) = self.sas.remove(&ike) else { return };
        self.known.forget(ike);
        self.touch(Timer::Sa(ike));
        self.cookies.remove(&sa.our_cookie());
        shared.release_ike_spi(sa.our_cookie());
        shared.sa_count = shared.sa_count.saturating_sub(1);
        self.no_longer_half_open(shared, ike);
    }

    /// A stranger has authenticated, or is gone.
    fn no_longer_half_open(&mut self, shared: &mut Shared, ike: IkeSaId) {
        if let Some(caller) = self.half_open.remove(&ike) {
            self.callers.remove(&caller);
            self.unproven.remove(&ike);
            shared.half_open -= 1;
        }
    }

    /// The peer does not answer: everything with it goes, and comes back if it is to.
    pub(super) fn peer_dead(&mut self, shared: &mut Shared, now: Instant, ike: IkeSaId) {
        let Some(sa) = self.sas.get(&ike) else { return };
        let (Some(peer), Some(key)) = (sa.peer().cloned(), sa.key()) else { return };
        let remote = sa.path.remote;
        let text = format!("{remote} does not answer: its SAs are removed");
        shared.log(Level::Warning, &peer.name, text);
        let dead: Vec<_> = self.pairs.of_peer(&key).collect();
        let children: Vec<_> = dead.iter().map(|pair| pair.child.clone()).collect();
        for id in dead.iter().map(|pair| pair.sa.id).collect::<Vec<_>>() {
            self.remove_pair(shared, now, id, RemovalReason::PeerDead, false);
        }
        self.close(shared, now, ike);
        if peer.dpd.is_some_and(|dpd| dpd.action == DpdAction::Restart) {
            for child in children {
                self.retry_at(now, &peer, &child, remote.ip());
            }
        }
    }

    /// Packets have come through a pair.
    pub(super) fn on_alive(&mut self, now: Instant, id: ChildSaId) {
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        pair.alive = now;
        let ike = pair.ike;
        if let Some(up) = self.sas.get_mut(&ike).and_then(Phase1::established_mut) {
            up.dpd.hear(now);
        }
        self.touch(Timer::Pair(id));
        self.touch(Timer::Sa(ike));
    }

    /// Authentic packets of a pair come from elsewhere: a NAT has forgotten what it did before.
    pub(super) fn on_moved(&mut self, shared: &mut Shared, id: ChildSaId, remote: SocketAddr) {
        let Some(ike) = self.pairs.get(&id).map(|pair| pair.ike) else { return };
        let Some(sa) = self.sas.get_mut(&ike).filter(|sa| sa.nat.udp().is_some()) else { return };
        sa.path.remote = remote;
        let path: Path = sa.path;
        self.known.note(sa);
        for pair in self.pairs.on(ike) {
            shared.emit(Event::Move { id: pair.sa.id, path, udp: true });
        }
    }

    /// New keys for the children of a peer, and for its IKE SA if `ike`.
    pub(super) fn rekey_peer(&mut self, shared: &mut Shared, now: Instant, peer: &str, ike: bool) {
        let of_it = self.pairs.values().filter(|pair| &*pair.peer.name == peer && pair.outbound);
        for id in of_it.map(|pair| pair.sa.id).collect::<Vec<_>>() {
            self.rekey_pair(shared, now, id);
        }
        let sas = self.sas.values().filter(|sa| sa.usable());
        let sas = sas.filter(|sa| sa.peer().is_some_and(|it| &*it.name == peer));
        for id in sas.map(|sa| sa.id).collect::<Vec<_>>() {
            if ike {
                self.renew(shared, now, id);
            }
        }
    }

    /// Ends everything with peers by their names, and tells them.
    pub(super) fn terminate(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        is_meant: impl Fn(&str) -> bool,
    ) {
        let of_it = self.pairs.values().filter(|pair| is_meant(&pair.peer.name));
        for id in of_it.map(|pair| pair.sa.id).collect::<Vec<_>>() {
            self.remove_pair(shared, now, id, RemovalReason::Terminated, true);
        }
        let sas = self.sas.values().filter(|sa| sa.peer().is_some_and(|it| is_meant(&it.name)));
        for id in sas.map(|sa| sa.id).collect::<Vec<_>>() {
            match self.sas.get(&id).map(|sa| &sa.state) {
                Some(State::Up(_)) => {
                    self.send_ike_delete(shared, id);
                    self.close(shared, now, id);
                }
                Some(State::Calling(_) | State::Answering(_)) => self.drop_sa(shared, id),
                _ => {}
            }
        }
        self.cancel_retries(is_meant);
    }
}
