//! Signatures that prove an identity: the AUTH payload (RFC 7296 section 3.8, RFC 7427), and
//! IKEv1's SIG payload (RFC 2409 section 5.1).

use alloc::vec::Vec;

use engine::Random;

use super::{Certificate, Credential, Refusal, TrustAnchors, Unusable};

/// The hashes that a peer announced in SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hashes(u8);

impl Hashes {
    /// What we announce: SHA-256, SHA-384, SHA-512 and Identity (RFC 8420).
    pub const OURS: Self = Self(0b11_1100);

    /// From a notification's data. Unknown numbers are ignored; empty data announces nothing.
    #[must_use]
    pub fn from_notify(data: &[u8]) -> Self {
        let _ = data;
        Self(0)
    }

    /// A notification's data.
    #[must_use]
    pub fn to_notify(self) -> Vec<u8> {
        Vec::new()
    }
}

/// Signs `octets` (RFC 7296 section 2.15) for an IKEv2 peer; `announced` is `None` if it sent no
/// SIGNATURE_HASH_ALGORITHMS. Returns the method and the data of an AUTH payload.
pub fn sign(
    credential: &Credential,
    announced: Option<Hashes>,
    octets: &[u8],
    random: &mut dyn Random,
) -> Result<(u8, Vec<u8>), Unusable> {
    let _ = (credential, announced, octets, random);
    Err(Unusable(Default::default()))
}

/// Verifies the AUTH payload of an IKEv2 peer whose certificate [`TrustAnchors::verify`] returned.
/// Returns what signed, in words (`RSA-PSS with SHA-256`).
pub fn verify(
    anchors: &TrustAnchors,
    certificate: &Certificate,
    method: u8,
    data: &[u8],
    octets: &[u8],
) -> Result<&'static str, Refusal> {
    let _ = (anchors, certificate, method, data, octets);
    Err(Refusal::NoCertificate)
}

/// Signs HASH_I or HASH_R for an IKEv1 peer: RSA alone (RFC 2409 section 5.1).
pub fn sign_v1(
    credential: &Credential,
    hash: &[u8],
    random: &mut dyn Random,
) -> Result<Vec<u8>, Unusable> {
    let _ = (credential, hash, random);
    Err(Unusable(Default::default()))
}

/// Verifies an IKEv1 peer's SIG payload over HASH_I or HASH_R.
pub fn verify_v1(certificate: &Certificate, hash: &[u8], signature: &[u8]) -> Result<(), Refusal> {
    let _ = (certificate, hash, signature);
    Err(Refusal::NoCertificate)
}
