//! ESP suites: which cipher and which integrity algorithm, what they are called and what they cost
//! in bytes. No cryptography: this is what configuration, tables and ciphers agree on.

use core::fmt;

use crate::esp::{Esp, pad_len};

/// Length of an AES key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AesKey {
    /// 16 bytes.
    Bits128,
    /// 24 bytes.
    Bits192,
    /// 32 bytes.
    Bits256,
}

impl AesKey {
    /// The key, bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        match self {
            Self::Bits128 => 16,
            Self::Bits192 => 24,
            Self::Bits256 => 32,
        }
    }

    /// Always false: AES has no empty key.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        false
    }
}

/// How the payload is kept secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encryption {
    /// Not at all (RFC 2410).
    Null,
    /// AES-CBC (RFC 3602).
    AesCbc(AesKey),
    /// AES-GCM with an ICV of 16, 12 or 8 bytes (RFC 4106).
    AesGcm(AesKey, u8),
    /// ChaCha20-Poly1305 (RFC 7634).
    ChaCha20Poly1305,
    /// Not at all, authenticated by AES-GMAC (RFC 4543).
    NullAesGmac(AesKey),
}

/// How the packet is authenticated where the cipher does not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Integrity {
    /// The cipher authenticates.
    Combined,
    /// HMAC-MD5-96 (RFC 2403).
    HmacMd5,
    /// HMAC-SHA-1-96 (RFC 2404).
    HmacSha1,
    /// HMAC-SHA-256-128 (RFC 4868).
    HmacSha256,
    /// HMAC-SHA-384-192 (RFC 4868).
    HmacSha384,
    /// HMAC-SHA-512-256 (RFC 4868).
    HmacSha512,
}

/// A cipher with its integrity algorithm, as carried by one SA. Only sound combinations exist:
/// those of [`Suite::ALL`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Suite {
    name: &'static str,
    encryption: Encryption,
    integrity: Integrity,
}

/// Declares the suites: a constant, the name in a configuration, the two algorithms.
macro_rules! suites {
    ($($constant:ident $name:literal $encryption:expr, $integrity:ident;)+) => {
        impl Suite {
            $(
                #[doc = concat!("`", $name, "`")]
                pub const $constant: Self = Self {
                    name: $name,
                    encryption: $encryption,
                    integrity: Integrity::$integrity,
                };
            )+

            /// Every suite, in the order in which help texts list them: the best first.
            pub const ALL: &[Self] = &[$(Self::$constant,)+];
        }
    };
}

use AesKey::{Bits128, Bits192, Bits256};
use Encryption::{AesCbc, AesGcm, ChaCha20Poly1305, Null, NullAesGmac};

suites! {
    AES256GCM16 "aes256gcm16" AesGcm(Bits256, 16), Combined;
    AES128GCM16 "aes128gcm16" AesGcm(Bits128, 16), Combined;
    AES192GCM16 "aes192gcm16" AesGcm(Bits192, 16), Combined;
    CHACHA20POLY1305 "chacha20poly1305" ChaCha20Poly1305, Combined;
    AES256GCM12 "aes256gcm12" AesGcm(Bits256, 12), Combined;
    AES128GCM12 "aes128gcm12" AesGcm(Bits128, 12), Combined;
    AES192GCM12 "aes192gcm12" AesGcm(Bits192, 12), Combined;
    AES256GCM8 "aes256gcm8" AesGcm(Bits256, 8), Combined;
    AES128GCM8 "aes128gcm8" AesGcm(Bits128, 8), Combined;
    AES192GCM8 "aes192gcm8" AesGcm(Bits192, 8), Combined;
    AES256_SHA512 "aes256-sha512" AesCbc(Bits256), HmacSha512;
    AES256_SHA384 "aes256-sha384" AesCbc(Bits256), HmacSha384;
    AES256_SHA256 "aes256-sha256" AesCbc(Bits256), HmacSha256;
    AES192_SHA512 "aes192-sha512" AesCbc(Bits192), HmacSha512;
    AES192_SHA384 "aes192-sha384" AesCbc(Bits192), HmacSha384;
    AES192_SHA256 "aes192-sha256" AesCbc(Bits192), HmacSha256;
    AES128_SHA512 "aes128-sha512" AesCbc(Bits128), HmacSha512;
    AES128_SHA384 "aes128-sha384" AesCbc(Bits128), HmacSha384;
    AES128_SHA256 "aes128-sha256" AesCbc(Bits128), HmacSha256;
    AES256_SHA1 "aes256-sha1" AesCbc(Bits256), HmacSha1;
    AES192_SHA1 "aes192-sha1" AesCbc(Bits192), HmacSha1;
    AES128_SHA1 "aes128-sha1" AesCbc(Bits128), HmacSha1;
    AES256_MD5 "aes256-md5" AesCbc(Bits256), HmacMd5;
    AES192_MD5 "aes192-md5" AesCbc(Bits192), HmacMd5;
    AES128_MD5 "aes128-md5" AesCbc(Bits128), HmacMd5;
    AES256GMAC "aes256gmac" NullAesGmac(Bits256), Combined;
    AES192GMAC "aes192gmac" NullAesGmac(Bits192), Combined;
    AES128GMAC "aes128gmac" NullAesGmac(Bits128), Combined;
    NULL_SHA512 "null-sha512" Null, HmacSha512;
    NULL_SHA384 "null-sha384" Null, HmacSha384;
    NULL_SHA256 "null-sha256" Null, HmacSha256;
    NULL_SHA1 "null-sha1" Null, HmacSha1;
    NULL_MD5 "null-md5" Null, HmacMd5;
}

impl Suite {
    /// The suite that a configuration calls `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|suite| suite.name == name)
    }

    /// The name in a configuration, such as `aes256gcm16`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// How the payload is kept secret.
    #[must_use]
    pub const fn encryption(self) -> Encryption {
        self.encryption
    }

    /// How the packet is authenticated.
    #[must_use]
    pub const fn integrity(self) -> Integrity {
        self.integrity
    }

    /// Length of the cipher key alone, without a salt, bytes; 0 for NULL encryption.
    #[must_use]
    pub const fn cipher_key_len(self) -> usize {
        match self.encryption {
            Null => 0,
            AesCbc(key) | AesGcm(key, _) | NullAesGmac(key) => key.len(),
            ChaCha20Poly1305 => 32,
        }
    }

    /// Length of the salt that follows the cipher key, bytes (RFC 4106 8.1, 4543 6, 7634 2).
    #[must_use]
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 4 } else { 0 }
    }

    /// Length of cipher key and salt, bytes.
    #[must_use]
    pub const fn encryption_key_len(self) -> usize {
        self.cipher_key_len() + self.salt_len()
    }

    /// Length of the integrity key, bytes: that of the hash's output, as RFC 2403, 2404 and 4868
    /// fix it; 0 where the cipher authenticates.
    #[must_use]
    pub const fn authentication_key_len(self) -> usize {
        match self.integrity {
            Integrity::Combined => 0,
            Integrity::HmacMd5 => 16,
            Integrity::HmacSha1 => 20,
            Integrity::HmacSha256 => 32,
            Integrity::HmacSha384 => 48,
            Integrity::HmacSha512 => 64,
        }
    }

    /// Whether one algorithm both encrypts and authenticates, or, with GMAC, does as if.
    #[must_use]
    pub const fn is_aead(self) -> bool {
        matches!(self.integrity, Integrity::Combined)
    }

    /// Length of the IV in front of the payload, bytes.
    #[must_use]
    pub const fn iv_len(self) -> usize {
        match self.encryption {
            AesGcm(..) | ChaCha20Poly1305 | NullAesGmac(_) => 8,
            AesCbc(_) => 16,
            Null => 0,
        }
    }

    /// Length of the integrity check value at the packet's end, bytes.
    #[must_use]
    pub const fn icv_len(self) -> usize {
        match (self.integrity, self.encryption) {
            (Integrity::Combined, AesGcm(_, icv_len)) => icv_len as usize,
            (Integrity::Combined, _) | (Integrity::HmacSha256, _) => 16,
            (Integrity::HmacMd5 | Integrity::HmacSha1, _) => 12,
            (Integrity::HmacSha384, _) => 24,
            (Integrity::HmacSha512, _) => 32,
        }
    }

    /// Payload, pad and the two trailer bytes are together a multiple of this, bytes:
    /// the cipher's block, and 4 otherwise (RFC 4303 2.4).
    #[must_use]
    pub const fn align(self) -> usize {
        if matches!(self.encryption, AesCbc(_)) { 16 } else { 4 }
    }

    /// Length of what lies in front of the payload, bytes: ESP header and IV.
    #[must_use]
    pub const fn header_len(self) -> usize {
        Esp::LEN + self.iv_len()
    }

    /// Length of what lies behind a payload of `payload_len` bytes, bytes: pad, pad length, next
    /// header and ICV. `payload_len` is that of something in memory, far from overflow.
    #[must_use]
    pub const fn trailer_len(self, payload_len: usize) -> usize {
        pad_len(payload_len, self.align()) + Esp::TRAILER_LEN + self.icv_len()
    }

    /// Why nobody should choose this suite today, or `None` for one that is sound (RFC 8221). Such
    /// a suite is never chosen by default: naming it in a configuration is the consent.
    #[must_use]
    pub const fn weakness(self) -> Option<&'static str> {
        match (self.encryption, self.integrity) {
            (Null, Integrity::HmacMd5) => Some(
                "sends everything in clear and authenticates it with HMAC-MD5, \
                 which RFC 8221 forbids",
            ),
            (Null | NullAesGmac(_), _) => Some("sends everything in clear: it authenticates only"),
            (_, Integrity::HmacMd5) => Some("authenticates with HMAC-MD5, which RFC 8221 forbids"),
            (_, Integrity::HmacSha1) => {
                Some("authenticates with HMAC-SHA-1, which RFC 8221 is phasing out")
            }
            (AesGcm(_, 8 | 12), _) => {
                Some("authenticates with a short ICV, which RFC 8221 advises against")
            }
            _ => None,
        }
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_suite_is_found_by_its_own_name_and_no_other() {
        let names: BTreeSet<_> = Suite::ALL.iter().map(|suite| suite.name()).collect();
        assert_eq!(names.len(), Suite::ALL.len());
        for suite in Suite::ALL {
            assert_eq!(Suite::from_name(suite.name()), Some(*suite));
        }
        assert_eq!(Suite::from_name("AES256GCM16"), None);
        assert_eq!(Suite::from_name(""), None);
    }

    #[test]
    fn lengths_are_those_of_the_rfcs() {
        let lengths = |suite: Suite| {
            let keys = (suite.encryption_key_len(), suite.authentication_key_len());
            (keys, suite.iv_len(), suite.icv_len(), suite.align())
        };
        assert_eq!(lengths(Suite::AES128GCM16), ((20, 0), 8, 16, 4));
        assert_eq!(lengths(Suite::AES256GCM8), ((36, 0), 8, 8, 4));
        assert_eq!(lengths(Suite::CHACHA20POLY1305), ((36, 0), 8, 16, 4));
        assert_eq!(lengths(Suite::AES192GMAC), ((28, 0), 8, 16, 4));
        assert_eq!(lengths(Suite::AES192_SHA384), ((24, 48), 16, 24, 16));
        assert_eq!(lengths(Suite::AES256_SHA512), ((32, 64), 16, 32, 16));
        assert_eq!(lengths(Suite::NULL_MD5), ((0, 16), 0, 12, 4));
        assert_eq!(lengths(Suite::NULL_SHA1), ((0, 20), 0, 12, 4));
    }

    #[test]
    fn what_hides_nothing_or_authenticates_badly_is_called_weak() {
        let sound = Suite::ALL.iter().filter(|suite| suite.weakness().is_none());
        let weak = |name: &str| {
            ["null", "gmac", "md5", "sha1", "gcm8", "gcm12"].iter().any(|part| name.contains(part))
        };
        for suite in sound {
            assert!(!weak(suite.name()) || suite.name() == "chacha20poly1305", "{suite}");
        }
        assert_eq!(Suite::ALL.iter().filter(|suite| suite.weakness().is_none()).count(), 13);
    }

    #[test]
    fn whole_packets_stay_aligned() {
        for suite in Suite::ALL {
            for payload in 0..70 {
                let text = payload + suite.trailer_len(payload) - suite.icv_len();
                assert_eq!(text % suite.align(), 0, "{suite}");
            }
        }
    }
}
