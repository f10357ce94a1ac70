//! CERT payloads (RFC 7296 section 3.6).

use alloc::vec::Vec;

use super::{CERTIFICATE_LEN_MAX, CHAIN_MAX, Refusal};

/// X.509 certificate for signatures: the one encoding we send and take.
pub const ENCODING_X509_SIGNATURE: u8 = 4;

/// A revocation list: ours come from files.
const ENCODING_CRL: u8 = 7;

/// The certificates in CERT payloads, each an encoding and data, in the order of the message: the
/// peer's own comes first.
pub fn received<'a>(
    payloads: impl IntoIterator<Item = (u8, &'a [u8])>,
) -> Result<Vec<&'a [u8]>, Refusal> {
    let mut certificates = Vec::new();
    for (encoding, data) in payloads {
        match encoding {
            ENCODING_CRL => continue,
            ENCODING_X509_SIGNATURE => {}
            _ => return Err(Refusal::Encoding(encoding)),
        }
        if certificates.len() == CHAIN_MAX || data.len() > CERTIFICATE_LEN_MAX {
            return Err(Refusal::TooLarge);
        }
        certificates.push(data);
    }
    if certificates.is_empty() { Err(Refusal::NoCertificate) } else { Ok(certificates) }
}
