//! What OSPF is told of the gateway: its links, addresses and tunnels, and the routes that it has
//! from elsewhere.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use config::{OspfCost, OspfInterface, OspfPlace, RouteTarget};
use ipnet::{IpNet, Ipv4Net};
use ospf::settings::ExternalRoute;
use tables::{Entrance, PortId};

use super::router::{Found, Router, place, settings};
use crate::gateway::Gateway;

impl Gateway {
    /// Has OSPF follow the configuration, from the next [`Gateway::rebuild`] on: it begins anew
    /// where the router itself is another.
    pub fn configure_ospf(&mut self) {
        let Some(configured) = &self.config.ospf else {
            self.leave_ospf();
            self.router = None;
            self.bridge.learn(Vec::new());
            return;
        };
        // An ID that was chosen stays, whatever addresses there are by now.
        let known = self.router.as_ref().map(|router| router.engine().settings().router_id);
        let Some(id) = configured.router_id.or(known).or_else(|| self.first_address()) else {
            return;
        };
        let wanted = settings(configured, id);
        if self.router.as_ref().is_some_and(|router| *router.engine().settings() == wanted) {
            return;
        }
        self.leave_ospf();
        tracing::info!("OSPF router {id} begins");
        match Router::new(wanted) {
            Ok(mut router) => {
                self.take_up_restart(&mut router);
                self.router = Some(router);
            }
            Err(error) => tracing::error!("OSPF cannot begin: {error}"),
        }
    }

    /// Has the other routers find ways around this one before it stops; how long it should go on
    /// until then.
    pub fn drain_ospf(&mut self) -> Duration {
        let wanted = self.config.ospf.as_ref().map_or(Duration::ZERO, |it| it.stub_router_on_stop);
        let is_waited_for = self.is_waited_for();
        let Some(router) = self.router.as_mut().filter(|_| !wanted.is_zero() && !is_waited_for)
        else {
            return Duration::ZERO;
        };
        router.become_stub_router();
        tracing::info!("stops in {} s: others find ways around it until then", wanted.as_secs());
        wanted
    }

    /// Tells the neighbours that we go, so that they need not miss us first, unless they have
    /// agreed to wait.
    pub fn leave_ospf(&mut self) {
        let (tables, is_waited_for) = (self.tables(), self.is_waited_for());
        if let Some(router) = &mut self.router {
            if is_waited_for {
                router.leave_bfd();
            } else {
                router.leave();
            }
            router.act(&tables, &self.rings);
        }
    }

    /// The first IPv4 address of its interfaces.
    fn first_address(&self) -> Option<Ipv4Addr> {
        let configured = self.config.ospf.as_ref()?;
        let mut all = configured.interfaces.iter();
        all.find_map(|interface| Some(self.address_of(interface.place)?.addr()))
    }

    /// Our first IPv4 address at a port or in a tunnel.
    fn address_of(&self, place: OspfPlace) -> Option<Ipv4Net> {
        let v4 = |net: IpNet| match net {
            IpNet::V4(net) => Some(net),
            IpNet::V6(_) => None,
        };
        match place {
            OspfPlace::Port(index) => {
                let port = self.ports.get(index)?;
                let known = self.kernel.state().addresses_of(port.ifindex);
                known.map(|address| address.net).find_map(v4)
            }
            OspfPlace::Tunnel(index) => {
                let tunnel = self.config.tunnels.get(index)?;
                tunnel.addresses.iter().map(|net| *net.get_ref()).find_map(v4)
            }
        }
    }

    /// Has the next tables hand over what comes out of OSPF's tunnels, and lead where it has
    /// learned.
    pub(crate) fn place_ospf(&mut self) {
        if self.router.is_none() {
            // Addresses may have come.
            self.configure_ospf();
        }
        let (mut places, mut entrances, mut watched) = (BTreeMap::new(), Vec::new(), Vec::new());
        for interface in self.config.ospf.iter().flat_map(|ospf| &ospf.interfaces) {
            let entrance = match interface.place {
                OspfPlace::Tunnel(_) => self.bridge.entrance(&interface.name),
                OspfPlace::Port(_) => None,
            };
            if let Some(at) = place(interface, entrance) {
                places.insert(interface.name.clone(), at);
            }
            entrances.extend(entrance.filter(|_| !interface.is_passive));
            watched.extend(entrance.filter(|_| interface.bfd.is_some()));
        }
        self.bridge.punt_ospf(&entrances);
        self.bridge.punt_bfd(&watched);
        if let Some(router) = &mut self.router {
            router.place(places, &entrances);
            self.bridge.learn(router.learned());
        }
    }

    /// Has OSPF follow links, addresses, MTUs and routes as they are now; what keeps it from an
    /// interface, in words.
    pub(crate) fn follow_ospf(&mut self) -> Vec<String> {
        let Some(configured) = &self.config.ospf else { return Vec::new() };
        let Some(mut router) = self.router.take() else {
            return vec![
                "OSPF has no router ID, as no interface of it has an IPv4 address: give it one, or \
                 write `router_id` in [ospf]"
                    .to_owned(),
            ];
        };
        let mut problems = Vec::new();
        let mut found = Vec::new();
        for interface in &configured.interfaces {
            match self.found(interface) {
                Some(there) => found.push(there),
                None => {
                    problems.push(format!("no OSPF on {}: it has no IPv4 address", interface.name))
                }
            }
        }
        problems.extend(router.follow(&found, &self.registry));
        router.redistribute(self.external_routes());
        self.router = Some(router);
        problems
    }

    /// An interface of OSPF as it is now.
    fn found<'a>(&self, configured: &'a OspfInterface) -> Option<Found<'a>> {
        let tables = self.tables();
        let address = self.address_of(configured.place)?;
        let found =
            Found { configured, device: None, address, is_up: false, mtu: 0, speed_kbit: None };
        match configured.place {
            OspfPlace::Port(index) => {
                let entry = tables.ports.get(index)?;
                let (port, opened) = self.config.ports.get(index).zip(self.ports.get(index))?;
                let name = port.device.get_ref();
                let by_speed = matches!(configured.cost, OspfCost::BySpeed { .. });
                let speed_kbit = by_speed.then(|| speed_kbit(name)).flatten();
                let device = Some((name.clone(), opened.ifindex));
                Some(Found { device, is_up: entry.up, mtu: entry.mtu, speed_kbit, ..found })
            }
            OspfPlace::Tunnel(_) => {
                let first = match self.bridge.entrance(&configured.name)? {
                    Entrance::Tunnel(id) => id,
                    Entrance::AllPeers(cloud) => {
                        tables.clouds.get(cloud.0 as usize)?.peers().first()?.1
                    }
                };
                let tunnel = tables.tunnels.get(first.0 as usize)?;
                Some(Found { is_up: true, mtu: tunnel.mtu, ..found })
            }
        }
    }

    /// What other protocols have that OSPF is to tell of.
    fn external_routes(&mut self) -> BTreeMap<Ipv4Net, ExternalRoute> {
        let mut all = BTreeMap::new();
        let Some(configured) = &self.config.ospf else { return all };
        let told = configured.redistribute.clone();
        let route = ExternalRoute {
            metric: told.metric,
            is_type2: told.is_type2,
            tag: 0,
            forwarding: None,
        };
        let spoken: Vec<usize> = configured
            .interfaces
            .iter()
            .filter_map(|interface| match interface.place {
                OspfPlace::Port(index) => Some(index),
                OspfPlace::Tunnel(_) => None,
            })
            .collect();
        if told.default {
            all.insert(Ipv4Net::default(), route);
        }
        let mut add = |net: &IpNet| {
            if let IpNet::V4(net) = net
                && !net.network().is_multicast()
                && !(net.prefix_len() == 32 && net.addr().is_loopback())
                && told.passes(net)
            {
                all.insert(net.trunc(), route);
            }
        };
        if told.configured {
            let is_route = |target: &RouteTarget| !matches!(target, RouteTarget::Port(_));
            let routes = self.config.routes.iter().filter(|route| is_route(&route.target));
            routes.for_each(|route| add(route.prefix.get_ref()));
        }
        let inside: Vec<usize> = (0..self.config.ports.len())
            .filter(|n| self.config.ports.get(*n).is_some_and(|p| p.role == config::Role::Inside))
            .collect();
        for index in inside {
            let routes = self.with_underlay(|_, underlay| underlay.routes(PortId(index as u32)));
            for (prefix, gateway) in routes {
                let is_told = match gateway {
                    None => told.connected && !spoken.contains(&index),
                    Some(gateway) => told.kernel && matches!(gateway, IpAddr::V4(_)),
                };
                if is_told && prefix.prefix_len() > 0 {
                    add(&prefix);
                }
            }
        }
        all
    }

    /// Takes in what has come for OSPF, does what is due and what follows. True when workers should
    /// look.
    pub fn route(&mut self) -> bool {
        let tables = self.tables();
        let Some(router) = &mut self.router else { return false };
        router.read(&tables, &self.rings);
        router.on_timeout();
        let outcome = router.act(&tables, &self.rings);
        let failed = router.take_failed();
        if outcome.routes {
            self.bridge.learn(router.learned());
            self.rebuild_or_tell();
        }
        for (name, address) in failed {
            self.suspect(&name, address);
        }
        outcome.sent || outcome.routes
    }

    /// Has IKE find out whether a peer lives, whose path has failed.
    fn suspect(&mut self, tunnel: &str, address: Ipv4Addr) {
        let mut all = self.config.tunnels.iter();
        let Some(tunnel) = all.find(|known| known.name == tunnel) else { return };
        let is_it = |peer: &&config::Peer| {
            peer.address.as_ref().is_some_and(|known| *known.get_ref() == IpAddr::V4(address))
        };
        let child = tunnel.peers.iter().find(is_it).map_or(&tunnel.name, |peer| &peer.name);
        let child = child.as_str().into();
        self.tell_ike(ike::output::Input::PathFailed { child });
    }
}

/// What a device says of its speed, thousands of bits a second; `None` where it says nothing: it
/// has no link, or is no real device.
fn speed_kbit(device: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/sys/class/net/{device}/speed")).ok()?;
    // Millions of bits a second; -1 is unknown, also as an unsigned number of 32 bits.
    let mbit = text.trim().parse::<u64>().ok()?;
    (mbit > 0 && mbit < u64::from(u32::MAX)).then(|| mbit * 1000)
}
