//! What OSPF is told of the gateway: its links, addresses and tunnels, and the routes that it has
//! from elsewhere.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};

use config::{OspfPlace, RouteTarget};
use ipnet::{IpNet, Ipv4Net};
use ospf::settings::ExternalRoute;
use tables::{Entrance, PortId, TunnelId};

use super::router::{Found, Router, place, settings};
use crate::gateway::Gateway;

impl Gateway {
    /// Has OSPF follow the configuration: it begins anew where the router itself is another.
    ///
    /// # Errors
    /// It cannot begin.
    pub fn configure_ospf(&mut self) -> Result<(), Box<dyn Error>> {
        let Some(configured) = &self.config.ospf else {
            if self.router.take().is_some() {
                self.bridge.learn(Vec::new());
                self.bridge.punt_ospf(&[]);
                self.rebuild_or_tell();
            }
            return Ok(());
        };
        let chosen = self.first_address();
        let (Some(id), wanted) = (configured.router_id.or(chosen), configured) else {
            return Err("OSPF has no router ID, as no interface of it has an IPv4 address: write \
                        `router_id` in [ospf]"
                .into());
        };
        let wanted = settings(wanted, id);
        if self.router.as_ref().is_none_or(|router| *router.engine().settings() != wanted) {
            tracing::info!("OSPF router {} begins", wanted.router_id);
            self.router = Some(Router::new(wanted)?);
        }
        self.follow_ospf();
        // Workers are to hand over what comes out of its tunnels.
        self.rebuild_or_tell();
        Ok(())
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

    /// Has OSPF follow links, addresses, tunnels and routes as they are now.
    pub(crate) fn follow_ospf(&mut self) {
        let Some(mut router) = self.router.take() else { return };
        let tables = self.tables();
        let Some(configured) = &self.config.ospf else { return };
        let mut found = Vec::new();
        for interface in &configured.interfaces {
            let tunnel = match interface.place {
                OspfPlace::Tunnel(_) => self.bridge.entrance(&interface.name),
                OspfPlace::Port(_) => None,
            };
            let Some(at) = place(interface, tunnel) else { continue };
            let Some(address) = self.address_of(interface.place) else { continue };
            let (device, is_up, mtu) = match interface.place {
                OspfPlace::Port(index) => {
                    let Some(entry) = tables.ports.get(index) else { continue };
                    let device = self.config.ports.get(index).zip(self.ports.get(index));
                    let device =
                        device.map(|(port, at)| (port.device.get_ref().clone(), at.ifindex));
                    (device, entry.up, entry.mtu)
                }
                OspfPlace::Tunnel(_) => {
                    let first = match tunnel {
                        Some(Entrance::Tunnel(id)) => Some(id),
                        Some(Entrance::AllPeers(cloud)) => tables
                            .clouds
                            .get(cloud.0 as usize)
                            .and_then(|cloud| cloud.peers().first().map(|(_, id)| *id)),
                        None => None,
                    };
                    let known = first.and_then(|TunnelId(n)| tables.tunnels.get(n as usize));
                    (None, known.is_some(), known.map_or(0, |tunnel| tunnel.mtu))
                }
            };
            found.push(Found { configured: interface, interface: at, device, address, is_up, mtu });
        }
        let problems = router.follow(&found, &self.registry);
        problems.iter().for_each(|problem| tracing::error!("{problem}"));
        let entrances: Vec<Entrance> = configured
            .interfaces
            .iter()
            .filter(|interface| !interface.is_passive)
            .filter_map(|interface| self.bridge.entrance(&interface.name))
            .collect();
        router.redistribute(self.external_routes());
        self.bridge.punt_ospf(&entrances);
        self.bridge.learn(router.learned());
        self.router = Some(router);
    }

    /// What other protocols have that OSPF is to tell of.
    fn external_routes(&mut self) -> BTreeMap<Ipv4Net, ExternalRoute> {
        let mut all = BTreeMap::new();
        let Some(configured) = &self.config.ospf else { return all };
        let told = configured.redistribute;
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
        let mut add = |net: &IpNet| {
            if let IpNet::V4(net) = net
                && !net.network().is_multicast()
                && !(net.prefix_len() == 32 && net.addr().is_loopback())
            {
                all.insert(net.trunc(), route);
            }
        };
        if told.default {
            add(&IpNet::V4(Ipv4Net::default()));
        }
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
        if outcome.routes {
            self.bridge.learn(router.learned());
            self.rebuild_or_tell();
        }
        outcome.sent || outcome.routes
    }
}
