//! OSPF in the running gateway: the engine with its interfaces, its clock and its randomness.
//!
//! 1. What comes in (packets, the time, links and addresses as they change) goes to the engine.
//! 2. What it wants is done in its order: packets are sent, routes go to the bridge, and with the
//!    next snapshot to the workers.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bridge::Learned;
use config::{OspfInterface, OspfPlace};
use engine::{Level, Seeded, UnixTime};
use ipnet::{IpNet, Ipv4Net};
use mio::Registry;
use ospf::output::{Event, Output};
use ospf::settings::{ExternalRoute, InterfaceId, InterfaceSettings, Settings};
use ospf::{NextHop, Ospf};
use pipeline::Rings;
use tables::{Entrance, PortId, Tables};

use super::{Interface, Io};
use crate::gateway::random_seed;
use crate::ike::wall;

/// The engine of a gateway and what it runs on.
pub struct Router {
    engine: Ospf,
    io: Io,
    start: Instant,
    /// Where each of the engine's interfaces is.
    places: BTreeMap<InterfaceId, Interface>,
    /// The sockets that are open: device, index and address.
    open: BTreeMap<PortId, (String, u32, Ipv4Addr)>,
    /// What the engine has of other protocols.
    externals: BTreeMap<Ipv4Net, ExternalRoute>,
    learned: BTreeMap<Ipv4Net, ospf::routes::Route>,
}

/// What a turn has led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Workers have packets to send.
    pub sent: bool,
    /// Routes are others than before.
    pub routes: bool,
}

/// An interface as it is now, by what the kernel and the tables say of it.
pub struct Found<'a> {
    /// What is configured.
    pub configured: &'a OspfInterface,
    /// Where it is.
    pub interface: Interface,
    /// The device of a port, with its index.
    pub device: Option<(String, u32)>,
    /// Our address there.
    pub address: Ipv4Net,
    /// Whether packets can go there.
    pub is_up: bool,
    /// Largest IP packet, bytes.
    pub mtu: u16,
}

impl Router {
    /// A router without interfaces.
    ///
    /// # Errors
    /// No randomness.
    pub fn new(settings: Settings) -> Result<Self, Box<dyn Error>> {
        let random = Box::new(Seeded::new(random_seed()?));
        Ok(Self {
            engine: Ospf::new(engine::Instant::default(), settings, random),
            io: Io::new(),
            start: Instant::now(),
            places: BTreeMap::new(),
            open: BTreeMap::new(),
            externals: BTreeMap::new(),
            learned: BTreeMap::new(),
        })
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Ospf {
        &self.engine
    }

    fn now(&self) -> (engine::Instant, UnixTime) {
        let nanos = self.start.elapsed().as_nanos();
        (engine::Instant(u64::try_from(nanos).unwrap_or(u64::MAX)), wall())
    }

    /// Follows interfaces as they are now. What the kernel refused, in words.
    pub fn follow(&mut self, found: &[Found<'_>], registry: &Registry) -> Vec<String> {
        let (now, wall) = self.now();
        let mut problems = Vec::new();
        let numbered = |(n, found)| (InterfaceId(n as u32), found);
        let places: BTreeMap<InterfaceId, Interface> = found
            .iter()
            .enumerate()
            .map(numbered)
            .map(|(id, found): (_, &Found<'_>)| (id, found.interface))
            .collect();
        for (id, _) in self.engine.interfaces() {
            if places.get(&id) != self.places.get(&id) {
                self.engine.remove_interface(now, wall, id);
            }
        }
        self.places = places;
        self.open_sockets(found, registry, &mut problems);
        let entrances: Vec<Entrance> = found.iter().filter_map(entrance).collect();
        self.io.run_on(&entrances);
        for (id, found) in found.iter().enumerate().map(numbered) {
            self.engine.set_interface(now, wall, id, settings_of(found));
        }
        problems
    }

    fn open_sockets(
        &mut self,
        found: &[Found<'_>],
        registry: &Registry,
        problems: &mut Vec<String>,
    ) {
        let mut wanted = BTreeMap::new();
        for found in found.iter().filter(|found| !found.configured.is_passive) {
            if let (Interface::Port(port), Some((device, index))) = (found.interface, &found.device)
                && found.is_up
            {
                wanted.insert(port, (device.clone(), *index, found.address.addr()));
            }
        }
        let io = &mut self.io;
        self.open.retain(|port, known| {
            let stays = wanted.get(port) == Some(known);
            if !stays {
                io.close(*port);
            }
            stays
        });
        for (port, (device, index, address)) in wanted {
            if self.open.contains_key(&port) {
                continue;
            }
            match self.io.open(port, (&device, index), address, registry) {
                Ok(()) => {
                    self.open.insert(port, (device, index, address));
                }
                Err(error) => problems.push(format!("no OSPF on {device}: {error}")),
            }
        }
    }

    /// Tells the autonomous system of these routes of other protocols, and of no others.
    pub fn redistribute(&mut self, wanted: BTreeMap<Ipv4Net, ExternalRoute>) {
        let mut changes: Vec<(Ipv4Net, Option<ExternalRoute>)> = Vec::new();
        let gone = self.externals.keys().filter(|prefix| !wanted.contains_key(prefix));
        changes.extend(gone.map(|prefix| (*prefix, None)));
        let new =
            wanted.iter().filter(|(prefix, route)| self.externals.get(prefix) != Some(*route));
        changes.extend(new.map(|(prefix, route)| (*prefix, Some(*route))));
        self.externals = wanted;
        if !changes.is_empty() {
            let (now, wall) = self.now();
            self.engine.change_externals(now, wall, changes);
        }
    }

    /// Reads what has come.
    pub fn read(&mut self, tables: &Tables, rings: &[Rings]) {
        let (now, wall) = self.now();
        let (engine, places) = (&mut self.engine, &self.places);
        self.io.read(tables, rings, |interface, source, destination, packet| {
            let place = places.iter().find(|(_, place)| **place == interface);
            if let Some((id, _)) = place {
                engine.handle_packet(now, wall, *id, source, destination, packet);
            }
        });
    }

    /// Has the engine do what is due.
    pub fn on_timeout(&mut self) {
        let (now, wall) = self.now();
        if self.engine.deadline().is_some_and(|due| due <= now) {
            self.engine.handle_timeout(now, wall);
        }
    }

    /// How long the control thread may sleep.
    pub fn patience(&self) -> Option<Duration> {
        if self.io.has_unread() {
            return Some(Duration::ZERO);
        }
        self.engine.deadline().map(|due| due.since(self.now().0))
    }

    /// Does what the engine wants.
    pub fn act(&mut self, tables: &Tables, rings: &[Rings]) -> Outcome {
        let mut outcome = Outcome::default();
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit { interface, destination, packet } => {
                    let Some(place) = self.places.get(&interface) else { continue };
                    match self.io.send(tables, rings, *place, destination, &packet) {
                        Ok(()) => outcome.sent |= !matches!(place, Interface::Port(_)),
                        Err(error) => tracing::debug!("no OSPF to {destination}: {error:?}"),
                    }
                }
                Output::Event(event) => outcome.routes |= self.take(event),
            }
        }
        outcome
    }

    /// True when routes have changed.
    fn take(&mut self, event: Event) -> bool {
        match event {
            Event::Routes(changes) => {
                for (prefix, route) in changes {
                    match route {
                        Some(route) => self.learned.insert(prefix, route),
                        None => self.learned.remove(&prefix),
                    };
                }
                return true;
            }
            Event::HearDesignated(interface, hears) => {
                if let Some(Interface::Port(port)) = self.places.get(&interface)
                    && let Err(error) = self.io.hear_designated(*port, hears)
                    && hears
                {
                    tracing::error!("cannot hear what is for designated routers: {error}");
                }
            }
            Event::Log(Level::Debug, text) => tracing::debug!("{text}"),
            Event::Log(Level::Info, text) => tracing::info!("{text}"),
            Event::Log(Level::Warning, text) => tracing::warn!("{text}"),
            Event::Log(Level::Error, text) => tracing::error!("{text}"),
            Event::Watch { .. } => {}
        }
        false
    }

    /// What has been learned, as the bridge takes it.
    pub fn learned(&self) -> Vec<(IpNet, Learned)> {
        let target = |hop: &NextHop| match (self.places.get(&hop.interface)?, hop.gateway) {
            // The network is our own there.
            (_, None) => None,
            (Interface::Port(port), Some(gateway)) => Some(Learned::Via(*port, gateway.into())),
            (Interface::Tunnel(id), Some(_)) => Some(Learned::Tunnel(*id)),
            (Interface::Cloud(id), Some(gateway)) => Some(Learned::Peer(*id, gateway.into())),
        };
        let all = self.learned.iter();
        all.filter_map(|(prefix, route)| {
            Some((IpNet::V4(*prefix), route.next_hops.iter().find_map(target)?))
        })
        .collect()
    }
}

fn entrance(found: &Found<'_>) -> Option<Entrance> {
    if found.configured.is_passive {
        return None;
    }
    match found.interface {
        Interface::Port(_) => None,
        Interface::Tunnel(id) => Some(Entrance::Tunnel(id)),
        Interface::Cloud(id) => Some(Entrance::AllPeers(id)),
    }
}

fn settings_of(found: &Found<'_>) -> InterfaceSettings {
    let configured = found.configured;
    InterfaceSettings {
        name: configured.name.clone(),
        area: configured.area,
        network: configured.network,
        address: found.address,
        is_up: found.is_up,
        mtu: found.mtu,
        mtu_ignore: configured.mtu_ignore,
        cost: configured.cost,
        is_passive: configured.is_passive,
        priority: configured.priority,
        hello_interval: configured.hello_interval,
        dead_interval: configured.dead_interval,
        retransmit_interval: configured.retransmit_interval,
        transmit_delay: 1,
        authentication: configured.authentication.clone(),
        neighbors: configured.neighbors.clone(),
        bfd: false,
    }
}

/// What is configured of the router itself; `chosen` is its ID where none is written down.
pub fn settings(configured: &config::Ospf, chosen: Ipv4Addr) -> Settings {
    Settings {
        router_id: configured.router_id.unwrap_or(chosen),
        areas: configured.areas.clone(),
        external_ranges: configured.external_ranges.clone(),
        paths_max: configured.paths_max,
        stub_router_for: configured.stub_router_for,
    }
}

/// Which interface of the gateway is configured, if its tunnel is there.
pub fn place(configured: &OspfInterface, entrance: Option<Entrance>) -> Option<Interface> {
    match (configured.place, entrance) {
        (OspfPlace::Port(index), _) => Some(Interface::Port(PortId(index as u32))),
        (OspfPlace::Tunnel(_), Some(Entrance::Tunnel(id))) => Some(Interface::Tunnel(id)),
        (OspfPlace::Tunnel(_), Some(Entrance::AllPeers(id))) => Some(Interface::Cloud(id)),
        (OspfPlace::Tunnel(_), None) => None,
    }
}
