//! The algorithms of IKE's suite table: their names in a proposal, their numbers on the wire, their
//! lengths. What they compute is in `crypto`.
//!
//! Numbers are those of IANA's "IKEv2 Parameters"; where IKEv1's differ they are given as well.

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

impl Encryption {
    /// As strongSwan spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCbc(128) => "aes128",
            Self::AesCbc(192) => "aes192",
            Self::AesCbc(_) => "aes256",
            Self::AesGcm(128, 8) => "aes128gcm8",
            Self::AesGcm(128, 12) => "aes128gcm12",
            Self::AesGcm(128, _) => "aes128gcm16",
            Self::AesGcm(192, 8) => "aes192gcm8",
            Self::AesGcm(192, 12) => "aes192gcm12",
            Self::AesGcm(192, _) => "aes192gcm16",
            Self::AesGcm(_, 8) => "aes256gcm8",
            Self::AesGcm(_, 12) => "aes256gcm12",
            Self::AesGcm(..) => "aes256gcm16",
            Self::ChaCha20Poly1305 => "chacha20poly1305",
        }
    }

    /// Transform id (RFC 7296 section 3.3.2, RFC 5282 section 7.1, RFC 7634 section 5).
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::AesCbc(_) => 12,
            Self::AesGcm(_, 8) => 18,
            Self::AesGcm(_, 12) => 19,
            Self::AesGcm(..) => 20,
            Self::ChaCha20Poly1305 => 28,
        }
    }

    /// Value of the key length attribute, for algorithms that have one (RFC 7296 section 3.3.5).
    #[must_use]
    pub const fn key_bits(self) -> Option<u16> {
        match self {
            Self::AesCbc(bits) | Self::AesGcm(bits, _) => Some(bits),
            Self::ChaCha20Poly1305 => None,
        }
    }

    /// The algorithm of a transform with this id and key length attribute.
    #[must_use]
    pub const fn from_id(id: u16, key_bits: Option<u16>) -> Option<Self> {
        match (id, key_bits) {
            (12, Some(bits @ (128 | 192 | 256))) => Some(Self::AesCbc(bits)),
            (18, Some(bits @ (128 | 192 | 256))) => Some(Self::AesGcm(bits, 8)),
            (19, Some(bits @ (128 | 192 | 256))) => Some(Self::AesGcm(bits, 12)),
            (20, Some(bits @ (128 | 192 | 256))) => Some(Self::AesGcm(bits, 16)),
            (28, None) => Some(Self::ChaCha20Poly1305),
            _ => None,
        }
    }

    /// IKEv1's encryption algorithm attribute (RFC 2409 appendix A, RFC 3602 section 5.3).
    #[must_use]
    pub const fn v1_id(self) -> Option<u16> {
        match self {
            Self::AesCbc(_) => Some(7),
            Self::AesGcm(..) | Self::ChaCha20Poly1305 => None,
        }
    }

    /// Whether it authenticates too, so that there is no integrity algorithm beside it.
    #[must_use]
    pub const fn is_aead(self) -> bool {
        !matches!(self, Self::AesCbc(_))
    }

    /// Length of SK_ei and SK_er, bytes: the key, and for an AEAD the salt behind it (RFC 5282
    /// section 7.1, RFC 7634 section 2).
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesCbc(bits) => bits as usize / 8,
            Self::AesGcm(bits, _) => bits as usize / 8 + SALT_LEN,
            Self::ChaCha20Poly1305 => 32 + SALT_LEN,
        }
    }

    /// Length of the IV in front of the encrypted payload, bytes.
    #[must_use]
    pub const fn iv_len(self) -> usize {
        if self.is_aead() { 8 } else { 16 }
    }

    /// Length of an AEAD's ICV, bytes; 0 where an integrity algorithm makes it.
    #[must_use]
    pub const fn icv_len(self) -> usize {
        match self {
            Self::AesCbc(_) => 0,
            Self::AesGcm(_, icv_len) => icv_len as usize,
            Self::ChaCha20Poly1305 => 16,
        }
    }

    /// What is encrypted is padded to a multiple of this, bytes.
    #[must_use]
    pub const fn block_len(self) -> usize {
        if self.is_aead() { 1 } else { 16 }
    }

    /// Why nobody should choose it today, or `None` for one that is sound (RFC 8247).
    #[must_use]
    pub const fn weakness(self) -> Option<&'static str> {
        match self {
            Self::AesGcm(_, 8 | 12) => {
                Some("authenticates with a short ICV, which RFC 8247 advises against")
            }
            _ => None,
        }
    }
}

/// Length of the salt behind an AEAD's key, bytes.
pub(crate) const SALT_LEN: usize = 4;

impl Prf {
    /// As strongSwan spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HmacMd5 => "prfmd5",
            Self::HmacSha1 => "prfsha1",
            Self::HmacSha256 => "prfsha256",
            Self::HmacSha384 => "prfsha384",
            Self::HmacSha512 => "prfsha512",
        }
    }

    /// Transform id (RFC 7296 section 3.3.2, RFC 4868 section 4).
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::HmacMd5 => 1,
            Self::HmacSha1 => 2,
            Self::HmacSha256 => 5,
            Self::HmacSha384 => 6,
            Self::HmacSha512 => 7,
        }
    }

    /// The algorithm of a transform with this id.
    #[must_use]
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            1 => Some(Self::HmacMd5),
            2 => Some(Self::HmacSha1),
            5 => Some(Self::HmacSha256),
            6 => Some(Self::HmacSha384),
            7 => Some(Self::HmacSha512),
            _ => None,
        }
    }

    /// IKEv1's hash algorithm attribute, whose HMAC is the PRF (RFC 2409 appendix A, RFC 4868
    /// section 4).
    #[must_use]
    pub const fn v1_id(self) -> u16 {
        match self {
            Self::HmacMd5 => 1,
            Self::HmacSha1 => 2,
            Self::HmacSha256 => 4,
            Self::HmacSha384 => 5,
            Self::HmacSha512 => 6,
        }
    }

    /// The PRF that goes with a value of IKEv1's hash algorithm attribute.
    #[must_use]
    pub const fn from_v1_id(id: u16) -> Option<Self> {
        match id {
            1 => Some(Self::HmacMd5),
            2 => Some(Self::HmacSha1),
            4 => Some(Self::HmacSha256),
            5 => Some(Self::HmacSha384),
            6 => Some(Self::HmacSha512),
            _ => None,
        }
    }

    /// Length of the output, and of the keys made for it, bytes (RFC 7296 section 2.13).
    #[must_use]
    pub const fn output_len(self) -> usize {
        match self {
            Self::HmacMd5 => 16,
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
        }
    }

    /// Why nobody should choose it today, or `None` for one that is sound (RFC 8247).
    #[must_use]
    pub const fn weakness(self) -> Option<&'static str> {
        match self {
            Self::HmacMd5 => Some("derives keys with HMAC-MD5, which RFC 8247 forbids"),
            Self::HmacSha1 => Some("derives keys with HMAC-SHA-1, which RFC 8247 is phasing out"),
            _ => None,
        }
    }
}

impl Integrity {
    /// As strongSwan spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HmacMd5 => "md5",
            Self::HmacSha1 => "sha1",
            Self::HmacSha256 => "sha256",
            Self::HmacSha384 => "sha384",
            Self::HmacSha512 => "sha512",
        }
    }

    /// Transform id (RFC 7296 section 3.3.2, RFC 4868 section 4).
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::HmacMd5 => 1,
            Self::HmacSha1 => 2,
            Self::HmacSha256 => 12,
            Self::HmacSha384 => 13,
            Self::HmacSha512 => 14,
        }
    }

    /// The algorithm of a transform with this id.
    #[must_use]
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            1 => Some(Self::HmacMd5),
            2 => Some(Self::HmacSha1),
            12 => Some(Self::HmacSha256),
            13 => Some(Self::HmacSha384),
            14 => Some(Self::HmacSha512),
            _ => None,
        }
    }

    /// Length of SK_ai and SK_ar, bytes: that of the hash's output (RFC 4868 section 2.1.1).
    #[must_use]
    pub const fn key_len(self) -> usize {
        self.prf().output_len()
    }

    /// Length of the ICV at the message's end, bytes.
    #[must_use]
    pub const fn icv_len(self) -> usize {
        match self {
            Self::HmacMd5 | Self::HmacSha1 => 12,
            Self::HmacSha256 => 16,
            Self::HmacSha384 => 24,
            Self::HmacSha512 => 32,
        }
    }

    /// The HMAC whose truncated output it is.
    #[must_use]
    pub const fn prf(self) -> Prf {
        match self {
            Self::HmacMd5 => Prf::HmacMd5,
            Self::HmacSha1 => Prf::HmacSha1,
            Self::HmacSha256 => Prf::HmacSha256,
            Self::HmacSha384 => Prf::HmacSha384,
            Self::HmacSha512 => Prf::HmacSha512,
        }
    }

    /// Why nobody should choose it today, or `None` for one that is sound (RFC 8247).
    #[must_use]
    pub const fn weakness(self) -> Option<&'static str> {
        match self {
            Self::HmacMd5 => Some("authenticates with HMAC-MD5, which RFC 8247 forbids"),
            Self::HmacSha1 => Some("authenticates with HMAC-SHA-1, which RFC 8247 is phasing out"),
            _ => None,
        }
    }
}

impl Group {
    /// As strongSwan spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Modp1024 => "modp1024",
            Self::Modp1536 => "modp1536",
            Self::Modp2048 => "modp2048",
            Self::Modp3072 => "modp3072",
            Self::Modp4096 => "modp4096",
            Self::Ecp256 => "ecp256",
            Self::Ecp384 => "ecp384",
            Self::X25519 => "x25519",
            Self::MlKem768 => "mlkem768",
        }
    }

    /// Transform id, the same number in IKEv1 where that has the group (RFC 7296 section 3.3.2,
    /// RFC 5903, RFC 8031 section 5, draft-ietf-ipsecme-ikev2-mlkem section 4).
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::Modp1024 => 2,
            Self::Modp1536 => 5,
            Self::Modp2048 => 14,
            Self::Modp3072 => 15,
            Self::Modp4096 => 16,
            Self::Ecp256 => 19,
            Self::Ecp384 => 20,
            Self::X25519 => 31,
            Self::MlKem768 => 36,
        }
    }

    /// The group with this number.
    #[must_use]
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            2 => Some(Self::Modp1024),
            5 => Some(Self::Modp1536),
            14 => Some(Self::Modp2048),
            15 => Some(Self::Modp3072),
            16 => Some(Self::Modp4096),
            19 => Some(Self::Ecp256),
            20 => Some(Self::Ecp384),
            31 => Some(Self::X25519),
            36 => Some(Self::MlKem768),
            _ => None,
        }
    }

    /// Length of what the initiator sends, bytes.
    #[must_use]
    pub const fn public_len(self) -> usize {
        match self {
            Self::Modp1024 => 128,
            Self::Modp1536 => 192,
            Self::Modp2048 => 256,
            Self::Modp3072 => 384,
            Self::Modp4096 => 512,
            Self::Ecp256 => 64,
            Self::Ecp384 => 96,
            Self::X25519 => 32,
            Self::MlKem768 => 1184,
        }
    }

    /// Length of what the responder sends, bytes: not the same where it encapsulates.
    #[must_use]
    pub const fn reply_len(self) -> usize {
        match self {
            Self::MlKem768 => 1088,
            _ => self.public_len(),
        }
    }

    /// Length of the shared secret, bytes: of a MODP group that of the prime, of a curve that of
    /// the x coordinate (RFC 5903 section 9).
    #[must_use]
    pub const fn secret_len(self) -> usize {
        match self {
            Self::Ecp256 | Self::X25519 | Self::MlKem768 => 32,
            Self::Ecp384 => 48,
            _ => self.public_len(),
        }
    }

    /// Whether it may be a proposal's key exchange by itself; the others go beside one that may
    /// (RFC 9370).
    #[must_use]
    pub const fn stands_alone(self) -> bool {
        !matches!(self, Self::MlKem768)
    }

    /// Why nobody should choose it today, or `None` for one that is sound (RFC 8247).
    #[must_use]
    pub const fn weakness(self) -> Option<&'static str> {
        match self {
            Self::Modp1024 => Some("is a 1024-bit group, which a state can break in advance"),
            Self::Modp1536 => Some("is a 1536-bit group, which RFC 8247 is phasing out"),
            _ => None,
        }
    }
}
