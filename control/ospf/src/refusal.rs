//! Why a packet, or a part of it, is not taken.

use core::fmt;

/// A reason, for the counter and the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// It does not parse.
    Malformed,
    /// OSPFv3, for one.
    Version,
    /// It was damaged on the way.
    Checksum,
    /// It is from an area other than the interface's.
    Area,
    /// Another type of authentication is configured.
    AuthenticationType,
    /// A password, a key or a digest is wrong.
    Authentication,
    /// A cryptographic sequence number goes back: an old packet is sent again.
    Replay,
    /// Our own router ID.
    OwnRouterId,
    /// A source that is not on the network of the interface.
    Source,
    /// A hello has another mask.
    Mask,
    /// A hello has another interval.
    HelloInterval,
    /// A hello has another dead interval.
    DeadInterval,
    /// A hello is of another kind of area: stub, not-so-stubby or neither.
    AreaKind,
    /// A router of which there was no hello, or with which there is no adjacency.
    NoAdjacency,
    /// Its packets may be larger than ours, and `mtu_ignore` is not set.
    Mtu,
    /// It describes its database out of turn.
    Description,
    /// It asks for what we do not have, or sends what we did not ask for.
    Request,
    /// An LSA's checksum is wrong.
    LsaChecksum,
    /// An LSA does not parse, or its type is unknown.
    LsaMalformed,
    /// An LSA that such an area does not have.
    LsaArea,
    /// More LSAs than the database may have.
    DatabaseFull,
    /// More neighbours than an interface may have.
    TooManyNeighbors,
    /// Passive, or down.
    NotHeard,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::Malformed,
        Self::Version,
        Self::Checksum,
        Self::Area,
        Self::AuthenticationType,
        Self::Authentication,
        Self::Replay,
        Self::OwnRouterId,
        Self::Source,
        Self::Mask,
        Self::HelloInterval,
        Self::DeadInterval,
        Self::AreaKind,
        Self::NoAdjacency,
        Self::Mtu,
        Self::Description,
        Self::Request,
        Self::LsaChecksum,
        Self::LsaMalformed,
        Self::LsaArea,
        Self::DatabaseFull,
        Self::TooManyNeighbors,
        Self::NotHeard,
    ];

    /// Whether it is a part of what routers do when packets are late or lost.
    pub(crate) const fn is_ordinary(self) -> bool {
        matches!(self, Self::NoAdjacency | Self::Description | Self::NotHeard)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it does not parse",
            Self::Version => "it is not of OSPF version 2",
            Self::Checksum => "its checksum is wrong",
            Self::Area => "it is from another area than the interface's: compare `area`",
            Self::AuthenticationType => "it has another type of authentication",
            Self::Authentication => "its password, key or digest is wrong",
            Self::Replay => "its cryptographic sequence number goes back: sent again by someone?",
            Self::OwnRouterId => "it has our own router ID: two routers are configured the same",
            Self::Source => "its source is not on the network of the interface",
            Self::Mask => "its network mask is another",
            Self::HelloInterval => "its hello interval is another",
            Self::DeadInterval => "its dead interval is another",
            Self::AreaKind => "its area is of another kind: stub, NSSA or neither",
            Self::NoAdjacency => "there is no adjacency with it",
            Self::Mtu => "its MTU is larger than ours: correct one of them, or set `mtu_ignore`",
            Self::Description => "it describes its database out of turn",
            Self::Request => "it asks for an LSA that is not there, or sends one not asked for",
            Self::LsaChecksum => "the checksum of an LSA in it is wrong",
            Self::LsaMalformed => "an LSA in it does not parse",
            Self::LsaArea => "an LSA in it does not belong in such an area",
            Self::DatabaseFull => "the link-state database is full",
            Self::TooManyNeighbors => "the interface has too many neighbours",
            Self::NotHeard => "the interface is passive or down",
        })
    }
}
