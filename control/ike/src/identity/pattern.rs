//! Which identities are allowed: one, or all that a wildcard covers.

use core::fmt;
use core::str::FromStr;

use super::{Identity, NotAnIdentity};

/// Which identities a peer may have: `%any`, one identity, `*.example.com`, `*@example.com`, or a
/// distinguished name whose parts may be `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityPattern(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Any,
    /// A name that starts with `*` stands for every longer one of its kind that ends like it.
    Like(Identity),
}

impl IdentityPattern {
    /// Every identity.
    pub const ANY: Self = Self(Kind::Any);

    /// Whether `identity` is allowed.
    #[must_use]
    pub fn matches(&self, identity: &Identity) -> bool {
        match &self.0 {
            Kind::Any => true,
            Kind::Like(pattern) => match (pattern, identity) {
                (Identity::Fqdn(pattern), Identity::Fqdn(name))
                | (Identity::Mail(pattern), Identity::Mail(name))
                    if pattern.starts_with('*') =>
                {
                    let (end, name) = (&pattern.as_bytes()[1..], name.as_bytes());
                    // The star stands for at least one character.
                    name.len() > end.len()
                        && name[name.len() - end.len()..].eq_ignore_ascii_case(end)
                }
                (Identity::Dn(pattern), Identity::Dn(name)) => pattern.covers(name),
                _ => pattern == identity,
            },
        }
    }

    /// The one identity that is allowed, if it is one.
    #[must_use]
    pub fn exact(&self) -> Option<&Identity> {
        match &self.0 {
            Kind::Like(identity) if !is_wild(identity) => Some(identity),
            _ => None,
        }
    }

    /// How narrow it is: where several peers would do, the one with the highest is meant. 0 is any,
    /// 1 a wildcard, 2 one identity.
    #[must_use]
    pub fn narrowness(&self) -> u8 {
        match &self.0 {
            Kind::Any => 0,
            Kind::Like(identity) if is_wild(identity) => 1,
            Kind::Like(_) => 2,
        }
    }
}

fn is_wild(identity: &Identity) -> bool {
    match identity {
        Identity::Fqdn(name) | Identity::Mail(name) => name.starts_with('*'),
        Identity::Dn(name) => name.is_wild(),
        _ => false,
    }
}

impl From<Identity> for IdentityPattern {
    fn from(identity: Identity) -> Self {
        Self(Kind::Like(identity))
    }
}

impl FromStr for IdentityPattern {
    type Err = NotAnIdentity;

    fn from_str(text: &str) -> Result<Self, NotAnIdentity> {
        match text.trim() {
            "%any" | "*" | "" => Ok(Self::ANY),
            text => text.parse().map(|identity| Self(Kind::Like(identity))),
        }
    }
}

impl fmt::Display for IdentityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Any => f.write_str("%any"),
            Kind::Like(identity) => identity.fmt(f),
        }
    }
}
