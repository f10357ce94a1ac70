//! Every algorithm against what others computed.

use alloc::vec;
use alloc::vec::Vec;

use engine::{Secret, Seeded};

use super::dh::{InvalidPublic, KeyPair, respond};
use super::vectors::{Replay, hex, records};
use super::{MessageKeys, NotAuthentic, digest, prf, prf_plus, sha1};
use crate::algorithm::{Encryption, Group, Integrity, Prf};

const PRFS: [Prf; 5] =
    [Prf::HmacMd5, Prf::HmacSha1, Prf::HmacSha256, Prf::HmacSha384, Prf::HmacSha512];
const INTEGRITIES: [Integrity; 5] = [
    Integrity::HmacMd5,
    Integrity::HmacSha1,
    Integrity::HmacSha256,
    Integrity::HmacSha384,
    Integrity::HmacSha512,
];
const GROUPS: [Group; 9] = [
    Group::Modp1024,
    Group::Modp1536,
    Group::Modp2048,
    Group::Modp3072,
    Group::Modp4096,
    Group::Ecp256,
    Group::Ecp384,
    Group::X25519,
    Group::MlKem768,
];

fn encryptions() -> Vec<Encryption> {
    let mut all = vec![Encryption::ChaCha20Poly1305];
    for bits in [128, 192, 256] {
        all.push(Encryption::AesCbc(bits));
        all.extend([8, 12, 16].map(|icv_len| Encryption::AesGcm(bits, icv_len)));
    }
    all
}

#[test]
fn numbers_and_algorithms_name_each_other() {
    for encryption in encryptions() {
        let (id, bits) = (encryption.id(), encryption.key_bits());
        assert_eq!(Encryption::from_id(id, bits), Some(encryption));
    }
    for prf in PRFS {
        assert_eq!(Prf::from_id(prf.id()), Some(prf));
        assert_eq!(Prf::from_v1_id(prf.v1_id()), Some(prf));
    }
    for integrity in INTEGRITIES {
        assert_eq!(Integrity::from_id(integrity.id()), Some(integrity));
    }
    for group in GROUPS {
        assert_eq!(Group::from_id(group.id()), Some(group));
    }
    assert_eq!(Encryption::from_id(12, None), None);
    assert_eq!(Encryption::from_id(20, Some(64)), None);
    assert_eq!(Encryption::from_id(28, Some(256)), None);
}

#[test]
fn hmacs_are_those_of_the_rfcs() {
    let mut seen = 0;
    for record in records(include_str!("../../../../tests/vectors/hmac.txt")) {
        let algorithm = PRFS.into_iter().find(|prf| prf.name()[3..] == *record.text("hash"));
        let data = record.bytes("data");
        let (front, back) = data.split_at(data.len() / 3);
        let mac = prf(algorithm.unwrap(), &record.bytes("key"), &[front, back]);
        assert!(mac.expose().starts_with(&record.bytes("digest")), "{}", record.text("case"));
        seen += 1;
    }
    assert!(seen > 15);
    // RFC 4231 section 4.3.
    let data = b"what do ya want for nothing?";
    let sha384 = "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e\
                  8e2240ca5e69e2c78b3239ecfab21649";
    let sha512 = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                  9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737";
    assert!(prf(Prf::HmacSha384, b"Jefe", &[data]).expose() == hex(sha384));
    assert!(prf(Prf::HmacSha512, b"Jefe", &[data]).expose() == hex(sha512));
}

#[test]
fn prf_plus_numbers_its_blocks_and_cuts_the_last() {
    let whole = prf_plus(Prf::HmacSha256, b"key", &[b"se", b"ed"], 100);
    let first = prf(Prf::HmacSha256, b"key", &[b"seed", &[1]]);
    let second = prf(Prf::HmacSha256, b"key", &[first.expose(), b"seed", &[2]]);
    assert_eq!(whole.len(), 100);
    assert!(whole.expose()[..32] == *first.expose());
    assert!(whole.expose()[32..64] == *second.expose());
    assert!(prf_plus(Prf::HmacSha256, b"key", &[b"seed"], 0).is_empty());
    assert_eq!(prf_plus(Prf::HmacMd5, b"key", &[], 255 * 16).len(), 255 * 16);
}

#[test]
fn hashes_of_nothing_are_well_known() {
    assert_eq!(sha1(&[]).to_vec(), hex("da39a3ee5e6b4b0d3255bfef95601890afd80709"));
    assert_eq!(digest(Prf::HmacSha1, &[b""]), sha1(&[]));
    assert_eq!(digest(Prf::HmacMd5, &[]), hex("d41d8cd98f00b204e9800998ecf8427e"));
}

#[test]
fn powers_are_those_that_other_integers_give() {
    let records = records(include_str!("../../../../tests/vectors/ike-modp.txt"));
    assert_eq!(records.len(), 20);
    for record in records {
        let group = GROUPS.into_iter().find(|group| group.name() == record.text("group")).unwrap();
        let pair = KeyPair::generate(group, &mut Replay(record.bytes("private")));
        assert_eq!(pair.public(), record.bytes("public"));
        assert!(pair.agree(&record.bytes("peer")) == Ok(record.secret("shared")));
    }
}

#[test]
fn modp_values_that_give_the_secret_away_are_refused() {
    for group in &GROUPS[..5] {
        let pair = KeyPair::generate(*group, &mut Seeded::new([1; 32]));
        let len = group.public_len();
        let small = |value| {
            let mut bytes = vec![0; len];
            bytes[len - 1] = value;
            bytes
        };
        assert!(pair.agree(&vec![0xff; len]).is_err());
        let mut last = records(include_str!("../../../../tests/vectors/ike-modp.txt"))
            .iter()
            .find(|record| record.text("group") == group.name())
            .map(|record| record.bytes("prime"))
            .unwrap();
        assert!(pair.agree(&last).is_err());
        last[len - 1] -= 1;
        assert!(pair.agree(&last).is_err());
        assert!(pair.agree(&small(0)).is_err());
        assert!(pair.agree(&small(1)).is_err());
        assert!(pair.agree(&small(2)).is_ok());
        assert!(pair.agree(&small(2)[1..]).is_err());
        assert!(pair.agree(&[]).is_err());
        last[len - 1] -= 1;
        assert!(pair.agree(&last).is_ok());
    }
}

#[test]
fn curves_agree_as_others_do_and_refuse_what_they_must() {
    let (mut good, mut bad) = (0, 0);
    for record in records(include_str!("../../../../tests/vectors/ike-curves.txt")) {
        let group = GROUPS.into_iter().find(|group| group.name() == record.text("group")).unwrap();
        let pair = KeyPair::generate(group, &mut Replay(record.bytes("private")));
        let shared = pair.agree(&record.bytes("public"));
        if record.text("shared").is_empty() {
            assert!(shared == Err(InvalidPublic), "{}", record.text("case"));
            bad += 1;
        } else {
            assert!(shared == Ok(record.secret("shared")), "{}", record.text("case"));
            good += 1;
        }
    }
    assert!(good > 100 && bad > 30, "{good} {bad}");
}

#[test]
fn a_private_key_beyond_the_order_is_drawn_again() {
    let mut drawn = vec![0xff; 32];
    drawn.extend([7; 32]);
    let again = KeyPair::generate(Group::Ecp256, &mut Replay(drawn));
    let once = KeyPair::generate(Group::Ecp256, &mut Replay(vec![7; 32]));
    assert_eq!(again.public(), once.public());
}

#[test]
fn ml_kem_gives_the_published_keys_and_secrets() {
    let (mut encapsulated, mut refused) = (0, 0);
    for record in records(include_str!("../../../../tests/vectors/ike-ml-kem.txt")) {
        let public = record.bytes("public");
        if record.text("shared").is_empty() {
            let answer = respond(Group::MlKem768, &public, &mut Seeded::new([1; 32]));
            assert!(answer.is_err());
            refused += 1;
            continue;
        }
        let pair = KeyPair::generate(Group::MlKem768, &mut Replay(record.bytes("seed")));
        assert_eq!(pair.public(), public);
        assert!(pair.agree(&record.bytes("ciphertext")) == Ok(record.secret("shared")));
        if !record.text("message").is_empty() {
            let mut message = Replay(record.bytes("message"));
            let (ciphertext, shared) = respond(Group::MlKem768, &public, &mut message).unwrap();
            assert_eq!(ciphertext, record.bytes("ciphertext"));
            assert!(shared == record.secret("shared"));
            encapsulated += 1;
        }
    }
    assert!(encapsulated > 0 && refused > 0);
}

#[test]
fn both_sides_agree_in_every_group_and_the_same_seed_gives_the_same_keys() {
    for group in GROUPS {
        let run = || {
            let mut random = Seeded::new([group.id() as u8; 32]);
            let initiator = KeyPair::generate(group, &mut random);
            let (reply, theirs) = respond(group, initiator.public(), &mut random).unwrap();
            let ours = initiator.agree(&reply).unwrap();
            assert!(ours == theirs);
            assert_eq!(initiator.public().len(), group.public_len());
            assert_eq!(reply.len(), group.reply_len());
            assert_eq!(ours.len(), group.secret_len());
            (initiator.public().to_vec(), reply, ours)
        };
        assert!(run() == run(), "{}", group.name());
    }
}

fn message_keys(encryption: Encryption, integrity: Option<Integrity>) -> MessageKeys {
    let key = |len| Secret::new((0..len as u8).collect());
    let integrity_len = integrity.map_or(0, Integrity::key_len);
    MessageKeys::new(encryption, integrity, key(encryption.key_len()), key(integrity_len))
}

#[test]
fn messages_are_sealed_as_openssl_seals_them() {
    let records = records(include_str!("../../../../tests/vectors/ike-messages.txt"));
    assert_eq!(records.len(), 125);
    for record in records {
        let name = record.text("encryption");
        let encryption = encryptions().into_iter().find(|one| one.name() == name).unwrap();
        let integrity = record.text("integrity");
        let integrity = INTEGRITIES.into_iter().find(|one| one.name() == integrity);
        let (key, mac_key) = (record.secret("encryption_key"), record.secret("integrity_key"));
        let keys = MessageKeys::new(encryption, integrity, key, mac_key);
        let (associated, text) = (record.bytes("associated"), record.bytes("text"));
        let body = record.bytes("body");
        assert_eq!(keys.seal_with_iv(&associated, &record.bytes("iv"), &text), body);
        assert_eq!(keys.sealed_len(text.len()), body.len());
        assert_eq!(keys.open(&associated, &body), Ok(text));
    }
}

/// RFC 7634 appendix B.
#[test]
fn chacha20_poly1305_is_that_of_the_rfc() {
    let mut key: Vec<u8> = (0x80..0xa0).collect();
    key.extend(0xa0..0xa4);
    let keys =
        MessageKeys::new(Encryption::ChaCha20Poly1305, None, Secret::new(key), Secret::new(vec![]));
    let associated = hex("c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029");
    let text = hex("0000000c000040010000000a");
    let body = "1011121314151617610394701f8d017f7c129248896b71bfe25236efd7cdc67066906315b2";
    let sealed = keys.seal_with_iv(&associated, &hex("1011121314151617"), &text);
    assert_eq!(sealed, hex(body));
}

#[test]
fn damaged_messages_do_not_open() {
    let aead = Encryption::AesGcm(128, 8);
    let cbc = Encryption::AesCbc(256);
    for (encryption, integrity) in
        [(aead, None), (Encryption::ChaCha20Poly1305, None), (cbc, Some(Integrity::HmacSha256))]
    {
        let keys = message_keys(encryption, integrity);
        let body = keys.seal(b"header", b"payloads", &mut Seeded::new([3; 32]));
        assert_eq!(keys.open(b"header", &body), Ok(b"payloads".to_vec()));
        assert_eq!(keys.open(b"Header", &body), Err(NotAuthentic));
        for at in 0..body.len() {
            let mut damaged = body.clone();
            damaged[at] ^= 0x10;
            assert_eq!(keys.open(b"header", &damaged), Err(NotAuthentic));
            assert_eq!(keys.open(b"header", &body[..at]), Err(NotAuthentic));
        }
    }
}

#[test]
fn ivs_never_repeat() {
    for (encryption, integrity) in
        [(Encryption::AesGcm(256, 16), None), (Encryption::AesCbc(128), Some(Integrity::HmacSha1))]
    {
        let keys = message_keys(encryption, integrity);
        let mut random = Seeded::new([9; 32]);
        let mut iv = || keys.seal(b"", b"", &mut random)[..encryption.iv_len()].to_vec();
        let mut ivs: Vec<_> = (0..100).map(|_| iv()).collect();
        ivs.sort();
        ivs.dedup();
        assert_eq!(ivs.len(), 100);
    }
}

#[test]
fn a_full_payload_fills_its_room_and_no_more() {
    for encryption in encryptions() {
        let integrity = (!encryption.is_aead()).then_some(Integrity::HmacSha256);
        let keys = message_keys(encryption, integrity);
        for room in 0..200 {
            let Some(capacity) = keys.capacity(room) else {
                assert!(keys.sealed_len(0) > room);
                continue;
            };
            assert!(keys.sealed_len(capacity) <= room);
            assert!(keys.sealed_len(capacity + 1) > room);
        }
    }
}
