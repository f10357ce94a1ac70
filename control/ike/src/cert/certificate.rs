//! One certificate, parsed.

use alloc::boxed::Box;

use super::Refusal;
use crate::identity::Identity;

/// What kind of key a certificate has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with a modulus of this many bits.
    Rsa(usize),
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// Ed25519.
    Ed25519,
}

/// A certificate that parses; [`super::TrustAnchors::verify`] says whether it may be believed.
#[derive(Clone)]
pub struct Certificate {
    der: Box<[u8]>,
    subject: Identity,
}

impl Certificate {
    /// Parses one certificate, all of `der`.
    pub fn from_der(der: &[u8]) -> Result<Self, Refusal> {
        let _ = der;
        Err(Refusal::NoCertificate)
    }

    /// The bytes it was made from.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its subject, as an identity of the DN kind.
    #[must_use]
    pub fn subject(&self) -> &Identity {
        &self.subject
    }

    /// Whether it names this identity (RFC 4945 section 3.1).
    #[must_use]
    pub fn names(&self, identity: &Identity) -> bool {
        *identity == self.subject
    }
}
