//! Why bytes are not an IKE message.

use core::fmt;

use wire::cursor::LengthError;

use super::numbers::payload;

/// What is wrong, and in which payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The type of the payload, zero for the header and the chain of payloads.
    pub payload: u8,
    /// What is wrong there.
    pub fault: Fault,
}

/// A rule that the bytes break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Fewer bytes than the fields before them promise.
    Truncated,
    /// More bytes than the fields before them promise.
    Trailing,
    /// A length that is shorter than what it counts itself, or not the one its type has.
    Length,
    /// Another major version than the one that is asked for.
    Version,
    /// More of a kind than we take from anybody.
    TooMany,
    /// A count or a mark of the last one that does not agree with what is there.
    Count,
    /// A value that has no meaning here.
    Value,
    /// Something after, or before, an encrypted payload, which stands alone (RFC 7296 section
    /// 3.14).
    BesideEncrypted,
}

impl Malformed {
    pub(crate) const fn header(fault: Fault) -> Self {
        Self { payload: 0, fault }
    }
}

impl From<LengthError> for Fault {
    fn from(error: LengthError) -> Self {
        match error {
            LengthError::Truncated => Self::Truncated,
            LengthError::Trailing => Self::Trailing,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "cut short",
            Self::Trailing => "bytes left over",
            Self::Length => "a wrong length",
            Self::Version => "another version",
            Self::TooMany => "too many of a kind",
            Self::Count => "a wrong count",
            Self::Value => "a value without a meaning",
            Self::BesideEncrypted => "payloads beside the encrypted one",
        })
    }
}

impl fmt::Display for Malformed {
    /// As in "SA payload: cut short".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.payload, payload::name(self.payload)) {
            (0, _) => write!(f, "message: {}", self.fault),
            (_, Some(name)) => write!(f, "{name} payload: {}", self.fault),
            (number, None) => write!(f, "payload {number}: {}", self.fault),
        }
    }
}

impl core::error::Error for Malformed {}
