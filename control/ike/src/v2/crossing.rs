//! Exchanges for a child that cross one another (RFC 7296 sections 2.8.1 and 2.25.1).

use alloc::format;
use alloc::vec::Vec;

use super::child::{ChildRecord, ChildState};
use super::create_child::{Answered, Offer};
use super::followup::Pending;
use super::sa::{Active, Cx, Effect, IkeSa, Lost, Task};
use crate::output::{ChildSaId, Level};

/// An exchange of the peer's that does the same as one of ours.
#[derive(Clone)]
pub(crate) struct Crossing {
    /// The lower of its nonces.
    pub lowest: Vec<u8>,
}

impl Crossing {
    /// RFC 7296 section 2.8.1: what was made with the lowest of the four nonces goes, and whoever
    /// has begun it deletes it.
    pub fn beats(&self, nonce_i: &[u8], nonce_r: &[u8]) -> bool {
        nonce_i.min(nonce_r) < &self.lowest[..]
    }
}

impl Offer {
    /// Whether it is for this child, in place of this pair.
    pub fn is_for(&self, old: Option<ChildSaId>, child: &str, worker: Option<u16>) -> bool {
        let wanted = &self.child.wanted;
        self.replaces == old && *wanted.child.name == *child && wanted.worker == worker
    }

    /// Whether an exchange of the peer's has won over ours, which had this answer.
    pub fn loses(&self, nonce_r: &[u8]) -> bool {
        self.crossing.as_ref().is_some_and(|it| it.beats(&self.nonce, nonce_r))
    }
}

/// A pair of the peer's that has lost waits for the peer to delete it.
pub(super) fn give_up_waiting(sa: &mut IkeSa, old: ChildSaId) {
    for record in &mut sa.children {
        if record.state == (ChildState::Waiting { replaces: old }) {
            record.state = ChildState::Lost;
        }
    }
}

/// The peer has deleted something that we do not know: it may be the pair that we are about to
/// make, whose answer is late.
pub(super) fn note_deletion(sa: &mut IkeSa, spi_out: u32) {
    /// A peer that deletes more than this meanwhile does not mean ours.
    const DELETED_MAX: usize = 16;
    let offer = match &mut sa.active {
        Active::Child(offer) => offer,
        Active::FollowUp(further) => match &mut further.pending {
            Pending::Child { offer, .. } => offer,
            Pending::Ike { .. } => return,
        },
        _ => return,
    };
    if offer.deleted.len() < DELETED_MAX {
        offer.deleted.push(spi_out);
    }
}

/// The peer has deleted the new pair before its answer came: all is as if it had come in time.
pub(super) fn made_and_deleted(sa: &mut IkeSa, cx: &mut Cx<'_>, offer: &Offer, loses: bool) {
    offer.child.abandon(cx);
    if loses {
        return;
    }
    let wanted = &offer.child.wanted;
    sa.log(cx, Level::Info, format!("it has deleted {} again", wanted.child.name));
    if let Some(old) = offer.replaces {
        give_up_waiting(sa, old);
        sa.tasks.push_front(Task::DeleteChild(old));
    }
    let (peer, child, remote) = (sa.peer.clone(), wanted.child.clone(), sa.path.remote.ip());
    cx.effects.push(Effect::Lost { peer, child, remote, why: Lost::Gone });
}

/// Whether what the peer has begun must not be ended any more: the pair whose place it was to take
/// is about to go, or has gone.
pub(super) fn is_obsolete(sa: &IkeSa, answered: &Answered) -> bool {
    let usable = |record: &ChildRecord| {
        Some(record.id) == answered.replaces
            && matches!(record.state, ChildState::Live | ChildState::Waiting { .. })
    };
    answered.replaces.is_some() && !sa.children.iter().any(usable)
}

/// Whether the peer has agreed to the same exchange of ours, and only further key exchanges lack.
pub(super) fn is_following_up(
    sa: &IkeSa,
    old: Option<ChildSaId>,
    child: &str,
    worker: Option<u16>,
) -> bool {
    let further = matches!(sa.active, Active::FollowUp(_));
    let offer = sa.active.child_offer().filter(|_| further);
    offer.is_some_and(|offer| offer.is_for(old, child, worker))
}

/// If we have begun the same, what decides between the two is noted.
pub(super) fn note_crossing(
    sa: &mut IkeSa,
    old: Option<ChildSaId>,
    child: &str,
    worker: Option<u16>,
    lowest: &[u8],
) {
    if let Active::Child(offer) = &mut sa.active
        && offer.is_for(old, child, worker)
    {
        offer.crossing = Some(Crossing { lowest: lowest.to_vec() });
    }
}
