//! Suites: which cipher and which integrity algorithm, and what they cost in bytes.

use wire::esp::{Esp, pad_len};

/// A cipher with its integrity algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Suite {
    /// AES-128-GCM with a 16-byte ICV (RFC 4106).
    Aes128Gcm16,
    /// AES-256-GCM with a 16-byte ICV (RFC 4106).
    Aes256Gcm16,
    /// AES-128-CBC (RFC 3602) with HMAC-SHA-1-96 (RFC 2404).
    Aes128CbcSha1,
    /// AES-256-CBC (RFC 3602) with HMAC-SHA-1-96 (RFC 2404).
    Aes256CbcSha1,
    /// AES-128-CBC (RFC 3602) with HMAC-SHA-256-128 (RFC 4868).
    Aes128CbcSha256,
    /// AES-256-CBC (RFC 3602) with HMAC-SHA-256-128 (RFC 4868).
    Aes256CbcSha256,
    /// No encryption (RFC 2410), HMAC-SHA-1-96 (RFC 2404).
    NullSha1,
    /// No encryption (RFC 2410), HMAC-MD5-96 (RFC 2403).
    NullMd5,
}

/// How a suite keeps the payload secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confidentiality {
    /// Counter mode with its own integrity (RFC 4106).
    Gcm,
    /// Cipher block chaining (RFC 3602).
    Cbc,
    /// Not at all (RFC 2410).
    Null,
}

impl Suite {
    /// Every suite.
    pub const ALL: &[Self] = &[
        Self::Aes128Gcm16,
        Self::Aes256Gcm16,
        Self::Aes128CbcSha1,
        Self::Aes256CbcSha1,
        Self::Aes128CbcSha256,
        Self::Aes256CbcSha256,
        Self::NullSha1,
        Self::NullMd5,
    ];

    /// The name in a configuration, such as `aes256gcm16`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm16 => "aes128gcm16",
            Self::Aes256Gcm16 => "aes256gcm16",
            Self::Aes128CbcSha1 => "aes128-sha1",
            Self::Aes256CbcSha1 => "aes256-sha1",
            Self::Aes128CbcSha256 => "aes128-sha256",
            Self::Aes256CbcSha256 => "aes256-sha256",
            Self::NullSha1 => "null-sha1",
            Self::NullMd5 => "null-md5",
        }
    }

    /// Length of [`Keys::encryption`](crate::Keys), bytes. With GCM it includes the 4 bytes of
    /// salt behind the AES key (RFC 4106 8.1).
    #[must_use]
    pub const fn encryption_key_len(self) -> usize {
        match self {
            Self::Aes128Gcm16 => 16 + 4,
            Self::Aes256Gcm16 => 32 + 4,
            Self::Aes128CbcSha1 | Self::Aes128CbcSha256 => 16,
            Self::Aes256CbcSha1 | Self::Aes256CbcSha256 => 32,
            Self::NullSha1 | Self::NullMd5 => 0,
        }
    }

    /// Length of [`Keys::authentication`](crate::Keys), bytes: that of the hash's output, as
    /// RFC 2403, 2404 and 4868 fix it; 0 with GCM.
    #[must_use]
    pub const fn authentication_key_len(self) -> usize {
        match self {
            Self::Aes128Gcm16 | Self::Aes256Gcm16 => 0,
            Self::Aes128CbcSha1 | Self::Aes256CbcSha1 | Self::NullSha1 => 20,
            Self::Aes128CbcSha256 | Self::Aes256CbcSha256 => 32,
            Self::NullMd5 => 16,
        }
    }

    /// Length of the IV in front of the payload, bytes.
    #[must_use]
    pub const fn iv_len(self) -> usize {
        match self.confidentiality() {
            Confidentiality::Gcm => 8,
            Confidentiality::Cbc => 16,
            Confidentiality::Null => 0,
        }
    }

    /// Length of the integrity check value at the packet's end, bytes.
    #[must_use]
    pub const fn icv_len(self) -> usize {
        match self {
            Self::Aes128Gcm16 | Self::Aes256Gcm16 => 16,
            Self::Aes128CbcSha256 | Self::Aes256CbcSha256 => 16,
            Self::Aes128CbcSha1 | Self::Aes256CbcSha1 | Self::NullSha1 | Self::NullMd5 => 12,
        }
    }

    /// Payload, pad and the two trailer bytes are together a multiple of this, bytes:
    /// the cipher's block, and 4 otherwise (RFC 4303 2.4).
    #[must_use]
    pub const fn align(self) -> usize {
        match self.confidentiality() {
            Confidentiality::Cbc => 16,
            Confidentiality::Gcm | Confidentiality::Null => 4,
        }
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

    pub(crate) const fn confidentiality(self) -> Confidentiality {
        match self {
            Self::Aes128Gcm16 | Self::Aes256Gcm16 => Confidentiality::Gcm,
            Self::Aes128CbcSha1
            | Self::Aes256CbcSha1
            | Self::Aes128CbcSha256
            | Self::Aes256CbcSha256 => Confidentiality::Cbc,
            Self::NullSha1 | Self::NullMd5 => Confidentiality::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_payload_ends_on_its_suites_alignment() {
        for suite in Suite::ALL {
            for payload in 0..200 {
                let trailer = suite.trailer_len(payload);
                assert_eq!((payload + trailer - suite.icv_len()) % suite.align(), 0);
                assert!(trailer >= 2 + suite.icv_len());
                assert!(trailer < 2 + suite.icv_len() + suite.align());
            }
        }
    }

    #[test]
    fn overheads_are_those_of_the_rfcs() {
        let overhead = |suite: Suite, payload| suite.header_len() + suite.trailer_len(payload);
        // An IPv4 packet of 1400 bytes is 2 bytes short of a multiple of 4 and of 16 bytes + 8.
        assert_eq!(overhead(Suite::Aes128Gcm16, 1400), 8 + 8 + 2 + 2 + 16);
        assert_eq!(overhead(Suite::Aes256CbcSha1, 1400), 8 + 16 + 6 + 2 + 12);
        assert_eq!(overhead(Suite::Aes128CbcSha256, 1400), 8 + 16 + 6 + 2 + 16);
        assert_eq!(overhead(Suite::NullMd5, 1400), 8 + 2 + 2 + 12);
    }

    #[test]
    fn names_are_distinct() {
        for (at, suite) in Suite::ALL.iter().enumerate() {
            assert!(Suite::ALL[..at].iter().all(|other| other.name() != suite.name()));
        }
    }
}
