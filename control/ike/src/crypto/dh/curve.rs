//! Elliptic curves: P-256 and P-384 (RFC 5903), X25519 (RFC 8031).

use alloc::vec::Vec;

pub(super) use aws_lc_rs::agreement::PrivateKey;
use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, UnparsedPublicKey, X25519};
use zeroize::Zeroizing;

use engine::{Random, Secret};

use super::InvalidPublic;
use crate::algorithm::Group;

/// SEC 1's mark of an uncompressed point, which IKE leaves out (RFC 5903 section 7).
const UNCOMPRESSED: u8 = 4;

pub(super) fn generate(group: Group, random: &mut dyn Random) -> (PrivateKey, Vec<u8>) {
    let mut bytes = Zeroizing::new([0; 48]);
    let bytes = &mut bytes[..group.secret_len()];
    // A number that is not below the order of the curve is drawn again: of P-256 one in 2^32, of
    // the others none that anybody will live to see.
    let private = loop {
        random.fill(bytes);
        if let Ok(private) = PrivateKey::from_private_key(algorithm(group), bytes) {
            break private;
        }
    };
    let public = private.compute_public_key().expect("every private key has a public one");
    let public = public.as_ref();
    let start = usize::from(group != Group::X25519);
    (private, public[start..].to_vec())
}

pub(super) fn agree(
    group: Group,
    private: &PrivateKey,
    peer: &[u8],
) -> Result<Secret, InvalidPublic> {
    if peer.len() != group.public_len() {
        return Err(InvalidPublic);
    }
    let mut point = Vec::with_capacity(1 + peer.len());
    if group != Group::X25519 {
        point.push(UNCOMPRESSED);
    }
    point.extend_from_slice(peer);
    // The library checks that the point is on the curve (RFC 6989 section 2.3), and that X25519
    // does not end at zero (RFC 8031 section 5).
    let peer = UnparsedPublicKey::new(algorithm(group), point);
    agreement::agree(private, peer, InvalidPublic, |secret| Ok(Secret::copy_of(secret)))
}

fn algorithm(group: Group) -> &'static agreement::Algorithm {
    match group {
        Group::Ecp256 => &ECDH_P256,
        Group::Ecp384 => &ECDH_P384,
        _ => &X25519,
    }
}
