//! AES-GCM in ESP (RFC 4106): `SPI | sequence | IV (8) | ciphertext | ICV (16)`.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroize;

use crate::{KeyError, Keys, OpenError, Suite};

/// ESP header and IV.
const HEAD_LEN: usize = 16;
const ICV_LEN: usize = 16;
const SALT_LEN: usize = 4;

/// An AES-GCM key with its salt, for either direction.
pub(crate) struct Gcm {
    key: LessSafeKey,
    salt: [u8; SALT_LEN],
}

impl Gcm {
    pub(crate) fn new(suite: Suite, keys: Keys<'_>) -> Result<Self, KeyError> {
        let refused = KeyError::EncryptionLength {
            expected: suite.encryption_key_len(),
            found: keys.encryption.len(),
        };
        let (key, salt) = keys.encryption.split_last_chunk().ok_or(refused)?;
        let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        let key = UnboundKey::new(algorithm, key).map_err(|_| refused)?;
        Ok(Self { key: LessSafeKey::new(key), salt: *salt })
    }

    #[inline]
    pub(crate) fn seal(&self, high: Option<u32>, packet: &mut [u8]) -> Option<()> {
        let (head, rest) = packet.split_first_chunk_mut()?;
        let (text, icv) = rest.split_last_chunk_mut::<ICV_LEN>()?;
        let (aad, aad_len) = additional_data(head, high);
        let aad = Aad::from(aad.get(..aad_len)?);
        let tag = self.key.seal_in_place_separate_tag(self.nonce(head), aad, text).ok()?;
        *icv = tag.as_ref().try_into().ok()?;
        Some(())
    }

    #[inline]
    pub(crate) fn open(&self, high: Option<u32>, packet: &mut [u8]) -> Result<(), OpenError> {
        let (head, rest) = packet.split_first_chunk_mut().ok_or(OpenError::Truncated)?;
        let (aad, aad_len) = additional_data(head, high);
        let aad = Aad::from(aad.get(..aad_len).ok_or(OpenError::Truncated)?);
        match self.key.open_in_place(self.nonce(head), aad, rest) {
            Ok(_) => Ok(()),
            Err(_) => Err(OpenError::Integrity),
        }
    }

    /// RFC 4106 4: the salt, then the packet's IV.
    fn nonce(&self, head: &[u8; HEAD_LEN]) -> Nonce {
        let [.., a, b, c, d, e, f, g, h] = *head;
        let [s, t, u, v] = self.salt;
        Nonce::assume_unique_for_key([s, t, u, v, a, b, c, d, e, f, g, h])
    }
}

impl Drop for Gcm {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}

/// RFC 4106 5: SPI and sequence number, with its high half in between when it is extended.
fn additional_data(head: &[u8; HEAD_LEN], high: Option<u32>) -> ([u8; 12], usize) {
    let [s, p, i, j, a, b, c, d, ..] = *head;
    match high.map(u32::to_be_bytes) {
        None => ([s, p, i, j, a, b, c, d, 0, 0, 0, 0], 8),
        Some([w, x, y, z]) => ([s, p, i, j, w, x, y, z, a, b, c, d], 12),
    }
}
