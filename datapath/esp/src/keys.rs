//! Key material as it is handed over, and why it may be refused.

use std::fmt;

use crate::Suite;

/// The keys of one SA, in the order of a KEYMAT (RFC 7296 2.17). Deliberately without `Debug`.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// [`Suite::encryption_key_len`] bytes: the cipher's key, with GCM followed by the salt.
    pub encryption: &'a [u8],
    /// [`Suite::authentication_key_len`] bytes: the HMAC key.
    pub authentication: &'a [u8],
}

/// Which implementations an SA's packets are sealed and opened with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crypto {
    /// The fastest that this processor has: crate `simd`'s where it passes its self-test.
    Fastest,
    /// None of our own: ring's and RustCrypto's.
    Portable,
}

/// Why an SA cannot be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyError {
    /// The encryption key does not have the suite's length, bytes.
    EncryptionLength {
        /// [`Suite::encryption_key_len`].
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// The authentication key does not have the suite's length, bytes.
    AuthenticationLength {
        /// [`Suite::authentication_key_len`].
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// The anti-replay window is neither off (0) nor 32 to 65536 packets.
    ReplayWindow(u32),
    /// Extended sequence numbers without an anti-replay window: the high half of a number is
    /// inferred from the window (RFC 4303 3.4.3).
    EsnWithoutWindow,
}

impl Keys<'_> {
    /// Whether the lengths are the suite's.
    pub(crate) fn check(&self, suite: Suite) -> Result<(), KeyError> {
        let (expected, found) = (suite.encryption_key_len(), self.encryption.len());
        if expected != found {
            return Err(KeyError::EncryptionLength { expected, found });
        }
        let (expected, found) = (suite.authentication_key_len(), self.authentication.len());
        if expected != found {
            return Err(KeyError::AuthenticationLength { expected, found });
        }
        Ok(())
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EncryptionLength { expected, found } => {
                write!(f, "the encryption key has {found} bytes and not {expected}")
            }
            Self::AuthenticationLength { expected, found } => {
                write!(f, "the authentication key has {found} bytes and not {expected}")
            }
            Self::ReplayWindow(packets) => {
                write!(f, "an anti-replay window of {packets} packets is not 0 or 32 to 65536")
            }
            Self::EsnWithoutWindow => {
                write!(f, "extended sequence numbers need an anti-replay window")
            }
        }
    }
}

impl std::error::Error for KeyError {}
