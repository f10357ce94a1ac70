//! Pairs of SAs for single workers (RFC 9611), each with a sequence number of its own, beside the
//! pair that all share: their selectors, algorithms and mode are its.
//!
//! 1. Both say SA_RESOURCE_INFO where the shared pair is negotiated, or there are no others.
//! 2. A worker that sends through the shared pair asks for one of its own.
//! 3. The peer gives the new pair to the worker of its own that has fewest, or says TS_MAX_QUEUE:
//!    then nobody asks again on this connection.
//! 4. That worker sends through it as soon as something has come through it.
//!
//! New keys belong to the worker whose the old ones were; no notification says so again. A pair
//! that the peer deletes is its worker's end alone, and that one goes back to the shared pair.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::child::{self, Agreed, ChildOffer, ChildRecord, ChildState, Refused};
use super::create_child::Offer;
use super::notify::{has, kind, notify_with};
use super::sa::{Cx, IkeSa, Task, Wanted};
use super::selectors::within;
use crate::msg::Payload;
use crate::output::{ChildSaId, Event, Level, RemovalReason};
use crate::policy::Child;
use crate::proposal::EspProposal;

/// Pairs that a peer may have beside a shared one, however few workers we have; never fewer than
/// twice our workers (RFC 9611 section 6).
const MAX_AT_LEAST: usize = 32;

impl IkeSa {
    /// A worker of ours sends through the pair `id`, which is shared, and wants its own.
    pub fn want_for_worker(&mut self, cx: &mut Cx<'_>, id: ChildSaId, worker: u16) {
        let of_id = |record: &&ChildRecord| record.id == id && is_shared(record);
        let Some(record) = self.children.iter().find(of_id) else { return };
        let child = record.child.clone();
        let too_early = self.workers_not_before.is_some_and(|time| time > cx.now);
        let is_ours = worker < child.per_worker && child.per_worker > 1;
        if is_ours && !too_early && !self.is_after(&child.name, Some(worker)) {
            let wanted = Wanted { child, packet: None, worker: Some(worker) };
            self.tasks.push_back(Task::CreateChild(wanted));
        }
    }
}

/// What goes with our request for a new pair, if the child allows pairs for single workers.
pub(super) fn offer(wanted: &Wanted) -> Option<Payload> {
    (wanted.child.per_worker > 0).then(|| resource(wanted.worker))
}

/// What goes with our answer to one, if both want pairs for single workers.
pub(super) fn answer(wanted: &Wanted, agreed: &Agreed) -> Option<Payload> {
    agreed.per_worker.then(|| resource(wanted.worker))
}

/// The worker's index tells people which pair is whose; it means nothing to the peer (RFC 9611
/// section 5.1).
fn resource(worker: Option<u16>) -> Payload {
    let data = worker.map(|worker| u32::from(worker).to_be_bytes().to_vec());
    notify_with(kind::SA_RESOURCE_INFO, data.unwrap_or_default())
}

/// The pair of a child that all workers share, if there may be others beside it.
pub(super) fn shared<'a>(sa: &'a IkeSa, child: &str) -> Option<&'a ChildRecord> {
    sa.children.iter().find(|record| *record.child.name == *child && is_shared(record))
}

fn is_shared(record: &ChildRecord) -> bool {
    record.is_current() && record.worker.is_none() && record.per_worker
}

/// Has an offer for a single worker ask for what the shared pair has (RFC 9611 section 4).
pub(super) fn match_shared(sa: &IkeSa, offer: &mut ChildOffer) {
    let Some(shared) = shared(sa, &offer.wanted.child.name) else { return };
    offer.local.clone_from(&shared.local);
    offer.remote.clone_from(&shared.remote);
    let has_it = |it: &&EspProposal| {
        it.suites.contains(&shared.suite) && if shared.esn { it.esn } else { it.no_esn }
    };
    let same = |it: &EspProposal| EspProposal {
        suites: vec![shared.suite],
        esn: shared.esn,
        no_esn: !shared.esn,
        ..it.clone()
    };
    offer.proposals = offer.proposals.iter().filter(has_it).map(same).collect();
}

/// Whether the peer's answer to an offer for a single worker is like the shared pair.
pub(super) fn confirm(offer: &Offer, agreed: Agreed) -> Result<Agreed, String> {
    let ours = &offer.child;
    let is_extra = offer.replaces.is_none() && ours.wanted.worker.is_some();
    let same = within(&ours.local, &agreed.local) && within(&ours.remote, &agreed.remote);
    if is_extra && !same {
        return Err("its traffic selectors are not those of the shared pair".into());
    }
    Ok(agreed)
}

/// The worker of ours that a new pair is for that the peer asks for; `None` makes it the one that
/// all share. Notes in `agreed` whether others may be beside it.
pub(super) fn admit(
    sa: &IkeSa,
    payloads: &[Payload],
    child: &Arc<Child>,
    agreed: &mut Agreed,
) -> Result<Option<u16>, Refused> {
    agreed.per_worker = child.per_worker > 0 && has(payloads, kind::SA_RESOURCE_INFO);
    let beside = |record: &&ChildRecord| {
        record.is_current()
            && record.child.name == child.name
            && (&record.local, &record.remote) == (&agreed.local, &agreed.remote)
    };
    let shared = sa.children.iter().filter(beside).find(|record| record.worker.is_none());
    let Some(shared) = shared.filter(|_| agreed.per_worker) else { return Ok(None) };
    let wanted = (agreed.choice.suite, agreed.choice.esn, agreed.mode);
    if wanted != (shared.suite, shared.esn, shared.mode) {
        let text = "a pair for a single worker is to be like the shared one";
        return Err(Refused::new(kind::NO_PROPOSAL_CHOSEN, text));
    }
    let extra: Vec<_> = sa.children.iter().filter(beside).filter_map(|it| it.worker).collect();
    let most = MAX_AT_LEAST.max(2 * usize::from(child.per_worker));
    if extra.len() >= most {
        // RFC 9611 section 4: not NO_ADDITIONAL_SAS, which would be about all children.
        let text = format!("it has {most} pairs for single workers, which are enough");
        return Err(Refused::new(kind::TS_MAX_QUEUE, text));
    }
    let pending = sa.active.child_offer().map(|offer| &offer.child.wanted);
    let pending = pending.filter(|it| it.child.name == child.name).and_then(|it| it.worker);
    let pairs = |worker: &u16| extra.iter().chain(&pending).filter(|it| *it == worker).count();
    Ok((0..child.per_worker).min_by_key(pairs))
}

/// A new pair of the peer's is there. For a single worker it is sent through only once the peer has
/// shown that it has the keys: the shared pair is good until then.
pub(super) fn use_new(sa: &mut IkeSa, cx: &mut Cx<'_>, id: ChildSaId) {
    match sa.child_mut(id).filter(|record| record.worker.is_some()) {
        Some(record) => record.state = ChildState::Waiting { replaces: id },
        None => child::activate(sa, cx, id),
    }
}

/// The peer takes no more pairs for single workers.
pub(super) fn stop_asking(sa: &mut IkeSa, cx: &mut Cx<'_>, child: &str) {
    let text = format!("it takes no more pairs of {child} for single workers");
    sa.log(cx, Level::Info, text);
    for record in sa.children.iter_mut().filter(|record| *record.child.name == *child) {
        if core::mem::take(&mut record.per_worker) {
            cx.shared.emit(Event::WorkersShare(record.id));
        }
    }
}

/// A worker's pair has gone. If the peer has begun another for the same worker, that is used.
pub(super) fn removed(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    child: &str,
    worker: u16,
    reason: RemovalReason,
) {
    if !matches!(reason, RemovalReason::DeletedByPeer | RemovalReason::Expired) {
        return;
    }
    // RFC 9611 section 6: at once, the two might make and delete it for ever.
    sa.workers_not_before = Some(cx.now + cx.shared.settings.retry);
    let another = |record: &&ChildRecord| {
        record.state == ChildState::Live
            && *record.child.name == *child
            && record.worker == Some(worker)
    };
    if let Some(another) = sa.children.iter().rev().find(another) {
        cx.shared.emit(Event::InstallOutbound(another.id));
    }
}
