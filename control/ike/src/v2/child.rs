//! Child SAs: what is offered for one, what is made of an offer, and a pair's way from its
//! installation to its removal.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use engine::{Instant, Secret};

use super::notify::{self, has, kind, notify};
use super::sa::{Cx, Effect, IkeSa, Lost, Wanted};
use super::selectors;
use crate::algorithm::Group;
use crate::key_log;
use crate::keymat::EspKeys;
use crate::msg::{Payload, Proposal, TrafficSelector};
use crate::output::{ChildSa, ChildSaId, Event, Level, RemovalReason, SaKeys};
use crate::policy::{Child, Mode, Start};
use crate::proposal::{self, EspChoice};

/// A pair of ESP SAs, as its IKE SA knows it.
pub(crate) struct ChildRecord {
    pub id: ChildSaId,
    pub child: Arc<Child>,
    pub worker: Option<u16>,
    pub spi_in: u32,
    pub spi_out: u32,
    pub mode: Mode,
    pub description: String,
    pub local: Vec<TrafficSelector>,
    pub remote: Vec<TrafficSelector>,
    pub state: ChildState,
    pub installed: Instant,
    pub rekey_at: Option<Instant>,
    pub hard_at: Option<Instant>,
    /// When an old pair no longer takes what was on its way.
    pub drain_at: Option<Instant>,
}

/// Where a pair is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChildState {
    /// We receive by it, and send by the older one until the peer has shown that it has the keys.
    Waiting { replaces: ChildSaId },
    /// Both directions are used.
    Live,
    /// Another pair is used; one side will delete this one.
    Replaced,
    /// It has lost a collision and was never used; one side will delete it.
    Lost,
    /// Our DELETE is on its way.
    Deleting,
    /// Deleted; what is on its way is still taken.
    Draining,
}

/// What we offer for a child.
pub(crate) struct ChildOffer {
    pub wanted: Wanted,
    pub spi_in: u32,
    pub local: Vec<TrafficSelector>,
    pub remote: Vec<TrafficSelector>,
}

/// What both have agreed upon.
#[derive(Clone)]
pub(crate) struct Agreed {
    pub choice: EspChoice,
    pub mode: Mode,
    pub local: Vec<TrafficSelector>,
    pub remote: Vec<TrafficSelector>,
    /// The addresses that the peer knows itself and us by.
    pub original: Option<(IpAddr, IpAddr)>,
}

/// Why a peer's offer is refused: what it is told, and what the operator is.
pub(crate) struct Refused {
    pub kind: u16,
    pub data: Vec<u8>,
    pub text: String,
}

impl Refused {
    pub fn new(kind: u16, text: impl Into<String>) -> Self {
        Self { kind, data: Vec::new(), text: text.into() }
    }

    pub fn payload(&self) -> Payload {
        notify::notify_with(self.kind, self.data.clone())
    }
}

impl ChildOffer {
    pub fn new(sa: &IkeSa, cx: &mut Cx<'_>, wanted: Wanted) -> Self {
        let child = &wanted.child;
        let mut local = selectors::from_policy(&child.local, sa.path.local.ip());
        let mut remote = selectors::from_policy(&child.remote, sa.path.remote.ip());
        // RFC 7296 section 2.9: the packet that asks goes first.
        if let Some((from, to)) = &wanted.packet
            && selectors::within(core::slice::from_ref(from), &local)
            && selectors::within(core::slice::from_ref(to), &remote)
        {
            local.insert(0, from.clone());
            remote.insert(0, to.clone());
        }
        Self { spi_in: cx.shared.allocate_esp_spi(), wanted, local, remote }
    }

    /// The SA payload; `fresh` offers key exchanges.
    pub fn proposals(&self, fresh: bool) -> Payload {
        Payload::Sa(proposal::offer_esp(&self.wanted.child.proposals, self.spi_in, fresh))
    }

    /// Selectors and what goes with them.
    pub fn selectors(&self) -> Vec<Payload> {
        let mut payloads =
            Vec::from([Payload::TsI(self.local.clone()), Payload::TsR(self.remote.clone())]);
        if self.wanted.child.mode == Mode::Transport {
            payloads.push(notify(kind::USE_TRANSPORT_MODE));
        }
        // We pad for alignment alone and cannot tell dummies from packets (RFC 4303 section 2.7).
        payloads.push(notify(kind::ESP_TFC_PADDING_NOT_SUPPORTED));
        payloads
    }

    /// What the peer's answer makes of the offer.
    pub fn accept(&self, sa: &IkeSa, payloads: &[Payload], fresh: bool) -> Result<Agreed, String> {
        let child = &self.wanted.child;
        let parts = ChildParts::of(payloads).ok_or("its answer lacks a payload")?;
        let choice = proposal::accept_esp(parts.proposals, &child.proposals, fresh)
            .map_err(|refusal| format!("{refusal}"))?;
        let mode = mode(payloads);
        if mode != child.mode {
            return Err(format!("it wants {}, we want {}", words(mode), words(child.mode)));
        }
        let (local, remote, original) = substitute(sa, mode, parts.initiator, parts.responder);
        let narrowed = selectors::within(&local, &self.local)
            && selectors::within(&remote, &self.remote)
            && !local.is_empty()
            && !remote.is_empty();
        if !narrowed {
            return Err("its traffic selectors are wider than ours".into());
        }
        Ok(Agreed { choice, mode, local, remote, original })
    }

    /// Gives back what it has taken.
    pub fn abandon(&self, cx: &mut Cx<'_>) {
        cx.shared.release_esp_spi(self.spi_in);
    }
}

/// The payloads without which there is no child.
struct ChildParts<'a> {
    proposals: &'a [Proposal],
    initiator: &'a [TrafficSelector],
    responder: &'a [TrafficSelector],
}

impl<'a> ChildParts<'a> {
    fn of(payloads: &'a [Payload]) -> Option<Self> {
        let (mut proposals, mut initiator, mut responder) = (None, None, None);
        for payload in payloads {
            match payload {
                Payload::Sa(offered) => proposals = Some(&offered[..]),
                Payload::TsI(selectors) => initiator = Some(&selectors[..]),
                Payload::TsR(selectors) => responder = Some(&selectors[..]),
                _ => {}
            }
        }
        Some(Self { proposals: proposals?, initiator: initiator?, responder: responder? })
    }
}

fn mode(payloads: &[Payload]) -> Mode {
    let transport = has(payloads, kind::USE_TRANSPORT_MODE);
    if transport { Mode::Transport } else { Mode::Tunnel }
}

pub(crate) fn words(mode: Mode) -> &'static str {
    match mode {
        Mode::Tunnel => "tunnel mode",
        Mode::Transport => "transport mode",
    }
}

/// What is ours and what is the peer's of selectors in transport mode behind a NAT: each side's
/// address is the one that the other side sees (RFC 7296 section 2.23.1). Also the addresses as
/// they came, those of the peer's side first.
fn substitute(
    sa: &IkeSa,
    mode: Mode,
    local: &[TrafficSelector],
    remote: &[TrafficSelector],
) -> (Vec<TrafficSelector>, Vec<TrafficSelector>, Option<(IpAddr, IpAddr)>) {
    let host = |selectors: &[TrafficSelector]| {
        let (first, last) = selectors.first()?.addresses;
        let single = first == last && selectors.iter().all(|one| one.addresses == (first, last));
        single.then_some(first)
    };
    let (mut local, mut remote) = (local.to_vec(), remote.to_vec());
    if mode == Mode::Tunnel || !sa.nat.any() {
        return (local, remote, None);
    }
    let (Some(of_ours), Some(of_theirs)) = (host(&local), host(&remote)) else {
        return (local, remote, None);
    };
    let (here, there) = (sa.path.local.ip(), sa.path.remote.ip());
    if sa.nat.local {
        local.iter_mut().for_each(|one| one.addresses = (here, here));
    }
    if sa.nat.remote {
        remote.iter_mut().for_each(|one| one.addresses = (there, there));
    }
    (local, remote, Some((of_theirs, of_ours)))
}

/// What we take of a peer's offer: the first of our children that it fits. `of` is the child of the
/// pair that is made anew.
pub(crate) fn choose(
    sa: &IkeSa,
    payloads: &[Payload],
    key_exchange: Option<u16>,
    fresh: bool,
    of: Option<&ChildRecord>,
) -> Result<(Arc<Child>, Agreed), Refused> {
    let parts = ChildParts::of(payloads)
        .ok_or_else(|| Refused::new(kind::INVALID_SYNTAX, "its offer lacks a payload"))?;
    // Some peers leave the mode out when they make a pair anew: it is that of the old one.
    let mode = of.map_or_else(|| mode(payloads), |old| old.mode);
    let mut refused = Refused::new(
        kind::TS_UNACCEPTABLE,
        format!(
            "its traffic selectors {} fit no child",
            selectors::describe(parts.responder, parts.initiator)
        ),
    );
    let matching = |child: &&Arc<Child>| of.is_none_or(|old| old.child.name == child.name);
    for child in sa.peer.children.iter().filter(matching) {
        let (local, remote, original) = substitute(sa, mode, parts.responder, parts.initiator);
        let ours = selectors::from_policy(&child.local, sa.path.local.ip());
        let theirs = selectors::from_policy(&child.remote, sa.path.remote.ip());
        let (local, remote) =
            (selectors::narrow(&local, &ours), selectors::narrow(&remote, &theirs));
        if local.is_empty() || remote.is_empty() {
            continue;
        }
        if mode == Mode::Tunnel && child.mode == Mode::Transport {
            let text = format!("it wants tunnel mode, {} is in transport mode", child.name);
            refused = Refused::new(kind::NO_PROPOSAL_CHOSEN, text);
            continue;
        }
        match choose_suite(parts.proposals, child, key_exchange, fresh) {
            Ok(choice) => {
                let agreed = Agreed { choice, mode: child.mode, local, remote, original };
                return Ok((child.clone(), agreed));
            }
            Err(other) => refused = other,
        }
    }
    Err(refused)
}

/// The algorithms, with the group of the peer's key exchange payload if that is allowed.
fn choose_suite(
    offered: &[Proposal],
    child: &Child,
    key_exchange: Option<u16>,
    fresh: bool,
) -> Result<EspChoice, Refused> {
    if let Some(group) = key_exchange {
        let with_group = with_group_only(offered, group);
        if let Ok(choice) = proposal::choose_esp(&with_group, &child.proposals, fresh) {
            return Ok(choice);
        }
    }
    let choice = proposal::choose_esp(offered, &child.proposals, fresh)
        .map_err(|refusal| Refused::new(kind::NO_PROPOSAL_CHOSEN, format!("{refusal}")))?;
    if fresh && choice.group.map(Group::id) != key_exchange {
        // RFC 7296 section 1.3: tell which group instead.
        if let Some(group) = choice.group {
            let text = format!("its key exchange is not {}", group.name());
            let data = group.id().to_be_bytes().to_vec();
            return Err(Refused { kind: kind::INVALID_KE_PAYLOAD, data, text });
        }
    }
    Ok(choice)
}

/// An offer without the key exchanges that the peer has not sent its public value for.
pub(crate) fn with_group_only(offered: &[Proposal], group: u16) -> Vec<Proposal> {
    /// Transform type of key exchanges (RFC 7296 section 3.3.2).
    const KEY_EXCHANGE: u8 = 4;
    let mut offered = offered.to_vec();
    for proposal in &mut offered {
        proposal.transforms.retain(|it| it.kind != KEY_EXCHANGE || it.id == group);
    }
    offered
}

/// The answer to a peer's offer.
pub(crate) fn answer(agreed: &Agreed, spi_in: u32) -> (Payload, Vec<Payload>) {
    let mut rest =
        Vec::from([Payload::TsI(agreed.remote.clone()), Payload::TsR(agreed.local.clone())]);
    if agreed.mode == Mode::Transport {
        rest.push(notify(kind::USE_TRANSPORT_MODE));
    }
    rest.push(notify(kind::ESP_TFC_PADDING_NOT_SUPPORTED));
    (Payload::Sa([agreed.choice.to_msg(spi_in)].into()), rest)
}

/// What a pair's keys are derived from.
pub(crate) struct KeySource<'a> {
    pub nonce_i: &'a [u8],
    pub nonce_r: &'a [u8],
    pub shared: Option<&'a Secret>,
    pub additional: &'a [Secret],
    /// We are the initiator of the exchange.
    pub initiator: bool,
}

/// Installs what we receive by; [`activate`] lets packets out.
pub(crate) fn install(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    wanted: &Wanted,
    spi_in: u32,
    agreed: Agreed,
    source: &KeySource<'_>,
    replaces: Option<ChildSaId>,
) -> Option<ChildSaId> {
    let keys = sa.keys.as_ref()?;
    let suite = agreed.choice.suite;
    let (of_initiator, of_responder) =
        keys.child(suite, source.nonce_i, source.nonce_r, source.shared, source.additional);
    let (inbound, outbound) =
        if source.initiator { (of_responder, of_initiator) } else { (of_initiator, of_responder) };
    let id = cx.shared.child_id();
    let child = wanted.child.clone();
    let lifetime = child.lifetime;
    let after = |duration: Option<Duration>| duration.map(|duration| cx.now + duration);
    let hard_at = after(lifetime.hard);
    let rekey = lifetime.rekey.map(|rekey| cx.shared.jitter(rekey, lifetime.jitter_percent));
    let rekey_at = rekey.map(|rekey| cx.now + rekey);
    let with_spi = |spi, keys: EspKeys| SaKeys {
        spi,
        encryption: keys.encryption,
        authentication: keys.authentication,
    };
    let spi_out = agreed.choice.spi;
    let pair = ChildSa {
        id,
        ike: sa.id,
        peer: sa.peer.name.clone(),
        child: child.name.clone(),
        peer_identity: sa.peer_identity.clone()?,
        mode: agreed.mode,
        suite,
        esn: agreed.choice.esn,
        inbound: with_spi(spi_in, inbound),
        outbound: with_spi(spi_out, outbound),
        local: agreed.local.clone(),
        remote: agreed.remote.clone(),
        path: sa.path,
        udp: sa.udp(),
        behind_nat: sa.nat.local,
        original_addresses: agreed.original,
        lifetime,
        worker: wanted.worker,
    };
    sa.children.push(ChildRecord {
        id,
        child: child.clone(),
        worker: wanted.worker,
        spi_in,
        spi_out,
        mode: agreed.mode,
        description: format!("{}", agreed.choice),
        local: agreed.local,
        remote: agreed.remote,
        state: replaces.map_or(ChildState::Live, |replaces| ChildState::Waiting { replaces }),
        installed: cx.now,
        rekey_at,
        hard_at,
        drain_at: None,
    });
    key_log::esp(cx.shared, &pair);
    cx.shared.emit(Event::InstallInbound(Arc::new(pair)));
    cx.shared.own_child(id, sa.id);
    cx.effects.push(Effect::Up { child, remote: sa.path.remote.ip() });
    Some(id)
}

/// Sends by this pair from here on.
pub(crate) fn activate(sa: &mut IkeSa, cx: &mut Cx<'_>, id: ChildSaId) {
    let Some(record) = sa.child_mut(id) else { return };
    record.state = ChildState::Live;
    let text = format!(
        "{} is up: {}, {}, SPIs {:08x} in and {:08x} out, {}",
        record.child.name,
        words(record.mode),
        record.description,
        record.spi_in,
        record.spi_out,
        selectors::describe(&record.local, &record.remote),
    );
    cx.shared.emit(Event::InstallOutbound(id));
    sa.log(cx, Level::Info, text);
}

/// The pair that waits for this one to go, if there is one, is used from here on.
pub(crate) fn activate_successor(sa: &mut IkeSa, cx: &mut Cx<'_>, old: ChildSaId) -> bool {
    let waits = |record: &&ChildRecord| record.state == ChildState::Waiting { replaces: old };
    let Some(id) = sa.children.iter().rev().find(waits).map(|record| record.id) else {
        return sa.children.iter().any(|record| {
            record.id == old && matches!(record.state, ChildState::Replaced | ChildState::Deleting)
        });
    };
    activate(sa, cx, id);
    true
}

/// Takes for a while what is still on its way through a pair that has been replaced.
pub(crate) fn drain(sa: &mut IkeSa, cx: &mut Cx<'_>, id: ChildSaId) {
    let drain_at = cx.now + cx.shared.settings.drain;
    if let Some(record) = sa.child_mut(id) {
        record.state = ChildState::Draining;
        record.drain_at = Some(drain_at);
    }
}

/// A pair is over. If nothing has taken its place it may be negotiated anew.
pub(crate) fn remove(sa: &mut IkeSa, cx: &mut Cx<'_>, id: ChildSaId, reason: RemovalReason) {
    let Some(index) = sa.children.iter().position(|record| record.id == id) else { return };
    let record = sa.children.remove(index);
    cx.shared.disown_child(id);
    cx.shared.emit(Event::Remove(id, reason));
    cx.shared.release_esp_spi(record.spi_in);
    let why = match reason {
        RemovalReason::Replaced | RemovalReason::Terminated | RemovalReason::Abandoned => return,
        RemovalReason::PeerDead => Lost::Restart,
        RemovalReason::DeletedByPeer | RemovalReason::Expired => Lost::Gone,
    };
    let same = |other: &ChildRecord| {
        other.child.name == record.child.name
            && other.worker == record.worker
            && matches!(other.state, ChildState::Live | ChildState::Waiting { .. })
    };
    if sa.children.iter().any(same) || record.child.start == Start::Never {
        return;
    }
    let (peer, child, remote) = (sa.peer.clone(), record.child, sa.path.remote.ip());
    cx.effects.push(Effect::Lost { peer, child, remote, why });
}
