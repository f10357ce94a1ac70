//! Our own private key and certificates.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING,
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use rsa::PrivateKey as RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroize;

use super::{CHAIN_MAX, Certificate, KeyKind};

/// How an RSA key signs where the peer lets us choose (RFC 7427 section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RsaPadding {
    /// RSASSA-PSS: what RFC 8247 section 3.2 wants.
    #[default]
    Pss,
    /// RSASSA-PKCS1-v1_5, for peers that know nothing else.
    Pkcs1,
}

/// Why files do not make a credential, or why a credential does not suit a peer, in words.
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
    pub(super) key: PrivateKey,
    pub(super) padding: RsaPadding,
    pub(super) sha1: bool,
    own: Certificate,
    others: Vec<Certificate>,
}

/// A private key. Both libraries wipe theirs when it is dropped.
pub(super) enum PrivateKey {
    /// For RFC 7427, and for what aws-lc-rs cannot do: IKEv1, and SHA-1.
    Rsa(RsaKeyPair, Box<RsaPrivateKey>),
    /// Signatures in DER (RFC 7427), and of fixed length (RFC 4754).
    Ecdsa(EcdsaKeyPair, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Credential {
    /// From PEM: a private key (PKCS#8, PKCS#1 or SEC 1), and its certificate followed by those
    /// that lead to an authority. Checks that key and certificate belong together.
    pub fn from_pem(private_key: &[u8], certificates: &[u8]) -> Result<Self, Unusable> {
        let mut chain = certificates_from_pem(certificates)?;
        if chain.len() > CHAIN_MAX {
            return Err(Unusable(format!("more than {CHAIN_MAX} certificates")));
        }
        let own = chain.remove(0);
        let mut der = private_key_from_pem(private_key)?;
        let key = PrivateKey::new(&der, &own);
        der.zeroize();
        let key = key?;
        if key.public() != own.key() {
            return Err(Unusable(format!(
                "the private key is not that of the first certificate, {}",
                own.subject()
            )));
        }
        // The root proves nothing by being sent: who trusts it has it.
        chain.retain(|certificate| certificate.subject() != certificate.issuer());
        Ok(Self { key, padding: RsaPadding::default(), sha1: false, own, others: chain })
    }

    /// How an RSA key signs; [`RsaPadding::Pss`] unless told.
    #[must_use]
    pub fn with_rsa_padding(mut self, padding: RsaPadding) -> Self {
        self.padding = padding;
        self
    }

    /// Lets an RSA key sign with SHA-1 (method 1) for IKEv2 peers that cannot do RFC 7427.
    #[must_use]
    pub fn allowing_sha1(mut self) -> Self {
        self.sha1 = true;
        self
    }

    /// The certificate of the private key.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.own
    }

    /// What goes into CERT payloads of encoding 4, in order, for a peer that asked for
    /// `authorities`: the body of its IKEv2 CERTREQ payloads (RFC 7296 section 3.7), empty if it
    /// asked for none and in IKEv1. Nothing above a certificate whose key the peer names is sent:
    /// it has that.
    #[must_use]
    pub fn chain_for(&self, authorities: &[u8]) -> Vec<&[u8]> {
        let known = |certificate: &&Certificate| {
            !authorities.chunks_exact(20).any(|hash| hash == certificate.authority_hash())
        };
        let others = self.others.iter().take_while(known).map(Certificate::der);
        core::iter::once(self.own.der()).chain(others).collect()
    }
}

impl PrivateKey {
    /// Reads the kind of key that the certificate has.
    fn new(der: &PrivateKeyDer<'_>, certificate: &Certificate) -> Result<Self, Unusable> {
        if !certificate.key_kind().is_allowed() {
            return Err(Unusable(super::Refusal::Key(certificate.subject().clone()).to_string()));
        }
        let key = match certificate.key_kind() {
            KeyKind::Rsa(_) => Self::rsa(der),
            KeyKind::EcdsaP256 => {
                Self::ecdsa(der, &ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P256_SHA256_FIXED_SIGNING)
            }
            KeyKind::EcdsaP384 => {
                Self::ecdsa(der, &ECDSA_P384_SHA384_ASN1_SIGNING, &ECDSA_P384_SHA384_FIXED_SIGNING)
            }
            // OpenSSL leaves the public half out: the comparison with the certificate stands in.
            KeyKind::Ed25519 => {
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_der()).ok().map(Self::Ed25519)
            }
            KeyKind::Other => None,
        };
        key.ok_or_else(|| {
            Unusable(format!(
                "the private key is damaged or not of the kind that the certificate of {} has",
                certificate.subject()
            ))
        })
    }

    fn rsa(der: &PrivateKeyDer<'_>) -> Option<Self> {
        let (fast, plain) = match der {
            PrivateKeyDer::Pkcs1(der) => (
                RsaKeyPair::from_der(der.secret_pkcs1_der()).ok()?,
                RsaPrivateKey::from_pkcs1_der(der.secret_pkcs1_der()).ok()?,
            ),
            PrivateKeyDer::Pkcs8(der) => (
                RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok()?,
                RsaPrivateKey::from_pkcs8_der(der.secret_pkcs8_der()).ok()?,
            ),
            _ => return None,
        };
        Some(Self::Rsa(fast, Box::new(plain)))
    }

    fn ecdsa(
        der: &PrivateKeyDer<'_>,
        asn1: &'static EcdsaSigningAlgorithm,
        fixed: &'static EcdsaSigningAlgorithm,
    ) -> Option<Self> {
        let read = |algorithm| EcdsaKeyPair::from_private_key_der(algorithm, der.secret_der()).ok();
        Some(Self::Ecdsa(read(asn1)?, read(fixed)?))
    }

    fn public(&self) -> &[u8] {
        match self {
            Self::Rsa(key, _) => key.public_key().as_ref(),
            Self::Ecdsa(key, _) => key.public_key().as_ref(),
            Self::Ed25519(key) => key.public_key().as_ref(),
        }
    }
}

/// All certificates of a PEM file, at least one.
pub(super) fn certificates_from_pem(pem: &[u8]) -> Result<Vec<Certificate>, Unusable> {
    let mut all = Vec::new();
    for (i, der) in CertificateDer::pem_slice_iter(pem).enumerate() {
        let der = der.map_err(|error| Unusable(format!("not PEM: {error}")))?;
        all.push(Certificate::from_der(&der).map_err(|_| {
            Unusable(format!("certificate {} of the file is damaged or too long", i + 1))
        })?);
    }
    if all.is_empty() {
        return Err(Unusable("no certificate (-----BEGIN CERTIFICATE-----) in it".to_string()));
    }
    Ok(all)
}

fn private_key_from_pem(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Unusable> {
    let encrypted = |label: &[u8]| pem.windows(label.len()).any(|window| window == label);
    if encrypted(b"BEGIN ENCRYPTED PRIVATE KEY") || encrypted(b"Proc-Type: 4,ENCRYPTED") {
        return Err(Unusable(
            "the private key is encrypted: decrypt it with `openssl pkey`, and keep the file \
             readable by its owner alone"
                .to_string(),
        ));
    }
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| Unusable("no private key (-----BEGIN PRIVATE KEY-----) in it".to_string()))
}
