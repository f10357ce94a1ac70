//! SHA-1 (FIPS 180-4 section 6.1.2) by the SHA extensions, four messages in turn.
//!
//! An instruction does four rounds and its result is ready six cycles later: with four messages
//! the unit always has work.

use core::arch::x86_64::*;

use super::start::{BLOCK, Hash};
use crate::detect;

pub(super) struct Sha1;

impl Sha1 {
    pub(super) const LANES: usize = 4;
}

impl Hash<5, { Sha1::LANES }> for Sha1 {
    const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    const BIG_ENDIAN: bool = true;

    fn is_available() -> bool {
        detect::sha()
    }

    #[inline(always)]
    unsafe fn compress(
        states: &mut [[u32; 5]; Self::LANES],
        from: &[*const u8; Self::LANES],
        blocks: usize,
        lanes: usize,
    ) {
        // SAFETY: the caller vouches for the CPU and for the pointers.
        unsafe {
            match lanes {
                1 => compress::<1>(states, from, blocks),
                2 => compress::<2>(states, from, blocks),
                _ => compress::<4>(states, from, blocks),
            }
        }
    }
}

/// The first `N` of the lanes.
///
/// # Safety
/// Each of `from` leads to `blocks` blocks.
#[target_feature(enable = "sha,sse4.1,ssse3,avx")]
unsafe fn compress<const N: usize>(
    states: &mut [[u32; 5]; Sha1::LANES],
    from: &[*const u8; Sha1::LANES],
    blocks: usize,
) {
    let zero = _mm_setzero_si128();
    let (mut abcd, mut e) = ([zero; N], [zero; N]);
    for lane in 0..N {
        let [a, b, c, d, last] = states[lane].map(u32::cast_signed);
        abcd[lane] = _mm_set_epi32(a, b, c, d);
        e[lane] = _mm_set_epi32(last, 0, 0, 0);
    }
    for block in 0..blocks {
        let mut words = [[zero; 4]; N];
        for lane in 0..N {
            // SAFETY: `block` is less than `blocks`.
            words[lane] = unsafe { load(from[lane].add(BLOCK * block)) };
        }
        block_of::<N>(&mut abcd, &mut e, words);
    }
    for lane in 0..N {
        let mut words = [0; 4];
        // SAFETY: four words are as long as a register.
        unsafe { _mm_storeu_si128((&raw mut words).cast(), abcd[lane]) }
        let [d, c, b, a] = words;
        states[lane] = [a, b, c, d, _mm_extract_epi32::<3>(e[lane]).cast_unsigned()];
    }
}

/// The sixteen words of a block, the first one highest.
///
/// # Safety
/// `from` leads to a block.
#[inline]
#[target_feature(enable = "sse4.1,ssse3,avx")]
unsafe fn load(from: *const u8) -> [__m128i; 4] {
    let reverse = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
    let mut words = [reverse; 4];
    for (at, word) in words.iter_mut().enumerate() {
        // SAFETY: four times sixteen bytes are a block.
        *word = unsafe { _mm_shuffle_epi8(_mm_loadu_si128(from.add(16 * at).cast()), reverse) };
    }
    words
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3,avx")]
fn block_of<const N: usize>(
    abcd: &mut [__m128i; N],
    e: &mut [__m128i; N],
    mut words: [[__m128i; 4]; N],
) {
    let before = (*abcd, *e);
    macro_rules! four_rounds {
        ($function:literal: $($step:literal)*) => { $(
            for lane in 0..N {
                let w = &mut words[lane];
                if $step >= 4 {
                    let sum = _mm_sha1msg1_epu32(w[$step & 3], w[($step + 1) & 3]);
                    let sum = _mm_xor_si128(sum, w[($step + 2) & 3]);
                    w[$step & 3] = _mm_sha1msg2_epu32(sum, w[($step + 3) & 3]);
                }
                let added = if $step == 0 {
                    _mm_add_epi32(e[lane], w[0])
                } else {
                    _mm_sha1nexte_epu32(e[lane], w[$step & 3])
                };
                e[lane] = abcd[lane];
                abcd[lane] = _mm_sha1rnds4_epu32::<$function>(abcd[lane], added);
            }
        )* };
    }
    four_rounds!(0: 0 1 2 3 4);
    four_rounds!(1: 5 6 7 8 9);
    four_rounds!(2: 10 11 12 13 14);
    four_rounds!(3: 15 16 17 18 19);
    for lane in 0..N {
        e[lane] = _mm_sha1nexte_epu32(e[lane], before.1[lane]);
        abcd[lane] = _mm_add_epi32(abcd[lane], before.0[lane]);
    }
}
