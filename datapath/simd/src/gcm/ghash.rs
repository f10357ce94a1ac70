//! GHASH by carry-less multiplication.
//!
//! Blocks are turned around byte by byte, and the hash key is multiplied by x once, which makes
//! of GHASH the multiplication of RFC 8452 appendix A: sums of products are then reduced from
//! below by two more multiplications with the field's constant.

use core::arch::x86_64::*;

use super::POWERS;
use crate::aes::{LAST, Schedule};

/// Sums of products that have not been reduced: low, middle and high, for each half of a register.
#[derive(Clone, Copy)]
pub(super) struct Sums {
    low: __m256i,
    middle: __m256i,
    high: __m256i,
}

impl Sums {
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn new() -> Self {
        let zero = _mm256_setzero_si256();
        Self { low: zero, middle: zero, high: zero }
    }

    /// Adds two blocks, each times a power.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    pub(super) fn add(&mut self, blocks: __m256i, powers: __m256i) {
        let low = _mm256_clmulepi64_epi128::<0x00>(blocks, powers);
        let high = _mm256_clmulepi64_epi128::<0x11>(blocks, powers);
        // Karatsuba's third product is cheaper than the third and fourth of the long way.
        let blocks = _mm256_xor_si256(blocks, _mm256_shuffle_epi32::<0x4e>(blocks));
        let powers = _mm256_xor_si256(powers, _mm256_shuffle_epi32::<0x4e>(powers));
        let middle = _mm256_clmulepi64_epi128::<0x00>(blocks, powers);
        self.low = _mm256_xor_si256(self.low, low);
        self.middle = _mm256_xor_si256(self.middle, middle);
        self.high = _mm256_xor_si256(self.high, high);
    }

    #[inline]
    #[target_feature(enable = "avx2,pclmulqdq")]
    pub(super) fn reduce(self) -> __m128i {
        let both = _mm256_xor_si256(self.low, self.high);
        let middle = fold(_mm256_xor_si256(self.middle, both));
        let low = _mm_xor_si128(fold(self.low), _mm_slli_si128::<8>(middle));
        let high = _mm_xor_si128(fold(self.high), _mm_srli_si128::<8>(middle));
        let constant = _mm_set_epi64x(0xc2_u64.rotate_right(8).cast_signed(), 0);
        let turned = _mm_shuffle_epi32::<0x4e>(low);
        let half = _mm_xor_si128(turned, _mm_clmulepi64_si128::<0x10>(low, constant));
        let turned = _mm_shuffle_epi32::<0x4e>(half);
        let rest = _mm_xor_si128(turned, _mm_clmulepi64_si128::<0x10>(half, constant));
        _mm_xor_si128(high, rest)
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn fold(both: __m256i) -> __m128i {
    _mm_xor_si128(_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both))
}

/// One block times one power, reduced.
#[inline]
#[target_feature(enable = "avx2,pclmulqdq,vpclmulqdq")]
pub(super) fn multiply(block: __m128i, power: __m128i) -> __m128i {
    let mut sums = Sums::new();
    sums.add(_mm256_zextsi128_si256(block), _mm256_zextsi128_si256(power));
    sums.reduce()
}

/// Turns a block around.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn turn(block: __m128i) -> __m128i {
    _mm_shuffle_epi8(block, _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f))
}

/// Turns two blocks around, each in its place.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn turn_both(blocks: __m256i) -> __m256i {
    let reverse = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
    _mm256_shuffle_epi8(blocks, _mm256_broadcastsi128_si256(reverse))
}

/// Encrypts the zero block and fills in its powers.
#[target_feature(enable = "aes,avx2,vaes,pclmulqdq,vpclmulqdq")]
pub(super) fn fill_powers(schedule: &Schedule, powers: &mut [[u8; 16]; POWERS]) {
    // SAFETY: a round key is as long as a register.
    let round = |at: usize| unsafe { _mm_loadu_si128(schedule.keys[at].as_ptr().cast()) };
    let mut block = round(0);
    for at in 1..usize::from(schedule.rounds) {
        block = _mm_aesenc_si128(block, round(at));
    }
    let hash_key = turn(_mm_aesenclast_si128(block, round(LAST)));
    // Times x: a bit to the left, and the field's constant if one falls out. Vector arithmetic
    // instead of an `if`, since the bit is secret.
    let ones = _mm_srai_epi32::<31>(_mm_shuffle_epi32::<0xff>(hash_key));
    let constant = _mm_set_epi64x(0xc2_u64.rotate_right(8).cast_signed(), 1);
    let carried = _mm_slli_si128::<8>(_mm_srli_epi64::<63>(hash_key));
    let shifted = _mm_or_si128(_mm_slli_epi64::<1>(hash_key), carried);
    let first = _mm_xor_si128(shifted, _mm_and_si128(ones, constant));
    let mut power = first;
    for at in (0..POWERS).rev() {
        // SAFETY: a power is as long as a register.
        unsafe { _mm_storeu_si128(powers[at].as_mut_ptr().cast(), power) }
        power = multiply(power, first);
    }
}
