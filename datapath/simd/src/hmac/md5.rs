//! MD5 (RFC 1321) on AVX2: a register holds the same word of eight messages.
//!
//! Each of its 64 steps waits for the one before, so a second set of eight messages takes turns
//! with the first and fills the time that the first waits. A message alone is better off with
//! ordinary registers.

use core::arch::x86_64::*;

use super::start::{BLOCK, Hash};
use crate::detect;

pub(super) struct Md5;

impl Md5 {
    pub(super) const LANES: usize = 16;
}

/// Messages in a register.
const WIDTH: usize = 8;

/// RFC 1321 section 3.4, four rounds of sixteen steps.
#[rustfmt::skip]
const CONSTANTS: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613,
    0xfd46_9501, 0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193,
    0xa679_438e, 0x49b4_0821, 0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d,
    0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8, 0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed,
    0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a, 0xfffa_3942, 0x8771_f681, 0x6d9d_6122,
    0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70, 0x289b_7ec6, 0xeaa1_27fa,
    0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665, 0xf429_2244,
    0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb,
    0xeb86_d391,
];

impl Hash<4, { Md5::LANES }> for Md5 {
    const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    const BIG_ENDIAN: bool = false;

    fn is_available() -> bool {
        detect::avx2()
    }

    #[inline(always)]
    unsafe fn compress(
        states: &mut [[u32; 4]; Self::LANES],
        from: &[*const u8; Self::LANES],
        blocks: usize,
        lanes: usize,
    ) {
        // SAFETY: the caller vouches for the CPU and for the pointers.
        unsafe {
            match lanes {
                1 => alone(&mut states[0], from[0], blocks),
                ..=WIDTH => compress::<1>(states, from, blocks),
                _ => compress::<2>(states, from, blocks),
            }
        }
    }
}

/// One message.
///
/// # Safety
/// `from` leads to `blocks` blocks.
unsafe fn alone(state: &mut [u32; 4], from: *const u8, blocks: usize) {
    for block in 0..blocks {
        // SAFETY: `block` is less than `blocks`; bytes may be anywhere.
        let block = unsafe { &*from.add(BLOCK * block).cast::<[[u8; 4]; 16]>() };
        let words = block.map(u32::from_le_bytes);
        let mut now = *state;
        macro_rules! round {
            ($round:literal, |$at:ident| $word:expr, |$b:ident, $c:ident, $d:ident| $mix:expr,
             $($turn:literal by $left:literal),*) => {
                for four in 0..4 {
                    $(
                        let $at = 4 * four + $turn;
                        let [a, $b, $c, $d] = now;
                        let sum = words[$word & 15].wrapping_add(CONSTANTS[16 * $round + $at]);
                        let sum = a.wrapping_add(sum).wrapping_add($mix);
                        now = [$d, $b.wrapping_add(sum.rotate_left($left)), $b, $c];
                    )*
                }
            };
        }
        round!(0, |at| at, |b, c, d| d ^ (b & (c ^ d)), 0 by 7, 1 by 12, 2 by 17, 3 by 22);
        round!(1, |at| 5 * at + 1, |b, c, d| (c & !d) | (b & d), 0 by 5, 1 by 9, 2 by 14, 3 by 20);
        round!(2, |at| 3 * at + 5, |b, c, d| b ^ (c ^ d), 0 by 4, 1 by 11, 2 by 16, 3 by 23);
        round!(3, |at| 7 * at, |b, c, d| c ^ (b | !d), 0 by 6, 1 by 10, 2 by 15, 3 by 21);
        for (word, now) in state.iter_mut().zip(now) {
            *word = word.wrapping_add(now);
        }
    }
}

/// The first `SETS` times eight of the lanes.
///
/// # Safety
/// Each of `from` leads to `blocks` blocks.
#[target_feature(enable = "avx2")]
unsafe fn compress<const SETS: usize>(
    states: &mut [[u32; 4]; Md5::LANES],
    from: &[*const u8; Md5::LANES],
    blocks: usize,
) {
    let zero = _mm256_setzero_si256();
    let mut state = [[zero; 4]; SETS];
    let states = states.as_chunks_mut::<WIDTH>().0;
    let from = from.as_chunks::<WIDTH>().0;
    for set in 0..SETS {
        state[set] = gather(&states[set]);
    }
    for block in 0..blocks {
        let mut words = [[zero; 16]; SETS];
        for set in 0..SETS {
            let mut at = from[set];
            for lane in &mut at {
                *lane = lane.wrapping_add(BLOCK * block);
            }
            // SAFETY: `block` is less than `blocks`.
            words[set] = unsafe { load(&at) };
        }
        block_of::<SETS>(&mut state, &words);
    }
    for set in 0..SETS {
        scatter(state[set], &mut states[set]);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn gather(states: &[[u32; 4]; WIDTH]) -> [__m256i; 4] {
    let mut columns = [[0; WIDTH]; 4];
    for (lane, state) in states.iter().enumerate() {
        for (column, word) in columns.iter_mut().zip(state) {
            column[lane] = *word;
        }
    }
    // SAFETY: eight words are as long as a register.
    columns.map(|column| unsafe { _mm256_loadu_si256((&raw const column).cast()) })
}

#[inline]
#[target_feature(enable = "avx2")]
fn scatter(columns: [__m256i; 4], states: &mut [[u32; 4]; WIDTH]) {
    for (word, column) in columns.into_iter().enumerate() {
        let mut lanes = [0; WIDTH];
        // SAFETY: eight words are as long as a register.
        unsafe { _mm256_storeu_si256((&raw mut lanes).cast(), column) }
        for (state, lane) in states.iter_mut().zip(lanes) {
            state[word] = lane;
        }
    }
}

/// The sixteen words of a block of each message.
///
/// # Safety
/// Each of `from` leads to a block.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(from: &[*const u8; WIDTH]) -> [__m256i; 16] {
    let mut words = [_mm256_setzero_si256(); 16];
    for half in 0..2 {
        let mut rows = [_mm256_setzero_si256(); WIDTH];
        for (row, from) in rows.iter_mut().zip(from) {
            // SAFETY: twice 32 bytes are a block.
            *row = unsafe { _mm256_loadu_si256(from.add(32 * half).cast()) };
        }
        words[8 * half..][..8].copy_from_slice(&transpose(rows));
    }
    words
}

/// Eight rows of eight words become eight columns.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(rows: [__m256i; 8]) -> [__m256i; 8] {
    let mut pairs = rows;
    for at in [0, 2, 4, 6] {
        pairs[at] = _mm256_unpacklo_epi32(rows[at], rows[at + 1]);
        pairs[at + 1] = _mm256_unpackhi_epi32(rows[at], rows[at + 1]);
    }
    let mut fours = pairs;
    for at in [0, 4] {
        fours[at] = _mm256_unpacklo_epi64(pairs[at], pairs[at + 2]);
        fours[at + 1] = _mm256_unpackhi_epi64(pairs[at], pairs[at + 2]);
        fours[at + 2] = _mm256_unpacklo_epi64(pairs[at + 1], pairs[at + 3]);
        fours[at + 3] = _mm256_unpackhi_epi64(pairs[at + 1], pairs[at + 3]);
    }
    let mut columns = fours;
    for at in 0..4 {
        columns[at] = _mm256_permute2x128_si256::<0x20>(fours[at], fours[at + 4]);
        columns[at + 4] = _mm256_permute2x128_si256::<0x31>(fours[at], fours[at + 4]);
    }
    columns
}

/// RFC 1321 section 3.4: F, G, H and I.
#[inline]
#[target_feature(enable = "avx2")]
fn mix<const ROUND: usize>(b: __m256i, c: __m256i, d: __m256i) -> __m256i {
    match ROUND {
        0 => _mm256_xor_si256(d, _mm256_and_si256(b, _mm256_xor_si256(c, d))),
        // The two halves have no bit in common, and only one of them waits for b.
        1 => _mm256_or_si256(_mm256_andnot_si256(d, c), _mm256_and_si256(d, b)),
        2 => _mm256_xor_si256(b, _mm256_xor_si256(c, d)),
        _ => _mm256_xor_si256(c, _mm256_or_si256(b, _mm256_xor_si256(d, _mm256_set1_epi32(-1)))),
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn block_of<const SETS: usize>(state: &mut [[__m256i; 4]; SETS], words: &[[__m256i; 16]; SETS]) {
    let before = *state;
    macro_rules! step {
        ($round:literal, $step:expr, $word:expr, $left:literal) => {
            let constant = _mm256_set1_epi32(CONSTANTS[$step].cast_signed());
            for set in 0..SETS {
                let [a, b, c, d] = state[set];
                let sum = _mm256_add_epi32(a, _mm256_add_epi32(words[set][$word & 15], constant));
                let sum = _mm256_add_epi32(sum, mix::<$round>(b, c, d));
                let left = _mm256_slli_epi32::<$left>(sum);
                let right = _mm256_srli_epi32::<{ 32 - $left }>(sum);
                state[set] = [d, _mm256_add_epi32(b, _mm256_or_si256(left, right)), b, c];
            }
        };
    }
    macro_rules! round {
        ($round:literal, |$at:ident| $word:expr, $($turn:literal by $left:literal),*) => {
            for four in 0..4 {
                $(
                    let $at = 4 * four + $turn;
                    step!($round, 16 * $round + $at, $word, $left);
                )*
            }
        };
    }
    round!(0, |at| at, 0 by 7, 1 by 12, 2 by 17, 3 by 22);
    round!(1, |at| 5 * at + 1, 0 by 5, 1 by 9, 2 by 14, 3 by 20);
    round!(2, |at| 3 * at + 5, 0 by 4, 1 by 11, 2 by 16, 3 by 23);
    round!(3, |at| 7 * at, 0 by 6, 1 by 10, 2 by 15, 3 by 21);
    for set in 0..SETS {
        for word in 0..4 {
            state[set][word] = _mm256_add_epi32(state[set][word], before[set][word]);
        }
    }
}
