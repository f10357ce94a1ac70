//! IKE_INTERMEDIATE (RFC 9242): further key exchanges between IKE_SA_INIT and IKE_AUTH (RFC 9370).

use alloc::boxed::Box;
use alloc::format;

use super::create_child::nonce_and_exchange;
use super::notify::{self, kind, notify};
use super::sa::{Active, Cx, IkeSa, Phase};
use super::{auth, init};
use crate::crypto::dh::{self, KeyPair};
use crate::msg::sealed::Plain;
use crate::msg::{ExchangeType, Header, KeyExchange, Message, Payload, numbers};
use crate::output::Level;

/// An IKE_INTERMEDIATE request that waits for its response.
pub(crate) struct Offer {
    pair: KeyPair,
}

/// Does the next key exchange, or goes on to IKE_AUTH.
pub(super) fn continue_or_auth(sa: &mut IkeSa, cx: &mut Cx<'_>) {
    let Phase::Connecting(connecting) = &mut sa.phase else { return };
    let Some(group) = connecting.transcript.additional.pop_front() else {
        return auth::begin(sa, cx);
    };
    let pair = KeyPair::generate(group, &mut *cx.shared.random);
    let data = pair.public().to_vec();
    let payloads = [Payload::Ke(KeyExchange { group: group.id(), data })];
    let exchange = ExchangeType(numbers::exchange::IKE_INTERMEDIATE);
    let header = sa.header(exchange, sa.window.request_id(), false);
    cover(sa, &header, &Plain::new(&payloads));
    sa.active = Active::Intermediate(Box::new(Offer { pair }));
    sa.request(cx, exchange, &payloads);
}

/// The answer to our request.
pub(super) fn response(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    offer: Offer,
    header: &Header,
    plain: &Plain,
    payloads: &[Payload],
) {
    if let Some(error) = notify::error(payloads) {
        let text = format!("cannot connect: {}", notify::words(error.kind));
        return init::fail(sa, cx, text);
    }
    let exchange = nonce_and_exchange(payloads).1;
    let exchange = exchange.filter(|exchange| exchange.group == offer.pair.group().id());
    let Some(secret) = exchange.and_then(|exchange| offer.pair.agree(&exchange.data).ok()) else {
        return init::fail(sa, cx, "cannot connect: its public value is not valid".into());
    };
    cover(sa, header, plain);
    sa.update_keys(cx, &secret);
    continue_or_auth(sa, cx);
}

/// The peer's request.
pub(super) fn answer(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    header: &Header,
    plain: &Plain,
    payloads: &[Payload],
) {
    cover(sa, header, plain);
    let Phase::Answering(answering) = &mut sa.phase else { return };
    let group = answering.transcript.additional.pop_front();
    let exchange = nonce_and_exchange(payloads).1;
    let made = exchange.zip(group).filter(|(exchange, group)| exchange.group == group.id());
    let made = made.and_then(|(exchange, group)| {
        Some((group, dh::respond(group, &exchange.data, &mut *cx.shared.random).ok()?))
    });
    let Some((group, (public, secret))) = made else {
        sa.log(cx, Level::Warning, "its additional key exchange is not the one agreed upon".into());
        sa.respond(cx, header, &[notify(kind::INVALID_SYNTAX)]);
        return sa.close(cx);
    };
    let reply = [Payload::Ke(KeyExchange { group: group.id(), data: public })];
    let own = sa.header(header.exchange, header.message_id, true);
    cover(sa, &own, &Plain::new(&reply));
    // The answer is still protected by the keys of before (RFC 9370 section 2.2.2).
    sa.respond(cx, header, &reply);
    sa.update_keys(cx, &secret);
}

/// The message is part of what AUTH is about (RFC 9242 section 3.3.2).
fn cover(sa: &mut IkeSa, header: &Header, plain: &Plain) {
    let written = Message::new(*header, [].into()).write();
    let (Some(header), Some(keys)) = (written.first_chunk(), &sa.keys) else { return };
    let transcript = match &mut sa.phase {
        Phase::Connecting(connecting) => &mut connecting.transcript,
        Phase::Answering(answering) => &mut answering.transcript,
        _ => return,
    };
    transcript.intermediate.add(keys, header, plain.first, &plain.bytes);
}
