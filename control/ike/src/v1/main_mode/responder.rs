//! Main mode as the one who answers.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use engine::{Instant, UnixTime};

use super::super::message;
use super::super::nat::Nat;
use super::super::phase1::{Phase1, State};
use super::super::vendor::{self, Vendors};
use super::initiator::{certificate_requests, says_initial_contact};
use super::proof::{self, Unproven};
use super::{
    Agreed, Answering, Authenticated, Flaw, NONCE_LEN, Offer, Step, key_message, learn_nat, method,
    nat_payloads,
};
use crate::candidates;
use crate::crypto::dh;
use crate::msg::v1::{Body1, DOI_IPSEC, Payload1, Proposal1, Sa1};
use crate::msg::{ExchangeType, IkeSpi};
use crate::output::Path;
use crate::policy::{Peer, Versions};
use crate::proposal::v1::{Phase1Choice, choose_phase1};
use crate::shared::Shared;

/// Peers among which the last message decides: a stranger makes us derive keys for each of them.
const CANDIDATES_MAX: usize = 8;

/// Who may call from where `path` leads: peers of this address first, then those of any.
fn possible(shared: &Shared, path: Path) -> Vec<Arc<Peer>> {
    let ours = |peer: &&Arc<Peer>| {
        peer.versions != Versions::V2
            && peer.local.is_none_or(|local| local == path.local.ip())
            && method(peer).is_some()
    };
    shared.peers.at(path.remote.ip()).filter(ours).take(CANDIDATES_MAX).cloned().collect()
}

/// Message 1: an SA that waits for message 3, and message 2.
pub(in super::super) fn answer(
    shared: &mut Shared,
    now: Instant,
    path: Path,
    initiator: IkeSpi,
    payloads: &[Payload1],
) -> Result<(Phase1, Vec<u8>), Flaw> {
    let sa = payloads.iter().find_map(|payload| match payload {
        Payload1::Sa(sa) if sa.doi == DOI_IPSEC => Some(sa),
        _ => None,
    });
    let sa = sa.ok_or_else(|| Flaw::Dropped("main mode without an SA payload".into()))?;
    let mut willing = possible(shared, path);
    let of_peer = |peer: &Peer, offered: &[Proposal1]| {
        choose_phase1(offered, &peer.proposals, &[method(peer).unwrap_or_default()])
    };
    let allows = |peer: &Peer, choice: &Phase1Choice| {
        of_peer(peer, core::slice::from_ref(&choice.answer)).is_ok()
    };
    let choice = candidates::choose(&willing, |peer| of_peer(peer, &sa.proposals), allows);
    let choice = choice.map_err(|refusal| {
        let unknown = || "no peer of the configuration speaks IKEv1 there".into();
        Flaw::Fatal(refusal.map_or_else(unknown, |why| format!("{why}")))
    })?;
    willing.retain(|peer| allows(peer, &choice));
    let mut vendors = Vendors::default();
    for payload in payloads {
        if let Payload1::VendorId(id) = payload {
            vendors.learn(id);
        }
    }
    let cookies = (initiator, shared.allocate_ike_spi());
    let proposals = alloc::vec![choice.answer.clone()];
    let reply = Sa1 { doi: sa.doi, situation: sa.situation, proposals };
    let mut answer = alloc::vec![Payload1::Sa(reply)];
    answer.extend(vendor::answered(vendors).into_iter().map(Payload1::VendorId));
    let message = message::clear(cookies, ExchangeType::MAIN_MODE, 0, answer);
    let offer = Offer(Payload1::Sa(sa.clone()).body());
    let phase1 = Phase1 {
        id: shared.ike_id(),
        initiator: false,
        cookies,
        path,
        began: now,
        candidates: willing,
        vendors,
        nat: Nat { dialect: vendors.nat, ..Nat::default() },
        state: State::Answering(Box::new(Answering::Ke(offer, choice))),
        sent: None,
        answered: None,
        wanted: Vec::new(),
        complained: false,
    };
    Ok((phase1, message))
}

impl Phase1 {
    /// Messages 3 and 5, from where `path` leads.
    pub(in super::super) fn on_request(
        &mut self,
        shared: &mut Shared,
        wall: UnixTime,
        path: Path,
        body: &Body1,
    ) -> Result<Step, Flaw> {
        let answering = match core::mem::replace(&mut self.state, State::Gone(None)) {
            State::Answering(answering) => *answering,
            other => {
                self.state = other;
                return Err(Flaw::Dropped("main mode message for an SA that is up".into()));
            }
        };
        match (answering, body) {
            (Answering::Ke(offer, choice), Body1::Clear(payloads)) => {
                self.path = path;
                let brought = key_message(self, &choice, payloads).and_then(|it| {
                    dh::respond(choice.group, &it.public, &mut *shared.random)
                        .map(|ours| (it, ours))
                        .map_err(|_| Flaw::Dropped("the peer's public value is invalid".into()))
                });
                match brought {
                    Ok((brought, (public, secret))) => {
                        let nonce = shared.random_bytes(NONCE_LEN);
                        learn_nat(self, brought.nat);
                        let agreed = Agreed {
                            offer,
                            choice,
                            publics: (brought.public, public),
                            nonces: (brought.nonce, nonce),
                            shared: secret,
                        };
                        Ok(Step::Reply(self.reply_keys(shared, agreed)))
                    }
                    Err(flaw) => {
                        self.wait_for(Answering::Ke(offer, choice));
                        Err(flaw)
                    }
                }
            }
            (Answering::Auth(agreed), Body1::Encrypted(first, body)) => {
                match self.on_message5(shared, wall, &agreed, *first, body) {
                    Ok(step) => {
                        self.path = path;
                        Ok(step)
                    }
                    Err(flaw) => {
                        self.wait_for(Answering::Auth(agreed));
                        Err(flaw)
                    }
                }
            }
            (state, _) => {
                self.wait_for(state);
                Err(Flaw::Dropped("main mode message out of turn".into()))
            }
        }
    }

    fn wait_for(&mut self, state: Answering) {
        self.state = State::Answering(Box::new(state));
    }

    /// Message 4.
    fn reply_keys(&mut self, shared: &mut Shared, agreed: Agreed) -> Vec<u8> {
        let mut payloads = alloc::vec![
            Payload1::Ke(agreed.publics.1.clone()),
            Payload1::Nonce(agreed.nonces.1.clone()),
        ];
        if let Some(peer) = self.candidates.first() {
            payloads.extend(certificate_requests(peer, agreed.choice.method));
        }
        payloads.extend(nat_payloads(self, &agreed.choice, shared));
        self.wait_for(Answering::Auth(agreed));
        message::clear(self.cookies, ExchangeType::MAIN_MODE, 0, payloads)
    }

    /// Message 5: the first of the peers that it may be with whose key and identity fit is it.
    fn on_message5(
        &mut self,
        shared: &mut Shared,
        wall: UnixTime,
        agreed: &Agreed,
        first: u8,
        body: &[u8],
    ) -> Result<Step, Flaw> {
        let mut why = None;
        for peer in self.candidates.clone() {
            let Some(keys) = agreed.keys(self, &peer) else { continue };
            let iv = keys.first_iv(&agreed.publics.0, &agreed.publics.1);
            let Some(opened) = message::open(&keys, iv, first, body) else { continue };
            let said = &opened.payloads;
            match proof::verify(agreed, &keys, self.cookies, true, &peer, said, wall) {
                Ok(identity) => {
                    let payloads = proof::prove(agreed, &keys, self.cookies, false, &peer, shared)?;
                    let mut iv = opened.next_iv;
                    let exchange = ExchangeType::MAIN_MODE;
                    let reply =
                        message::encrypted(self.cookies, exchange, 0, &keys, &mut iv, &payloads);
                    self.candidates = alloc::vec![peer.clone()];
                    let authenticated = Authenticated {
                        peer,
                        identity,
                        keys,
                        last_block: iv,
                        choice: agreed.choice.clone(),
                        rank: agreed.rank(),
                        initial_contact: says_initial_contact(said),
                        lifetime: None,
                    };
                    return Ok(Step::Up(Box::new(authenticated), Some(reply)));
                }
                Err(Unproven::Garbled | Unproven::WrongHash) => {}
                Err(Unproven::Refused(identity, refusal)) => {
                    why = Some(format!("peer says it is {identity}, but {refusal}"));
                }
                Err(Unproven::Forbidden(identity)) => {
                    why = Some(format!(
                        "peer has proven to be {identity}, which the configuration does not allow"
                    ));
                }
            }
        }
        Err(Flaw::Dropped(why.unwrap_or_else(|| self.undecryptable(agreed))))
    }

    fn undecryptable(&self, agreed: &Agreed) -> String {
        match agreed.choice.method {
            super::PSK => {
                "the peer's proof cannot be decrypted: its pre-shared key is another one \
                           than ours, most likely"
                    .into()
            }
            _ => "the peer's proof cannot be decrypted".into(),
        }
    }
}
