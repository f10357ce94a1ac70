//! IKE_SA_INIT (RFC 7296 section 1.2): algorithms, nonces and a key exchange, in clear.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::child::Refused;
use super::handshake::{Answering, Connecting, Transcript};
use super::nat::{self, Nat};
use super::notify::{self, has, kind, notify, notify_with};
use super::receive::critical;
use super::rekey_ike::{demand_group, preferred};
use super::sa::{Active, Cx, Effect, Features, IkeSa, Lost, Phase, VERSION, Wanted, flag};
use super::{auth, intermediate, proof};
use crate::algorithm::Group;
use crate::candidates;
use crate::crypto::dh::{self, KeyPair};
use crate::keymat::v2::{IkeSuite, SkKeys};
use crate::msg::{ExchangeType, Header, IkeSpi, KeyExchange, Message, Payload, numbers};
use crate::output::{IkeSaId, Level, Path};
use crate::policy::{Peer, RemoteAuth};
use crate::proposal;

/// An IKE_SA_INIT request that waits for its response.
pub(crate) struct Offer {
    pair: KeyPair,
    nonce: Vec<u8>,
    cookie: Option<Vec<u8>>,
    request: Vec<u8>,
    /// COOKIE and INVALID_KE_PAYLOAD that were obeyed.
    turns: u8,
    /// Key exchanges that it had before INVALID_KE_PAYLOAD, and the requests with them: whoever
    /// wanted another need not be the peer.
    earlier: Vec<(KeyPair, Vec<u8>)>,
    /// Why it would come to nothing, were the answer that says so the peer's.
    doubt: Option<String>,
}

impl Offer {
    fn new(cx: &mut Cx<'_>, group: Group) -> Self {
        Self {
            pair: KeyPair::generate(group, &mut *cx.shared.random),
            nonce: cx.shared.random_bytes(NONCE_LEN),
            cookie: None,
            request: Vec::new(),
            turns: 0,
            earlier: Vec::new(),
            doubt: None,
        }
    }

    /// The key exchange of this group, and the request that had it.
    fn with_group(&self, group: Group) -> Option<(&KeyPair, &Vec<u8>)> {
        let earlier = self.earlier.iter().map(|(pair, request)| (pair, request));
        let mut all = core::iter::once((&self.pair, &self.request)).chain(earlier);
        all.find(|(pair, _)| pair.group() == group)
    }

    /// Why nothing has come of it.
    pub fn failure(&self) -> Option<&str> {
        self.doubt.as_deref()
    }
}

/// What a request waits on for an answer, once one without proof has said that it is in vain, in
/// times of [`crate::Settings::retransmit_first`].
const DOUBT: u32 = 8;

/// How often the peer may ask for the request in another form.
const TURNS_MAX: u8 = 4;

/// Length of our nonces, bytes: at least half the key of any PRF (RFC 7296 section 2.10).
pub(crate) const NONCE_LEN: usize = 32;

/// Begins an IKE SA.
pub(crate) fn begin(
    cx: &mut Cx<'_>,
    id: IkeSaId,
    peer: Arc<Peer>,
    remote: IpAddr,
    wanted: VecDeque<Wanted>,
    replaces: Option<IkeSaId>,
) -> Box<IkeSa> {
    let port = cx.shared.settings.port;
    let local = cx.shared.local_address(&peer, remote);
    let path = Path { local: SocketAddr::new(local, port), remote: SocketAddr::new(remote, port) };
    let spis = (cx.shared.allocate_ike_spi(), IkeSpi(0));
    let connecting = Connecting { wanted, transcript: Transcript::default() };
    let phase = Phase::Connecting(Box::new(connecting));
    let mut sa = IkeSa::new(cx, id, spis, true, path, peer, phase);
    sa.replaces = replaces;
    let group = sa.peer.proposals.iter().find_map(|proposal| proposal.groups.first().copied());
    let Some(group) = group else {
        sa.log(cx, Level::Error, "there is no key exchange to offer".into());
        sa.phase = Phase::Closed;
        return Box::new(sa);
    };
    sa.log(cx, Level::Info, format!("connecting to {}", path.remote));
    let offer = Offer::new(cx, group);
    send(&mut sa, cx, offer);
    Box::new(sa)
}

fn send(sa: &mut IkeSa, cx: &mut Cx<'_>, mut offer: Offer) {
    let peer = sa.peer.clone();
    let mut payloads = Vec::new();
    // RFC 7296 section 2.6: the cookie comes first, all else as it was.
    if let Some(cookie) = &offer.cookie {
        payloads.push(notify_with(kind::COOKIE, cookie.clone()));
    }
    payloads.push(Payload::Sa(proposal::offer_ike(&peer.proposals, &[])));
    payloads.push(Payload::Ke(KeyExchange {
        group: offer.pair.group().id(),
        data: offer.pair.public().to_vec(),
    }));
    payloads.push(Payload::Nonce(offer.nonce.clone()));
    payloads.extend(nat::notifications(sa.spis, sa.path, peer.force_udp));
    if peer.fragment_len.is_some() {
        payloads.push(notify(kind::IKEV2_FRAGMENTATION_SUPPORTED));
    }
    payloads.push(proof::hash_algorithms());
    if peer.proposals.iter().any(|proposal| proposal.additional.iter().any(|g| !g.is_empty())) {
        payloads.push(notify(kind::INTERMEDIATE_EXCHANGE_SUPPORTED));
    }
    if peer.ppk.is_some() {
        payloads.push(notify(kind::USE_PPK));
    }
    let header = sa.header(ExchangeType(numbers::exchange::IKE_SA_INIT), 0, false);
    offer.request = Message::new(header, payloads).write();
    let datagrams = [offer.request.clone()].into();
    let patience = sa.patience(cx);
    sa.window.send(cx.shared, cx.now, sa.path, datagrams, patience);
    sa.active = Active::Init(Box::new(offer));
}

/// The answer to our IKE_SA_INIT. Nothing in it is authentic yet.
pub(super) fn response(sa: &mut IkeSa, cx: &mut Cx<'_>, path: Path, header: &Header, bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    let Active::Init(offer) = core::mem::replace(&mut sa.active, Active::Nothing) else { return };
    let mut offer = *offer;
    let payloads = &message.payloads;
    if header.responder_spi == IkeSpi(0) || notify::error(payloads).is_some() {
        if offer.turns < TURNS_MAX && obey(sa, cx, &mut offer, payloads) {
            offer.turns += 1;
            offer.doubt = None;
            sa.window.withdraw();
            return send(sa, cx, offer);
        }
        if let Some(error) = notify::error(payloads) {
            doubt(sa, cx, &mut offer, notify::words(error.kind).into());
        }
        sa.active = Active::Init(Box::new(offer));
        return;
    }
    match accept(sa, cx, path, header, &offer, bytes, payloads) {
        Ok(()) => {
            sa.window.complete();
            intermediate::continue_or_auth(sa, cx);
        }
        Err(text) => {
            doubt(sa, cx, &mut offer, text);
            sa.active = Active::Init(Box::new(offer));
        }
    }
}

/// An answer leads nowhere. Anybody may have sent it: the right one is still waited for, though not
/// as long as without it (RFC 7296 sections 2.4 and 2.21.1).
fn doubt(sa: &mut IkeSa, cx: &mut Cx<'_>, offer: &mut Offer, why: String) {
    if offer.doubt.is_none() {
        sa.window.hasten(cx.now + cx.shared.settings.retransmit_first * DOUBT);
        sa.log(cx, Level::Warning, format!("answer without proof: {why}; it is asked once more"));
    }
    offer.doubt = Some(why);
}

/// Whether the peer wants the request in a form that we can give it: with a cookie, or with another
/// of the groups that we offer (RFC 7296 sections 2.6 and 1.2).
fn obey(sa: &mut IkeSa, cx: &mut Cx<'_>, offer: &mut Offer, payloads: &[Payload]) -> bool {
    if let Some(cookie) = notify::find(payloads, kind::COOKIE) {
        offer.cookie = Some(cookie.data.clone());
        return (1..=64).contains(&cookie.data.len());
    }
    let Some(wanted) = notify::find(payloads, kind::INVALID_KE_PAYLOAD) else { return false };
    let Some(group) = group_of(&wanted.data) else { return false };
    let offered = sa.peer.proposals.iter().any(|proposal| proposal.groups.contains(&group));
    if !offered || group == offer.pair.group() {
        return false;
    }
    let text = format!("it wants the key exchange {} instead", group.name());
    sa.log(cx, Level::Debug, text);
    let known = offer.earlier.iter().position(|(pair, _)| pair.group() == group);
    let pair = match known {
        Some(at) => offer.earlier.remove(at).0,
        None => KeyPair::generate(group, &mut *cx.shared.random),
    };
    let before = core::mem::replace(&mut offer.pair, pair);
    offer.earlier.push((before, offer.request.clone()));
    true
}

/// The group that INVALID_KE_PAYLOAD asks for.
pub(crate) fn group_of(data: &[u8]) -> Option<Group> {
    let [high, low] = data else { return None };
    Group::from_id(u16::from_be_bytes([*high, *low]))
}

fn accept(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    path: Path,
    header: &Header,
    offer: &Offer,
    bytes: &[u8],
    payloads: &[Payload],
) -> Result<(), String> {
    let parts = Parts::of(payloads).ok_or("its IKE_SA_INIT lacks a payload")?;
    let choice = proposal::accept_ike(parts.sa, &sa.peer.proposals)
        .map_err(|refusal| format!("{refusal}"))?;
    let answered = offer.with_group(choice.group).filter(|_| parts.ke.group == choice.group.id());
    let (pair, request) =
        answered.ok_or("it answers with another key exchange than it has chosen")?;
    if choice.additional.iter().any(Option::is_some)
        && !has(payloads, kind::INTERMEDIATE_EXCHANGE_SUPPORTED)
    {
        return Err("it has chosen additional key exchanges without IKE_INTERMEDIATE".into());
    }
    let shared = pair.agree(&parts.ke.data).map_err(|_| "its public value is not valid")?;
    sa.spis.1 = header.responder_spi;
    sa.nat = Nat::detect(payloads, sa.spis, path);
    note_features(sa, payloads);
    let Phase::Connecting(connecting) = &mut sa.phase else { return Err("not connecting".into()) };
    let transcript = &mut connecting.transcript;
    transcript.nonce_i.clone_from(&offer.nonce);
    transcript.nonce_r = parts.nonce.to_vec();
    transcript.request.clone_from(request);
    transcript.response = bytes.to_vec();
    note_transcript(transcript, sa.peer.ppk.is_some(), &choice, payloads);
    sa.keys = Some(SkKeys::derive(suite_of(&choice), &transcript.seed(sa.spis), &shared));
    sa.suite = Some(choice);
    sa.key_log(cx);
    // RFC 7296 section 2.23 and RFC 4555 section 3.3: from here on by port 4500.
    if sa.nat.any() || sa.peer.force_udp || (sa.peer.mobike && sa.nat.peer_can) {
        let port = cx.shared.settings.nat_port;
        sa.path.local.set_port(port);
        sa.path.remote.set_port(port);
    }
    Ok(())
}

/// The connection has come to nothing.
pub(crate) fn fail(sa: &mut IkeSa, cx: &mut Cx<'_>, text: String) {
    sa.log(cx, Level::Warning, text);
    if let Phase::Connecting(connecting) = &mut sa.phase {
        let remote = sa.path.remote.ip();
        for wanted in connecting.wanted.drain(..) {
            let peer = sa.peer.clone();
            let (child, why) = (wanted.child, Lost::Failed);
            cx.effects.push(Effect::Lost { peer, child, remote, why });
        }
    }
    sa.close(cx);
}

/// The payloads without which there is no IKE_SA_INIT.
struct Parts<'a> {
    sa: &'a [crate::msg::Proposal],
    ke: &'a KeyExchange,
    nonce: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(payloads: &'a [Payload]) -> Option<Self> {
        let (mut sa, mut ke, mut nonce) = (None, None, None);
        for payload in payloads {
            match payload {
                Payload::Sa(proposals) => sa = Some(&proposals[..]),
                Payload::Ke(exchange) => ke = Some(exchange),
                Payload::Nonce(bytes) => nonce = Some(&bytes[..]),
                _ => {}
            }
        }
        // RFC 7296 section 2.10: 16 to 256 bytes.
        let nonce = nonce.filter(|nonce| (16..=256).contains(&nonce.len()))?;
        Some(Self { sa: sa?, ke: ke?, nonce })
    }
}

fn note_features(sa: &mut IkeSa, payloads: &[Payload]) {
    sa.features = Features {
        first_initiator: sa.initiator,
        fragmentation: has(payloads, kind::IKEV2_FRAGMENTATION_SUPPORTED),
        childless: has(payloads, kind::CHILDLESS_IKEV2_SUPPORTED),
        intermediate: has(payloads, kind::INTERMEDIATE_EXCHANGE_SUPPORTED),
        ..Features::default()
    };
}

fn note_transcript(
    transcript: &mut Transcript,
    ppk: bool,
    choice: &proposal::IkeChoice,
    payloads: &[Payload],
) {
    transcript.additional = choice.additional.iter().flatten().copied().collect();
    transcript.ppk = ppk && has(payloads, kind::USE_PPK);
    transcript.peer_hashes = proof::peer_hashes(payloads);
    transcript.peer_authorities = proof::authorities(payloads);
}

/// What keys are derived for.
pub(crate) fn suite_of(choice: &proposal::IkeChoice) -> IkeSuite {
    IkeSuite { encryption: choice.encryption, integrity: choice.integrity, prf: choice.prf }
}

/// What becomes of a stranger's IKE_SA_INIT.
pub(crate) enum Reception {
    /// It is answered and kept.
    Sa(Box<IkeSa>),
    /// It is answered, and nothing is kept.
    Answer(Vec<u8>),
}

/// A stranger's IKE_SA_INIT, after cookies: `candidates` have addresses that fit, at least one.
pub(crate) fn answer(
    cx: &mut Cx<'_>,
    path: Path,
    header: &Header,
    bytes: &[u8],
    message: &Message,
    candidates: Vec<Arc<Peer>>,
) -> Reception {
    let payloads = &message.payloads;
    if let Some(unknown) = critical(payloads) {
        let answer = notify_with(kind::UNSUPPORTED_CRITICAL_PAYLOAD, [unknown].into());
        return Reception::Answer(refuse(header, &[answer]));
    }
    let Some(parts) = Parts::of(payloads) else {
        return Reception::Answer(refuse(header, &[notify(kind::INVALID_SYNTAX)]));
    };
    let first = candidates[0].clone();
    let group = parts.ke.group;
    let preferred = |peer: &Peer| preferred(parts.sa, &peer.proposals, group);
    let choice = candidates::choose(&candidates, preferred, auth::allows);
    let none = |refused: Option<_>| {
        refused.unwrap_or_else(|| Refused::new(kind::NO_PROPOSAL_CHOSEN, "nobody may call"))
    };
    let choice = match choice.map_err(none).and_then(|choice| demand_group(choice, group)) {
        Ok(choice) => choice,
        Err(refused) => {
            if refused.kind == kind::NO_PROPOSAL_CHOSEN {
                let text = format!("connection from {} refused: {}", path.remote, refused.text);
                cx.shared.log_stranger(cx.now, Level::Warning, Some(&first.name), text);
            }
            return Reception::Answer(refuse(header, &[refused.payload()]));
        }
    };
    let answer = choice.to_msg(&[]);
    let Ok((public, shared)) = dh::respond(choice.group, &parts.ke.data, &mut *cx.shared.random)
    else {
        return Reception::Answer(refuse(header, &[notify(kind::INVALID_SYNTAX)]));
    };
    let spis = (header.initiator_spi, cx.shared.allocate_ike_spi());
    let id = cx.shared.ike_id();
    let answering = Box::new(Answering { candidates, transcript: Transcript::default() });
    let mut sa = IkeSa::new(cx, id, spis, false, path, first, Phase::Answering(answering));
    sa.hard_at = Some(cx.now + cx.shared.settings.half_open_timeout);
    sa.nat = Nat::detect(payloads, (header.initiator_spi, IkeSpi(0)), path);
    note_features(&mut sa, payloads);
    let nonce = cx.shared.random_bytes(NONCE_LEN);
    let reply = reply(&sa, answer, choice.group, public, nonce.clone(), payloads);
    let header = sa.header(ExchangeType(numbers::exchange::IKE_SA_INIT), 0, true);
    let response = Message::new(header, reply).write();
    let mut transcript = Transcript {
        nonce_i: parts.nonce.to_vec(),
        nonce_r: nonce,
        request: bytes.to_vec(),
        response: response.clone(),
        ..Transcript::default()
    };
    note_transcript(&mut transcript, may_use_ppk(&sa), &choice, payloads);
    sa.keys = Some(SkKeys::derive(suite_of(&choice), &transcript.seed(spis), &shared));
    if let Phase::Answering(answering) = &mut sa.phase {
        answering.transcript = transcript;
    }
    sa.suite = Some(choice);
    sa.window.answer(cx.shared, path, [response].into());
    sa.key_log(&mut *cx);
    Reception::Sa(Box::new(sa))
}

/// Those that the stranger may be.
fn possible(sa: &IkeSa) -> &[Arc<Peer>] {
    match &sa.phase {
        Phase::Answering(answering) => &answering.candidates,
        _ => core::slice::from_ref(&sa.peer),
    }
}

/// Whether one of them has a post-quantum pre-shared key.
fn may_use_ppk(sa: &IkeSa) -> bool {
    possible(sa).iter().any(|peer| peer.ppk.is_some())
}

/// The payloads of our answer.
fn reply(
    sa: &IkeSa,
    answer: crate::msg::Proposal,
    group: Group,
    public: Vec<u8>,
    nonce: Vec<u8>,
    request: &[Payload],
) -> Vec<Payload> {
    let peer = &sa.peer;
    let mut payloads = alloc::vec![
        Payload::Sa([answer].into()),
        Payload::Ke(KeyExchange { group: group.id(), data: public }),
        Payload::Nonce(nonce),
    ];
    if sa.nat.peer_can {
        payloads.extend(nat::notifications(sa.spis, sa.path, peer.force_udp));
    }
    for candidate in possible(sa) {
        if let RemoteAuth::Certificate(anchors) = &candidate.remote_auth {
            let asked = proof::certificate_request(anchors);
            if !payloads.contains(&asked) {
                payloads.push(asked);
            }
        }
    }
    if sa.features.fragmentation && peer.fragment_len.is_some() {
        payloads.push(notify(kind::IKEV2_FRAGMENTATION_SUPPORTED));
    }
    if has(request, kind::SIGNATURE_HASH_ALGORITHMS) {
        payloads.push(proof::hash_algorithms());
    }
    if sa.features.intermediate {
        payloads.push(notify(kind::INTERMEDIATE_EXCHANGE_SUPPORTED));
    }
    if may_use_ppk(sa) && has(request, kind::USE_PPK) {
        payloads.push(notify(kind::USE_PPK));
    }
    payloads.push(notify(kind::CHILDLESS_IKEV2_SUPPORTED));
    payloads
}

/// An answer to an IKE_SA_INIT that leaves nothing behind.
pub(crate) fn refuse(request: &Header, payloads: &[Payload]) -> Vec<u8> {
    let header =
        Header { flags: flag::RESPONSE, version: VERSION, responder_spi: IkeSpi(0), ..*request };
    Message::new(header, payloads.to_vec()).write()
}
