//! NULL encryption with AES-GMAC (RFC 4543): `SPI | sequence | IV (8) | payload | ICV (16)`, all of
//! which the ICV covers.

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::{AesGcm, KeyInit, Tag};
use wire::suite::{AesKey, Encryption};

use super::aead::{Salt, refused, split_key};
use crate::{KeyError, Keys, OpenError, Suite};

/// ESP header and IV.
const HEAD_LEN: usize = 16;
const ICV_LEN: usize = 16;
/// The SPI, behind which the high half of an extended sequence number is authenticated.
const SPI_LEN: usize = 4;
const HIGH_LEN: usize = 4;

/// A key with its salt, for either direction.
pub(crate) struct Gmac {
    key: Key,
    salt: Salt,
}

/// Boxed: few SAs have one, and it is larger than what the others have.
enum Key {
    Aes128(Box<AesGcm<Aes128, U12, U16>>),
    Aes192(Box<AesGcm<Aes192, U12, U16>>),
    Aes256(Box<AesGcm<Aes256, U12, U16>>),
}

impl Gmac {
    pub(crate) fn new(suite: Suite, keys: Keys<'_>) -> Result<Self, KeyError> {
        let (bytes, salt) = split_key(suite, keys)?;
        let key = match suite.encryption() {
            Encryption::NullAesGmac(AesKey::Bits128) => {
                AesGcm::new_from_slice(bytes).map(|key| Key::Aes128(Box::new(key)))
            }
            Encryption::NullAesGmac(AesKey::Bits192) => {
                AesGcm::new_from_slice(bytes).map(|key| Key::Aes192(Box::new(key)))
            }
            _ => AesGcm::new_from_slice(bytes).map(|key| Key::Aes256(Box::new(key))),
        };
        Ok(Self { key: key.map_err(|_| refused(suite, keys))?, salt })
    }

    pub(crate) fn seal(&self, high: Option<u32>, packet: &mut [u8]) -> Option<()> {
        let tag = self.tag(high, packet, None)?;
        *packet.last_chunk_mut()? = tag;
        Some(())
    }

    pub(crate) fn open(&self, high: Option<u32>, packet: &mut [u8]) -> Result<(), OpenError> {
        let icv = *packet.last_chunk::<ICV_LEN>().ok_or(OpenError::Truncated)?;
        self.tag(high, packet, Some(icv)).map(|_| ()).ok_or(OpenError::Integrity)
    }

    /// The ICV of a packet; `None` when it is not `expected`, compared in constant time. The
    /// packet's last bytes, where the ICV belongs, are left as they were.
    fn tag(
        &self,
        high: Option<u32>,
        packet: &mut [u8],
        expected: Option<[u8; ICV_LEN]>,
    ) -> Option<[u8; ICV_LEN]> {
        let nonce = self.salt.nonce(packet.first_chunk()?);
        let covered_len = packet.len().checked_sub(ICV_LEN)?;
        if covered_len < HEAD_LEN {
            return None;
        }
        let Some(high) = high else {
            return self.key.tag(&nonce, packet.get(..covered_len)?, expected);
        };
        // RFC 4543 3.3: the high half stands behind the SPI. The cipher wants one piece, so the
        // packet makes room for it, where the ICV will be, and closes the gap again.
        let saved: [u8; HIGH_LEN] = *packet.get(covered_len..)?.first_chunk()?;
        packet.copy_within(SPI_LEN..covered_len, SPI_LEN + HIGH_LEN);
        packet.get_mut(SPI_LEN..SPI_LEN + HIGH_LEN)?.copy_from_slice(&high.to_be_bytes());
        let tag = self.key.tag(&nonce, packet.get(..covered_len + HIGH_LEN)?, expected);
        packet.copy_within(SPI_LEN + HIGH_LEN..covered_len + HIGH_LEN, SPI_LEN);
        packet.get_mut(covered_len..)?.first_chunk_mut().map(|room| *room = saved)?;
        tag
    }
}

impl Key {
    fn tag(
        &self,
        nonce: &[u8; 12],
        covered: &[u8],
        expected: Option<[u8; ICV_LEN]>,
    ) -> Option<[u8; ICV_LEN]> {
        match self {
            Self::Aes128(key) => tag_with(&**key, nonce, covered, expected),
            Self::Aes192(key) => tag_with(&**key, nonce, covered, expected),
            Self::Aes256(key) => tag_with(&**key, nonce, covered, expected),
        }
    }
}

/// GMAC is GCM over nothing, with everything as additional data.
fn tag_with(
    key: &impl AeadInOut<NonceSize = U12, TagSize = U16>,
    nonce: &[u8; 12],
    covered: &[u8],
    expected: Option<[u8; ICV_LEN]>,
) -> Option<[u8; ICV_LEN]> {
    let nothing: &mut [u8] = &mut [];
    match expected {
        None => {
            let tag = key.encrypt_inout_detached(nonce.into(), covered, nothing.into());
            tag.ok().map(Into::into)
        }
        Some(icv) => {
            let tag: Tag<U16> = icv.into();
            let verified = key.decrypt_inout_detached(nonce.into(), covered, nothing.into(), &tag);
            verified.ok().map(|()| icv)
        }
    }
}
