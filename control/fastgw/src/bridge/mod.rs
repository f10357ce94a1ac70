//! From the configuration and the state of the machine to the tables that workers read.
//!
//! The only code that knows both sides: workers know nothing of configurations or netlink, and
//! the configuration knows nothing of tables. [`Bridge::build`] makes everything anew;
//! [`Bridge::nexthops`] only what a neighbour's change touches.

mod nexthops;
mod tunnels;
mod underlay;

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;

use config::{Config, RouteTarget};
use ipnet::{IpNet, Ipv4Net};
use tables::{Fib, Nexthops, PortEntry, PortId, Role, Route, Tables, TunnelId};
use wire::ethernet::Mac;

use self::nexthops::NexthopRegister;
use self::tunnels::{Seeds, TunnelSpec};

pub use self::underlay::{PortState, Underlay};

/// What was configured, with the SAs made from it and the next hops known so far.
pub struct Bridge {
    ports: Vec<(Box<str>, Role)>,
    tunnels: Vec<TunnelSpec>,
    routes: Vec<(Ipv4Net, Target)>,
    nexthops: NexthopRegister,
}

/// A configured route's target.
enum Target {
    Tunnel(TunnelId),
    Via(Ipv4Addr),
}

/// A snapshot and what the XDP programs must know to steer by it.
pub struct Built {
    /// For the workers.
    pub tables: Tables,
    /// The routes in the snapshot, for display.
    pub routes: Vec<(Ipv4Net, Route)>,
    /// Destinations that the gateway takes from inside ports (true) or leaves to the kernel
    /// (false); the longest prefix decides.
    pub owned: Vec<(Ipv4Net, bool)>,
    /// Local ends of tunnels.
    pub endpoints: Vec<Ipv4Addr>,
    /// What keeps a tunnel or a route from working, in words.
    pub problems: Vec<String>,
}

impl Bridge {
    /// Makes the SAs of `config`. `seeds` gives each its randomness.
    ///
    /// # Errors
    /// A key that its suite refuses, with the tunnel's name.
    pub fn new(
        config: &Config,
        seeds: &mut dyn FnMut() -> Result<[u8; 32], Box<dyn Error>>,
    ) -> Result<Self, Box<dyn Error>> {
        let role = |role| match role {
            config::Role::Inside => Role::Inside,
            config::Role::Outside => Role::Outside,
        };
        let ports = config.ports.iter().map(|port| (port.name.as_str().into(), role(port.role)));
        let mut seeds = Seeds(seeds);
        let tunnels: Result<_, _> =
            config.tunnels.iter().map(|tunnel| TunnelSpec::new(tunnel, &mut seeds)).collect();
        let routes = config.routes.iter().filter_map(|route| {
            let target = match &route.target {
                RouteTarget::Tunnel(at) => Target::Tunnel(TunnelId(*at as u32)),
                RouteTarget::Via(gateway) => Target::Via(v4(*gateway.get_ref())?),
            };
            Some((v4_net(*route.prefix.get_ref())?, target))
        });
        Ok(Self {
            ports: ports.collect(),
            tunnels: tunnels?,
            routes: routes.collect(),
            nexthops: NexthopRegister::default(),
        })
    }

    /// Everything anew, from what `underlay` says now.
    pub fn build(&mut self, underlay: &dyn Underlay) -> Built {
        self.nexthops.forget_failed(underlay);
        let mut problems = Vec::new();
        let ports: Vec<PortEntry> = (0..self.ports.len()).map(|n| self.port(n, underlay)).collect();
        let tunnels: Vec<_> = self
            .tunnels
            .iter()
            .map(|spec| spec.tunnel(underlay, &ports, &mut self.nexthops, &mut problems))
            .collect();
        let machine = underlay.addresses();
        for spec in &self.tunnels {
            if !machine.contains(&spec.local()) {
                problems.push(format!(
                    "tunnel {}: no interface has its local address {}",
                    spec.name(),
                    spec.local()
                ));
            }
        }
        let routes = self.fib_routes(underlay, &machine, &mut problems);
        let kernel_keeps =
            |prefix: &Ipv4Net| prefix.prefix_len() == 32 && machine.contains(&prefix.addr());
        let owned = routes.iter().map(|(prefix, _)| (*prefix, !kernel_keeps(prefix))).collect();
        let endpoints = self.tunnels.iter().map(TunnelSpec::local).collect();
        let tables = Tables {
            ports: ports.into(),
            fib: Arc::new(Fib::build(routes.iter().copied())),
            nexthops: self.nexthops(underlay),
            tunnels: tunnels.into(),
            sad: Arc::new(tunnels::sad(&self.tunnels)),
            clear_tunnels: Arc::new(tunnels::clear(&self.tunnels)),
        };
        Built { tables, routes, owned, endpoints, problems }
    }

    /// The next hops as their neighbours are now; ids are those of the last [`Bridge::build`].
    pub fn nexthops(&self, underlay: &dyn Underlay) -> Arc<Nexthops> {
        Arc::new(self.nexthops.table(underlay))
    }

    /// Remembers a next hop that workers asked for; false when there are too many.
    pub fn want(&mut self, port: PortId, address: Ipv4Addr) -> bool {
        self.nexthops.id(port, address).is_some()
    }

    /// Every next hop in use, to keep the kernel's entries fresh.
    pub fn wanted(&self) -> impl Iterator<Item = (PortId, Ipv4Addr)> {
        self.nexthops.iter()
    }

    fn port(&self, n: usize, underlay: &dyn Underlay) -> PortEntry {
        let (name, role) = &self.ports[n];
        let state = underlay.port(PortId(n as u16));
        PortEntry {
            name: name.clone(),
            role: *role,
            mac: state.mac.map(Mac),
            mtu: state.mtu,
            address: state.networks.first().map(|net| net.addr()),
            up: state.up,
        }
    }

    /// The forwarding table's content: later entries win over earlier ones of the same prefix.
    fn fib_routes(
        &mut self,
        underlay: &dyn Underlay,
        machine: &[Ipv4Addr],
        problems: &mut Vec<String>,
    ) -> Vec<(Ipv4Net, Route)> {
        let mut routes = Vec::new();
        for n in 0..self.ports.len() {
            if self.ports[n].1 == Role::Inside {
                self.inside_routes(underlay, PortId(n as u16), &mut routes);
            }
        }
        for (n, spec) in self.tunnels.iter().enumerate() {
            let to_tunnel = |prefix: &Ipv4Net| (prefix.trunc(), Route::Tunnel(TunnelId(n as u32)));
            routes.extend(spec.prefixes().map(|prefix| to_tunnel(&prefix)));
        }
        for (prefix, target) in &self.routes {
            match target {
                Target::Tunnel(tunnel) => routes.push((*prefix, Route::Tunnel(*tunnel))),
                Target::Via(gateway) => {
                    let hop = underlay.next_hop(*gateway);
                    match hop.and_then(|(port, address)| self.nexthops.id(port, address)) {
                        Some(id) => routes.push((*prefix, Route::Via(id))),
                        None => problems
                            .push(format!("route {prefix}: no port reaches its gateway {gateway}")),
                    }
                }
            }
        }
        let own = machine.iter().copied().chain(self.tunnels.iter().map(TunnelSpec::local));
        let own = own.chain(self.tunnels.iter().filter_map(TunnelSpec::own_address));
        routes.extend(own.map(|address| (Ipv4Net::from(address), Route::Local)));
        routes
    }

    /// What lies behind an inside port: its networks and what the kernel routes through it, but
    /// for a default route, whose traffic the kernel may want to filter or translate.
    fn inside_routes(
        &mut self,
        underlay: &dyn Underlay,
        port: PortId,
        routes: &mut Vec<(Ipv4Net, Route)>,
    ) {
        for (prefix, gateway) in underlay.routes(port) {
            let route = match gateway {
                _ if prefix.prefix_len() == 0 => continue,
                None => Route::Connected(port),
                Some(gateway) => match self.nexthops.id(port, gateway) {
                    Some(id) => Route::Via(id),
                    None => continue,
                },
            };
            routes.push((prefix, route));
        }
        for net in underlay.port(port).networks.iter().filter(|net| net.prefix_len() <= 30) {
            // RFC 2644: directed broadcasts are not forwarded.
            for edge in [net.network(), net.broadcast()] {
                routes.push((Ipv4Net::from(edge), Route::Blackhole));
            }
        }
    }
}

/// The address, if it is IPv4, which is all that the datapath carries so far.
fn v4(address: std::net::IpAddr) -> Option<Ipv4Addr> {
    match address {
        std::net::IpAddr::V4(address) => Some(address),
        std::net::IpAddr::V6(_) => None,
    }
}

/// The prefix, if it is IPv4.
fn v4_net(net: IpNet) -> Option<Ipv4Net> {
    match net {
        IpNet::V4(net) => Some(net),
        IpNet::V6(_) => None,
    }
}
