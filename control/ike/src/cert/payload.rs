//! CERT payloads (RFC 7296 section 3.6).

use alloc::vec::Vec;

use super::Refusal;

/// X.509 certificate for signatures: the one encoding we send and take.
pub const ENCODING_X509_SIGNATURE: u8 = 4;

/// The certificates in CERT payloads, each an encoding and data, in the order of the message.
pub fn received<'a>(
    payloads: impl IntoIterator<Item = (u8, &'a [u8])>,
) -> Result<Vec<&'a [u8]>, Refusal> {
    let _ = payloads;
    Err(Refusal::NoCertificate)
}
