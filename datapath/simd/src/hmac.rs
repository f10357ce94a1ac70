//! HMAC (RFC 2104) of many messages at once, each with its own key and its own length.
//!
//! A hash is a chain: a block waits for the block before it. So the lanes of one register, or
//! several registers in turn, work on different messages. A lane whose message ends takes the next
//! job from the queue while the others go on; `lanes.rs` does that for all three hashes.

#[cfg(target_arch = "x86_64")]
mod lanes;
#[cfg(target_arch = "x86_64")]
mod md5;
#[cfg(target_arch = "x86_64")]
mod sha1;
#[cfg(target_arch = "x86_64")]
mod sha256;
#[cfg(target_arch = "x86_64")]
mod start;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// The hash's states after the key's two pads: what a message starts and ends with.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Pads<const WORDS: usize> {
    inner: [u32; WORDS],
    outer: [u32; WORDS],
}

/// One message and its MAC.
pub struct MacJob<'a, K, const N: usize> {
    /// What the MAC is keyed with.
    pub key: &'a K,
    /// What it covers.
    pub message: &'a [u8],
    /// Four more bytes behind the message: the high half of an extended sequence number, in
    /// network byte order (RFC 4303 section 2.2.1).
    pub tail: Option<[u8; 4]>,
    /// Where the whole MAC goes; ESP sends its first bytes.
    pub mac: [u8; N],
}

macro_rules! hmac {
    (
        $(#[$doc:meta])* $key:ident, $(#[$run_doc:meta])* $run:ident, $kernel:ident,
        $hash:path, $words:literal, $len:literal
    ) => {
        $(#[$doc])*
        #[derive(ZeroizeOnDrop)]
        pub struct $key(Pads<$words>);

        const _: () = assert!(size_of::<$key>() == 8 * $words);

        impl $key {
            /// Absorbs a key of any length; `None` where the kernel is not available.
            pub fn new(key: &[u8]) -> Option<Self> {
                if crate::kernels().$kernel { Self::absorb(key) } else { None }
            }

            /// The same before the self-test has passed.
            #[cfg(target_arch = "x86_64")]
            pub(crate) fn absorb(key: &[u8]) -> Option<Self> {
                start::pads::<$hash, $words, { <$hash>::LANES }>(key).map(Self)
            }

            /// Both states.
            #[cfg(test)]
            pub(crate) fn secrets(&self) -> [[u32; $words]; 2] {
                [self.0.inner, self.0.outer]
            }

            #[cfg(not(target_arch = "x86_64"))]
            pub(crate) fn absorb(_: &[u8]) -> Option<Self> {
                None
            }
        }

        $(#[$run_doc])*
        #[cfg(target_arch = "x86_64")]
        pub fn $run(jobs: &mut [MacJob<'_, $key, $len>]) {
            lanes::run::<$hash, _, $words, { <$hash>::LANES }, $len>(jobs, |key| &key.0);
        }

        $(#[$run_doc])*
        #[cfg(not(target_arch = "x86_64"))]
        pub fn $run(_: &mut [MacJob<'_, $key, $len>]) {}
    };
}

hmac! {
    /// A key of HMAC-SHA-1 (RFC 2404).
    HmacSha1Key,
    /// The MACs of any number of messages, of any lengths and keys.
    hmac_sha1, hmac_sha1, sha1::Sha1, 5, 20
}
hmac! {
    /// A key of HMAC-SHA-256 (RFC 4868).
    HmacSha256Key,
    /// The MACs of any number of messages, of any lengths and keys.
    hmac_sha256, hmac_sha256, sha256::Sha256, 8, 32
}
hmac! {
    /// A key of HMAC-MD5 (RFC 2403).
    HmacMd5Key,
    /// The MACs of any number of messages, of any lengths and keys.
    hmac_md5, hmac_md5, md5::Md5, 4, 16
}
