//! Our own private key and certificates.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::Certificate;

/// How an RSA key signs where the peer lets us choose (RFC 7427 section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RsaPadding {
    /// RSASSA-PSS: what RFC 8247 section 3.2 wants.
    #[default]
    Pss,
    /// RSASSA-PKCS1-v1_5, for peers that know nothing else.
    Pkcs1,
}

/// Why files do not make a credential, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable(pub String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Unusable {}

/// A private key and the certificates that vouch for it.
pub struct Credential {
    chain: Vec<Certificate>,
}

impl Credential {
    /// From PEM: a private key (PKCS#8, PKCS#1 or SEC 1), and its certificate followed by those that
    /// lead to an authority. Checks that key and certificate belong together.
    pub fn from_pem(private_key: &[u8], certificates: &[u8]) -> Result<Self, Unusable> {
        let _ = (private_key, certificates);
        Err(Unusable(String::new()))
    }

    /// How an RSA key signs; [`RsaPadding::Pss`] unless told.
    #[must_use]
    pub fn with_rsa_padding(self, padding: RsaPadding) -> Self {
        let _ = padding;
        self
    }

    /// Lets an RSA key sign with SHA-1 (method 1) for IKEv2 peers that cannot do RFC 7427.
    #[must_use]
    pub fn allowing_sha1(self) -> Self {
        self
    }

    /// The certificate of the private key.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.chain[0]
    }

    /// What goes into CERT payloads of encoding 4, in order, for a peer that asked for `authorities`:
    /// the body of its IKEv2 CERTREQ payloads (RFC 7296 section 3.7), empty if it asked for none and
    /// in IKEv1.
    #[must_use]
    pub fn chain_for(&self, authorities: &[u8]) -> Vec<&[u8]> {
        let _ = authorities;
        self.chain.iter().map(Certificate::der).collect()
    }
}
