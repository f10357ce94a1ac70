//! SHA-256 (FIPS 180-4 section 6.2.2) by the SHA extensions, four messages in turn.

use core::arch::x86_64::*;

use super::start::{BLOCK, Hash};
use crate::detect;

pub(super) struct Sha256;

impl Sha256 {
    pub(super) const LANES: usize = 4;
}

/// The constants of section 4.2.2, for sixteen times four rounds.
#[repr(align(16))]
struct Constants([[u32; 4]; 16]);

#[rustfmt::skip]
static CONSTANTS: Constants = Constants([
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
    [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
    [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
    [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
    [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
    [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
    [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
]);

impl Hash<8, { Sha256::LANES }> for Sha256 {
    const START: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    const BIG_ENDIAN: bool = true;

    fn is_available() -> bool {
        detect::sha()
    }

    #[inline(always)]
    unsafe fn compress(
        states: &mut [[u32; 8]; Self::LANES],
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
    states: &mut [[u32; 8]; Sha256::LANES],
    from: &[*const u8; Sha256::LANES],
    blocks: usize,
) {
    let zero = _mm_setzero_si128();
    let (mut abef, mut cdgh) = ([zero; N], [zero; N]);
    for lane in 0..N {
        let [a, b, c, d, e, f, g, h] = states[lane].map(u32::cast_signed);
        abef[lane] = _mm_set_epi32(a, b, e, f);
        cdgh[lane] = _mm_set_epi32(c, d, g, h);
    }
    for block in 0..blocks {
        let mut words = [[zero; 4]; N];
        for lane in 0..N {
            // SAFETY: `block` is less than `blocks`.
            words[lane] = unsafe { load(from[lane].add(BLOCK * block)) };
        }
        block_of::<N>(&mut abef, &mut cdgh, words);
    }
    for lane in 0..N {
        let mut words = [[0; 4]; 2];
        // SAFETY: twice four words are as long as two registers.
        unsafe {
            _mm_storeu_si128((&raw mut words[0]).cast(), abef[lane]);
            _mm_storeu_si128((&raw mut words[1]).cast(), cdgh[lane]);
        }
        let [[f, e, b, a], [h, g, d, c]] = words;
        states[lane] = [a, b, c, d, e, f, g, h];
    }
}

/// The sixteen words of a block, the first one lowest.
///
/// # Safety
/// `from` leads to a block.
#[inline]
#[target_feature(enable = "sse4.1,ssse3,avx")]
unsafe fn load(from: *const u8) -> [__m128i; 4] {
    let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let mut words = [swap; 4];
    for (at, word) in words.iter_mut().enumerate() {
        // SAFETY: four times sixteen bytes are a block.
        *word = unsafe { _mm_shuffle_epi8(_mm_loadu_si128(from.add(16 * at).cast()), swap) };
    }
    words
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3,avx")]
fn block_of<const N: usize>(
    abef: &mut [__m128i; N],
    cdgh: &mut [__m128i; N],
    mut words: [[__m128i; 4]; N],
) {
    let before = (*abef, *cdgh);
    macro_rules! four_rounds {
        ($($step:literal)*) => { $(
            // SAFETY: four words are as long as a register, and aligned like one.
            let constants = unsafe { _mm_load_si128((&raw const CONSTANTS.0[$step]).cast()) };
            for lane in 0..N {
                let w = &mut words[lane];
                if $step >= 4 {
                    let sum = _mm_sha256msg1_epu32(w[$step & 3], w[($step + 1) & 3]);
                    let older = _mm_alignr_epi8::<4>(w[($step + 3) & 3], w[($step + 2) & 3]);
                    let sum = _mm_add_epi32(sum, older);
                    w[$step & 3] = _mm_sha256msg2_epu32(sum, w[($step + 3) & 3]);
                }
                let added = _mm_add_epi32(w[$step & 3], constants);
                let high = _mm_shuffle_epi32::<0x0e>(added);
                cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], added);
                abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], high);
            }
        )* };
    }
    four_rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    for lane in 0..N {
        abef[lane] = _mm_add_epi32(abef[lane], before.0[lane]);
        cdgh[lane] = _mm_add_epi32(cdgh[lane], before.1[lane]);
    }
}
