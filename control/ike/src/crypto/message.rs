//! Protection of IKEv2's messages: the encrypted payload of RFC 7296 section 3.14, with AES-CBC and
//! HMAC, or with an AEAD as RFC 5282 and RFC 7634 have it.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, KeyInit, KeySizeUser, consts};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{AesGcm, TagSize};
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use subtle::ConstantTimeEq;

use engine::{Random, Secret};

use super::cbc::{self, BLOCK_LEN};
use super::prf;
use crate::algorithm::{Encryption, Integrity, SALT_LEN};

/// A message does not have the ICV that our key gives it, or is not shaped like one that has. Which
/// of the two stays unsaid, for a stranger could learn from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAuthentic;

/// The keys of one direction of an IKE SA, and the IVs that have been used with them.
pub struct MessageKeys {
    encryption: Encryption,
    integrity: Option<Integrity>,
    encryption_key: Secret,
    integrity_key: Secret,
    /// An AEAD must never see an IV twice (RFC 5282 section 3.1): they are counted.
    next_iv: AtomicU64,
}

impl MessageKeys {
    /// From SK_e and SK_a of one direction.
    ///
    /// # Panics
    ///
    /// If a key is not as long as its algorithm wants it, or if there is no integrity algorithm
    /// where the cipher does not authenticate.
    #[must_use]
    pub fn new(
        encryption: Encryption,
        integrity: Option<Integrity>,
        encryption_key: Secret,
        integrity_key: Secret,
    ) -> Self {
        assert!(encryption.is_aead() != integrity.is_some(), "exactly one of them authenticates");
        assert_eq!(encryption_key.len(), encryption.key_len());
        assert_eq!(integrity_key.len(), integrity.map_or(0, Integrity::key_len));
        let next_iv = AtomicU64::new(0);
        Self { encryption, integrity, encryption_key, integrity_key, next_iv }
    }

    /// SK_e: for the key log.
    #[must_use]
    pub fn encryption_key(&self) -> &Secret {
        &self.encryption_key
    }

    /// SK_a, empty with an AEAD: for the key log.
    #[must_use]
    pub fn integrity_key(&self) -> &Secret {
        &self.integrity_key
    }

    /// What encrypts.
    #[must_use]
    pub fn encryption(&self) -> Encryption {
        self.encryption
    }

    /// What authenticates, if the cipher does not.
    #[must_use]
    pub fn integrity(&self) -> Option<Integrity> {
        self.integrity
    }

    /// Length of the ICV, bytes.
    #[must_use]
    pub fn icv_len(&self) -> usize {
        self.integrity.map_or(self.encryption.icv_len(), Integrity::icv_len)
    }

    /// How long the body of an encrypted payload is that holds `len` bytes of payloads: IV, padded
    /// text and ICV.
    #[must_use]
    pub fn sealed_len(&self, len: usize) -> usize {
        let padded = (len + 1).next_multiple_of(self.encryption.block_len());
        self.encryption.iv_len() + padded + self.icv_len()
    }

    /// How many bytes of payloads fit into the body of an encrypted payload of `room` bytes; `None`
    /// if not even none do.
    #[must_use]
    pub fn capacity(&self, room: usize) -> Option<usize> {
        let text = room.checked_sub(self.encryption.iv_len() + self.icv_len())?;
        let block = self.encryption.block_len();
        (text / block * block).checked_sub(1)
    }

    /// The body of an encrypted payload: IV, encrypted `text` with its padding, ICV.
    ///
    /// `associated` is the message from its first byte to the last of the encrypted payload's
    /// generic header, lengths filled in with the help of [`Self::sealed_len`]; for an encrypted
    /// fragment it includes number and total (RFC 7383 section 2.5).
    #[must_use]
    pub fn seal(&self, associated: &[u8], text: &[u8], random: &mut dyn Random) -> Vec<u8> {
        if self.encryption.is_aead() {
            let iv = self.next_iv.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            return self.seal_with_iv(associated, &iv, text);
        }
        // RFC 7296 section 3.14: an IV for CBC cannot be predicted.
        let mut iv = [0; BLOCK_LEN];
        random.fill(&mut iv);
        self.seal_with_iv(associated, &iv, text)
    }

    /// [`Self::seal`] with an IV of the caller's, for known answers. A caller that uses an IV twice
    /// gives the key away.
    ///
    /// # Panics
    ///
    /// If the IV is not as long as the cipher wants it.
    #[must_use]
    pub fn seal_with_iv(&self, associated: &[u8], iv: &[u8], text: &[u8]) -> Vec<u8> {
        assert_eq!(iv.len(), self.encryption.iv_len());
        let mut body = Vec::with_capacity(self.sealed_len(text.len()));
        body.extend_from_slice(iv);
        body.extend_from_slice(text);
        let pad_len =
            (text.len() + 1).next_multiple_of(self.encryption.block_len()) - text.len() - 1;
        body.resize(body.len() + pad_len, 0);
        // Below the length of a block, which is 16.
        body.push(pad_len as u8);
        let (iv, text) = body.split_at_mut(iv.len());
        let icv = match self.integrity {
            None => self.aead_seal(iv, associated, text),
            Some(integrity) => {
                let key = self.encryption_key.expose();
                cbc::encrypt(key, &first_block(iv), text);
                self.mac(integrity, associated, &body)
            }
        };
        body.extend_from_slice(&icv);
        body
    }

    /// The payloads inside an encrypted payload with this body; `associated` as for
    /// [`Self::seal`].
    ///
    /// # Errors
    ///
    /// [`NotAuthentic`] if the body was not made with this key for this message.
    pub fn open(&self, associated: &[u8], body: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
        let text_len = body.len().checked_sub(self.encryption.iv_len() + self.icv_len());
        let text_len = text_len.filter(|len| *len > 0 && len % self.encryption.block_len() == 0);
        let text_len = text_len.ok_or(NotAuthentic)?;
        let (body, icv) = body.split_at(self.encryption.iv_len() + text_len);
        let (iv, text) = body.split_at(self.encryption.iv_len());
        let mut text = text.to_vec();
        match self.integrity {
            None => self.aead_open(iv, associated, &mut text, icv)?,
            Some(integrity) => {
                let expected = self.mac(integrity, associated, body);
                if !bool::from(expected.ct_eq(icv)) {
                    return Err(NotAuthentic);
                }
                cbc::decrypt(self.encryption_key.expose(), &first_block(iv), &mut text);
            }
        }
        // The padding's content is anything (RFC 7296 section 3.14); whoever has the key may still
        // have counted wrong.
        let pad_len = usize::from(text.pop().ok_or(NotAuthentic)?);
        text.truncate(text.len().checked_sub(pad_len).ok_or(NotAuthentic)?);
        Ok(text)
    }

    fn mac(&self, integrity: Integrity, associated: &[u8], body: &[u8]) -> Vec<u8> {
        let mac = prf(integrity.prf(), self.integrity_key.expose(), &[associated, body]);
        mac.expose()[..integrity.icv_len()].to_vec()
    }

    /// RFC 5282 section 4: the nonce is salt and IV.
    fn nonce(&self, iv: &[u8]) -> [u8; 12] {
        let key = self.encryption_key.expose();
        let mut nonce = [0; 12];
        nonce[..SALT_LEN].copy_from_slice(&key[key.len() - SALT_LEN..]);
        nonce[SALT_LEN..].copy_from_slice(iv);
        nonce
    }

    fn cipher_key(&self) -> &[u8] {
        let key = self.encryption_key.expose();
        &key[..key.len() - SALT_LEN]
    }

    fn aead_seal(&self, iv: &[u8], associated: &[u8], text: &mut [u8]) -> Vec<u8> {
        let (key, nonce) = (self.cipher_key(), self.nonce(iv));
        match self.encryption {
            Encryption::AesGcm(bits, icv_len) => {
                with_gcm(bits, icv_len, GcmCall { key, nonce, associated, text }, None)
                    .expect("a message is shorter than what GCM can encrypt")
            }
            _ => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                let tag =
                    chacha(key).seal_in_place_separate_tag(nonce, Aad::from(associated), text);
                let tag = tag.expect("a message is shorter than what ChaCha20 can encrypt");
                tag.as_ref().to_vec()
            }
        }
    }

    fn aead_open(
        &self,
        iv: &[u8],
        associated: &[u8],
        text: &mut Vec<u8>,
        icv: &[u8],
    ) -> Result<(), NotAuthentic> {
        let (key, nonce) = (self.cipher_key(), self.nonce(iv));
        match self.encryption {
            Encryption::AesGcm(bits, icv_len) => {
                with_gcm(bits, icv_len, GcmCall { key, nonce, associated, text }, Some(icv))?;
            }
            _ => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                let len = text.len();
                text.extend_from_slice(icv);
                let opened = chacha(key).open_in_place(nonce, Aad::from(associated), text);
                opened.map_err(|_| NotAuthentic)?;
                text.truncate(len);
            }
        }
        Ok(())
    }
}

fn first_block(iv: &[u8]) -> [u8; BLOCK_LEN] {
    iv.try_into().expect("CBC's IV is one block")
}

fn chacha(key: &[u8]) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key);
    LessSafeKey::new(key.expect("the suite says how long keys are"))
}

/// What AES-GCM is called with, whatever its sizes.
struct GcmCall<'a> {
    key: &'a [u8],
    nonce: [u8; 12],
    associated: &'a [u8],
    text: &'a mut [u8],
}

/// Seals and returns the ICV; or opens, if there is one to compare with, and returns it.
fn with_gcm(
    bits: u16,
    icv_len: u8,
    call: GcmCall<'_>,
    icv: Option<&[u8]>,
) -> Result<Vec<u8>, NotAuthentic> {
    match (bits, icv_len) {
        (128, 8) => gcm::<Aes128, consts::U8>(call, icv),
        (128, 12) => gcm::<Aes128, consts::U12>(call, icv),
        (128, _) => gcm::<Aes128, consts::U16>(call, icv),
        (192, 8) => gcm::<Aes192, consts::U8>(call, icv),
        (192, 12) => gcm::<Aes192, consts::U12>(call, icv),
        (192, _) => gcm::<Aes192, consts::U16>(call, icv),
        (_, 8) => gcm::<Aes256, consts::U8>(call, icv),
        (_, 12) => gcm::<Aes256, consts::U12>(call, icv),
        _ => gcm::<Aes256, consts::U16>(call, icv),
    }
}

fn gcm<C, T>(call: GcmCall<'_>, icv: Option<&[u8]>) -> Result<Vec<u8>, NotAuthentic>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = consts::U16> + KeyInit + KeySizeUser,
    T: TagSize,
{
    let cipher = AesGcm::<C, consts::U12, T>::new_from_slice(call.key);
    let cipher = cipher.expect("the suite says how long keys are");
    let nonce = call.nonce.into();
    let Some(icv) = icv else {
        let icv = cipher.encrypt_inout_detached(&nonce, call.associated, call.text.into());
        return icv.map(|icv| icv.to_vec()).map_err(|_| NotAuthentic);
    };
    let tag = icv.try_into().map_err(|_| NotAuthentic)?;
    let opened = cipher.decrypt_inout_detached(&nonce, call.associated, call.text.into(), tag);
    opened.map(|()| Vec::new()).map_err(|_| NotAuthentic)
}
