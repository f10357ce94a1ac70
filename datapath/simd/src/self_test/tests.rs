//! The answers by other implementations, and kernels that give wrong ones.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use aes_gcm::{AesGcm, KeyInit as _};
use cbc::cipher::{BlockModeEncrypt, InnerIvInit, array::Array};
use hmac::{Hmac, Mac, digest::block_api::EagerHash};

use super::*;

#[test]
fn other_implementations_give_these_answers() {
    let found = [
        gcm_elsewhere(),
        cbc_elsewhere(),
        hmac_elsewhere::<sha1::Sha1>(),
        hmac_elsewhere::<sha2::Sha256>(),
        hmac_elsewhere::<md5::Md5>(),
    ];
    let written = [AES_GCM, AES_CBC, HMAC_SHA1, HMAC_SHA256, HMAC_MD5];
    assert_eq!(found, written, "{found:#x?}");
}

fn gcm_elsewhere() -> u64 {
    let question = Question::new();
    let mut folded = Folded::new();
    for message in 0..MESSAGES {
        let mut text = question.text(message).to_vec();
        let (nonce, aad) = (question.nonce(message), question.aad(message));
        let nonce = (&nonce).into();
        let key = question.key(message);
        let buffer = text.as_mut_slice().into();
        let tag = match key.len() {
            16 => AesGcm::<aes::Aes128, U12>::new_from_slice(key)
                .unwrap()
                .encrypt_inout_detached(nonce, aad, buffer),
            24 => AesGcm::<aes::Aes192, U12>::new_from_slice(key)
                .unwrap()
                .encrypt_inout_detached(nonce, aad, buffer),
            _ => AesGcm::<aes::Aes256, U12>::new_from_slice(key)
                .unwrap()
                .encrypt_inout_detached(nonce, aad, buffer),
        };
        folded.add(&text);
        folded.add(&tag.unwrap());
    }
    folded.0
}

fn cbc_elsewhere() -> u64 {
    let question = Question::new();
    let mut folded = Folded::new();
    for message in 0..MESSAGES {
        let mut text = question.text(message).to_vec();
        let (key, iv) = (question.key(message), question.iv(message));
        let iv = (&iv).into();
        let blocks = Array::slice_as_chunks_mut(&mut text).0;
        match key.len() {
            16 => cbc::Encryptor::inner_iv_init(aes::Aes128::new_from_slice(key).unwrap(), iv)
                .encrypt_blocks(blocks),
            24 => cbc::Encryptor::inner_iv_init(aes::Aes192::new_from_slice(key).unwrap(), iv)
                .encrypt_blocks(blocks),
            _ => cbc::Encryptor::inner_iv_init(aes::Aes256::new_from_slice(key).unwrap(), iv)
                .encrypt_blocks(blocks),
        }
        folded.add(&text);
    }
    folded.0
}

fn hmac_elsewhere<H: EagerHash>() -> u64
where
    Hmac<H>: Mac + hmac::KeyInit,
{
    let question = Question::new();
    let mut folded = Folded::new();
    for message in 0..MESSAGES {
        let mut mac = <Hmac<H> as hmac::KeyInit>::new_from_slice(question.key(message)).unwrap();
        mac.update(question.text(message));
        mac.update(question.tail(message).as_ref().map_or(&[], |tail| tail.as_slice()));
        folded.add(&mac.finalize().into_bytes());
    }
    folded.0
}

/// What a CPU without the instructions says to every test here.
fn nothing_to_test(usable: bool) -> bool {
    if !usable {
        eprintln!("not tested: this CPU lacks the kernel");
    }
    !usable
}

#[test]
fn kernels_that_work_pass() {
    assert_eq!(aes_gcm(GcmKey::seal, GcmKey::open), crate::detect::gcm());
    assert_eq!(aes_cbc(crate::cbc_encrypt), crate::detect::aes());
    assert_eq!(hmac_sha1(crate::hmac_sha1), crate::detect::sha());
    assert_eq!(hmac_sha256(crate::hmac_sha256), crate::detect::sha());
    assert_eq!(hmac_md5(crate::hmac_md5), crate::detect::avx2());
}

#[test]
fn a_wrong_bit_in_one_lane_fails() {
    for message in 1..MESSAGES {
        assert!(!aes_cbc(|jobs| {
            crate::cbc_encrypt(jobs);
            let last = jobs[message].blocks.len() - 1;
            jobs[message].blocks[last] ^= 1;
        }));
        assert!(!hmac_sha1(|jobs| {
            crate::hmac_sha1(jobs);
            jobs[message].mac[19] ^= 0x80;
        }));
        assert!(!hmac_sha256(|jobs| {
            crate::hmac_sha256(jobs);
            jobs[message].mac[0] ^= 1;
        }));
        assert!(!hmac_md5(|jobs| {
            crate::hmac_md5(jobs);
            jobs[message].mac[7] ^= 8;
        }));
    }
}

#[test]
fn a_kernel_that_does_nothing_fails() {
    assert!(!aes_cbc(|_| ()));
    assert!(!hmac_sha1(|_| ()));
    assert!(!hmac_sha256(|_| ()));
    assert!(!hmac_md5(|_| ()));
}

#[test]
fn gcm_that_seals_wrong_or_opens_all_or_nothing_fails() {
    if nothing_to_test(crate::detect::gcm()) {
        return;
    }
    let wrong_icv: Seal = |key, nonce, aad, text| {
        let mut icv = key.seal(nonce, aad, text);
        icv[3] ^= u8::from(text.len() == 20 * STEP);
        icv
    };
    let wrong_text: Seal = |key, nonce, aad, text| {
        let icv = key.seal(nonce, aad, text);
        if let Some(last) = text.last_mut() {
            *last ^= 1;
        }
        icv
    };
    let everything: Open = |key, nonce, aad, text, icv| {
        let _ = key.open(nonce, aad, text, icv);
        true
    };
    assert!(!aes_gcm(wrong_icv, GcmKey::open));
    assert!(!aes_gcm(wrong_text, GcmKey::open));
    assert!(!aes_gcm(GcmKey::seal, everything));
    assert!(!aes_gcm(GcmKey::seal, |_, _, _, _, _| false));
}
