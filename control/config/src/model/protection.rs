//! How a tunnel is protected: by keys that are written down, by keys that IKE negotiates, or not.

use std::{fmt, net::IpAddr};

use engine::Secret;
use toml::Spanned;

use crate::Suite;

/// How a tunnel, or one peer of it, is protected.
#[derive(Debug)]
pub enum Protection {
    /// It is in clear.
    Clear,
    /// By keys that are written down.
    Manual(Box<ManualSa>),
    /// By keys that IKE negotiates; while there are none, nothing passes.
    Ike(NegotiatedSa),
}

impl Protection {
    /// The SA whose keys are written down, if there is one.
    pub fn manual(&self) -> Option<&ManualSa> {
        match self {
            Self::Manual(sa) => Some(sa),
            Self::Clear | Self::Ike(_) => None,
        }
    }

    /// What IKE negotiates, if it does.
    pub const fn ike(&self) -> Option<&NegotiatedSa> {
        match self {
            Self::Ike(sa) => Some(sa),
            Self::Clear | Self::Manual(_) => None,
        }
    }

    /// Whether packets go in clear.
    pub const fn is_clear(&self) -> bool {
        matches!(self, Self::Clear)
    }

    /// The ends of ESP tunnel mode where they are not the tunnel's own.
    pub fn endpoints(&self) -> Option<&[Spanned<IpAddr>; 2]> {
        match self {
            Self::Clear => None,
            Self::Manual(sa) => sa.endpoints.as_ref(),
            Self::Ike(sa) => sa.endpoints.as_ref(),
        }
    }
}

/// A `[tunnel.ike]`: what the datapath needs to know of SAs that IKE negotiates. What IKE itself
/// needs is the child of this name in [`ike::policy::Peer::children`].
#[derive(Debug, PartialEq, Eq)]
pub struct NegotiatedSa {
    /// Index into [`crate::Config::ike_peers`].
    pub peer: usize,
    /// The child's name: that of the tunnel, or of the tunnel's peer.
    pub child: String,
    /// What ESP covers, or is to cover: the SA itself says what was agreed.
    pub mode: EspMode,
    /// The ends of ESP tunnel mode, ours first, where they are not the tunnel's own: GRE or IPIP
    /// between loopback addresses. IKE's are the same, unless the peer may be anywhere.
    pub endpoints: Option<[Spanned<IpAddr>; 2]>,
    /// Width of the anti-replay window in packets: 0 for none, else 32 to 65536.
    pub replay_window: u32,
    /// Seconds without a packet after which a NAT keepalive is sent (RFC 3948 section 4); `None`
    /// is never.
    pub keepalive_s: Option<u32>,
    /// Inner packets are padded to hide their length (RFC 4303 section 2.7).
    pub tfc: Option<Tfc>,
}

/// A pair of ESP SAs whose keys are written down instead of negotiated.
#[derive(Debug, PartialEq, Eq)]
pub struct ManualSa {
    /// Cipher and authentication of both directions.
    pub suite: Suite,
    /// What ESP covers.
    pub mode: EspMode,
    /// The ends of ESP tunnel mode, ours first, where they are not the tunnel's own: GRE or IPIP
    /// between loopback addresses.
    pub endpoints: Option<[Spanned<IpAddr>; 2]>,
    /// Width of the anti-replay window in packets: 0 for none, else 32 to 65536.
    pub replay_window: u32,
    /// Whether the peer counts in 64 bits (extended sequence numbers, RFC 4304).
    pub esn: bool,
    /// ESP travels in UDP, port 4500 (RFC 3948).
    pub udp_encapsulation: bool,
    /// Seconds without a packet after which a NAT keepalive is sent (RFC 3948 section 4); `None`
    /// is never.
    pub keepalive_s: Option<u32>,
    /// Inner packets are padded to hide their length (RFC 4303 section 2.7).
    pub tfc: Option<Tfc>,
    /// When it is to be replaced, and when it ends.
    pub lifetime: Lifetime,
    /// What we send.
    pub outbound: SaKeys,
    /// What we receive.
    pub inbound: SaKeys,
}

impl ManualSa {
    /// Whether the two are the same SAs for a peer: SPIs, suite, width of numbers and keys.
    pub fn has_keys_of(&self, other: &Self) -> bool {
        (self.suite, self.esn) == (other.suite, other.esn)
            && (&self.outbound, &self.inbound) == (&other.outbound, &other.inbound)
    }
}

/// How far inner packets are padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tfc {
    /// To the tunnel's MTU.
    Mtu,
    /// To this many bytes.
    Bytes(u16),
}

/// Soft limits are reported, hard ones end the SA (RFC 4301 section 4.4.2.1); `None` is no limit,
/// and no soft one is above its hard one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// Packets in either direction.
    pub packets: Limit,
    /// Bytes of inner packets in either direction.
    pub bytes: Limit,
    /// Seconds since the SA was made.
    pub seconds: Limit,
}

/// A soft and a hard limit of one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// Reported when it is reached.
    pub soft: Option<u64>,
    /// The end.
    pub hard: Option<u64>,
}

/// What ESP covers (RFC 4301 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EspMode {
    /// What follows the tunnel's own outer header.
    Transport,
    /// A whole packet; ESP brings an outer header of its own.
    Tunnel,
}

/// SPI and keys of one direction. No key appears in another SA of the file.
#[derive(PartialEq, Eq)]
pub struct SaKeys {
    /// Security parameters index, at least 256 (RFC 4303 section 2.1), in host byte order.
    pub spi: u32,
    /// [`Suite::encryption_key_len`] bytes: the cipher key followed by the salt.
    pub encryption: Secret,
    /// [`Suite::authentication_key_len`] bytes.
    pub authentication: Secret,
}

impl fmt::Debug for SaKeys {
    /// Shows the SPI and leaves the keys out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaKeys").field("spi", &self.spi).finish_non_exhaustive()
    }
}
