//! Rounds of AES over the next blocks of eight or sixteen packets.

use core::arch::x86_64::*;

use crate::aes::{LAST, ROUND_KEYS, Schedule};

/// Packets that VAES works on at once, two in a register.
pub(super) const WIDE: usize = 16;
/// Packets that AES-NI works on at once.
pub(super) const NARROW: usize = 8;
const PAIRS: usize = WIDE / 2;

/// The round keys of two lanes, side by side as VAES wants them.
pub(super) type PairKeys = [__m256i; ROUND_KEYS];

/// Where sixteen lanes get their round keys from.
pub(super) enum Keys<'a> {
    /// All lanes have the same.
    One(&'a Schedule),
    /// Each pair of lanes has its own.
    Pairs(&'a [PairKeys; PAIRS]),
}

/// The part of `Keys` that the compiler knows.
trait Source {
    /// # Safety
    /// The CPU has AVX2.
    unsafe fn round(&self, round: usize, pair: usize) -> __m256i;
}

impl Source for Schedule {
    #[inline(always)]
    unsafe fn round(&self, round: usize, _: usize) -> __m256i {
        // SAFETY: a round key is as long as half a register.
        unsafe { _mm256_broadcastsi128_si256(_mm_load_si128(self.keys[round].as_ptr().cast())) }
    }
}

impl Source for [PairKeys; PAIRS] {
    #[inline(always)]
    unsafe fn round(&self, round: usize, pair: usize) -> __m256i {
        self[pair][round]
    }
}

/// The next `blocks` blocks of sixteen packets. `last` are the ciphertext blocks before them.
///
/// # Safety
/// The CPU has VAES and AVX2; `ROUNDS` is that of all keys. Each of `texts` leads to `blocks`
/// blocks; two that are the same are both written, one after the other.
pub(super) unsafe fn wide<const ROUNDS: usize>(
    keys: &Keys<'_>,
    last: &mut [[u8; 16]; WIDE],
    texts: &[*mut u8; WIDE],
    blocks: usize,
) {
    // SAFETY: as above.
    unsafe {
        match keys {
            Keys::One(schedule) => wide_with::<ROUNDS, _>(*schedule, last, texts, blocks),
            Keys::Pairs(pairs) => wide_with::<ROUNDS, _>(*pairs, last, texts, blocks),
        }
    }
}

#[target_feature(enable = "aes,avx2,vaes")]
unsafe fn wide_with<const ROUNDS: usize, S: Source>(
    keys: &S,
    last: &mut [[u8; 16]; WIDE],
    texts: &[*mut u8; WIDE],
    blocks: usize,
) {
    let mut state = [_mm256_setzero_si256(); PAIRS];
    for (state, pair) in state.iter_mut().zip(last.as_chunks::<2>().0) {
        // SAFETY: two blocks are as long as a register.
        *state = unsafe { _mm256_loadu_si256(pair.as_ptr().cast()) };
    }
    for block in 0..blocks {
        // Without this the compiler copies all keys to the stack before it begins.
        let keys = core::hint::black_box(keys);
        let at = |lane: usize| texts[lane].wrapping_add(16 * block).cast::<__m128i>();
        for pair in 0..PAIRS {
            // SAFETY: `block` is less than `blocks`; the CPU has AVX2.
            unsafe {
                let low = _mm256_castsi128_si256(_mm_loadu_si128(at(2 * pair)));
                let high = _mm_loadu_si128(at(2 * pair + 1));
                let text = _mm256_inserti128_si256::<1>(low, high);
                let text = _mm256_xor_si256(text, keys.round(0, pair));
                state[pair] = _mm256_xor_si256(state[pair], text);
            }
        }
        for round in 1..ROUNDS {
            for (pair, state) in state.iter_mut().enumerate() {
                // SAFETY: the CPU has AVX2.
                *state = unsafe { _mm256_aesenc_epi128(*state, keys.round(round, pair)) };
            }
        }
        for pair in 0..PAIRS {
            // SAFETY: as for the loads.
            unsafe {
                state[pair] = _mm256_aesenclast_epi128(state[pair], keys.round(LAST, pair));
                _mm_storeu_si128(at(2 * pair), _mm256_castsi256_si128(state[pair]));
                _mm_storeu_si128(at(2 * pair + 1), _mm256_extracti128_si256::<1>(state[pair]));
            }
        }
    }
    for (state, pair) in state.iter().zip(last.as_chunks_mut::<2>().0) {
        // SAFETY: two blocks are as long as a register.
        unsafe { _mm256_storeu_si256(pair.as_mut_ptr().cast(), *state) }
    }
}

/// Puts the keys of a lane into its half of those of its pair.
pub(super) fn put<const ROUNDS: usize>(keys: &mut PairKeys, half: usize, schedule: &Schedule) {
    let mut copy = |round: usize| {
        // SAFETY: a half of the register is as long as a round key.
        unsafe {
            (&raw mut keys[round]).cast::<[u8; 16]>().add(half & 1).write(schedule.keys[round])
        }
    };
    for round in 0..ROUNDS {
        copy(round);
    }
    copy(LAST);
}

/// No keys.
pub(super) fn no_keys() -> [PairKeys; PAIRS] {
    // SAFETY: a register is bits, and may have any.
    unsafe { core::mem::zeroed() }
}

/// The next `blocks` blocks of eight packets, each with its own key.
///
/// # Safety
/// The CPU has AES-NI and AVX; `ROUNDS` is that of all keys. Each of `texts` leads to `blocks`
/// blocks; two that are the same are both written, one after the other.
#[target_feature(enable = "aes,avx")]
pub(super) unsafe fn narrow<const ROUNDS: usize>(
    keys: &[&Schedule; NARROW],
    last: &mut [[u8; 16]; NARROW],
    texts: &[*mut u8; NARROW],
    blocks: usize,
) {
    let mut state = [_mm_setzero_si128(); NARROW];
    for (state, last) in state.iter_mut().zip(&*last) {
        // SAFETY: a block is as long as a register.
        *state = unsafe { _mm_loadu_si128(last.as_ptr().cast()) };
    }
    for block in 0..blocks {
        // SAFETY: a round key is as long as a register, and aligned like one.
        let key = |lane: usize, round: usize| unsafe {
            _mm_load_si128(keys[lane].keys[round].as_ptr().cast())
        };
        let at = |lane: usize| texts[lane].wrapping_add(16 * block).cast::<__m128i>();
        for (lane, state) in state.iter_mut().enumerate() {
            // SAFETY: `block` is less than `blocks`.
            let text = unsafe { _mm_loadu_si128(at(lane)) };
            *state = _mm_xor_si128(*state, _mm_xor_si128(text, key(lane, 0)));
        }
        for round in 1..ROUNDS {
            for (lane, state) in state.iter_mut().enumerate() {
                *state = _mm_aesenc_si128(*state, key(lane, round));
            }
        }
        for (lane, state) in state.iter_mut().enumerate() {
            *state = _mm_aesenclast_si128(*state, key(lane, LAST));
            // SAFETY: as for the load.
            unsafe { _mm_storeu_si128(at(lane), *state) }
        }
    }
    for (state, last) in state.iter().zip(last) {
        // SAFETY: a block is as long as a register.
        unsafe { _mm_storeu_si128(last.as_mut_ptr().cast(), *state) }
    }
}
