//! How far an LSA is flooded (RFC 2328 section 12.1.3, RFC 5250 section 3).

use core::net::Ipv4Addr;

use crate::msg::LsaType;
use crate::settings::InterfaceId;

/// A database's extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scope {
    /// One network.
    Link(InterfaceId),
    /// One area.
    Area(Ipv4Addr),
    /// The autonomous system.
    As,
}

impl Scope {
    /// Where an LSA of this type belongs that came by this interface of this area; `None` for
    /// types that no specification has.
    pub fn of(kind: LsaType, interface: InterfaceId, area: Ipv4Addr) -> Option<Self> {
        match kind {
            LsaType::OPAQUE_LINK => Some(Self::Link(interface)),
            LsaType::EXTERNAL | LsaType::OPAQUE_AS => Some(Self::As),
            LsaType::ROUTER
            | LsaType::NETWORK
            | LsaType::SUMMARY
            | LsaType::ASBR_SUMMARY
            | LsaType::NSSA
            | LsaType::OPAQUE_AREA => Some(Self::Area(area)),
            _ => None,
        }
    }
}
