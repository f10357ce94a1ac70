//! What one IKE SA wants of others.

use alloc::vec::Vec;
use core::time::Duration;

use engine::{Instant, UnixTime};

use super::Engine;
use super::child::ChildRecord;
use super::sa::{Effect, Phase, Task};
use crate::output::{Event, IkeSaId, Level, RemovalReason};
use crate::policy::Uniqueness;
use crate::shared::Shared;

/// How long an SA that another has replaced waits for the peer to delete it.
const REPLACED: Duration = Duration::from_secs(30);

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
                Effect::Hand { children, to } => self.hand(shared, now, wall, children, to),
                Effect::PassOn { from, task } => {
                    let mut to = from;
                    while let Some(next) = self.sas.get(&to).and_then(|sa| sa.replaced_by) {
                        to = next;
                    }
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
                Effect::Delete { id } => self.with(shared, now, wall, id, |sa, _| {
                    sa.phase = Phase::Replaced;
                    sa.tasks.push_back(Task::DeleteIke);
                }),
                Effect::RetryReauthentication { id } => {
                    let at = now + shared.settings.retry;
                    self.with(shared, now, wall, id, |sa, _| sa.reauthenticate_at = Some(at));
                }
            }
        }
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
        let (own, tasks): (Vec<_>, Vec<_>) =
            old.tasks.drain(..).partition(|task| matches!(task, Task::DeleteIke));
        old.tasks.extend(own);
        old.phase = Phase::Replaced;
        old.replaced_by = Some(to);
        old.hard_at = Some(now + REPLACED);
        self.with(shared, now, wall, from, |_, _| {});
        let moves = |task: &Task| !matches!(task, Task::RekeyIke | Task::Liveness);
        self.hand(shared, now, wall, children, to);
        self.with(shared, now, wall, to, |sa, _| sa.tasks.extend(tasks.into_iter().filter(moves)));
    }

    fn hand(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        children: Vec<ChildRecord>,
        to: IkeSaId,
    ) {
        for record in &children {
            if self.sas.contains_key(&to) {
                shared.own_child(record.id, to);
            } else {
                shared.disown_child(record.id);
                shared.release_esp_spi(record.spi_in);
                shared.emit(Event::Remove(record.id, RemovalReason::DeletedByPeer));
            }
        }
        self.with(shared, now, wall, to, |sa, _| sa.children.extend(children));
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
        let (created, initiator, replaces) = (sa.created, sa.initiator, sa.replaces);
        let spi = sa.spis.0;
        let others: Vec<_> =
            self.directory.of_identity(&peer.name, &identity).filter(|it| *it != id).collect();
        self.directory.insert(id, &peer.name, identity, remote);
        for other in others {
            let Some(old) = self.sas.get(&other) else { continue };
            if Some(other) == replaces || !matches!(old.phase, Phase::Established) {
                continue;
            }
            let crossed = old.established.is_some_and(|at| at >= created);
            if initial_contact && !crossed {
                // RFC 7296 section 2.4: the peer has forgotten everything.
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

    /// `loser` goes in favour of `winner`: whoever has begun it deletes it, `at_once` or when all
    /// children have had the time to follow.
    fn yield_to(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        loser: IkeSaId,
        winner: IkeSaId,
        at_once: bool,
    ) {
        self.with(shared, now, wall, winner, |sa, cx| sa.prefer_children(cx));
        self.directory.remove(loser);
        self.with(shared, now, wall, loser, |sa, cx| {
            sa.phase = Phase::Replaced;
            sa.replaced_by = Some(winner);
            sa.hard_at = Some(cx.now + REPLACED);
            if sa.initiator && at_once {
                sa.tasks.push_back(Task::DeleteIke);
            }
        });
    }
}
