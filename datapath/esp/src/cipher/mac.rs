//! HMAC as ESP uses it: over everything from the SPI to the next header, then the high half of an
//! extended sequence number (RFC 4303 2.2.1), its output cut to the ICV's length.

use hmac::digest::block_api::EagerHash;
use hmac::{Hmac, KeyInit, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use wire::suite::Integrity;

use crate::{KeyError, Keys, OpenError, Suite};

/// A hash keyed once: both pads are absorbed, a packet starts from a copy of that state.
pub(crate) struct Mac {
    hash: Hash,
    icv_len: usize,
}

/// The larger ones are boxed: few SAs have them, and every SA would pay.
enum Hash {
    /// HMAC-MD5-96 (RFC 2403).
    Md5(Hmac<Md5>),
    /// HMAC-SHA-1-96 (RFC 2404).
    Sha1(Hmac<Sha1>),
    /// HMAC-SHA-256-128 (RFC 4868).
    Sha256(Hmac<Sha256>),
    /// HMAC-SHA-384-192 (RFC 4868).
    Sha384(Box<Hmac<Sha384>>),
    /// HMAC-SHA-512-256 (RFC 4868).
    Sha512(Box<Hmac<Sha512>>),
}

impl Mac {
    pub(crate) fn new(suite: Suite, keys: Keys<'_>) -> Result<Self, KeyError> {
        let key = keys.authentication;
        let hash = match suite.integrity() {
            Integrity::HmacMd5 => Hmac::new_from_slice(key).map(Hash::Md5),
            Integrity::HmacSha256 => Hmac::new_from_slice(key).map(Hash::Sha256),
            Integrity::HmacSha384 => {
                Hmac::new_from_slice(key).map(|keyed| Hash::Sha384(Box::new(keyed)))
            }
            Integrity::HmacSha512 => {
                Hmac::new_from_slice(key).map(|keyed| Hash::Sha512(Box::new(keyed)))
            }
            Integrity::HmacSha1 | Integrity::Combined => Hmac::new_from_slice(key).map(Hash::Sha1),
        };
        let (expected, found) = (suite.authentication_key_len(), key.len());
        let hash = hash.map_err(|_| KeyError::AuthenticationLength { expected, found })?;
        Ok(Self { hash, icv_len: suite.icv_len() })
    }

    /// What the ICV covers, and the ICV.
    #[inline]
    pub(crate) fn split<'a>(&self, packet: &'a mut [u8]) -> Option<(&'a mut [u8], &'a mut [u8])> {
        packet.split_at_mut_checked(packet.len().checked_sub(self.icv_len)?)
    }

    /// Computes the ICV over `covered`.
    #[inline]
    pub(crate) fn write(&self, covered: &[u8], high: Option<u32>, icv: &mut [u8]) -> Option<()> {
        match &self.hash {
            Hash::Md5(keyed) => cut(absorb(keyed, covered, high), icv),
            Hash::Sha1(keyed) => cut(absorb(keyed, covered, high), icv),
            Hash::Sha256(keyed) => cut(absorb(keyed, covered, high), icv),
            Hash::Sha384(keyed) => cut(absorb(keyed, covered, high), icv),
            Hash::Sha512(keyed) => cut(absorb(keyed, covered, high), icv),
        }
    }

    /// Whether `icv` is the ICV over `covered`; the comparison takes the same time either way.
    #[inline]
    pub(crate) fn verify(
        &self,
        covered: &[u8],
        high: Option<u32>,
        icv: &[u8],
    ) -> Result<(), OpenError> {
        match &self.hash {
            Hash::Md5(keyed) => absorb(keyed, covered, high).verify_truncated_left(icv),
            Hash::Sha1(keyed) => absorb(keyed, covered, high).verify_truncated_left(icv),
            Hash::Sha256(keyed) => absorb(keyed, covered, high).verify_truncated_left(icv),
            Hash::Sha384(keyed) => absorb(keyed, covered, high).verify_truncated_left(icv),
            Hash::Sha512(keyed) => absorb(keyed, covered, high).verify_truncated_left(icv),
        }
        .map_err(|_| OpenError::Integrity)
    }
}

fn absorb<D: EagerHash>(keyed: &Hmac<D>, covered: &[u8], high: Option<u32>) -> Hmac<D>
where
    Hmac<D>: Clone + hmac::Mac,
{
    let mut mac = keyed.clone();
    mac.update(covered);
    if let Some(high) = high {
        mac.update(&high.to_be_bytes());
    }
    mac
}

fn cut(mac: impl hmac::Mac, icv: &mut [u8]) -> Option<()> {
    let output = mac.finalize().into_bytes();
    icv.copy_from_slice(output.get(..icv.len())?);
    Some(())
}
