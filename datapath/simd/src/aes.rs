//! AES round keys (FIPS 197 section 5.2).

use zeroize::ZeroizeOnDrop;

use crate::detect;

/// Most rounds, those of a 256-bit key, and the first whitening.
pub(crate) const ROUND_KEYS: usize = 15;
/// Where the last round's key stands, whatever the number of rounds.
#[cfg(target_arch = "x86_64")]
pub(crate) const LAST: usize = ROUND_KEYS - 1;

/// Round keys for encryption: `rounds` of them from the front, the last round's at [`LAST`].
#[derive(ZeroizeOnDrop)]
#[repr(C, align(16))]
pub(crate) struct Schedule {
    pub(crate) keys: [[u8; 16]; ROUND_KEYS],
    /// 10, 12 or 14.
    pub(crate) rounds: u8,
}

/// The key of AES-CBC encryption. It exists only where the kernel does.
#[derive(ZeroizeOnDrop)]
pub struct AesKey(pub(crate) Schedule);

const _: () = assert!(size_of::<AesKey>() <= 256);

impl AesKey {
    /// Expands a key of 16, 24 or 32 bytes; `None` for other lengths and where the kernel is
    /// not available.
    pub fn new(key: &[u8]) -> Option<Self> {
        if crate::kernels().aes_cbc { Self::expand(key) } else { None }
    }

    /// The same before the self-test has passed.
    pub(crate) fn expand(key: &[u8]) -> Option<Self> {
        if detect::aes() { Schedule::new(key).map(Self) } else { None }
    }
}

impl Schedule {
    /// `None` unless the key has 16, 24 or 32 bytes and the CPU has AES-NI.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        let rounds = match key.len() {
            16 => 10,
            24 => 12,
            32 => 14,
            _ => return None,
        };
        if !detect::aes() {
            return None;
        }
        let mut schedule = Self { keys: [[0; 16]; ROUND_KEYS], rounds };
        schedule.fill(key);
        Some(schedule)
    }

    #[cfg(target_arch = "x86_64")]
    fn fill(&mut self, key: &[u8]) {
        // SAFETY: `new` has seen that the CPU has AES-NI.
        unsafe { expand(key, self) }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn fill(&mut self, _: &[u8]) {}
}

/// FIPS 197 algorithm 2. The S-box is the instruction's: no table, no index made of a key.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "aes,sse2")]
fn expand(key: &[u8], schedule: &mut Schedule) {
    let key_words = key.len() / 4;
    let words = 4 * (usize::from(schedule.rounds) + 1);
    let mut window = [0; 8];
    for (word, bytes) in window.iter_mut().zip(key.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    let mut last = 0;
    let mut constant = 1_u8;
    for at in 0..words {
        let slot = at % key_words;
        if at >= key_words {
            let mixed = match slot {
                0 => {
                    let mixed = substitute(last).rotate_right(8) ^ u32::from(constant);
                    constant = (constant << 1) ^ ((constant >> 7) * 0x1b);
                    mixed
                }
                4 if key_words == 8 => substitute(last),
                _ => last,
            };
            window[slot] ^= mixed;
        }
        last = window[slot];
        schedule.keys[at / 4][4 * (at % 4)..][..4].copy_from_slice(&last.to_le_bytes());
    }
    let rounds = usize::from(schedule.rounds);
    if rounds < LAST {
        schedule.keys[LAST] = core::mem::take(&mut schedule.keys[rounds]);
    }
    zeroize::Zeroize::zeroize(&mut window);
    zeroize::Zeroize::zeroize(&mut last);
}

/// The S-box over the four bytes of a word.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "aes,sse2")]
fn substitute(word: u32) -> u32 {
    use core::arch::x86_64::{_mm_aeskeygenassist_si128, _mm_cvtsi128_si32, _mm_set1_epi32};
    _mm_cvtsi128_si32(_mm_aeskeygenassist_si128::<0>(_mm_set1_epi32(word.cast_signed())))
        .cast_unsigned()
}
