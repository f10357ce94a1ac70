//! Keyed ciphers that seal and open one ESP packet in place, whatever the suite.
//!
//! Both work on the packet from the ESP header to the ICV with every other field in place:
//! `SPI | sequence | IV | payload, pad, pad length, next header | ICV`.
//! `high` is the high half of the sequence number when it is extended: authenticated, never sent.

mod aead;
mod cbc;
mod gmac;
mod mac;

use wire::suite::Encryption;

use crate::{KeyError, Keys, OpenError, Suite};

use aead::Aead;
use cbc::{Decryptor, Encryptor};
use gmac::Gmac;
use mac::Mac;

/// What an outbound SA is keyed with.
pub(crate) enum Sealer {
    Aead(Aead),
    Gmac(Gmac),
    CbcMac(Encryptor, Mac),
    NullMac(Mac),
}

impl Sealer {
    pub(crate) fn new(suite: Suite, keys: Keys<'_>) -> Result<Self, KeyError> {
        keys.check(suite)?;
        Ok(match suite.encryption() {
            Encryption::AesGcm(..) | Encryption::ChaCha20Poly1305 => {
                Self::Aead(Aead::new(suite, keys)?)
            }
            Encryption::NullAesGmac(_) => Self::Gmac(Gmac::new(suite, keys)?),
            Encryption::AesCbc(_) => {
                Self::CbcMac(Encryptor::new(suite, keys)?, Mac::new(suite, keys)?)
            }
            Encryption::Null => Self::NullMac(Mac::new(suite, keys)?),
        })
    }

    /// Encrypts and writes the ICV; `None` when the packet is too short for the suite.
    #[inline]
    pub(crate) fn seal(&self, high: Option<u32>, packet: &mut [u8]) -> Option<()> {
        match self {
            Self::Aead(aead) => aead.seal(high, packet),
            Self::Gmac(gmac) => gmac.seal(high, packet),
            Self::CbcMac(cbc, mac) => {
                let (covered, icv) = mac.split(packet)?;
                cbc.encrypt(covered)?;
                mac.write(covered, high, icv)
            }
            Self::NullMac(mac) => {
                let (covered, icv) = mac.split(packet)?;
                mac.write(covered, high, icv)
            }
        }
    }
}

/// What an inbound SA is keyed with.
pub(crate) enum Opener {
    Aead(Aead),
    Gmac(Gmac),
    CbcMac(Decryptor, Mac),
    NullMac(Mac),
}

impl Opener {
    pub(crate) fn new(suite: Suite, keys: Keys<'_>) -> Result<Self, KeyError> {
        keys.check(suite)?;
        Ok(match suite.encryption() {
            Encryption::AesGcm(..) | Encryption::ChaCha20Poly1305 => {
                Self::Aead(Aead::new(suite, keys)?)
            }
            Encryption::NullAesGmac(_) => Self::Gmac(Gmac::new(suite, keys)?),
            Encryption::AesCbc(_) => {
                Self::CbcMac(Decryptor::new(suite, keys)?, Mac::new(suite, keys)?)
            }
            Encryption::Null => Self::NullMac(Mac::new(suite, keys)?),
        })
    }

    /// Verifies the ICV, in constant time, and only then decrypts.
    #[inline]
    pub(crate) fn open(&self, high: Option<u32>, packet: &mut [u8]) -> Result<(), OpenError> {
        match self {
            Self::Aead(aead) => aead.open(high, packet),
            Self::Gmac(gmac) => gmac.open(high, packet),
            Self::CbcMac(cbc, mac) => {
                let (covered, icv) = mac.split(packet).ok_or(OpenError::Truncated)?;
                mac.verify(covered, high, icv)?;
                cbc.decrypt(covered).ok_or(OpenError::Truncated)
            }
            Self::NullMac(mac) => {
                let (covered, icv) = mac.split(packet).ok_or(OpenError::Truncated)?;
                mac.verify(covered, high, icv)
            }
        }
    }
}

#[cfg(test)]
mod tests;
