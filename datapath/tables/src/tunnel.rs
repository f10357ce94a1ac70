//! A tunnel: a configured way to another gateway.

use std::net::Ipv4Addr;
use std::sync::Arc;

use esp::OutboundSa;
use ipnet::Ipv4Net;

use crate::counters::TunnelCounters;
use crate::{Index, NexthopId, Rewrite};

/// Index of a tunnel in [`crate::Tables::tunnels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelId(pub u32);

/// What a tunnel's packets are protected with.
#[derive(Clone)]
pub enum Protection {
    /// Nothing: the configuration asks for a clear tunnel.
    Clear,
    /// ESP. Without an SA nothing leaves: never in clear.
    Esp(Option<Arc<OutboundSa>>),
}

/// The traffic selectors of a policy tunnel (RFC 4301 4.4.1.1), seen from here.
#[derive(Clone, Debug, Default)]
pub struct Selectors {
    local: Box<[Subnet]>,
    remote: Box<[Subnet]>,
}

#[derive(Clone, Copy, Debug)]
struct Subnet {
    network: u32,
    mask: u32,
}

impl Selectors {
    /// Selectors that hold when the address on our side lies in one of `local` and the other one
    /// in one of `remote`.
    #[must_use]
    pub fn new(local: &[Ipv4Net], remote: &[Ipv4Net]) -> Self {
        let subnets = |nets: &[Ipv4Net]| {
            let bits = |net: &Ipv4Net| Subnet {
                network: net.network().to_bits(),
                mask: net.netmask().to_bits(),
            };
            nets.iter().map(bits).collect()
        };
        Self { local: subnets(local), remote: subnets(remote) }
    }

    /// Whether a packet between these two addresses belongs to the tunnel.
    #[inline]
    #[must_use]
    pub fn hold(&self, ours: Ipv4Addr, theirs: Ipv4Addr) -> bool {
        let within = |subnets: &[Subnet], address: Ipv4Addr| {
            subnets.iter().any(|subnet| address.to_bits() & subnet.mask == subnet.network)
        };
        within(&self.local, ours) && within(&self.remote, theirs)
    }
}

/// A tunnel as the workers see it.
#[derive(Clone)]
pub struct Tunnel {
    /// Name from the configuration.
    pub name: Box<str>,
    /// What goes in front of a packet before it is sealed: GRE or IPIP headers of a tunnel that
    /// ESP protects.
    pub inner: Option<Rewrite>,
    /// What goes in front of everything.
    pub rewrite: Rewrite,
    /// What is sealed, and must come out again.
    pub payload: Payload,
    /// What they are protected with.
    pub protection: Protection,
    /// Which packets may use it; `None` is any (route-based).
    pub selectors: Option<Selectors>,
    /// The next hop toward the remote endpoint; `None` while the kernel has no route to it.
    pub egress: Option<NexthopId>,
    /// Largest inner packet, bytes.
    pub mtu: u16,
    /// Source of the ICMP errors we send to the far side through it.
    pub address: Option<Ipv4Addr>,
    /// What it has carried.
    pub counters: Arc<TunnelCounters>,
}

impl Tunnel {
    /// Length of the outer IP packet that carries an inner one of `inner` bytes: the one place
    /// where a tunnel's overhead is computed.
    #[must_use]
    pub fn outer_len(&self, inner: usize) -> usize {
        let inner = inner + self.inner.as_ref().map_or(0, Rewrite::header_len);
        let protection = match &self.protection {
            Protection::Esp(Some(sa)) => sa.suite().header_len() + sa.suite().trailer_len(inner),
            Protection::Esp(None) | Protection::Clear => 0,
        };
        self.rewrite.header_len() + protection + inner
    }

    /// The largest inner packet whose outer packet fits into `outer_mtu`, bytes.
    #[must_use]
    pub fn inner_mtu(&self, outer_mtu: u16) -> u16 {
        // The outer length never falls when the inner one grows, and the overhead is small.
        let fits = |inner: &u16| self.outer_len(usize::from(*inner)) <= usize::from(outer_mtu);
        (0..=outer_mtu).rev().find(fits).unwrap_or(0)
    }
}

/// What a tunnel's packets look like where ESP, if any, has been taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The packet itself: ESP tunnel mode, or IPIP under ESP transport mode, which look the same.
    Ip,
    /// A GRE header with this key and the packet: GRE under ESP transport mode, or in clear.
    Gre(Option<u32>),
    /// An IPv4 header between the tunnel's own endpoints, then a GRE header with this key and the
    /// packet: GRE under ESP tunnel mode.
    IpGre(Endpoints, Option<u32>),
    /// An IPv4 header between the tunnel's own endpoints, then the packet: IPIP under ESP tunnel
    /// mode.
    IpIp(Endpoints),
}

impl Payload {
    /// The ESP next header (RFC 4303 2.6).
    #[must_use]
    pub fn next_header(self) -> u8 {
        match self {
            Self::Gre(_) => wire::protocol::GRE,
            Self::Ip | Self::IpGre(..) | Self::IpIp(_) => wire::protocol::IPV4,
        }
    }
}

/// The two ends of an encapsulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Ours.
    pub local: Ipv4Addr,
    /// The other gateway's.
    pub remote: Ipv4Addr,
}

/// The encapsulations that can run without protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClearKind {
    /// GRE (RFC 2784) with this key (RFC 2890), or without one.
    Gre(Option<u32>),
    /// IPv4 in IPv4 (RFC 2003).
    Ipip,
}

/// Clear tunnels by kind and endpoints.
#[derive(Clone, Debug, Default)]
pub struct ClearTunnels {
    index: Index,
    /// What each entry of the index stands for: the index only narrows it down.
    entries: Box<[(ClearKind, Endpoints, TunnelId)]>,
}

impl ClearTunnels {
    /// The table of these tunnels; no two have the same kind and endpoints.
    pub fn build(tunnels: impl IntoIterator<Item = (ClearKind, Endpoints, TunnelId)>) -> Self {
        let entries: Box<[_]> = tunnels.into_iter().collect();
        let keys = entries.iter().enumerate();
        let index = Index::build(keys.map(|(n, (kind, ends, _))| (digest(*kind, *ends), n as u32)));
        Self { index, entries }
    }

    /// The tunnel of this kind between `local` (us) and `remote`.
    #[inline]
    #[must_use]
    pub fn find(&self, kind: ClearKind, local: Ipv4Addr, remote: Ipv4Addr) -> Option<TunnelId> {
        let ends = Endpoints { local, remote };
        let at = self.index.find(digest(kind, ends))?;
        let (found_kind, found_ends, tunnel) = self.entries.get(at as usize)?;
        (*found_kind == kind && *found_ends == ends).then_some(*tunnel)
    }
}

/// Kind and endpoints in 64 bits: different for tunnels that differ in their endpoints alone,
/// nearly always different for others, and compared in full by whoever finds an entry by it.
fn digest(kind: ClearKind, ends: Endpoints) -> u64 {
    let kind = match kind {
        ClearKind::Gre(None) => 0,
        ClearKind::Ipip => 1,
        ClearKind::Gre(Some(key)) => u64::from(key) + 2,
    };
    let ends = u64::from(ends.local.to_bits()) << 32 | u64::from(ends.remote.to_bits());
    ends ^ kind.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
