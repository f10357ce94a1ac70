//! AES-CBC in ESP (RFC 3602): `SPI | sequence | IV (16) | ciphertext`, without the ICV.

use aes::{Aes128Dec, Aes128Enc, Aes192Dec, Aes192Enc, Aes256Dec, Aes256Enc};
use cbc::cipher::array::Array;
use cbc::cipher::consts::U16;
use cbc::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser,
    InnerIvInit, KeyInit,
};

use crate::{Crypto, KeyError, Keys, Suite};

/// ESP header.
const HEAD_LEN: usize = 8;
const BLOCK_LEN: usize = 16;

/// The key schedule of an outbound SA.
pub(crate) enum Encryptor {
    /// Several packets side by side.
    Simd(simd::AesKey),
    Aes128(Aes128Enc),
    Aes192(Aes192Enc),
    Aes256(Aes256Enc),
}

impl Encryptor {
    pub(crate) fn new(suite: Suite, keys: Keys<'_>, crypto: Crypto) -> Result<Self, KeyError> {
        let fast = match crypto {
            Crypto::Fastest => simd::AesKey::new(keys.encryption),
            Crypto::Portable => None,
        };
        if let Some(key) = fast {
            return Ok(Self::Simd(key));
        }
        match keys.encryption.len() {
            16 => Aes128Enc::new_from_slice(keys.encryption).map(Self::Aes128),
            24 => Aes192Enc::new_from_slice(keys.encryption).map(Self::Aes192),
            _ => Aes256Enc::new_from_slice(keys.encryption).map(Self::Aes256),
        }
        .map_err(|_| refused(suite, keys))
    }

    /// The packet as a job of many, where that is how it is encrypted; `None` elsewhere, and when
    /// what follows the IV is not whole blocks.
    #[inline]
    pub(crate) fn job<'a>(&'a self, packet: &'a mut [u8]) -> Option<simd::CbcJob<'a>> {
        let Self::Simd(key) = self else { return None };
        let (iv, blocks) = packet.get_mut(HEAD_LEN..)?.split_first_chunk_mut::<BLOCK_LEN>()?;
        blocks.len().is_multiple_of(BLOCK_LEN).then_some(simd::CbcJob { key, iv: *iv, blocks })
    }

    /// Encrypts what follows the IV; `None` when that is not whole blocks.
    #[inline]
    pub(crate) fn encrypt(&self, packet: &mut [u8]) -> Option<()> {
        match self {
            Self::Simd(_) => simd::cbc_encrypt(&mut [self.job(packet)?]),
            Self::Aes128(key) => encrypt_blocks(key, split(packet)?),
            Self::Aes192(key) => encrypt_blocks(key, split(packet)?),
            Self::Aes256(key) => encrypt_blocks(key, split(packet)?),
        }
        Some(())
    }
}

/// The key schedule of an inbound SA.
pub(crate) enum Decryptor {
    Aes128(Aes128Dec),
    Aes192(Aes192Dec),
    Aes256(Aes256Dec),
}

impl Decryptor {
    pub(crate) fn new(suite: Suite, keys: Keys<'_>) -> Result<Self, KeyError> {
        match keys.encryption.len() {
            16 => Aes128Dec::new_from_slice(keys.encryption).map(Self::Aes128),
            24 => Aes192Dec::new_from_slice(keys.encryption).map(Self::Aes192),
            _ => Aes256Dec::new_from_slice(keys.encryption).map(Self::Aes256),
        }
        .map_err(|_| refused(suite, keys))
    }

    /// Decrypts what follows the IV; `None` when that is not whole blocks.
    #[inline]
    pub(crate) fn decrypt(&self, packet: &mut [u8]) -> Option<()> {
        let (iv, blocks) = split(packet)?;
        match self {
            Self::Aes128(key) => decrypt_blocks(key, iv, blocks),
            Self::Aes192(key) => decrypt_blocks(key, iv, blocks),
            Self::Aes256(key) => decrypt_blocks(key, iv, blocks),
        }
        Some(())
    }
}

type Block = Array<u8, U16>;

fn refused(suite: Suite, keys: Keys<'_>) -> KeyError {
    KeyError::EncryptionLength {
        expected: suite.encryption_key_len(),
        found: keys.encryption.len(),
    }
}

/// The IV and the blocks behind it.
fn split(packet: &mut [u8]) -> Option<(&Block, &mut [Block])> {
    let (iv, text) = packet.get_mut(HEAD_LEN..)?.split_first_chunk_mut::<BLOCK_LEN>()?;
    let (blocks, rest) = Array::slice_as_chunks_mut(text);
    rest.is_empty().then_some(((&*iv).into(), blocks))
}

fn encrypt_blocks<C>(key: &C, (iv, blocks): (&Block, &mut [Block]))
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    cbc::Encryptor::inner_iv_init(key, iv).encrypt_blocks(blocks);
}

fn decrypt_blocks<C>(key: &C, iv: &Block, blocks: &mut [Block])
where
    C: BlockCipherDecrypt + BlockSizeUser<BlockSize = U16>,
{
    cbc::Decryptor::inner_iv_init(key, iv).decrypt_blocks(blocks);
}
