//! Configured tunnels: their SAs, made once, and their forwarding state, made anew as the
//! underlay changes.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use config::{EspMode, ManualSa, SaKeys, TunnelKind};
use esp::{InboundSa, Keys, OutboundSa};
use ipnet::{IpNet, Ipv4Net};
use tables::counters::TunnelCounters;
use tables::{
    ClearKind, ClearTunnels, Df, Dscp, Endpoints, InboundEntry, OuterRules, Payload, PortEntry,
    Protection, Rewrite, Role, Sad, Selectors, Tunnel, TunnelId,
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
    /// The ends of the tunnel's own header, GRE's or IPIP's; of ESP where there is none.
    ends: Endpoints,
    /// The ends of what is on the wire: of ESP tunnel mode, or else the same.
    outer_ends: Endpoints,
    outer: OuterRules,
    mtu: Option<u16>,
    address: Option<Ipv4Net>,
    protection: Option<Protected>,
    counters: Arc<TunnelCounters>,
}

struct Protected {
    mode: EspMode,
    outbound: Arc<OutboundSa>,
    inbound: Arc<InboundSa>,
}

enum Kind {
    Policy { local: Vec<Ipv4Net>, remote: Vec<Ipv4Net> },
    Vti,
    Gre { key: Option<u32> },
    Ipip,
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
            TunnelKind::Gre { key, .. } => Kind::Gre { key: *key },
            TunnelKind::Ipip { .. } => Kind::Ipip,
        };
        let ends = endpoints(&tunnel.local, &tunnel.remote)?;
        let outer_ends = match tunnel.sa().and_then(|sa| sa.endpoints.as_ref()) {
            Some([local, remote]) => endpoints(local, remote)?,
            None => ends,
        };
        let protection = tunnel.sa().map(|sa| protect(sa, seeds)).transpose();
        Ok(Self {
            name: tunnel.name.as_str().into(),
            kind,
            ends,
            outer_ends,
            outer: outer_rules(tunnel.outer),
            mtu: tunnel.mtu,
            address: tunnel.address().and_then(|net| v4_net(*net.get_ref())),
            protection: protection.map_err(|error| format!("tunnel {}: {error}", tunnel.name))?,
            counters: Arc::default(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Our endpoint on the wire.
    pub(super) fn local(&self) -> Ipv4Addr {
        self.outer_ends.local
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
            Kind::Vti | Kind::Gre { .. } | Kind::Ipip => &[],
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
        let way = underlay.next_hop(self.outer_ends.remote);
        if way.is_none() {
            let (name, remote) = (&self.name, self.outer_ends.remote);
            problems.push(format!("tunnel {name}: no route to {remote} through any port"));
        }
        let (inner, rewrite, payload) = self.headers();
        let mut tunnel = Tunnel {
            name: self.name.clone(),
            inner,
            rewrite,
            payload,
            protection: match &self.protection {
                Some(protected) => Protection::Esp(Some(Arc::clone(&protected.outbound))),
                None => Protection::Clear,
            },
            selectors: match &self.kind {
                Kind::Policy { local, remote } => Some(Selectors::new(local, remote)),
                Kind::Vti | Kind::Gre { .. } | Kind::Ipip => None,
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

    /// What goes in front of a packet before and after it is sealed, and what a packet from the
    /// other side looks like.
    fn headers(&self) -> (Option<Rewrite>, Rewrite, Payload) {
        let Endpoints { local, remote } = self.ends;
        let esp = Rewrite::esp(self.outer_ends.local, self.outer_ends.remote, self.outer);
        let mode = self.protection.as_ref().map(|protected| protected.mode);
        match (&self.kind, mode) {
            (Kind::Gre { key }, None) => {
                (None, Rewrite::gre(local, remote, *key, self.outer), Payload::Gre(*key))
            }
            (Kind::Gre { key }, Some(EspMode::Transport)) => {
                (Some(Rewrite::bare_gre(*key)), esp, Payload::Gre(*key))
            }
            (Kind::Gre { key }, Some(EspMode::Tunnel)) => {
                let gre = Rewrite::gre(local, remote, *key, self.outer);
                (Some(gre), esp, Payload::IpGre(self.ends, *key))
            }
            (Kind::Ipip, None) => (None, Rewrite::ipip(local, remote, self.outer), Payload::Ip),
            (Kind::Ipip, Some(EspMode::Tunnel)) => {
                let ipip = Rewrite::ipip(local, remote, self.outer);
                (Some(ipip), esp, Payload::IpIp(self.ends))
            }
            (Kind::Ipip, Some(EspMode::Transport)) | (Kind::Policy { .. } | Kind::Vti, _) => {
                (None, esp, Payload::Ip)
            }
        }
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
            _ => self.own_address().or_else(|| addresses.next()),
        }
    }
}

/// The inbound SAs of all tunnels.
pub(super) fn sad(tunnels: &[TunnelSpec]) -> Sad {
    let entry = |(n, spec): (usize, &TunnelSpec)| {
        spec.protection.as_ref().map(|protected| InboundEntry {
            sa: Arc::clone(&protected.inbound),
            tunnel: TunnelId(n as u32),
            remote: spec.outer_ends.remote,
            local: spec.outer_ends.local,
        })
    };
    Sad::build(tunnels.iter().enumerate().filter_map(entry).collect())
}

/// The tunnels that run in clear.
pub(super) fn clear(tunnels: &[TunnelSpec]) -> ClearTunnels {
    let unprotected = tunnels.iter().enumerate().filter(|(_, spec)| spec.protection.is_none());
    ClearTunnels::build(unprotected.filter_map(|(n, spec)| {
        let kind = match spec.kind {
            Kind::Gre { key } => ClearKind::Gre(key),
            Kind::Ipip => ClearKind::Ipip,
            Kind::Policy { .. } | Kind::Vti => return None,
        };
        Some((kind, spec.ends, TunnelId(n as u32)))
    }))
}

fn endpoints(
    local: &config::Spanned<IpAddr>,
    remote: &config::Spanned<IpAddr>,
) -> Result<Endpoints, Box<dyn Error>> {
    let address = |address: &config::Spanned<IpAddr>| {
        v4(*address.get_ref()).ok_or("tunnel endpoints are IPv4 addresses")
    };
    Ok(Endpoints { local: address(local)?, remote: address(remote)? })
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

fn protect(sa: &ManualSa, seeds: &mut Seeds<'_>) -> Result<Protected, Box<dyn Error>> {
    let (out, inbound) = (&sa.outbound, &sa.inbound);
    let sealing = OutboundSa::new(out.spi, sa.suite, keys(out), sa.esn, (seeds.0)()?)?;
    let opening = InboundSa::new(inbound.spi, sa.suite, keys(inbound), sa.esn, sa.replay_window)?;
    Ok(Protected { mode: sa.mode, outbound: Arc::new(sealing), inbound: Arc::new(opening) })
}

fn keys(sa: &SaKeys) -> Keys<'_> {
    Keys { encryption: sa.encryption.expose(), authentication: sa.authentication.expose() }
}
