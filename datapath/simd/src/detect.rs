//! What the CPU has. Asked once per key and per batch; the answer is a load from memory.

macro_rules! has {
    ($($feature:tt),*) => {{
        #[cfg(target_arch = "x86_64")]
        let found = $(std::arch::is_x86_feature_detected!($feature))&&*;
        #[cfg(not(target_arch = "x86_64"))]
        let found = false;
        found
    }};
}

/// AES-NI, for the key schedule and eight lanes of CBC.
pub(crate) fn aes() -> bool {
    has!("aes", "sse2", "avx")
}

/// AES on two blocks per register, for sixteen lanes of CBC.
pub(crate) fn vaes() -> bool {
    aes() && has!("avx2", "vaes")
}

/// What AES-GCM wants.
pub(crate) fn gcm() -> bool {
    vaes() && has!("pclmulqdq", "vpclmulqdq")
}

/// The SHA extensions, for SHA-1 and SHA-256.
pub(crate) fn sha() -> bool {
    has!("sha", "ssse3", "sse4.1", "avx")
}

/// For MD5, which has no instructions of its own.
pub(crate) fn avx2() -> bool {
    has!("avx2")
}
