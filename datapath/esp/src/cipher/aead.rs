//! Ciphers that authenticate by themselves: AES-GCM (RFC 4106) and ChaCha20-Poly1305 (RFC 7634),
//! both as `SPI | sequence | IV (8) | ciphertext | ICV`.
//!
//! AES-GCM is done by `simd` where the CPU allows. Elsewhere `ring` does what it can; AES-192 and
//! shortened ICVs, which it lacks, are RustCrypto's.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::{U8, U12, U16};
use aes_gcm::{AesGcm, KeyInit, TagSize};
use ring::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use wire::suite::{AesKey, Encryption};
use zeroize::Zeroize;

use crate::{Crypto, KeyError, Keys, OpenError, Suite};

/// ESP header and IV.
const HEAD_LEN: usize = 16;
/// Length of an ICV that was not shortened.
const ICV_LEN: usize = 16;
/// Length of the salt behind the key.
const SALT_LEN: usize = 4;

/// A key with its salt, for either direction.
pub(crate) struct Aead {
    key: Key,
    salt: Salt,
    icv_len: usize,
}

enum Key {
    Simd(simd::GcmKey),
    Ring(LessSafeKey),
    Other(Box<dyn DetachedAead>),
}

impl Aead {
    pub(crate) fn new(suite: Suite, keys: Keys<'_>, crypto: Crypto) -> Result<Self, KeyError> {
        let (bytes, salt) = split_key(suite, keys)?;
        let fast = match (crypto, suite.encryption()) {
            (Crypto::Fastest, Encryption::AesGcm(..)) => simd::GcmKey::new(bytes).map(Key::Simd),
            _ => None,
        };
        let key = fast.or_else(|| match suite.encryption() {
            Encryption::ChaCha20Poly1305 => ring_key(&CHACHA20_POLY1305, bytes),
            Encryption::AesGcm(AesKey::Bits128, 16) => ring_key(&AES_128_GCM, bytes),
            Encryption::AesGcm(AesKey::Bits256, 16) => ring_key(&AES_256_GCM, bytes),
            Encryption::AesGcm(key, icv_len) => other_key(key, icv_len, bytes),
            _ => None,
        });
        Ok(Self { key: key.ok_or(refused(suite, keys))?, salt, icv_len: suite.icv_len() })
    }

    #[inline]
    pub(crate) fn seal(&self, high: Option<u32>, packet: &mut [u8]) -> Option<()> {
        let (head, rest) = packet.split_first_chunk_mut()?;
        let (aad, aad_len) = additional_data(head, high);
        let (aad, nonce) = (aad.get(..aad_len)?, self.salt.nonce(head));
        match &self.key {
            Key::Simd(key) => {
                let (text, icv) = split_icv(rest, self.icv_len)?;
                icv.copy_from_slice(key.seal(&nonce, aad, text).get(..icv.len())?);
                Some(())
            }
            Key::Ring(key) => {
                let (text, icv) = rest.split_last_chunk_mut::<ICV_LEN>()?;
                let nonce = Nonce::assume_unique_for_key(nonce);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), text).ok()?;
                *icv = tag.as_ref().try_into().ok()?;
                Some(())
            }
            Key::Other(key) => key.seal(&nonce, aad, rest),
        }
    }

    #[inline]
    pub(crate) fn open(&self, high: Option<u32>, packet: &mut [u8]) -> Result<(), OpenError> {
        let (head, rest) = packet.split_first_chunk_mut().ok_or(OpenError::Truncated)?;
        let (aad, aad_len) = additional_data(head, high);
        let aad = aad.get(..aad_len).ok_or(OpenError::Truncated)?;
        let nonce = self.salt.nonce(head);
        let opened = match &self.key {
            Key::Simd(key) => split_icv(rest, self.icv_len)
                .is_some_and(|(text, icv)| key.open(&nonce, aad, text, icv)),
            Key::Ring(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.open_in_place(nonce, Aad::from(aad), rest).is_ok()
            }
            Key::Other(key) => key.open(&nonce, aad, rest).is_some(),
        };
        if opened { Ok(()) } else { Err(OpenError::Integrity) }
    }
}

/// The four bytes that stand in front of every packet's IV in the nonce.
pub(super) struct Salt([u8; SALT_LEN]);

impl Salt {
    /// RFC 4106 4, 4543 3.1, 7634 2: the salt, then the packet's IV.
    #[inline]
    pub(super) fn nonce(&self, head: &[u8; HEAD_LEN]) -> [u8; 12] {
        let [.., a, b, c, d, e, f, g, h] = *head;
        let [s, t, u, v] = self.0;
        [s, t, u, v, a, b, c, d, e, f, g, h]
    }
}

impl Drop for Salt {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The cipher's key and the salt behind it.
pub(super) fn split_key(suite: Suite, keys: Keys<'_>) -> Result<(&[u8], Salt), KeyError> {
    let (key, salt) = keys.encryption.split_last_chunk().ok_or(refused(suite, keys))?;
    Ok((key, Salt(*salt)))
}

pub(super) fn refused(suite: Suite, keys: Keys<'_>) -> KeyError {
    KeyError::EncryptionLength {
        expected: suite.encryption_key_len(),
        found: keys.encryption.len(),
    }
}

fn ring_key(algorithm: &'static ring::aead::Algorithm, bytes: &[u8]) -> Option<Key> {
    UnboundKey::new(algorithm, bytes).ok().map(|key| Key::Ring(LessSafeKey::new(key)))
}

fn other_key(key: AesKey, icv_len: u8, bytes: &[u8]) -> Option<Key> {
    fn with_icv<Aes: 'static>(icv_len: u8, bytes: &[u8]) -> Option<Box<dyn DetachedAead>>
    where
        Gcm<Aes, U16>: AeadInOut<TagSize = U16, NonceSize = U12> + KeyInit + Send + Sync,
        Gcm<Aes, U12>: AeadInOut<TagSize = U12, NonceSize = U12> + KeyInit + Send + Sync,
        Gcm<Aes, U8>: AeadInOut<TagSize = U8, NonceSize = U12> + KeyInit + Send + Sync,
    {
        Some(match icv_len {
            16 => Box::new(Gcm::<Aes, U16>::new_from_slice(bytes).ok()?),
            12 => Box::new(Gcm::<Aes, U12>::new_from_slice(bytes).ok()?),
            8 => Box::new(Gcm::<Aes, U8>::new_from_slice(bytes).ok()?),
            _ => return None,
        })
    }
    let key = match key {
        AesKey::Bits128 => with_icv::<aes::Aes128>(icv_len, bytes),
        AesKey::Bits192 => with_icv::<aes::Aes192>(icv_len, bytes),
        AesKey::Bits256 => with_icv::<aes::Aes256>(icv_len, bytes),
    };
    key.map(Key::Other)
}

type Gcm<Aes, Tag> = AesGcm<Aes, U12, Tag>;

/// An AEAD whose ICV stands behind the text.
trait DetachedAead: Send + Sync {
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], text_and_icv: &mut [u8]) -> Option<()>;
    fn open(&self, nonce: &[u8; 12], aad: &[u8], text_and_icv: &mut [u8]) -> Option<()>;
}

impl<Aes, Tag> DetachedAead for Gcm<Aes, Tag>
where
    Self: AeadInOut<TagSize = Tag, NonceSize = U12> + Send + Sync,
    Tag: TagSize,
{
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], text_and_icv: &mut [u8]) -> Option<()> {
        let (text, icv) = split_icv(text_and_icv, Tag::USIZE)?;
        let tag = self.encrypt_inout_detached(nonce.into(), aad, text.into()).ok()?;
        icv.copy_from_slice(&tag);
        Some(())
    }

    fn open(&self, nonce: &[u8; 12], aad: &[u8], text_and_icv: &mut [u8]) -> Option<()> {
        let (text, icv) = split_icv(text_and_icv, Tag::USIZE)?;
        let tag = (&*icv).try_into().ok()?;
        self.decrypt_inout_detached(nonce.into(), aad, text.into(), tag).ok()
    }
}

fn split_icv(bytes: &mut [u8], icv_len: usize) -> Option<(&mut [u8], &mut [u8])> {
    bytes.split_at_mut_checked(bytes.len().checked_sub(icv_len)?)
}

/// RFC 4106 5: SPI and sequence number, with its high half in between when it is extended.
fn additional_data(head: &[u8; HEAD_LEN], high: Option<u32>) -> ([u8; 12], usize) {
    let [s, p, i, j, a, b, c, d, ..] = *head;
    match high.map(u32::to_be_bytes) {
        None => ([s, p, i, j, a, b, c, d, 0, 0, 0, 0], 8),
        Some([w, x, y, z]) => ([s, p, i, j, w, x, y, z, a, b, c, d], 12),
    }
}
