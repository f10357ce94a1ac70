//! What an IKE SA is asked to do, and what `show ike` shows of it.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::child::{self, ChildRecord, ChildState};
use super::followup;
use super::sa::{Active, Cx, Effect, IkeSa, Lost, Phase, Refusal, Task, Wanted};
use crate::keymat::v2::PpkKeys;
use crate::msg::{Delete, ExchangeType, IKE, Payload, numbers::exchange};
use crate::output::{ChildSaId, Event, IkeSaId, Level, Path, RemovalReason};
use crate::policy::Peer;
use crate::status::{ChildStatus, IkeStatus};

impl IkeSa {
    /// Whether ESP goes in UDP (RFC 7296 section 2.23).
    pub fn udp(&self) -> bool {
        self.nat.any() || self.peer.force_udp
    }

    pub fn child_mut(&mut self, id: ChildSaId) -> Option<&mut ChildRecord> {
        self.children.iter_mut().find(|record| record.id == id)
    }

    /// Whether a child is there.
    pub fn has_child(&self, name: &str, worker: Option<u16>) -> bool {
        self.children.iter().any(|record| {
            *record.child.name == *name && record.worker == worker && record.is_current()
        })
    }

    /// Whether a child is there, or is being negotiated or waits for that.
    pub fn is_after(&self, name: &str, worker: Option<u16>) -> bool {
        let is = |wanted: &Wanted| *wanted.child.name == *name && wanted.worker == worker;
        let connecting = match &self.phase {
            Phase::Connecting(connecting) => connecting.wanted.iter().any(is),
            _ => false,
        };
        let active = match &self.active {
            Active::Auth(offer) => offer.child.as_ref().is_some_and(|child| is(&child.wanted)),
            other => other.child_offer().is_some_and(|offer| is(&offer.child.wanted)),
        };
        let queued = self.tasks.iter().any(|task| match task {
            Task::CreateChild(wanted) => is(wanted),
            _ => false,
        });
        connecting || active || queued || self.has_child(name, worker)
    }

    /// Whether children can be asked of it, now or once it is established.
    pub fn takes_children(&self) -> bool {
        matches!(self.phase, Phase::Connecting(_) | Phase::Established)
    }

    /// A child is to be negotiated.
    pub fn want(&mut self, cx: &mut Cx<'_>, wanted: Wanted) {
        match &mut self.phase {
            Phase::Connecting(connecting) => connecting.wanted.push_back(wanted),
            _ => self.tasks.push_back(Task::CreateChild(wanted)),
        }
        self.next_task(cx);
    }

    /// Every child that it has, each once: workers ask by themselves for pairs of their own.
    pub fn all_wanted(&self) -> impl Iterator<Item = Wanted> + '_ {
        let live: Vec<_> = self.children.iter().filter(|record| record.is_current()).collect();
        let once = live.clone().into_iter().enumerate().filter(move |(n, record)| {
            !live.iter().take(*n).any(|earlier| earlier.child.name == record.child.name)
        });
        once.map(|(_, record)| Wanted { child: record.child.clone(), packet: None, worker: None })
    }

    /// New keys for its children, and for itself if `ike`.
    pub fn want_new_keys(&mut self, ike: bool) {
        let live = self.children.iter().filter(|record| record.state == ChildState::Live);
        self.tasks.extend(live.map(|record| Task::RekeyChild(record.id)));
        if ike {
            self.tasks.push_back(Task::RekeyIke);
        }
    }

    /// Its children send from here on, and not those of another SA with the same peer.
    pub fn prefer_children(&mut self, cx: &mut Cx<'_>) {
        for record in self.children.iter().filter(|record| record.state == ChildState::Live) {
            cx.shared.emit(Event::InstallOutbound(record.id));
        }
    }

    /// The connection that had its children before is over: they send from here on.
    pub fn use_children(&mut self, cx: &mut Cx<'_>) {
        // A loser's are not used: its winner's are, once it is gone.
        if !self.is_established() {
            return;
        }
        // A worker's waits for its peer instead.
        let waits = |it: &&ChildRecord| {
            it.state == (ChildState::Waiting { replaces: it.id }) && it.worker.is_none()
        };
        let waiting: Vec<_> = self.children.iter().filter(waits).map(|record| record.id).collect();
        for id in waiting {
            child::activate(self, cx, id);
        }
    }

    /// A post-quantum pre-shared key is part of what follows (RFC 8784 section 3).
    pub fn adopt(&mut self, ppk: Option<PpkKeys>) {
        if let (Some(keys), Some(ppk)) = (&mut self.keys, ppk) {
            keys.adopt(ppk);
        }
    }

    /// Messages and packets go by another path from here on.
    pub fn move_to(&mut self, cx: &mut Cx<'_>, path: Path) {
        self.path = path;
        let udp = self.udp();
        for record in &self.children {
            cx.shared.emit(Event::Move { id: record.id, path, udp });
        }
    }

    /// Our addresses are these: if the one in use is not among them, another is taken and the peer
    /// told (RFC 4555 section 3.5).
    pub fn leave(&mut self, cx: &mut Cx<'_>, addresses: &[IpAddr]) {
        let here = self.path.local.ip();
        let usable = self.is_established() && self.features.mobike && self.features.first_initiator;
        if !usable || addresses.contains(&here) || self.peer.local.is_some() {
            return;
        }
        let next = addresses.iter().find(|address| address.is_ipv4() == here.is_ipv4());
        let Some(next) = next else { return };
        self.path.local.set_ip(*next);
        let text = format!("our address is {next} now, it was {here}");
        self.log(cx, Level::Info, text);
        self.window.send_now(cx.shared, self.path);
        self.tasks.push_front(Task::UpdateAddresses);
    }

    /// A pair has reached its hard limit: nothing passes any more, and the peer is told.
    pub fn expire_child(&mut self, cx: &mut Cx<'_>, id: ChildSaId) {
        let Some(record) = self.child_mut(id) else { return };
        let refusal = Refusal { spi_in: record.spi_in, spi_out: Some(record.spi_out) };
        let name = record.child.name.clone();
        // One that waits for its peer on its own account names itself.
        let waits = ChildState::Waiting { replaces: id };
        let replaced = self.children.iter().any(|it| it.id != id && it.state == waits);
        let text = format!("{name} has reached its hard limit, SPI {:08x}", refusal.spi_in);
        self.log(cx, Level::Warning, text);
        if replaced {
            // The peer has made it anew and deletes it: we need not wait with the new one.
            child::activate_successor(self, cx, id);
            return child::remove(self, cx, id, RemovalReason::Replaced);
        }
        child::remove(self, cx, id, RemovalReason::Expired);
        self.tasks.push_front(Task::RefuseChild(refusal));
    }

    /// Peers are no longer configured: who has not yet proven to be one of them cannot any more.
    pub fn rule_out(&mut self, is_gone: impl Fn(&Arc<Peer>) -> bool) {
        let Phase::Answering(answering) = &mut self.phase else { return };
        answering.candidates.retain(|peer| !is_gone(peer));
        if let Some(first) = answering.candidates.first() {
            self.peer = first.clone();
        }
    }

    /// The operator ends it.
    pub fn terminate(&mut self, cx: &mut Cx<'_>) {
        match self.phase {
            Phase::Connecting(_) | Phase::Answering(_) => self.end(cx, RemovalReason::Terminated),
            Phase::Deleting | Phase::Closed => {}
            Phase::Established | Phase::Replaced => {
                self.remove_children(cx, RemovalReason::Terminated);
                self.phase = Phase::Replaced;
                self.tasks.clear();
                self.tasks.push_back(Task::DeleteIke);
            }
        }
    }

    /// Ends it and its children at once.
    pub fn end(&mut self, cx: &mut Cx<'_>, reason: RemovalReason) {
        if let Some(to) = self.replaced_by {
            self.leave_draining(cx, to);
        }
        self.remove_children(cx, reason);
        self.miss_wanted(cx, reason);
        if let Some(offer) = self.active.ike_offer() {
            cx.shared.release_ike_spi(offer.spi);
        }
        followup::forget(self, cx);
        self.close(cx);
    }

    /// What it was to negotiate, or was about to, is not there.
    fn miss_wanted(&mut self, cx: &mut Cx<'_>, reason: RemovalReason) {
        let mut wanted = Vec::new();
        if let Some(offer) = self.active.child_offer() {
            offer.child.abandon(cx);
            wanted.extend(offer.replaces.is_none().then(|| offer.child.wanted.clone()));
        }
        wanted.extend(self.tasks.drain(..).filter_map(|task| match task {
            Task::CreateChild(wanted) => Some(wanted),
            _ => None,
        }));
        // An heir, and whoever ends it on purpose, know better.
        if self.replaced_by.is_some() || reason == RemovalReason::Terminated {
            return;
        }
        // Workers ask again by themselves.
        for wanted in wanted.into_iter().filter(|wanted| wanted.worker.is_none()) {
            let (peer, remote) = (self.peer.clone(), self.path.remote.ip());
            let child = wanted.child;
            cx.effects.push(Effect::Lost { peer, child, remote, why: Lost::Failed });
        }
    }

    /// Another connection has its children: what is on its way through the old ones is still taken.
    fn leave_draining(&mut self, cx: &mut Cx<'_>, to: IkeSaId) {
        for id in self.children.iter().map(|record| record.id).collect::<Vec<_>>() {
            child::drain(self, cx, id);
        }
        let children = core::mem::take(&mut self.children);
        cx.effects.push(Effect::Use { id: to });
        self.hand(cx, children, to);
    }

    /// Children go to another SA with this peer.
    pub fn hand(&self, cx: &mut Cx<'_>, children: Vec<ChildRecord>, to: IkeSaId) {
        let (peer, remote) = (self.peer.clone(), self.path.remote.ip());
        cx.effects.push(Effect::Hand { children, to, peer, remote });
    }

    /// Ends it and its children at once; the peer is told, and nobody waits for its answer.
    pub fn tell_and_end(&mut self, cx: &mut Cx<'_>, reason: RemovalReason) {
        let header =
            self.header(ExchangeType(exchange::INFORMATIONAL), self.window.request_id(), false);
        let delete = Payload::Delete(Delete { protocol: IKE, spis: Vec::new() });
        for datagram in self.seal(cx.shared, &header, &[delete]) {
            cx.shared.transmit(self.path, datagram);
        }
        self.end(cx, reason);
    }

    fn remove_children(&mut self, cx: &mut Cx<'_>, reason: RemovalReason) {
        while let Some(record) = self.children.last() {
            let (id, state) = (record.id, record.state);
            let old =
                matches!(state, ChildState::Replaced | ChildState::Draining | ChildState::Lost);
            child::remove(self, cx, id, if old { RemovalReason::Replaced } else { reason });
        }
        if let Some(id) = self.replaces.take() {
            cx.effects.push(Effect::RetryReauthentication { id });
        }
    }

    pub fn status(&self) -> IkeStatus {
        let state = match (&self.phase, &self.active) {
            (Phase::Connecting(_) | Phase::Answering(_), _) => "connecting",
            (Phase::Established, active) if active.is_rekeying_ike() => "rekeying",
            (Phase::Established, _) => "established",
            (Phase::Replaced, _) => "replaced",
            (Phase::Deleting | Phase::Closed, _) => "deleting",
        };
        let answering = matches!(self.phase, Phase::Answering(_));
        IkeStatus {
            id: self.id,
            peer: (!answering).then(|| self.peer.name.clone()),
            version: 2,
            state,
            initiator: self.initiator,
            path: self.path,
            spis: self.spis,
            peer_identity: self.peer_identity.clone(),
            suite: self.suite.as_ref().map(|suite| format!("{suite}")).unwrap_or_default(),
            established: self.established,
            rekey_at: self.rekey_at,
            reauthenticate_at: self.reauthenticate_at,
            local_nat: self.nat.local,
            remote_nat: self.nat.remote,
            children: self.children.iter().map(|record| self.child_status(record)).collect(),
        }
    }

    fn child_status(&self, record: &ChildRecord) -> ChildStatus {
        let offer = self.active.child_offer();
        let rekeying = offer.is_some_and(|offer| offer.replaces == Some(record.id));
        ChildStatus {
            id: record.id,
            child: record.child.name.clone(),
            state: match record.state {
                ChildState::Waiting { .. } => "installing",
                ChildState::Live if rekeying => "rekeying",
                ChildState::Live => "installed",
                ChildState::Replaced | ChildState::Draining => "draining",
                ChildState::Lost | ChildState::Deleting => "deleting",
            },
            mode: record.mode,
            suite: record.description.clone(),
            spis: (record.spi_in, record.spi_out),
            selectors: (record.local.clone(), record.remote.clone()),
            installed: record.installed,
            rekey_at: record.rekey_at,
            worker: record.worker,
        }
    }
}
