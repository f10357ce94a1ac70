//! One certificate, parsed (RFC 5280 section 4).

use alloc::boxed::Box;
use alloc::vec::Vec;

use aws_lc_rs::digest;
use engine::UnixTime;
use rsa::pkcs1::RsaPublicKeyRef;
use x509_cert::certificate::{CertificateInner, Raw, TbsCertificateInner};
use x509_cert::der::{Decode, Encode, asn1::ObjectIdentifier};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, KeyUsage, KeyUsages, SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::{CERTIFICATE_LEN_MAX, Refusal};
use crate::identity::{DistinguishedName, Identity};

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
    /// Another, which an authority may have but no peer.
    Other,
}

impl KeyKind {
    /// Whether a peer may sign with it.
    #[must_use]
    pub fn is_allowed(self) -> bool {
        match self {
            Self::Rsa(bits) => (2048..=8192).contains(&bits),
            Self::EcdsaP256 | Self::EcdsaP384 | Self::Ed25519 => true,
            Self::Other => false,
        }
    }
}

/// A certificate that parses; [`super::TrustAnchors::verify`] says whether it may be believed.
#[derive(Clone)]
pub struct Certificate {
    der: Box<[u8]>,
    subject: Identity,
    issuer: Identity,
    alternatives: Vec<Identity>,
    key_kind: KeyKind,
    key: Box<[u8]>,
    authority_hash: [u8; 20],
    serial: Box<[u8]>,
    validity: (UnixTime, UnixTime),
    usage: Option<KeyUsage>,
    is_authority: bool,
}

impl Certificate {
    /// Parses one certificate, all of `der`.
    pub fn from_der(der: &[u8]) -> Result<Self, Refusal> {
        if der.len() > CERTIFICATE_LEN_MAX {
            return Err(Refusal::TooLarge);
        }
        Self::parse(der).ok_or(Refusal::Malformed)
    }

    fn parse(der: &[u8]) -> Option<Self> {
        // Serial numbers and dates are taken as they are: old authorities bend the rules there.
        let parsed = CertificateInner::<Raw>::from_der(der).ok()?;
        let tbs = parsed.tbs_certificate();
        let spki = tbs.subject_public_key_info();
        let mut authority_hash = [0; 20];
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &spki.to_der().ok()?);
        authority_hash.copy_from_slice(hash.as_ref());
        let constraints = tbs.get_extension::<BasicConstraints>().ok()?;
        Some(Self {
            der: der.into(),
            subject: name(tbs.subject())?,
            issuer: name(tbs.issuer())?,
            alternatives: alternatives(tbs)?,
            key_kind: key_kind(spki),
            key: spki.subject_public_key.as_bytes()?.into(),
            authority_hash,
            serial: tbs.serial_number().as_bytes().into(),
            validity: (
                UnixTime(tbs.validity().not_before.to_unix_duration().as_secs()),
                UnixTime(tbs.validity().not_after.to_unix_duration().as_secs()),
            ),
            usage: tbs.get_extension::<KeyUsage>().ok()?.map(|(_, usage)| usage),
            // Version 1 knows no extensions: those who configure such an authority mean it.
            is_authority: constraints.map_or(tbs.extensions().is_none(), |(_, c)| c.ca),
        })
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

    /// Its issuer, as an identity of the DN kind.
    #[must_use]
    pub fn issuer(&self) -> &Identity {
        &self.issuer
    }

    /// What kind of key it has.
    #[must_use]
    pub fn key_kind(&self) -> KeyKind {
        self.key_kind
    }

    /// Whether it names this identity (RFC 4945 section 3.1): as its subject, as one of its
    /// alternative names, or by its key identifier. A `*` in it is no wildcard.
    #[must_use]
    pub fn names(&self, identity: &Identity) -> bool {
        self.named(identity).is_some()
    }

    /// The identity as the certificate spells it: what is sent has these bytes, because there are
    /// peers that compare distinguished names byte by byte (RFC 4945 section 3.1.5).
    #[must_use]
    pub fn named(&self, identity: &Identity) -> Option<&Identity> {
        // An empty subject names nobody.
        let nobody = matches!(identity, Identity::Dn(name) if name.is_empty());
        let mut names = core::iter::once(&self.subject).chain(&self.alternatives);
        names.find(|name| !nobody && *name == identity)
    }

    /// First and last moment at which it is valid.
    #[must_use]
    pub fn validity(&self) -> (UnixTime, UnixTime) {
        self.validity
    }

    /// The public key: RSAPublicKey, a point, or 32 bytes of Ed25519.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// SHA-1 of its key, which is what CERTREQ payloads call an authority.
    pub(super) fn authority_hash(&self) -> &[u8; 20] {
        &self.authority_hash
    }

    pub(super) fn serial(&self) -> &[u8] {
        &self.serial
    }

    pub(super) fn is_authority(&self) -> bool {
        self.is_authority
    }

    /// RFC 5280 section 6.1.4 (n).
    pub(super) fn may_issue(&self) -> bool {
        self.usage.is_none_or(|usage| usage.0.contains(KeyUsages::KeyCertSign))
    }

    /// RFC 4945 section 5.1.3.2.
    pub(super) fn may_sign(&self) -> bool {
        self.usage.is_none_or(|usage| {
            usage.0.contains(KeyUsages::DigitalSignature)
                || usage.0.contains(KeyUsages::NonRepudiation)
        })
    }
}

fn name(name: &x509_cert::name::Name) -> Option<Identity> {
    DistinguishedName::from_der(&name.to_der().ok()?).ok().map(Identity::Dn)
}

/// Alternative names and the key identifier, as identities; those that cannot be one are left out.
fn alternatives(tbs: &TbsCertificateInner<Raw>) -> Option<Vec<Identity>> {
    let mut all = Vec::new();
    if let Some((_, names)) = tbs.get_extension::<SubjectAltName>().ok()? {
        all.extend(names.0.into_iter().filter_map(|name| match name {
            GeneralName::DnsName(name) => Identity::from_payload(2, name.as_bytes()).ok(),
            GeneralName::Rfc822Name(name) => Identity::from_payload(3, name.as_bytes()).ok(),
            GeneralName::DirectoryName(directory) => self::name(&directory),
            GeneralName::IpAddress(address) => {
                let kind = if address.as_bytes().len() == 4 { 1 } else { 5 };
                Identity::from_payload(kind, address.as_bytes()).ok()
            }
            _ => None,
        }));
    }
    if let Some((_, id)) = tbs.get_extension::<SubjectKeyIdentifier>().ok()? {
        all.extend(Identity::from_payload(11, id.0.as_bytes()));
    }
    Some(all)
}

fn key_kind(spki: &SubjectPublicKeyInfoOwned) -> KeyKind {
    let curve = spki.algorithm.parameters.as_ref().and_then(|p| p.decode_as().ok());
    match (spki.algorithm.oid, curve) {
        (RSA_ENCRYPTION, _) => {
            let bits = spki.subject_public_key.as_bytes().unwrap_or_default();
            let modulus = RsaPublicKeyRef::from_der(bits).map(|key| key.modulus.as_bytes());
            modulus.map_or(KeyKind::Other, |modulus| {
                let unused = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
                KeyKind::Rsa(modulus.len() * 8 - unused)
            })
        }
        (EC_PUBLIC_KEY, Some(SECP256R1)) => KeyKind::EcdsaP256,
        (EC_PUBLIC_KEY, Some(SECP384R1)) => KeyKind::EcdsaP384,
        (ED25519, _) => KeyKind::Ed25519,
        _ => KeyKind::Other,
    }
}

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
