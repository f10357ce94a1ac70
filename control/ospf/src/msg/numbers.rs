//! The numbers of OSPFv2 with their names (RFC 2328 appendix A, IANA "OSPFv2 Parameters").

use core::fmt;
use core::ops::{BitAnd, BitOr, Not};

use wire::open_enum;

open_enum! {
    /// What a packet is for (RFC 2328 appendix A.3.1).
    pub PacketType: u8 {
        /// Finds and keeps neighbors (A.3.2).
        HELLO = 1, "Hello";
        /// Describes a database (A.3.3).
        DATABASE_DESCRIPTION = 2, "Database Description";
        /// Asks for LSAs (A.3.4).
        LINK_STATE_REQUEST = 3, "Link State Request";
        /// Carries LSAs (A.3.5).
        LINK_STATE_UPDATE = 4, "Link State Update";
        /// Acknowledges LSAs (A.3.6).
        LINK_STATE_ACKNOWLEDGMENT = 5, "Link State Acknowledgment";
    }
}

open_enum! {
    /// How a packet proves where it is from (RFC 2328 appendix D).
    pub AuthenticationType: u16 {
        /// Not at all.
        NULL = 0, "null";
        /// A password in clear.
        SIMPLE = 1, "simple";
        /// A digest behind the packet.
        CRYPTOGRAPHIC = 2, "cryptographic";
    }
}

open_enum! {
    /// What an LSA describes (RFC 2328 appendix A.4.1).
    pub LsaType: u8 {
        /// A router's links in an area.
        ROUTER = 1, "Router";
        /// The routers of a network with a designated router.
        NETWORK = 2, "Network";
        /// A network of another area.
        SUMMARY = 3, "Summary";
        /// A boundary router of the AS, in another area.
        ASBR_SUMMARY = 4, "ASBR-Summary";
        /// A network outside the AS.
        EXTERNAL = 5, "AS-External";
        /// The same, inside a not-so-stubby area (RFC 3101).
        NSSA = 7, "NSSA-External";
        /// Anything, for one link (RFC 5250).
        OPAQUE_LINK = 9, "Opaque-Link";
        /// Anything, for one area.
        OPAQUE_AREA = 10, "Opaque-Area";
        /// Anything, for the AS.
        OPAQUE_AS = 11, "Opaque-AS";
    }
}

open_enum! {
    /// What a link of a router LSA leads to (RFC 2328 appendix A.4.2).
    pub LinkType: u8 {
        /// One other router. Link ID: its router ID. Data: own address, or the interface's index
        /// if it has none.
        POINT_TO_POINT = 1, "point-to-point";
        /// A network with a designated router. Link ID: the designated router's address. Data: own
        /// address.
        TRANSIT = 2, "transit";
        /// A network without other routers. Link ID: its address. Data: its mask.
        STUB = 3, "stub";
        /// A virtual link. Link ID: the other router's ID. Data: own address.
        VIRTUAL = 4, "virtual";
    }
}

impl LsaType {
    /// Whether it is one of the opaque types (RFC 5250).
    #[must_use]
    pub const fn is_opaque(self) -> bool {
        matches!(self, Self::OPAQUE_LINK | Self::OPAQUE_AREA | Self::OPAQUE_AS)
    }

    /// Whether it is flooded through the whole AS (RFC 2328 section 13, RFC 5250 section 3).
    #[must_use]
    pub const fn is_as_wide(self) -> bool {
        matches!(self, Self::EXTERNAL | Self::OPAQUE_AS)
    }
}

/// What a router can do (RFC 2328 appendix A.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Options(pub u8);

impl Options {
    /// Multi-topology routing (RFC 4915).
    pub const MT: Self = Self(0x01);
    /// AS-external LSAs: clear in stub areas and in NSSAs.
    pub const E: Self = Self(0x02);
    /// Multicast extensions (RFC 1584).
    pub const MC: Self = Self(0x04);
    /// In a Hello: the area is an NSSA. In an NSSA LSA: P, to be translated (RFC 3101).
    pub const NP: Self = Self(0x08);
    /// A block of link-local signaling follows the packet (RFC 5613).
    pub const L: Self = Self(0x10);
    /// Demand circuits (RFC 1793).
    pub const DC: Self = Self(0x20);
    /// Opaque LSAs (RFC 5250).
    pub const O: Self = Self(0x40);
    /// Not to be taken for routes of a VPN (RFC 4576).
    pub const DN: Self = Self(0x80);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Options {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Options {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Options {
    type Output = Self;

    fn not(self) -> Self {
        Self(!self.0)
    }
}

impl fmt::Display for Options {
    /// The names of those that are set, from the highest on: `-|O|-|-|-|-|E|-`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::DN, "DN"),
            (Self::O, "O"),
            (Self::DC, "DC"),
            (Self::L, "L"),
            (Self::NP, "N/P"),
            (Self::MC, "MC"),
            (Self::E, "E"),
            (Self::MT, "MT"),
        ];
        for (index, (bit, name)) in names.into_iter().enumerate() {
            let separator = if index == 0 { "" } else { "|" };
            write!(f, "{separator}{}", if self.contains(bit) { name } else { "-" })?;
        }
        Ok(())
    }
}
