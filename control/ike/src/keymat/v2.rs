//! IKEv2's keys: RFC 7296 sections 2.13 to 2.18, RFC 8784 (pre-shared post-quantum keys), RFC 9242
//! (what IKE_INTERMEDIATE adds to AUTH) and RFC 9370 (several key exchanges).

use alloc::vec::Vec;

use engine::Secret;
use wire::Suite;

use super::EspKeys;
use crate::algorithm::{Encryption, Integrity, Prf};
use crate::crypto::{MessageKeys, prf, prf_plus};

/// The algorithms of an IKE SA that keys are derived for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IkeSuite {
    /// What encrypts messages.
    pub encryption: Encryption,
    /// What authenticates them; `None` exactly if the cipher does.
    pub integrity: Option<Integrity>,
    /// What derives keys.
    pub prf: Prf,
}

/// What both sides have said when keys are derived. Not secret.
#[derive(Clone, Copy)]
pub struct Seed<'a> {
    /// The initiator's nonce.
    pub nonce_i: &'a [u8],
    /// The responder's nonce.
    pub nonce_r: &'a [u8],
    /// The initiator's SPI: of the new SA, when one is made anew.
    pub spi_i: [u8; 8],
    /// The responder's SPI.
    pub spi_r: [u8; 8],
}

/// The keys of an IKE SA.
pub struct SkKeys {
    /// What they are for.
    pub suite: IkeSuite,
    /// SK_d: what other keys are derived from.
    pub d: Secret,
    /// SK_pi: what binds the initiator's identity.
    pub pi: Secret,
    /// SK_pr: what binds the responder's identity.
    pub pr: Secret,
    /// SK_ei and SK_ai: what the initiator protects its messages with.
    pub initiator: MessageKeys,
    /// SK_er and SK_ar: what the responder protects its messages with.
    pub responder: MessageKeys,
}

/// The keys that RFC 8784 section 3 replaces when a PPK is used.
pub struct PpkKeys {
    /// SK_d.
    pub d: Secret,
    /// SK_pi.
    pub pi: Secret,
    /// SK_pr.
    pub pr: Secret,
}

impl SkKeys {
    /// From IKE_SA_INIT: SKEYSEED = prf(Ni | Nr, g^ir) (RFC 7296 section 2.14).
    #[must_use]
    pub fn derive(suite: IkeSuite, seed: &Seed<'_>, shared: &Secret) -> Self {
        let mut key = Vec::with_capacity(seed.nonce_i.len() + seed.nonce_r.len());
        key.extend_from_slice(seed.nonce_i);
        key.extend_from_slice(seed.nonce_r);
        let skeyseed = prf(suite.prf, &key, &[shared.expose()]);
        Self::expand(suite, seed, &skeyseed)
    }

    /// After an additional key exchange in IKE_INTERMEDIATE: SKEYSEED(n) = prf(SK_d(n-1),
    /// SK(n) | Ni | Nr), with the nonces and SPIs of IKE_SA_INIT (RFC 9370 section 2.2.2).
    #[must_use]
    pub fn update(&self, seed: &Seed<'_>, shared: &Secret) -> Self {
        let parts = [shared.expose(), seed.nonce_i, seed.nonce_r];
        let skeyseed = prf(self.suite.prf, self.d.expose(), &parts);
        Self::expand(self.suite, seed, &skeyseed)
    }

    /// Of the SA that takes this one's place: SKEYSEED = prf(SK_d, SK(0) | Ni | Nr | SK(1) | …)
    /// with the old SA's PRF (RFC 7296 section 2.18, RFC 9370 section 2.2.4). `seed` is that of
    /// CREATE_CHILD_SA; `additional` are the secrets of its follow-up exchanges, in order.
    #[must_use]
    pub fn rekey(
        &self,
        suite: IkeSuite,
        seed: &Seed<'_>,
        shared: &Secret,
        additional: &[Secret],
    ) -> Self {
        let mut parts = Vec::with_capacity(3 + additional.len());
        parts.extend([shared.expose(), seed.nonce_i, seed.nonce_r]);
        parts.extend(additional.iter().map(Secret::expose));
        let skeyseed = prf(self.suite.prf, self.d.expose(), &parts);
        Self::expand(suite, seed, &skeyseed)
    }

    /// {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+(SKEYSEED, Ni | Nr | SPIi |
    /// SPIr).
    fn expand(suite: IkeSuite, seed: &Seed<'_>, skeyseed: &Secret) -> Self {
        let prf_len = suite.prf.output_len();
        let integrity_len = suite.integrity.map_or(0, Integrity::key_len);
        let encryption_len = suite.encryption.key_len();
        let len = 3 * prf_len + 2 * integrity_len + 2 * encryption_len;
        let parts = [seed.nonce_i, seed.nonce_r, &seed.spi_i, &seed.spi_r];
        let keys = prf_plus(suite.prf, skeyseed.expose(), &parts, len);
        let mut rest = keys.expose();
        let mut take = |len| {
            let (key, behind) = rest.split_at(len);
            rest = behind;
            Secret::copy_of(key)
        };
        let d = take(prf_len);
        let (ai, ar) = (take(integrity_len), take(integrity_len));
        let (ei, er) = (take(encryption_len), take(encryption_len));
        let (pi, pr) = (take(prf_len), take(prf_len));
        let initiator = MessageKeys::new(suite.encryption, suite.integrity, ei, ai);
        let responder = MessageKeys::new(suite.encryption, suite.integrity, er, ar);
        Self { suite, d, pi, pr, initiator, responder }
    }

    /// SK_d, SK_pi and SK_pr with a PPK in them: prf+(PPK, SK') (RFC 8784 section 3). They take
    /// their places with [`Self::adopt`] once it is clear that the PPK is used.
    #[must_use]
    pub fn with_ppk(&self, ppk: &Secret) -> PpkKeys {
        let mix = |key: &Secret| {
            prf_plus(self.suite.prf, ppk.expose(), &[key.expose()], self.suite.prf.output_len())
        };
        PpkKeys { d: mix(&self.d), pi: mix(&self.pi), pr: mix(&self.pr) }
    }

    /// From here on the PPK is part of everything.
    pub fn adopt(&mut self, keys: PpkKeys) {
        (self.d, self.pi, self.pr) = (keys.d, keys.pi, keys.pr);
    }

    /// Keys of a pair of ESP SAs, those of the exchange's initiator's packets first: KEYMAT =
    /// prf+(SK_d, [SK(0) |] Ni | Nr [| SK(1) | …]) (RFC 7296 section 2.17, RFC 9370 section 2.2.4).
    ///
    /// The nonces are those of the exchange that makes the pair. `shared` is that of its key
    /// exchange and `additional` those of its follow-up exchanges, if there were any.
    #[must_use]
    pub fn child(
        &self,
        suite: Suite,
        nonce_i: &[u8],
        nonce_r: &[u8],
        shared: Option<&Secret>,
        additional: &[Secret],
    ) -> (EspKeys, EspKeys) {
        let mut parts = Vec::with_capacity(3 + additional.len());
        parts.extend(shared.map(Secret::expose));
        parts.extend([nonce_i, nonce_r]);
        parts.extend(additional.iter().map(Secret::expose));
        let len = EspKeys::len(suite);
        let keymat = prf_plus(self.suite.prf, self.d.expose(), &parts, 2 * len);
        let (initiator, responder) = keymat.expose().split_at(len);
        (EspKeys::split(suite, initiator), EspKeys::split(suite, responder))
    }
}

/// What one side's AUTH payload is about: its first message | the other's nonce | prf(SK_p, ID')
/// [| IntAuth] (RFC 7296 section 2.15, RFC 9242 section 3.3.1).
///
/// `message` is its whole IKE_SA_INIT message, `sk_p` its own SK_pi or SK_pr, and `identity` the
/// body of its ID payload: type, three reserved bytes, data. `intermediate` is
/// [`Intermediate::octets`] if there were IKE_INTERMEDIATE exchanges.
#[must_use]
pub fn auth_octets(
    algorithm: Prf,
    message: &[u8],
    nonce: &[u8],
    sk_p: &Secret,
    identity: &[u8],
    intermediate: Option<&[u8]>,
) -> Vec<u8> {
    let maced = prf(algorithm, sk_p.expose(), &[identity]);
    let parts = [message, nonce, maced.expose(), intermediate.unwrap_or_default()];
    parts.concat()
}

/// AUTH by a pre-shared key: prf(prf(secret, "Key Pad for IKEv2"), octets) (RFC 7296 section 2.15).
#[must_use]
pub fn psk_auth(algorithm: Prf, psk: &Secret, octets: &[u8]) -> Secret {
    let key = prf(algorithm, psk.expose(), &[b"Key Pad for IKEv2"]);
    prf(algorithm, key.expose(), &[octets])
}

/// What IKE_INTERMEDIATE exchanges add to what is authenticated (RFC 9242 section 3.3.2).
#[derive(Default)]
pub struct Intermediate {
    /// IntAuth_i of the last exchange.
    initiator: Vec<u8>,
    /// IntAuth_r of the last exchange.
    responder: Vec<u8>,
}

impl Intermediate {
    /// Adds a message, in the order in which exchanges take place.
    ///
    /// `keys` are those that protected it. `header` is its header, `first` the type of the first
    /// payload inside its encrypted payload, and `payloads` what is inside, without padding: a
    /// message that came in fragments counts as if it had not (RFC 9242 section 3.3.2).
    pub fn add(&mut self, keys: &SkKeys, header: &[u8; 28], first: u8, payloads: &[u8]) {
        /// The flag of a message of the original initiator's (RFC 7296 section 3.1).
        const INITIATOR: u8 = 0x08;
        /// Type of the encrypted payload.
        const ENCRYPTED: u8 = 46;
        let (key, last) = if header[19] & INITIATOR == 0 {
            (&keys.pr, &mut self.responder)
        } else {
            (&keys.pi, &mut self.initiator)
        };
        // Lengths are those of a message whose encrypted payload holds the payloads alone.
        let mut header = *header;
        header[16] = ENCRYPTED;
        let payload_len = 4 + payloads.len();
        header[24..].copy_from_slice(&(28 + payload_len as u32).to_be_bytes());
        let [high, low] = (payload_len as u16).to_be_bytes();
        let generic = [first, 0, high, low];
        let mac = prf(keys.suite.prf, key.expose(), &[last, &header, &generic, payloads]);
        *last = mac.expose().to_vec();
    }

    /// IntAuth: IntAuth_i | IntAuth_r | the message id of IKE_AUTH's first request.
    #[must_use]
    pub fn octets(&self, auth_message_id: u32) -> Vec<u8> {
        [&self.initiator[..], &self.responder, &auth_message_id.to_be_bytes()].concat()
    }

    /// Whether there were none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.initiator.is_empty() && self.responder.is_empty()
    }
}
