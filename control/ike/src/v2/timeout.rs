//! What time does to an IKE SA: retransmission, liveness, new keys, and the end of what is old.

use alloc::format;
use alloc::vec::Vec;

use engine::Instant;

use super::child::{self, ChildState};
use super::init;
use super::sa::{Active, Cx, Effect, IkeSa, Phase, Task};
use super::window::Due;
use crate::output::{Level, RemovalReason};

impl IkeSa {
    /// When [`IkeSa::handle_timeout`] is wanted.
    pub fn deadline(&self) -> Option<Instant> {
        let of_children = self.children.iter().flat_map(|record| {
            let rekey_at = record.rekey_at.filter(|_| record.state == ChildState::Live);
            [rekey_at, record.hard_at, record.drain_at]
        });
        let established = self.is_established();
        let mine = [
            self.window.deadline(),
            self.hard_at,
            self.rekey_at.filter(|_| established),
            self.reauthenticate_at.filter(|_| established),
            self.not_before,
            self.silent_at(),
        ];
        mine.into_iter().chain(of_children).flatten().min()
    }

    /// When the peer is to be asked whether it is alive.
    fn silent_at(&self) -> Option<Instant> {
        let dpd = self.peer.dpd.filter(|_| self.is_established() && !self.window.is_busy())?;
        Some(self.last_heard + dpd.delay)
    }

    /// The time has come.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) {
        if self.hard_at.is_some_and(|at| at <= cx.now) {
            return self.expire(cx);
        }
        let path = self.path;
        if self.window.handle_timeout(cx.shared, cx.now, path) == Due::GiveUp {
            return self.give_up(cx);
        }
        if self.not_before.is_some_and(|at| at <= cx.now) {
            self.not_before = None;
        }
        self.age_children(cx);
        if !self.is_established() {
            return;
        }
        if self.rekey_at.is_some_and(|at| at <= cx.now) {
            self.rekey_at = None;
            self.tasks.push_back(Task::RekeyIke);
        }
        if self.reauthenticate_at.is_some_and(|at| at <= cx.now) {
            self.reauthenticate_at = None;
            cx.effects.push(Effect::Reauthenticate { id: self.id });
        }
        if self.silent_at().is_some_and(|at| at <= cx.now) && self.tasks.is_empty() {
            self.tasks.push_back(Task::Liveness);
        }
    }

    fn age_children(&mut self, cx: &mut Cx<'_>) {
        let (mut drained, mut expired) = (Vec::new(), Vec::new());
        for record in &mut self.children {
            if record.drain_at.is_some_and(|at| at <= cx.now) {
                drained.push(record.id);
            } else if record.hard_at.is_some_and(|at| at <= cx.now) {
                expired.push(record.id);
            } else if record.state == ChildState::Live
                && record.rekey_at.is_some_and(|at| at <= cx.now)
            {
                record.rekey_at = None;
                self.tasks.push_back(Task::RekeyChild(record.id));
            }
        }
        for id in drained {
            child::remove(self, cx, id, RemovalReason::Replaced);
        }
        for id in expired {
            self.expire_child(cx, id);
        }
    }

    /// Nobody has answered for as long as policy allows.
    fn give_up(&mut self, cx: &mut Cx<'_>) {
        let remote = self.path.remote;
        match self.phase {
            Phase::Connecting(_) => {
                let text = format!("cannot connect: {remote} does not answer");
                match core::mem::replace(&mut self.active, Active::Nothing) {
                    Active::Auth(offer) => super::auth::abandon(self, cx, *offer, text),
                    Active::Init(offer) => {
                        let why = offer.failure().map(|why| format!("cannot connect: {why}"));
                        init::fail(self, cx, why.unwrap_or(text));
                    }
                    _ => init::fail(self, cx, text),
                }
            }
            Phase::Deleting | Phase::Replaced => self.end(cx, RemovalReason::Terminated),
            _ => {
                self.log(cx, Level::Warning, format!("{remote} does not answer any more"));
                self.end(cx, RemovalReason::PeerDead);
            }
        }
    }

    /// Its time is over.
    fn expire(&mut self, cx: &mut Cx<'_>) {
        match self.phase {
            Phase::Answering(_) => {
                let text = format!("{} has not authenticated in time", self.path.remote);
                let name = self.peer.name.clone();
                cx.shared.log_stranger(cx.now, Level::Debug, Some(&name), text);
                self.close(cx);
            }
            // The peer should have deleted it: we do.
            Phase::Replaced => {
                self.hard_at = None;
                self.tasks.push_back(Task::DeleteIke);
            }
            Phase::Established => {
                self.log(cx, Level::Warning, "the connection has reached its hard limit".into());
                self.tell_and_end(cx, RemovalReason::Expired);
            }
            _ => self.end(cx, RemovalReason::Expired),
        }
    }
}
