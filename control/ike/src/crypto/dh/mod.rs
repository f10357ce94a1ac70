//! Key exchanges: MODP (RFC 3526), curves (RFC 5903, RFC 8031) and ML-KEM (FIPS 203), behind one
//! type. Public values are checked as RFC 6989 wants it before anything is computed with them.

use alloc::vec::Vec;

use engine::{Random, Secret};

use crate::algorithm::Group;

mod curve;
mod ml_kem;
mod modp;
mod primes;

/// A public value is not one of the group, or one that would give the secret away (RFC 6989,
/// RFC 8031 section 5, FIPS 203 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPublic;

/// Our half of a key exchange while the peer's is awaited.
pub struct KeyPair {
    group: Group,
    private: Private,
    public: Vec<u8>,
}

enum Private {
    /// The exponent.
    Modp(Secret),
    Curve(curve::PrivateKey),
    /// The seed of the decapsulation key.
    MlKem(Secret),
}

impl KeyPair {
    /// Draws a private key and computes what the peer is sent. With ML-KEM this is the initiator's
    /// half; a responder calls [`respond`].
    #[must_use]
    pub fn generate(group: Group, random: &mut dyn Random) -> Self {
        let (private, public) = match group {
            Group::Ecp256 | Group::Ecp384 | Group::X25519 => {
                let (private, public) = curve::generate(group, random);
                (Private::Curve(private), public)
            }
            Group::MlKem768 => {
                let (seed, public) = ml_kem::generate(random);
                (Private::MlKem(seed), public)
            }
            _ => {
                let (exponent, public) = modp::generate(group, random);
                (Private::Modp(exponent), public)
            }
        };
        Self { group, private, public }
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> Group {
        self.group
    }

    /// The content of our key exchange payload.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The shared secret, from the content of the peer's key exchange payload: for ML-KEM, the
    /// responder's ciphertext.
    ///
    /// # Errors
    ///
    /// [`InvalidPublic`] if the peer's value is none that may be used.
    pub fn agree(&self, peer: &[u8]) -> Result<Secret, InvalidPublic> {
        match &self.private {
            Private::Modp(exponent) => modp::agree(self.group, exponent, peer),
            Private::Curve(private) => curve::agree(self.group, private, peer),
            Private::MlKem(seed) => ml_kem::decapsulate(seed, peer),
        }
    }
}

/// The responder's whole part: what it sends, and the shared secret, from the content of the
/// initiator's key exchange payload.
///
/// # Errors
///
/// [`InvalidPublic`] if the peer's value is none that may be used.
pub fn respond(
    group: Group,
    peer: &[u8],
    random: &mut dyn Random,
) -> Result<(Vec<u8>, Secret), InvalidPublic> {
    if group == Group::MlKem768 {
        return ml_kem::encapsulate(peer, random);
    }
    let pair = KeyPair::generate(group, random);
    let secret = pair.agree(peer)?;
    Ok((pair.public, secret))
}
