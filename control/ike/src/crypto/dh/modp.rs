//! The MODP groups (RFC 2409 section 6.2, RFC 3526): powers modulo a safe prime, in constant time.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams};
use crypto_bigint::{CtAssign, CtEq, Uint};
use once_cell::race::OnceBox;
use zeroize::{Zeroize, Zeroizing};

use engine::{Random, Secret};

use super::InvalidPublic;
use super::primes::{Modp1024, Modp1536, Modp2048, Modp3072, Modp4096};
use crate::algorithm::Group;

/// A prime of so many limbs, with what speeds its powers up.
trait Prime<const N: usize>: ConstMontyParams<N> {
    /// Length of a private exponent, bytes: at least twice the group's strength, which RFC 7919
    /// section 5.2 reckons to be had from 225 bits (2048), 275 (3072) and 325 (4096). More costs
    /// time and buys nothing, for the primes are safe: there is no small subgroup to learn a part
    /// of the exponent from.
    const EXPONENT_LEN: usize;

    /// Powers of the generator, made when they are first asked for.
    fn powers() -> &'static Powers<Self, N>;
}

/// Declares primes: limbs, and bytes of an exponent.
macro_rules! primes {
    ($($prime:ident $limbs:literal $exponent_len:literal;)+) => {
        $(impl Prime<$limbs> for $prime {
            const EXPONENT_LEN: usize = $exponent_len;

            fn powers() -> &'static Powers<Self, $limbs> {
                static POWERS: OnceBox<Powers<$prime, $limbs>> = OnceBox::new();
                POWERS.get_or_init(|| Box::new(Powers::new()))
            }
        })+
    };
}

primes! {
    Modp1024 16 32;
    Modp1536 24 32;
    Modp2048 32 32;
    Modp3072 48 36;
    Modp4096 64 42;
}

const MAX_EXPONENT_LEN: usize = 42;
const MAX_PRIME_LEN: usize = 512;

/// A private exponent, and 2 to it.
pub(super) fn generate(group: Group, random: &mut dyn Random) -> (Secret, Vec<u8>) {
    match group {
        Group::Modp1024 => draw::<Modp1024, _>(random),
        Group::Modp1536 => draw::<Modp1536, _>(random),
        Group::Modp2048 => draw::<Modp2048, _>(random),
        Group::Modp3072 => draw::<Modp3072, _>(random),
        _ => draw::<Modp4096, _>(random),
    }
}

/// The shared secret, as long as the prime (RFC 7296 section 2.14).
pub(super) fn agree(group: Group, exponent: &Secret, peer: &[u8]) -> Result<Secret, InvalidPublic> {
    let exponent = exponent.expose();
    match group {
        Group::Modp1024 => power_of::<Modp1024, _>(peer, exponent),
        Group::Modp1536 => power_of::<Modp1536, _>(peer, exponent),
        Group::Modp2048 => power_of::<Modp2048, _>(peer, exponent),
        Group::Modp3072 => power_of::<Modp3072, _>(peer, exponent),
        _ => power_of::<Modp4096, _>(peer, exponent),
    }
}

fn draw<P: Prime<N>, const N: usize>(random: &mut dyn Random) -> (Secret, Vec<u8>) {
    let mut exponent = Zeroizing::new([0; MAX_EXPONENT_LEN]);
    let exponent = &mut exponent[..P::EXPONENT_LEN];
    random.fill(exponent);
    let public = P::powers().power(exponent).retrieve();
    (Secret::copy_of(exponent), public.to_be_bytes().as_ref().to_vec())
}

fn power_of<P: Prime<N>, const N: usize>(
    peer: &[u8],
    exponent: &[u8],
) -> Result<Secret, InvalidPublic> {
    let prime_len = Uint::<N>::BYTES;
    if peer.len() != prime_len {
        return Err(InvalidPublic);
    }
    let peer = Uint::<N>::from_be_slice(peer);
    // RFC 6989 section 2.1: 1 < y < p - 1.
    let last = P::PARAMS.modulus().as_ref().wrapping_sub(&Uint::ONE);
    if peer <= Uint::ONE || peer >= last {
        return Err(InvalidPublic);
    }
    let bits = exponent.len() as u32 * 8;
    let mut wide = Zeroizing::new([0; MAX_PRIME_LEN]);
    let wide = &mut wide[..prime_len];
    wide[prime_len - exponent.len()..].copy_from_slice(exponent);
    let exponent = Zeroizing::new(Uint::<N>::from_be_slice(wide));
    let power = ConstMontyForm::<P, N>::new(&peer).pow_amm_bounded_exp(&exponent, bits);
    let mut power = Zeroizing::new(power.retrieve()).to_be_bytes();
    let secret = Secret::copy_of(power.as_ref());
    power.as_mut().zeroize();
    Ok(secret)
}

/// Powers of the generator from which every other is put together with a quarter of the
/// multiplications (Lim and Lee's comb): the exponent is cut into one strip for each tooth,
/// and with each squaring one bit of every strip is dealt with.
struct Powers<P: ConstMontyParams<N>, const N: usize>([ConstMontyForm<P, N>; 1 << TEETH]);

/// 64 powers: with more, finding one in constant time costs what it saves.
const TEETH: usize = 6;

impl<P: Prime<N>, const N: usize> Powers<P, N> {
    /// Length of a strip, bits.
    const STRIP: usize = (P::EXPONENT_LEN * 8).div_ceil(TEETH);

    fn new() -> Self {
        let generator = ConstMontyForm::new(&Uint::from(2_u8));
        let mut strips = [generator; TEETH];
        for tooth in 1..TEETH {
            strips[tooth] = strips[tooth - 1].square_repeat_vartime(Self::STRIP as u32);
        }
        let mut powers = [ConstMontyForm::ONE; 1 << TEETH];
        for teeth in 1..powers.len() {
            let without_lowest = powers[teeth & (teeth - 1)];
            powers[teeth] = without_lowest.mul(&strips[teeth.trailing_zeros() as usize]);
        }
        Self(powers)
    }

    /// The generator to the `exponent`.
    fn power(&self, exponent: &[u8]) -> ConstMontyForm<P, N> {
        let bit = |number: usize| match exponent.iter().rev().nth(number / 8) {
            Some(byte) => (byte >> (number % 8)) & 1,
            None => 0,
        };
        let mut power = ConstMontyForm::<P, N>::ONE;
        let mut factor = power;
        for position in (0..Self::STRIP).rev() {
            let teeth = (0..TEETH)
                .fold(0, |teeth, tooth| teeth | bit(tooth * Self::STRIP + position) << tooth);
            for (number, candidate) in (0_u8..).zip(&self.0) {
                factor.ct_assign(candidate, number.ct_eq(&teeth));
            }
            power = power.square().mul(&factor);
        }
        factor.zeroize();
        power
    }
}
