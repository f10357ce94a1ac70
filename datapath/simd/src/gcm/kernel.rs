//! Counter mode and GHASH over a packet, in pairs of blocks.
//!
//! What is hashed is a row of blocks: the last block of additional data, the text, the lengths.
//! They are paired from the end, so that the last pair is always the last block of text, which may
//! be cut short, with the lengths; an empty block comes first if their number is odd. The blocks
//! of counter mode are paired the same way: the one that encrypts the tag stands where the
//! additional data does. Pairs in between are whole and side by side in memory.
//!
//! Up to eight pairs are done at once. A longer row is cut into eights from the end.

use core::arch::x86_64::*;

use super::{
    POWERS, bytes,
    ghash::{Sums, multiply, turn, turn_both},
};
use crate::aes::{LAST, Schedule};

/// Pairs that are encrypted, or hashed before a reduction.
const EIGHT: usize = POWERS / 2;

/// A packet, and what its row of blocks begins and ends with.
struct Packet<'a> {
    schedule: &'a Schedule,
    powers: &'a [[u8; 16]; POWERS],
    /// The next pair of counter blocks, turned around.
    counters: __m256i,
    /// What is hashed first.
    first: __m128i,
    /// What is hashed last.
    lengths: __m128i,
    text: *mut u8,
    len: usize,
}

/// Encrypts or, with `OPEN`, decrypts `text`, and returns the tag as little-endian bytes.
#[target_feature(enable = "aes,avx2,vaes,pclmulqdq,vpclmulqdq")]
pub(super) fn run<const OPEN: bool>(
    schedule: &Schedule,
    powers: &[[u8; 16]; POWERS],
    nonce: &[u8; 12],
    aad: &[u8],
    text: &mut [u8],
) -> u128 {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *nonce;
    let high = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let low = u64::from_be_bytes([i, j, k, l, 0, 0, 0, 0]);
    let blocks = text.len().div_ceil(16);
    // The counter of the block that encrypts the tag is 1.
    let is_odd = i32::from(blocks & 1 == 1);
    let counters = _mm_set_epi64x(high.cast_signed(), low.cast_signed());
    let counters = _mm256_add_epi32(
        _mm256_broadcastsi128_si256(counters),
        _mm256_set_epi32(0, 0, 0, 2 - is_odd, 0, 0, 0, 1 - is_odd),
    );
    let bits = |bytes: &[u8]| ((bytes.len() as u64) << 3).cast_signed();
    let mut packet = Packet {
        schedule,
        powers,
        counters,
        first: additional_data(powers, aad),
        lengths: _mm_set_epi64x(bits(aad), bits(text)),
        text: text.as_mut_ptr(),
        len: text.len(),
    };
    let pairs = (blocks + 3) / 2;
    // SAFETY: pairs and blocks are those of the text.
    let tag = unsafe {
        match pairs {
            ..=1 => packet.empty(),
            2 => packet.short::<OPEN, 2>(),
            3 => packet.short::<OPEN, 3>(),
            4 => packet.short::<OPEN, 4>(),
            5 => packet.short::<OPEN, 5>(),
            6 => packet.short::<OPEN, 6>(),
            7 => packet.short::<OPEN, 7>(),
            8 => packet.short::<OPEN, 8>(),
            _ => packet.long::<OPEN>(pairs),
        }
    };
    to_bytes(tag)
}

/// The last block of additional data, with what was hashed before it added.
#[inline]
#[target_feature(enable = "avx2,pclmulqdq,vpclmulqdq")]
fn additional_data(powers: &[[u8; 16]; POWERS], mut aad: &[u8]) -> __m128i {
    let mut before = _mm_setzero_si128();
    while let Some((block, rest)) = aad.split_first_chunk::<16>() {
        let block = turn(from_bytes(u128::from_le_bytes(*block)));
        before = _mm_xor_si128(before, block);
        if rest.is_empty() {
            return before;
        }
        let power = from_bytes(u128::from_le_bytes(powers[POWERS - 1]));
        before = multiply(before, power);
        aad = rest;
    }
    // SAFETY: what is left is less than a block.
    let rest = unsafe { bytes::read(aad.as_ptr(), aad.len()) };
    _mm_xor_si128(before, turn(from_bytes(rest)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn from_bytes(value: u128) -> __m128i {
    _mm_set_epi64x(((value >> 64) as u64).cast_signed(), (value as u64).cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn to_bytes(block: __m128i) -> u128 {
    let low = _mm_cvtsi128_si64(block).cast_unsigned();
    let high = _mm_extract_epi64::<1>(block).cast_unsigned();
    (u128::from(high) << 64) | u128::from(low)
}

#[inline]
#[target_feature(enable = "avx2")]
fn join(low: __m128i, high: __m128i) -> __m256i {
    _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), high)
}

impl Packet<'_> {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn round_key(&self, round: usize) -> __m256i {
        // SAFETY: a round key is as long as half a register.
        unsafe {
            _mm256_broadcastsi128_si256(_mm_load_si128(self.schedule.keys[round].as_ptr().cast()))
        }
    }

    /// The powers for the pair that has `behind` pairs at and behind it.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn powers(&self, behind: usize) -> __m256i {
        // SAFETY: two powers are as long as a register, and `behind` is 1 to 8.
        unsafe { _mm256_load_si256(self.powers.as_ptr().add(POWERS - 2 * behind).cast()) }
    }

    /// The next pairs of counter blocks, whitened.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn count<const PAIRS: usize>(&mut self) -> [__m256i; PAIRS] {
        let key = self.round_key(0);
        let two = _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 2);
        let mut state = [key; PAIRS];
        for state in &mut state {
            *state = _mm256_xor_si256(*state, turn_both(self.counters));
            self.counters = _mm256_add_epi32(self.counters, two);
        }
        state
    }

    /// The rounds behind the ninth.
    #[inline]
    #[target_feature(enable = "avx2,vaes")]
    fn last_rounds<const PAIRS: usize>(&self, mut state: [__m256i; PAIRS]) -> [__m256i; PAIRS] {
        if self.schedule.rounds > 10 {
            state = self.round(10, state);
            state = self.round(11, state);
            if self.schedule.rounds > 12 {
                state = self.round(12, state);
                state = self.round(13, state);
            }
        }
        let key = self.round_key(LAST);
        for state in &mut state {
            *state = _mm256_aesenclast_epi128(*state, key);
        }
        state
    }

    #[inline]
    #[target_feature(enable = "avx2,vaes")]
    fn round<const PAIRS: usize>(
        &self,
        round: usize,
        mut state: [__m256i; PAIRS],
    ) -> [__m256i; PAIRS] {
        let key = self.round_key(round);
        for state in &mut state {
            *state = _mm256_aesenc_epi128(*state, key);
        }
        state
    }

    /// The next pairs of the key stream.
    #[inline]
    #[target_feature(enable = "avx2,vaes")]
    fn key_stream<const PAIRS: usize>(&mut self) -> [__m256i; PAIRS] {
        let mut state = self.count::<PAIRS>();
        for round in 1..10 {
            state = self.round(round, state);
        }
        self.last_rounds(state)
    }

    /// No text at all.
    #[inline]
    #[target_feature(enable = "avx2,vaes,pclmulqdq,vpclmulqdq")]
    fn empty(&mut self) -> __m128i {
        let [stream] = self.key_stream::<1>();
        let mut sums = Sums::new();
        sums.add(join(self.first, self.lengths), self.powers(1));
        _mm_xor_si128(turn(sums.reduce()), _mm256_castsi256_si128(stream))
    }

    /// The first pair: what encrypts the tag, and what is hashed.
    ///
    /// # Safety
    /// The text has two blocks or more, or one if their number is odd.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn front<const OPEN: bool>(&mut self, stream: __m256i) -> (__m128i, __m256i) {
        let low = _mm256_castsi256_si128(stream);
        let high = _mm256_extracti128_si256::<1>(stream);
        if self.is_odd() {
            return (high, join(_mm_setzero_si128(), self.first));
        }
        // SAFETY: there is a first block.
        let hashed = unsafe {
            let text = _mm_loadu_si128(self.text.cast());
            let changed = _mm_xor_si128(text, high);
            _mm_storeu_si128(self.text.cast(), changed);
            if OPEN { text } else { changed }
        };
        (low, join(self.first, turn(hashed)))
    }

    /// The last pair: what is hashed.
    ///
    /// # Safety
    /// The text is not empty.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn back<const OPEN: bool>(&self, stream: __m256i) -> __m256i {
        let at = 16 * (self.blocks() - 1);
        let len = self.len - at;
        let stream = _mm256_castsi256_si128(stream);
        // SAFETY: the block begins at `at`, and `len` of its bytes exist.
        let hashed = unsafe {
            let text = self.text.add(at);
            if len == 16 {
                let before = _mm_loadu_si128(text.cast());
                let changed = _mm_xor_si128(before, stream);
                _mm_storeu_si128(text.cast(), changed);
                if OPEN { before } else { changed }
            } else {
                let before = from_bytes(bytes::read(text, len));
                let exists = _mm_loadu_si128(EXISTS.as_ptr().add(16 - len).cast());
                let changed = _mm_and_si128(_mm_xor_si128(before, stream), exists);
                bytes::write(text, len, to_bytes(changed));
                if OPEN { before } else { changed }
            }
        };
        join(turn(hashed), self.lengths)
    }

    #[inline(always)]
    fn blocks(&self) -> usize {
        self.len.div_ceil(16)
    }

    /// Whether the row begins with an empty block.
    #[inline(always)]
    fn is_odd(&self) -> bool {
        self.blocks() & 1 == 1
    }

    /// Where the second pair of the row is.
    #[inline(always)]
    fn second(&self) -> *mut u8 {
        self.text.wrapping_add(if self.is_odd() { 0 } else { 16 })
    }

    /// A whole row of at most eight pairs.
    ///
    /// # Safety
    /// The row has `PAIRS` pairs, at least two.
    #[target_feature(enable = "avx2,vaes,pclmulqdq,vpclmulqdq")]
    unsafe fn short<const OPEN: bool, const PAIRS: usize>(&mut self) -> __m128i {
        let stream = self.key_stream::<PAIRS>();
        let mut sums = Sums::new();
        // SAFETY: the pairs between the first and the last are whole.
        let mask = unsafe {
            let (mask, pair) = self.front::<OPEN>(stream[0]);
            sums.add(pair, self.powers(PAIRS));
            let text = self.second();
            for at in 1..PAIRS - 1 {
                let pair = change::<OPEN>(text.add(32 * (at - 1)), stream[at]);
                sums.add(turn_both(pair), self.powers(PAIRS - at));
            }
            sums.add(self.back::<OPEN>(stream[PAIRS - 1]), self.powers(1));
            mask
        };
        _mm_xor_si128(turn(sums.reduce()), mask)
    }

    /// The first pairs of a long row: what encrypts the tag, and the hash.
    ///
    /// # Safety
    /// The row has more than `PAIRS` pairs.
    #[target_feature(enable = "avx2,vaes,pclmulqdq,vpclmulqdq")]
    unsafe fn start<const OPEN: bool, const PAIRS: usize>(&mut self) -> (__m128i, __m128i) {
        let stream = self.key_stream::<PAIRS>();
        let mut sums = Sums::new();
        // SAFETY: the pairs behind the first are whole.
        let mask = unsafe {
            let (mask, pair) = self.front::<OPEN>(stream[0]);
            sums.add(pair, self.powers(PAIRS));
            let text = self.second();
            for at in 1..PAIRS {
                let pair = change::<OPEN>(text.add(32 * (at - 1)), stream[at]);
                sums.add(turn_both(pair), self.powers(PAIRS - at));
            }
            mask
        };
        (mask, sums.reduce())
    }

    /// A row of `pairs` pairs, more than eight.
    ///
    /// # Safety
    /// The row has `pairs` pairs.
    #[target_feature(enable = "avx2,vaes,pclmulqdq,vpclmulqdq")]
    unsafe fn long<const OPEN: bool>(&mut self, pairs: usize) -> __m128i {
        let front = (pairs - 1) % EIGHT + 1;
        // SAFETY: as many pairs go first as leave whole eights.
        unsafe {
            let (mask, hash) = match front {
                1 => self.start::<OPEN, 1>(),
                2 => self.start::<OPEN, 2>(),
                3 => self.start::<OPEN, 3>(),
                4 => self.start::<OPEN, 4>(),
                5 => self.start::<OPEN, 5>(),
                6 => self.start::<OPEN, 6>(),
                7 => self.start::<OPEN, 7>(),
                _ => self.start::<OPEN, 8>(),
            };
            let text = self.second().add(32 * (front - 1));
            let eights = (pairs - front) / EIGHT;
            let hash = if OPEN {
                self.open_eights(text, eights, hash)
            } else {
                self.seal_eights(text, eights, hash)
            };
            _mm_xor_si128(turn(hash), mask)
        }
    }

    /// Each eight is hashed while the next one is encrypted.
    ///
    /// # Safety
    /// `eights` eights begin at `text`, the last pair of which is the last of the row.
    #[inline]
    #[target_feature(enable = "avx2,vaes,pclmulqdq,vpclmulqdq")]
    unsafe fn seal_eights(&mut self, mut text: *mut u8, eights: usize, hash: __m128i) -> __m128i {
        let mut hash = hash;
        let mut stream = self.key_stream::<EIGHT>();
        // SAFETY: all but the last pair are whole.
        unsafe {
            for _ in 1..eights {
                change_pairs::<EIGHT>(text, &stream);
                (stream, hash) = self.key_stream_and_hash::<false>(text, hash, stream[0]);
                text = text.add(32 * EIGHT);
            }
            change_pairs::<{ EIGHT - 1 }>(text, &stream);
            let back = self.back::<false>(stream[EIGHT - 1]);
            let mut sums = Sums::new();
            for at in 0..EIGHT - 1 {
                self.hash_pair(&mut sums, text, at, hash);
            }
            sums.add(back, self.powers(1));
            sums.reduce()
        }
    }

    /// Each eight is hashed while its own key stream is made.
    ///
    /// # Safety
    /// `eights` eights begin at `text`, the last pair of which is the last of the row.
    #[inline]
    #[target_feature(enable = "avx2,vaes,pclmulqdq,vpclmulqdq")]
    unsafe fn open_eights(&mut self, mut text: *mut u8, eights: usize, hash: __m128i) -> __m128i {
        let mut hash = hash;
        let zero = _mm256_setzero_si256();
        // SAFETY: all but the last pair are whole.
        unsafe {
            for _ in 1..eights {
                let stream;
                (stream, hash) = self.key_stream_and_hash::<false>(text, hash, zero);
                change_pairs::<EIGHT>(text, &stream);
                text = text.add(32 * EIGHT);
            }
            // Without a key stream it changes nothing.
            let back = self.back::<true>(zero);
            let (stream, hash) = self.key_stream_and_hash::<true>(text, hash, back);
            change_pairs::<{ EIGHT - 1 }>(text, &stream);
            self.back::<true>(stream[EIGHT - 1]);
            hash
        }
    }

    /// Makes the key stream for eight pairs, and hashes eight at `text`, or seven and `back`.
    ///
    /// # Safety
    /// So many pairs are at `text`.
    #[inline]
    #[target_feature(enable = "avx2,vaes,pclmulqdq,vpclmulqdq")]
    unsafe fn key_stream_and_hash<const BACK: bool>(
        &mut self,
        text: *const u8,
        hash: __m128i,
        back: __m256i,
    ) -> ([__m256i; EIGHT], __m128i) {
        let mut state = self.count::<EIGHT>();
        let mut sums = Sums::new();
        // A round and a product by turns: each has units of its own.
        for at in 0..EIGHT {
            state = self.round(at + 1, state);
            if BACK && at == EIGHT - 1 {
                sums.add(back, self.powers(1));
            } else {
                // SAFETY: there is such a pair.
                unsafe { self.hash_pair(&mut sums, text, at, hash) }
            }
        }
        state = self.round(9, state);
        let hash = sums.reduce();
        (self.last_rounds(state), hash)
    }

    /// Adds the pair number `at` of an eight.
    ///
    /// # Safety
    /// There is such a pair at `text`.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    unsafe fn hash_pair(&self, sums: &mut Sums, text: *const u8, at: usize, hash: __m128i) {
        // SAFETY: as above.
        let pair = turn_both(unsafe { _mm256_loadu_si256(text.add(32 * at).cast()) });
        let pair =
            if at == 0 { _mm256_xor_si256(pair, _mm256_zextsi128_si256(hash)) } else { pair };
        sums.add(pair, self.powers(EIGHT - at));
    }
}

/// Bytes that exist, then bytes that do not.
static EXISTS: [u8; 32] = {
    let mut exists = [0; 32];
    let mut at = 0;
    while at < 16 {
        exists[at] = 0xff;
        at += 1;
    }
    exists
};

/// Adds a pair of the key stream to a pair of the text; returns the one that is hashed.
///
/// # Safety
/// There is a pair at `text`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn change<const OPEN: bool>(text: *mut u8, stream: __m256i) -> __m256i {
    // SAFETY: as above.
    unsafe {
        let before = _mm256_loadu_si256(text.cast());
        let changed = _mm256_xor_si256(before, stream);
        _mm256_storeu_si256(text.cast(), changed);
        if OPEN { before } else { changed }
    }
}

/// Adds the first `PAIRS` pairs of the key stream to the text.
///
/// # Safety
/// There are so many pairs at `text`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn change_pairs<const PAIRS: usize>(text: *mut u8, stream: &[__m256i; EIGHT]) {
    for (at, stream) in stream.iter().enumerate().take(PAIRS) {
        // SAFETY: as above.
        unsafe {
            change::<false>(text.add(32 * at), *stream);
        }
    }
}
