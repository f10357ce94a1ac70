//! Quick mode as the one who begins it.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use engine::Instant;

use super::super::message::{self, Opened};
use super::super::pair::Pair;
use super::super::phase1::Wanted;
use super::super::retransmit::{Answered, Retransmit};
use super::super::{Engine, Timer, lifetime, nat};
use super::{
    Offered, Quick, Recipe, Refused, Said, Stage, hash_fits, original_addresses, selectors,
};
use crate::algorithm::Group;
use crate::crypto::dh::KeyPair;
use crate::msg::numbers::notify_v1;
use crate::msg::v1::{DOI_IPSEC, IDENTITY_ONLY, Payload1, Sa1};
use crate::msg::{ExchangeType, TrafficSelector};
use crate::output::{Event, IkeSaId, Level};
use crate::policy::{Child, Mode};
use crate::proposal::EspProposal;
use crate::proposal::v1::{choose_phase2, offer_phase2};
use crate::shared::Shared;

/// A nonce's length, bytes.
const NONCE_LEN: usize = 32;

/// The key exchanges of a child's proposals, in order of preference; `None` is to have none. One
/// quick mode has one for all that it proposes (RFC 2409 section 5.5): each has its turn until the
/// peer takes one.
fn key_exchanges(child: &Child) -> Vec<Option<Group>> {
    let mut all = Vec::new();
    for proposal in &child.proposals {
        let none = proposal.groups.is_empty().then_some(None);
        for group in proposal.groups.iter().copied().map(Some).chain(none) {
            if !all.contains(&group) {
                all.push(group);
            }
        }
    }
    all
}

/// The proposals that have this key exchange, with no other.
fn of_group(child: &Child, group: Option<Group>) -> Vec<EspProposal> {
    let fits = |proposal: &&EspProposal| match group {
        Some(group) => proposal.groups.contains(&group),
        None => proposal.groups.is_empty(),
    };
    let mut proposals: Vec<_> = child.proposals.iter().filter(fits).cloned().collect();
    proposals.iter_mut().for_each(|proposal| proposal.groups = group.into_iter().collect());
    proposals
}

fn group_name(group: Option<Group>) -> &'static str {
    group.map_or("no key exchange", Group::name)
}

impl Engine {
    /// Message 1.
    pub(in super::super) fn begin_quick(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        ike: IkeSaId,
        wanted: Wanted,
    ) {
        let group = key_exchanges(&wanted.child).first().copied().flatten();
        self.offer_quick(shared, now, ike, wanted, group);
    }

    fn offer_quick(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        ike: IkeSaId,
        wanted: Wanted,
        group: Option<Group>,
    ) {
        let Some(sa) = self.sas.get_mut(&ike) else { return };
        let (path, nat, cookies) = (sa.path, sa.nat, sa.cookies);
        let Some(up) = sa.established_mut() else { return };
        let child = wanted.child;
        let local = selectors::resolve_all(&child.local, path.local.ip());
        let remote = selectors::resolve_all(&child.remote, path.remote.ip());
        let chosen = selectors::wanted(&local, &remote, wanted.packet.as_ref());
        let Some((local, remote)) = chosen else { return };
        let proposals = of_group(&child, group);
        let (spi, nonce) = (shared.allocate_esp_spi(), shared.random_bytes(NONCE_LEN));
        let pair = group.map(|group| KeyPair::generate(group, &mut *shared.random));
        let mode = nat::encapsulation(child.mode, nat.udp());
        let lifetime = lifetime::offered(&child.lifetime);
        let proposals = offer_phase2(&proposals, spi, group, mode, lifetime);
        let sa = Sa1 { doi: DOI_IPSEC, situation: IDENTITY_ONLY, proposals };
        let mut payloads = alloc::vec![Payload1::Sa(sa), Payload1::Nonce(nonce.clone())];
        payloads.extend(pair.as_ref().map(|pair| Payload1::Ke(pair.public().to_vec())));
        payloads.extend([&local, &remote].map(|it| Payload1::Id(selectors::to_id(it))));
        payloads.extend(original_addresses(nat, child.mode, path, true));
        let id = loop {
            let id = shared.random_u32();
            if id != 0 && up.used.insert(id) {
                break id;
            }
        };
        let mut iv = up.keys.message_iv(up.last_block, id);
        let (exchange, keys) = (ExchangeType::QUICK_MODE, &up.keys);
        let message = message::hashed(cookies, exchange, id, keys, &mut iv, payloads, None);
        shared.transmit(path, message.clone());
        let offered = Offered { spi, nonce, pair, local, remote, mode };
        let quick = Quick {
            child,
            initiator: true,
            began: now,
            iv,
            stage: Stage::Offered(Box::new(offered)),
            sent: Some(Retransmit::new(&shared.settings, now, message)),
            answered: None,
        };
        up.quick.insert(id, quick);
        self.touch(Timer::Sa(ike));
    }

    /// The peer has chosen none of the proposals of a quick mode of ours: it gets those with the
    /// next key exchange. `false` if there is none.
    pub(in super::super) fn offer_next(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        ike: IkeSaId,
        id: u32,
    ) -> bool {
        let Some(sa) = self.sas.get_mut(&ike) else { return false };
        let peer = sa.peer().map(|peer| peer.name.clone()).unwrap_or_default();
        let Some(up) = sa.established_mut() else { return false };
        let Some(quick) = up.quick.get_mut(&id) else { return false };
        let Stage::Offered(offered) = &quick.stage else { return false };
        let refused = offered.group();
        let mut groups = key_exchanges(&quick.child).into_iter();
        let next = groups.by_ref().find(|group| *group == refused).and_then(|_| groups.next());
        let Some(group) = next else { return false };
        // What was offered is what is in them.
        let packet = Some((offered.local.clone(), offered.remote.clone()));
        let wanted = Wanted { child: quick.child.clone(), packet, replaces: None };
        shared.release_esp_spi(offered.spi);
        let text = format!(
            "{} with {} is refused: {} is tried",
            quick.child.name,
            group_name(refused),
            group_name(group)
        );
        (quick.stage, quick.sent) = (Stage::Done, None);
        shared.log(Level::Info, &peer, text);
        self.offer_quick(shared, now, ike, wanted, group);
        true
    }

    /// Message 2; its answer is message 3.
    pub(in super::super) fn on_quick_answer(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        ike: IkeSaId,
        id: u32,
        (bytes, first, body): (&[u8], u8, &[u8]),
    ) {
        let Some(sa) = self.sas.get_mut(&ike) else { return };
        let Some(up) = sa.established_mut() else { return };
        let Some(quick) = up.quick.get_mut(&id) else { return };
        let Stage::Offered(offered) = &quick.stage else { return };
        let opened = message::open(&up.keys, quick.iv, first, body)
            .filter(|opened| hash_fits(opened, &up.keys, id, Some(&offered.nonce)));
        // What is not authentic may be a stranger's: the right one is still waited for.
        let Some(opened) = opened else { return };
        up.dpd.hear(now);
        match self.agree(shared, now, ike, id, &opened) {
            Ok(mut pair) => {
                let Some(sa) = self.sas.get_mut(&ike) else { return };
                let (path, cookies) = (sa.path, sa.cookies);
                let Some(up) = sa.established_mut() else { return };
                let Some(quick) = up.quick.get_mut(&id) else { return };
                let Some((nonce_i, nonce_r)) = pair.nonces.take() else { return };
                let hash = up.keys.last_hash(id, &nonce_i, &nonce_r);
                let payloads = [Payload1::Hash(hash.expose().to_vec())];
                quick.iv = opened.next_iv;
                let exchange = ExchangeType::QUICK_MODE;
                let message =
                    message::encrypted(cookies, exchange, id, &up.keys, &mut quick.iv, &payloads);
                quick.stage = Stage::Done;
                quick.sent = None;
                quick.answered = Some(Answered::new(now, bytes, message.clone()));
                shared.emit(Event::InstallInbound(pair.sa.clone()));
                shared.transmit(path, message);
                self.no_retry(&pair.child.clone(), path.remote.ip());
                self.add_pair(shared, now, pair);
            }
            Err(refused) => {
                self.fail_quick(shared, now, ike, id, Some(refused.notify), &refused.why)
            }
        }
        self.touch(Timer::Sa(ike));
    }

    fn agree(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        ike: IkeSaId,
        id: u32,
        opened: &Opened,
    ) -> Result<Pair, Refused> {
        let malformed =
            || Refused { notify: notify_v1::PAYLOAD_MALFORMED, why: "it lacks payloads".into() };
        let sa = self.sas.get(&ike).ok_or_else(malformed)?;
        let up = sa.established().ok_or_else(malformed)?;
        let peer = sa.peer().ok_or_else(malformed)?;
        let quick = up.quick.get(&id).ok_or_else(malformed)?;
        let Stage::Offered(offered) = &quick.stage else { return Err(malformed()) };
        let child = &quick.child;
        let said = Said::read(&opened.payloads).ok_or_else(malformed)?;
        let no_proposal = |why| Refused { notify: notify_v1::NO_PROPOSAL_CHOSEN, why };
        let group = offered.group();
        let proposals = of_group(child, group);
        let choice = choose_phase2(&said.sa.proposals, &proposals, &[offered.mode])
            .map_err(|refusal| no_proposal(format!("{refusal}")))?;
        let single = matches!(&said.sa.proposals[..], [one] if one.transforms.len() == 1);
        if !single || choice.group != group {
            return Err(no_proposal("the answer is not one of our proposals".into()));
        }
        let secret = match (&offered.pair, said.public) {
            (Some(pair), Some(public)) => Some(pair.agree(public).map_err(|_| Refused {
                notify: notify_v1::INVALID_KEY_INFORMATION,
                why: "the peer's public value is invalid".into(),
            })?),
            (None, None) => None,
            _ => return Err(malformed()),
        };
        let natted = child.mode == Mode::Transport && sa.nat.udp().is_some();
        check_ids(&said, offered, natted)?;
        let lifetime = lifetime::shorter(choice.lifetime, said.lifetime);
        let recipe = Recipe {
            ike,
            peer,
            child,
            identity: &up.identity,
            keys: &up.keys,
            path: sa.path,
            nat: sa.nat,
            choice: &choice,
            lifetime,
            spi: offered.spi,
            nonces: (&offered.nonce, said.nonce),
            shared_secret: secret.as_ref(),
            local: offered.local.clone(),
            remote: offered.remote.clone(),
            original: said.original.map(|(ours, theirs)| (theirs, ours)).filter(|_| natted),
        };
        let child_sa = Arc::new(recipe.make(shared));
        let ends = lifetime::of_child(shared, now, &child.lifetime, lifetime.seconds, true);
        let nonces = (offered.nonce.clone(), said.nonce.clone());
        let key = sa.key().ok_or_else(malformed)?;
        let mut pair = Pair::new(child_sa, peer.clone(), child.clone(), key, quick, nonces, ends);
        pair.live(now);
        Ok(pair)
    }

    /// A quick mode comes to nothing; the peer is told if `notify`.
    pub(in super::super) fn fail_quick(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        ike: IkeSaId,
        id: u32,
        notify: Option<u16>,
        why: &str,
    ) {
        let Some(sa) = self.sas.get_mut(&ike) else { return };
        let (peer, remote) = (sa.peer().cloned(), sa.path.remote.ip());
        let Some(up) = sa.established_mut() else { return };
        let Some(quick) = up.quick.get_mut(&id) else { return };
        let child = quick.child.clone();
        let stage = core::mem::replace(&mut quick.stage, Stage::Done);
        quick.sent = None;
        let Some(peer) = peer else { return };
        let mut spi = None;
        match stage {
            Stage::Offered(offered) => {
                shared.release_esp_spi(offered.spi);
                spi = Some(offered.spi);
                self.retry_later(shared, now, &peer, &child, remote);
            }
            Stage::Answered { pair, .. } => {
                self.remove_pair(shared, now, pair, crate::output::RemovalReason::Abandoned, false);
            }
            Stage::Done => {}
        }
        let text = format!("no keys for {}: {why}", child.name);
        shared.log(Level::Warning, &peer.name, text);
        if let Some(kind) = notify {
            self.send_notify(shared, ike, kind, spi);
        }
        self.touch(Timer::Sa(ike));
    }
}

/// The answer must be about what was asked (RFC 2409 section 5.5). Behind a NAT addresses differ in
/// transport mode: each knows itself by another one than the other does.
fn check_ids(said: &Said<'_>, offered: &Offered, natted: bool) -> Result<(), Refused> {
    let Some((initiator, responder)) = said.ids else {
        let host = |it: &TrafficSelector| {
            it.protocol == 0 && it.addresses.0 == it.addresses.1 && it.ports == (0, u16::MAX)
        };
        if host(&offered.local) && host(&offered.remote) {
            return Ok(());
        }
        return Err(invalid_ids("it does not say what it is for".into()));
    };
    let same = |id, ours: &TrafficSelector| {
        let unnamed = natted.then_some(ours.addresses.0);
        let Some(mut theirs) = selectors::from_id(id, unnamed) else { return false };
        if natted {
            theirs.addresses = ours.addresses;
        }
        selectors::within(&theirs, ours).is_some()
    };
    if same(initiator, &offered.local) && same(responder, &offered.remote) {
        return Ok(());
    }
    Err(invalid_ids("the answer is for other traffic than we asked for".into()))
}

fn invalid_ids(why: alloc::string::String) -> Refused {
    Refused { notify: notify_v1::INVALID_ID_INFORMATION, why }
}
