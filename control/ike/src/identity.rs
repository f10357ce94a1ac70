//! Identities (RFC 7296 section 3.5, RFC 2407 section 4.6.2): what they are called, and which a
//! peer may have.
//!
//! Text is read as strongSwan reads it: a prefix (`fqdn:`, `email:`, `asn1dn:`, `keyid:`, `ipv4:`,
//! `ipv6:`) says what follows, and without one the text is guessed: with `=` a distinguished name,
//! with `@` in front a name, with `@` inside a mail address, then addresses, then names. One guess
//! is ours alone: what looks like a distinguished name and is none is an error, not a key ID.

mod dn;
mod pattern;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

pub use self::dn::DistinguishedName;
pub use self::pattern::IdentityPattern;

/// No identity is longer than this on the wire: names in certificates stay far below.
pub const LEN_MAX: usize = 1024;

/// Who somebody says they are. Names are equal whatever their case; distinguished names whatever
/// the string types of their parts, too (RFC 5280 section 7.1).
#[derive(Clone, Debug)]
pub enum Identity {
    /// ID_IPV4_ADDR.
    Ipv4(Ipv4Addr),
    /// ID_IPV6_ADDR.
    Ipv6(Ipv6Addr),
    /// ID_FQDN.
    Fqdn(Box<str>),
    /// ID_RFC822_ADDR; ID_USER_FQDN in IKEv1.
    Mail(Box<str>),
    /// ID_DER_ASN1_DN.
    Dn(DistinguishedName),
    /// ID_KEY_ID.
    KeyId(Box<[u8]>),
}

/// Why bytes or text are no identity, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnIdentity(pub String);

impl fmt::Display for NotAnIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for NotAnIdentity {}

impl Identity {
    /// From the kind and data of an identification payload.
    pub fn from_payload(kind: u8, data: &[u8]) -> Result<Self, NotAnIdentity> {
        if data.is_empty() || data.len() > LEN_MAX {
            return Err(NotAnIdentity(format!("an identity of {} bytes", data.len())));
        }
        let wrong_len = || NotAnIdentity(format!("an address of {} bytes", data.len()));
        Ok(match kind {
            KIND_IPV4 => {
                Self::Ipv4(Ipv4Addr::from(<[u8; 4]>::try_from(data).map_err(|_| wrong_len())?))
            }
            KIND_IPV6 => {
                Self::Ipv6(Ipv6Addr::from(<[u8; 16]>::try_from(data).map_err(|_| wrong_len())?))
            }
            KIND_FQDN => Self::Fqdn(printable(data)?),
            KIND_MAIL => Self::Mail(printable(data)?),
            KIND_DN => Self::Dn(DistinguishedName::from_der(data)?),
            KIND_KEY_ID => Self::KeyId(data.into()),
            _ => return Err(NotAnIdentity(format!("an identity of the unknown kind {kind}"))),
        })
    }

    /// The kind and data of an identification payload.
    #[must_use]
    pub fn to_payload(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Ipv4(address) => (KIND_IPV4, address.octets().to_vec()),
            Self::Ipv6(address) => (KIND_IPV6, address.octets().to_vec()),
            Self::Fqdn(name) => (KIND_FQDN, name.as_bytes().to_vec()),
            Self::Mail(name) => (KIND_MAIL, name.as_bytes().to_vec()),
            Self::Dn(name) => (KIND_DN, name.der().to_vec()),
            Self::KeyId(id) => (KIND_KEY_ID, id.to_vec()),
        }
    }

    /// What is compared.
    fn canonical(&self) -> (u8, Cow<'_, [u8]>) {
        match self {
            Self::Ipv4(_) | Self::Ipv6(_) => {
                let (kind, data) = self.to_payload();
                (kind, data.into())
            }
            Self::Fqdn(name) => (KIND_FQDN, name.to_ascii_lowercase().into_bytes().into()),
            Self::Mail(name) => (KIND_MAIL, name.to_ascii_lowercase().into_bytes().into()),
            Self::Dn(name) => (KIND_DN, name.canonical().into()),
            Self::KeyId(id) => (KIND_KEY_ID, (&**id).into()),
        }
    }

    /// The text without a prefix, where there is one.
    fn plain(&self) -> Option<String> {
        Some(match self {
            Self::Ipv4(address) => address.to_string(),
            Self::Ipv6(address) => address.to_string(),
            Self::Fqdn(name) | Self::Mail(name) => name.to_string(),
            Self::Dn(name) => name.to_string(),
            Self::KeyId(_) => return None,
        })
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

impl Eq for Identity {}

impl PartialOrd for Identity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Identity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.canonical().cmp(&other.canonical())
    }
}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical().hash(state);
    }
}

impl fmt::Display for Identity {
    /// What parses to the same identity; with a prefix only where guessing would go wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(plain) = self.plain()
            && plain.parse().is_ok_and(|guess: Self| guess == *self)
        {
            return f.write_str(&plain);
        }
        match self {
            Self::Ipv4(address) => write!(f, "ipv4:{address}"),
            Self::Ipv6(address) => write!(f, "ipv6:{address}"),
            Self::Fqdn(name) => write!(f, "fqdn:{}", text_or_hex(name.as_bytes())),
            Self::Mail(name) => write!(f, "email:{}", text_or_hex(name.as_bytes())),
            Self::Dn(name) => write!(f, "asn1dn:#{}", hex(name.der())),
            Self::KeyId(id) => write!(f, "keyid:{}", text_or_hex(id)),
        }
    }
}

impl FromStr for Identity {
    type Err = NotAnIdentity;

    fn from_str(text: &str) -> Result<Self, NotAnIdentity> {
        let text = text.trim();
        if let Some((prefix, rest)) = text.split_once(':')
            && let Some((_, kind)) = PREFIXES.iter().find(|(name, _)| name == &prefix)
        {
            return match rest.strip_prefix('#') {
                Some(digits) => of_digits(*kind, digits),
                None => of_text(*kind, rest),
            };
        }
        match text.strip_prefix('@') {
            None => of_text(guess(text), text),
            Some(rest) => match (rest.strip_prefix('#'), rest.strip_prefix('@')) {
                (Some(digits), _) => of_digits(KIND_KEY_ID, digits),
                (_, Some(mail)) => of_text(KIND_MAIL, mail),
                (None, None) => of_text(KIND_FQDN, rest),
            },
        }
    }
}

/// The kind of a text without a prefix or an `@` in front.
fn guess(text: &str) -> u8 {
    if text.contains('=') {
        return KIND_DN;
    }
    if text.contains('@') {
        return KIND_MAIL;
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return KIND_IPV4;
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return KIND_IPV6;
    }
    if text.contains(':') { KIND_KEY_ID } else { KIND_FQDN }
}

/// Hexadecimal digits of a kind that is known.
fn of_digits(kind: u8, digits: &str) -> Result<Identity, NotAnIdentity> {
    let bytes = unhex(digits)
        .ok_or_else(|| NotAnIdentity(format!("'#{digits}': hexadecimal digits are expected")))?;
    Identity::from_payload(kind, &bytes)
}

/// Text of a kind that is known.
fn of_text(kind: u8, text: &str) -> Result<Identity, NotAnIdentity> {
    match kind {
        KIND_IPV4 => text.parse().map(Identity::Ipv4).map_err(|_| not_an_address(text, 4)),
        KIND_IPV6 => text.parse().map(Identity::Ipv6).map_err(|_| not_an_address(text, 6)),
        KIND_DN => text.parse().map(Identity::Dn),
        _ => Identity::from_payload(kind, text.as_bytes()),
    }
}

fn not_an_address(text: &str, version: u8) -> NotAnIdentity {
    NotAnIdentity(format!("'{text}' is not an IPv{version} address"))
}

/// Names go to logs and terminals: control characters do not pass.
fn printable(data: &[u8]) -> Result<Box<str>, NotAnIdentity> {
    match core::str::from_utf8(data) {
        Ok(text) if !text.chars().any(char::is_control) => Ok(text.into()),
        _ => Err(NotAnIdentity("a name with characters that cannot be printed".to_string())),
    }
}

/// What follows a prefix: text where it reads back as the same bytes.
fn text_or_hex(bytes: &[u8]) -> String {
    match printable(bytes) {
        Ok(text) if !text.starts_with('#') && text.trim() == &*text => text.into(),
        _ => format!("#{}", hex(bytes)),
    }
}

/// Lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes from hexadecimal digits, an even number of them.
fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks(2)
        .map(|pair| {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        })
        .collect()
}

// RFC 7296 section 3.5.
const KIND_IPV4: u8 = 1;
const KIND_FQDN: u8 = 2;
const KIND_MAIL: u8 = 3;
const KIND_IPV6: u8 = 5;
const KIND_DN: u8 = 9;
const KIND_KEY_ID: u8 = 11;

const PREFIXES: [(&str, u8); 9] = [
    ("ipv4", KIND_IPV4),
    ("ipv6", KIND_IPV6),
    ("fqdn", KIND_FQDN),
    ("dns", KIND_FQDN),
    ("email", KIND_MAIL),
    ("rfc822", KIND_MAIL),
    ("userfqdn", KIND_MAIL),
    ("asn1dn", KIND_DN),
    ("keyid", KIND_KEY_ID),
];

#[cfg(test)]
mod tests;
