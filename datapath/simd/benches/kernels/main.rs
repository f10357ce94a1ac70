//! Cycles per packet of each kernel, and of ring and RustCrypto for the same work.
//!
//! User-mode cycles from the CPU's counter, the least of many batches, so that other programs on
//! the machine disturb little. Where the counter is not to be had, the time stamp counter is read.
//! An argument selects rows whose name contains it: `cargo bench -p simd -- sha1`.

mod counter;
mod packets;

use std::hint::black_box;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, KeyInit as _};
use cbc::cipher::{BlockModeEncrypt, InnerIvInit, array::Array};
use hmac::{Hmac, Mac, digest::block_api::EagerHash};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use simd::{AesKey, CbcJob, GcmKey, HmacMd5Key, HmacSha1Key, HmacSha256Key, MacJob};

use counter::cycles_per_packet;
use packets::{Lengths, Packets, nonce};

/// Packets of a batch of a busy gateway.
const BATCH: usize = 256;
const AAD: [u8; 8] = [1; 8];

fn main() {
    println!("{}", simd::kernels());
    println!("user-mode cycles per packet, batches of {BATCH} unless the row says otherwise\n");
    let short = Lengths::each([72, 520, 1408]);
    println!("{:44} {}", "AES-GCM, 8 bytes of additional data", short.title());
    gcm(&short);
    let whole = Lengths::each([64, 576, 1408]);
    println!("\n{:44} {}", "AES-CBC encryption", whole.title());
    cbc(&whole);
    println!("\n{:44} {}", "HMAC", whole.title());
    hmac(&whole);
}

/// Prints a row unless it was not asked for.
fn row(name: &str, lengths: &Lengths, mut measure: impl FnMut(&mut Packets) -> f64) {
    let wanted: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if !wanted.is_empty() && !wanted.iter().any(|word| name.to_lowercase().contains(word)) {
        return;
    }
    let found = lengths.batches(BATCH).map(|mut packets| format!("{:7.0}", measure(&mut packets)));
    println!("{name:44} {}", found.collect::<Vec<_>>().join(" "));
}

fn gcm(lengths: &Lengths) {
    for bits in [128, 192, 256] {
        let key = vec![5; bits / 8];
        let Some(one) = GcmKey::new(&key) else { return };
        row(&format!("gcm seal {bits}"), lengths, |packets| {
            cycles_per_packet(BATCH, |turn| {
                for (at, text) in packets.iter().enumerate() {
                    black_box(one.seal(&nonce(turn, at), &AAD, text));
                }
            })
        });
        row(&format!("gcm open {bits}"), lengths, |packets| {
            cycles_per_packet(BATCH, |turn| {
                for (at, text) in packets.iter().enumerate() {
                    black_box(one.open(&nonce(turn, at), &AAD, text, &[0; 16]));
                }
            })
        });
    }
    let keys: Vec<_> = (0..BATCH).filter_map(|at| GcmKey::new(&[at as u8; 16])).collect();
    row("gcm seal 128, 256 keys", lengths, |packets| {
        cycles_per_packet(BATCH, |turn| {
            for (at, (text, key)) in packets.iter().zip(&keys).enumerate() {
                black_box(key.seal(&nonce(turn, at), &AAD, text));
            }
        })
    });
    let Ok(ring) = UnboundKey::new(&AES_128_GCM, &[5; 16]).map(LessSafeKey::new) else { return };
    row("gcm seal 128, ring", lengths, |packets| {
        cycles_per_packet(BATCH, |turn| {
            for (at, text) in packets.iter().enumerate() {
                let nonce = Nonce::assume_unique_for_key(nonce(turn, at));
                let tag = ring.seal_in_place_separate_tag(nonce, Aad::from(AAD), text);
                assert!(black_box(tag).is_ok());
            }
        })
    });
    let rust_crypto = Aes128Gcm::new(&[5; 16].into());
    row("gcm seal 128, RustCrypto", lengths, |packets| {
        cycles_per_packet(BATCH, |turn| {
            for (at, text) in packets.iter().enumerate() {
                let nonce = nonce(turn, at);
                let tag = rust_crypto.encrypt_inout_detached((&nonce).into(), &AAD, text.into());
                assert!(black_box(tag).is_ok());
            }
        })
    });
}

fn cbc(lengths: &Lengths) {
    for (name, keys, bits, batch) in [
        ("cbc 128, one key", 1, 128, BATCH),
        ("cbc 128, 256 keys", BATCH, 128, BATCH),
        ("cbc 192, 256 keys", BATCH, 192, BATCH),
        ("cbc 256, one key", 1, 256, BATCH),
        ("cbc 256, 256 keys", BATCH, 256, BATCH),
        ("cbc 128, one key, batches of 16", 1, 128, 16),
        ("cbc 128, 16 keys, batches of 16", 16, 128, 16),
        ("cbc 128, 8 keys, batches of 8", 8, 128, 8),
        ("cbc 128, batches of 1", 1, 128, 1),
    ] {
        let keys = (0..keys).filter_map(|at| AesKey::new(&vec![at as u8; bits / 8]));
        let keys: Vec<_> = keys.collect();
        row(name, lengths, |packets| {
            let with_keys = packets.iter().zip(keys.iter().cycle());
            let jobs = with_keys.map(|(blocks, key)| CbcJob { key, iv: [3; 16], blocks });
            let mut jobs: Vec<_> = jobs.collect();
            cycles_per_packet(BATCH, |_| jobs.chunks_mut(batch).for_each(simd::cbc_encrypt))
        });
    }
    let key = aes::Aes128::new(&[5; 16].into());
    row("cbc 128, RustCrypto", lengths, |packets| {
        cycles_per_packet(BATCH, |_| {
            for text in packets.iter() {
                let blocks = Array::slice_as_chunks_mut(text).0;
                cbc::Encryptor::inner_iv_init(&key, &[3; 16].into()).encrypt_blocks(blocks);
            }
        })
    });
}

fn hmac(lengths: &Lengths) {
    macro_rules! rows {
        ($name:literal, $key:ident, $run:path, $len:literal) => {
            for (name, keys, batch) in [
                (concat!($name, ", one key"), 1, BATCH),
                (concat!($name, ", 256 keys"), BATCH, BATCH),
                (concat!($name, ", batches of 16"), BATCH, 16),
                (concat!($name, ", batches of 1"), BATCH, 1),
            ] {
                let keys: Vec<_> = (0..keys).filter_map(|at| $key::new(&[at as u8; 20])).collect();
                row(name, lengths, |packets| {
                    let jobs = packets
                        .iter()
                        .zip(keys.iter().cycle())
                        .map(|(message, key)| MacJob { key, message, tail: None, mac: [0; $len] });
                    let mut jobs: Vec<_> = jobs.collect();
                    cycles_per_packet(BATCH, |_| jobs.chunks_mut(batch).for_each($run))
                });
            }
        };
    }
    rows!("sha1", HmacSha1Key, simd::hmac_sha1, 20);
    rust_crypto_hmac::<sha1::Sha1>("sha1, RustCrypto", lengths);
    rows!("sha256", HmacSha256Key, simd::hmac_sha256, 32);
    ring_hmac(lengths);
    rust_crypto_hmac::<sha2::Sha256>("sha256, RustCrypto", lengths);
    rows!("md5", HmacMd5Key, simd::hmac_md5, 16);
    rust_crypto_hmac::<md5::Md5>("md5, RustCrypto", lengths);
}

fn rust_crypto_hmac<H: EagerHash>(name: &str, lengths: &Lengths)
where
    Hmac<H>: Mac + hmac::KeyInit + Clone,
{
    let Ok(key) = <Hmac<H> as hmac::KeyInit>::new_from_slice(&[9; 20]) else { return };
    row(name, lengths, |packets| {
        cycles_per_packet(BATCH, |_| {
            for text in packets.iter() {
                let mut mac = key.clone();
                mac.update(text);
                black_box(mac.finalize().into_bytes());
            }
        })
    });
}

fn ring_hmac(lengths: &Lengths) {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &[9; 20]);
    row("sha256, ring", lengths, |packets| {
        cycles_per_packet(BATCH, |_| {
            for text in packets.iter() {
                black_box(ring::hmac::sign(&key, text));
            }
        })
    });
}
