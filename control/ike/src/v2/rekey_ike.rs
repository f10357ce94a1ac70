//! New keys for the IKE SA (RFC 7296 sections 1.3.2 and 2.18), from either side or from both at
//! once (sections 2.8.2 and 2.25.2). The new SA takes the children over.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use engine::Secret;

use super::child::{Refused, with_group_only};
use super::create_child::nonce_and_exchange;
use super::crossing::Crossing;
use super::followup::{self, Pending};
use super::init::{NONCE_LEN, group_of, suite_of};
use super::notify::{self, kind, notify};
use super::sa::{Active, Cx, Effect, IkeSa, Phase, Task};
use crate::algorithm::Group;
use crate::crypto::dh::{self, KeyPair};
use crate::key_log;
use crate::keymat::v2::Seed;
use crate::msg::{ExchangeType, Header, IkeSpi, KeyExchange, Payload, Proposal, numbers};
use crate::output::{Event, IkeSaId, Level};
use crate::proposal::{self, IkeChoice};

/// A request of ours that waits for its response.
pub(crate) struct Offer {
    pub spi: IkeSpi,
    pub nonce: Vec<u8>,
    pub pair: KeyPair,
    /// What the peer has begun meanwhile.
    crossing: Option<Crossing>,
    /// The SA that came of that.
    theirs: Option<IkeSaId>,
    turns: u8,
}

/// Asks for new keys.
pub(super) fn begin(sa: &mut IkeSa, cx: &mut Cx<'_>) {
    propose(sa, cx, None, 0);
}

fn propose(sa: &mut IkeSa, cx: &mut Cx<'_>, group: Option<Group>, turns: u8) {
    let proposals = &sa.peer.proposals;
    let group = group.or_else(|| proposals.iter().find_map(|it| it.groups.first().copied()));
    let Some(group) = group else { return };
    let spi = cx.shared.allocate_ike_spi();
    let pair = KeyPair::generate(group, &mut *cx.shared.random);
    let nonce = cx.shared.random_bytes(NONCE_LEN);
    let payloads = [
        Payload::Sa(proposal::offer_ike(proposals, &spi.0.to_be_bytes())),
        Payload::Nonce(nonce.clone()),
        Payload::Ke(KeyExchange { group: group.id(), data: pair.public().to_vec() }),
    ];
    let (crossing, theirs) = (None, None);
    sa.active = Active::Ike(Box::new(Offer { spi, nonce, pair, crossing, theirs, turns }));
    sa.request(cx, ExchangeType(numbers::exchange::CREATE_CHILD_SA), &payloads);
}

/// The answer to our request.
pub(super) fn response(sa: &mut IkeSa, cx: &mut Cx<'_>, offer: Offer, payloads: &[Payload]) {
    if let Some(error) = notify::error(payloads) {
        return refused(sa, cx, offer, error.kind, &error.data);
    }
    match accept(sa, &offer, payloads) {
        Ok((choice, spi, nonce_r, shared)) => {
            let groups: Vec<Group> = choice.additional.iter().flatten().copied().collect();
            if !groups.is_empty() && offer.crossing.is_some() {
                // RFC 9370 section 2.2.4: nothing is made yet, so whoever has lost only stops.
                if offer.loses(&nonce_r) {
                    return yield_to_peer(sa, cx, &offer);
                }
                followup::forget_ike(sa, cx);
            }
            let pending = Pending::Ike { offer: Box::new(offer), choice: Box::new(choice), spi };
            followup::continue_or_finish(sa, cx, pending, groups, nonce_r, Some(shared), payloads);
        }
        Err(text) => {
            cx.shared.release_ike_spi(offer.spi);
            sa.log(cx, Level::Warning, format!("no new keys for the connection: {text}"));
            sa.rekey_at = Some(cx.now + cx.shared.settings.retry);
        }
    }
}

type Accepted = (IkeChoice, IkeSpi, Vec<u8>, Secret);

fn accept(
    sa: &IkeSa,
    offer: &Offer,
    payloads: &[Payload],
) -> Result<Accepted, alloc::string::String> {
    let proposals = proposals(payloads).ok_or("its answer lacks a proposal")?;
    let choice = proposal::accept_ike(proposals, &sa.peer.proposals)
        .map_err(|refusal| format!("{refusal}"))?;
    let spi = spi_of(&choice).ok_or("its answer lacks an SPI")?;
    let (nonce, exchange) = nonce_and_exchange(payloads);
    let nonce = nonce.ok_or("its answer lacks a nonce")?.to_vec();
    let exchange = exchange.ok_or("its answer lacks a key exchange")?;
    if choice.group != offer.pair.group() || exchange.group != choice.group.id() {
        return Err("it answers with another key exchange than it has chosen".into());
    }
    let shared = offer.pair.agree(&exchange.data).map_err(|_| "its public value is not valid")?;
    Ok((choice, spi, nonce, shared))
}

impl Offer {
    /// Whether an exchange of the peer's has won over ours, which had this answer.
    fn loses(&self, nonce_r: &[u8]) -> bool {
        self.crossing.as_ref().is_some_and(|it| it.beats(&self.nonce, nonce_r))
    }
}

/// The peer's own exchange has made a new SA, or will. If it does not, there is another try.
fn yield_to_peer(sa: &mut IkeSa, cx: &mut Cx<'_>, offer: &Offer) {
    cx.shared.release_ike_spi(offer.spi);
    sa.rekey_at = Some(cx.now + cx.shared.settings.retry);
}

/// The peer does not do what we have asked for, and says why.
pub(super) fn refused(sa: &mut IkeSa, cx: &mut Cx<'_>, offer: Offer, error: u16, data: &[u8]) {
    if offer.crossing.is_some() {
        return yield_to_peer(sa, cx, &offer);
    }
    cx.shared.release_ike_spi(offer.spi);
    let group = group_of(data);
    let allowed = |group: &Group| sa.peer.proposals.iter().any(|it| it.groups.contains(group));
    match (error, group.filter(allowed)) {
        (kind::INVALID_KE_PAYLOAD, Some(group)) if offer.turns < 2 => {
            propose(sa, cx, Some(group), offer.turns + 1);
        }
        (kind::TEMPORARY_FAILURE, _) => {
            let wait = cx.shared.jitter(cx.shared.settings.retransmit_first, 50);
            sa.not_before = Some(cx.now + wait);
            sa.tasks.push_back(Task::RekeyIke);
        }
        _ => {
            let text = format!("no new keys for the connection: {}", notify::words(error));
            sa.log(cx, Level::Warning, text);
            sa.rekey_at = Some(cx.now + cx.shared.settings.retry);
        }
    }
}

/// The new SA takes the old one's place, unless the peer's own has won.
#[expect(clippy::too_many_arguments, reason = "what keys are derived from")]
pub(super) fn finish(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    offer: Offer,
    choice: IkeChoice,
    spi: IkeSpi,
    nonce_r: &[u8],
    shared: &Secret,
    additional: &[Secret],
) {
    let spis = (offer.spi, spi);
    let nonces = (&offer.nonce[..], nonce_r);
    let Some(mut new) = spawn(sa, cx, spis, true, choice, nonces, shared, additional) else {
        return;
    };
    let id = new.id;
    if offer.loses(nonce_r) {
        new.phase = Phase::Replaced;
        new.tasks.push_back(Task::DeleteIke);
        return cx.effects.push(Effect::Add(new));
    }
    cx.effects.push(Effect::Add(new));
    if let Some(theirs) = offer.theirs {
        cx.effects.push(Effect::Inherit { from: theirs, to: id });
    }
    cx.effects.push(Effect::Inherit { from: sa.id, to: id });
    sa.phase = Phase::Replaced;
    sa.tasks.push_back(Task::DeleteIke);
}

/// The peer asks for new keys.
pub(super) fn answer(sa: &mut IkeSa, cx: &mut Cx<'_>, header: &Header, payloads: &[Payload]) {
    // RFC 7296 section 2.25.2.
    let further = matches!(sa.active, Active::FollowUp(_));
    let busy = !sa.is_established() || sa.active.is_about_children() || further;
    if busy || sa.replaced_by.is_some() {
        return sa.respond(cx, header, &[notify(kind::TEMPORARY_FAILURE)]);
    }
    if let Err(refused) = take(sa, cx, header, payloads) {
        let text = format!("its new keys for the connection are refused: {}", refused.text);
        sa.log(cx, Level::Warning, text);
        sa.respond(cx, header, &[refused.payload()]);
    }
}

fn take(
    sa: &mut IkeSa,
    cx: &mut Cx<'_>,
    header: &Header,
    payloads: &[Payload],
) -> Result<(), Refused> {
    let syntax = |text: &str| Refused::new(kind::INVALID_SYNTAX, text);
    let offered = proposals(payloads).ok_or_else(|| syntax("its offer lacks a proposal"))?;
    let (nonce, exchange) = nonce_and_exchange(payloads);
    let nonce_i = nonce.ok_or_else(|| syntax("its offer lacks a nonce"))?.to_vec();
    let exchange = exchange.ok_or_else(|| syntax("its offer lacks a key exchange"))?;
    let choice = choose(offered, &sa.peer.proposals, exchange.group)?;
    let spi_i = spi_of(&choice).ok_or_else(|| syntax("its offer lacks an SPI"))?;
    let (public, shared) = dh::respond(choice.group, &exchange.data, &mut *cx.shared.random)
        .map_err(|_| syntax("its public value is not valid"))?;
    let nonce_r = cx.shared.random_bytes(NONCE_LEN);
    let spi_r = cx.shared.allocate_ike_spi();
    let reply = alloc::vec![
        Payload::Sa([choice.to_msg(&spi_r.0.to_be_bytes())].into()),
        Payload::Nonce(nonce_r.clone()),
        Payload::Ke(KeyExchange { group: choice.group.id(), data: public }),
    ];
    let groups: Vec<Group> = choice.additional.iter().flatten().copied().collect();
    if let Active::Ike(offer) = &mut sa.active {
        offer.crossing = Some(Crossing { lowest: nonce_i.as_slice().min(&nonce_r).to_vec() });
    }
    let answered = Answered { spis: (spi_i, spi_r), choice, nonce_i, nonce_r, shared };
    if !groups.is_empty() {
        followup::await_more_ike(sa, cx, header, answered, groups, reply);
        return Ok(());
    }
    made(sa, cx, answered, &[]);
    sa.respond(cx, header, &reply);
    Ok(())
}

/// The algorithms, with the group of the peer's key exchange payload if that is allowed.
pub(crate) fn choose(
    offered: &[Proposal],
    allowed: &[proposal::IkeProposal],
    group: u16,
) -> Result<IkeChoice, Refused> {
    demand_group(preferred(offered, allowed, group)?, group)
}

/// The algorithms, with this group if there are any with it.
pub(super) fn preferred(
    offered: &[Proposal],
    allowed: &[proposal::IkeProposal],
    group: u16,
) -> Result<IkeChoice, Refused> {
    proposal::choose_ike(&with_group_only(offered, group), allowed)
        .or_else(|_| proposal::choose_ike(offered, allowed))
        .map_err(|refusal| Refused::new(kind::NO_PROPOSAL_CHOSEN, format!("{refusal}")))
}

/// The choice, if it is one for the group of the peer's key exchange payload.
pub(super) fn demand_group(choice: IkeChoice, group: u16) -> Result<IkeChoice, Refused> {
    if choice.group.id() == group {
        return Ok(choice);
    }
    // RFC 7296 section 1.3: tell which group instead.
    let data = choice.group.id().to_be_bytes().to_vec();
    let text = format!("its key exchange is not {}", choice.group.name());
    Err(Refused { kind: kind::INVALID_KE_PAYLOAD, data, text })
}

/// New keys that the peer has asked for and that are agreed upon.
pub(crate) struct Answered {
    pub spis: (IkeSpi, IkeSpi),
    choice: IkeChoice,
    nonce_i: Vec<u8>,
    nonce_r: Vec<u8>,
    shared: Secret,
}

/// The new SA takes the children over, until a collision says otherwise.
pub(super) fn made(sa: &mut IkeSa, cx: &mut Cx<'_>, answered: Answered, additional: &[Secret]) {
    let Answered { spis, choice, nonce_i, nonce_r, shared } = answered;
    let nonces = (&nonce_i[..], &nonce_r[..]);
    let new = spawn(sa, cx, spis, false, choice, nonces, &shared, additional);
    let Some(mut new) = new else { return };
    let id = new.id;
    if let Active::Ike(offer) = &mut sa.active {
        offer.theirs = Some(id);
        new.crossed = Some(sa.id);
    }
    cx.effects.push(Effect::Add(new));
    cx.effects.push(Effect::Inherit { from: sa.id, to: id });
    sa.phase = Phase::Replaced;
}

#[expect(clippy::too_many_arguments, reason = "what keys are derived from")]
fn spawn(
    sa: &IkeSa,
    cx: &mut Cx<'_>,
    spis: (IkeSpi, IkeSpi),
    initiator: bool,
    choice: IkeChoice,
    nonces: (&[u8], &[u8]),
    shared: &Secret,
    additional: &[Secret],
) -> Option<Box<IkeSa>> {
    let seed = Seed {
        nonce_i: nonces.0,
        nonce_r: nonces.1,
        spi_i: spis.0.0.to_be_bytes(),
        spi_r: spis.1.0.to_be_bytes(),
    };
    let keys = sa.keys.as_ref()?.rekey(suite_of(&choice), &seed, shared, additional);
    key_log::ikev2(cx.shared, spis, &keys);
    let id = cx.shared.ike_id();
    let mut new = IkeSa::new(cx, id, spis, initiator, sa.path, sa.peer.clone(), Phase::Established);
    new.keys = Some(keys);
    new.nat = sa.nat;
    new.features = sa.features;
    new.peer_identity.clone_from(&sa.peer_identity);
    new.established = Some(cx.now);
    new.reauthenticate_at = sa.reauthenticate_at;
    let lifetime = sa.peer.lifetime;
    new.rekey_at = Some(cx.now + cx.shared.jitter(lifetime.rekey, lifetime.jitter_percent));
    new.hard_at = Some(cx.now + lifetime.hard);
    new.log(cx, Level::Info, format!("new keys for the connection: {choice}"));
    new.suite = Some(choice);
    cx.shared.emit(Event::IkeUp(id));
    Some(Box::new(new))
}

fn proposals(payloads: &[Payload]) -> Option<&[Proposal]> {
    payloads.iter().find_map(|payload| match payload {
        Payload::Sa(proposals) => Some(&proposals[..]),
        _ => None,
    })
}

/// The peer's SPI of the new SA: not zero.
fn spi_of(choice: &IkeChoice) -> Option<IkeSpi> {
    let spi = u64::from_be_bytes(*choice.spi.first_chunk()?);
    (choice.spi.len() == 8 && spi != 0).then_some(IkeSpi(spi))
}
