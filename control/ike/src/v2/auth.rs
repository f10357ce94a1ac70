//! IKE_AUTH (RFC 7296 section 1.2): both prove who they are, and the first child is negotiated.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::child::{self, ChildOffer, ChildState, KeySource};
use super::handshake::Transcript;
use super::init;
use super::notify::{self, has, kind, notify};
use super::proof::{self, Proof};
use super::sa::{Active, Cx, Effect, IkeSa, Lost, Phase, Refusal, Task, Wanted};
use crate::identity::Identity;
use crate::keymat::v2::PpkKeys;
use crate::msg::{ExchangeType, Header, IdPayload, Payload, numbers};
use crate::output::{Event, Level};
use crate::policy::{Peer, RemoteAuth, Uniqueness};

/// An IKE_AUTH request that waits for its response.
pub(crate) struct Offer {
    /// `None` makes the IKE SA without a child (RFC 6023).
    pub child: Option<ChildOffer>,
}

/// Sends our IKE_AUTH.
pub(super) fn begin(sa: &mut IkeSa, cx: &mut Cx<'_>) {
    let peer = sa.peer.clone();
    let Phase::Connecting(connecting) = &mut sa.phase else { return };
    let childless = peer.childless && sa.features.childless;
    let wanted = if childless { None } else { connecting.wanted.pop_front() };
    let identity = id_payload(&peer.local_identity);
    let mut payloads = alloc::vec![Payload::IdI(identity.clone())];
    if !cx.directory.knows(&peer.name, sa.path.remote.ip()) {
        payloads.push(notify(kind::INITIAL_CONTACT));
    }
    match prove(sa, cx, &peer, &identity, true) {
        Ok(proof) => payloads.extend(proof),
        Err(text) => return init::fail(sa, cx, text),
    }
    if let RemoteAuth::Certificate(anchors) = &peer.remote_auth {
        payloads.push(proof::certificate_request(anchors));
    }
    if let Some(identity) = peer.remote_identity.exact() {
        payloads.push(Payload::IdR(id_payload(identity)));
    }
    let child = wanted.map(|wanted| ChildOffer::new(sa, cx, wanted));
    if let Some(child) = &child {
        payloads.push(child.proposals(false));
        payloads.extend(child.selectors());
    }
    if peer.mobike {
        payloads.push(notify(kind::MOBIKE_SUPPORTED));
    }
    sa.active = Active::Auth(Box::new(Offer { child }));
    sa.request(cx, ExchangeType(numbers::exchange::IKE_AUTH), &payloads);
}

/// Our CERT, AUTH and PPK payloads.
fn prove(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    peer: &Peer,
    identity: &IdPayload,
    with_ppk: bool,
) -> Result<Vec<Payload>, String> {
    let keys = sa.keys.as_ref().ok_or("there are no keys")?;
    let transcript = sa.phase.transcript().ok_or("the handshake is over")?;
    let message_id = if sa.initiator { sa.window.request_id() } else { sa.window.due_id() };
    let proof = Proof { keys, transcript, message_id, of_initiator: sa.initiator };
    proof.make(peer, identity, with_ppk, &mut *cx.shared.random)
}

/// The answer to our IKE_AUTH.
pub(super) fn response(sa: &mut IkeSa, cx: &mut Cx<'_>, offer: Offer, payloads: &[Payload]) {
    // Nothing but an answer without AUTH is a refusal of the IKE SA; with AUTH, errors are about
    // the child (RFC 7296 section 1.2).
    let authenticated = payloads.iter().any(|payload| matches!(payload, Payload::Auth(..)));
    if !authenticated {
        let error =
            notify::error(payloads).map_or("it does not authenticate", |it| notify::words(it.kind));
        let text = format!("cannot connect: {error}");
        return abandon(sa, cx, offer, text);
    }
    let peer = sa.peer.clone();
    let identity = match check(sa, cx, &peer, payloads) {
        Ok((identity, ppk)) => {
            sa.adopt(ppk);
            identity
        }
        Err(text) => {
            // RFC 7296 section 2.21.2: told in an exchange of its own, for nobody to answer.
            let header = sa.header(
                ExchangeType(numbers::exchange::INFORMATIONAL),
                sa.window.request_id(),
                false,
            );
            let told = sa.seal(cx.shared, &header, &[notify(kind::AUTHENTICATION_FAILED)]);
            told.into_iter().for_each(|datagram| cx.shared.transmit(sa.path, datagram));
            return abandon(sa, cx, offer, format!("cannot connect: {text}"));
        }
    };
    sa.features.mobike = peer.mobike && has(payloads, kind::MOBIKE_SUPPORTED);
    let Phase::Connecting(connecting) = core::mem::replace(&mut sa.phase, Phase::Established)
    else {
        return;
    };
    establish(sa, cx, identity);
    if let Some(offer) = offer.child {
        accept_child(sa, cx, offer, payloads, &connecting.transcript);
    }
    sa.tasks.extend(connecting.wanted.into_iter().map(Task::CreateChild));
    cx.effects.push(Effect::Authenticated { id: sa.id, initial_contact: false });
}

/// Nothing came of the connection.
pub(super) fn abandon(sa: &mut IkeSa, cx: &mut Cx<'_>, offer: Offer, text: String) {
    if let Some(offer) = offer.child {
        offer.abandon(cx);
        if let Phase::Connecting(connecting) = &mut sa.phase {
            connecting.wanted.push_front(offer.wanted);
        }
    }
    init::fail(sa, cx, text);
}

fn accept_child(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    offer: ChildOffer,
    payloads: &[Payload],
    transcript: &Transcript,
) {
    let agreed = match notify::error(payloads) {
        Some(error) => Err(notify::words(error.kind).into()),
        None => offer.accept(sa, payloads, false),
    };
    match agreed {
        Ok(agreed) => {
            let source = KeySource {
                nonce_i: &transcript.nonce_i,
                nonce_r: &transcript.nonce_r,
                shared: None,
                additional: &[],
                initiator: true,
            };
            let id = child::install(sa, cx, &offer.wanted, offer.spi_in, agreed, &source, None);
            if let Some(id) = id {
                child::activate(sa, cx, id);
            }
        }
        Err(text) => {
            let text = format!("{} is not negotiated: {text}", offer.wanted.child.name);
            sa.log(cx, Level::Warning, text);
            offer.abandon(cx);
            // It has made a child that we do not take: it is told.
            if notify::error(payloads).is_none() {
                let refusal = Refusal { spi_in: offer.spi_in, spi_out: None };
                sa.tasks.push_front(Task::RefuseChild(refusal));
            }
            let (peer, remote) = (sa.peer.clone(), sa.path.remote.ip());
            let (child, why) = (offer.wanted.child, Lost::Failed);
            cx.effects.push(Effect::Lost { peer, child, remote, why });
        }
    }
}

/// The peer's IKE_AUTH.
pub(super) fn answer(sa: &mut IkeSa, cx: &mut Cx<'_>, header: &Header, payloads: &[Payload]) {
    let candidates = match &mut sa.phase {
        Phase::Answering(answering) => {
            answering.transcript.peer_authorities = proof::authorities(payloads);
            answering.candidates.clone()
        }
        _ => return,
    };
    let (peer, identity, ppk) = match recognize(sa, cx, &candidates, payloads) {
        Ok(recognized) => recognized,
        Err(text) => {
            let text = format!("connection from {} refused: {text}", sa.path.remote);
            let name = sa.peer.name.clone();
            cx.shared.log_stranger(cx.now, Level::Warning, Some(&name), text);
            // Which of identity, secret and certificate it was stays unsaid.
            sa.respond(cx, header, &[notify(kind::AUTHENTICATION_FAILED)]);
            return sa.close(cx);
        }
    };
    sa.peer = peer.clone();
    let again = match peer.uniqueness {
        Uniqueness::Never => cx.directory.has_at(&peer.name, &identity, sa.path.remote.ip()),
        _ => cx.directory.of_identity(&peer.name, &identity).next().is_some(),
    };
    let initial_contact = has(payloads, kind::INITIAL_CONTACT);
    // From the same address it is a new authentication (RFC 7296 section 2.8.3).
    let elsewhere = cx.directory.has_elsewhere(&peer.name, &identity, sa.path.remote.ip());
    if peer.uniqueness == Uniqueness::Keep && elsewhere && !initial_contact {
        let text = format!("{identity} is connected already: the new connection is refused");
        sa.log(cx, Level::Warning, text);
        sa.respond(cx, header, &[notify(kind::AUTHENTICATION_FAILED)]);
        return sa.close(cx);
    }
    sa.features.mobike = peer.mobike && has(payloads, kind::MOBIKE_SUPPORTED);
    let own = id_payload(&peer.local_identity);
    let mut reply = alloc::vec![Payload::IdR(own.clone())];
    match prove(sa, cx, &peer, &own, ppk.is_some()) {
        Ok(proof) => reply.extend(proof),
        Err(text) => {
            sa.log(cx, Level::Error, text);
            sa.respond(cx, header, &[notify(kind::AUTHENTICATION_FAILED)]);
            return sa.close(cx);
        }
    }
    let Phase::Answering(answering) = core::mem::replace(&mut sa.phase, Phase::Established) else {
        return;
    };
    sa.adopt(ppk);
    establish(sa, cx, identity);
    let made = answer_child(sa, cx, payloads, &answering.transcript, &mut reply);
    if sa.features.mobike {
        reply.push(notify(kind::MOBIKE_SUPPORTED));
    }
    sa.respond(cx, header, &reply);
    // Where an older connection has the same child, that sends until the peer is seen to have the
    // new keys.
    let live = made.filter(|_| !again);
    match (live, made.and_then(|id| sa.child_mut(id))) {
        (Some(id), _) => child::activate(sa, cx, id),
        (None, Some(record)) => record.state = ChildState::Waiting { replaces: record.id },
        (None, None) => {}
    }
    cx.effects.push(Effect::Authenticated { id: sa.id, initial_contact });
}

/// The first child, if the peer wants one (RFC 6023 lets it not).
fn answer_child(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    payloads: &[Payload],
    transcript: &Transcript,
    reply: &mut Vec<Payload>,
) -> Option<crate::output::ChildSaId> {
    if !payloads.iter().any(|payload| matches!(payload, Payload::Sa(_))) {
        return None;
    }
    let (child, agreed) = match child::choose(sa, payloads, None, false, None) {
        Ok(chosen) => chosen,
        Err(refused) => {
            let text = format!("its child is refused: {}", refused.text);
            sa.log(cx, Level::Warning, text);
            reply.push(refused.payload());
            return None;
        }
    };
    let spi_in = cx.shared.allocate_esp_spi();
    let (first, rest) = child::answer(&agreed, spi_in);
    reply.push(first);
    reply.extend(rest);
    let source = KeySource {
        nonce_i: &transcript.nonce_i,
        nonce_r: &transcript.nonce_r,
        shared: None,
        additional: &[],
        initiator: false,
    };
    let wanted = Wanted { child, packet: None, worker: None };
    child::install(sa, cx, &wanted, spi_in, agreed, &source, None)
}

/// Which of the candidates the peer is, and that it is.
fn recognize(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    candidates: &[Arc<Peer>],
    payloads: &[Payload],
) -> Result<(Arc<Peer>, Identity, Option<PpkKeys>), String> {
    let identity = identity(payloads, true)?;
    let asked = identity_asked(payloads);
    let fits = |peer: &&Arc<Peer>| {
        peer.remote_identity.matches(&identity)
            && asked.as_ref().is_none_or(|asked| *asked == peer.local_identity)
    };
    let allowed = |peer: &&Arc<Peer>| sa.suite.as_ref().is_some_and(|it| allows(peer, it));
    let mut known = candidates.iter().filter(fits);
    let first = known.clone().next();
    let first = first.ok_or_else(|| format!("no peer is configured that may be {identity}"))?;
    let peer = known.find(allowed).ok_or_else(|| {
        let suite = sa.suite.as_ref().map(|suite| format!("{suite}")).unwrap_or_default();
        let name = &first.name;
        format!(
            "{identity} is peer {name}, which does not allow {suite}: that was chosen as others \
             that may call from there allow it; give them proposals in common"
        )
    })?;
    let peer = peer.clone();
    let (identity, ppk) = check(sa, cx, &peer, payloads)?;
    Ok((peer, identity, ppk))
}

/// Whether a suite that was chosen for another candidate is one of this peer's too.
pub(super) fn allows(peer: &Peer, suite: &crate::proposal::IkeChoice) -> bool {
    crate::proposal::choose_ike(&[suite.to_msg(&[])], &peer.proposals).is_ok()
}

/// Verifies what the peer proves.
fn check(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    peer: &Peer,
    payloads: &[Payload],
) -> Result<(Identity, Option<PpkKeys>), String> {
    let identity = identity(payloads, !sa.initiator)?;
    if !peer.remote_identity.matches(&identity) {
        return Err(format!("it says it is {identity}, {} is expected", peer.remote_identity));
    }
    let keys = sa.keys.as_ref().ok_or("there are no keys")?;
    let transcript = sa.phase.transcript().ok_or("the handshake is over")?;
    // RFC 9242 section 3.3.2: both sign the message id of the first IKE_AUTH request.
    let message_id = if sa.initiator { sa.window.answered_id() } else { sa.window.due_id() };
    let proof = Proof { keys, transcript, message_id, of_initiator: !sa.initiator };
    let ppk = proof.check(peer, &identity, payloads, cx.wall)?;
    Ok((identity, ppk))
}

/// The identity that the peer claims.
fn identity(payloads: &[Payload], of_initiator: bool) -> Result<Identity, String> {
    let id = payloads.iter().find_map(|payload| match payload {
        Payload::IdI(id) if of_initiator => Some(id),
        Payload::IdR(id) if !of_initiator => Some(id),
        _ => None,
    });
    let id = id.ok_or("it does not say who it is")?;
    Identity::from_payload(id.kind, &id.data).map_err(|error| format!("{error}"))
}

/// The identity that an initiator wants to talk to.
fn identity_asked(payloads: &[Payload]) -> Option<Identity> {
    payloads.iter().find_map(|payload| match payload {
        Payload::IdR(id) => Identity::from_payload(id.kind, &id.data).ok(),
        _ => None,
    })
}

pub(crate) fn id_payload(identity: &Identity) -> IdPayload {
    let (kind, data) = identity.to_payload();
    IdPayload { kind, reserved: [0; 3], data }
}

/// Both know who the other is.
fn establish(sa: &mut IkeSa, cx: &mut Cx<'_>, identity: Identity) {
    sa.peer_identity = Some(identity);
    sa.established = Some(cx.now);
    let lifetime = sa.peer.lifetime;
    let jitter = lifetime.jitter_percent;
    sa.rekey_at = Some(cx.now + cx.shared.jitter(lifetime.rekey, jitter));
    let again = lifetime.reauthenticate.map(|after| cx.shared.jitter(after, jitter));
    sa.reauthenticate_at = again.map(|after| cx.now + after);
    sa.hard_at = Some(cx.now + lifetime.hard);
    cx.shared.emit(Event::IkeUp(sa.id));
    let text = format!(
        "connected with {} at {}, {}{}",
        sa.peer_identity.as_ref().map(|it| format!("{it}")).unwrap_or_default(),
        sa.path.remote,
        sa.suite.as_ref().map(|it| format!("{it}")).unwrap_or_default(),
        match (sa.nat.local, sa.nat.remote) {
            (false, false) => "",
            (true, false) => ", a NAT before us",
            (false, true) => ", a NAT before it",
            (true, true) => ", NATs before both",
        }
    );
    sa.log(cx, Level::Info, text);
}
