//! Further key exchanges after CREATE_CHILD_SA: IKE_FOLLOWUP_KE (RFC 9370 section 2.2.4).

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use engine::Secret;

use super::notify::{self, kind, notify, notify_with};
use super::sa::{Active, Cx, IkeSa, Lost};
use super::{child, create_child, crossing, rekey_ike};
use crate::algorithm::Group;
use crate::crypto::dh::{self, KeyPair};
use crate::msg::{ExchangeType, Header, IkeSpi, KeyExchange, Payload, numbers};
use crate::output::Level;
use crate::proposal::IkeChoice;

/// What an exchange of ours makes once all its key exchanges are done.
pub(crate) enum Pending {
    Child { offer: Box<create_child::Offer>, agreed: Box<child::Agreed> },
    Ike { offer: Box<rekey_ike::Offer>, choice: Box<IkeChoice>, spi: IkeSpi },
}

/// An IKE_FOLLOWUP_KE request of ours that waits for its response.
pub(crate) struct Offer {
    pub pending: Pending,
    pair: KeyPair,
    groups: VecDeque<Group>,
    nonce_r: Vec<u8>,
    shared: Option<Secret>,
    additional: Vec<Secret>,
}

/// What the peer's exchange makes, once it has done its further key exchanges.
pub(crate) struct Awaited {
    what: AwaitedKind,
    link: Vec<u8>,
    groups: VecDeque<Group>,
    additional: Vec<Secret>,
}

enum AwaitedKind {
    Child(Box<create_child::Answered>),
    Ike(Box<rekey_ike::Answered>),
}

/// Does the next key exchange, or what they are for.
pub(super) fn continue_or_finish(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    pending: Pending,
    groups: Vec<Group>,
    nonce_r: Vec<u8>,
    shared: Option<Secret>,
    payloads: &[Payload],
) {
    next(sa, cx, pending, groups.into(), nonce_r, shared, Vec::new(), payloads);
}

#[expect(clippy::too_many_arguments, reason = "what keys are derived from")]
fn next(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    pending: Pending,
    mut groups: VecDeque<Group>,
    nonce_r: Vec<u8>,
    shared: Option<Secret>,
    additional: Vec<Secret>,
    payloads: &[Payload],
) {
    let Some(group) = groups.pop_front() else {
        return match (pending, shared) {
            (Pending::Child { offer, agreed }, shared) => {
                create_child::finish(
                    sa,
                    cx,
                    *offer,
                    *agreed,
                    &nonce_r,
                    shared.as_ref(),
                    &additional,
                );
            }
            (Pending::Ike { offer, choice, spi }, Some(shared)) => {
                rekey_ike::finish(sa, cx, *offer, *choice, spi, &nonce_r, &shared, &additional);
            }
            (Pending::Ike { .. }, None) => {}
        };
    };
    let Some(link) = notify::find(payloads, kind::ADDITIONAL_KEY_EXCHANGE) else {
        return abandon(sa, cx, pending, "it has forgotten the additional key exchanges");
    };
    let link = link.data.clone();
    let pair = KeyPair::generate(group, &mut *cx.shared.random);
    let request = [
        Payload::Ke(KeyExchange { group: group.id(), data: pair.public().to_vec() }),
        notify_with(kind::ADDITIONAL_KEY_EXCHANGE, link),
    ];
    let offer = Offer { pending, pair, groups, nonce_r, shared, additional };
    sa.active = Active::FollowUp(Box::new(offer));
    sa.request(cx, ExchangeType(numbers::exchange::IKE_FOLLOWUP_KE), &request);
}

/// The answer to our request.
pub(super) fn response(sa: &mut IkeSa, cx: &mut Cx<'_>, offer: Offer, payloads: &[Payload]) {
    let Offer { pending, pair, groups, nonce_r, shared, mut additional } = offer;
    if let Some(error) = notify::error(payloads) {
        let (kind, data) = (error.kind, &error.data);
        return match pending {
            Pending::Child { offer, .. } => create_child::refused(sa, cx, *offer, kind, data),
            Pending::Ike { offer, .. } => rekey_ike::refused(sa, cx, *offer, kind, data),
        };
    }
    let exchange = create_child::nonce_and_exchange(payloads).1;
    let exchange = exchange.filter(|exchange| exchange.group == pair.group().id());
    let Some(secret) = exchange.and_then(|exchange| pair.agree(&exchange.data).ok()) else {
        return abandon(sa, cx, pending, "its public value is not valid");
    };
    additional.push(secret);
    next(sa, cx, pending, groups, nonce_r, shared, additional, payloads);
}

fn abandon(sa: &mut IkeSa, cx: &mut Cx<'_>, pending: Pending, text: &str) {
    sa.log(cx, Level::Warning, alloc::format!("additional key exchange failed: {text}"));
    match pending {
        Pending::Child { offer, .. } => create_child::lost(sa, cx, *offer, Lost::Failed),
        Pending::Ike { offer, .. } => {
            cx.shared.release_ike_spi(offer.spi);
            sa.rekey_at = Some(cx.now + cx.shared.settings.retry);
        }
    }
}

/// Answers the peer's CREATE_CHILD_SA for a child, and waits for its further key exchanges.
pub(super) fn await_more(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    header: &Header,
    answered: create_child::Answered,
    groups: Vec<Group>,
    reply: Vec<Payload>,
) {
    expect(sa, cx, header, AwaitedKind::Child(Box::new(answered)), groups, reply);
}

/// The same for new keys of the IKE SA.
pub(super) fn await_more_ike(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    header: &Header,
    answered: rekey_ike::Answered,
    groups: Vec<Group>,
    reply: Vec<Payload>,
) {
    expect(sa, cx, header, AwaitedKind::Ike(Box::new(answered)), groups, reply);
}

fn expect(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    header: &Header,
    what: AwaitedKind,
    groups: Vec<Group>,
    mut reply: Vec<Payload>,
) {
    forget(sa, cx);
    let link = cx.shared.random_bytes(8);
    reply.push(notify_with(kind::ADDITIONAL_KEY_EXCHANGE, link.clone()));
    sa.awaited =
        Some(Box::new(Awaited { what, link, groups: groups.into(), additional: Vec::new() }));
    sa.respond(cx, header, &reply);
}

/// Nothing comes any more of what the peer has begun.
pub(super) fn forget(sa: &mut IkeSa, cx: &mut Cx<'_>) {
    match sa.awaited.take().map(|awaited| awaited.what) {
        Some(AwaitedKind::Child(answered)) => cx.shared.release_esp_spi(answered.spi_in),
        Some(AwaitedKind::Ike(answered)) => cx.shared.release_ike_spi(answered.spis.1),
        None => {}
    }
}

/// The peer has lost a collision to this exchange of ours: it does not go on.
pub(super) fn forget_child(sa: &mut IkeSa, cx: &mut Cx<'_>, ours: &create_child::Offer) {
    if let Some(awaited) = &sa.awaited
        && let AwaitedKind::Child(it) = &awaited.what
        && ours.is_for(it.replaces, &it.wanted.child.name, it.wanted.worker)
    {
        forget(sa, cx);
    }
}

/// The same for new keys of the IKE SA.
pub(super) fn forget_ike(sa: &mut IkeSa, cx: &mut Cx<'_>) {
    if let Some(awaited) = &sa.awaited
        && matches!(awaited.what, AwaitedKind::Ike(_))
    {
        forget(sa, cx);
    }
}

/// Whether what the peer's key exchanges are for cannot be made now (RFC 7296 section 2.25).
fn is_obsolete(sa: &IkeSa) -> bool {
    let Some(awaited) = &sa.awaited else { return false };
    !sa.is_established()
        || match &awaited.what {
            AwaitedKind::Child(answered) => crossing::is_obsolete(sa, answered),
            AwaitedKind::Ike(_) => false,
        }
}

/// A further key exchange of the peer's.
pub(super) fn answer(sa: &mut IkeSa, cx: &mut Cx<'_>, header: &Header, payloads: &[Payload]) {
    if is_obsolete(sa) {
        forget(sa, cx);
        return sa.respond(cx, header, &[notify(kind::TEMPORARY_FAILURE)]);
    }
    let link = notify::find(payloads, kind::ADDITIONAL_KEY_EXCHANGE);
    let is_linked = |it: &mut Box<Awaited>| link.is_some_and(|link| link.data == it.link);
    let Some(mut awaited) = sa.awaited.take_if(is_linked) else {
        forget(sa, cx);
        return sa.respond(cx, header, &[notify(kind::STATE_NOT_FOUND)]);
    };
    let exchange = create_child::nonce_and_exchange(payloads).1;
    let group = awaited.groups.pop_front();
    let made = exchange.zip(group).filter(|(exchange, group)| exchange.group == group.id());
    let made = made.and_then(|(exchange, group)| {
        Some((group, dh::respond(group, &exchange.data, &mut *cx.shared.random).ok()?))
    });
    let Some((group, (public, secret))) = made else {
        sa.awaited = Some(awaited);
        forget(sa, cx);
        return sa.respond(cx, header, &[notify(kind::INVALID_SYNTAX)]);
    };
    awaited.additional.push(secret);
    let mut reply = alloc::vec![Payload::Ke(KeyExchange { group: group.id(), data: public })];
    if !awaited.groups.is_empty() {
        awaited.link = cx.shared.random_bytes(8);
        reply.push(notify_with(kind::ADDITIONAL_KEY_EXCHANGE, awaited.link.clone()));
        sa.awaited = Some(awaited);
        return sa.respond(cx, header, &reply);
    }
    match awaited.what {
        AwaitedKind::Child(answered) => {
            let replaces = answered.replaces;
            let id = create_child::made(sa, cx, *answered, &awaited.additional);
            sa.respond(cx, header, &reply);
            if let (Some(id), None) = (id, replaces) {
                child::activate(sa, cx, id);
            }
        }
        AwaitedKind::Ike(answered) => {
            rekey_ike::made(sa, cx, *answered, &awaited.additional);
            sa.respond(cx, header, &reply);
        }
    }
}
