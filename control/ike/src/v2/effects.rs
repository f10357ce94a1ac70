//! What one IKE SA wants of others.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use engine::{Instant, UnixTime};

use super::Engine;
use super::child::{ChildRecord, ChildState};
use super::sa::{Active, Effect, IkeSa, Lost, Phase, Task};
use crate::output::{Event, IkeSaId, Level, RemovalReason};
use crate::policy::{Peer, Uniqueness};
use crate::shared::Shared;

/// How long an SA that another has replaced waits for the peer to delete it.
const REPLACED: Duration = Duration::from_secs(30);

/// The same for a whole connection: longer than the peer's IKE_AUTH may take to succeed, which is
/// when the peer begins to use the new one.
const YIELDED: Duration = Duration::from_secs(180);

impl Engine {
    pub(super) fn apply(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        effects: Vec<Effect>,
    ) {
        for effect in effects {
            match effect {
                Effect::Add(sa) => {
                    let id = sa.id;
                    let identity = sa.peer_identity.clone();
                    let (peer, remote) = (sa.peer.clone(), sa.path.remote.ip());
                    self.add(shared, sa);
                    if let Some(identity) = identity {
                        self.directory.insert(id, &peer.name, identity, remote);
                    }
                    self.with(shared, now, wall, id, |_, _| {});
                }
                Effect::Inherit { from, to } => self.inherit(shared, now, wall, from, to),
                Effect::Hand { children, to, peer, remote } => {
                    let heir = self.heir(to);
                    self.hand(shared, now, wall, children, heir, (peer, remote));
                }
                Effect::PassOn { from, task } => {
                    let to = self.heir(from);
                    self.with(shared, now, wall, to, |sa, _| sa.tasks.push_back(task));
                }
                Effect::Authenticated { id, initial_contact } => {
                    self.authenticated(shared, now, wall, id, initial_contact);
                }
                Effect::Lost { peer, child, remote, why } => {
                    let first = shared.settings.retry;
                    self.retries.lost(now, first, (peer, child, remote), why);
                }
                Effect::Up { child, remote } => self.retries.succeeded(&child.name, remote),
                Effect::Reauthenticate { id } => self.reauthenticate(shared, now, wall, id),
                Effect::Use { id } => {
                    self.with(shared, now, wall, id, |sa, cx| sa.use_children(cx));
                }
                Effect::Delete { id, by } => self.with(shared, now, wall, id, |sa, _| {
                    sa.phase = Phase::Replaced;
                    sa.replaced_by = Some(by);
                    sa.tasks.push_back(Task::DeleteIke);
                }),
                Effect::RetryReauthentication { id } => {
                    let at = now + shared.settings.retry;
                    self.with(shared, now, wall, id, |sa, _| sa.reauthenticate_at = Some(at));
                }
            }
        }
    }

    /// The SA that has taken this one's place and is there still, or this one.
    fn heir(&self, mut id: IkeSaId) -> IkeSaId {
        let next = |id| self.sas.get(&id).and_then(|sa| sa.replaced_by);
        while let Some(heir) = next(id).filter(|heir| self.sas.contains_key(heir)) {
            id = heir;
        }
        id
    }

    /// Children and what is to be done move to the SA that replaces theirs.
    fn inherit(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        from: IkeSaId,
        to: IkeSaId,
    ) {
        let Some(old) = self.sas.get_mut(&from) else { return };
        let children = core::mem::take(&mut old.children);
        let whom = (old.peer.clone(), old.path.remote.ip());
        let (own, tasks): (Vec<_>, Vec<_>) =
            old.tasks.drain(..).partition(|task| matches!(task, Task::DeleteIke));
        old.tasks.extend(own);
        old.phase = Phase::Replaced;
        old.replaced_by = Some(to);
        old.hard_at = Some(now + REPLACED);
        self.with(shared, now, wall, from, |_, _| {});
        let moves = |task: &Task| !matches!(task, Task::RekeyIke | Task::Liveness);
        self.hand(shared, now, wall, children, to, whom);
        self.with(shared, now, wall, to, |sa, _| sa.tasks.extend(tasks.into_iter().filter(moves)));
    }

    fn hand(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        children: Vec<ChildRecord>,
        to: IkeSaId,
        whom: (Arc<Peer>, IpAddr),
    ) {
        if !self.sas.contains_key(&to) {
            return self.miss(shared, now, children, whom);
        }
        children.iter().for_each(|record| shared.own_child(record.id, to));
        self.with(shared, now, wall, to, |sa, _| sa.children.extend(children));
    }

    /// The SA that children were to go to has gone: they are over, and negotiated anew if they are
    /// to be there.
    fn miss(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        children: Vec<ChildRecord>,
        (peer, remote): (Arc<Peer>, IpAddr),
    ) {
        for record in children {
            shared.disown_child(record.id);
            shared.release_esp_spi(record.spi_in);
            shared.emit(Event::Remove(record.id, RemovalReason::DeletedByPeer));
            if matches!(record.state, ChildState::Live | ChildState::Waiting { .. }) {
                let lost = (peer.clone(), record.child, remote);
                self.retries.lost(now, shared.settings.retry, lost, Lost::Gone);
            }
        }
    }

    /// The peer of an SA is known. What becomes of others with the same identity (RFC 7296
    /// section 2.4)?
    fn authenticated(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        id: IkeSaId,
        initial_contact: bool,
    ) {
        let Some(sa) = self.sas.get(&id) else { return };
        let Some(identity) = sa.peer_identity.clone() else { return };
        let (peer, remote) = (sa.peer.clone(), sa.path.remote.ip());
        let (created, initiator, replaces, path) = (sa.created, sa.initiator, sa.replaces, sa.path);
        let spi = sa.spis.0;
        let others: Vec<_> =
            self.directory.of_identity(&peer.name, &identity).filter(|it| *it != id).collect();
        self.directory.insert(id, &peer.name, identity, remote);
        if !initiator {
            self.withdraw_attempts(shared, now, wall, id);
        }
        for other in others {
            let Some(old) = self.sas.get(&other) else { continue };
            if Some(other) == replaces || !matches!(old.phase, Phase::Established) {
                continue;
            }
            let crossed = old.established.is_some_and(|at| at >= created);
            // Who need not be unique has forgotten what was at his own place.
            let twin = peer.uniqueness == Uniqueness::Never && old.path.remote != path.remote;
            if initial_contact && !crossed && !twin {
                // RFC 7296 section 2.4: the peer has forgotten everything.
                self.with(shared, now, wall, id, |sa, cx| sa.use_children(cx));
                self.with(shared, now, wall, other, |sa, cx| {
                    sa.log(cx, Level::Info, "it has started anew: the old connection goes".into());
                    sa.end(cx, RemovalReason::PeerDead);
                });
            } else if peer.uniqueness == Uniqueness::Never {
            } else if crossed && old.initiator != initiator {
                // Both have connected at once: both sides keep the same one.
                let (winner, loser) = if spi < old.spis.0 { (other, id) } else { (id, other) };
                self.yield_to(shared, now, wall, loser, winner, true);
            } else {
                self.yield_to(shared, now, wall, other, id, false);
            }
        }
    }

    /// The peer has connected while we were about to: what we have begun and not yet authenticated
    /// would only be a second connection, and what it was for is asked of the peer's.
    fn withdraw_attempts(&mut self, s: &mut Shared, now: Instant, wall: UnixTime, id: IkeSaId) {
        let Some(sa) = self.sas.get(&id) else { return };
        if sa.peer.uniqueness == Uniqueness::Never {
            return;
        }
        let expected = |it: &IkeSa| {
            let exact = it.peer.remote_identity.exact();
            exact.is_none_or(|identity| Some(identity) == sa.peer_identity.as_ref())
        };
        let key = (sa.peer.name.clone(), sa.path.remote.ip());
        let known = self.by_remote.get(&key).into_iter().flatten().copied();
        let early = |it: &IkeSaId| {
            self.sas.get(it).is_some_and(|it| {
                matches!(it.phase, Phase::Connecting(_))
                    && !matches!(it.active, Active::Auth(_))
                    && expected(it)
            })
        };
        for attempt in known.filter(early).collect::<Vec<_>>() {
            let mut wanted = VecDeque::new();
            self.with(s, now, wall, attempt, |sa, cx| {
                if let Phase::Connecting(connecting) = &mut sa.phase {
                    wanted = core::mem::take(&mut connecting.wanted);
                }
                sa.log(cx, Level::Info, "it has connected meanwhile: our attempt ends".into());
                sa.close(cx);
            });
            self.with(s, now, wall, id, |sa, _| {
                sa.tasks.extend(wanted.into_iter().map(Task::CreateChild));
            });
        }
    }

    /// `loser` goes in favour of `winner`. When both connections were `crossing`, the initiator of
    /// the winner deletes the loser: it knows that both sides have the winner.
    fn yield_to(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        loser: IkeSaId,
        winner: IkeSaId,
        crossing: bool,
    ) {
        self.with(shared, now, wall, winner, |sa, cx| sa.prefer_children(cx));
        self.directory.retire(loser);
        let winner_is_ours = self.sas.get(&winner).is_some_and(|sa| sa.initiator);
        let mut wanted = Vec::new();
        self.with(shared, now, wall, loser, |sa, cx| {
            sa.phase = Phase::Replaced;
            sa.replaced_by = Some(winner);
            sa.hard_at = Some(cx.now + YIELDED);
            if crossing && winner_is_ours {
                sa.tasks.push_back(Task::DeleteIke);
            }
            if crossing {
                wanted.extend(sa.all_wanted());
                wanted.extend(sa.tasks.iter().filter_map(|task| match task {
                    Task::CreateChild(wanted) => Some(wanted.clone()),
                    _ => None,
                }));
            }
        });
        self.with(shared, now, wall, winner, |sa, _| {
            for wanted in wanted {
                if !sa.is_after(&wanted.child.name, wanted.worker) {
                    sa.tasks.push_back(Task::CreateChild(wanted));
                }
            }
        });
    }
}
