//! AES-CBC encryption (NIST SP 800-38A section 6.2) of many packets at once.
//!
//! A block waits for the block before it, so the lanes work on different packets. All lanes run
//! for as many blocks as the one with the least has left; a lane that is done takes the next job.
//! (Decryption needs none of this: its blocks do not wait for each other.)

#[cfg(target_arch = "x86_64")]
mod kernel;
#[cfg(target_arch = "x86_64")]
mod lanes;

use crate::AesKey;

/// One packet to encrypt in place.
pub struct CbcJob<'a> {
    /// What it is encrypted with.
    pub key: &'a AesKey,
    /// What is mixed into the first block.
    pub iv: [u8; 16],
    /// Plain, then encrypted. Bytes at the end that are not a whole block stay as they are.
    pub blocks: &'a mut [u8],
}

/// Encrypts any number of packets, of any lengths and keys.
#[cfg(target_arch = "x86_64")]
pub fn cbc_encrypt(jobs: &mut [CbcJob<'_>]) {
    lanes::run(jobs, crate::detect::vaes());
}

/// Encrypts any number of packets, of any lengths and keys.
#[cfg(not(target_arch = "x86_64"))]
pub fn cbc_encrypt(_: &mut [CbcJob<'_>]) {}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
