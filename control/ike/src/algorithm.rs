//! The algorithms of IKE's suite table: their names in a proposal, their numbers on the wire, their
//! lengths. What they compute is in `crypto`.
//!
//! Numbers are those of IANA's "IKEv2 Parameters"; IKEv1's differ and are in `v1`.

/// Encryption of IKE's own messages (transform type 1). What ESP has is a [`wire::Suite`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encryption {
    /// AES in CBC mode (RFC 3602), with a key of this many bits: 128, 192 or 256.
    AesCbc(u16),
    /// AES in Galois counter mode (RFC 4106, 5282) with a key of this many bits and an ICV of this
    /// many bytes: 8, 12 or 16.
    AesGcm(u16, u8),
    /// ChaCha20-Poly1305 (RFC 7634).
    ChaCha20Poly1305,
}

/// A pseudo-random function (transform type 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prf {
    /// HMAC-MD5 (RFC 2104): IKEv1 only, weak.
    HmacMd5,
    /// HMAC-SHA-1 (RFC 2104): weak.
    HmacSha1,
    /// HMAC-SHA-256 (RFC 4868).
    HmacSha256,
    /// HMAC-SHA-384 (RFC 4868).
    HmacSha384,
    /// HMAC-SHA-512 (RFC 4868).
    HmacSha512,
}

/// Integrity of messages without authenticated encryption (transform type 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Integrity {
    /// HMAC-MD5-96 (RFC 2403): weak.
    HmacMd5,
    /// HMAC-SHA-1-96 (RFC 2404): weak.
    HmacSha1,
    /// HMAC-SHA-256-128 (RFC 4868).
    HmacSha256,
    /// HMAC-SHA-384-192 (RFC 4868).
    HmacSha384,
    /// HMAC-SHA-512-256 (RFC 4868).
    HmacSha512,
}

/// A key exchange (transform type 4, and the additional ones of RFC 9370).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// MODP-1024 (RFC 2409 section 6.2): weak, for IKEv1 peers that know nothing better.
    Modp1024,
    /// MODP-1536 (RFC 3526): weak.
    Modp1536,
    /// MODP-2048 (RFC 3526).
    Modp2048,
    /// MODP-3072 (RFC 3526).
    Modp3072,
    /// MODP-4096 (RFC 3526).
    Modp4096,
    /// NIST P-256 (RFC 5903).
    Ecp256,
    /// NIST P-384 (RFC 5903).
    Ecp384,
    /// X25519 (RFC 8031).
    X25519,
    /// ML-KEM-768 (FIPS 203): only as an additional key exchange beside a classical one.
    MlKem768,
}
