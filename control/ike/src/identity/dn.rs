//! Distinguished names (RFC 5280 section 4.1.2.4) as users write them.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use super::NotAnIdentity;

/// A distinguished name: its DER form, kept as it came.
#[derive(Clone, Debug)]
pub struct DistinguishedName {
    der: Box<[u8]>,
}

impl DistinguishedName {
    /// All of `der` is one name.
    pub fn from_der(der: &[u8]) -> Result<Self, NotAnIdentity> {
        Ok(Self { der: der.into() })
    }

    /// The bytes it was made from.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub(super) fn canonical(&self) -> Vec<u8> {
        self.der.to_vec()
    }

    pub(super) fn is_wild(&self) -> bool {
        false
    }

    pub(super) fn covers(&self, name: &Self) -> bool {
        self.der == name.der
    }
}

impl FromStr for DistinguishedName {
    type Err = NotAnIdentity;

    fn from_str(_: &str) -> Result<Self, NotAnIdentity> {
        Err(NotAnIdentity("a distinguished name".to_string()))
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("")
    }
}
