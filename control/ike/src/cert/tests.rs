//! Certificates and signatures of every kind, made by rcgen and openssl(1).

extern crate std;

mod chains;
mod signatures;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use engine::UnixTime;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType, SigningKey, date_time_ymd,
};

use super::*;
use crate::identity::Identity;

/// 2030-01-01: within the validity of everything that is made here.
const NOW: UnixTime = UnixTime(1_893_456_000);

fn id(text: &str) -> Identity {
    text.parse().unwrap()
}

fn ec_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

fn rsa_key(size: KeySize) -> KeyPair {
    let key = aws_lc_rs::rsa::KeyPair::generate(size).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    KeyPair::from_pkcs8_der_and_sign_algo(&der.as_ref().into(), &rcgen::PKCS_RSA_SHA256).unwrap()
}

/// From 2020 to 2040.
fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign].into();
    params
}

fn gateway_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.subject_alt_names = [
        SanType::DnsName("gw.example.com".try_into().unwrap()),
        SanType::Rfc822Name("gw@example.com".try_into().unwrap()),
        SanType::IpAddress("192.0.2.1".parse().unwrap()),
    ]
    .into();
    params
}

/// An authority that signs itself.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(params: CertificateParams) -> Self {
        let key = ec_key();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// The certificate of `key`, DER.
    fn issue(&self, params: &CertificateParams, key: &impl SigningKey) -> Vec<u8> {
        params.signed_by(key, &self.issuer).unwrap().der().to_vec()
    }

    /// A subordinate authority, and its certificate.
    fn subordinate(&self, params: CertificateParams) -> (Self, Vec<u8>) {
        let key = ec_key();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let issuer = Issuer::new(params, key);
        (Self { pem: certificate.pem(), issuer }, certificate.der().to_vec())
    }

    fn anchors(&self) -> TrustAnchors {
        TrustAnchors::from_pem(self.pem.as_bytes(), b"").unwrap()
    }
}

fn pem(der: &[u8]) -> String {
    let mut file = std::process::Command::new("openssl")
        .args(["x509", "-inform", "DER"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut file.stdin.take().unwrap(), der).unwrap();
    let output = file.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// A key with a certificate from an authority of its own.
fn credential(key: &KeyPair) -> (Credential, TrustAnchors) {
    let authority = Authority::new(authority_params("Root"));
    let certificate = pem(&authority.issue(&gateway_params("gw"), key));
    let credential =
        Credential::from_pem(key.serialize_pem().as_bytes(), certificate.as_bytes()).unwrap();
    (credential, authority.anchors())
}
