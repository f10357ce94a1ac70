//! ML-KEM-768 (FIPS 203) as draft-ietf-ipsecme-ikev2-mlkem puts it into IKE: the initiator sends an
//! encapsulation key, the responder a ciphertext.

use alloc::vec::Vec;

use ml_kem::kem::{Decapsulate, KeyExport};
use ml_kem::{B32, DecapsulationKey768, EncapsulationKey768, Seed};
use zeroize::Zeroize;

use engine::{Random, Secret};

use super::InvalidPublic;

/// Length of the seed of a decapsulation key: d and z of FIPS 203 algorithm 19.
const SEED_LEN: usize = 64;

/// The seed of a decapsulation key and the encapsulation key. The seed is kept, not the key, which
/// is 40 times as long and quickly made again.
pub(super) fn generate(random: &mut dyn Random) -> (Secret, Vec<u8>) {
    let mut seed = [0; SEED_LEN];
    random.fill(&mut seed);
    let secret = Secret::copy_of(&seed);
    seed.zeroize();
    let public = decapsulation_key(&secret).encapsulation_key().to_bytes().to_vec();
    (secret, public)
}

/// The ciphertext and the shared secret.
pub(super) fn encapsulate(
    peer: &[u8],
    random: &mut dyn Random,
) -> Result<(Vec<u8>, Secret), InvalidPublic> {
    // FIPS 203 section 7.2: length and modulus are checked.
    let peer = peer.try_into().map_err(|_| InvalidPublic)?;
    let key = EncapsulationKey768::new(peer).map_err(|_| InvalidPublic)?;
    let mut message = B32::default();
    random.fill(&mut message);
    let (ciphertext, mut shared) = key.encapsulate_deterministic(&message);
    let secret = Secret::copy_of(&shared);
    message.zeroize();
    shared.zeroize();
    Ok((ciphertext.to_vec(), secret))
}

/// The shared secret. A ciphertext of the right length always gives one (FIPS 203 section 7.3): a
/// wrong one is noticed when the keys do not fit.
pub(super) fn decapsulate(seed: &Secret, ciphertext: &[u8]) -> Result<Secret, InvalidPublic> {
    let ciphertext = ciphertext.try_into().map_err(|_| InvalidPublic)?;
    let mut shared = decapsulation_key(seed).decapsulate(ciphertext);
    let secret = Secret::copy_of(&shared);
    shared.zeroize();
    Ok(secret)
}

fn decapsulation_key(seed: &Secret) -> DecapsulationKey768 {
    let mut copy = Seed::default();
    copy.copy_from_slice(seed.expose());
    let key = DecapsulationKey768::from_seed(copy);
    copy.zeroize();
    key
}
