//! Configured tunnels: their SAs, made once, and their forwarding state, made anew as the
//! underlay changes.

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;

use config::{ManualSa, SaKeys, TunnelKind};
use esp::{InboundSa, Keys, OutboundSa};
use ipnet::{IpNet, Ipv4Net};
use tables::counters::TunnelCounters;
use tables::{
    ClearKind, ClearTunnels, Df, Dscp, InboundEntry, OuterRules, PortEntry, Protection, Rewrite,
    Role, Sad, Selectors, Tunnel, TunnelId,
};

use super::nexthops::NexthopRegister;
use super::{Underlay, v4, v4_net};

/// Underlay MTU assumed while there is no route to the remote endpoint.
const MTU_ASSUMED: u16 = 1500;

/// Where SAs get their randomness from.
pub(super) struct Seeds<'a>(pub &'a mut dyn FnMut() -> Result<[u8; 32], Box<dyn Error>>);

/// A configured tunnel with its SAs.
pub(super) struct TunnelSpec {
    name: Box<str>,
    kind: Kind,
    local: Ipv4Addr,
    remote: Ipv4Addr,
    outer: OuterRules,
    mtu: Option<u16>,
    address: Option<Ipv4Net>,
    sas: Option<(Arc<OutboundSa>, Arc<InboundSa>)>,
    counters: Arc<TunnelCounters>,
}

enum Kind {
    Policy { local: Vec<Ipv4Net>, remote: Vec<Ipv4Net> },
    Vti,
    Gre,
}

impl TunnelSpec {
    pub(super) fn new(
        tunnel: &config::Tunnel,
        seeds: &mut Seeds<'_>,
    ) -> Result<Self, Box<dyn Error>> {
        let nets = |nets: &[config::Spanned<IpNet>]| {
            nets.iter().filter_map(|net| v4_net(*net.get_ref())).collect()
        };
        let kind = match &tunnel.kind {
            TunnelKind::Esp { local_subnets, remote_subnets, .. } => {
                Kind::Policy { local: nets(local_subnets), remote: nets(remote_subnets) }
            }
            TunnelKind::Vti { .. } => Kind::Vti,
            TunnelKind::Gre { .. } => Kind::Gre,
        };
        let endpoint = |address| v4(address).ok_or("tunnel endpoints are IPv4 addresses");
        let sas = tunnel.sa().map(|sa| sa_pair(sa, seeds)).transpose();
        Ok(Self {
            name: tunnel.name.as_str().into(),
            kind,
            local: endpoint(*tunnel.local.get_ref())?,
            remote: endpoint(*tunnel.remote.get_ref())?,
            outer: outer_rules(tunnel.outer),
            mtu: tunnel.mtu,
            address: tunnel.address().and_then(|net| v4_net(*net.get_ref())),
            sas: sas.map_err(|error| format!("tunnel {}: {error}", tunnel.name))?,
            counters: Arc::default(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Our endpoint.
    pub(super) fn local(&self) -> Ipv4Addr {
        self.local
    }

    /// The tunnel interface's own address.
    pub(super) fn own_address(&self) -> Option<Ipv4Addr> {
        self.address.map(|net| net.addr())
    }

    /// Prefixes that lead into the tunnel by themselves: a policy's remote side, a tunnel
    /// interface's network.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = Ipv4Net> {
        let remote: &[Ipv4Net] = match &self.kind {
            Kind::Policy { remote, .. } => remote,
            Kind::Vti | Kind::Gre => &[],
        };
        remote.iter().copied().chain(self.address)
    }

    /// The forwarding state, with the way to the remote endpoint as the underlay has it now.
    pub(super) fn tunnel(
        &self,
        underlay: &dyn Underlay,
        ports: &[PortEntry],
        nexthops: &mut NexthopRegister,
        problems: &mut Vec<String>,
    ) -> Tunnel {
        let way = underlay.next_hop(self.remote);
        if way.is_none() {
            let (name, remote) = (&self.name, self.remote);
            problems.push(format!("tunnel {name}: no route to {remote} through any port"));
        }
        let rewrite = match self.kind {
            Kind::Policy { .. } | Kind::Vti => Rewrite::esp(self.local, self.remote, self.outer),
            Kind::Gre => Rewrite::gre(self.local, self.remote, self.outer),
        };
        let mut tunnel = Tunnel {
            name: self.name.clone(),
            rewrite,
            protection: match (&self.kind, &self.sas) {
                (Kind::Gre, _) => Protection::Clear,
                (_, sas) => Protection::Esp(sas.as_ref().map(|(out, _)| Arc::clone(out))),
            },
            selectors: match &self.kind {
                Kind::Policy { local, remote } => Some(Selectors::new(local, remote)),
                Kind::Vti | Kind::Gre => None,
            },
            egress: way.and_then(|(port, address)| nexthops.id(port, address)),
            mtu: 0,
            address: self.error_source(ports),
            counters: Arc::clone(&self.counters),
        };
        let port_mtu = way.and_then(|(port, _)| ports.get(usize::from(port.0))).map(|p| p.mtu);
        let fits = tunnel.inner_mtu(port_mtu.unwrap_or(MTU_ASSUMED));
        if let Some(asked) = self.mtu.filter(|asked| *asked > fits) {
            problems.push(format!(
                "tunnel {}: mtu {asked} does not fit the link below, {fits} is used",
                self.name
            ));
        }
        tunnel.mtu = self.mtu.map_or(fits, |asked| asked.min(fits));
        tunnel
    }

    /// The address that ICMP errors into the tunnel come from: the tunnel's own, or one of ours
    /// that its selectors let through.
    fn error_source(&self, ports: &[PortEntry]) -> Option<Ipv4Addr> {
        let inside = ports.iter().filter(|port| port.role == Role::Inside);
        let mut addresses = inside.filter_map(|port| port.address);
        match &self.kind {
            Kind::Policy { local, .. } => {
                addresses.find(|address| local.iter().any(|net| net.contains(address)))
            }
            Kind::Vti | Kind::Gre => self.own_address().or_else(|| addresses.next()),
        }
    }
}

/// The inbound SAs of all tunnels.
pub(super) fn sad(tunnels: &[TunnelSpec]) -> Sad {
    let entry = |(n, spec): (usize, &TunnelSpec)| {
        spec.sas.as_ref().map(|(_, inbound)| InboundEntry {
            sa: Arc::clone(inbound),
            tunnel: TunnelId(n as u32),
            remote: spec.remote,
            local: spec.local,
        })
    };
    Sad::build(tunnels.iter().enumerate().filter_map(entry).collect())
}

/// The tunnels that run in clear.
pub(super) fn clear(tunnels: &[TunnelSpec]) -> ClearTunnels {
    let gre = tunnels.iter().enumerate().filter(|(_, spec)| matches!(spec.kind, Kind::Gre));
    ClearTunnels::build(
        gre.map(|(n, spec)| (ClearKind::Gre, spec.local, spec.remote, TunnelId(n as u32))),
    )
}

fn outer_rules(rules: config::OuterRules) -> OuterRules {
    OuterRules {
        ttl: rules.ttl,
        dscp: match rules.dscp {
            config::Dscp::Copy => Dscp::Copy,
            config::Dscp::Fixed(dscp) => Dscp::Set(dscp),
        },
        df: match rules.df {
            config::Df::Copy => Df::Copy,
            config::Df::Set => Df::Set,
            config::Df::Clear => Df::Clear,
        },
    }
}

fn sa_pair(
    sa: &ManualSa,
    seeds: &mut Seeds<'_>,
) -> Result<(Arc<OutboundSa>, Arc<InboundSa>), Box<dyn Error>> {
    let (out, inbound) = (&sa.outbound, &sa.inbound);
    let suite = sa.suite;
    let sealing = OutboundSa::new(out.spi, suite, keys(out), sa.esn, (seeds.0)()?)?;
    let opening = InboundSa::new(inbound.spi, suite, keys(inbound), sa.esn, sa.replay_window)?;
    Ok((Arc::new(sealing), Arc::new(opening)))
}

fn keys(sa: &SaKeys) -> Keys<'_> {
    Keys { encryption: sa.encryption.expose(), authentication: sa.authentication.expose() }
}
