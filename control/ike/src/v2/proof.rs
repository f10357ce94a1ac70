//! What proves an identity in IKE_AUTH: a pre-shared key (RFC 7296 section 2.15), a certificate
//! and a signature (RFC 7427), and with either a post-quantum pre-shared key (RFC 8784).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use engine::{Random, Secret, UnixTime};

use super::handshake::Transcript;
use super::notify::{self, kind, notify_with};
use crate::cert::auth::{self as signature, Hashes};
use crate::cert::{self, ENCODING_X509_SIGNATURE, TrustAnchors};
use crate::identity::Identity;
use crate::keymat::v2::{PpkKeys, SkKeys, auth_octets, psk_auth};
use crate::msg::{IdPayload, Payload};
use crate::policy::{LocalAuth, Peer, RemoteAuth};

/// Method of an AUTH payload made with a pre-shared key (RFC 7296 section 3.8).
const PSK: u8 = 2;

/// PPK_ID_FIXED (RFC 8784 section 5.1).
const PPK_ID_FIXED: u8 = 2;

/// One side's proof.
pub(crate) struct Proof<'a> {
    pub keys: &'a SkKeys,
    pub transcript: &'a Transcript,
    /// Of the first IKE_AUTH request.
    pub message_id: u32,
    /// Whether it is the initiator's.
    pub of_initiator: bool,
}

impl Proof<'_> {
    /// Ours: the payloads that carry it; `with_ppk` if the peer may be or has been seen to use one.
    pub fn make(
        &self,
        peer: &Peer,
        identity: &IdPayload,
        with_ppk: bool,
        random: &mut dyn Random,
    ) -> Result<Vec<Payload>, String> {
        let mut payloads = Vec::new();
        if let LocalAuth::Certificate(credential) = &peer.local_auth {
            let chain = credential.chain_for(&self.transcript.peer_authorities);
            let cert = |der: &[u8]| Payload::Cert(ENCODING_X509_SIGNATURE, der.to_vec());
            payloads.extend(chain.into_iter().map(cert));
        }
        let ppk = peer.ppk.as_ref().filter(|_| self.transcript.ppk && with_ppk);
        let Some(ppk) = ppk else {
            if peer.ppk.as_ref().is_some_and(|ppk| ppk.required) {
                return Err("the peer does not use a post-quantum pre-shared key".into());
            }
            payloads.push(self.auth(peer, &self.octets(identity, None), random)?);
            return Ok(payloads);
        };
        let mixed = self.keys.with_ppk(&ppk.secret);
        payloads.push(self.auth(peer, &self.octets(identity, Some(&mixed)), random)?);
        if self.of_initiator {
            let id = [&[PPK_ID_FIXED], &ppk.id[..]].concat();
            payloads.push(notify_with(kind::PPK_IDENTITY, id));
            if !ppk.required {
                let plain = self.auth(peer, &self.octets(identity, None), random)?;
                if let Payload::Auth(_, data) = plain {
                    payloads.push(notify_with(kind::NO_PPK_AUTH, data));
                }
            }
        } else {
            payloads.push(notify::notify(kind::PPK_IDENTITY));
        }
        Ok(payloads)
    }

    /// The peer's: whether it is that of `identity`, and the keys that a PPK has been mixed into.
    pub fn check(
        &self,
        peer: &Peer,
        identity: &Identity,
        payloads: &[Payload],
        wall: UnixTime,
    ) -> Result<Option<PpkKeys>, String> {
        let (method, data) = payloads
            .iter()
            .find_map(|payload| match payload {
                Payload::Auth(method, data) => Some((*method, &data[..])),
                _ => None,
            })
            .ok_or("it does not authenticate")?;
        let id = payloads.iter().find_map(|payload| match payload {
            Payload::IdI(id) if self.of_initiator => Some(id),
            Payload::IdR(id) if !self.of_initiator => Some(id),
            _ => None,
        });
        let id = id.ok_or("it does not say who it is")?;
        let judge = |data: &[u8], octets: &[u8]| {
            self.judge(peer, identity, payloads, wall, method, data, octets)
        };
        let named = notify::find(payloads, kind::PPK_IDENTITY);
        if let Some(ppk) = peer.ppk.as_ref().filter(|_| self.transcript.ppk && named.is_some()) {
            let fits = !self.of_initiator
                || named.is_some_and(|it| it.data == [&[PPK_ID_FIXED], &ppk.id[..]].concat());
            if fits {
                let mixed = self.keys.with_ppk(&ppk.secret);
                judge(data, &self.octets(id, Some(&mixed)))?;
                return Ok(Some(mixed));
            }
        }
        if peer.ppk.as_ref().is_some_and(|ppk| ppk.required) {
            return Err("it does not use our post-quantum pre-shared key".into());
        }
        // RFC 8784 section 3: without a PPK that both have, what it would have proven without one.
        let plain = notify::find(payloads, kind::NO_PPK_AUTH).filter(|_| named.is_some());
        judge(plain.map_or(data, |it| &it.data), &self.octets(id, None))?;
        Ok(None)
    }

    #[expect(clippy::too_many_arguments, reason = "an AUTH payload and all that it is about")]
    fn judge(
        &self,
        peer: &Peer,
        identity: &Identity,
        payloads: &[Payload],
        wall: UnixTime,
        method: u8,
        data: &[u8],
        octets: &[u8],
    ) -> Result<(), String> {
        match (&peer.remote_auth, method) {
            (RemoteAuth::Psk(psk), PSK) => {
                let expected = psk_auth(self.keys.suite.prf, psk, octets);
                if expected == Secret::copy_of(data) {
                    return Ok(());
                }
                Err(format!("its pre-shared key is not the one of {}", peer.name))
            }
            (RemoteAuth::Psk(_), _) => {
                Err("it proves itself by a certificate, we want a pre-shared key".into())
            }
            (RemoteAuth::Certificate(_), PSK) => {
                Err("it proves itself by a pre-shared key, we want a certificate".into())
            }
            (RemoteAuth::Certificate(anchors), _) => {
                let sent = payloads.iter().filter_map(|payload| match payload {
                    Payload::Cert(encoding, data) => Some((*encoding, &data[..])),
                    _ => None,
                });
                let chain = cert::received(sent).map_err(|it| it.to_string())?;
                let own = anchors.verify(&chain, identity, wall).map_err(|it| it.to_string())?;
                signature::verify(anchors, &own, method, data, octets)
                    .map_err(|refusal| refusal.to_string())?;
                Ok(())
            }
        }
    }

    fn auth(&self, peer: &Peer, octets: &[u8], random: &mut dyn Random) -> Result<Payload, String> {
        match &peer.local_auth {
            LocalAuth::Psk(psk) => {
                let mac = psk_auth(self.keys.suite.prf, psk, octets);
                Ok(Payload::Auth(PSK, mac.expose().to_vec()))
            }
            LocalAuth::Certificate(credential) => {
                let announced = self.transcript.peer_hashes;
                let (method, data) = signature::sign(credential, announced, octets, random)
                    .map_err(|unusable| unusable.to_string())?;
                Ok(Payload::Auth(method, data))
            }
        }
    }

    /// What is signed (RFC 7296 section 2.15, RFC 9242 section 3.3.2).
    fn octets(&self, id: &IdPayload, ppk: Option<&PpkKeys>) -> Vec<u8> {
        let transcript = self.transcript;
        let (pi, pr) = ppk.map_or((&self.keys.pi, &self.keys.pr), |keys| (&keys.pi, &keys.pr));
        let (message, nonce, key) = if self.of_initiator {
            (&transcript.request, &transcript.nonce_r, pi)
        } else {
            (&transcript.response, &transcript.nonce_i, pr)
        };
        let intermediate = (!transcript.intermediate.is_empty())
            .then(|| transcript.intermediate.octets(self.message_id));
        auth_octets(self.keys.suite.prf, message, nonce, key, &id.body(), intermediate.as_deref())
    }
}

/// What we can verify (RFC 7427 section 4).
pub(crate) fn hash_algorithms() -> Payload {
    notify_with(kind::SIGNATURE_HASH_ALGORITHMS, Hashes::OURS.to_notify())
}

/// What the peer can verify, if it has said so.
pub(crate) fn peer_hashes(payloads: &[Payload]) -> Option<Hashes> {
    let announced = notify::find(payloads, kind::SIGNATURE_HASH_ALGORITHMS)?;
    Some(Hashes::from_notify(&announced.data))
}

/// Which authorities we trust.
pub(crate) fn certificate_request(anchors: &TrustAnchors) -> Payload {
    Payload::CertReq(ENCODING_X509_SIGNATURE, anchors.request().to_vec())
}

/// The authorities of the peer's CERTREQ payloads.
pub(crate) fn authorities(payloads: &[Payload]) -> Vec<u8> {
    let mut all = Vec::new();
    for payload in payloads {
        if let Payload::CertReq(ENCODING_X509_SIGNATURE, body) = payload {
            all.extend_from_slice(body);
        }
    }
    all
}
