//! The authorities, and what they vouch for.

use alloc::vec::Vec;

use engine::UnixTime;

use super::{Certificate, Refusal, Unusable};
use crate::identity::Identity;

/// The authorities that a peer's certificate must lead to.
pub struct TrustAnchors {
    hashes: Vec<u8>,
    names: Vec<Vec<u8>>,
}

impl TrustAnchors {
    /// From PEM: certificates of authorities, and revocation lists (which may be none).
    pub fn from_pem(authorities: &[u8], crls: &[u8]) -> Result<Self, Unusable> {
        let _ = (authorities, crls);
        Err(Unusable(Default::default()))
    }

    /// Lets IKEv2 peers sign with RSA and SHA-1 (method 1).
    #[must_use]
    pub fn allowing_sha1(self) -> Self {
        self
    }

    /// The body of an IKEv2 CERTREQ payload of encoding 4 (RFC 7296 section 3.7).
    #[must_use]
    pub fn request(&self) -> &[u8] {
        &self.hashes
    }

    /// DER names of the authorities: the body of one IKEv1 CERTREQ payload of encoding 4 each
    /// (RFC 2408 section 3.10).
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(Vec::as_slice)
    }

    /// Judges the peer's certificates, its own first (what [`super::received`] gives), at `now`, and
    /// whether they name `identity`. Returns the peer's own.
    pub fn verify(
        &self,
        certificates: &[&[u8]],
        identity: &Identity,
        now: UnixTime,
    ) -> Result<Certificate, Refusal> {
        let _ = (certificates, identity, now);
        Err(Refusal::NoCertificate)
    }
}
