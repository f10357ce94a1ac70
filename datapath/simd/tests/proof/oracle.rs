//! The same work by ring and RustCrypto.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use aes_gcm::{AesGcm, KeyInit as _};
use cbc::cipher::{BlockCipherEncrypt, BlockModeEncrypt, BlockSizeUser, consts::U16};
use cbc::cipher::{InnerIvInit, array::Array};
use hmac::{Hmac, Mac, digest::block_api::EagerHash};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// AES-GCM by ring, and by RustCrypto for the key size that ring lacks.
pub(crate) enum Gcm {
    Ring(LessSafeKey),
    RustCrypto(AesGcm<aes::Aes192, U12>),
}

impl Gcm {
    pub(crate) fn new(key: &[u8]) -> Self {
        let ring =
            |algorithm| Self::Ring(LessSafeKey::new(UnboundKey::new(algorithm, key).unwrap()));
        match key.len() {
            16 => ring(&AES_128_GCM),
            24 => Self::RustCrypto(AesGcm::new_from_slice(key).unwrap()),
            _ => ring(&AES_256_GCM),
        }
    }

    pub(crate) fn seal(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8]) -> [u8; 16] {
        match self {
            Self::Ring(key) => {
                let nonce = Nonce::assume_unique_for_key(*nonce);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), text).unwrap();
                tag.as_ref().try_into().unwrap()
            }
            Self::RustCrypto(key) => {
                key.encrypt_inout_detached(nonce.into(), aad, text.into()).unwrap().into()
            }
        }
    }
}

/// AES-CBC by RustCrypto.
pub(crate) enum Cbc {
    Aes128(aes::Aes128Enc),
    Aes192(aes::Aes192Enc),
    Aes256(aes::Aes256Enc),
}

impl Cbc {
    pub(crate) fn new(key: &[u8]) -> Self {
        match key.len() {
            16 => Self::Aes128(aes::Aes128Enc::new_from_slice(key).unwrap()),
            24 => Self::Aes192(aes::Aes192Enc::new_from_slice(key).unwrap()),
            _ => Self::Aes256(aes::Aes256Enc::new_from_slice(key).unwrap()),
        }
    }

    /// Encrypts the whole blocks of `text`.
    pub(crate) fn encrypt(&self, iv: &[u8; 16], text: &mut [u8]) {
        fn with<C>(key: &C, iv: &[u8; 16], text: &mut [u8])
        where
            C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
        {
            let blocks = Array::slice_as_chunks_mut(text).0;
            cbc::Encryptor::inner_iv_init(key, iv.into()).encrypt_blocks(blocks);
        }
        match self {
            Self::Aes128(key) => with(key, iv, text),
            Self::Aes192(key) => with(key, iv, text),
            Self::Aes256(key) => with(key, iv, text),
        }
    }
}

/// A keyed HMAC of RustCrypto, to be copied for each message.
pub(crate) fn hmac<H: EagerHash>(key: &[u8]) -> Hmac<H>
where
    Hmac<H>: hmac::KeyInit,
{
    <Hmac<H> as hmac::KeyInit>::new_from_slice(key).unwrap()
}

/// The MAC of a message and the tail behind it.
pub(crate) fn mac<H: EagerHash>(key: &Hmac<H>, message: &[u8], tail: Option<[u8; 4]>) -> Vec<u8>
where
    Hmac<H>: Mac + Clone,
{
    let mut mac = key.clone();
    mac.update(message);
    mac.update(tail.as_ref().map_or(&[], |tail| tail.as_slice()));
    mac.finalize().into_bytes().to_vec()
}
