//! Signature schemes and their AlgorithmIdentifiers (RFC 7427 appendix A, RFC 8420 appendix A).

use alloc::vec::Vec;

use rsa::pkcs1::{RsaPssParams, RsaPssParamsOwned, RsaPssParamsRef, TrailerField};
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier};
use x509_cert::der::{Decode, Encode};
use x509_cert::spki::{AlgorithmIdentifier, AlgorithmIdentifierRef};

/// A hash function, by its number in SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256 = 2,
    Sha384 = 3,
    Sha512 = 4,
}

/// How something is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    RsaPkcs1(Hash),
    RsaPss(Hash),
    Ecdsa(Hash),
    Ed25519,
}

impl Hash {
    pub(super) const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    fn of(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.oid() == oid)
    }

    fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => SHA256,
            Self::Sha384 => SHA384,
            Self::Sha512 => SHA512,
        }
    }

    fn len(self) -> u8 {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn identifier(self) -> AlgorithmIdentifierRef<'static> {
        AlgorithmIdentifier { oid: self.oid(), parameters: Some(AnyRef::NULL) }
    }
}

impl Scheme {
    /// The AlgorithmIdentifier, of which each scheme has one here; the parser knows variants.
    pub(super) fn to_der(self) -> Vec<u8> {
        let none = None;
        let null = Some(AnyRef::NULL);
        let (oid, parameters) = match self {
            Self::RsaPkcs1(Hash::Sha256) => (SHA256_WITH_RSA, null),
            Self::RsaPkcs1(Hash::Sha384) => (SHA384_WITH_RSA, null),
            Self::RsaPkcs1(Hash::Sha512) => (SHA512_WITH_RSA, null),
            Self::Ecdsa(Hash::Sha256) => (ECDSA_WITH_SHA256, none),
            Self::Ecdsa(Hash::Sha384) => (ECDSA_WITH_SHA384, none),
            Self::Ecdsa(Hash::Sha512) => (ECDSA_WITH_SHA512, none),
            Self::Ed25519 => (ED25519, none),
            Self::RsaPss(hash) => return pss(hash).to_der().unwrap_or_default(),
        };
        AlgorithmIdentifier { oid, parameters }.to_der().unwrap_or_default()
    }

    /// The scheme that an AlgorithmIdentifier names, if it is one we take.
    pub(super) fn from_der(der: &[u8]) -> Option<Self> {
        let algorithm = AlgorithmIdentifierRef::from_der(der).ok()?;
        // RFC 4055 section 5: parameters of RSA are NULL, and their absence is tolerated.
        let bare = algorithm.parameters.is_none();
        let null = bare || algorithm.parameters.is_some_and(|p| p.is_null());
        match algorithm.oid {
            SHA256_WITH_RSA if null => Some(Self::RsaPkcs1(Hash::Sha256)),
            SHA384_WITH_RSA if null => Some(Self::RsaPkcs1(Hash::Sha384)),
            SHA512_WITH_RSA if null => Some(Self::RsaPkcs1(Hash::Sha512)),
            ECDSA_WITH_SHA256 if bare => Some(Self::Ecdsa(Hash::Sha256)),
            ECDSA_WITH_SHA384 if bare => Some(Self::Ecdsa(Hash::Sha384)),
            ECDSA_WITH_SHA512 if bare => Some(Self::Ecdsa(Hash::Sha512)),
            ED25519 if bare => Some(Self::Ed25519),
            RSA_PSS => {
                let parameters: RsaPssParamsOwned = algorithm.parameters?.decode_as().ok()?;
                pss_hash(&parameters).map(Self::RsaPss)
            }
            _ => None,
        }
    }

    /// In words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RsaPkcs1(Hash::Sha256) => "RSA PKCS#1 with SHA-256",
            Self::RsaPkcs1(Hash::Sha384) => "RSA PKCS#1 with SHA-384",
            Self::RsaPkcs1(Hash::Sha512) => "RSA PKCS#1 with SHA-512",
            Self::RsaPss(Hash::Sha256) => "RSA-PSS with SHA-256",
            Self::RsaPss(Hash::Sha384) => "RSA-PSS with SHA-384",
            Self::RsaPss(Hash::Sha512) => "RSA-PSS with SHA-512",
            Self::Ecdsa(Hash::Sha256) => "ECDSA with SHA-256",
            Self::Ecdsa(Hash::Sha384) => "ECDSA with SHA-384",
            Self::Ecdsa(Hash::Sha512) => "ECDSA with SHA-512",
            Self::Ed25519 => "Ed25519",
        }
    }
}

fn pss(hash: Hash) -> AlgorithmIdentifier<RsaPssParamsRef<'static>> {
    let parameters = RsaPssParams {
        hash: hash.identifier(),
        mask_gen: AlgorithmIdentifier { oid: MGF1, parameters: Some(hash.identifier()) },
        salt_len: hash.len(),
        trailer_field: TrailerField::BC,
    };
    AlgorithmIdentifier { oid: RSA_PSS, parameters: Some(parameters) }
}

/// The hash of RSA-PSS parameters, where it is that of the mask and as long as the salt.
fn pss_hash(parameters: &RsaPssParamsOwned) -> Option<Hash> {
    let hash = Hash::of(parameters.hash.oid)?;
    let mask = parameters.mask_gen.parameters.as_ref()?;
    let usual = parameters.mask_gen.oid == MGF1
        && mask.oid == hash.oid()
        && parameters.salt_len == hash.len();
    usual.then_some(hash)
}

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

const RSA_PSS: ObjectIdentifier = oid("1.2.840.113549.1.1.10");
const MGF1: ObjectIdentifier = oid("1.2.840.113549.1.1.8");
const SHA256_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.11");
const SHA384_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.12");
const SHA512_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.13");
const ECDSA_WITH_SHA256: ObjectIdentifier = oid("1.2.840.10045.4.3.2");
const ECDSA_WITH_SHA384: ObjectIdentifier = oid("1.2.840.10045.4.3.3");
const ECDSA_WITH_SHA512: ObjectIdentifier = oid("1.2.840.10045.4.3.4");
const ED25519: ObjectIdentifier = oid("1.3.101.112");
const SHA256: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.3");
