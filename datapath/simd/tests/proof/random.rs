//! Ten million random inputs to each kernel, compared with the oracles.
//!
//! Batches of every size from 1 to 40 and now and then a long one, each packet with a length and
//! a key of its own.

use hmac::{Hmac, Mac, digest::block_api::EagerHash};
use simd::{AesKey, CbcJob, GcmKey, HmacMd5Key, HmacSha1Key, HmacSha256Key, MacJob};

use crate::{
    generator::{Generator, LONGEST},
    has, oracle,
};

const INPUTS: usize = 10_000_000;
/// Batches after which keys are new.
const SAME_KEYS: usize = 1000;
/// Keys to choose from at a time.
const KEYS: usize = 60;

/// The sizes of the batches that make `INPUTS` together.
fn batches() -> impl Iterator<Item = usize> {
    let sizes = (0..).map(|batch| if batch % 500 == 499 { 256 } else { 1 + batch % 40 });
    let mut left = INPUTS as isize;
    sizes.take_while(move |size| {
        let go_on = left > 0;
        left -= *size as isize;
        go_on
    })
}

#[test]
fn gcm_seals_like_ring_and_opens_what_it_sealed() {
    if !has(simd::kernels().aes_gcm) {
        return;
    }
    let mut random = Generator::new("gcm", 0x6763_6d01);
    let pool = random.pool();
    let (mut ours, mut theirs) = ([0; LONGEST + 32], [0; LONGEST + 32]);
    let mut keys = Vec::new();
    for input in 0..INPUTS {
        if input % 10_000 == 0 {
            keys.clear();
            keys.extend((0..KEYS).map(|at| {
                let key = &random.bytes::<32>()[..16 + 8 * (at % 3)];
                (GcmKey::new(key).unwrap(), oracle::Gcm::new(key))
            }));
        }
        let (key, oracle) = &keys[random.below(KEYS)];
        let nonce = pool[random.place()..].first_chunk().unwrap();
        let from = random.place();
        // What ESP has, any length up to more than the longest of it, and now and then a long one.
        let aad = match input % 4 {
            0 => &pool[from..from + 8],
            1 => &pool[from..from + 12],
            2 => &pool[from..from + random.below(33)],
            _ => &pool[from..from + random.below(1 + (input / 4) % 128)],
        };
        let from = random.place();
        let len = random.len();
        let plain = &pool[from..from + len + 32];
        ours[..len + 32].copy_from_slice(plain);
        theirs[..len + 32].copy_from_slice(plain);
        let icv = key.seal(nonce, aad, &mut ours[16..16 + len]);
        let their_icv = oracle.seal(nonce, aad, &mut theirs[16..16 + len]);
        assert_eq!(icv, their_icv, "{len} bytes, {} of additional data", aad.len());
        assert!(ours[..len + 32] == theirs[..len + 32], "{len} bytes");
        let icv = &icv[..[8, 12, 16, 16][input % 4]];
        assert!(key.open(nonce, aad, &mut ours[16..16 + len], icv), "{len} bytes");
        assert!(ours[..len + 32] == *plain, "{len} bytes");
    }
}

#[test]
fn texts_longer_than_any_packet_are_sealed_alike() {
    if !has(simd::kernels().aes_gcm) {
        return;
    }
    let mut random = Generator::new("gcm, long", 0x6763_6d06);
    // Counters carry into their second and third byte.
    for len in [255 * 16 + 3, 9000, 65_535 * 16 + 7, 1 << 21] {
        let plain: Vec<_> = (0..len).map(|_| random.next() as u8).collect();
        let (mut ours, mut theirs) = (plain.clone(), plain.clone());
        let key = GcmKey::new(&[8; 16]).unwrap();
        let icv = key.seal(&[9; 12], &[1; 8], &mut ours);
        assert_eq!(icv, oracle::Gcm::new(&[8; 16]).seal(&[9; 12], &[1; 8], &mut theirs));
        assert!(ours == theirs, "{len} bytes");
        assert!(key.open(&[9; 12], &[1; 8], &mut ours, &icv) && ours == plain, "{len} bytes");
    }
}

#[test]
fn cbc_encrypts_like_rust_crypto() {
    if !has(simd::kernels().aes_cbc) {
        return;
    }
    let mut random = Generator::new("cbc", 0x6362_6302);
    let pool = random.pool();
    let mut keys = Vec::new();
    let mut ours = vec![[0; LONGEST + 32]; 256];
    let mut theirs = [0; LONGEST + 32];
    let mut plan = Vec::new();
    for (number, size) in batches().enumerate() {
        if number % SAME_KEYS == 0 {
            keys.clear();
            keys.extend((0..KEYS).map(|at| {
                let key = &random.bytes::<32>()[..16 + 8 * (at % 3)];
                (AesKey::new(key).unwrap(), oracle::Cbc::new(key))
            }));
        }
        // All sizes mixed, one size, few keys, one key.
        let of = [KEYS, KEYS, 4, 1][number % 4];
        let only = random.below(3);
        plan.clear();
        plan.extend((0..size).map(|_| {
            let key = random.below(of);
            let key = if number % 4 == 1 { key / 3 * 3 + only } else { key };
            (key, random.bytes::<16>(), random.place(), random.len())
        }));
        let with_plan = ours.iter_mut().zip(&plan);
        let jobs = with_plan.map(|(text, (key, iv, from, len))| {
            text[..len + 32].copy_from_slice(&pool[*from..from + len + 32]);
            CbcJob { key: &keys[*key].0, iv: *iv, blocks: &mut text[16..16 + len] }
        });
        simd::cbc_encrypt(&mut jobs.collect::<Vec<_>>());
        for (text, (key, iv, from, len)) in ours.iter().zip(&plan) {
            theirs[..len + 32].copy_from_slice(&pool[*from..from + len + 32]);
            keys[*key].1.encrypt(iv, &mut theirs[16..16 + len]);
            assert!(text[..len + 32] == theirs[..len + 32], "{len} bytes in a batch of {size}");
        }
    }
}

/// What differs between the three HMACs, for the one test of them.
struct Macs<K, const N: usize> {
    new: fn(&[u8]) -> Option<K>,
    run: fn(&mut [MacJob<'_, K, N>]),
}

impl<K, const N: usize> Macs<K, N> {
    fn are_like_rust_crypto<H: EagerHash>(&self, random: &mut Generator)
    where
        Hmac<H>: Mac + hmac::KeyInit + Clone,
    {
        let pool = random.pool();
        let mut keys = Vec::new();
        for (number, size) in batches().enumerate() {
            if number % SAME_KEYS == 0 {
                keys.clear();
                keys.extend((0..KEYS).map(|_| {
                    let key = &pool[random.place()..][..random.below(150)];
                    ((self.new)(key).unwrap(), oracle::hmac::<H>(key))
                }));
            }
            let choices: Vec<_> = (0..size).map(|_| random.below(KEYS)).collect();
            let jobs = choices.iter().map(|choice| {
                let message = &pool[random.place()..][..random.len()];
                let tail = (random.below(2) == 0).then(|| random.bytes());
                MacJob { key: &keys[*choice].0, message, tail, mac: [0; N] }
            });
            let mut jobs: Vec<_> = jobs.collect();
            (self.run)(&mut jobs);
            for (job, choice) in jobs.iter().zip(choices) {
                let expected = oracle::mac(&keys[choice].1, job.message, job.tail);
                let len = job.message.len();
                assert_eq!(job.mac[..], expected, "{len} bytes in a batch of {size}");
            }
        }
    }
}

#[test]
fn hmac_sha1_is_that_of_rust_crypto() {
    if has(simd::kernels().hmac_sha1) {
        Macs { new: HmacSha1Key::new, run: simd::hmac_sha1 }
            .are_like_rust_crypto::<sha1::Sha1>(&mut Generator::new("hmac-sha1", 0x7368_6103));
    }
}

#[test]
fn hmac_sha256_is_that_of_rust_crypto() {
    if has(simd::kernels().hmac_sha256) {
        Macs { new: HmacSha256Key::new, run: simd::hmac_sha256 }
            .are_like_rust_crypto::<sha2::Sha256>(&mut Generator::new("hmac-sha256", 0x7368_6104));
    }
}

#[test]
fn hmac_md5_is_that_of_rust_crypto() {
    if has(simd::kernels().hmac_md5) {
        Macs { new: HmacMd5Key::new, run: simd::hmac_md5 }
            .are_like_rust_crypto::<md5::Md5>(&mut Generator::new("hmac-md5", 0x6d64_3505));
    }
}
