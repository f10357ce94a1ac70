//! AES-GCM (NIST SP 800-38D) with 12-byte nonces, for keys of 16, 24 and 32 bytes.
//!
//! Two blocks to a register: counters are encrypted and the hash is multiplied sixteen blocks at
//! a time, and the hash is reduced once for all of them.

#[cfg(target_arch = "x86_64")]
mod bytes;
#[cfg(target_arch = "x86_64")]
mod ghash;
#[cfg(target_arch = "x86_64")]
mod kernel;

use zeroize::ZeroizeOnDrop;

use crate::{aes::Schedule, detect};

/// Powers of the hash key that are kept: as many blocks are multiplied before a reduction.
pub(crate) const POWERS: usize = 16;

/// An AES-GCM key with all that a packet needs of it: 512 bytes.
#[derive(ZeroizeOnDrop)]
#[repr(C, align(32))]
pub struct GcmKey {
    /// The hash key to the 16th, ..., to the first power, in the form that `ghash.rs` wants.
    powers: [[u8; 16]; POWERS],
    schedule: Schedule,
}

const _: () = assert!(size_of::<GcmKey>() <= 512);

impl GcmKey {
    /// Expands a key of 16, 24 or 32 bytes; `None` for other lengths and where the kernel is
    /// not available.
    pub fn new(key: &[u8]) -> Option<Self> {
        if crate::kernels().aes_gcm { Self::expand(key) } else { None }
    }

    /// The same before the self-test has passed.
    pub(crate) fn expand(key: &[u8]) -> Option<Self> {
        if !detect::gcm() {
            return None;
        }
        let mut key = Self { powers: [[0; 16]; POWERS], schedule: Schedule::new(key)? };
        key.fill_powers();
        Some(key)
    }

    /// Powers and round keys.
    #[cfg(test)]
    pub(crate) fn secrets(&self) -> [[u8; 16]; 31] {
        let all = [self.powers.as_slice(), self.schedule.keys.as_slice()].concat();
        core::array::from_fn(|at| all[at])
    }

    /// Encrypts `text` in place and returns the ICV. A nonce must never be used again with the
    /// same key.
    #[inline]
    pub fn seal(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8]) -> [u8; 16] {
        self.run::<false>(nonce, aad, text).to_le_bytes()
    }

    /// Decrypts `text` in place and tells whether `icv`, of 8, 12 or 16 bytes, is the right one;
    /// comparing takes the same time either way. If it is not, `text` must not be used.
    #[inline]
    #[must_use]
    pub fn open(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], icv: &[u8]) -> bool {
        let mut wanted = [0; 16];
        match (wanted.get_mut(..icv.len()), icv.len()) {
            (Some(start), 8 | 12 | 16) => start.copy_from_slice(icv),
            _ => return false,
        }
        let found = self.run::<true>(nonce, aad, text);
        let covered = u128::MAX >> (8 * (16 - icv.len()));
        (found ^ u128::from_le_bytes(wanted)) & covered == 0
    }

    #[cfg(target_arch = "x86_64")]
    fn fill_powers(&mut self) {
        // SAFETY: `expand` has seen that the CPU has what the kernel uses.
        unsafe { ghash::fill_powers(&self.schedule, &mut self.powers) }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn fill_powers(&mut self) {}

    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn run<const OPEN: bool>(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8]) -> u128 {
        // SAFETY: a key exists only on a CPU that has what the kernel uses.
        unsafe { kernel::run::<OPEN>(&self.schedule, &self.powers, nonce, aad, text) }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn run<const OPEN: bool>(&self, _: &[u8; 12], _: &[u8], _: &mut [u8]) -> u128 {
        0
    }
}
