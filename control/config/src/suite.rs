//! ESP suites as a user names them: which keys they want, and which of them are weak.

use std::fmt;

/// A cipher with its authentication, as carried by one ESP SA.
///
/// The requirement levels are those of RFC 8221.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-GCM with a 128-bit key and a 16-byte ICV (RFC 4106).
    Aes128Gcm16,
    /// AES-GCM with a 256-bit key and a 16-byte ICV (RFC 4106).
    Aes256Gcm16,
    /// AES-CBC with a 128-bit key (RFC 3602) and HMAC-SHA-1-96 (RFC 2404).
    Aes128Sha1,
    /// AES-CBC with a 256-bit key (RFC 3602) and HMAC-SHA-1-96 (RFC 2404).
    Aes256Sha1,
    /// AES-CBC with a 128-bit key (RFC 3602) and HMAC-SHA-256-128 (RFC 4868).
    Aes128Sha256,
    /// AES-CBC with a 256-bit key (RFC 3602) and HMAC-SHA-256-128 (RFC 4868).
    Aes256Sha256,
    /// No encryption (RFC 2410) and HMAC-SHA-1-96 (RFC 2404).
    NullSha1,
    /// No encryption (RFC 2410) and HMAC-MD5-96 (RFC 2403).
    NullMd5,
}

impl Suite {
    /// Every suite, in the order in which help texts list them: the best first.
    pub const ALL: [Self; 8] = [
        Self::Aes128Gcm16,
        Self::Aes256Gcm16,
        Self::Aes128Sha256,
        Self::Aes256Sha256,
        Self::Aes128Sha1,
        Self::Aes256Sha1,
        Self::NullSha1,
        Self::NullMd5,
    ];

    /// The suite that a configuration calls `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// The name in a configuration, such as `aes256gcm16`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm16 => "aes128gcm16",
            Self::Aes256Gcm16 => "aes256gcm16",
            Self::Aes128Sha1 => "aes128-sha1",
            Self::Aes256Sha1 => "aes256-sha1",
            Self::Aes128Sha256 => "aes128-sha256",
            Self::Aes256Sha256 => "aes256-sha256",
            Self::NullSha1 => "null-sha1",
            Self::NullMd5 => "null-md5",
        }
    }

    /// Bytes of the cipher key alone, without a salt; 0 for the NULL suites.
    pub const fn cipher_key_len(self) -> usize {
        match self {
            Self::Aes128Gcm16 | Self::Aes128Sha1 | Self::Aes128Sha256 => 16,
            Self::Aes256Gcm16 | Self::Aes256Sha1 | Self::Aes256Sha256 => 32,
            Self::NullSha1 | Self::NullMd5 => 0,
        }
    }

    /// Bytes of the salt that follows the cipher key (RFC 4106 section 8.1); 0 except for AES-GCM.
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 4 } else { 0 }
    }

    /// Bytes of `encryption_key`: the cipher key followed by the salt.
    pub const fn encryption_key_len(self) -> usize {
        self.cipher_key_len() + self.salt_len()
    }

    /// Bytes of `authentication_key`; 0 for AES-GCM, which authenticates by itself.
    pub const fn authentication_key_len(self) -> usize {
        match self {
            Self::Aes128Gcm16 | Self::Aes256Gcm16 => 0,
            Self::Aes128Sha1 | Self::Aes256Sha1 | Self::NullSha1 => 20,
            Self::Aes128Sha256 | Self::Aes256Sha256 => 32,
            Self::NullMd5 => 16,
        }
    }

    /// Whether one algorithm both encrypts and authenticates.
    pub const fn is_aead(self) -> bool {
        matches!(self, Self::Aes128Gcm16 | Self::Aes256Gcm16)
    }

    /// Why nobody should choose this suite today, or `None` for one that is sound. Such a suite
    /// is never chosen by default: naming it in the file is the consent.
    pub const fn weakness(self) -> Option<&'static str> {
        match self {
            Self::NullMd5 => Some(
                "sends everything in clear and authenticates it with HMAC-MD5, \
                 which RFC 8221 forbids",
            ),
            Self::NullSha1 => Some("sends everything in clear: it authenticates only"),
            Self::Aes128Sha1 | Self::Aes256Sha1 => {
                Some("authenticates with HMAC-SHA-1, which RFC 8221 is phasing out")
            }
            Self::Aes128Gcm16 | Self::Aes256Gcm16 | Self::Aes128Sha256 | Self::Aes256Sha256 => None,
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_found_by_its_own_name_and_no_other() {
        for suite in Suite::ALL {
            assert_eq!(Suite::from_name(suite.name()), Some(suite));
        }
        assert_eq!(Suite::from_name("AES256GCM16"), None);
        assert_eq!(Suite::from_name(""), None);
    }

    #[test]
    fn gcm_wants_key_and_salt_and_the_rest_an_authentication_key() {
        assert_eq!(Suite::Aes128Gcm16.encryption_key_len(), 20);
        assert_eq!(Suite::Aes256Gcm16.encryption_key_len(), 36);
        for suite in Suite::ALL {
            assert_eq!(suite.is_aead(), suite.authentication_key_len() == 0, "{suite}");
        }
    }

    #[test]
    fn null_md5_and_sha1_are_called_weak() {
        for suite in Suite::ALL {
            let expected = suite.name().contains("null") || suite.name().ends_with("sha1");
            assert_eq!(suite.weakness().is_some(), expected, "{suite}");
        }
    }
}
