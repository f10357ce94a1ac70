//! Changes of address that a peer tells of (RFC 4555).

use alloc::vec::Vec;

use super::nat::{self, Nat};
use super::notify::{self, has, kind, notify, notify_with};
use super::sa::{Active, Cx, IkeSa};
use crate::msg::{ExchangeType, Payload, numbers};
use crate::output::{Level, Path};

/// Tells the peer that we are elsewhere. The new path is used already.
pub(super) fn begin(sa: &mut IkeSa, cx: &mut Cx<'_>) {
    let cookie = cx.shared.random_bytes(16);
    let mut payloads = Vec::from([notify(kind::UPDATE_SA_ADDRESSES)]);
    payloads.extend(nat::notifications(sa.spis, sa.path, sa.peer.force_udp));
    // RFC 4555 section 3.7: whoever answers has seen the question.
    payloads.push(notify_with(kind::COOKIE2, cookie.clone()));
    sa.active = Active::Update { cookie };
    sa.request(cx, ExchangeType(numbers::exchange::INFORMATIONAL), &payloads);
}

/// The answer to our request.
pub(super) fn response(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    path: Path,
    cookie: &[u8],
    payloads: &[Payload],
) {
    if notify::find(payloads, kind::COOKIE2).is_none_or(|it| it.data != cookie) {
        let text = "its answer to our change of address lacks our cookie".into();
        return sa.log(cx, Level::Warning, text);
    }
    if let Some(error) = notify::error(payloads) {
        return sa.log(cx, Level::Warning, notify::words(error.kind).into());
    }
    redetect(sa, path, payloads);
    sa.move_to(cx, sa.path);
}

/// The peer's part of an INFORMATIONAL exchange that is about addresses.
pub(super) fn answer(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    path: Path,
    payloads: &[Payload],
    reply: &mut Vec<Payload>,
) {
    if !sa.features.mobike {
        return;
    }
    // RFC 4555 section 3.5: only who began the first SA moves.
    if has(payloads, kind::UPDATE_SA_ADDRESSES) && !sa.features.first_initiator {
        if has(payloads, kind::NO_NATS_ALLOWED) && path != sa.path {
            return reply.push(notify(kind::UNEXPECTED_NAT_DETECTED));
        }
        redetect(sa, path, payloads);
        sa.log(cx, Level::Info, alloc::format!("it has moved to {}", path.remote));
        sa.move_to(cx, path);
    }
    if has(payloads, kind::NAT_DETECTION_SOURCE_IP) {
        reply.extend(nat::notifications(sa.spis, path, sa.peer.force_udp));
    }
    if let Some(cookie) = notify::find(payloads, kind::COOKIE2) {
        reply.push(notify_with(kind::COOKIE2, cookie.data.clone()));
    }
}

fn redetect(sa: &mut IkeSa, path: Path, payloads: &[Payload]) {
    let nat = Nat::detect(payloads, sa.spis, path);
    if nat.peer_can {
        sa.nat = nat;
    }
}
