//! INFORMATIONAL exchanges (RFC 7296 section 1.4): deletions, and whether the other is alive.

use alloc::format;
use alloc::vec::Vec;

use super::child::{self, ChildState};
use super::notify::{self, has, kind};
use super::sa::{Active, Cx, IkeSa, Phase, Refusal};
use super::{crossing, mobike};
use crate::msg::{Delete, ESP, ExchangeType, Header, IKE, Payload, numbers};
use crate::output::{ChildSaId, Level, Path, RemovalReason};

/// Asks whether the peer is alive (RFC 7296 section 2.4).
pub(super) fn begin_liveness(sa: &mut IkeSa, cx: &mut Cx<'_>) {
    sa.active = Active::Liveness;
    sa.request(cx, ExchangeType(numbers::exchange::INFORMATIONAL), &[]);
}

/// Deletes a pair.
pub(super) fn begin_delete_child(sa: &mut IkeSa, cx: &mut Cx<'_>, id: ChildSaId) {
    let Some(record) = sa.child_mut(id) else { return };
    if matches!(record.state, ChildState::Deleting | ChildState::Draining) {
        return;
    }
    let spi = record.spi_in;
    let reason = match record.state {
        ChildState::Replaced => RemovalReason::Replaced,
        ChildState::Lost => RemovalReason::Abandoned,
        _ => RemovalReason::Terminated,
    };
    record.state = ChildState::Deleting;
    sa.active = Active::DeleteChild { id, reason };
    let delete = Payload::Delete(Delete { protocol: ESP, spis: [spi].into() });
    sa.request(cx, ExchangeType(numbers::exchange::INFORMATIONAL), &[delete]);
}

/// Tells the peer that there is no such pair.
pub(super) fn begin_refuse_child(sa: &mut IkeSa, cx: &mut Cx<'_>, refusal: Refusal) {
    sa.active = Active::RefuseChild(refusal);
    let delete = Payload::Delete(Delete { protocol: ESP, spis: [refusal.spi_in].into() });
    sa.request(cx, ExchangeType(numbers::exchange::INFORMATIONAL), &[delete]);
}

/// The peer has confirmed that a pair is deleted.
pub(super) fn child_deleted(sa: &mut IkeSa, cx: &mut Cx<'_>, id: ChildSaId, reason: RemovalReason) {
    if reason == RemovalReason::Replaced {
        child::drain(sa, cx, id);
    } else {
        child::remove(sa, cx, id, reason);
    }
}

/// Deletes the IKE SA.
pub(super) fn begin_delete(sa: &mut IkeSa, cx: &mut Cx<'_>) {
    sa.phase = Phase::Deleting;
    sa.active = Active::DeleteIke;
    let delete = Payload::Delete(Delete { protocol: IKE, spis: Vec::new() });
    sa.request(cx, ExchangeType(numbers::exchange::INFORMATIONAL), &[delete]);
}

/// A request of the peer's.
pub(super) fn answer(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    path: Path,
    header: &Header,
    payloads: &[Payload],
) {
    let deletes_ike = |payload: &Payload| match payload {
        Payload::Delete(delete) => delete.protocol == IKE,
        _ => false,
    };
    if payloads.iter().any(deletes_ike) {
        sa.respond(cx, header, &[]);
        return deleted(sa, cx);
    }
    // RFC 7296 section 2.21.2: the initiator does not take our proof.
    if has(payloads, kind::AUTHENTICATION_FAILED) {
        sa.log(cx, Level::Warning, notify::words(kind::AUTHENTICATION_FAILED).into());
        sa.respond(cx, header, &[]);
        return sa.end(cx, RemovalReason::DeletedByPeer);
    }
    let mut reply = Vec::new();
    let mut spis = Vec::new();
    for payload in payloads {
        if let Payload::Delete(delete) = payload
            && delete.protocol == ESP
        {
            spis.extend(delete.spis.iter().filter_map(|spi| delete_child(sa, cx, *spi)));
        }
    }
    if !spis.is_empty() {
        reply.push(Payload::Delete(Delete { protocol: ESP, spis }));
    }
    mobike::answer(sa, cx, path, payloads, &mut reply);
    sa.respond(cx, header, &reply);
}

/// The peer deletes the pair by which it receives with `spi_out`: the SPI that goes into our
/// answer.
fn delete_child(sa: &mut IkeSa, cx: &mut Cx<'_>, spi_out: u32) -> Option<u32> {
    let Some(record) = sa.children.iter().find(|record| record.spi_out == spi_out) else {
        crossing::note_deletion(sa, spi_out);
        return None;
    };
    let (id, spi_in, state) = (record.id, record.spi_in, record.state);
    match state {
        ChildState::Draining => None,
        // RFC 7296 section 1.4.1: when both delete it, neither names it in the answer.
        ChildState::Deleting => {
            if child::activate_successor(sa, cx, id) {
                child::drain(sa, cx, id);
            } else {
                child::remove(sa, cx, id, RemovalReason::Terminated);
            }
            None
        }
        ChildState::Waiting { .. } | ChildState::Lost => {
            // The peer's own, which lost a collision.
            child::remove(sa, cx, id, RemovalReason::Abandoned);
            Some(spi_in)
        }
        ChildState::Live | ChildState::Replaced => {
            if child::activate_successor(sa, cx, id) {
                child::drain(sa, cx, id);
            } else {
                let text = format!("it has deleted the pair with SPI {spi_in:08x}");
                sa.log(cx, Level::Info, text);
                child::remove(sa, cx, id, RemovalReason::DeletedByPeer);
            }
            Some(spi_in)
        }
    }
}

/// The peer has deleted the IKE SA.
fn deleted(sa: &mut IkeSa, cx: &mut Cx<'_>) {
    // RFC 7296 section 2.25.2: a rekeying of ours is forgotten.
    match sa.phase {
        Phase::Established => {
            if let Some(old) = sa.crossed {
                // It lost a collision whose winner is not known here yet.
                let children = core::mem::take(&mut sa.children);
                sa.hand(cx, children, old);
            }
            sa.log(cx, Level::Info, "it has deleted the connection".into());
            sa.end(cx, RemovalReason::DeletedByPeer);
        }
        _ => sa.end(cx, RemovalReason::Replaced),
    }
}
