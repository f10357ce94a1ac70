//! Gateways that prove themselves by certificates.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use ike::cert::{Credential, TrustAnchors};
use ike::msg::{Header, Payload, numbers};
use ike::policy::{LocalAuth, Peer, RemoteAuth};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};

use super::wire::logged_pair;
use crate::sim::Weather;
use crate::sim::policy::gre;
use crate::sim::read::contents;
use crate::{A, B, CHILD, assert_one, initiate, logs, pair_with, rekey, seconds};

type Authority = Issuer<'static, KeyPair>;

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
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

/// An authority, and its certificate in PEM.
fn root() -> (Authority, String) {
    let params = authority_params("Root");
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), pem)
}

/// Authorities one below the other, and their certificates in PEM, the lowest first.
fn below(root: Authority, depth: usize) -> (Authority, Vec<String>) {
    let (mut lowest, mut pems) = (root, Vec::new());
    for level in 0..depth {
        // A long name makes a long certificate.
        let params = authority_params(&format!("Authority {level} {}", "x".repeat(40)));
        let key = KeyPair::generate().unwrap();
        pems.insert(0, params.signed_by(&key, &lowest).unwrap().pem());
        lowest = Issuer::new(params, key);
    }
    (lowest, pems)
}

fn rsa_key() -> KeyPair {
    let key = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    KeyPair::from_pkcs8_der_and_sign_algo(&der.as_ref().into(), &rcgen::PKCS_RSA_SHA256).unwrap()
}

fn ec_key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn credential(issuer: &Authority, address: IpAddr, key: &KeyPair, chain: &[String]) -> Credential {
    let mut params = params(&address.to_string());
    params.subject_alt_names = [SanType::IpAddress(address)].into();
    let mut pem = params.signed_by(key, issuer).unwrap().pem();
    pem.extend(chain.iter().cloned());
    Credential::from_pem(key.serialize_pem().as_bytes(), pem.as_bytes()).unwrap()
}

fn anchors(pem: &str) -> RemoteAuth {
    RemoteAuth::Certificate(Arc::new(TrustAnchors::from_pem(pem.as_bytes(), b"").unwrap()))
}

/// Both prove themselves by a certificate with a key of its own below `issuer`.
fn certified(peer: &mut Peer, issuer: &Authority, root: &str, key: &KeyPair, chain: &[String]) {
    let own = credential(issuer, peer.local.unwrap(), key, chain);
    peer.local_auth = LocalAuth::Certificate(Arc::new(own));
    peer.remote_auth = anchors(root);
}

/// Certificates in the IKE_AUTH message of the side that has begun, or of the other.
fn certificates(all: &[(Header, Vec<Payload>)], response: bool) -> usize {
    let auth = numbers::exchange::IKE_AUTH;
    let of_side = all
        .iter()
        .filter(|(header, _)| header.exchange.0 == auth && header.is_response() == response);
    let is_cert = |payload: &&Payload| matches!(payload, Payload::Cert(..));
    of_side.map(|(_, payloads)| payloads.iter().filter(is_cert).count()).sum()
}

#[test]
fn signatures_of_every_kind_prove_who_both_are() {
    let (issuer, root) = root();
    let ours = [
        Some(&rcgen::PKCS_ECDSA_P256_SHA256),
        Some(&rcgen::PKCS_ECDSA_P384_SHA384),
        Some(&rcgen::PKCS_ED25519),
        None,
    ];
    for algorithm in ours {
        let key = || algorithm.map_or_else(rsa_key, |it| KeyPair::generate_for(it).unwrap());
        let mut net = logged_pair(60, |peer| certified(peer, &issuer, &root, &key(), &[]));
        initiate(&mut net, 0);
        net.run(seconds(1));
        assert_one(&net);
        // Each asks for certificates of the authority that it trusts.
        let all = contents(&net, 0);
        let request = |payload: &Payload| matches!(payload, Payload::CertReq(..));
        assert_eq!(all.iter().filter(|(_, it)| it.iter().any(request)).count(), 2);
        rekey(&mut net, 1, true);
        net.run(seconds(20));
        assert_one(&net);
    }
}

#[test]
fn one_may_prove_itself_by_a_certificate_and_the_other_by_a_secret() {
    let (issuer, root) = root();
    let own = Arc::new(credential(&issuer, B, &ec_key(), &[]));
    let mut net = pair_with(61, Weather::FINE, |peer| {
        if peer.local == Some(B) {
            peer.local_auth = LocalAuth::Certificate(own.clone());
        } else {
            peer.remote_auth = anchors(&root);
        }
    });
    for node in [0, 1] {
        initiate(&mut net, node);
        net.run(seconds(1));
        assert_one(&net);
        net.input(node, ike::output::Input::Terminate { peer: crate::CHILD.into() });
        net.run(seconds(1));
    }
}

#[test]
fn a_long_chain_goes_in_fragments_that_keep_the_limit() {
    let (top, root) = root();
    let (issuer, chain) = below(top, 4);
    for (seed, weather) in [(62, Weather::FINE), (63, Weather::FOUL), (64, Weather::FOUL)] {
        let mut net = logged_pair(seed, |peer| {
            certified(peer, &issuer, &root, &ec_key(), &chain);
            peer.fragment_len = Some(576);
        });
        net.weather = weather;
        initiate(&mut net, 0);
        net.run(seconds(120));
        net.weather = Weather::FINE;
        net.run(seconds(60));
        assert_one(&net);
        // IP, UDP and the marker of port 4500 are not in what is sent here.
        let is_auth = |bytes: &&Vec<u8>| bytes[18] == numbers::exchange::IKE_AUTH;
        let auth: Vec<_> = net.sent.iter().map(|(_, bytes)| bytes).filter(is_auth).collect();
        assert!(auth.iter().all(|bytes| bytes.len() <= 576 - 32));
        let of_initiator = auth.iter().filter(|bytes| bytes[19] & 0x20 == 0).count();
        assert!(of_initiator > 3 && auth.len() > of_initiator + 3, "{}", auth.len());
        if seed == 62 {
            let all = contents(&net, 0);
            assert_eq!([certificates(&all, false), certificates(&all, true)], [5, 5]);
        }
    }
}

#[test]
fn a_chain_goes_whole_to_a_peer_that_takes_no_fragments() {
    let (top, root) = root();
    let (issuer, chain) = below(top, 3);
    let mut net = logged_pair(65, |peer| {
        certified(peer, &issuer, &root, &ec_key(), &chain);
        peer.fragment_len = Some(576).filter(|_| peer.local == Some(A));
    });
    initiate(&mut net, 0);
    net.run(seconds(1));
    assert_one(&net);
    assert_eq!(net.sent.len(), 4);
}

#[test]
fn certificates_that_the_peer_has_by_itself_are_left_out() {
    let (top, _) = root();
    let (issuer, chain) = below(top, 3);
    // Both trust the lowest authority: what is above it says nothing more.
    let mut net = logged_pair(66, |peer| {
        certified(peer, &issuer, &chain[0], &ec_key(), &chain);
    });
    initiate(&mut net, 0);
    net.run(seconds(1));
    assert_one(&net);
    let all = contents(&net, 0);
    assert_eq!([certificates(&all, false), certificates(&all, true)], [1, 1]);
}

#[test]
fn a_certificate_that_names_somebody_else_is_refused_in_words() {
    let (issuer, root) = root();
    for who in [A, B] {
        let mut net = pair_with(67, Weather::FINE, |peer| {
            certified(peer, &issuer, &root, &ec_key(), &[]);
            if peer.local == Some(who) {
                let other = credential(&issuer, [192, 0, 2, 99].into(), &ec_key(), &[]);
                peer.local_auth = LocalAuth::Certificate(Arc::new(other));
            }
        });
        initiate(&mut net, 0);
        net.run(seconds(1));
        let judge = if who == A { 1 } else { 0 };
        let words = format!("does not name {who}");
        assert!(net.nodes[judge].log.iter().any(|line| line.contains(&words)), "{:#?}", logs(&net));
        assert!(net.nodes.iter().all(|it| it.pairs.is_empty() && it.ike.status().is_empty()));
    }
}

#[test]
fn a_certificate_is_asked_for_where_only_a_later_peer_of_the_configuration_wants_one() {
    let (issuer, root) = root();
    let mut net = logged_pair(68, |peer| certified(peer, &issuer, &root, &ec_key(), &[]));
    let mut other = gre("other", B, None);
    other.remote_identity = "somebody.example".parse().unwrap();
    let mut same = gre(CHILD, B, None);
    certified(&mut same, &issuer, &root, &ec_key(), &[]);
    net.configure(1, vec![Arc::new(other), Arc::new(same)]);
    initiate(&mut net, 0);
    net.run(seconds(1));
    assert_one(&net);
    let (header, answer) = &contents(&net, 0)[1];
    assert!(header.is_response());
    assert!(answer.iter().any(|payload| matches!(payload, Payload::CertReq(..))));
}
