//! Identities (RFC 7296 section 3.5): what they are called, and which a peer may have.

use alloc::string::String;

/// Who somebody says they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(pub String);

/// Which identities are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityPattern(pub String);
