//! CREATE_CHILD_SA for a child: a new one, or one that takes another's place (RFC 7296 sections
//! 1.3.1 and 1.3.3), begun by us or by the peer, or by both at once (sections 2.8.1 and 2.25.1).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use engine::Secret;

use super::child::{self, ChildOffer, ChildState, KeySource, Refused};
use super::crossing::{
    Crossing, give_up_waiting, is_following_up, made_and_deleted, note_crossing,
};
use super::followup::{self, Pending};
use super::init::{NONCE_LEN, group_of};
use super::notify::{self, kind, notify, notify_esp};
use super::sa::{Active, Cx, Effect, IkeSa, Lost, Phase, Refusal, Task, Wanted};
use super::{rekey_ike, worker};
use crate::algorithm::Group;
use crate::crypto::dh::{self, KeyPair};
use crate::msg::{ESP, ExchangeType, Header, IKE, KeyExchange, Payload, Proposal, numbers};
use crate::output::{ChildSaId, Level, RemovalReason};

/// A request of ours that waits for its response.
pub(crate) struct Offer {
    pub child: ChildOffer,
    pub nonce: Vec<u8>,
    pub pair: Option<KeyPair>,
    /// The pair that the new one takes the place of.
    pub replaces: Option<ChildSaId>,
    /// What the peer has begun meanwhile for the same.
    pub crossing: Option<Crossing>,
    /// What the peer receives by in pairs that it has deleted and that we have not known.
    pub deleted: Vec<u32>,
    /// INVALID_KE_PAYLOAD that were obeyed.
    turns: u8,
}

/// Asks for a new child.
pub(super) fn begin(sa: &mut IkeSa, cx: &mut Cx<'_>, wanted: Wanted) {
    if sa.has_child(&wanted.child.name, wanted.worker) {
        return;
    }
    // A pair for a single worker is one beside that which all share.
    if wanted.worker.is_none() || worker::shared(sa, &wanted.child.name).is_some() {
        propose(sa, cx, wanted, None, None, 0);
    }
}

/// Asks for a pair in place of another.
pub(super) fn begin_rekey(sa: &mut IkeSa, cx: &mut Cx<'_>, id: ChildSaId) {
    // Where the peer has made it anew already, doing so again would cross that unseen.
    let replaced = ChildState::Waiting { replaces: id };
    let taken = sa.children.iter().any(|record| record.state == replaced);
    let Some(record) = sa.child_mut(id) else { return };
    if taken || record.state != ChildState::Live {
        return;
    }
    let wanted = Wanted { child: record.child.clone(), packet: None, worker: record.worker };
    // The peer has done it, and will delete the old one: ours would collide without knowing.
    if sa.children.iter().any(|it| it.state == (ChildState::Waiting { replaces: id })) {
        return;
    }
    propose(sa, cx, wanted, Some(id), None, 0);
}

fn propose(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    wanted: Wanted,
    replaces: Option<ChildSaId>,
    group: Option<Group>,
    turns: u8,
) {
    let mut child = ChildOffer::new(sa, cx, wanted);
    if replaces.is_none() && child.wanted.worker.is_some() {
        worker::match_shared(sa, &mut child);
    }
    let proposals = &child.proposals;
    let group = group.or_else(|| proposals.iter().find_map(|it| it.groups.first().copied()));
    let pair = group.map(|group| KeyPair::generate(group, &mut *cx.shared.random));
    let nonce = cx.shared.random_bytes(NONCE_LEN);
    let mut payloads = Vec::new();
    if let Some(old) = replaces.and_then(|id| sa.child_mut(id)) {
        payloads.push(notify_esp(kind::REKEY_SA, old.spi_in));
    }
    payloads.push(child.proposals(true));
    payloads.push(Payload::Nonce(nonce.clone()));
    if let Some(pair) = &pair {
        let (group, data) = (pair.group().id(), pair.public().to_vec());
        payloads.push(Payload::Ke(KeyExchange { group, data }));
    }
    payloads.extend(child.selectors());
    if replaces.is_none() {
        payloads.extend(worker::offer(&child.wanted));
    }
    let (crossing, deleted) = (None, Vec::new());
    let offer = Offer { child, nonce, pair, replaces, crossing, deleted, turns };
    sa.active = Active::Child(Box::new(offer));
    sa.request(cx, ExchangeType(numbers::exchange::CREATE_CHILD_SA), &payloads);
}

/// The answer to our request.
pub(super) fn response(sa: &mut IkeSa, cx: &mut Cx<'_>, offer: Offer, payloads: &[Payload]) {
    if let Some(error) = notify::error(payloads) {
        return refused(sa, cx, offer, error.kind, &error.data);
    }
    let fresh = true;
    let agreed = offer.child.accept(sa, payloads, fresh);
    let agreed = agreed.and_then(|agreed| worker::confirm(&offer, agreed));
    let made = agreed.and_then(|agreed| {
        let (nonce, exchange) = nonce_and_exchange(payloads);
        let nonce = nonce.ok_or("its answer lacks a nonce")?.to_vec();
        let shared = shared(&offer, agreed.choice.group, exchange)?;
        Ok((agreed, nonce, shared))
    });
    let (agreed, nonce_r, shared) = match made {
        Ok(made) => made,
        Err(text) => {
            let text = format!("{} is not negotiated: {text}", offer.child.wanted.child.name);
            sa.log(cx, Level::Warning, text);
            // It has made a child that we do not take: it is told.
            let refusal = Refusal { spi_in: offer.child.spi_in, spi_out: None };
            sa.tasks.push_front(Task::RefuseChild(refusal));
            return lost(sa, cx, offer, Lost::Failed);
        }
    };
    let groups: Vec<Group> = agreed.choice.additional.iter().flatten().copied().collect();
    if !groups.is_empty() && offer.crossing.is_some() {
        // RFC 9370 section 2.2.4: nothing is made yet, so whoever has lost only stops.
        if offer.loses(&nonce_r) {
            return lost(sa, cx, offer, Lost::Failed);
        }
        followup::forget_child(sa, cx, &offer);
    }
    let pending = Pending::Child { offer: Box::new(offer), agreed: Box::new(agreed) };
    followup::continue_or_finish(sa, cx, pending, groups, nonce_r, shared, payloads);
}

/// The new pair takes the old one's place, unless the peer's own has won.
pub(super) fn finish(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    offer: Offer,
    mut agreed: child::Agreed,
    nonce_r: &[u8],
    shared: Option<&Secret>,
    additional: &[Secret],
) {
    match offer.replaces {
        Some(old) => agreed.per_worker = sa.child_mut(old).is_some_and(|old| old.per_worker),
        None if offer.child.wanted.worker.is_some() && !agreed.per_worker => {
            worker::stop_asking(sa, cx, &offer.child.wanted.child.name);
        }
        None => {}
    }
    let (nonce_i, initiator) = (&offer.nonce[..], true);
    let source = KeySource { nonce_i, nonce_r, shared, additional, initiator };
    let (wanted, spi_in) = (&offer.child.wanted, offer.child.spi_in);
    let loses = offer.loses(nonce_r);
    if offer.deleted.contains(&agreed.choice.spi) {
        return made_and_deleted(sa, cx, &offer, loses);
    }
    let Some(id) = child::install(sa, cx, wanted, spi_in, agreed, &source, None) else { return };
    if loses {
        if let Some(record) = sa.child_mut(id) {
            record.state = ChildState::Lost;
        }
        return sa.tasks.push_front(Task::DeleteChild(id));
    }
    child::activate(sa, cx, id);
    let Some(old) = offer.replaces else {
        return;
    };
    give_up_waiting(sa, old);
    if let Some(record) = sa.child_mut(old) {
        record.state = ChildState::Replaced;
        sa.tasks.push_front(Task::DeleteChild(old));
    }
}

/// The secret of the key exchange that the answer has, if it has one.
fn shared(
    offer: &Offer,
    group: Option<Group>,
    exchange: Option<&KeyExchange>,
) -> Result<Option<Secret>, String> {
    match (&offer.pair, group, exchange) {
        (_, None, None) => Ok(None),
        (Some(pair), Some(group), Some(theirs))
            if pair.group() == group && theirs.group == group.id() =>
        {
            let shared = pair.agree(&theirs.data);
            Ok(Some(shared.map_err(|_| "its public value is not valid")?))
        }
        _ => Err("it answers with another key exchange than it has chosen".into()),
    }
}

/// The peer does not do what we have asked for, and says why.
pub(super) fn refused(sa: &mut IkeSa, cx: &mut Cx<'_>, offer: Offer, error: u16, data: &[u8]) {
    let name = offer.child.wanted.child.name.clone();
    match error {
        kind::INVALID_KE_PAYLOAD if offer.turns < 2 => {
            let group = group_of(data);
            let allowed =
                |group: &Group| offer.child.proposals.iter().any(|it| it.groups.contains(group));
            if let Some(group) = group.filter(allowed) {
                offer.child.abandon(cx);
                let (wanted, turns) = (offer.child.wanted, offer.turns + 1);
                return propose(sa, cx, wanted, offer.replaces, Some(group), turns);
            }
        }
        kind::TS_MAX_QUEUE if offer.child.wanted.worker.is_some() => {
            offer.child.abandon(cx);
            return worker::stop_asking(sa, cx, &name);
        }
        // RFC 7296 section 2.25: later, if there is still need.
        kind::TEMPORARY_FAILURE => {
            // The peer makes what we have asked for, or fails and leaves it to us.
            if offer.crossing.is_some() {
                return lost(sa, cx, offer, Lost::Failed);
            }
            offer.child.abandon(cx);
            if miss(sa, cx, &offer) {
                return;
            }
            sa.not_before =
                Some(cx.now + cx.shared.jitter(cx.shared.settings.retransmit_first, 50));
            let task = match offer.replaces {
                Some(id) => Task::RekeyChild(id),
                None => Task::CreateChild(offer.child.wanted),
            };
            return cx.effects.push(Effect::PassOn { from: sa.id, task });
        }
        kind::CHILD_SA_NOT_FOUND => {
            let (replaces, wanted) = (offer.replaces, offer.child.wanted.clone());
            offer.child.abandon(cx);
            if miss(sa, cx, &offer) {
                return;
            }
            // With a crossing, the peer's new pair has the place already.
            if let (Some(old), None) = (replaces, &offer.crossing)
                && sa.children.iter().any(|it| it.id == old && it.state == ChildState::Live)
            {
                // RFC 7296 section 2.25: silently gone, and made from scratch.
                child::remove(sa, cx, old, RemovalReason::Replaced);
                sa.tasks.push_front(Task::CreateChild(wanted));
            }
            return;
        }
        _ => {}
    }
    let mut text = format!("{name} is not negotiated: {}", notify::words(error));
    // It has taken the same at first, when no key exchange was to be had (RFC 7296 section 1.2).
    if error == kind::NO_PROPOSAL_CHOSEN && offer.replaces.is_some() && offer.pair.is_none() {
        text += "; if it wants PFS, give the tunnel's proposals a key exchange such as `x25519`";
    }
    sa.log(cx, Level::Warning, text);
    lost(sa, cx, offer, Lost::Failed);
}

/// Whether the pair that was to be made anew has gone since: then its child is missed only now.
fn miss(sa: &IkeSa, cx: &mut Cx<'_>, offer: &Offer) -> bool {
    let Some(old) = offer.replaces else { return false };
    let wanted = &offer.child.wanted;
    if !sa.is_established()
        || offer.crossing.is_some()
        || sa.children.iter().any(|record| record.id == old)
        || sa.has_child(&wanted.child.name, wanted.worker)
    {
        return false;
    }
    if wanted.worker.is_some() {
        return true;
    }
    let (peer, child, remote) = (sa.peer.clone(), wanted.child.clone(), sa.path.remote.ip());
    cx.effects.push(Effect::Lost { peer, child, remote, why: Lost::Gone });
    true
}

/// Nothing came of a request of ours.
pub(crate) fn lost(sa: &mut IkeSa, cx: &mut Cx<'_>, offer: Offer, why: Lost) {
    offer.child.abandon(cx);
    if miss(sa, cx, &offer) {
        return;
    }
    let delay = cx.shared.settings.retry;
    match offer.replaces.and_then(|id| sa.child_mut(id)) {
        // The old one is used on; it is tried once more before that ends.
        Some(old) => old.rekey_at = Some(cx.now + delay),
        None if offer.child.wanted.worker.is_some() => {
            sa.workers_not_before = Some(cx.now + delay);
        }
        None => {
            let (peer, remote) = (sa.peer.clone(), sa.path.remote.ip());
            let child = offer.child.wanted.child;
            cx.effects.push(Effect::Lost { peer, child, remote, why });
        }
    }
}

/// A CREATE_CHILD_SA request of the peer's: which kind it is.
pub(super) fn dispatch(sa: &mut IkeSa, cx: &mut Cx<'_>, header: &Header, payloads: &[Payload]) {
    let proposals = payloads.iter().find_map(|payload| match payload {
        Payload::Sa(proposals) => Some(&proposals[..]),
        _ => None,
    });
    let of_ike = |proposals: &[Proposal]| proposals.iter().any(|it| it.protocol == IKE);
    match proposals {
        Some(proposals) if of_ike(proposals) => rekey_ike::answer(sa, cx, header, payloads),
        Some(_) => answer(sa, cx, header, payloads),
        None => sa.respond(cx, header, &[notify(kind::INVALID_SYNTAX)]),
    }
}

/// A child that the peer asks for.
fn answer(sa: &mut IkeSa, cx: &mut Cx<'_>, header: &Header, payloads: &[Payload]) {
    // RFC 7296 section 2.25.2: not while the IKE SA is made anew or is to go.
    if !matches!(sa.phase, Phase::Established) || sa.active.is_rekeying_ike() {
        return sa.respond(cx, header, &[notify(kind::TEMPORARY_FAILURE)]);
    }
    if let Err(refused) = take(sa, cx, header, payloads) {
        let level = if refused.text.is_empty() { Level::Debug } else { Level::Warning };
        let text = format!("its child is refused: {}", refused.text);
        sa.log(cx, level, text);
        let mut answer = refused.payload();
        if let (kind::CHILD_SA_NOT_FOUND, Payload::Notify(notify)) = (refused.kind, &mut answer)
            && let Some(asked) = notify::find(payloads, kind::REKEY_SA)
        {
            // RFC 7296 section 2.25: it names the SA that is not there.
            (notify.protocol, notify.spi) = (asked.protocol, asked.spi.clone());
        }
        sa.respond(cx, header, &[answer]);
    }
}

fn take(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    header: &Header,
    payloads: &[Payload],
) -> Result<(), Refused> {
    let old = replaced(sa, payloads)?;
    let (nonce_i, exchange) = nonce_and_exchange(payloads);
    let syntax = || Refused::new(kind::INVALID_SYNTAX, "its offer lacks a nonce");
    let nonce_i = nonce_i.ok_or_else(syntax)?.to_vec();
    let record = old.and_then(|id| sa.children.iter().find(|record| record.id == id));
    let group = exchange.map(|exchange| exchange.group);
    let (child, mut agreed) = child::choose(sa, payloads, group, true, record)?;
    let worker = match record {
        Some(record) => {
            agreed.per_worker = record.per_worker;
            record.worker
        }
        None => worker::admit(sa, payloads, &child, &mut agreed)?,
    };
    if is_following_up(sa, old, &child.name, worker) {
        return Err(Refused::new(kind::TEMPORARY_FAILURE, "we are about to make it"));
    }
    let mut reply_exchange = None;
    let mut shared = None;
    if let (Some(group), Some(theirs)) = (agreed.choice.group, exchange) {
        let (public, secret) = dh::respond(group, &theirs.data, &mut *cx.shared.random)
            .map_err(|_| Refused::new(kind::INVALID_SYNTAX, "its public value is not valid"))?;
        reply_exchange = Some(Payload::Ke(KeyExchange { group: group.id(), data: public }));
        shared = Some(secret);
    }
    let nonce_r = cx.shared.random_bytes(NONCE_LEN);
    note_crossing(sa, old, &child.name, worker, nonce_i.as_slice().min(&nonce_r));
    let spi_in = cx.shared.allocate_esp_spi();
    let (first, rest) = child::answer(&agreed, spi_in);
    let mut reply = alloc::vec![first, Payload::Nonce(nonce_r.clone())];
    reply.extend(reply_exchange);
    reply.extend(rest);
    let wanted = Wanted { child, packet: None, worker };
    if old.is_none() {
        reply.extend(worker::answer(&wanted, &agreed));
    }
    let groups: Vec<Group> = agreed.choice.additional.iter().flatten().copied().collect();
    let answered = Answered { wanted, spi_in, agreed, nonce_i, nonce_r, shared, replaces: old };
    if !groups.is_empty() {
        followup::await_more(sa, cx, header, answered, groups, reply);
        return Ok(());
    }
    let new = made(sa, cx, answered, &[]);
    sa.respond(cx, header, &reply);
    if let (Some(id), None) = (new, old) {
        worker::use_new(sa, cx, id);
    }
    Ok(())
}

/// A child of the peer's that is agreed upon.
pub(crate) struct Answered {
    pub wanted: Wanted,
    pub spi_in: u32,
    agreed: child::Agreed,
    nonce_i: Vec<u8>,
    nonce_r: Vec<u8>,
    shared: Option<Secret>,
    pub replaces: Option<ChildSaId>,
}

/// Installs what we receive by, before the peer learns that it may send.
pub(super) fn made(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    answered: Answered,
    additional: &[Secret],
) -> Option<ChildSaId> {
    let source = KeySource {
        nonce_i: &answered.nonce_i,
        nonce_r: &answered.nonce_r,
        shared: answered.shared.as_ref(),
        additional,
        initiator: false,
    };
    let Answered { wanted, spi_in, agreed, replaces, .. } = &answered;
    let agreed = agreed.clone();
    child::install(sa, cx, wanted, *spi_in, agreed, &source, *replaces)
}

/// The pair of ours whose place the peer's new one is to take.
fn replaced(sa: &IkeSa, payloads: &[Payload]) -> Result<Option<ChildSaId>, Refused> {
    let Some(asked) = notify::find(payloads, kind::REKEY_SA) else { return Ok(None) };
    let spi = asked.spi.first_chunk().map(|spi| u32::from_be_bytes(*spi));
    let of_spi = sa.children.iter().find(|it| Some(it.spi_out) == spi && asked.protocol == ESP);
    let not_found = || {
        let text = format!("it wants new keys for {:08x}, which is not there", spi.unwrap_or(0));
        Refused::new(kind::CHILD_SA_NOT_FOUND, text)
    };
    let about_to_go = || Refused::new(kind::TEMPORARY_FAILURE, "that pair is about to go");
    let refused = |refusal: &Refusal| refusal.spi_out.is_some() && refusal.spi_out == spi;
    let Some(record) = of_spi else {
        // RFC 7296 section 2.25.1: we are about to delete it.
        return Err(if sa.refusals().any(refused) { about_to_go() } else { not_found() });
    };
    match record.state {
        ChildState::Live | ChildState::Waiting { .. } => Ok(Some(record.id)),
        ChildState::Replaced | ChildState::Deleting => Err(about_to_go()),
        ChildState::Draining | ChildState::Lost => Err(not_found()),
    }
}

/// Nonce and key exchange of a message.
pub(crate) fn nonce_and_exchange(payloads: &[Payload]) -> (Option<&[u8]>, Option<&KeyExchange>) {
    let (mut nonce, mut exchange) = (None, None);
    for payload in payloads {
        match payload {
            // RFC 7296 section 2.10.
            Payload::Nonce(bytes) if (16..=256).contains(&bytes.len()) => nonce = Some(&bytes[..]),
            Payload::Ke(ke) => exchange = Some(ke),
            _ => {}
        }
    }
    (nonce, exchange)
}
