//! Why a peer's certificate or signature is not believed, in words.

use core::fmt;

/// Why a peer's certificate or signature is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The peer sent none.
    NoCertificate,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer sent no certificate")
    }
}

impl core::error::Error for Refusal {}
