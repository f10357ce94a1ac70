//! The authorities, and what they vouch for (RFC 5280 section 6).

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use engine::UnixTime;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, SignatureVerificationAlgorithm, TrustAnchor,
};
use webpki::aws_lc_rs as algorithms;
use webpki::{
    CertRevocationList, EndEntityCert, Error, ExpirationPolicy, ExtendedKeyUsageValidator,
    KeyPurposeId, KeyPurposeIdIter, KeyUsage, OwnedCertRevocationList, RequiredEkuNotFoundContext,
    RevocationOptionsBuilder, UnknownStatusPolicy, VerifiedPath,
};

use super::credential::certificates_from_pem;
use super::{CHAIN_MAX, Certificate, Refusal, Unusable};
use crate::identity::Identity;

/// The authorities that a peer's certificate must lead to.
pub struct TrustAnchors {
    authorities: Vec<Certificate>,
    anchors: Vec<TrustAnchor<'static>>,
    crls: Vec<CertRevocationList<'static>>,
    hashes: Vec<u8>,
    names: Vec<Vec<u8>>,
    pub(super) sha1: bool,
}

impl TrustAnchors {
    /// From PEM: certificates of authorities, and revocation lists (which may be none).
    ///
    /// Where there is a list of an issuer, its certificates must not be on it, and it must not be
    /// too old; where there is none, nothing is known to be revoked.
    pub fn from_pem(authorities: &[u8], crls: &[u8]) -> Result<Self, Unusable> {
        let mut this = Self {
            authorities: certificates_from_pem(authorities)?,
            anchors: Vec::new(),
            crls: Vec::new(),
            hashes: Vec::new(),
            names: Vec::new(),
            sha1: false,
        };
        for authority in &this.authorities {
            let subject = authority.subject();
            if !authority.is_authority() || !authority.may_issue() {
                return Err(Unusable(format!("{subject} is not a certificate authority")));
            }
            let der = CertificateDer::from(authority.der());
            let anchor = webpki::anchor_from_trusted_cert(&der)
                .map_err(|error| Unusable(format!("certificate of {subject}: {error}")))?;
            this.anchors.push(anchor.to_owned());
            this.hashes.extend_from_slice(authority.authority_hash());
            this.names.push(subject.to_payload().1);
        }
        for crl in CertificateRevocationListDer::pem_slice_iter(crls) {
            let crl = crl.map_err(|error| Unusable(format!("not PEM: {error}")))?;
            let crl = OwnedCertRevocationList::from_der(&crl)
                .map_err(|error| Unusable(format!("revocation list: {error}")))?;
            this.crls.push(crl.into());
        }
        if this.crls.is_empty() && crls.iter().any(|byte| !byte.is_ascii_whitespace()) {
            return Err(Unusable(
                "no revocation list (-----BEGIN X509 CRL-----) in it".to_string(),
            ));
        }
        Ok(this)
    }

    /// Lets IKEv2 peers sign with RSA and SHA-1 (method 1).
    #[must_use]
    pub fn allowing_sha1(mut self) -> Self {
        self.sha1 = true;
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

    /// Judges the peer's certificates, its own first (what [`super::received`] gives), at `now`,
    /// and whether they name `identity`. Returns the peer's own.
    pub fn verify(
        &self,
        certificates: &[&[u8]],
        identity: &Identity,
        now: UnixTime,
    ) -> Result<Certificate, Refusal> {
        let (own, others) = certificates.split_first().ok_or(Refusal::NoCertificate)?;
        if certificates.len() > CHAIN_MAX {
            return Err(Refusal::TooLarge);
        }
        let certificate = Certificate::from_der(own)?;
        if !certificate.key_kind().is_allowed() {
            return Err(Refusal::Key(certificate.subject().clone()));
        }
        if !certificate.may_sign() {
            return Err(Refusal::Usage(certificate.subject().clone()));
        }
        self.build_path(&certificate, others, now)
            .map_err(|error| self.in_words(error, &certificate, others, now))?;
        if !certificate.names(identity) {
            return Err(Refusal::WrongName(certificate.subject().clone(), identity.clone()));
        }
        Ok(certificate)
    }

    fn build_path(
        &self,
        certificate: &Certificate,
        others: &[&[u8]],
        now: UnixTime,
    ) -> Result<(), Error> {
        let own = CertificateDer::from(certificate.der());
        let others: Vec<_> = others.iter().map(|der| CertificateDer::from(*der)).collect();
        let crls: Vec<_> = self.crls.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&crls).ok().map(|options| {
            options
                .with_status_policy(UnknownStatusPolicy::Allow)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build()
        });
        EndEntityCert::try_from(&own)?
            .verify_for_usage(
                ALGORITHMS,
                &self.anchors,
                &others,
                moment(now),
                ForIke,
                revocation,
                Some(&|path| self.check_issuers(path, now)),
            )
            .map(|_| ())
    }

    /// What webpki leaves to its callers: the authority's own validity, and that those who issue
    /// certificates may.
    fn check_issuers(&self, path: &VerifiedPath<'_>, now: UnixTime) -> Result<(), Error> {
        for issuer in path.intermediate_certificates() {
            let issuer = Certificate::from_der(&issuer.der()).map_err(|_| Error::BadDer)?;
            if !issuer.may_issue() {
                return Err(Error::EndEntityUsedAsCa);
            }
        }
        let position = self.anchors.iter().position(|anchor| anchor == path.anchor());
        let authority = position.and_then(|at| self.authorities.get(at));
        match authority.and_then(|authority| out_of_date(authority, now)) {
            None => Ok(()),
            Some(Refusal::NotYetValid(_, from)) => {
                Err(Error::CertNotValidYet { time: moment(now), not_before: moment(from) })
            }
            Some(_) => Err(Error::CertExpired { time: moment(now), not_after: moment(now) }),
        }
    }

    /// Names the certificate that webpki's error is about.
    fn in_words(
        &self,
        error: Error,
        certificate: &Certificate,
        others: &[&[u8]],
        now: UnixTime,
    ) -> Refusal {
        let others = others.iter().filter_map(|der| Certificate::from_der(der).ok());
        let chain: Vec<Certificate> = core::iter::once(certificate.clone()).chain(others).collect();
        let who = certificate.subject().clone();
        match error {
            Error::CertExpired { .. } | Error::CertNotValidYet { .. } => chain
                .iter()
                .chain(&self.authorities)
                .find_map(|certificate| out_of_date(certificate, now))
                .unwrap_or_else(|| Refusal::Rule(who, error.to_string())),
            Error::CertRevoked => {
                let revoked = chain.iter().find(|certificate| self.is_listed(certificate));
                Refusal::Revoked(revoked.map_or(who, |revoked| revoked.subject().clone()))
            }
            Error::CrlExpired { next_update, .. } => {
                Refusal::CrlExpired(UnixTime(next_update.as_secs()))
            }
            Error::UnknownIssuer => {
                // The last that the peer sent is the one whose issuer is missing.
                let mut last = certificate;
                for _ in 0..chain.len() {
                    let issuer = chain.iter().find(|c| c.subject() == last.issuer());
                    last = issuer.unwrap_or(last);
                }
                Refusal::NoChain(last.subject().clone(), last.issuer().clone())
            }
            Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => Refusal::Usage(who),
            Error::BadDer | Error::TrailingData(_) => Refusal::Malformed,
            Error::InvalidSignatureForPublicKey => {
                Refusal::Rule(who, "it was not signed by the authority that it names".to_string())
            }
            Error::NameConstraintViolation => {
                Refusal::Rule(who, "an authority above it may not issue for its names".to_string())
            }
            Error::EndEntityUsedAsCa => {
                Refusal::Rule(who, "one above it may not issue certificates".to_string())
            }
            Error::CaUsedAsEndEntity => {
                Refusal::Rule(who, "it is that of an authority, not of a peer".to_string())
            }
            error => Refusal::Rule(who, error.to_string()),
        }
    }

    fn is_listed(&self, certificate: &Certificate) -> bool {
        self.crls.iter().any(|crl| {
            Identity::from_payload(9, &sequence(crl.issuer()))
                .is_ok_and(|issuer| issuer == *certificate.issuer())
                && matches!(crl.find_serial(certificate.serial()), Ok(Some(_)))
        })
    }
}

/// The name that webpki gives without its outer tag and length.
fn sequence(body: &[u8]) -> Vec<u8> {
    let mut der = Vec::with_capacity(body.len() + 4);
    der.push(0x30);
    match u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes() {
        [0, len] if len < 0x80 => der.push(len),
        [0, len] => der.extend_from_slice(&[0x81, len]),
        [high, low] => der.extend_from_slice(&[0x82, high, low]),
    }
    der.extend_from_slice(body);
    der
}

fn moment(time: UnixTime) -> rustls_pki_types::UnixTime {
    rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(time.0))
}

fn out_of_date(certificate: &Certificate, now: UnixTime) -> Option<Refusal> {
    let (from, to) = certificate.validity();
    let who = certificate.subject();
    if now < from {
        Some(Refusal::NotYetValid(who.clone(), from))
    } else if now > to {
        Some(Refusal::Expired(who.clone(), to))
    } else {
        None
    }
}

/// RFC 4945 section 5.1.3.12: no extended key usage, or one that is IKE's, or any; and TLS's, which
/// is what authorities give to gateways.
struct ForIke;

impl ExtendedKeyUsageValidator for ForIke {
    fn validate(&self, usages: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        let mut present = Vec::new();
        for usage in usages {
            let usage = usage?;
            if USAGES.contains(&usage) {
                return Ok(());
            }
            present.push(usage.to_decoded_oid());
        }
        if present.is_empty() {
            return Ok(());
        }
        let required = KeyUsage::required_if_present(IPSEC_IKE);
        Err(Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext { required, present }))
    }
}

const USAGES: [KeyPurposeId<'static>; 7] = [
    // anyExtendedKeyUsage
    KeyPurposeId::new(&[0x55, 0x1d, 0x25, 0x00]),
    // serverAuth, clientAuth
    KeyPurposeId::new(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01]),
    KeyPurposeId::new(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02]),
    // ipsecEndSystem, ipsecTunnel, ipsecUser
    KeyPurposeId::new(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x05]),
    KeyPurposeId::new(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x06]),
    KeyPurposeId::new(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x07]),
    KeyPurposeId::new(IPSEC_IKE),
];

const IPSEC_IKE: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x11];

/// What certificates and revocation lists may be signed with: nothing with SHA-1.
static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P256_SHA512,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ECDSA_P384_SHA512,
    algorithms::ECDSA_P521_SHA256,
    algorithms::ECDSA_P521_SHA384,
    algorithms::ECDSA_P521_SHA512,
    algorithms::ED25519,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
    algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];
