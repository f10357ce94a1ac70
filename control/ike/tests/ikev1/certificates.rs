//! Main mode with RSA signatures.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use ike::cert::{Credential, TrustAnchors};
use ike::policy::{LocalAuth, RemoteAuth};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};

use crate::net::{A, B, gre, ip};

fn rsa_key() -> KeyPair {
    let key = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    KeyPair::from_pkcs8_der_and_sign_algo(&der.as_ref().into(), &rcgen::PKCS_RSA_SHA256).unwrap()
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params
}

/// An authority, its certificate in PEM.
fn authority() -> (Issuer<'static, KeyPair>, String) {
    let mut params = params("Root");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign].into();
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), pem)
}

fn credential(issuer: &Issuer<'static, KeyPair>, address: &str) -> Credential {
    let mut params = params(address);
    params.subject_alt_names = [SanType::IpAddress(ip(address))].into();
    let key = rsa_key();
    let certificate = params.signed_by(&key, issuer).unwrap().pem();
    Credential::from_pem(key.serialize_pem().as_bytes(), certificate.as_bytes()).unwrap()
}

#[test]
fn rsa_signatures_prove_who_both_are() {
    let (issuer, root) = authority();
    let mut net = gre(|index, peer, _| {
        let own = credential(&issuer, [A, B][index]);
        let anchors = TrustAnchors::from_pem(root.as_bytes(), b"").unwrap();
        peer.local_auth = LocalAuth::Certificate(Arc::new(own));
        peer.remote_auth = RemoteAuth::Certificate(Arc::new(anchors));
    });
    net.acquire(0, "gre");
    net.run(Duration::from_secs(5));
    net.assert_connected();
}

#[test]
fn a_certificate_of_another_authority_is_refused_in_words() {
    let (issuer, root) = authority();
    let (stranger, _) = authority();
    let mut net = gre(|index, peer, _| {
        let own = credential(if index == 0 { &stranger } else { &issuer }, [A, B][index]);
        let anchors = TrustAnchors::from_pem(root.as_bytes(), b"").unwrap();
        peer.local_auth = LocalAuth::Certificate(Arc::new(own));
        peer.remote_auth = RemoteAuth::Certificate(Arc::new(anchors));
    });
    net.acquire(0, "gre");
    net.run(Duration::from_secs(200));
    net.assert_pairs(0);
    assert!(net.logged(1, "peer says it is 10.0.0.1, but"), "{:?}", net.nodes[1].log);
}
