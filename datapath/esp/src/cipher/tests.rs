//! The primitives as we key and feed them, against the vectors of their standards.
#![cfg(not(loom))]

use aes::{Aes128Dec, Aes128Enc, Aes256Dec, Aes256Enc};
use hmac::digest::block_api::EagerHash;
use zeroize::ZeroizeOnDrop;

use super::*;
use crate::tests::known_answers::records;

pub(crate) fn seal_one(sealer: &Sealer, high: Option<u32>, packet: &mut [u8]) -> bool {
    let mut outcome = Ok(());
    seal(&mut [SealJob { sealer, high, packet, outcome: &mut outcome }]);
    outcome.is_ok()
}

fn open_one(opener: &Opener, packet: &mut [u8]) -> Result<(), OpenError> {
    let mut outcome = Err(OpenError::Truncated);
    open(&mut [OpenJob { opener, high: None, packet, outcome: &mut outcome }]);
    outcome
}

#[test]
fn hmacs_are_those_of_rfc_2202_4231_and_4868() {
    let records = records(include_str!("../../../../tests/vectors/hmac.txt"));
    assert_eq!(records.len(), 25);
    for record in records {
        let (suite, key) = (suite_of(record.text("hash")), record.bytes("key"));
        let (data, digest) = (record.bytes("data"), record.bytes("digest"));
        for crypto in [Crypto::Fastest, Crypto::Portable] {
            let keys = Keys { encryption: &[], authentication: &key };
            let mac = Mac::new(suite, keys, crypto).unwrap();
            let icv = |data: &[u8], high| {
                let packet = [data, &vec![0; suite.icv_len()]].concat();
                let mut jobs = [mac.job(&packet, high).unwrap()];
                mac::compute(&mut jobs);
                jobs[0].icv[..suite.icv_len()].to_vec()
            };
            let expected = &digest[..suite.icv_len()];
            assert_eq!(icv(&data, None), expected, "{}", record.text("case"));
            // A high half is nothing but four more bytes behind the data.
            if let Some((data, high)) = data.split_last_chunk() {
                assert_eq!(icv(data, Some(u32::from_be_bytes(*high))), expected);
                assert_ne!(icv(data, None), expected);
            }
        }
    }
}

fn suite_of(hash: &str) -> Suite {
    match hash {
        "md5" => Suite::NULL_MD5,
        "sha1" => Suite::NULL_SHA1,
        _ => Suite::AES128_SHA256,
    }
}

#[test]
fn cbc_is_that_of_rfc_3602_and_nist_800_38a() {
    let records = records(include_str!("../../../../tests/vectors/aes-cbc.txt"));
    assert_eq!(records.len(), 6);
    for record in records {
        let key = record.bytes("key");
        let keys = Keys { encryption: &key, authentication: &[] };
        let suite = if key.len() == 16 { Suite::AES128_SHA1 } else { Suite::AES256_SHA1 };
        let head = [vec![0; 8], record.bytes("iv")].concat();
        let plain = [head.clone(), record.bytes("plain")].concat();
        let cipher = [head, record.bytes("cipher")].concat();

        let mut packet = plain.clone();
        for crypto in [Crypto::Fastest, Crypto::Portable] {
            packet.copy_from_slice(&plain);
            Encryptor::new(suite, keys, crypto).unwrap().encrypt(&mut packet).unwrap();
            assert_eq!(packet, cipher, "{}", record.text("case"));
        }
        Decryptor::new(suite, keys).unwrap().decrypt(&mut packet).unwrap();
        assert_eq!(packet, plain, "{}", record.text("case"));
    }
}

#[test]
fn what_is_too_short_or_not_whole_blocks_is_neither_sealed_nor_opened() {
    for suite in Suite::ALL {
        let (encryption, authentication) = ([1; 36], [2; 64]);
        let keys = Keys {
            encryption: &encryption[..suite.encryption_key_len()],
            authentication: &authentication[..suite.authentication_key_len()],
        };
        for crypto in [Crypto::Fastest, Crypto::Portable] {
            let sealer = Sealer::new(*suite, keys, crypto).unwrap();
            let opener = Opener::new(*suite, keys, crypto).unwrap();
            let shortest = suite.header_len() - usize::from(suite.iv_len() == 0) * 8;
            for len in 0..shortest + suite.icv_len() {
                let mut packet = vec![0; len];
                assert!(!seal_one(&sealer, None, &mut packet), "{} {len}", suite.name());
                assert!(open_one(&opener, &mut packet).is_err(), "{} {len}", suite.name());
            }
            if suite.align() == 16 {
                let len = suite.header_len() + 15 + suite.icv_len();
                assert!(!seal_one(&sealer, None, &mut vec![0; len]));
            }
        }
    }
}

#[test]
fn key_schedules_and_keyed_hashes_are_wiped_on_drop() {
    // Compiles only with the crates' `zeroize` features.
    fn wiped<T: ZeroizeOnDrop>() {}
    wiped::<Aes128Enc>();
    wiped::<Aes128Dec>();
    wiped::<Aes256Enc>();
    wiped::<Aes256Dec>();
    // An HMAC's two keyed states are these; it is not marked itself.
    wiped::<<md5::Md5 as EagerHash>::Core>();
    wiped::<<sha1::Sha1 as EagerHash>::Core>();
    wiped::<<sha2::Sha256 as EagerHash>::Core>();
}
