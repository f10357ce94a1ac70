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
    /// What goes in front of its packets.
    pub rewrite: Rewrite,
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

/// The encapsulations that can run without protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClearKind {
    /// GRE (RFC 2784).
    Gre,
}

/// Clear tunnels by the addresses of their endpoints.
#[derive(Clone, Debug, Default)]
pub struct ClearTunnels {
    gre: Index,
}

impl ClearTunnels {
    /// The table of these (kind, local, remote, tunnel).
    pub fn build(
        tunnels: impl IntoIterator<Item = (ClearKind, Ipv4Addr, Ipv4Addr, TunnelId)>,
    ) -> Self {
        let gre = tunnels
            .into_iter()
            .map(|(ClearKind::Gre, local, remote, tunnel)| (endpoints(local, remote), tunnel.0));
        Self { gre: Index::build(gre) }
    }

    /// The tunnel of this kind between `local` (us) and `remote`.
    #[inline]
    #[must_use]
    pub fn find(&self, kind: ClearKind, local: Ipv4Addr, remote: Ipv4Addr) -> Option<TunnelId> {
        match kind {
            ClearKind::Gre => self.gre.find(endpoints(local, remote)).map(TunnelId),
        }
    }
}

fn endpoints(local: Ipv4Addr, remote: Ipv4Addr) -> u64 {
    u64::from(local.to_bits()) << 32 | u64::from(remote.to_bits())
}
