//! Where the IVs of an outbound SA come from: never twice the same under one key, and with CBC
//! not to be guessed.

use aes::Aes128Enc;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use wire::suite::Encryption;
use zeroize::Zeroize;

use crate::Suite;

/// Makes the IV of each sequence number.
pub(crate) enum IvSource {
    /// RFC 4106 3.1: the IV must not repeat under one key, nothing else. Within an SA the
    /// sequence number makes it unique. A manual key outlives its SA, and the next one counts from
    /// 1 again: a start drawn at random keeps two runs apart unless they fall within each other's
    /// length in a circle of 2^64.
    Counter { start: u64 },
    /// RFC 3602 3: the IV must be unpredictable, or whoever can choose payloads can test guesses.
    /// NIST SP 800-38A appendix C gives the method: encrypt a counter. The key of it is not the
    /// payload's, so that what the IV cipher outputs is never seen elsewhere, and drawn anew for
    /// each SA, so that a restart repeats nothing. A permutation keeps distinct numbers distinct.
    EncryptedCounter { cipher: Aes128Enc, start: u128 },
    /// NULL encryption has no IV (RFC 2410).
    None,
}

impl IvSource {
    /// `seed` is random and used for this SA only.
    pub(crate) fn new(suite: Suite, mut seed: [u8; 32]) -> Self {
        let mut key = std::array::from_fn::<u8, 16, _>(|at| seed[at]);
        let start = u128::from_be_bytes(std::array::from_fn(|at| seed[16 + at]));
        let source = match suite.encryption() {
            Encryption::AesGcm(..) | Encryption::ChaCha20Poly1305 | Encryption::NullAesGmac(_) => {
                Self::Counter { start: start as u64 }
            }
            Encryption::AesCbc(_) => {
                Self::EncryptedCounter { cipher: Aes128Enc::new(&key.into()), start }
            }
            Encryption::Null => Self::None,
        };
        seed.zeroize();
        key.zeroize();
        source
    }

    /// Writes the IV of sequence number `seq` over `iv`, which has the suite's IV length.
    #[inline]
    pub(crate) fn write(&self, seq: u64, iv: &mut [u8]) {
        match self {
            Self::Counter { start } => {
                if let Some(iv) = iv.first_chunk_mut() {
                    *iv = start.wrapping_add(seq).to_be_bytes();
                }
            }
            Self::EncryptedCounter { cipher, start } => {
                if let Some(iv) = iv.first_chunk_mut() {
                    let mut block = start.wrapping_add(u128::from(seq)).to_be_bytes().into();
                    cipher.encrypt_block(&mut block);
                    *iv = block.into();
                }
            }
            Self::None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn ivs(suite: Suite, seed: [u8; 32], seqs: impl Iterator<Item = u64>) -> Vec<[u8; 16]> {
        let source = IvSource::new(suite, seed);
        let iv = |seq| {
            let mut iv = [0; 16];
            source.write(seq, &mut iv[..suite.iv_len()]);
            iv
        };
        seqs.map(iv).collect()
    }

    #[test]
    fn a_million_packets_of_one_sa_have_a_million_ivs_whatever_the_suite() {
        for suite in Suite::ALL.iter().filter(|suite| suite.iv_len() != 0) {
            // A seed that makes both counters wrap on the way.
            let mut ivs = ivs(*suite, [0xff; 32], 1..=1_000_000);
            ivs.sort_unstable();
            ivs.dedup();
            assert_eq!(ivs.len(), 1_000_000, "{}", suite.name());
        }
    }

    #[test]
    fn sequence_numbers_that_differ_in_the_high_half_only_have_different_ivs() {
        for suite in Suite::ALL.iter().filter(|suite| suite.iv_len() != 0) {
            let ivs: HashSet<_> =
                ivs(*suite, [7; 32], (0..1000).map(|high| high << 32 | 5)).into_iter().collect();
            assert_eq!(ivs.len(), 1000, "{}", suite.name());
        }
    }

    #[test]
    fn a_restart_with_a_new_seed_repeats_no_iv() {
        for suite in Suite::ALL.iter().filter(|suite| suite.iv_len() != 0) {
            let first: HashSet<_> = ivs(*suite, [1; 32], 1..=10_000).into_iter().collect();
            let second = ivs(*suite, [2; 32], 1..=10_000);
            assert!(second.iter().all(|iv| !first.contains(iv)), "{}", suite.name());
        }
    }

    #[test]
    fn cbc_ivs_do_not_show_the_counter() {
        // Neighbouring IVs differ in about half of their bits, and never by a constant.
        let ivs = ivs(Suite::AES128_SHA1, [3; 32], 1..=1000);
        let differing = |pair: &[[u8; 16]]| {
            let bits = |(a, b): (&u8, &u8)| (a ^ b).count_ones();
            pair[0].iter().zip(&pair[1]).map(bits).sum::<u32>()
        };
        assert!(ivs.windows(2).all(|pair| (30..=98).contains(&differing(pair))));
    }

    #[test]
    fn the_iv_cipher_is_aes_128() {
        // FIPS 197 appendix B: key, input and output of one block.
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(&0x2b7e1516_28aed2a6_abf71588_09cf4f3c_u128.to_be_bytes());
        seed[16..].copy_from_slice(&0x3243f6a8_885a308d_313198a2_e0370734_u128.to_be_bytes());
        let iv = ivs(Suite::AES256_SHA256, seed, 0..1)[0];
        assert_eq!(u128::from_be_bytes(iv), 0x3925841d_02dc09fb_dc118597_196a0b32);
    }
}
