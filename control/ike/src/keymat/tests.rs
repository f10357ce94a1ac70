//! Derivations against transcripts of others and against the RFCs' formulas.

use alloc::vec;
use alloc::vec::Vec;

use engine::Secret;
use wire::Suite;

use super::v1::{BrokenBlocks, Iv, Phase1Keys, Proof, QuickMode, skeyid_psk, skeyid_signature};
use super::v2::{IkeSuite, Intermediate, Seed, SkKeys, auth_octets, psk_auth};
use super::{EspKeys, nat_detection, nat_detection_v1};
use crate::algorithm::{Encryption, Integrity, Prf};
use crate::crypto::vectors::{Record, hex, records};
use crate::crypto::{prf, prf_plus};

const SUITE: IkeSuite = IkeSuite {
    encryption: Encryption::AesCbc(128),
    integrity: Some(Integrity::HmacSha256),
    prf: Prf::HmacSha256,
};

fn v2() -> Record {
    records(include_str!("../../../../tests/vectors/ike-v2-charon.txt")).remove(0)
}

fn v1() -> Record {
    records(include_str!("../../../../tests/vectors/ike-v1-charon.txt")).remove(0)
}

fn v2_keys(charon: &Record) -> SkKeys {
    let (nonce_i, nonce_r) = (&charon.bytes("nonce_i")[..], &charon.bytes("nonce_r")[..]);
    let seed = Seed { nonce_i, nonce_r, spi_i: charon.spi("spi_i"), spi_r: charon.spi("spi_r") };
    SkKeys::derive(SUITE, &seed, &charon.secret("shared"))
}

fn assert_esp_keys(charon: &Record, side: &str, keys: &EspKeys) {
    let name = |kind: &str| [kind, side].concat();
    assert!(keys.encryption == charon.secret(&name("encryption_")));
    assert!(keys.authentication == charon.secret(&name("integrity_")));
}

#[test]
fn ikev2_keys_are_those_of_strongswan() {
    let charon = v2();
    let keys = v2_keys(&charon);
    assert!(keys.d == charon.secret("sk_d"));
    assert!(keys.pi == charon.secret("sk_pi"));
    assert!(keys.pr == charon.secret("sk_pr"));
    assert!(*keys.initiator.encryption_key() == charon.secret("sk_ei"));
    assert!(*keys.initiator.integrity_key() == charon.secret("sk_ai"));
    assert!(*keys.responder.encryption_key() == charon.secret("sk_er"));
    assert!(*keys.responder.integrity_key() == charon.secret("sk_ar"));
    let (nonce_i, nonce_r) = (charon.bytes("nonce_i"), charon.bytes("nonce_r"));
    let (initiator, responder) = keys.child(Suite::AES128_SHA1, &nonce_i, &nonce_r, None, &[]);
    assert_esp_keys(&charon, "i", &initiator);
    assert_esp_keys(&charon, "r", &responder);
}

#[test]
fn ikev2_messages_of_strongswan_open() {
    let charon = v2();
    let keys = v2_keys(&charon);
    let request = (charon.bytes("auth_request"), &keys.initiator);
    for (message, keys) in [request, (charon.bytes("auth_response"), &keys.responder)] {
        // Header of the message and of the encrypted payload.
        let (associated, body) = message.split_at(32);
        let payloads = keys.open(associated, body).unwrap();
        assert!(!payloads.is_empty());
        assert_eq!(keys.sealed_len(payloads.len()), body.len());
    }
}

#[test]
fn ikev2_auth_is_that_of_strongswan() {
    let charon = v2();
    let keys = v2_keys(&charon);
    let psk = charon.secret("psk");
    let sides = [
        ("init_request", "nonce_r", &keys.pi, "id_i", "octets_i", "auth_i"),
        ("init_response", "nonce_i", &keys.pr, "id_r", "octets_r", "auth_r"),
    ];
    for (message, nonce, sk_p, identity, octets, auth) in sides {
        let (message, nonce) = (charon.bytes(message), charon.bytes(nonce));
        let ours = auth_octets(SUITE.prf, &message, &nonce, sk_p, &charon.bytes(identity), None);
        assert_eq!(ours, charon.bytes(octets));
        assert!(psk_auth(SUITE.prf, &psk, &ours) == charon.secret(auth));
    }
}

/// NIST's ACVP, kdf-components ikev2, as libreswan publishes it (programs/cavp, test 100).
#[test]
fn ikev2_key_material_is_that_of_nist() {
    let (nonce_i, nonce_r) = (hex("32b50d5f4a3763f3"), hex("9206a04b26564cb1"));
    let spi = |text| hex(text).try_into().unwrap();
    let seed = Seed {
        nonce_i: &nonce_i,
        nonce_r: &nonce_r,
        spi_i: spi("34c9e7c188868785"),
        spi_r: spi("3ff77d760d2b2199"),
    };
    let shared = "4b2c1f971981a8ad8d0abeafabf38cf75fc8349c148142465ed9c8b516b8be52";
    let new = "863f3c9d06efd39d2b907b97f8699e5dd5251ef64a2a176f36ee40c87d4f9330";
    let (shared, new) = (Secret::new(hex(shared)), Secret::new(hex(new)));
    let suite = IkeSuite {
        encryption: Encryption::AesCbc(256),
        integrity: Some(Integrity::HmacSha1),
        prf: Prf::HmacSha1,
    };
    let keys = SkKeys::derive(suite, &seed, &shared);
    let material = "a14293677cc80ff8f9cc0eee30d895da9d8f405666e30ef0dfcb63c634a46002\
                    a2a63080e514a062768b76606f9fa5e992204fc5a670bde3f10d6b027113936a\
                    5c55b648a194ae587b0088d52204b702c979fa280870d2ed41efa9c549fd1119\
                    8af1670b143d384bd275c5f594cf266b05ebadca855e4249520a441a81157435a7a56cc4";
    let material = hex(material);
    assert!(*keys.d.expose() == material[..20]);
    assert!(*keys.initiator.integrity_key().expose() == material[20..40]);
    assert!(*keys.responder.integrity_key().expose() == material[40..60]);
    assert!(*keys.initiator.encryption_key().expose() == material[60..92]);
    assert!(*keys.responder.encryption_key().expose() == material[92..124]);
    // 132 bytes of 164 are published: the last 8 are the front of SK_pi.
    assert!(keys.pi.expose()[..8] == material[124..]);

    let child = "8059e3ee8810e6c3a91bc8bcd2a7a41151b8d0e6ae239c7b38093ad85ef4c581\
                 1a8e7b5d1cdabd9560b2d5e092d1f24e2d4b85ec";
    let (initiator, _) = keys.child(Suite::AES256_SHA1, &nonce_i, &nonce_r, None, &[]);
    assert_joined(&initiator, &hex(child));
    let with_pfs = "bb43244c1860ad65ee1e211ffe8bb3661750c8f89cb9f547df7f4fa61d373016\
                    28190e38c66232eab4b3ab14c400a5197dd3730e";
    let (initiator, _) = keys.child(Suite::AES256_SHA1, &nonce_i, &nonce_r, Some(&new), &[]);
    assert_joined(&initiator, &hex(with_pfs));

    let rekeyed = keys.rekey(suite, &seed, &new, &[]);
    let skeyseed = hex("63e81194946ebd05df7df5ebf5d8750056bf1f1d");
    let parts = [&nonce_i[..], &nonce_r, &seed.spi_i, &seed.spi_r];
    assert!(rekeyed.d == prf_plus(Prf::HmacSha1, &skeyseed, &parts, 20));
}

fn assert_joined(keys: &EspKeys, material: &[u8]) {
    let joined = [keys.encryption.expose(), keys.authentication.expose()].concat();
    assert!(joined == material[..joined.len()]);
}

#[test]
fn additional_key_exchanges_go_where_rfc_9370_puts_them() {
    let charon = v2();
    let keys = v2_keys(&charon);
    let (nonce_i, nonce_r) = (b"initiator's nonce", b"responder's nonce");
    let seed = Seed { nonce_i, nonce_r, spi_i: [1; 8], spi_r: [2; 8] };
    let secret = |byte| Secret::new(vec![byte; 32]);
    let expanded = |skeyseed: &Secret| {
        let parts = [&nonce_i[..], nonce_r, &[1; 8], &[2; 8]];
        prf_plus(SUITE.prf, skeyseed.expose(), &parts, 32)
    };
    let skeyseed = prf(SUITE.prf, keys.d.expose(), &[&[7; 32], nonce_i, nonce_r]);
    assert!(keys.update(&seed, &secret(7)).d == expanded(&skeyseed));

    let parts = [&[7; 32][..], nonce_i, nonce_r, &[8; 32], &[9; 32]];
    let skeyseed = prf(SUITE.prf, keys.d.expose(), &parts);
    let additional = [secret(8), secret(9)];
    assert!(keys.rekey(SUITE, &seed, &secret(7), &additional).d == expanded(&skeyseed));

    let suite = Suite::AES128GCM16;
    let material = prf_plus(SUITE.prf, keys.d.expose(), &parts, 40);
    let (initiator, responder) = keys.child(suite, nonce_i, nonce_r, Some(&secret(7)), &additional);
    assert_joined(&initiator, &material.expose()[..20]);
    assert_joined(&responder, &material.expose()[20..]);
}

#[test]
fn a_rekeyed_sa_is_seeded_with_the_old_prf() {
    let keys = v2_keys(&v2());
    let suite = IkeSuite { prf: Prf::HmacSha512, ..SUITE };
    let seed = Seed { nonce_i: b"i", nonce_r: b"r", spi_i: [1; 8], spi_r: [2; 8] };
    let skeyseed = prf(SUITE.prf, keys.d.expose(), &[b"shared", b"i", b"r"]);
    let parts = [&b"ir"[..], &[1; 8], &[2; 8]];
    let rekeyed = keys.rekey(suite, &seed, &Secret::copy_of(b"shared"), &[]);
    assert!(rekeyed.d == prf_plus(Prf::HmacSha512, skeyseed.expose(), &parts, 64));
}

#[test]
fn a_ppk_changes_three_keys_and_only_when_adopted() {
    let charon = v2();
    let mut keys = v2_keys(&charon);
    let mixed = keys.with_ppk(&Secret::copy_of(b"post-quantum"));
    assert!(keys.d == charon.secret("sk_d"));
    // RFC 8784 section 3: prf+ with the PPK as its key; one block is enough.
    let expected = |key: &Secret| prf(SUITE.prf, b"post-quantum", &[key.expose(), &[1]]);
    assert!(mixed.d == expected(&keys.d));
    assert!(mixed.pi == expected(&keys.pi));
    assert!(mixed.pr == expected(&keys.pr));
    keys.adopt(mixed);
    assert!(keys.d != charon.secret("sk_d"));
    assert!(*keys.initiator.encryption_key() == charon.secret("sk_ei"));
}

#[test]
fn intermediate_exchanges_are_chained_as_rfc_9242_has_it() {
    let keys = v2_keys(&v2());
    let mut header = [0; 28];
    // Next payload is that of a fragment; the length counts IV, padding and ICV.
    (header[16], header[18], header[19], header[23], header[27]) = (53, 43, 0x08, 1, 200);
    let mut intermediate = Intermediate::default();
    assert!(intermediate.is_empty());
    intermediate.add(&keys, &header, 34, b"the initiator's payloads");
    let mut plain = header;
    (plain[16], plain[27]) = (46, 28 + 4 + 24);
    let associated = [&plain[..], &[34, 0, 0, 28], b"the initiator's payloads"].concat();
    let first = prf(SUITE.prf, keys.pi.expose(), &[&associated]);
    intermediate.add(&keys, &header, 34, b"the initiator's payloads");
    let second = prf(SUITE.prf, keys.pi.expose(), &[first.expose(), &associated]);

    header[19] = 0x20;
    intermediate.add(&keys, &header, 0, b"");
    (header[16], header[27]) = (46, 32);
    let responder = prf(SUITE.prf, keys.pr.expose(), &[&header, &[0, 0, 0, 4]]);
    let expected = [second.expose(), responder.expose(), &[0, 0, 0, 3]].concat();
    assert_eq!(intermediate.octets(3), expected);
}

fn v1_keys(charon: &Record) -> Phase1Keys {
    let (nonce_i, nonce_r) = (charon.bytes("nonce_i"), charon.bytes("nonce_r"));
    let skeyid = skeyid_psk(Prf::HmacSha1, &charon.secret("psk"), &nonce_i, &nonce_r);
    let (cky_i, cky_r) = (charon.spi("cky_i"), charon.spi("cky_r"));
    let shared = charon.secret("shared");
    Phase1Keys::derive(Prf::HmacSha1, Encryption::AesCbc(128), skeyid, &shared, cky_i, cky_r)
}

#[test]
fn ikev1_keys_are_those_of_strongswan() {
    let charon = v1();
    let keys = v1_keys(&charon);
    assert!(keys.skeyid == charon.secret("skeyid"));
    assert!(keys.d == charon.secret("skeyid_d"));
    assert!(keys.a == charon.secret("skeyid_a"));
    assert!(keys.cipher == charon.secret("ka"));
    let iv = keys.first_iv(&charon.bytes("public_i"), &charon.bytes("public_r"));
    assert_eq!(iv.0.to_vec(), charon.bytes("first_iv"));
}

#[test]
fn ikev1_identity_hashes_are_those_of_strongswan() {
    let charon = v1();
    let keys = v1_keys(&charon);
    let (public_i, public_r) = (charon.bytes("public_i"), charon.bytes("public_r"));
    let (cky_i, cky_r) = (charon.spi("cky_i"), charon.spi("cky_r"));
    let data = charon.bytes("hash_i_data");
    let (front, identity_i) = data.split_at(data.len() - 8);
    let sa = &front[2 * 128 + 16..];
    let data = charon.bytes("hash_r_data");
    let initiator = Proof {
        public: &public_i,
        other_public: &public_r,
        cookie: cky_i,
        other_cookie: cky_r,
        sa,
        identity: identity_i,
    };
    let responder = Proof {
        public: &public_r,
        other_public: &public_i,
        cookie: cky_r,
        other_cookie: cky_i,
        sa,
        identity: &data[data.len() - 8..],
    };
    assert!(keys.identity_hash(&initiator) == charon.secret("hash_i"));
    assert!(keys.identity_hash(&responder) == charon.secret("hash_r"));
}

#[test]
fn ikev1_messages_of_strongswan_decrypt_with_chained_ivs() {
    let charon = v1();
    let keys = v1_keys(&charon);
    let mut iv = keys.first_iv(&charon.bytes("public_i"), &charon.bytes("public_r"));
    let open = |message: &str, iv: &mut Iv| {
        let message = charon.bytes(message);
        let (payloads, next) = keys.decrypt(*iv, &message[28..]).unwrap();
        let mut again = *iv;
        assert_eq!(keys.encrypt(&mut again, &payloads), message[28..]);
        assert_eq!(again, next);
        *iv = next;
        payloads
    };
    let payloads = open("main_5", &mut iv);
    assert_eq!(iv.0.to_vec(), charon.bytes("iv_after_5"));
    // The ID payload, then the hash.
    assert_eq!(payloads[12 + 4..][..20], charon.bytes("hash_i"));
    let payloads = open("main_6", &mut iv);
    assert_eq!(iv.0.to_vec(), charon.bytes("iv_after_6"));
    assert_eq!(payloads[12 + 4..][..20], charon.bytes("hash_r"));

    let message_id = u32::from_be_bytes(*charon.bytes("quick_1")[20..].first_chunk().unwrap());
    let mut iv = keys.message_iv(iv, message_id);
    assert_eq!(iv.0.to_vec(), charon.bytes("quick_iv"));
    let first = open("quick_1", &mut iv);
    assert_eq!(iv.0.to_vec(), charon.bytes("quick_iv_after_1"));
    let second = open("quick_2", &mut iv);
    let third = open("quick_3", &mut iv);
    let nonce_i = nonce(&first);
    let nonce_r = nonce(&second);
    let hash_1 = keys.message_hash(message_id, None, behind_hash(&first));
    assert!(hash_1 == charon.secret("hash_1") && first[4..24] == *hash_1.expose());
    let hash_2 = keys.message_hash(message_id, Some(nonce_i), behind_hash(&second));
    assert!(hash_2 == charon.secret("hash_2") && second[4..24] == *hash_2.expose());
    let hash_3 = keys.last_hash(message_id, nonce_i, nonce_r);
    assert!(hash_3 == charon.secret("hash_3") && third[4..24] == *hash_3.expose());

    let exchange = QuickMode { nonce_i, nonce_r, shared: None };
    for (seed, side) in [("seed_i", "i"), ("seed_r", "r")] {
        let seed = charon.bytes(seed);
        assert_eq!(seed[5..], [nonce_i, nonce_r].concat());
        let spi = u32::from_be_bytes(*seed[1..].first_chunk().unwrap());
        assert_esp_keys(&charon, side, &keys.child(Suite::AES128_SHA1, spi, &exchange));
    }
}

/// Payloads without their padding, from behind the hash payload on.
fn behind_hash(payloads: &[u8]) -> &[u8] {
    let (mut next, mut at) = (payloads[0], 24);
    while next != 0 {
        next = payloads[at];
        at += usize::from(u16::from_be_bytes([payloads[at + 2], payloads[at + 3]]));
    }
    &payloads[24..at]
}

/// The body of the nonce payload.
fn nonce(payloads: &[u8]) -> &[u8] {
    let (mut next, mut at) = (payloads[0], 24);
    loop {
        let len = usize::from(u16::from_be_bytes([payloads[at + 2], payloads[at + 3]]));
        if next == 10 {
            return &payloads[at + 4..at + len];
        }
        next = payloads[at];
        at += len;
    }
}

/// NIST's ACVP, kdf-components ikev1, as libreswan publishes it (programs/cavp, test 100).
#[test]
fn ikev1_key_material_is_that_of_nist() {
    let psk = Secret::new(hex("75"));
    let skeyid =
        skeyid_psk(Prf::HmacSha1, &psk, &hex("b9a2d0e922dc66dd"), &hex("2130166863b5ddef"));
    assert!(skeyid.expose() == hex("62b04d112877e442fc3282fc37c076997718a0b9"));
    let shared = hex("739003ba2c11c982946c65e26acf661fbf8ebb78011a9fead79efa12fe3e71cc");
    let cookie = |text| hex(text).try_into().unwrap();
    let (cky_i, cky_r) = (cookie("83d374c30b3b5082"), cookie("5afc0da06c728029"));
    let shared = Secret::new(shared);
    let encryption = Encryption::AesCbc(256);
    let keys = Phase1Keys::derive(Prf::HmacSha1, encryption, skeyid, &shared, cky_i, cky_r);
    assert!(keys.d.expose() == hex("369e5aad1bdb5faf6a3d929d500cdc236710a9ab"));
    assert!(keys.a.expose() == hex("588e957d8d790d093b3a39f121473473af78e9bb"));
    // RFC 2409 appendix B: SKEYID_e is shorter than the cipher's key.
    let skeyid_e = hex("cd74b0c048219db81384d3fda8f6cda51e398a2b");
    let first = prf(Prf::HmacSha1, &skeyid_e, &[&[0]]);
    let second = prf(Prf::HmacSha1, &skeyid_e, &[first.expose()]);
    assert!(*keys.cipher.expose() == [first.expose(), &second.expose()[..12]].concat());
}

#[test]
fn signatures_and_forward_secrecy_mix_the_shared_secret_in() {
    let shared = Secret::copy_of(b"g^xy");
    let skeyid = skeyid_signature(Prf::HmacSha256, b"Ni", b"Nr", &shared);
    assert!(skeyid == prf(Prf::HmacSha256, b"NiNr", &[b"g^xy"]));
    let keys = Phase1Keys::derive(SUITE.prf, SUITE.encryption, skeyid, &shared, [1; 8], [2; 8]);
    let seed = b"g(qm)^xy\x03\x00\x00\x01\x02NiNr";
    let first = prf(SUITE.prf, keys.d.expose(), &[seed]);
    let second = prf(SUITE.prf, keys.d.expose(), &[first.expose(), seed]);
    let material = [first.expose(), second.expose()].concat();
    let shared = Secret::copy_of(b"g(qm)^xy");
    let exchange = QuickMode { nonce_i: b"Ni", nonce_r: b"Nr", shared: Some(&shared) };
    assert_joined(&keys.child(Suite::AES256_SHA256, 0x102, &exchange), &material);
}

#[test]
fn bodies_that_are_no_whole_blocks_do_not_decrypt() {
    let keys = v1_keys(&v1());
    for len in [0, 1, 15, 17, 31] {
        assert_eq!(keys.decrypt(Iv([0; 16]), &vec![0; len]), Err(BrokenBlocks));
    }
    let mut iv = Iv([0; 16]);
    let body: Vec<u8> = keys.encrypt(&mut iv, b"seventeen bytes..");
    assert_eq!(body.len(), 32);
}

#[test]
fn nat_detection_hashes_are_those_of_strongswan() {
    // The responder's address stands in the initiator's first message as the destination.
    let end = "10.0.0.1:500".parse().unwrap();
    let v2 = v2();
    let hash = nat_detection(v2.spi("spi_i"), [0; 8], end);
    assert_eq!(hash.to_vec(), hex("f85b17784b6dd8212a02c3417211c297704bb486"));
    let v1 = v1();
    let hash = nat_detection_v1(Prf::HmacSha1, v1.spi("cky_i"), v1.spi("cky_r"), end);
    assert_eq!(hash, v1.bytes("nat_d_of_responder"));
}
