//! IKEv1's keys and hashes: RFC 2409 section 5 and appendix B.

use alloc::vec::Vec;

use engine::Secret;
use wire::Suite;

use super::EspKeys;
use crate::algorithm::{Encryption, Prf};
use crate::crypto::cbc::{self, BLOCK_LEN};
use crate::crypto::{digest, prf};

/// An IV; after each message the next one's, which is that message's last encrypted block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iv(pub [u8; BLOCK_LEN]);

/// What is no whole number of blocks cannot be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenBlocks;

/// SKEYID = prf(pre-shared key, Ni | Nr).
#[must_use]
pub fn skeyid_psk(algorithm: Prf, psk: &Secret, nonce_i: &[u8], nonce_r: &[u8]) -> Secret {
    prf(algorithm, psk.expose(), &[nonce_i, nonce_r])
}

/// SKEYID = prf(Ni | Nr, g^xy), for authentication by signatures.
#[must_use]
pub fn skeyid_signature(algorithm: Prf, nonce_i: &[u8], nonce_r: &[u8], shared: &Secret) -> Secret {
    prf(algorithm, &[nonce_i, nonce_r].concat(), &[shared.expose()])
}

/// The keys of an ISAKMP SA.
pub struct Phase1Keys {
    /// The negotiated hash's HMAC.
    pub prf: Prf,
    /// What messages are encrypted with.
    pub encryption: Encryption,
    /// SKEYID: what proves who somebody is.
    pub skeyid: Secret,
    /// SKEYID_d: what keys of other SAs are derived from.
    pub d: Secret,
    /// SKEYID_a: what authenticates messages.
    pub a: Secret,
    /// The cipher's key, made of SKEYID_e.
    pub cipher: Secret,
}

impl Phase1Keys {
    /// SKEYID_d, _a and _e, and the cipher's key (RFC 2409 section 5 and appendix B).
    ///
    /// # Panics
    ///
    /// If the cipher is none of IKEv1's, which all are AES-CBC.
    #[must_use]
    pub fn derive(
        algorithm: Prf,
        encryption: Encryption,
        skeyid: Secret,
        shared: &Secret,
        cky_i: [u8; 8],
        cky_r: [u8; 8],
    ) -> Self {
        assert!(!encryption.is_aead(), "IKEv1 has no combined mode");
        let next = |last: &[u8], number: u8| {
            prf(algorithm, skeyid.expose(), &[last, shared.expose(), &cky_i, &cky_r, &[number]])
        };
        let d = next(&[], 0);
        let a = next(d.expose(), 1);
        let e = next(a.expose(), 2);
        let cipher = cipher_key(algorithm, &e, encryption.key_len());
        Self { prf: algorithm, encryption, skeyid, d, a, cipher }
    }

    /// The IV of the first encrypted message of main mode: the hash of both public values, cut to a
    /// block (RFC 2409 appendix B).
    #[must_use]
    pub fn first_iv(&self, public_i: &[u8], public_r: &[u8]) -> Iv {
        self.cut_iv(&[public_i, public_r])
    }

    /// The IV of the first message with this id: the hash of main mode's last block and the id.
    #[must_use]
    pub fn message_iv(&self, last_of_phase1: Iv, message_id: u32) -> Iv {
        self.cut_iv(&[&last_of_phase1.0, &message_id.to_be_bytes()])
    }

    fn cut_iv(&self, parts: &[&[u8]]) -> Iv {
        let hash = digest(self.prf, parts);
        let mut iv = [0; BLOCK_LEN];
        // Every hash has at least 16 bytes.
        iv.copy_from_slice(&hash[..BLOCK_LEN]);
        Iv(iv)
    }

    /// The encrypted body of a message with these payloads, padded with zeros; `iv` becomes the
    /// next message's.
    #[must_use]
    pub fn encrypt(&self, iv: &mut Iv, payloads: &[u8]) -> Vec<u8> {
        let len = payloads.len().next_multiple_of(BLOCK_LEN);
        let mut body = Vec::with_capacity(len);
        body.extend_from_slice(payloads);
        body.resize(len, 0);
        cbc::encrypt(self.cipher.expose(), &iv.0, &mut body);
        if let Some(last) = body.last_chunk() {
            *iv = Iv(*last);
        }
        body
    }

    /// The payloads of a message with their padding, which the payloads' lengths tell apart; and
    /// the IV of the next message, for the caller to take once this one has proven authentic.
    ///
    /// # Errors
    ///
    /// [`BrokenBlocks`] if `body` is empty or no whole number of blocks.
    pub fn decrypt(&self, iv: Iv, body: &[u8]) -> Result<(Vec<u8>, Iv), BrokenBlocks> {
        let last = body.last_chunk().ok_or(BrokenBlocks)?;
        if !body.len().is_multiple_of(BLOCK_LEN) {
            return Err(BrokenBlocks);
        }
        let mut payloads = body.to_vec();
        cbc::decrypt(self.cipher.expose(), &iv.0, &mut payloads);
        Ok((payloads, Iv(*last)))
    }

    /// HASH_I or HASH_R: prf(SKEYID, g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDii_b), with the
    /// speaker's own values first (RFC 2409 section 5).
    #[must_use]
    pub fn identity_hash(&self, speaker: &Proof<'_>) -> Secret {
        let Proof { public, other_public, cookie, other_cookie, sa, identity } = speaker;
        let parts = [public, other_public, &cookie[..], other_cookie, sa, identity];
        prf(self.prf, self.skeyid.expose(), &parts)
    }

    /// HASH(1) of quick mode, HASH(2) with the initiator's nonce in front, and the hash of
    /// informational exchanges: prf(SKEYID_a, M-ID [| Ni_b] | the payloads behind the hash)
    /// (RFC 2409 sections 5.5 and 5.7).
    #[must_use]
    pub fn message_hash(&self, message_id: u32, nonce_i: Option<&[u8]>, rest: &[u8]) -> Secret {
        let parts = [&message_id.to_be_bytes()[..], nonce_i.unwrap_or_default(), rest];
        prf(self.prf, self.a.expose(), &parts)
    }

    /// HASH(3) of quick mode: prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b).
    #[must_use]
    pub fn last_hash(&self, message_id: u32, nonce_i: &[u8], nonce_r: &[u8]) -> Secret {
        let parts = [&[0][..], &message_id.to_be_bytes(), nonce_i, nonce_r];
        prf(self.prf, self.a.expose(), &parts)
    }

    /// Keys of the ESP SA with this SPI, which its receiver chose: KEYMAT = prf+(SKEYID_d,
    /// [g(qm)^xy |] protocol | SPI | Ni_b | Nr_b), without prf+'s counter (RFC 2409 section 5.5).
    #[must_use]
    pub fn child(&self, suite: Suite, spi: u32, exchange: &QuickMode<'_>) -> EspKeys {
        /// PROTO_IPSEC_ESP (RFC 2407 section 4.4.1).
        const ESP: u8 = 3;
        let shared = exchange.shared.map(Secret::expose).unwrap_or_default();
        let seed = [shared, &[ESP], &spi.to_be_bytes(), exchange.nonce_i, exchange.nonce_r];
        let keymat = chain(self.prf, &self.d, &seed, EspKeys::len(suite));
        EspKeys::split(suite, keymat.expose())
    }
}

/// What HASH_I and HASH_R are about, as the one whose hash it is sees it.
pub struct Proof<'a> {
    /// Its public value.
    pub public: &'a [u8],
    /// The other's public value.
    pub other_public: &'a [u8],
    /// Its cookie.
    pub cookie: [u8; 8],
    /// The other's cookie.
    pub other_cookie: [u8; 8],
    /// The body of the SA payload that the initiator offered, without its generic header.
    pub sa: &'a [u8],
    /// The body of its ID payload, without its generic header.
    pub identity: &'a [u8],
}

/// What quick mode's keys are derived from. Both nonces are payload bodies.
pub struct QuickMode<'a> {
    /// The initiator's nonce.
    pub nonce_i: &'a [u8],
    /// The responder's nonce.
    pub nonce_r: &'a [u8],
    /// The shared secret of quick mode's own key exchange, if there is perfect forward secrecy.
    pub shared: Option<&'a Secret>,
}

/// Ka: the front of SKEYID_e, or as much as is needed of K1 | K2 | …, K1 = prf(SKEYID_e, 0) and
/// K(n) = prf(SKEYID_e, K(n-1)) (RFC 2409 appendix B).
fn cipher_key(algorithm: Prf, skeyid_e: &Secret, len: usize) -> Secret {
    if let Some(key) = skeyid_e.expose().get(..len) {
        return Secret::copy_of(key);
    }
    let mut last = prf(algorithm, skeyid_e.expose(), &[&[0]]);
    let mut key = Vec::with_capacity(len);
    loop {
        let room = len - key.len();
        if let Some(end) = last.expose().get(..room) {
            key.extend_from_slice(end);
            return Secret::new(key);
        }
        key.extend_from_slice(last.expose());
        last = prf(algorithm, skeyid_e.expose(), &[last.expose()]);
    }
}

/// `len` bytes of K1 | K2 | …, K1 = prf(key, seed) and K(n) = prf(key, K(n-1) | seed).
fn chain(algorithm: Prf, key: &Secret, seed: &[&[u8]], len: usize) -> Secret {
    let mut bytes = Vec::with_capacity(len.next_multiple_of(algorithm.output_len()));
    let mut last = Secret::new(Vec::new());
    while bytes.len() < len {
        let mut parts = Vec::with_capacity(seed.len() + 1);
        parts.push(last.expose());
        parts.extend_from_slice(seed);
        let block = prf(algorithm, key.expose(), &parts);
        bytes.extend_from_slice(block.expose());
        last = block;
    }
    bytes.truncate(len);
    Secret::new(bytes)
}
