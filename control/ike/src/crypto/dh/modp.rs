//! The MODP groups (RFC 2409 section 6.2, RFC 3526): powers modulo a safe prime, in constant time.

use alloc::vec::Vec;

use crypto_bigint::Uint;
use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams};
use zeroize::{Zeroize, Zeroizing};

use engine::{Random, Secret};

use super::InvalidPublic;
use super::primes::{Modp1024, Modp1536, Modp2048, Modp3072, Modp4096};
use crate::algorithm::Group;

/// Length of a private exponent, bits: at least twice the group's strength, which is what RFC 7919
/// section 5.2 reckons it at (225 bits for 2048, 275 for 3072, 325 for 4096). More costs time and
/// buys nothing, for the primes are safe: no small subgroup is there to learn the exponent from.
const fn exponent_bits(group: Group) -> u32 {
    match group {
        Group::Modp4096 => 384,
        Group::Modp3072 => 320,
        _ => 256,
    }
}

pub(super) fn generate(group: Group, random: &mut dyn Random) -> (Secret, Vec<u8>) {
    let mut exponent = Zeroizing::new([0; 48]);
    let exponent = &mut exponent[..exponent_bits(group) as usize / 8];
    random.fill(exponent);
    let public = match group {
        Group::Modp1024 => power_of_two::<Modp1024, _>(exponent),
        Group::Modp1536 => power_of_two::<Modp1536, _>(exponent),
        Group::Modp2048 => power_of_two::<Modp2048, _>(exponent),
        Group::Modp3072 => power_of_two::<Modp3072, _>(exponent),
        _ => power_of_two::<Modp4096, _>(exponent),
    };
    (Secret::copy_of(exponent), public)
}

pub(super) fn agree(group: Group, exponent: &Secret, peer: &[u8]) -> Result<Secret, InvalidPublic> {
    let exponent = exponent.expose();
    match group {
        Group::Modp1024 => power_of_peer::<Modp1024, _>(peer, exponent),
        Group::Modp1536 => power_of_peer::<Modp1536, _>(peer, exponent),
        Group::Modp2048 => power_of_peer::<Modp2048, _>(peer, exponent),
        Group::Modp3072 => power_of_peer::<Modp3072, _>(peer, exponent),
        _ => power_of_peer::<Modp4096, _>(peer, exponent),
    }
}

/// 2 to the `exponent`, as long as the prime.
fn power_of_two<P: ConstMontyParams<N>, const N: usize>(exponent: &[u8]) -> Vec<u8> {
    let mut power = power::<P, N>(&Uint::from(2_u8), exponent);
    let bytes = power.to_be_bytes().as_ref().to_vec();
    power.zeroize();
    bytes
}

/// The shared secret, as long as the prime (RFC 7296 section 2.14).
fn power_of_peer<P: ConstMontyParams<N>, const N: usize>(
    peer: &[u8],
    exponent: &[u8],
) -> Result<Secret, InvalidPublic> {
    if peer.len() != N * 8 {
        return Err(InvalidPublic);
    }
    let peer = Uint::<N>::from_be_slice(peer);
    // RFC 6989 section 2.1: 1 < y < p - 1.
    let last = P::PARAMS.modulus().as_ref().wrapping_sub(&Uint::ONE);
    if peer <= Uint::ONE || peer >= last {
        return Err(InvalidPublic);
    }
    let mut power = power::<P, N>(&peer, exponent);
    let mut bytes = power.to_be_bytes();
    let secret = Secret::copy_of(bytes.as_ref());
    power.zeroize();
    bytes.as_mut().zeroize();
    Ok(secret)
}

fn power<P: ConstMontyParams<N>, const N: usize>(base: &Uint<N>, exponent: &[u8]) -> Uint<N> {
    let bits = exponent.len() as u32 * 8;
    let mut wide = Zeroizing::new([0; 512]);
    let wide = &mut wide[..N * 8];
    wide[N * 8 - exponent.len()..].copy_from_slice(exponent);
    let mut exponent = Uint::<N>::from_be_slice(wide);
    let power = ConstMontyForm::<P, N>::new(base).pow_amm_bounded_exp(&exponent, bits);
    exponent.zeroize();
    power.retrieve()
}
