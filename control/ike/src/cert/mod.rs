//! Who a peer is: certificates, and signatures made with them.

/// A private key and the certificates that vouch for it.
pub struct Credential;

/// The authorities that a peer's certificate must lead to.
pub struct TrustAnchors;
