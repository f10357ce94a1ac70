//! Which kernels can be used here.

use std::{fmt, sync::OnceLock};

use crate::{GcmKey, detect, self_test};

/// The kernels that this CPU has and that gave the right answers to the self-test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels {
    /// [`GcmKey`](crate::GcmKey).
    pub aes_gcm: bool,
    /// [`AesKey`](crate::AesKey).
    pub aes_cbc: bool,
    /// [`HmacSha1Key`](crate::HmacSha1Key).
    pub hmac_sha1: bool,
    /// [`HmacSha256Key`](crate::HmacSha256Key).
    pub hmac_sha256: bool,
    /// [`HmacMd5Key`](crate::HmacMd5Key).
    pub hmac_md5: bool,
}

/// The kernels that can be used. The first call tests them, which takes about a millisecond.
pub fn kernels() -> Kernels {
    static KERNELS: OnceLock<Kernels> = OnceLock::new();
    *KERNELS.get_or_init(|| Kernels {
        aes_gcm: detect::gcm() && self_test::aes_gcm(GcmKey::seal, GcmKey::open),
        aes_cbc: detect::aes() && self_test::aes_cbc(crate::cbc_encrypt),
        hmac_sha1: detect::sha() && self_test::hmac_sha1(crate::hmac_sha1),
        hmac_sha256: detect::sha() && self_test::hmac_sha256(crate::hmac_sha256),
        hmac_md5: detect::avx2() && self_test::hmac_md5(crate::hmac_md5),
    })
}

/// Names those that can be used, with what they are made of: `AES-GCM (VAES), HMAC-MD5 (AVX2 x16)`.
impl fmt::Display for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cbc = if detect::vaes() { "AES-CBC (VAES x16)" } else { "AES-CBC (AES-NI x8)" };
        let all = [
            (self.aes_gcm, "AES-GCM (VAES)"),
            (self.aes_cbc, cbc),
            (self.hmac_sha1, "HMAC-SHA-1 (SHA-NI x4)"),
            (self.hmac_sha256, "HMAC-SHA-256 (SHA-NI x4)"),
            (self.hmac_md5, "HMAC-MD5 (AVX2 x16)"),
        ];
        let mut between = "";
        for (_, name) in all.iter().filter(|(usable, _)| *usable) {
            write!(f, "{between}{name}")?;
            between = ", ";
        }
        if between.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_can_be_used_are_named() {
        let mut kernels = Kernels {
            aes_gcm: false,
            aes_cbc: false,
            hmac_sha1: false,
            hmac_sha256: false,
            hmac_md5: false,
        };
        assert_eq!(kernels.to_string(), "none");
        (kernels.aes_gcm, kernels.hmac_sha1) = (true, true);
        assert_eq!(kernels.to_string(), "AES-GCM (VAES), HMAC-SHA-1 (SHA-NI x4)");
    }

    #[test]
    fn nothing_fails_its_self_test() {
        let expected = Kernels {
            aes_gcm: detect::gcm(),
            aes_cbc: detect::aes(),
            hmac_sha1: detect::sha(),
            hmac_sha256: detect::sha(),
            hmac_md5: detect::avx2(),
        };
        assert_eq!(kernels(), expected);
    }
}
