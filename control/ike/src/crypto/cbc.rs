//! AES in CBC mode over whole blocks (RFC 3602): both versions of IKE build on it.

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt};
use aes::cipher::{InnerIvInit, KeyInit};
use aes::{Aes128, Aes192, Aes256, Block};

/// Length of AES' block, and of the IV, bytes.
pub(crate) const BLOCK_LEN: usize = 16;

/// Encrypts `text`, which is whole blocks; the key has 16, 24 or 32 bytes.
pub(crate) fn encrypt(key: &[u8], iv: &[u8; BLOCK_LEN], text: &mut [u8]) {
    match key.len() {
        16 => encrypt_with::<Aes128>(key, iv, text),
        24 => encrypt_with::<Aes192>(key, iv, text),
        _ => encrypt_with::<Aes256>(key, iv, text),
    }
}

/// Decrypts `text`, which is whole blocks; the key has 16, 24 or 32 bytes.
pub(crate) fn decrypt(key: &[u8], iv: &[u8; BLOCK_LEN], text: &mut [u8]) {
    match key.len() {
        16 => decrypt_with::<Aes128>(key, iv, text),
        24 => decrypt_with::<Aes192>(key, iv, text),
        _ => decrypt_with::<Aes256>(key, iv, text),
    }
}

fn encrypt_with<C>(key: &[u8], iv: &[u8; BLOCK_LEN], text: &mut [u8])
where
    C: KeyInit + BlockCipherEncrypt<BlockSize = aes::cipher::consts::U16>,
{
    let cipher = C::new_from_slice(key).expect("the suite says how long keys are");
    let (blocks, rest) = Block::slice_as_chunks_mut(text);
    assert!(rest.is_empty(), "the caller pads");
    cbc::Encryptor::inner_iv_init(cipher, iv.into()).encrypt_blocks(blocks);
}

fn decrypt_with<C>(key: &[u8], iv: &[u8; BLOCK_LEN], text: &mut [u8])
where
    C: KeyInit + BlockCipherDecrypt<BlockSize = aes::cipher::consts::U16>,
{
    let cipher = C::new_from_slice(key).expect("the suite says how long keys are");
    let (blocks, rest) = Block::slice_as_chunks_mut(text);
    assert!(rest.is_empty(), "the caller refuses broken blocks");
    cbc::Decryptor::inner_iv_init(cipher, iv.into()).decrypt_blocks(blocks);
}
