//! Messages 5 and 6: an identity, and what proves it (RFC 2409 sections 5.1 and 5.4).

use alloc::format;
use alloc::vec::Vec;

use engine::UnixTime;
use subtle::ConstantTimeEq;

use super::{Agreed, Flaw, RSA_SIGNATURE};
use crate::cert::{self, auth};
use crate::identity::Identity;
use crate::keymat::v1::{Phase1Keys, Proof};
use crate::msg::IkeSpi;
use crate::msg::v1::{Id1, Payload1};
use crate::policy::{LocalAuth, Peer, RemoteAuth};
use crate::shared::Shared;

/// HASH_I or HASH_R of the one who says it is `identity` (the body of its ID payload).
fn hash(
    agreed: &Agreed,
    keys: &Phase1Keys,
    cookies: (IkeSpi, IkeSpi),
    of_initiator: bool,
    identity: &[u8],
) -> engine::Secret {
    let (mut own, mut other) = (
        (&agreed.publics.0, cookies.0.0.to_be_bytes()),
        (&agreed.publics.1, cookies.1.0.to_be_bytes()),
    );
    if !of_initiator {
        core::mem::swap(&mut own, &mut other);
    }
    keys.identity_hash(&Proof {
        public: own.0,
        other_public: other.0,
        cookie: own.1,
        other_cookie: other.1,
        sa: &agreed.offer.0,
        identity,
    })
}

/// Our ID payload, with what proves it.
pub(super) fn prove(
    agreed: &Agreed,
    keys: &Phase1Keys,
    cookies: (IkeSpi, IkeSpi),
    initiator: bool,
    peer: &Peer,
    shared: &mut Shared,
) -> Result<Vec<Payload1>, Flaw> {
    let (kind, data) = peer.local_identity.to_payload();
    let identity = Payload1::Id(Id1 { kind, protocol: 0, port: 0, data });
    let hash = hash(agreed, keys, cookies, initiator, &identity.body());
    let mut payloads = alloc::vec![identity];
    match &peer.local_auth {
        LocalAuth::Certificate(credential) if agreed.choice.method == RSA_SIGNATURE => {
            let signature = auth::sign_v1(credential, hash.expose(), &mut *shared.random)
                .map_err(|unusable| Flaw::Fatal(format!("cannot sign: {unusable}")))?;
            let chain = credential.chain_for(&[]);
            let encoding = cert::ENCODING_X509_SIGNATURE;
            payloads.extend(chain.iter().map(|der| Payload1::Cert(encoding, der.to_vec())));
            payloads.push(Payload1::Signature(signature));
        }
        _ => payloads.push(Payload1::Hash(hash.expose().to_vec())),
    }
    Ok(payloads)
}

/// Why an identity is not proven.
pub(super) enum Unproven {
    /// The message is none of main mode's last: decrypted with the wrong key, most likely.
    Garbled,
    /// The hash is another one.
    WrongHash,
    /// The certificate or signature is not believed.
    Refused(Identity, cert::Refusal),
    /// It is proven, but the peer may not have it.
    Forbidden(Identity),
}

/// Who the peer has proven to be with the decrypted payloads of its last message.
pub(super) fn verify(
    agreed: &Agreed,
    keys: &Phase1Keys,
    cookies: (IkeSpi, IkeSpi),
    of_initiator: bool,
    peer: &Peer,
    payloads: &[Payload1],
    wall: UnixTime,
) -> Result<Identity, Unproven> {
    let mut of_id = payloads.iter().filter(|payload| matches!(payload, Payload1::Id(_)));
    let (Some(id @ Payload1::Id(said)), None) = (of_id.next(), of_id.next()) else {
        return Err(Unproven::Garbled);
    };
    let identity = Identity::from_payload(said.kind, &said.data).map_err(|_| Unproven::Garbled)?;
    let expected = hash(agreed, keys, cookies, of_initiator, &id.body());
    match &peer.remote_auth {
        RemoteAuth::Certificate(anchors) => {
            let refused = |refusal| Unproven::Refused(identity.clone(), refusal);
            let signature = payloads.iter().find_map(|payload| match payload {
                Payload1::Signature(signature) => Some(signature),
                _ => None,
            });
            let signature = signature.ok_or(Unproven::Garbled)?;
            let sent = payloads.iter().filter_map(|payload| match payload {
                Payload1::Cert(encoding, data) => Some((*encoding, &data[..])),
                _ => None,
            });
            let chain = cert::received(sent).map_err(refused)?;
            let certificate = anchors.verify(&chain, &identity, wall).map_err(refused)?;
            auth::verify_v1(&certificate, expected.expose(), signature).map_err(refused)?;
        }
        RemoteAuth::Psk(_) => {
            let hash = payloads.iter().find_map(|payload| match payload {
                Payload1::Hash(hash) => Some(hash),
                _ => None,
            });
            let hash = hash.ok_or(Unproven::Garbled)?;
            if !bool::from(expected.expose().ct_eq(hash)) {
                return Err(Unproven::WrongHash);
            }
        }
    }
    if !peer.remote_identity.matches(&identity) {
        return Err(Unproven::Forbidden(identity));
    }
    Ok(identity)
}
