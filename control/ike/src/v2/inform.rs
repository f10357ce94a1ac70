//! What the engine is told besides datagrams, and which SA it is about.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use engine::{Instant, UnixTime};

use super::Engine;
use super::child::{self, ChildState};
use super::sa::Task;
use crate::output::{ChildSaId, IkeSaId, Input};
use crate::shared::Shared;

impl Engine {
    /// Anything but `Acquire`, `Initiate` and `PathFailed`, which the endpoint resolves.
    pub fn handle_input(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        input: &Input,
    ) {
        match input {
            Input::Acquire { .. } | Input::Initiate { .. } | Input::PathFailed { .. } => {}
            Input::WorkerAcquire(id, worker) => {
                let worker = *worker;
                self.of_child(shared, now, wall, *id, |sa, cx, id| {
                    sa.want_for_worker(cx, id, worker);
                });
            }
            Input::InboundUsed(id) => self.of_child(shared, now, wall, *id, |sa, cx, id| {
                sa.last_heard = cx.now;
                let waits = |it: &child::ChildRecord| {
                    it.id == id && matches!(it.state, ChildState::Waiting { .. })
                };
                // A connection that another replaces is not sent by any more.
                if sa.is_established() && sa.children.iter().any(waits) {
                    child::activate(sa, cx, id);
                }
            }),
            Input::PeerAlive(id) => {
                self.of_child(shared, now, wall, *id, |sa, cx, _| sa.last_heard = cx.now);
            }
            Input::PeerMoved(id, remote) => {
                let remote = *remote;
                self.of_child(shared, now, wall, *id, move |sa, cx, _| {
                    // RFC 7296 section 2.23: an authentic packet is as good as a message.
                    if sa.nat.remote && !sa.nat.local && !sa.features.mobike {
                        let path = crate::output::Path { remote, ..sa.path };
                        sa.move_to(cx, path);
                    }
                });
            }
            Input::SoftLimit(id) => self.of_child(shared, now, wall, *id, |sa, _, id| {
                sa.tasks.push_back(Task::RekeyChild(id));
            }),
            Input::HardLimit(id) => {
                self.of_child(shared, now, wall, *id, |sa, cx, id| sa.expire_child(cx, id));
            }
            Input::LocalAddresses(addresses) => {
                for id in self.sas.keys().copied().collect::<Vec<_>>() {
                    self.with(shared, now, wall, id, |sa, cx| sa.leave(cx, addresses));
                }
            }
            Input::Rekey { peer, ike } => {
                for id in self.of_peer(peer) {
                    self.with(shared, now, wall, id, |sa, _| sa.want_new_keys(*ike));
                }
            }
            Input::Terminate { peer } => {
                self.retries.terminate(peer);
                for id in self.of_peer(peer) {
                    self.with(shared, now, wall, id, |sa, cx| sa.terminate(cx));
                }
            }
        }
    }

    /// Asks the peers of this name now whether they live, unless they owe us an answer in any case.
    pub fn ask_whether_alive(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        peer: &str,
    ) {
        for id in self.of_peer(peer) {
            self.with(shared, now, wall, id, |sa, _| {
                let may = sa.peer.dpd.is_some() && sa.is_established();
                if may && !sa.window.is_busy() && sa.tasks.is_empty() {
                    sa.tasks.push_back(Task::Liveness);
                }
            });
        }
    }

    fn of_peer(&self, peer: &str) -> Vec<IkeSaId> {
        let from = (peer.into(), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let places = self.by_remote.range(from..).take_while(|((name, _), _)| **name == *peer);
        let mut ids: Vec<IkeSaId> = places.flat_map(|(_, ids)| ids).copied().collect();
        ids.sort_unstable();
        ids
    }

    fn of_child(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        id: ChildSaId,
        act: impl FnOnce(&mut super::IkeSa, &mut super::Cx<'_>, ChildSaId),
    ) {
        let Some(owner) = shared.owner(id) else { return };
        self.with(shared, now, wall, owner, |sa, cx| act(sa, cx, id));
    }

    /// A new SA with everything that this one has, authenticated from scratch (RFC 7296
    /// section 2.8.3): the old one is deleted once the new one has its children.
    pub(super) fn reauthenticate(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        id: IkeSaId,
    ) {
        let Some(sa) = self.sas.get(&id) else { return };
        let wanted: VecDeque<_> = sa.all_wanted().collect();
        let (peer, remote) = (sa.peer.clone(), sa.path.remote.ip());
        self.connect(shared, now, wall, peer, remote, wanted, Some(id));
    }
}
