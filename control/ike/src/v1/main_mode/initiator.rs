//! Main mode as the one who begins it.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use engine::{Instant, UnixTime};

use super::super::message::{self, Opened};
use super::super::phase1::{Phase1, State};
use super::super::vendor;
use super::proof::{self, Unproven};
use super::{
    Agreed, Authenticated, Calling, Flaw, NONCE_LEN, Offer, RSA_SIGNATURE, Step, key_message,
    learn_nat, method, nat_payloads,
};
use crate::crypto::dh::KeyPair;
use crate::identity::Identity;
use crate::keymat::v1::{Iv, Phase1Keys};
use crate::msg::numbers::notify_v1;
use crate::msg::v1::{Body1, DOI_IPSEC, IDENTITY_ONLY, Payload1, Sa1};
use crate::msg::{ExchangeType, IKE, IkeSpi, Notify};
use crate::output::Path;
use crate::policy::{Peer, RemoteAuth};
use crate::proposal::v1::{Lifetime, Phase1Choice, choose_phase1, offer_phase1};
use crate::shared::Shared;

/// Message 1: an SA that waits for its answer, and the message.
pub(in super::super) fn call(
    shared: &mut Shared,
    now: Instant,
    peer: &Arc<Peer>,
    path: Path,
) -> Result<(Phase1, Vec<u8>), Flaw> {
    let Some(method) = method(peer) else {
        let text = "IKEv1 needs the same kind of authentication on both sides";
        return Err(Flaw::Fatal(text.into()));
    };
    let seconds = u32::try_from(peer.lifetime.hard.as_secs()).ok();
    let lifetime = Lifetime { seconds, kilobytes: None };
    let proposal = offer_phase1(&peer.proposals, method, lifetime);
    if proposal.transforms.is_empty() {
        let text = "none of the configured proposals can be spoken with IKEv1";
        return Err(Flaw::Fatal(text.into()));
    }
    let proposals = alloc::vec![proposal];
    let sa = Payload1::Sa(Sa1 { doi: DOI_IPSEC, situation: IDENTITY_ONLY, proposals });
    let offer = Offer(sa.body());
    let cookies = (shared.allocate_ike_spi(), IkeSpi::default());
    let mut payloads = alloc::vec![sa];
    payloads.extend(vendor::offered().into_iter().map(Payload1::VendorId));
    let message = message::clear(cookies, ExchangeType::MAIN_MODE, 0, payloads);
    let phase1 = Phase1 {
        id: shared.ike_id(),
        initiator: true,
        cookies,
        path,
        began: now,
        candidates: alloc::vec![peer.clone()],
        vendors: vendor::Vendors::default(),
        nat: super::super::nat::Nat::default(),
        state: State::Calling(Box::new(Calling::Sa(offer))),
        sent: None,
        answered: None,
        wanted: Vec::new(),
        complained: false,
    };
    Ok((phase1, message))
}

impl Phase1 {
    /// Messages 2, 4 and 6.
    pub(in super::super) fn on_answer(
        &mut self,
        shared: &mut Shared,
        wall: UnixTime,
        responder: IkeSpi,
        body: &Body1,
        first_contact: bool,
    ) -> Result<Step, Flaw> {
        let calling = match core::mem::replace(&mut self.state, State::Gone(None)) {
            State::Calling(calling) => *calling,
            other => {
                self.state = other;
                return Err(Flaw::Dropped("main mode message for an SA that is up".into()));
            }
        };
        match (calling, body) {
            (Calling::Sa(offer), Body1::Clear(payloads)) => {
                match self.on_message2(shared, responder, payloads) {
                    Ok((choice, pair, nonce, message)) => {
                        self.wait(Calling::Ke(offer, choice, pair, nonce));
                        Ok(Step::Ask(message))
                    }
                    Err(flaw) => {
                        self.wait(Calling::Sa(offer));
                        Err(flaw)
                    }
                }
            }
            (Calling::Ke(offer, choice, pair, nonce), Body1::Clear(payloads)) => {
                let brought = key_message(self, &choice, payloads).and_then(|it| {
                    let secret = pair.agree(&it.public);
                    let invalid = || Flaw::Dropped("the peer's public value is invalid".into());
                    secret.map(|secret| (it, secret)).map_err(|_| invalid())
                });
                let (brought, secret) = match brought {
                    Ok(brought) => brought,
                    Err(flaw) => {
                        self.wait(Calling::Ke(offer, choice, pair, nonce));
                        return Err(flaw);
                    }
                };
                learn_nat(self, brought.nat);
                let agreed = Agreed {
                    offer,
                    choice,
                    publics: (pair.public().to_vec(), brought.public),
                    nonces: (nonce, brought.nonce),
                    shared: secret,
                };
                self.send_proof(shared, agreed, first_contact)
            }
            (Calling::Auth(agreed, keys, iv), Body1::Encrypted(first, body)) => {
                match self.on_message6(&agreed, &keys, iv, *first, body, wall) {
                    Ok(opened) => Ok(self.up(agreed, keys, opened)),
                    Err(flaw) => {
                        self.wait(Calling::Auth(agreed, keys, iv));
                        Err(flaw)
                    }
                }
            }
            (state, _) => {
                self.wait(state);
                Err(Flaw::Dropped("main mode message out of turn".into()))
            }
        }
    }

    fn wait(&mut self, state: Calling) {
        self.state = State::Calling(Box::new(state));
    }

    fn on_message2(
        &mut self,
        shared: &mut Shared,
        responder: IkeSpi,
        payloads: &[Payload1],
    ) -> Result<(Phase1Choice, KeyPair, Vec<u8>, Vec<u8>), Flaw> {
        let peer = self.candidates[0].clone();
        let sa = payloads.iter().find_map(|payload| match payload {
            Payload1::Sa(sa) => Some(sa),
            _ => None,
        });
        let sa = sa.ok_or_else(|| Flaw::Dropped("main mode answer without an SA".into()))?;
        let single = matches!(&sa.proposals[..], [one] if one.transforms.len() == 1);
        let methods = [method(&peer).unwrap_or_default()];
        let choice = choose_phase1(&sa.proposals, &peer.proposals, &methods)
            .map_err(|refusal| Flaw::Dropped(format!("answer refused: {refusal}")))?;
        // RFC 2409 section 5.4 has one transform of those that were offered, unchanged.
        if !single {
            return Err(Flaw::Dropped("peer answered with more than one suite".into()));
        }
        if responder.0 == 0 {
            return Err(Flaw::Dropped("main mode answer without a cookie".into()));
        }
        for payload in payloads {
            if let Payload1::VendorId(id) = payload {
                self.vendors.learn(id);
            }
        }
        self.cookies.1 = responder;
        self.nat.dialect = self.vendors.nat;
        let pair = KeyPair::generate(choice.group, &mut *shared.random);
        let nonce = shared.random_bytes(NONCE_LEN);
        let mut payloads =
            alloc::vec![Payload1::Ke(pair.public().to_vec()), Payload1::Nonce(nonce.clone()),];
        payloads.extend(certificate_requests(&peer, choice.method));
        payloads.extend(nat_payloads(self, &choice, shared));
        let message = message::clear(self.cookies, ExchangeType::MAIN_MODE, 0, payloads);
        Ok((choice, pair, nonce, message))
    }

    /// Message 5, from the other port if there is a NAT (RFC 3947 section 4).
    fn send_proof(
        &mut self,
        shared: &mut Shared,
        agreed: Agreed,
        first_contact: bool,
    ) -> Result<Step, Flaw> {
        let peer = self.candidates[0].clone();
        let Some(keys) = agreed.keys(self, &peer) else {
            return Err(Flaw::Fatal("no pre-shared key for this peer".into()));
        };
        let mut iv = keys.first_iv(&agreed.publics.0, &agreed.publics.1);
        if self.nat.udp().is_some() && self.path.remote.port() == shared.settings.port {
            self.path.remote.set_port(shared.settings.nat_port);
            self.path.local.set_port(shared.settings.nat_port);
        }
        let mut payloads = proof::prove(&agreed, &keys, self.cookies, true, &peer, shared)?;
        if first_contact {
            payloads.push(initial_contact(self.cookies));
        }
        let (exchange, cookies) = (ExchangeType::MAIN_MODE, self.cookies);
        let message = message::encrypted(cookies, exchange, 0, &keys, &mut iv, &payloads);
        self.wait(Calling::Auth(agreed, keys, iv));
        Ok(Step::Ask(message))
    }

    fn on_message6(
        &self,
        agreed: &Agreed,
        keys: &Phase1Keys,
        iv: Iv,
        first: u8,
        body: &[u8],
        wall: UnixTime,
    ) -> Result<(Opened, Identity), Flaw> {
        let peer = &self.candidates[0];
        let garbled = || Flaw::Dropped("the peer's proof cannot be decrypted".into());
        let opened = message::open(keys, iv, first, body).ok_or_else(garbled)?;
        match proof::verify(agreed, keys, self.cookies, false, peer, &opened.payloads, wall) {
            Ok(identity) => Ok((opened, identity)),
            Err(Unproven::Garbled | Unproven::WrongHash) => Err(garbled()),
            Err(Unproven::Refused(identity, refusal)) => {
                Err(Flaw::Dropped(format!("peer says it is {identity}, but {refusal}")))
            }
            Err(Unproven::Forbidden(identity)) => Err(Flaw::Fatal(format!(
                "peer has proven to be {identity}, which the configuration does not allow"
            ))),
        }
    }

    fn up(
        &mut self,
        agreed: Agreed,
        keys: Phase1Keys,
        (opened, identity): (Opened, Identity),
    ) -> Step {
        let authenticated = Authenticated {
            peer: self.candidates[0].clone(),
            identity,
            keys,
            last_block: opened.next_iv,
            rank: agreed.rank(),
            initial_contact: says_initial_contact(&opened.payloads),
            lifetime: super::super::lifetime::responder_lifetime(&opened.payloads, IKE).seconds,
            choice: agreed.choice,
        };
        Step::Up(Box::new(authenticated), None)
    }
}

/// One CERTREQ payload for each authority we trust, or one for any (RFC 2408 section 3.10).
pub(super) fn certificate_requests(peer: &Peer, method: u16) -> Vec<Payload1> {
    let RemoteAuth::Certificate(anchors) = &peer.remote_auth else { return Vec::new() };
    if method != RSA_SIGNATURE {
        return Vec::new();
    }
    let encoding = crate::cert::ENCODING_X509_SIGNATURE;
    let named = anchors.names().map(|name| Payload1::CertReq(encoding, name.to_vec()));
    let mut requests: Vec<_> = named.collect();
    if requests.is_empty() {
        requests.push(Payload1::CertReq(encoding, Vec::new()));
    }
    requests
}

/// INITIAL-CONTACT (RFC 2407 section 4.6.3.3).
fn initial_contact(cookies: (IkeSpi, IkeSpi)) -> Payload1 {
    let spi = [cookies.0.0.to_be_bytes(), cookies.1.0.to_be_bytes()].concat();
    let kind = notify_v1::INITIAL_CONTACT;
    Payload1::Notify(DOI_IPSEC, Notify { protocol: IKE, spi, kind, data: Vec::new() })
}

/// Whether INITIAL-CONTACT is among `payloads`.
pub(in super::super) fn says_initial_contact(payloads: &[Payload1]) -> bool {
    payloads.iter().any(|payload| {
        matches!(payload, Payload1::Notify(_, it) if it.kind == notify_v1::INITIAL_CONTACT)
    })
}
