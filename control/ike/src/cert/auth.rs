//! Signatures that prove an identity: the AUTH payload (RFC 7296 section 3.8, RFC 7427), and
//! IKEv1's SIG payload (RFC 2409 section 5.1).

use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::convert::Infallible;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, RsaEncoding, RsaKeyPair, UnparsedPublicKey};
use engine::Random;
use rand_core::{TryCryptoRng, TryRng};
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::{Pkcs1v15Sign, PublicKey as RsaPublicKey};
use sha1::Sha1;

use super::credential::PrivateKey;
use super::scheme::{Hash, Scheme};
use super::{Certificate, Credential, KeyKind, Refusal, RsaPadding, TrustAnchors, Unusable};

/// The hashes that a peer announced in SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hashes(u8);

impl Hashes {
    /// What we announce: SHA-256, SHA-384, SHA-512 and Identity (RFC 8420).
    pub const OURS: Self = Self(0b11_1100);

    /// From a notification's data. Unknown numbers are ignored; empty data announces nothing.
    #[must_use]
    pub fn from_notify(data: &[u8]) -> Self {
        let numbers = data.chunks_exact(2).map(|number| u16::from_be_bytes([number[0], number[1]]));
        Self(
            numbers
                .filter(|number| (SHA1..=IDENTITY).contains(number))
                .fold(0, |all, number| all | 1 << number),
        )
    }

    /// A notification's data.
    #[must_use]
    pub fn to_notify(self) -> Vec<u8> {
        (SHA1..=IDENTITY).filter(|number| self.has(*number)).flat_map(u16::to_be_bytes).collect()
    }

    fn has(self, number: u16) -> bool {
        self.0 & 1 << number != 0
    }
}

/// Signs `octets` (RFC 7296 section 2.15) for an IKEv2 peer; `announced` is `None` if it sent no
/// SIGNATURE_HASH_ALGORITHMS. Returns the method and the data of an AUTH payload. `random` blinds
/// the private key where RSA signs with SHA-1; the rest is drawn by aws-lc-rs.
pub fn sign(
    credential: &Credential,
    announced: Option<Hashes>,
    octets: &[u8],
    random: &mut dyn Random,
) -> Result<(u8, Vec<u8>), Unusable> {
    let hashes = announced.unwrap_or_default();
    let failed = |_| Unusable("the private key cannot sign".to_string());
    match &credential.key {
        PrivateKey::Rsa(key, plain) => {
            let best = Hash::ALL.into_iter().find(|hash| hashes.has(*hash as u16));
            if let Some(hash) = best {
                return sign_rsa(key, credential.padding, hash, octets);
            }
            // RFC 7296 section 3.8 leaves the hash to the signer, but to older peers it is SHA-1.
            if !credential.sha1 {
                return Err(Unusable(
                    "the peer takes RSA signatures with SHA-1 alone, which is only done when it \
                     is allowed by name"
                        .to_string(),
                ));
            }
            let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, octets);
            plain
                .sign_with_rng(&mut Drawn(random), Pkcs1v15Sign::new::<Sha1>(), hash.as_ref())
                .map(|data| (METHOD_RSA, data))
                .map_err(|error| Unusable(error.to_string()))
        }
        PrivateKey::Ecdsa(asn1, fixed) => {
            let (method, hash) = match credential.certificate().key_kind() {
                KeyKind::EcdsaP384 => (METHOD_ECDSA_384, Hash::Sha384),
                _ => (METHOD_ECDSA_256, Hash::Sha256),
            };
            let random = SystemRandom::new();
            if hashes.has(hash as u16) {
                let signed = asn1.sign(&random, octets).map_err(failed)?;
                return Ok((METHOD_DIGITAL, digital(Scheme::Ecdsa(hash), signed.as_ref())));
            }
            let signed = fixed.sign(&random, octets).map_err(failed)?;
            Ok((method, signed.as_ref().to_vec()))
        }
        PrivateKey::Ed25519(key) => {
            if !hashes.has(IDENTITY) {
                return Err(Unusable("the peer cannot verify Ed25519 (RFC 8420)".to_string()));
            }
            let signed = key.try_sign(octets).map_err(failed)?;
            Ok((METHOD_DIGITAL, digital(Scheme::Ed25519, signed.as_ref())))
        }
    }
}

fn sign_rsa(
    key: &RsaKeyPair,
    padding: RsaPadding,
    hash: Hash,
    octets: &[u8],
) -> Result<(u8, Vec<u8>), Unusable> {
    let (scheme, encoding): (_, &'static dyn RsaEncoding) = match (padding, hash) {
        (RsaPadding::Pss, Hash::Sha256) => (Scheme::RsaPss(hash), &signature::RSA_PSS_SHA256),
        (RsaPadding::Pss, Hash::Sha384) => (Scheme::RsaPss(hash), &signature::RSA_PSS_SHA384),
        (RsaPadding::Pss, Hash::Sha512) => (Scheme::RsaPss(hash), &signature::RSA_PSS_SHA512),
        (RsaPadding::Pkcs1, Hash::Sha256) => (Scheme::RsaPkcs1(hash), &signature::RSA_PKCS1_SHA256),
        (RsaPadding::Pkcs1, Hash::Sha384) => (Scheme::RsaPkcs1(hash), &signature::RSA_PKCS1_SHA384),
        (RsaPadding::Pkcs1, Hash::Sha512) => (Scheme::RsaPkcs1(hash), &signature::RSA_PKCS1_SHA512),
    };
    let mut signed = vec![0; key.public_modulus_len()];
    key.sign(encoding, &SystemRandom::new(), octets, &mut signed)
        .map_err(|_| Unusable("the private key cannot sign".to_string()))?;
    Ok((METHOD_DIGITAL, digital(scheme, &signed)))
}

/// RFC 7427 section 3: length of the AlgorithmIdentifier, itself, the signature.
fn digital(scheme: Scheme, signed: &[u8]) -> Vec<u8> {
    let algorithm = scheme.to_der();
    let len = u8::try_from(algorithm.len()).unwrap_or(u8::MAX);
    [&[len], algorithm.as_slice(), signed].concat()
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
    let check = |algorithm, signed: &[u8]| {
        UnparsedPublicKey::new(algorithm, certificate.key())
            .verify(octets, signed)
            .map_err(|_| Refusal::Signature)
    };
    match (method, certificate.key_kind()) {
        (METHOD_RSA, KeyKind::Rsa(_)) if anchors.sha1 => {
            check(&signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, data)?;
            Ok("RSA PKCS#1 with SHA-1")
        }
        (METHOD_RSA, _) => Err(Refusal::Scheme(
            "the peer signs with RSA and SHA-1, which is only taken when it is allowed by name"
                .to_string(),
        )),
        (METHOD_ECDSA_256, KeyKind::EcdsaP256) => {
            check(&signature::ECDSA_P256_SHA256_FIXED, data)?;
            Ok("ECDSA with SHA-256 on P-256")
        }
        (METHOD_ECDSA_384, KeyKind::EcdsaP384) => {
            check(&signature::ECDSA_P384_SHA384_FIXED, data)?;
            Ok("ECDSA with SHA-384 on P-384")
        }
        (METHOD_DIGITAL, kind) => {
            let (scheme, signed) = parse_digital(data)?;
            let algorithm = algorithm(scheme, kind).ok_or_else(|| mismatch(scheme, certificate))?;
            check(algorithm, signed)?;
            Ok(scheme.name())
        }
        (method, _) => Err(Refusal::Scheme(format!(
            "the peer authenticates with method {method}, which does not go with the key of {}",
            certificate.subject()
        ))),
    }
}

fn parse_digital(data: &[u8]) -> Result<(Scheme, &[u8]), Refusal> {
    let (len, rest) = data.split_first().ok_or(Refusal::Signature)?;
    let (algorithm, signed) = rest.split_at_checked((*len).into()).ok_or(Refusal::Signature)?;
    let scheme = Scheme::from_der(algorithm).ok_or_else(|| {
        Refusal::Scheme(
            "the peer signs with an algorithm that we do not take (RSA, RSA-PSS and ECDSA with \
             SHA-256, 384 or 512, Ed25519)"
                .to_string(),
        )
    })?;
    Ok((scheme, signed))
}

fn mismatch(scheme: Scheme, certificate: &Certificate) -> Refusal {
    Refusal::Scheme(format!(
        "the peer signs with {}, which does not go with the key of {}",
        scheme.name(),
        certificate.subject()
    ))
}

fn algorithm(
    scheme: Scheme,
    kind: KeyKind,
) -> Option<&'static dyn signature::VerificationAlgorithm> {
    Some(match (scheme, kind) {
        (Scheme::RsaPkcs1(hash), KeyKind::Rsa(_)) => match hash {
            Hash::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Hash::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Hash::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        },
        (Scheme::RsaPss(hash), KeyKind::Rsa(_)) => match hash {
            Hash::Sha256 => &signature::RSA_PSS_2048_8192_SHA256,
            Hash::Sha384 => &signature::RSA_PSS_2048_8192_SHA384,
            Hash::Sha512 => &signature::RSA_PSS_2048_8192_SHA512,
        },
        (Scheme::Ecdsa(hash), KeyKind::EcdsaP256) => match hash {
            Hash::Sha256 => &signature::ECDSA_P256_SHA256_ASN1,
            Hash::Sha384 => &signature::ECDSA_P256_SHA384_ASN1,
            Hash::Sha512 => &signature::ECDSA_P256_SHA512_ASN1,
        },
        (Scheme::Ecdsa(hash), KeyKind::EcdsaP384) => match hash {
            Hash::Sha256 => &signature::ECDSA_P384_SHA256_ASN1,
            Hash::Sha384 => &signature::ECDSA_P384_SHA384_ASN1,
            Hash::Sha512 => &signature::ECDSA_P384_SHA512_ASN1,
        },
        (Scheme::Ed25519, KeyKind::Ed25519) => &signature::ED25519,
        _ => return None,
    })
}

/// Signs HASH_I or HASH_R for an IKEv1 peer: RSA alone (RFC 2409 section 5.1). `random` blinds the
/// private key; the signature does not depend on it.
pub fn sign_v1(
    credential: &Credential,
    hash: &[u8],
    random: &mut dyn Random,
) -> Result<Vec<u8>, Unusable> {
    let PrivateKey::Rsa(_, key) = &credential.key else {
        return Err(Unusable("IKEv1 needs an RSA key".to_string()));
    };
    key.sign_with_rng(&mut Drawn(random), Pkcs1v15Sign::new_unprefixed(), hash)
        .map_err(|error| Unusable(error.to_string()))
}

/// Verifies an IKEv1 peer's SIG payload over HASH_I or HASH_R.
pub fn verify_v1(certificate: &Certificate, hash: &[u8], signature: &[u8]) -> Result<(), Refusal> {
    let KeyKind::Rsa(_) = certificate.key_kind() else {
        return Err(Refusal::Key(certificate.subject().clone()));
    };
    RsaPublicKey::from_pkcs1_der(certificate.key())
        .map_err(|_| Refusal::Key(certificate.subject().clone()))?
        .verify(Pkcs1v15Sign::new_unprefixed(), hash, signature)
        .map_err(|_| Refusal::Signature)
}

/// An engine's random source in the words of `rsa`.
struct Drawn<'a>(&'a mut dyn Random);

impl TryRng for Drawn<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Drawn<'_> {}

// IANA "IKEv2 Authentication Method".
const METHOD_RSA: u8 = 1;
const METHOD_ECDSA_256: u8 = 9;
const METHOD_ECDSA_384: u8 = 10;
const METHOD_DIGITAL: u8 = 14;

// IANA "IKEv2 Hash Algorithms".
const SHA1: u16 = 1;
const IDENTITY: u16 = 5;
