//! Pseudo-random functions (RFC 7296 section 2.13, RFC 2409 section 3.2) and the hashes under them.

use alloc::vec::Vec;

use hmac::digest::Digest;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use engine::Secret;

use crate::algorithm::Prf;

/// prf(`key`, `parts` one after the other).
#[must_use]
pub fn prf(prf: Prf, key: &[u8], parts: &[&[u8]]) -> Secret {
    Secret::new(match prf {
        Prf::HmacMd5 => mac::<Hmac<Md5>>(key, parts),
        Prf::HmacSha1 => mac::<Hmac<Sha1>>(key, parts),
        Prf::HmacSha256 => mac::<Hmac<Sha256>>(key, parts),
        Prf::HmacSha384 => mac::<Hmac<Sha384>>(key, parts),
        Prf::HmacSha512 => mac::<Hmac<Sha512>>(key, parts),
    })
}

/// The first `len` bytes of prf+(`key`, `seed` one after the other) (RFC 7296 section 2.13).
///
/// # Panics
///
/// If more is asked for than the 255 blocks that the counter can number: what IKE derives is never
/// that long.
#[must_use]
pub fn prf_plus(algorithm: Prf, key: &[u8], seed: &[&[u8]], len: usize) -> Secret {
    let blocks = len.div_ceil(algorithm.output_len());
    let blocks = u8::try_from(blocks).expect("IKE derives less than 255 blocks at once");
    // Room for whole blocks from the start, for the vector must not move while it holds keys.
    let mut bytes = Vec::with_capacity(usize::from(blocks) * algorithm.output_len());
    let mut last = Secret::new(Vec::new());
    for number in 1..=blocks {
        let mut parts = Vec::with_capacity(seed.len() + 2);
        parts.push(last.expose());
        parts.extend_from_slice(seed);
        let number = [number];
        parts.push(&number);
        let block = prf(algorithm, key, &parts);
        bytes.extend_from_slice(block.expose());
        last = block;
    }
    // What lies behind the end is wiped with the rest: `Zeroizing` clears the whole capacity.
    bytes.truncate(len);
    Secret::new(bytes)
}

/// The hash that a PRF is the HMAC of, over `parts` one after the other: what IKEv1 calls the
/// negotiated hash.
#[must_use]
pub fn digest(prf: Prf, parts: &[&[u8]]) -> Vec<u8> {
    match prf {
        Prf::HmacMd5 => hash::<Md5>(parts),
        Prf::HmacSha1 => hash::<Sha1>(parts),
        Prf::HmacSha256 => hash::<Sha256>(parts),
        Prf::HmacSha384 => hash::<Sha384>(parts),
        Prf::HmacSha512 => hash::<Sha512>(parts),
    }
}

/// SHA-1, which NAT detection uses whatever was negotiated (RFC 7296 section 2.23): it hides
/// nothing and proves nothing there.
#[must_use]
pub fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut hasher = Sha1::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

fn mac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn hash<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = D::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().to_vec()
}
