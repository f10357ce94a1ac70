//! Signatures: openssl(1) judges ours, and we judge its.

use std::fs;
use std::path::Path;
use std::process::Command;

use engine::Seeded;
use proptest::prelude::*;

use super::super::auth::{self, Hashes};
use super::super::scheme::{Hash, Scheme};
use super::*;

const OCTETS: &[u8] = b"what both have said, and who says so";

fn random() -> Seeded {
    Seeded::new([7; 32])
}

/// Runs openssl in a folder.
fn openssl(folder: &Path, arguments: &str) -> bool {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("openssl(1)");
    output.status.success()
}

/// What openssl says of a signature of ours, and of one with a bit turned.
fn judge(key: &KeyPair, signed: &[u8], arguments: &str) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("key.pem", key.public_key_pem().as_bytes());
    write("octets", OCTETS);
    write("signature", signed);
    assert!(openssl(folder.path(), arguments), "openssl {arguments}");
    let mut wrong = signed.to_vec();
    *wrong.last_mut().unwrap() ^= 1;
    write("signature", &wrong);
    assert!(!openssl(folder.path(), arguments), "openssl {arguments}");
}

/// The signature in an AUTH payload of method 14 after checking its algorithm.
fn unwrap(method: u8, data: &[u8], scheme: Scheme) -> &[u8] {
    assert_eq!(method, 14);
    let (algorithm, signed) = data[1..].split_at(data[0].into());
    assert_eq!(algorithm, scheme.to_der());
    signed
}

#[test]
fn openssl_believes_rsa_signatures_of_rfc_7427() {
    let key = rsa_key(KeySize::Rsa2048);
    let (credential, anchors) = credential(&key);
    let hashes =
        [(2, Hash::Sha256, "sha256"), (3, Hash::Sha384, "sha384"), (4, Hash::Sha512, "sha512")];
    let mut credential = credential;
    for padding in [RsaPadding::Pss, RsaPadding::Pkcs1] {
        credential = credential.with_rsa_padding(padding);
        for (number, hash, name) in hashes {
            let announced = Hashes::from_notify(&[0, number]);
            let (method, data) =
                auth::sign(&credential, Some(announced), OCTETS, &mut random()).unwrap();
            let (scheme, options) = match padding {
                RsaPadding::Pss => (
                    Scheme::RsaPss(hash),
                    "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest",
                ),
                RsaPadding::Pkcs1 => (Scheme::RsaPkcs1(hash), ""),
            };
            let signed = unwrap(method, &data, scheme);
            judge(
                &key,
                signed,
                &format!("dgst -{name} -verify key.pem -signature signature {options} octets"),
            );
            let own = credential.certificate();
            assert_eq!(auth::verify(&anchors, own, 14, &data, OCTETS), Ok(scheme.name()));
            assert_eq!(
                auth::verify(&anchors, own, 14, &data, b"something else"),
                Err(Refusal::Signature)
            );
        }
    }
}

#[test]
fn openssl_believes_ecdsa_and_ed25519_signatures() {
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let dgst = "-verify key.pem -signature signature octets";
    for (key, scheme, arguments) in [
        (ec_key(), Scheme::Ecdsa(Hash::Sha256), format!("dgst -sha256 {dgst}")),
        (p384, Scheme::Ecdsa(Hash::Sha384), format!("dgst -sha384 {dgst}")),
        (
            ed25519,
            Scheme::Ed25519,
            "pkeyutl -verify -pubin -inkey key.pem -rawin -in octets -sigfile signature"
                .to_string(),
        ),
    ] {
        let (credential, anchors) = credential(&key);
        let (method, data) =
            auth::sign(&credential, Some(Hashes::OURS), OCTETS, &mut random()).unwrap();
        judge(&key, unwrap(method, &data, scheme), &arguments);
        let own = credential.certificate();
        assert_eq!(auth::verify(&anchors, own, 14, &data, OCTETS), Ok(scheme.name()));
        assert!(auth::verify(&anchors, own, 14, &data, b"").is_err());
    }
}

#[test]
fn ecdsa_without_announced_hashes_has_a_fixed_length() {
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    for (key, method, len) in [(ec_key(), 9, 64), (p384, 10, 96)] {
        let (credential, anchors) = credential(&key);
        // RFC 4754 section 7.
        let signed = auth::sign(&credential, None, OCTETS, &mut random()).unwrap();
        assert_eq!((signed.0, signed.1.len()), (method, len));
        let own = credential.certificate();
        auth::verify(&anchors, own, method, &signed.1, OCTETS).unwrap();
        assert!(auth::verify(&anchors, own, 19 - method, &signed.1, OCTETS).is_err());
        let hashes = Some(Hashes::from_notify(&[0, 4]));
        assert_eq!(auth::sign(&credential, hashes, OCTETS, &mut random()).unwrap().0, method);
    }
}

#[test]
fn sha1_is_signed_and_taken_only_by_name() {
    let key = rsa_key(KeySize::Rsa2048);
    let (credential, anchors) = credential(&key);
    let words = auth::sign(&credential, None, OCTETS, &mut random()).unwrap_err().to_string();
    assert!(words.contains("allowed by name"), "{words}");
    let credential = credential.allowing_sha1();
    let (method, data) = auth::sign(&credential, None, OCTETS, &mut random()).unwrap();
    assert_eq!(method, 1);
    judge(&key, &data, "dgst -sha1 -verify key.pem -signature signature octets");
    let own = credential.certificate();
    let words = auth::verify(&anchors, own, 1, &data, OCTETS).unwrap_err().to_string();
    assert!(words.contains("allowed by name"), "{words}");
    auth::verify(&anchors.allowing_sha1(), own, 1, &data, OCTETS).unwrap();
}

#[test]
fn openssl_believes_bare_hashes_of_ikev1() {
    let key = rsa_key(KeySize::Rsa2048);
    let (credential, _) = credential(&key);
    let signed = auth::sign_v1(&credential, OCTETS, &mut random()).unwrap();
    judge(&key, &signed, "pkeyutl -verify -pubin -inkey key.pem -in octets -sigfile signature");
    auth::verify_v1(credential.certificate(), OCTETS, &signed).unwrap();
    let wrong = auth::verify_v1(credential.certificate(), b"other", &signed);
    assert_eq!(wrong, Err(Refusal::Signature));
    let again = auth::sign_v1(&credential, OCTETS, &mut Seeded::new([8; 32])).unwrap();
    assert_eq!(signed, again);
}

#[test]
fn keys_and_certificates_that_openssl_made_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &str| assert!(openssl(folder.path(), arguments), "openssl {arguments}");
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    fs::write(
        folder.path().join("extensions"),
        "subjectAltName=DNS:gw.example.com\nextendedKeyUsage=1.3.6.1.5.5.7.3.17\n",
    )
    .unwrap();
    run("req -x509 -newkey rsa:3072 -nodes -keyout ca.key -out ca.pem -days 30 -subj /C=CH/CN=CA");
    run("genrsa -traditional -out pkcs1.key 2048");
    run("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out pkcs8.key");
    run("ecparam -name prime256v1 -genkey -noout -out sec1.key");
    run("ecparam -name secp384r1 -genkey -out sec1-with-parameters.key");
    run("genpkey -algorithm ED25519 -out ed25519.key");
    let ca = read("ca.pem");
    let anchors = TrustAnchors::from_pem(&ca, b"").unwrap();
    for key in ["pkcs1", "pkcs8", "sec1", "sec1-with-parameters", "ed25519"] {
        run(&format!("req -new -key {key}.key -out {key}.csr -subj /C=CH/O=Example/CN=gw"));
        run(&format!(
            "x509 -req -in {key}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 \
             -extfile extensions -out {key}.pem"
        ));
        let credential =
            Credential::from_pem(&read(&format!("{key}.key")), &read(&format!("{key}.pem")))
                .unwrap_or_else(|error| panic!("{key}: {error}"));
        let now = credential.certificate().validity().0;
        let chain = credential.chain_for(&[]);
        for name in ["gw.example.com", "C=CH, O=Example, CN=gw"] {
            anchors.verify(&chain, &id(name), now).unwrap();
        }
        let (method, data) =
            auth::sign(&credential, Some(Hashes::OURS), OCTETS, &mut random()).unwrap();
        auth::verify(&anchors, credential.certificate(), method, &data, OCTETS).unwrap();
    }
}

#[test]
fn short_rsa_keys_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = "req -x509 -newkey rsa:1024 -nodes -keyout key -out pem -days 30 -subj /CN=short";
    assert!(openssl(folder.path(), run));
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let words = Credential::from_pem(&read("key"), &read("pem")).err().unwrap().to_string();
    assert!(words.contains("RSA of 2048 to 8192 bits"), "{words}");
}

#[test]
fn algorithms_have_the_bytes_of_rfc_7427_appendix_a() {
    for (scheme, hexadecimal) in [
        (Scheme::RsaPkcs1(Hash::Sha256), "300d06092a864886f70d01010b0500"),
        (Scheme::RsaPkcs1(Hash::Sha384), "300d06092a864886f70d01010c0500"),
        (Scheme::RsaPkcs1(Hash::Sha512), "300d06092a864886f70d01010d0500"),
        (Scheme::Ecdsa(Hash::Sha256), "300a06082a8648ce3d040302"),
        (Scheme::Ecdsa(Hash::Sha384), "300a06082a8648ce3d040303"),
        (Scheme::Ecdsa(Hash::Sha512), "300a06082a8648ce3d040304"),
        // RFC 8420 appendix A.
        (Scheme::Ed25519, "300506032b6570"),
        (
            Scheme::RsaPss(Hash::Sha256),
            "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886\
             f70d010108300d06096086480165030402010500a203020120",
        ),
    ] {
        let der = scheme.to_der();
        let text: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, hexadecimal);
        assert_eq!(Scheme::from_der(&der), Some(scheme));
    }
    for hash in Hash::ALL {
        let scheme = Scheme::RsaPss(hash);
        assert_eq!(Scheme::from_der(&scheme.to_der()), Some(scheme));
    }
    // Appendix A.4.1: RSA-PSS with all defaults is SHA-1. Appendix A.1.1: sha1WithRSAEncryption.
    assert_eq!(
        Scheme::from_der(b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x00"),
        None
    );
    assert_eq!(
        Scheme::from_der(b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00"),
        None
    );
}

#[test]
fn announced_hashes_are_read_and_written() {
    assert_eq!(Hashes::OURS.to_notify(), [0, 2, 0, 3, 0, 4, 0, 5]);
    assert_eq!(Hashes::from_notify(&[0, 2, 0, 3, 0, 4, 0, 5, 1, 0, 0, 99, 0]), Hashes::OURS);
    assert_eq!(Hashes::from_notify(&[0, 0, 0, 6]), Hashes::default());
}

proptest! {
    #[test]
    fn no_auth_payload_panics(
        method in 0u8..16,
        mut data in prop::collection::vec(any::<u8>(), 0..300),
        scheme in 0usize..5,
    ) {
        static PEER: std::sync::OnceLock<(TrustAnchors, Certificate)> = std::sync::OnceLock::new();
        let (anchors, certificate) = PEER.get_or_init(|| {
            let (credential, anchors) = credential(&ec_key());
            (anchors, credential.certificate().clone())
        });
        let scheme = [Scheme::RsaPss(Hash::Sha256), Scheme::Ecdsa(Hash::Sha256), Scheme::Ed25519]
            .get(scheme);
        if let Some(scheme) = scheme {
            let der = scheme.to_der();
            data.splice(0..0, der.iter().copied());
            data.insert(0, der.len() as u8);
        }
        prop_assert!(auth::verify(anchors, certificate, method, &data, OCTETS).is_err());
        prop_assert!(auth::verify_v1(certificate, OCTETS, &data).is_err());
    }
}
