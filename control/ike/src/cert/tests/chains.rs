//! Chains, names, times and lists.

use std::sync::OnceLock;

use proptest::prelude::*;
use rcgen::{
    CertificateRevocationListParams, ExtendedKeyUsagePurpose, GeneralSubtree, KeyIdMethod,
    NameConstraints, RevokedCertParams, SerialNumber,
};

use super::*;

/// A gateway's certificate below a subordinate authority.
fn chain() -> (Authority, Vec<u8>, Vec<u8>) {
    let root = Authority::new(authority_params("Root"));
    let (middle, middle_der) = root.subordinate(authority_params("Middle"));
    let own = middle.issue(&gateway_params("gw"), &ec_key());
    (root, middle_der, own)
}

fn refusal(result: Result<Certificate, Refusal>) -> String {
    result.err().expect("a refusal").to_string()
}

#[test]
fn chain_over_an_intermediate_is_believed() {
    let (root, middle, own) = chain();
    let name = id("gw.example.com");
    let certificate = root.anchors().verify(&[&own, &middle], &name, NOW).unwrap();
    assert_eq!(certificate.der(), own);
    assert_eq!(*certificate.subject(), id("O=Example, CN=gw"));
    assert_eq!(certificate.key_kind(), KeyKind::EcdsaP256);
}

#[test]
fn identities_of_every_kind_are_found_in_the_certificate() {
    let (root, middle, own) = chain();
    let anchors = root.anchors();
    for name in ["GW.example.com", "gw@example.com", "192.0.2.1", "O=Example, CN=gw"] {
        let certificate = anchors.verify(&[&own, &middle], &id(name), NOW).unwrap();
        assert_eq!(certificate.named(&id(name)), Some(&id(name)));
    }
    for name in ["gw2.example.com", "192.0.2.2", "::1", "CN=gw", "fqdn:gw", "keyid:gw"] {
        let words = refusal(anchors.verify(&[&own, &middle], &id(name), NOW));
        assert_eq!(
            words,
            format!(
                "certificate of O=Example, CN=gw does not name {}, which the peer says it is",
                id(name)
            )
        );
    }
}

#[test]
fn star_in_a_certificate_is_no_wildcard() {
    let root = Authority::new(authority_params("Root"));
    let mut params = params("wild");
    params.subject_alt_names = [SanType::DnsName("*.example.com".try_into().unwrap())].into();
    let own = root.issue(&params, &ec_key());
    let words = refusal(root.anchors().verify(&[&own], &id("gw.example.com"), NOW));
    assert!(words.contains("does not name gw.example.com"), "{words}");
}

#[test]
fn missing_intermediate_says_who_issued_the_certificate() {
    let (root, _, own) = chain();
    let words = refusal(root.anchors().verify(&[&own], &id("gw.example.com"), NOW));
    assert_eq!(
        words,
        "no chain to a configured authority: certificate of O=Example, CN=gw was issued by \
         O=Example, CN=Middle"
    );
}

#[test]
fn authority_of_another_name_or_key_is_not_believed() {
    let (_, middle, own) = chain();
    let stranger = Authority::new(authority_params("Stranger"));
    let words = refusal(stranger.anchors().verify(&[&own, &middle], &id("gw.example.com"), NOW));
    assert!(words.contains("no chain to a configured authority"), "{words}");
    assert!(words.contains("CN=Middle was issued by O=Example, CN=Root"), "{words}");
    let namesake = Authority::new(authority_params("Root"));
    let words = refusal(namesake.anchors().verify(&[&own, &middle], &id("gw.example.com"), NOW));
    assert!(words.contains("not signed by the authority that it names"), "{words}");
}

#[test]
fn certificates_out_of_their_time_say_whose_and_when() {
    let (root, middle, own) = chain();
    let anchors = root.anchors();
    let name = id("gw.example.com");
    let at = |time| refusal(anchors.verify(&[&own, &middle], &name, UnixTime(time)));
    assert_eq!(
        at(1_500_000_000),
        "certificate of O=Example, CN=gw is not valid before 2020-01-01T00:00:00Z"
    );
    assert_eq!(
        at(2_300_000_000),
        "certificate of O=Example, CN=gw expired on 2040-01-01T00:00:00Z"
    );
}

#[test]
fn expired_intermediate_or_authority_is_named() {
    let root = Authority::new(authority_params("Root"));
    let mut old = authority_params("Middle");
    old.not_after = date_time_ymd(2025, 6, 1);
    let (middle, middle_der) = root.subordinate(old);
    let own = middle.issue(&gateway_params("gw"), &ec_key());
    let words = refusal(root.anchors().verify(&[&own, &middle_der], &id("192.0.2.1"), NOW));
    assert_eq!(words, "certificate of O=Example, CN=Middle expired on 2025-06-01T00:00:00Z");

    let mut old = authority_params("Old root");
    old.not_after = date_time_ymd(2025, 6, 1);
    let root = Authority::new(old);
    let own = root.issue(&gateway_params("gw"), &ec_key());
    let words = refusal(root.anchors().verify(&[&own], &id("192.0.2.1"), NOW));
    assert_eq!(words, "certificate of O=Example, CN=Old root expired on 2025-06-01T00:00:00Z");
}

/// A list of `issuer` with these numbers on it.
fn crl(issuer: &Authority, serials: &[u8], next_year: i32) -> String {
    let revoked = serials.iter().map(|serial| RevokedCertParams {
        serial_number: SerialNumber::from_slice(&[*serial]),
        revocation_time: date_time_ymd(2024, 1, 1),
        reason_code: None,
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2024, 1, 1),
        next_update: date_time_ymd(next_year, 1, 1),
        crl_number: SerialNumber::from_slice(&[1]),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(&issuer.issuer).unwrap().pem().unwrap()
}

#[test]
fn revoked_certificates_are_refused_at_every_height() {
    let root = Authority::new(authority_params("Root"));
    let mut params = authority_params("Middle");
    params.serial_number = Some(SerialNumber::from_slice(&[7]));
    let (middle, middle_der) = root.subordinate(params);
    let mut params = gateway_params("gw");
    params.serial_number = Some(SerialNumber::from_slice(&[9]));
    let own = middle.issue(&params, &ec_key());
    let verify = |crls: &str| {
        let anchors = TrustAnchors::from_pem(root.pem.as_bytes(), crls.as_bytes()).unwrap();
        anchors.verify(&[&own, &middle_der], &id("192.0.2.1"), NOW)
    };

    verify(&(crl(&root, &[8], 2035) + &crl(&middle, &[8], 2035))).unwrap();
    let words = refusal(verify(&crl(&middle, &[8, 9], 2035)));
    assert_eq!(words, "certificate of O=Example, CN=gw was revoked");
    let words = refusal(verify(&crl(&root, &[7], 2035)));
    assert_eq!(words, "certificate of O=Example, CN=Middle was revoked");
    // The number is one of the wrong issuer's.
    verify(&crl(&root, &[9], 2035)).unwrap();
    let words = refusal(verify(&crl(&middle, &[], 2025)));
    assert_eq!(words, "the revocation list should have been renewed on 2025-01-01T00:00:00Z");
    // A list that another has signed in the name of the issuer tells nothing, and is not passed by.
    let namesake = Authority::new(authority_params("Middle"));
    assert!(verify(&crl(&namesake, &[], 2035)).is_err());
}

#[test]
fn name_constraints_of_an_authority_hold() {
    let root = Authority::new(authority_params("Root"));
    let mut narrow = authority_params("Middle");
    narrow.name_constraints = Some(NameConstraints {
        permitted_subtrees: [GeneralSubtree::DnsName("example.org".to_string())].into(),
        excluded_subtrees: Vec::new(),
    });
    let (middle, middle_der) = root.subordinate(narrow);
    let own = middle.issue(&gateway_params("gw"), &ec_key());
    let words = refusal(root.anchors().verify(&[&own, &middle_der], &id("192.0.2.1"), NOW));
    assert!(words.contains("may not issue for its names"), "{words}");
}

#[test]
fn peer_is_no_authority_and_an_authority_no_peer() {
    let root = Authority::new(authority_params("Root"));
    let (middle, middle_der) = root.subordinate(params("not an authority"));
    let own = middle.issue(&gateway_params("gw"), &ec_key());
    let words = refusal(root.anchors().verify(&[&own, &middle_der], &id("192.0.2.1"), NOW));
    assert!(words.contains("may not issue certificates"), "{words}");

    let mut params = authority_params("usage");
    params.key_usages = [KeyUsagePurpose::CrlSign].into();
    let (middle, middle_der) = root.subordinate(params);
    let own = middle.issue(&gateway_params("gw"), &ec_key());
    let words = refusal(root.anchors().verify(&[&own, &middle_der], &id("192.0.2.1"), NOW));
    assert!(words.contains("may not issue certificates"), "{words}");

    let mut params = gateway_params("gw");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = root.issue(&params, &ec_key());
    let words = refusal(root.anchors().verify(&[&own], &id("192.0.2.1"), NOW));
    assert!(words.contains("that of an authority"), "{words}");
}

#[test]
fn usages_that_ike_peers_have_are_taken_and_others_not() {
    let root = Authority::new(authority_params("Root"));
    let verify = |key_usages: &[KeyUsagePurpose], extended: &[ExtendedKeyUsagePurpose]| {
        let mut params = gateway_params("gw");
        params.key_usages = key_usages.into();
        params.extended_key_usages = extended.into();
        let own = root.issue(&params, &ec_key());
        root.anchors().verify(&[&own], &id("192.0.2.1"), NOW).map(|_| ())
    };
    use ExtendedKeyUsagePurpose::{ClientAuth, CodeSigning, Other, ServerAuth, TimeStamping};
    verify(&[], &[]).unwrap();
    verify(&[], &[ServerAuth]).unwrap();
    verify(&[], &[CodeSigning, ClientAuth]).unwrap();
    verify(&[], &[Other([1, 3, 6, 1, 5, 5, 7, 3, 17].into())]).unwrap();
    verify(&[KeyUsagePurpose::DigitalSignature], &[]).unwrap();
    verify(&[KeyUsagePurpose::ContentCommitment], &[]).unwrap();
    let refused = Err(Refusal::Usage(id("O=Example, CN=gw")));
    assert_eq!(verify(&[], &[CodeSigning, TimeStamping]), refused);
    assert_eq!(verify(&[KeyUsagePurpose::KeyEncipherment], &[]), refused);
}

#[test]
fn payloads_are_capped_and_urls_refused() {
    let small: &[u8] = b"x";
    assert_eq!(received([(4, small), (7, small), (4, small)]), Ok([small, small].into()));
    assert_eq!(received([]), Err(Refusal::NoCertificate));
    assert_eq!(received([(4, small); CHAIN_MAX + 1]), Err(Refusal::TooLarge));
    assert_eq!(received([(4, [0; CERTIFICATE_LEN_MAX + 1].as_slice())]), Err(Refusal::TooLarge));
    for url in [12, 13] {
        let words = received([(url, small)]).unwrap_err().to_string();
        assert_eq!(words, "the peer sent the URL of a certificate: we fetch nothing");
    }
    assert_eq!(received([(1, small)]), Err(Refusal::Encoding(1)));
    let (root, ..) = chain();
    assert_eq!(root.anchors().verify(&[small], &id("gw"), NOW).err(), Some(Refusal::Malformed));
}

#[test]
fn certificates_above_the_one_that_a_peer_trusts_are_not_sent() {
    let root = Authority::new(authority_params("Root"));
    let (middle, middle_der) = root.subordinate(authority_params("Middle"));
    let key = ec_key();
    let own = middle.issue(&gateway_params("gw"), &key);
    let file = pem(&own) + &middle.pem + &root.pem;
    let credential = Credential::from_pem(key.serialize_pem().as_bytes(), file.as_bytes()).unwrap();
    let whole = [own.as_slice(), &middle_der];
    assert_eq!(credential.chain_for(&[]), whole);
    assert_eq!(credential.chain_for(root.anchors().request()), whole);
    assert_eq!(credential.chain_for(middle.anchors().request()), [own.as_slice()]);
    assert_eq!(root.anchors().request().len(), 20);
    let anchors = root.anchors();
    let name = Identity::from_payload(9, anchors.names().next().unwrap());
    assert_eq!(name, Ok(id("O=Example, CN=Root")));
}

#[test]
fn files_that_make_no_credential_or_anchor_say_why() {
    let root = Authority::new(authority_params("Root"));
    let key = ec_key();
    let own = pem(&root.issue(&gateway_params("gw"), &key));
    let key = key.serialize_pem();
    let words = |key: &str, certificates: &str| {
        let result = Credential::from_pem(key.as_bytes(), certificates.as_bytes());
        result.err().expect("an error").to_string()
    };
    assert!(words(&ec_key().serialize_pem(), &own).contains("is not that of the first"));
    assert!(words(&rsa_key(KeySize::Rsa2048).serialize_pem(), &own).contains("not of the kind"));
    assert!(words("", &own).contains("no private key"));
    assert!(words(&key, "").contains("no certificate"));
    assert!(words("-----BEGIN ENCRYPTED PRIVATE KEY-----", &own).contains("is encrypted"));
    let anchors = |authorities: &str, crls: &str| {
        let result = TrustAnchors::from_pem(authorities.as_bytes(), crls.as_bytes());
        result.err().expect("an error").to_string()
    };
    assert!(anchors("", "").contains("no certificate"));
    assert!(anchors(&own, "").contains("is not a certificate authority"));
    assert!(anchors(&root.pem, &own).contains("no revocation list"));
}

#[test]
fn subject_that_is_empty_names_nobody() {
    let root = Authority::new(authority_params("Root"));
    let mut params = gateway_params("");
    params.distinguished_name = rcgen::DistinguishedName::new();
    let own = root.issue(&params, &ec_key());
    let nobody = Identity::from_payload(9, &[0x30, 0]).unwrap();
    assert!(root.anchors().verify(&[&own], &nobody, NOW).is_err());
    root.anchors().verify(&[&own], &id("gw.example.com"), NOW).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_certificates_never_panic(
        damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        cut in any::<usize>(),
    ) {
        static CHAIN: OnceLock<(TrustAnchors, Vec<u8>, Vec<u8>)> = OnceLock::new();
        let (anchors, middle, own) = CHAIN.get_or_init(|| {
            let (root, middle, own) = chain();
            (root.anchors(), middle, own)
        });
        let mut damaged = own.clone();
        for (at, value) in damage {
            let len = damaged.len();
            damaged[at % len] = value;
        }
        if cut % 4 == 0 {
            damaged.truncate(cut % own.len());
        }
        let result = anchors.verify(&[&damaged, middle], &id("192.0.2.1"), NOW);
        prop_assert!(result.is_err() || damaged == *own);
    }
}
