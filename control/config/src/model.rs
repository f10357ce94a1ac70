//! What a valid file means: the typed configuration that the rest of fastgw works with.

mod gateway;
mod ospf;
mod protection;

use std::{
    fmt,
    net::IpAddr,
    ops::{Range, RangeInclusive},
    sync::Arc,
};

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use toml::Spanned;

pub use self::{
    gateway::{Crypto, Gateway, Idle},
    ospf::{Bfd, Ospf, OspfCost, OspfInterface, OspfPlace, Redistribute},
    protection::{EspMode, Lifetime, Limit, ManualSa, NegotiatedSa, Protection, SaKeys, Tfc},
};
use crate::{diagnostic::Diagnostic, source::Source};

/// A whole configuration: every value is present, in range and consistent with the others.
#[derive(Debug)]
pub struct Config {
    /// What concerns the process as a whole.
    pub gateway: Gateway,
    /// At least one; names, devices and networks are distinct.
    pub ports: Vec<Port>,
    /// In the file's order; names and SPIs are distinct.
    pub tunnels: Vec<Tunnel>,
    /// In the file's order; names are distinct. Each has the children that tunnels gave it.
    pub ike_peers: Vec<Arc<ike::policy::Peer>>,
    /// In the file's order: the first that covers a packet decides.
    pub policies: Vec<Policy>,
    /// In the file's order; prefixes are distinct.
    pub routes: Vec<Route>,
    /// How it takes part in OSPF, if it does.
    pub ospf: Option<Ospf>,
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

    /// The manual SA of the tunnel or peer with this name.
    pub fn sa_named(&self, name: &str) -> Option<&ManualSa> {
        self.protections().find(|(known, _)| *known == name)?.1.manual()
    }

    /// How each tunnel is protected, and each peer of one, by its name: tunnels first.
    pub fn protections(&self) -> impl Iterator<Item = (&str, &Protection)> {
        let of_tunnels =
            self.tunnels.iter().map(|tunnel| (tunnel.name.as_str(), &tunnel.protection));
        let peers = self.tunnels.iter().flat_map(|tunnel| &tunnel.peers);
        of_tunnels.chain(peers.map(|peer| (peer.name.as_str(), &peer.protection)))
    }

    /// The ports of one role, in the file's order.
    pub fn ports_of(&self, role: Role) -> impl Iterator<Item = &Port> {
        self.ports.iter().filter(move |port| port.role == role)
    }
}

/// A `[[port]]`: one network interface.
#[derive(Debug, PartialEq, Eq)]
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
    /// Our end of the outer header.
    pub local: Spanned<IpAddr>,
    /// The peer's end of the outer header, of the same IP version and never equal to `local`;
    /// `None` for kinds with many peers, and for one that IKE finds wherever it is.
    pub remote: Option<Spanned<IpAddr>>,
    /// The tunnel interface's own addresses with their networks: at most one of each IP version,
    /// and none for `esp`.
    pub addresses: Vec<Spanned<IpNet>>,
    /// How the outer IP header is filled in.
    pub outer: OuterRules,
    /// Largest inner packet in bytes, 576 to 9200; `None` computes it from the egress port.
    pub mtu: Option<u16>,
    /// What becomes of the TCP segment sizes that are announced through it.
    pub mss: Mss,
    /// How a tunnel with one peer is protected, or a template of such tunnels.
    pub protection: Protection,
    /// The peers of the kinds with many.
    pub peers: Vec<Peer>,
}

/// What a tunnel carries and how.
#[derive(Debug)]
pub enum TunnelKind {
    /// ESP tunnel mode by policy (RFC 4301 section 4.4.1): only packets of these selectors, of
    /// which there is at least one.
    Esp(Vec<Selector>),
    /// ESP tunnel mode with selectors any to any; routes decide what enters.
    Vti,
    /// A template of VTIs, one for each peer: those of [`Tunnel::peers`], or, where there are none,
    /// whoever IKE lets in.
    DynamicVti,
    /// GRE, in clear or under ESP; routes decide what enters.
    Gre(Gre),
    /// IP in IP (RFC 2003, 2473, 4213), in clear or under ESP; routes decide what enters.
    Ipip,
    /// A session of L2TP data messages with PPP (RFC 2661), in clear or under ESP.
    L2tp(L2tp),
    /// GRE to many peers, told apart by their overlay addresses.
    Mgre(Gre),
}

impl TunnelKind {
    /// Whether it leads to one peer, and not to many.
    pub const fn has_one_peer(&self) -> bool {
        !matches!(self, Self::DynamicVti | Self::Mgre(_))
    }

    /// The name in a configuration.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Esp(_) => "esp",
            Self::Vti | Self::DynamicVti => "vti",
            Self::Gre(_) => "gre",
            Self::Ipip => "ipip",
            Self::L2tp(_) => "l2tp",
            Self::Mgre(_) => "mgre",
        }
    }
}

/// The optional fields of a GRE header (RFC 2784, 2890).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gre {
    /// Tells tunnels with the same endpoints apart.
    pub key: Option<u32>,
    /// A checksum is sent, and demanded.
    pub checksum: bool,
    /// A sequence number is sent, and demanded; late packets are dropped.
    pub sequence: bool,
}

/// An L2TP session whose numbers are written down instead of negotiated (RFC 2661 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L2tp {
    /// The tunnel's number in what we receive.
    pub local_tunnel_id: u16,
    /// The tunnel's number in what we send.
    pub remote_tunnel_id: u16,
    /// The session's number in what we receive.
    pub local_session_id: u16,
    /// The session's number in what we send.
    pub remote_session_id: u16,
    /// The length field is sent.
    pub length: bool,
    /// Sequence numbers are sent, and demanded; late packets are dropped.
    pub sequence: bool,
    /// The offset field is sent, with this many bytes of pad, 0 to 16.
    pub offset: Option<u8>,
    /// The PPP protocol is sent as one byte (RFC 1661 section 6.5).
    pub pfc: bool,
    /// PPP address and control are left out (RFC 1661 section 6.6).
    pub acfc: bool,
}

/// A `[[tunnel.peer]]`: one of many at the far side of a tunnel.
#[derive(Debug)]
pub struct Peer {
    /// Distinct from those of tunnels and other peers.
    pub name: String,
    /// Its end of the outer header; `None` is learned from the first authentic packet.
    pub remote: Option<Spanned<IpAddr>>,
    /// Its address inside, by which routes know it.
    pub address: Option<Spanned<IpAddr>>,
    /// What is routed to it besides that.
    pub subnets: Vec<Spanned<IpNet>>,
    /// How it is protected.
    pub protection: Protection,
}

/// A set of packets (RFC 4301 section 4.4.1.1), seen from here. Lists that are empty and fields
/// that are `None` admit anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Addresses on our side.
    pub local: Vec<AddressRange>,
    /// Addresses on the other side.
    pub remote: Vec<AddressRange>,
    /// IANA protocol number.
    pub protocol: Option<u8>,
    /// Ports on our side; only with a protocol that has ports.
    pub local_ports: Option<RangeInclusive<u16>>,
    /// Ports on the other side; only with a protocol that has ports.
    pub remote_ports: Option<RangeInclusive<u16>>,
}

/// Addresses of one IP version, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRange {
    /// The lowest.
    pub first: IpAddr,
    /// The highest, not below the first.
    pub last: IpAddr,
    /// Where it stands in the file.
    pub at: Range<usize>,
}

impl AddressRange {
    /// The fewest prefixes that cover the range and nothing else.
    pub fn prefixes(&self) -> Vec<IpNet> {
        match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect()
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect()
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Vec::new(),
        }
    }

    /// Whether the two have an address in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first.is_ipv4() == other.first.is_ipv4()
            && self.first <= other.last
            && other.first <= self.last
    }
}

impl fmt::Display for AddressRange {
    /// As a prefix if it is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefixes().as_slice() {
            [prefix] => prefix.fmt(f),
            _ => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// A `[[policy]]`: what comes before the tunnels' own selectors (RFC 4301 section 4.4.1).
#[derive(Debug)]
pub struct Policy {
    /// What becomes of the packets.
    pub action: Action,
    /// Which packets.
    pub selector: Selector,
}

/// What becomes of packets that a policy covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// They enter the `esp` tunnel with this index into [`Config::tunnels`].
    Protect(usize),
    /// They leave as they are.
    Bypass,
    /// They go nowhere.
    Discard,
}

/// The maximum segment sizes in TCP SYNs through a tunnel (RFC 9293 section 3.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mss {
    /// Lowered to what fits the tunnel.
    Auto,
    /// Left alone.
    Off,
    /// Lowered to this over IPv4, and to 20 bytes less over IPv6.
    Fixed(u16),
}

/// How a tunnel fills in its outer IP header (RFC 4301 section 5.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterRules {
    /// Time to live, or hop limit.
    pub ttl: Ttl,
    /// The differentiated services code point.
    pub dscp: Dscp,
    /// The congestion field (RFC 6040 section 4.1).
    pub ecn: Ecn,
    /// The "don't fragment" flag, which IPv6 does not have.
    pub df: Df,
}

/// The outer time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// That of the inner packet.
    Copy,
    /// Always this one, 1 to 255.
    Fixed(u8),
}

/// The outer DSCP (RFC 2474).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dscp {
    /// That of the inner packet.
    Copy,
    /// Always this one, 0 to 63: the six bits, not shifted.
    Fixed(u8),
}

/// The outer congestion field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ecn {
    /// That of the inner packet: normal mode.
    Copy,
    /// Never capable: compatibility mode.
    Clear,
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
    /// Index into [`Config::tunnels`] of a tunnel that routes lead into, but for `mgre`.
    Tunnel(usize),
    /// Index of an `mgre` tunnel, and the overlay address of the peer; `None` is the peer with the
    /// destination itself, or all of them for a multicast prefix.
    Peer(usize, Option<Spanned<IpAddr>>),
    /// A neighbour on an inside port.
    Via(Spanned<IpAddr>),
    /// Index into [`Config::ports`] of an inside port, for a multicast prefix.
    Port(usize),
}
