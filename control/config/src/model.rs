//! What a valid file means: the typed configuration that the rest of fastgw works with.

use std::{fmt, net::IpAddr, ops::Range, path::PathBuf, sync::Arc};

use ipnet::IpNet;
use toml::Spanned;

use crate::{Suite, diagnostic::Diagnostic, secret::Secret, source::Source};

/// A whole configuration: every value is present, in range and consistent with the others.
#[derive(Debug)]
pub struct Config {
    /// What concerns the process as a whole.
    pub gateway: Gateway,
    /// At least one; names, devices and networks are distinct.
    pub ports: Vec<Port>,
    /// In the file's order; names and SPIs are distinct.
    pub tunnels: Vec<Tunnel>,
    /// In the file's order; prefixes are distinct.
    pub routes: Vec<Route>,
    /// What is legal but probably not meant, in the file's order.
    pub warnings: Vec<Diagnostic>,
    /// The file, with every key masked.
    pub source: Arc<Source>,
}

impl Config {
    /// An error that only the running system can find (`no interface eth9`), at the line that
    /// caused it. `span` is that of a [`Spanned`] field of this configuration.
    pub fn span_error(
        &self,
        span: Range<usize>,
        title: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::error(&self.source, span, title).label(label).help(help)
    }

    /// Like [`Config::span_error`], for what does not stop the gateway.
    pub fn span_warning(
        &self,
        span: Range<usize>,
        title: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::warning(&self.source, span, title).label(label).help(help)
    }

    /// The ports of one role, in the file's order.
    pub fn ports_of(&self, role: Role) -> impl Iterator<Item = &Port> {
        self.ports.iter().filter(move |port| port.role == role)
    }
}

/// The `[gateway]` section.
#[derive(Debug)]
pub struct Gateway {
    /// Letters, digits, `-`, `_` and `.`, at most 32.
    pub name: String,
    /// Number of workers, 1 to 64; each has a queue of its own on every port.
    pub workers: usize,
    /// One CPU number per worker; `None` leaves the choice to fastgw.
    pub cores: Option<Spanned<Vec<usize>>>,
    /// Absolute path of the Unix socket that `fastgw show` talks to.
    pub control_socket: PathBuf,
    /// What a worker does when there is nothing to do.
    pub idle: Idle,
}

/// What a worker does when there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Sleeps in `poll` until a frame comes.
    Sleep,
    /// Keeps polling its rings, for the lowest latency at the price of a busy core.
    Spin,
}

/// A `[[port]]`: one network interface.
#[derive(Debug)]
pub struct Port {
    /// The name that counters and `--in NAME=FILE` use.
    pub name: String,
    /// The Linux interface.
    pub device: Spanned<String>,
    /// Which side of the gateway it is on.
    pub role: Role,
    /// Our addresses with their networks, possibly none: a running gateway uses the kernel's.
    pub addresses: Vec<Spanned<IpNet>>,
    /// How AF_XDP is attached.
    pub mode: PortMode,
}

/// Which side of the gateway a port is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Clear traffic of our sites.
    Inside,
    /// Tunnels only; clear traffic is left to the kernel.
    Outside,
}

/// How AF_XDP is attached to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortMode {
    /// The fastest that the driver offers.
    Auto,
    /// In the driver, with a copy.
    Native,
    /// In the kernel's generic hook, which every device has.
    Generic,
    /// In the driver, without a copy.
    ZeroCopy,
}

/// A `[[tunnel]]`.
#[derive(Debug)]
pub struct Tunnel {
    /// The name that routes and counters use.
    pub name: String,
    /// What it carries and how.
    pub kind: TunnelKind,
    /// Our end of the outer header; IPv4 for now.
    pub local: Spanned<IpAddr>,
    /// The peer's end of the outer header; IPv4 for now and never equal to `local`.
    pub remote: Spanned<IpAddr>,
    /// How the outer IP header is filled in.
    pub outer: OuterRules,
    /// Largest inner packet in bytes, 576 to 9200; `None` computes it from the egress port.
    pub mtu: Option<u16>,
}

impl Tunnel {
    /// The SA, for the kinds that have one.
    pub fn sa(&self) -> Option<&ManualSa> {
        match &self.kind {
            TunnelKind::Esp { sa, .. } | TunnelKind::Vti { sa, .. } => Some(sa),
            TunnelKind::Gre { sa, .. } | TunnelKind::Ipip { sa, .. } => sa.as_ref(),
        }
    }

    /// The tunnel interface's own address, where it has one.
    pub fn address(&self) -> Option<&Spanned<IpNet>> {
        match &self.kind {
            TunnelKind::Vti { address, .. }
            | TunnelKind::Gre { address, .. }
            | TunnelKind::Ipip { address, .. } => address.as_ref(),
            TunnelKind::Esp { .. } => None,
        }
    }
}

/// What a tunnel carries and how.
#[derive(Debug)]
pub enum TunnelKind {
    /// ESP tunnel mode by policy (RFC 4301 section 4.4.1): only packets between these subnets.
    Esp {
        /// At least one; no overlap with `remote_subnets`.
        local_subnets: Vec<Spanned<IpNet>>,
        /// At least one; no overlap with another tunnel's or with a more specific route.
        remote_subnets: Vec<Spanned<IpNet>>,
        /// Its keys.
        sa: ManualSa,
    },
    /// ESP tunnel mode with selectors any to any; routes decide what enters.
    Vti {
        /// The tunnel interface's own address.
        address: Option<Spanned<IpNet>>,
        /// Its keys.
        sa: ManualSa,
    },
    /// GRE (RFC 2784), in clear or under ESP; routes decide what enters.
    Gre {
        /// The tunnel interface's own address.
        address: Option<Spanned<IpNet>>,
        /// Tells tunnels with the same endpoints apart (RFC 2890).
        key: Option<u32>,
        /// Its keys; `None` is in clear.
        sa: Option<ManualSa>,
    },
    /// IPv4 in IPv4 (RFC 2003), in clear or under ESP; routes decide what enters.
    Ipip {
        /// The tunnel interface's own address.
        address: Option<Spanned<IpNet>>,
        /// Its keys; `None` is in clear.
        sa: Option<ManualSa>,
    },
}

impl TunnelKind {
    /// The name in a configuration: `esp`, `vti`, `gre` or `ipip`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Esp { .. } => "esp",
            Self::Vti { .. } => "vti",
            Self::Gre { .. } => "gre",
            Self::Ipip { .. } => "ipip",
        }
    }
}

/// How a tunnel fills in its outer IP header (RFC 4301 section 5.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterRules {
    /// Time to live, 1 to 255.
    pub ttl: u8,
    /// The differentiated services code point.
    pub dscp: Dscp,
    /// The "don't fragment" flag.
    pub df: Df,
}

/// The outer DSCP (RFC 2474).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dscp {
    /// That of the inner packet.
    Copy,
    /// Always this one, 0 to 63: the six bits, not shifted.
    Fixed(u8),
}

/// The outer "don't fragment" flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Df {
    /// That of the inner packet.
    Copy,
    /// Always set.
    Set,
    /// Always clear.
    Clear,
}

/// A pair of ESP SAs whose keys are written down instead of negotiated.
#[derive(Debug)]
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
    /// What we send.
    pub outbound: SaKeys,
    /// What we receive.
    pub inbound: SaKeys,
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

/// A `[[route]]`.
#[derive(Debug)]
pub struct Route {
    /// Where packets are going.
    pub prefix: Spanned<IpNet>,
    /// What takes them there.
    pub target: RouteTarget,
}

/// What a route leads to.
#[derive(Debug)]
pub enum RouteTarget {
    /// Index into [`Config::tunnels`] of a `vti` or `gre` tunnel.
    Tunnel(usize),
    /// A neighbour on an inside port.
    Via(Spanned<IpAddr>),
}
