//! Why bytes are not what OSPF sends.

use core::fmt;

use wire::cursor::LengthError;

use super::numbers::{LsaType, PacketType};

/// What is wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The part that breaks a rule.
    pub part: Part,
    /// The rule.
    pub fault: Fault,
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The header that all packets have.
    Header,
    /// What follows it in a packet of this type.
    Body(PacketType),
    /// The header of an LSA.
    LsaHeader,
    /// What follows it in an LSA of this type.
    Lsa(LsaType),
}

/// A rule that the bytes break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Fewer bytes than the fields before them promise.
    Truncated,
    /// More bytes than the fields before them promise.
    Trailing,
    /// Another version than 2.
    Version,
    /// A length that is shorter than what it counts itself.
    Length,
    /// A count that does not agree with what is there.
    Count,
    /// A value that has no meaning here.
    Value,
    /// A type that we do not know.
    Type,
}

impl Part {
    /// For `map_err`.
    pub(super) fn says<F: Into<Fault>>(self) -> impl Fn(F) -> Malformed {
        move |fault| Malformed { part: self, fault: fault.into() }
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

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("OSPF header"),
            Self::Body(kind) => write!(f, "{kind}"),
            Self::LsaHeader => f.write_str("LSA header"),
            Self::Lsa(kind) => write!(f, "{kind} LSA"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "cut short",
            Self::Trailing => "bytes left over",
            Self::Version => "another version",
            Self::Length => "a wrong length",
            Self::Count => "a wrong count",
            Self::Value => "a value without a meaning",
            Self::Type => "an unknown type",
        })
    }
}

impl fmt::Display for Malformed {
    /// As in "Hello: cut short".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.fault)
    }
}

impl core::error::Error for Malformed {}
