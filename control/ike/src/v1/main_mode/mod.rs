//! Main mode (RFC 2409 section 5): six messages, in pairs, that agree on a suite, on keys, and on
//! who is who.
//!
//! 1, 2: SA and vendor IDs. 3, 4: public values, nonces, NAT-D. 5, 6: encrypted, identities and
//! what proves them.

mod initiator;
mod proof;
mod responder;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use engine::Secret;

use super::nat;
use super::phase1::Phase1;
use crate::crypto::dh::KeyPair;
use crate::identity::Identity;
use crate::keymat::v1::{Iv, Phase1Keys};
use crate::msg::v1::Payload1;
use crate::policy::{LocalAuth, Peer, RemoteAuth};
use crate::proposal::v1::Phase1Choice;
use crate::shared::Shared;

pub(super) use self::initiator::call;
pub(super) use self::responder::answer;

/// Authentication methods (RFC 2409 appendix A).
pub(super) const PSK: u16 = 1;
pub(super) const RSA_SIGNATURE: u16 = 3;

/// What a main mode of ours waits for.
pub(super) enum Calling {
    /// Message 2.
    Sa(Offer),
    /// Message 4.
    Ke(Offer, Phase1Choice, KeyPair, Vec<u8>),
    /// Message 6.
    Auth(Agreed, Phase1Keys, Iv),
}

/// What a main mode of the peer's waits for.
pub(super) enum Answering {
    /// Message 3.
    Ke(Offer, Phase1Choice),
    /// Message 5.
    Auth(Agreed),
}

/// The initiator's SA payload without its generic header: SAi_b.
pub(super) struct Offer(pub Vec<u8>);

/// What both know after message 4.
pub(super) struct Agreed {
    pub offer: Offer,
    pub choice: Phase1Choice,
    /// The public values of initiator and responder.
    pub publics: (Vec<u8>, Vec<u8>),
    /// The nonces of initiator and responder.
    pub nonces: (Vec<u8>, Vec<u8>),
    pub shared: Secret,
}

/// What main mode has brought.
pub(super) struct Authenticated {
    pub peer: Arc<Peer>,
    pub identity: Identity,
    pub keys: Phase1Keys,
    pub last_block: Iv,
    pub choice: Phase1Choice,
    pub rank: Vec<u8>,
    /// The peer says that it has no other SA with us.
    pub initial_contact: bool,
    /// The peer's proof of RESPONDER-LIFETIME, seconds.
    pub lifetime: Option<u32>,
}

/// What to do after a message of main mode.
pub(super) enum Step {
    /// Send this, and again until it is answered.
    Ask(Vec<u8>),
    /// Send this, and again when it is asked for again.
    Reply(Vec<u8>),
    /// It is up; message 6 is still to be sent by a responder.
    Up(alloc::boxed::Box<Authenticated>, Option<Vec<u8>>),
}

/// Why a message leads nowhere.
pub(super) enum Flaw {
    /// A stranger may have made it: the right one is still waited for.
    Dropped(String),
    /// The peer made it: nothing better will come.
    Fatal(String),
}

impl Agreed {
    /// The keys that both have if `peer` is the one.
    fn keys(&self, phase1: &Phase1, peer: &Peer) -> Option<Phase1Keys> {
        let (prf, (nonce_i, nonce_r)) = (self.choice.prf, &self.nonces);
        let skeyid = match self.choice.method {
            RSA_SIGNATURE => {
                crate::keymat::v1::skeyid_signature(prf, nonce_i, nonce_r, &self.shared)
            }
            _ => match &peer.remote_auth {
                RemoteAuth::Psk(psk) => crate::keymat::v1::skeyid_psk(prf, psk, nonce_i, nonce_r),
                RemoteAuth::Certificate(_) => return None,
            },
        };
        let (initiator, responder) = phase1.cookies;
        Some(Phase1Keys::derive(
            prf,
            self.choice.encryption,
            skeyid,
            &self.shared,
            initiator.0.to_be_bytes(),
            responder.0.to_be_bytes(),
        ))
    }

    fn rank(&self) -> Vec<u8> {
        self.nonces.0.clone().min(self.nonces.1.clone())
    }
}

/// The method that a peer is authenticated by; `None` if its two sides differ, which IKEv1 cannot
/// do.
pub(super) fn method(peer: &Peer) -> Option<u16> {
    match (&peer.local_auth, &peer.remote_auth) {
        (LocalAuth::Psk(_), RemoteAuth::Psk(_)) => Some(PSK),
        (LocalAuth::Certificate(_), RemoteAuth::Certificate(_)) => Some(RSA_SIGNATURE),
        _ => None,
    }
}

/// A nonce's length, bytes: RFC 2409 section 5 allows 8 to 256.
const NONCE_LEN: usize = 32;

/// Our NAT-D payloads, if the peer knows what they are.
fn nat_payloads(phase1: &Phase1, choice: &Phase1Choice, shared: &mut Shared) -> Vec<Payload1> {
    let Some(dialect) = phase1.nat.dialect else { return Vec::new() };
    let force = phase1.candidates.iter().any(|peer| peer.force_udp);
    let random = &mut *shared.random;
    let hashes = nat::hashes(choice.prf, phase1.cookies, phase1.path, force, random);
    hashes.into_iter().map(|hash| Payload1::NatD(dialect.numbers(), hash)).collect()
}

/// What message 3 or 4 brings.
struct KeyMessage {
    public: Vec<u8>,
    nonce: Vec<u8>,
    nat: Option<(bool, bool)>,
}

fn key_message(
    phase1: &Phase1,
    choice: &Phase1Choice,
    payloads: &[Payload1],
) -> Result<KeyMessage, Flaw> {
    let (mut public, mut nonce, mut hashes) = (None, None, Vec::new());
    for payload in payloads {
        match payload {
            Payload1::Ke(value) => public = Some(value),
            Payload1::Nonce(value) => nonce = Some(value),
            Payload1::NatD(_, hash) => hashes.push(&hash[..]),
            _ => {}
        }
    }
    let (Some(public), Some(nonce)) = (public, nonce) else {
        return Err(Flaw::Dropped("main mode message without key exchange or nonce".into()));
    };
    let nat = nat::detect(choice.prf, phase1.cookies, phase1.path, &hashes);
    Ok(KeyMessage { public: public.clone(), nonce: nonce.clone(), nat })
}

/// Takes over what NAT detection has found.
fn learn_nat(phase1: &mut Phase1, found: Option<(bool, bool)>) {
    match found {
        Some((local, remote)) => {
            let forced = phase1.candidates.iter().any(|peer| peer.force_udp);
            phase1.nat.local = local || forced;
            phase1.nat.remote = remote;
        }
        None => phase1.nat.dialect = None,
    }
}
