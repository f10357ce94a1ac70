//! Why a peer's certificate or signature is not believed, in words.

use alloc::string::{String, ToString};
use core::fmt;
use core::time::Duration;

use engine::UnixTime;
use x509_cert::der::DateTime;

use crate::identity::Identity;

/// Why a peer's certificate or signature is not believed. The words are for our side's log: a peer
/// is told AUTHENTICATION_FAILED and nothing else (RFC 7296 section 2.21.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The peer sent none.
    NoCertificate,
    /// More of them than [`super::CHAIN_MAX`], or one longer than [`super::CERTIFICATE_LEN_MAX`].
    TooLarge,
    /// A CERT payload of an encoding that we do not take.
    Encoding(u8),
    /// It is not a certificate.
    Malformed,
    /// Its time is over; whose, and when it ended.
    Expired(Identity, UnixTime),
    /// Its time has not come; whose, and when it begins.
    NotYetValid(Identity, UnixTime),
    /// It leads to no authority of ours; whose, and who issued it.
    NoChain(Identity, Identity),
    /// It was revoked; whose.
    Revoked(Identity),
    /// The revocation list that would tell is too old; since when.
    CrlExpired(UnixTime),
    /// It does not name the identity that the peer claims; whose it is, and the claim.
    WrongName(Identity, Identity),
    /// Its key usages do not allow this; whose.
    Usage(Identity),
    /// Its key is of a kind that we do not take, or too short; whose.
    Key(Identity),
    /// Another rule of RFC 5280 is broken; whose, and which.
    Rule(Identity, String),
    /// The signature is of a kind that we do not take, in words.
    Scheme(String),
    /// The signature is wrong: the peer does not have the private key.
    Signature,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("the peer sent no certificate"),
            Self::TooLarge => f.write_str("the peer sent too many certificates, or too long ones"),
            Self::Encoding(12 | 13) => {
                f.write_str("the peer sent the URL of a certificate: we fetch nothing")
            }
            Self::Encoding(number) => {
                write!(f, "the peer sent a certificate of encoding {number}, we take X.509 (4)")
            }
            Self::Malformed => f.write_str("the peer sent a damaged certificate"),
            Self::Expired(who, when) => {
                write!(f, "certificate of {who} expired on {}", date(*when))
            }
            Self::NotYetValid(who, when) => {
                write!(f, "certificate of {who} is not valid before {}", date(*when))
            }
            Self::NoChain(who, issuer) => write!(
                f,
                "no chain to a configured authority: certificate of {who} was issued by {issuer}"
            ),
            Self::Revoked(who) => write!(f, "certificate of {who} was revoked"),
            Self::CrlExpired(when) => {
                write!(f, "the revocation list should have been renewed on {}", date(*when))
            }
            Self::WrongName(who, claim) => {
                write!(f, "certificate of {who} does not name {claim}, which the peer says it is")
            }
            Self::Usage(who) => write!(f, "certificate of {who} is not meant for IKE"),
            Self::Key(who) => write!(
                f,
                "the key of {who} is none that we take (RSA of 2048 to 8192 bits, ECDSA P-256 or \
                 P-384, Ed25519)"
            ),
            Self::Rule(who, rule) => write!(f, "certificate of {who}: {rule}"),
            Self::Scheme(words) => f.write_str(words),
            Self::Signature => f.write_str("the signature is wrong"),
        }
    }
}

impl core::error::Error for Refusal {}

fn date(time: UnixTime) -> String {
    DateTime::from_unix_duration(Duration::from_secs(time.0))
        .map_or_else(|_| "a day after the year 9999".to_string(), |date| date.to_string())
}
