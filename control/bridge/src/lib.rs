//! From the configuration and the state of the machine to the tables that workers read.
//!
//! The only code that knows both sides: workers know nothing of configurations or netlink, and
//! the configuration knows nothing of tables. [`Bridge::build`] makes everything anew;
//! [`Bridge::nexthops`] only what a neighbour's change touches.

#![deny(unsafe_code)]

mod cover;
mod headers;
mod learned;
mod lifetime;
mod negotiated;
mod nexthops;
mod pair;
mod places;
mod policies;
mod protection;
mod sas;
mod spec;
mod turn;
mod underlay;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use config::{Config, Protection, RouteTarget, TunnelKind};
use ipnet::IpNet;
use tables::{
    ClearTunnels, Cloud, CloudId, Entrance, Fib, Nexthops, PortEntry, PortId, Role, Route, Tables,
    TunnelId,
};
use wire::ethernet::Mac;

use self::negotiated::Changes;
use self::nexthops::NexthopRegister;
use self::places::Places;
use self::policies::Written;
use self::spec::{Making, PeerConfig, TunnelSpec};

pub use self::learned::Learned;
pub use self::negotiated::Pending;
pub use self::sas::{Heard, Kept};
pub use self::turn::{Shell, turn};
pub use self::underlay::{PortState, Underlay};

/// What was configured, with the SAs made from it and the next hops known so far.
pub struct Bridge {
    ports: Vec<(Box<str>, Role)>,
    tunnels: Vec<TunnelSpec>,
    clouds: Vec<CloudSpec>,
    /// What each configured tunnel became, by its name.
    made: BTreeMap<Box<str>, Made>,
    /// Another one when ids of tunnels mean others.
    numbering: u64,
    policies: Written,
    routes: Vec<(IpNet, Target)>,
    learned: Vec<(IpNet, Vec<Learned>)>,
    /// The paths of the learned routes that have several, as of the last build.
    multipath: Vec<Vec<Route>>,
    flow_seed: u64,
    nexthops: NexthopRegister,
    places: Places,
    changes: Changes,
}

/// A multipoint tunnel: its networks, and its peers by their overlay addresses.
struct CloudSpec {
    networks: Vec<IpNet>,
    own: Vec<IpAddr>,
    peers: Vec<(IpAddr, TunnelId)>,
}

/// A configured route's target.
enum Target {
    Tunnel(TunnelId),
    Peer(CloudId, Option<IpAddr>),
    Via(IpAddr),
    Port(PortId),
}

/// What was configured before, by name, and whether its SA has the same keys now.
type Before<'a> = BTreeMap<&'a str, (&'a TunnelSpec, bool)>;

/// Groups that stay on their link (RFC 5771 4, RFC 4291 2.7): OSPF's and neighbour discovery's, for
/// example. They are the kernel's, even where a route leads other groups into a tunnel.
fn links_own_groups() -> [IpNet; 2] {
    let v4 = Ipv4Addr::new(224, 0, 0, 0);
    let v6 = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0);
    [IpNet::new_assert(v4.into(), 24), IpNet::new_assert(v6.into(), 16)]
}

/// What a configured tunnel became.
#[derive(Clone, Copy)]
enum Made {
    Tunnel(TunnelId),
    Cloud(CloudId),
    /// A template, of which routes name no peer.
    Template,
}

/// A snapshot and what the XDP programs must know to steer by it.
pub struct Built {
    /// For the workers.
    pub tables: Tables,
    /// The routes in the snapshot, for display.
    pub routes: Vec<(IpNet, Route)>,
    /// Destinations that the gateway takes from inside ports (true) or leaves to the kernel
    /// (false); the longest prefix decides.
    pub owned: Vec<(IpNet, bool)>,
    /// Local ends of tunnels.
    pub endpoints: Vec<IpAddr>,
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
        let mut bridge = Self { ports: ports.collect(), ..Self::empty() };
        bridge.take(config, &Before::new(), seeds)?;
        Ok(bridge)
    }

    /// Replaces the tunnels, policies and routes of `old` by those of `config`. An SA whose SPIs,
    /// suite and keys stay the same under the same name goes on with its sequence numbers, window,
    /// hard limits and counters: begun anew it would repeat numbers under one key.
    ///
    /// # Errors
    /// Those of [`Bridge::new`]; nothing has changed then.
    pub fn change(
        &mut self,
        old: &Config,
        config: &Config,
        seeds: &mut dyn FnMut() -> Result<[u8; 32], Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let (old, new): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (old.protections().collect(), config.protections().collect());
        let before = self.tunnels.iter().map(|spec| {
            let (old, new) = (old.get(&*spec.name), new.get(&*spec.name));
            let same_keys = old.zip(new).is_some_and(|pair| match pair {
                (Protection::Manual(old), Protection::Manual(new)) => old.has_keys_of(new),
                // IKE itself ends those SAs that the configuration does not allow any more.
                (Protection::Ike(_), Protection::Ike(_)) => true,
                _ => false,
            });
            (&*spec.name, (spec, same_keys))
        });
        let mut next = Self { ports: self.ports.clone(), ..Self::empty() };
        next.take(config, &before.collect(), seeds)?;
        next.adopt_instances(self);
        next.numbering = self.numbering + 1;
        next.nexthops = std::mem::take(&mut self.nexthops);
        next.flow_seed = self.flow_seed;
        *self = next;
        Ok(())
    }

    fn empty() -> Self {
        Self {
            ports: Vec::new(),
            tunnels: Vec::new(),
            clouds: Vec::new(),
            made: BTreeMap::new(),
            numbering: 0,
            policies: Written::default(),
            routes: Vec::new(),
            learned: Vec::new(),
            multipath: Vec::new(),
            flow_seed: 0,
            nexthops: NexthopRegister::default(),
            places: Places::default(),
            changes: Changes::default(),
        }
    }

    fn take(
        &mut self,
        config: &Config,
        before: &Before<'_>,
        seeds: &mut dyn FnMut() -> Result<[u8; 32], Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let mut making = Making { seed: seeds, crypto: config.gateway.crypto };
        let tunnels = config.tunnels.iter();
        let made: Result<Vec<Made>, _> =
            tunnels.map(|tunnel| self.add(tunnel, before, &mut making)).collect();
        let made = made?;
        let names = config.tunnels.iter().map(|tunnel| tunnel.name.as_str().into());
        self.made = names.zip(made.iter().copied()).collect();
        let tunnel = |index: usize| match made.get(index) {
            Some(Made::Tunnel(id)) => Some(*id),
            _ => None,
        };
        self.policies = Written::of(config, tunnel);
        self.find_places(self.tunnels.len());
        let target = |target: &RouteTarget| match target {
            RouteTarget::Tunnel(index) => tunnel(*index).map(Target::Tunnel),
            RouteTarget::Peer(index, via) => match made.get(*index) {
                Some(Made::Cloud(id)) => {
                    Some(Target::Peer(*id, via.as_ref().map(|via| *via.get_ref())))
                }
                _ => None,
            },
            RouteTarget::Via(gateway) => Some(Target::Via(*gateway.get_ref())),
            RouteTarget::Port(index) => Some(Target::Port(PortId(*index as u32))),
        };
        let routes = config.routes.iter();
        let routes =
            routes.filter_map(|route| Some((*route.prefix.get_ref(), target(&route.target)?)));
        self.routes = routes.collect();
        Ok(())
    }

    /// Adds a configured tunnel, with its peers.
    fn add(
        &mut self,
        tunnel: &config::Tunnel,
        before: &Before<'_>,
        making: &mut Making<'_>,
    ) -> Result<Made, Box<dyn Error>> {
        let networks: Vec<IpNet> = tunnel.addresses.iter().map(|net| *net.get_ref()).collect();
        let first = TunnelId(self.tunnels.len() as u32);
        let is_template = tunnel.peers.is_empty() && tunnel.protection.ike().is_some();
        if tunnel.kind.has_one_peer() || is_template {
            let remote = tunnel.remote.as_ref().map(|remote| *remote.get_ref());
            let (name, sa) = (tunnel.name.as_str(), &tunnel.protection);
            let before = before.get(name).copied();
            let peer = PeerConfig { name, before, remote, sa, prefixes: networks };
            self.tunnels.push(TunnelSpec::new(tunnel, peer, making)?);
            return Ok(Made::Tunnel(first));
        }
        for peer in &tunnel.peers {
            let address = peer.address.as_ref().map(|address| IpNet::from(*address.get_ref()));
            let by_address = matches!(tunnel.kind, TunnelKind::DynamicVti);
            // A multipoint tunnel finds its peers by their addresses instead.
            let prefixes = address.filter(|_| by_address).into_iter();
            let peer = PeerConfig {
                name: &peer.name,
                before: before.get(peer.name.as_str()).copied(),
                remote: peer.remote.as_ref().map(|remote| *remote.get_ref()),
                sa: &peer.protection,
                prefixes: prefixes.chain(peer.subnets.iter().map(|net| *net.get_ref())).collect(),
            };
            self.tunnels.push(TunnelSpec::new(tunnel, peer, making)?);
        }
        if matches!(tunnel.kind, TunnelKind::DynamicVti) {
            return Ok(Made::Template);
        }
        let overlay = tunnel
            .peers
            .iter()
            .zip(first.0..)
            .filter_map(|(peer, id)| Some((*peer.address.as_ref()?.get_ref(), TunnelId(id))));
        let own = networks.iter().map(IpNet::addr).collect();
        self.clouds.push(CloudSpec { networks, own, peers: overlay.collect() });
        Ok(Made::Cloud(CloudId(self.clouds.len() as u32 - 1)))
    }

    /// Where control's own packets enter the tunnel that the configuration gives this name; `None`
    /// where there is none, or it is a template.
    #[must_use]
    pub fn entrance(&self, tunnel: &str) -> Option<Entrance> {
        match *self.made.get(tunnel)? {
            Made::Tunnel(id) => {
                let spec = self.tunnels.get(id.0 as usize)?;
                (!spec.is_template).then_some(Entrance::Tunnel(id))
            }
            Made::Cloud(id) => Some(Entrance::AllPeers(id)),
            Made::Template => None,
        }
    }

    /// Has workers hand over the OSPF packets that come out of these tunnels, and no others, from
    /// the next [`Bridge::build`] until the configuration changes.
    pub fn punt_ospf(&mut self, from: &[Entrance]) {
        self.punt(from, |spec, punts| spec.punts_ospf = punts);
    }

    /// The same of BFD packets.
    pub fn punt_bfd(&mut self, from: &[Entrance]) {
        self.punt(from, |spec, punts| spec.punts_bfd = punts);
    }

    fn punt(&mut self, from: &[Entrance], set: fn(&mut TunnelSpec, bool)) {
        self.tunnels.iter_mut().for_each(|spec| set(spec, false));
        let ids = from.iter().flat_map(|entrance| match *entrance {
            Entrance::Tunnel(id) => vec![id],
            Entrance::AllPeers(id) => self.peers_of(id),
        });
        for id in ids.collect::<Vec<_>>() {
            if let Some(spec) = self.tunnels.get_mut(id.0 as usize) {
                set(spec, true);
            }
        }
    }

    fn peers_of(&self, cloud: CloudId) -> Vec<TunnelId> {
        let cloud = self.clouds.get(cloud.0 as usize);
        cloud.into_iter().flat_map(|cloud| cloud.peers.iter().map(|(_, id)| *id)).collect()
    }

    /// Everything anew, from what `underlay` says now.
    pub fn build(&mut self, underlay: &dyn Underlay) -> Built {
        self.nexthops.forget_failed(underlay);
        let mut problems = Vec::new();
        self.changes_are_told();
        let policies = self.policies.before(&self.tunnels, self.configured());
        let ports: Vec<PortEntry> = (0..self.ports.len()).map(|n| self.port(n, underlay)).collect();
        let mut tunnels = Vec::with_capacity(self.tunnels.len());
        for (id, spec) in self.tunnels.iter().enumerate() {
            let named = self.policies.protecting(TunnelId(id as u32));
            let nexthops = &mut self.nexthops;
            let tunnel = spec.tunnel(named, underlay, &ports, nexthops, &mut problems);
            tunnels.push(Arc::new(tunnel));
        }
        let machine: BTreeSet<IpAddr> = underlay.addresses().into_iter().collect();
        for spec in &self.tunnels {
            let local = spec.outer_ends.local;
            if !machine.contains(&local) {
                let name = &spec.name;
                problems.push(format!("tunnel {name}: no interface has its local address {local}"));
            }
        }
        let (spd, by_policy) = policies::spd(&policies, underlay, &mut self.nexthops);
        let routes = self.fib_routes(underlay, by_policy, &machine, &mut problems);
        let links_own = links_own_groups();
        let kernel_keeps = |prefix: &IpNet| {
            prefix.prefix_len() == prefix.max_prefix_len() && machine.contains(&prefix.addr())
                || links_own.iter().any(|groups| groups.contains(prefix))
        };
        let owned = routes.iter().map(|(prefix, _)| (*prefix, !kernel_keeps(prefix)));
        let owned = owned.chain(links_own.map(|groups| (groups, false))).collect();
        let mut tables = Tables {
            ports: ports.into(),
            fib: Arc::new(Fib::build(routes.iter().copied())),
            multipaths: Arc::default(),
            nexthops: self.nexthops(underlay),
            tunnels: tunnels.into(),
            numbering: self.numbering,
            clouds: self.clouds.iter().map(|cloud| Cloud::build(cloud.peers.clone())).collect(),
            spd: Arc::new(spd),
            sad: Arc::new(self.sad()),
            clear_tunnels: Arc::new(self.clear_tunnels()),
        };
        tables.multipaths = self.multipaths(&tables);
        let mut endpoints: Vec<_> = self.tunnels.iter().map(|spec| spec.outer_ends.local).collect();
        endpoints.sort_unstable();
        endpoints.dedup();
        Built { tables, routes, owned, endpoints, problems }
    }

    /// The next hops as their neighbours are now; ids are those of the last [`Bridge::build`].
    pub fn nexthops(&self, underlay: &dyn Underlay) -> Arc<Nexthops> {
        Arc::new(self.nexthops.table(underlay))
    }

    /// Remembers a next hop that workers asked for; false when there are too many.
    pub fn want(&mut self, port: PortId, address: IpAddr) -> bool {
        self.nexthops.id(port, address).is_some()
    }

    /// Every next hop in use, to keep the kernel's entries fresh.
    pub fn wanted(&self) -> impl Iterator<Item = (PortId, IpAddr)> {
        self.nexthops.iter()
    }

    fn port(&self, n: usize, underlay: &dyn Underlay) -> PortEntry {
        let (name, role) = &self.ports[n];
        let state = underlay.port(PortId(n as u32));
        PortEntry {
            name: name.clone(),
            role: *role,
            mac: state.mac.map(Mac),
            mtu: state.mtu,
            addresses: spec::addresses(state.networks.iter().map(IpNet::addr)),
            up: state.up,
        }
    }

    fn clear_tunnels(&self) -> ClearTunnels {
        let specs = self.tunnels.iter().enumerate();
        ClearTunnels::build(specs.filter_map(|(n, spec)| {
            Some((headers::clear_kind(spec)?, spec.ends, TunnelId(n as u32)))
        }))
    }

    /// The forwarding table's content: later entries win over earlier ones of the same prefix.
    fn fib_routes(
        &mut self,
        underlay: &dyn Underlay,
        by_policy: Vec<(IpNet, Route)>,
        machine: &BTreeSet<IpAddr>,
        problems: &mut Vec<String>,
    ) -> Vec<(IpNet, Route)> {
        let mut routes = Vec::new();
        self.learned_routes(&mut routes);
        for n in 0..self.ports.len() {
            if self.ports[n].1 == Role::Inside {
                self.inside_routes(underlay, PortId(n as u32), &mut routes);
            }
        }
        for (n, spec) in self.tunnels.iter().enumerate() {
            let route = Route::Tunnel(TunnelId(n as u32));
            routes.extend(spec.prefixes.iter().map(|prefix| (prefix.trunc(), route)));
        }
        for (n, cloud) in self.clouds.iter().enumerate() {
            let route = Route::Multipoint(CloudId(n as u32), None);
            routes.extend(cloud.networks.iter().map(|network| (network.trunc(), route)));
        }
        routes.extend(by_policy);
        for (prefix, target) in &self.routes {
            let route = match target {
                Target::Tunnel(tunnel) => Route::Tunnel(*tunnel),
                Target::Peer(cloud, via) => Route::Multipoint(*cloud, *via),
                Target::Port(port) => Route::Connected(*port),
                Target::Via(gateway) => {
                    // Through an outside port it would leave in clear, by the kernel's default
                    // route for example when the link to the gateway is down.
                    let inside = |(port, _): &(PortId, IpAddr)| {
                        self.ports.get(port.index()).is_some_and(|(_, r)| *r == Role::Inside)
                    };
                    let hop = underlay.next_hop(*gateway).filter(inside);
                    match hop.and_then(|(port, address)| self.nexthops.id(port, address)) {
                        Some(id) => Route::Via(id),
                        None => {
                            problems.push(format!(
                                "route {prefix}: no inside port reaches its gateway {gateway}"
                            ));
                            Route::Blackhole
                        }
                    }
                }
            };
            routes.push((*prefix, route));
        }
        let own = machine.iter().copied();
        let own = own.chain(self.tunnels.iter().map(|spec| spec.outer_ends.local));
        let own = own.chain(self.tunnels.iter().flat_map(TunnelSpec::own_addresses));
        let own = own.chain(self.clouds.iter().flat_map(|cloud| cloud.own.iter().copied()));
        routes.extend(own.map(|address| (IpNet::from(address), Route::Local)));
        routes
    }

    /// What lies behind an inside port: its networks and what the kernel routes through it, but
    /// for a default route, whose traffic the kernel may want to filter or translate.
    fn inside_routes(
        &mut self,
        underlay: &dyn Underlay,
        port: PortId,
        routes: &mut Vec<(IpNet, Route)>,
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
        for net in underlay.port(port).networks {
            let IpNet::V4(net) = net else { continue };
            if net.prefix_len() <= 30 {
                // RFC 2644: directed broadcasts are not forwarded.
                for edge in [net.network(), net.broadcast()] {
                    routes.push((IpNet::from(IpAddr::V4(edge)), Route::Blackhole));
                }
            }
        }
    }
}
