//! IKEv1 (RFC 2407 to 2409): main mode and quick mode.
//!
//! An IKE SA is a [`Phase1`]: main mode makes it, and quick modes on it make [`Pair`]s of ESP SAs,
//! which outlive it. Who begins is the same engine as who answers. A message that is not authentic
//! changes nothing: the right one is still waited for, and what a stranger can make us keep is
//! bounded by the caps of [`crate::Settings`].

mod contact;
mod dpd;
mod informational;
mod initiate;
mod known;
mod lifetime;
mod main_mode;
mod message;
mod nat;
mod pair;
mod pairs;
mod phase1;
mod quick_mode;
mod receive;
mod retransmit;
mod status;
mod tick;
mod timers;
mod vendor;

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use engine::{Instant, UnixTime};

use self::initiate::Retry;
use self::known::Known;
use self::pair::Pair;
use self::pairs::Pairs;
use self::phase1::{Phase1, Wanted};
use self::timers::{Timer, Timers};
use crate::msg::{ExchangeType, Header, IkeSpi, TrafficSelector};
use crate::output::{IkeSaId, Input, Level, Path, RemovalReason};
use crate::policy::{Child, Peer};
use crate::shared::Shared;
use crate::status::IkeStatus;

/// Every IKEv1 SA of the gateway.
pub(crate) struct Engine {
    sas: BTreeMap<IkeSaId, Phase1>,
    /// SAs by our cookie.
    cookies: BTreeMap<IkeSpi, IkeSaId>,
    /// Half-open SAs by the peer's end and cookie: its first message may come twice.
    callers: BTreeMap<(SocketAddr, IkeSpi), IkeSaId>,
    /// The same the other way round.
    half_open: BTreeMap<IkeSaId, (SocketAddr, IkeSpi)>,
    /// Half-open SAs of strangers that have not shown that our answers reach them.
    unproven: BTreeSet<IkeSaId>,
    /// SAs by whom they are with.
    known: Known,
    pairs: Pairs,
    retries: BTreeMap<(Box<str>, IpAddr), Retry>,
    timers: Timers,
    /// What has changed since its clock was set.
    touched: BTreeSet<Timer>,
    /// When the next message in clear may be answered by an error: a stranger gets one a second.
    next_error: Instant,
}

impl Engine {
    pub fn new() -> Self {
        Self {
            sas: BTreeMap::new(),
            cookies: BTreeMap::new(),
            callers: BTreeMap::new(),
            half_open: BTreeMap::new(),
            unproven: BTreeSet::new(),
            known: Known::default(),
            pairs: Pairs::default(),
            retries: BTreeMap::new(),
            timers: Timers::default(),
            touched: BTreeSet::new(),
            next_error: Instant(0),
        }
    }

    /// A datagram whose header says version 1; the length field of the header is its length.
    pub fn handle_datagram(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        path: Path,
        header: &Header,
        bytes: &[u8],
    ) {
        match header.exchange {
            ExchangeType::MAIN_MODE => self.on_main_mode(shared, now, wall, path, bytes),
            ExchangeType::QUICK_MODE | ExchangeType::INFORMATIONAL_V1 => {
                self.on_phase2(shared, now, path, bytes);
            }
            ExchangeType::AGGRESSIVE => {
                let text = alloc::format!(
                    "aggressive mode of {} refused: it shows a hash of the pre-shared key to \
                     anybody who asks; configure the peer for main mode",
                    path.remote
                );
                shared.log_stranger(now, Level::Warning, None, text);
                self.refuse(shared, now, path, header, receive::Unwanted::Exchange);
            }
            ExchangeType(receive::TRANSACTION) => {
                let text = alloc::format!(
                    "XAuth or mode config of {} refused: neither is part of what is configured; \
                     configure the peer for plain main mode",
                    path.remote
                );
                shared.log_stranger(now, Level::Warning, None, text);
            }
            ExchangeType(other) => {
                let text = alloc::format!("exchange type {other} of {} ignored", path.remote);
                shared.log_stranger(now, Level::Debug, None, text);
            }
        }
        self.rearm(shared);
    }

    /// Negotiate `child` with `peer` at `remote`, unless that is under way or done (`packet` is
    /// what asks for it, if that is known).
    pub fn acquire(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        peer: &Arc<Peer>,
        child: &Arc<Child>,
        remote: IpAddr,
        packet: Option<&(TrafficSelector, TrafficSelector)>,
    ) {
        let has = self.pairs.at(&child.name, remote).any(Pair::useful);
        let key = (child.name.clone(), remote);
        let cools_down = self.retries.get(&key).is_some_and(|retry| retry.at > now);
        if !has && !cools_down {
            let packet = packet.cloned();
            let wanted = Wanted { child: child.clone(), packet, replaces: None };
            self.negotiate(shared, now, peer, remote, wanted);
        }
        self.rearm(shared);
    }

    /// Anything but `Acquire`, `Initiate`, `PathFailed` and `LocalAddresses`, which the endpoint
    /// resolves; what is about an SA or a peer of the other version is for the other engine.
    pub fn handle_input(&mut self, shared: &mut Shared, now: Instant, input: &Input) {
        match input {
            Input::InboundUsed(id) => {
                self.on_alive(now, *id);
                self.inbound_used(shared, now, *id);
            }
            Input::PeerAlive(id) => {
                self.on_alive(now, *id);
                self.follow(shared, now, *id);
            }
            Input::PeerMoved(id, remote) => self.on_moved(shared, *id, *remote),
            Input::SoftLimit(id) => self.rekey_pair(shared, now, *id),
            Input::HardLimit(id) => {
                self.remove_pair(shared, now, *id, RemovalReason::Expired, true);
            }
            Input::Rekey { peer, ike } => self.rekey_peer(shared, now, peer, *ike),
            Input::Terminate { peer } => self.terminate(shared, now, |it| it == &**peer),
            // IKEv1 has no pairs for single workers.
            Input::Acquire { .. }
            | Input::WorkerAcquire(..)
            | Input::Initiate { .. }
            | Input::PathFailed { .. }
            | Input::LocalAddresses(_) => {}
        }
        self.rearm(shared);
    }

    /// `shared.peers` has changed: SAs of `gone` peers are deleted.
    pub fn forget(&mut self, shared: &mut Shared, now: Instant, gone: &[Arc<Peer>]) {
        let gone: BTreeSet<_> = gone.iter().map(|peer| &*peer.name).collect();
        self.terminate(shared, now, |peer| gone.contains(peer));
        self.rearm(shared);
    }

    /// The time has come.
    pub fn handle_timeout(&mut self, shared: &mut Shared, now: Instant, _wall: UnixTime) {
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::Sa(id) => self.tick_sa(shared, now, id),
                Timer::Pair(id) => self.tick_pair(shared, now, id),
                Timer::Retry(child, remote) => self.tick_retry(shared, now, child, remote),
            }
            self.rearm(shared);
        }
    }

    /// When `handle_timeout` is wanted.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// What `show ike` shows.
    pub fn status(&self, all: &mut Vec<IkeStatus>) {
        all.extend(self.sas.values().map(|sa| self.status_of(sa)));
    }

    /// The clock of this is to be set anew.
    fn touch(&mut self, timer: Timer) {
        self.touched.insert(timer);
    }

    fn rearm(&mut self, shared: &Shared) {
        while let Some(timer) = self.touched.pop_first() {
            let at = match &timer {
                Timer::Sa(id) => self.sas.get(id).and_then(|sa| self.deadline_of(sa, shared)),
                Timer::Pair(id) => {
                    self.pairs.get(id).and_then(|pair| pair.deadline(shared.settings.drain))
                }
                Timer::Retry(child, remote) => {
                    self.retries.get(&(child.clone(), *remote)).map(|retry| retry.at)
                }
            };
            self.timers.set(timer, at);
        }
    }
}
