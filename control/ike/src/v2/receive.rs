//! A message for an IKE SA that has keys: is it due, is it authentic, and whose is it.

use alloc::format;
use alloc::vec;

use super::notify::{kind, notify, notify_with};
use super::sa::{Active, Cx, IkeSa, Phase};
use super::window::Arrival;
use super::{auth, create_child, followup, informational, init, intermediate, mobike, rekey_ike};
use crate::msg::numbers::exchange;
use crate::msg::sealed::{self, Opened, Plain};
use crate::msg::{Header, Payload};
use crate::output::{Level, Path, RemovalReason};

/// A request of the peer's.
pub(super) fn request(sa: &mut IkeSa, cx: &mut Cx<'_>, path: Path, header: &Header, bytes: &[u8]) {
    match sa.window.arrival(header.message_id) {
        Arrival::Stale => return,
        Arrival::Again => {
            // RFC 7383 section 2.6.1: one answer for all fragments.
            if is_first(sa, bytes) {
                sa.window.answer_again(cx.shared, path);
            }
            return;
        }
        Arrival::New => {}
    }
    let Some(plain) = open(sa, cx, path, bytes) else { return };
    sa.reassembly.clear();
    heard(sa, cx, path);
    let payloads = match plain.payloads() {
        Ok(payloads) => payloads,
        Err(text) => {
            // RFC 7296 section 2.21.3: the peer is authenticated and yet malformed.
            sa.log(cx, Level::Warning, format!("its request is malformed: {text}"));
            sa.respond(cx, header, &[notify(kind::INVALID_SYNTAX)]);
            return sa.end(cx, RemovalReason::DeletedByPeer);
        }
    };
    if let Some(unknown) = critical(&payloads) {
        // RFC 7296 section 2.5: the whole message is ignored.
        let text = format!("its request has the critical payload {unknown}, which is not known");
        sa.log(cx, Level::Warning, text);
        let answer = notify_with(kind::UNSUPPORTED_CRITICAL_PAYLOAD, vec![unknown]);
        return sa.respond(cx, header, &[answer]);
    }
    match (header.exchange.0, &sa.phase) {
        (exchange::IKE_INTERMEDIATE, Phase::Answering(_)) => {
            intermediate::answer(sa, cx, header, &plain, &payloads);
        }
        (exchange::IKE_AUTH, Phase::Answering(_)) => auth::answer(sa, cx, header, &payloads),
        (_, Phase::Answering(_) | Phase::Connecting(_) | Phase::Closed) => return,
        (exchange::CREATE_CHILD_SA, _) => create_child::dispatch(sa, cx, header, &payloads),
        (exchange::IKE_FOLLOWUP_KE, _) => followup::answer(sa, cx, header, &payloads),
        (exchange::INFORMATIONAL, _) => informational::answer(sa, cx, path, header, &payloads),
        _ => sa.respond(cx, header, &[notify(kind::INVALID_SYNTAX)]),
    }
    sa.next_task(cx);
}

/// A response of the peer's.
pub(super) fn response(sa: &mut IkeSa, cx: &mut Cx<'_>, path: Path, header: &Header, bytes: &[u8]) {
    if !sa.window.awaits(header.message_id) || header.exchange != sa.active.exchange() {
        return;
    }
    if matches!(sa.active, Active::Init(_)) {
        init::response(sa, cx, path, header, bytes);
        return sa.next_task(cx);
    }
    let Some(plain) = open(sa, cx, path, bytes) else { return };
    sa.reassembly.clear();
    heard(sa, cx, path);
    let payloads = match plain.payloads() {
        Ok(payloads) => payloads,
        Err(text) => {
            sa.log(cx, Level::Warning, format!("its answer is malformed: {text}"));
            return sa.end(cx, RemovalReason::DeletedByPeer);
        }
    };
    sa.window.complete();
    if let Some(unknown) = critical(&payloads) {
        let text = format!("its answer has the critical payload {unknown}, which is not known");
        sa.log(cx, Level::Warning, text);
        return sa.end(cx, RemovalReason::DeletedByPeer);
    }
    match core::mem::replace(&mut sa.active, Active::Nothing) {
        Active::Nothing | Active::Init(_) => {}
        Active::Intermediate(offer) => {
            intermediate::response(sa, cx, *offer, header, &plain, &payloads);
        }
        Active::Auth(offer) => auth::response(sa, cx, *offer, &payloads),
        Active::Child(offer) => create_child::response(sa, cx, *offer, &payloads),
        Active::Ike(offer) => rekey_ike::response(sa, cx, *offer, &payloads),
        Active::FollowUp(offer) => followup::response(sa, cx, *offer, &payloads),
        Active::DeleteChild { id, reason } => informational::child_deleted(sa, cx, id, reason),
        Active::Update { cookie } => mobike::response(sa, cx, path, &cookie, &payloads),
        Active::DeleteIke => sa.end(cx, RemovalReason::Terminated),
        Active::RefuseChild(_) | Active::Liveness => {}
    }
    sa.next_task(cx);
}

/// What is inside; `None` if it is not authentic or not complete.
fn open(sa: &mut IkeSa, cx: &mut Cx<'_>, path: Path, bytes: &[u8]) -> Option<Plain> {
    let keys = sa.keys.as_ref()?;
    let keys = if sa.initiator { &keys.responder } else { &keys.initiator };
    match sealed::open(bytes, keys) {
        Ok(Opened::Whole(plain)) => Some(plain),
        Ok(Opened::Fragment(fragment)) => sa.reassembly.add(fragment),
        Err(error) => {
            let text = format!("message from {} dropped: {error}", path.remote);
            cx.shared.log_stranger(cx.now, Level::Debug, Some(&sa.peer.name), text);
            None
        }
    }
}

/// The peer is alive, and an authentic new message came by this path.
fn heard(sa: &mut IkeSa, cx: &mut Cx<'_>, path: Path) {
    sa.last_heard = cx.now;
    if path == sa.path {
        return;
    }
    let handshake = matches!(sa.phase, Phase::Answering(_));
    // RFC 7296 section 2.23: a peer behind a NAT is where it was heard last, unless it tells where
    // it is by itself (RFC 4555 section 3.8).
    if handshake || (sa.nat.remote && !sa.nat.local && !sa.features.mobike) {
        sa.move_to(cx, path);
    }
}

/// Type of the first critical payload that is not known.
pub(super) fn critical(payloads: &[Payload]) -> Option<u8> {
    payloads.iter().find_map(|payload| match payload {
        Payload::Unknown(kind, true, _) => Some(*kind),
        _ => None,
    })
}

/// Whether a message is authentic, and whole or the first of its fragments.
fn is_first(sa: &IkeSa, bytes: &[u8]) -> bool {
    let Some(keys) = &sa.keys else { return false };
    let keys = if sa.initiator { &keys.responder } else { &keys.initiator };
    match sealed::open(bytes, keys) {
        Ok(Opened::Whole(_)) => true,
        Ok(Opened::Fragment(fragment)) => fragment.number == 1,
        Err(_) => false,
    }
}
