//! What is derived from what: RFC 7296 section 2.13 to 2.18 and its extensions in [`v2`], RFC 2409
//! section 5 in [`v1`], and what both share.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use engine::Secret;
use wire::Suite;

use crate::algorithm::Prf;
use crate::crypto::{digest, sha1};

pub mod v1;
pub mod v2;

/// Keys of one direction of a pair of ESP SAs.
pub struct EspKeys {
    /// The cipher's key with its salt: [`Suite::encryption_key_len`] bytes.
    pub encryption: Secret,
    /// [`Suite::authentication_key_len`] bytes.
    pub authentication: Secret,
}

impl EspKeys {
    /// Length of both, bytes.
    #[must_use]
    pub const fn len(suite: Suite) -> usize {
        suite.encryption_key_len() + suite.authentication_key_len()
    }

    /// Encryption first, then authentication (RFC 7296 section 2.17, RFC 4301 section 4.5.2).
    fn split(suite: Suite, keymat: &[u8]) -> Self {
        let (encryption, authentication) = keymat.split_at(suite.encryption_key_len());
        Self {
            encryption: Secret::copy_of(encryption),
            authentication: Secret::copy_of(authentication),
        }
    }
}

/// What NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP hold for an address (RFC 7296
/// section 2.23); SPIs as they stand in the message's header.
#[must_use]
pub fn nat_detection(spi_i: [u8; 8], spi_r: [u8; 8], end: SocketAddr) -> [u8; 20] {
    let (address, port) = end_octets(end);
    sha1(&[&spi_i, &spi_r, &address, &port])
}

/// What IKEv1's NAT-D payload holds for an address (RFC 3947 section 3.2): the negotiated hash.
#[must_use]
pub fn nat_detection_v1(hash: Prf, cky_i: [u8; 8], cky_r: [u8; 8], end: SocketAddr) -> Vec<u8> {
    let (address, port) = end_octets(end);
    digest(hash, &[&cky_i, &cky_r, &address, &port])
}

fn end_octets(end: SocketAddr) -> (Vec<u8>, [u8; 2]) {
    let address = match end.ip() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    (address, end.port().to_be_bytes())
}

#[cfg(test)]
mod tests;
