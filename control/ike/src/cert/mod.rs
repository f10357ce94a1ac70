//! Who a peer is: certificates (RFC 5280, RFC 4945), and signatures made with them.
//!
//! A [`Credential`] is ours: a private key and the certificates that vouch for it. [`TrustAnchors`]
//! judge the peer's: its certificates must lead to a configured authority, be valid now, not be
//! revoked, and name the identity that the peer claims. [`auth`] signs and verifies.
//!
//! Determinism ends here: RSA-PSS salts and ECDSA nonces are drawn by aws-lc-rs itself, whose
//! random source cannot be replaced. A signature differs from run to run; whether it verifies does
//! not. Ed25519 and RSA PKCS#1 v1.5 signatures are the same in every run.

pub mod auth;
mod certificate;
mod credential;
mod payload;
mod refusal;
mod scheme;
mod trust;

pub use self::certificate::{Certificate, KeyKind};
pub use self::credential::{Credential, RsaPadding, Unusable};
pub use self::payload::{ENCODING_X509_SIGNATURE, received};
pub use self::refusal::Refusal;
pub use self::trust::TrustAnchors;

/// A peer may send this many certificates.
pub const CHAIN_MAX: usize = 8;

/// No certificate is longer than this.
pub const CERTIFICATE_LEN_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests;
