//! OSPF in the running gateway: the engine with its interfaces, its clock and its randomness.
//!
//! 1. What comes in (packets, the time, links and addresses as they change) goes to the engine.
//! 2. What it wants is done in its order: packets are sent, routes go to the bridge, and with the
//!    next snapshot to the workers.
//! 3. Neighbours that it wants watched have BFD sessions, whose failures it is told of at once.

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
use ospf::{NextHop, Ospf, Restart};
use pipeline::Rings;
use tables::{Entrance, PortId, Tables};

use super::Io;
use crate::bfd::{self, Action, Place, Sessions};
use crate::gateway::random_seed;
use crate::ike::wall;
use crate::tunnel_io::{self, Interface, NotSent};

/// The engine of a gateway and what it runs on.
pub struct Router {
    engine: Ospf,
    io: Io,
    sessions: Sessions,
    bfd_sockets: bfd::Sockets,
    start: Instant,
    /// What the engine calls each interface that there has been; a number is given once.
    ids: BTreeMap<Box<str>, InterfaceId>,
    /// Where each of those is that there are.
    places: BTreeMap<InterfaceId, Interface>,
    /// The same the other way.
    by_place: BTreeMap<Interface, InterfaceId>,
    is_deaf: bool,
    /// The sockets that are open: device, index and address.
    open: BTreeMap<PortId, Place>,
    /// What the engine has of other protocols.
    externals: BTreeMap<Ipv4Net, ExternalRoute>,
    learned: BTreeMap<Ipv4Net, ospf::routes::Route>,
    /// Paths that BFD has found to have failed, since they were taken.
    failed: Vec<bfd::Path>,
    /// What it was is being taken up after a restart.
    resumes: bool,
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
    /// The device of a port, with its index.
    pub device: Option<(String, u32)>,
    /// Our address there.
    pub address: Ipv4Net,
    /// Whether packets can go there.
    pub is_up: bool,
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// What the device says of its speed, thousands of bits a second.
    pub speed_kbit: Option<u64>,
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
            sessions: Sessions::new(random_seed()?),
            bfd_sockets: bfd::Sockets::default(),
            start: Instant::now(),
            ids: BTreeMap::new(),
            places: BTreeMap::new(),
            by_place: BTreeMap::new(),
            is_deaf: false,
            open: BTreeMap::new(),
            externals: BTreeMap::new(),
            learned: BTreeMap::new(),
            failed: Vec::new(),
            resumes: false,
        })
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Ospf {
        &self.engine
    }

    /// Neighbours that BFD watches.
    pub fn watched(&self) -> impl Iterator<Item = bfd::SessionStatus<'_>> {
        self.sessions.statuses(self.now().0)
    }

    fn now(&self) -> (engine::Instant, UnixTime) {
        let nanos = self.start.elapsed().as_nanos();
        (engine::Instant(u64::try_from(nanos).unwrap_or(u64::MAX)), wall())
    }

    /// Where the interfaces are from now on, by their names, and which tunnels hand packets over.
    pub fn place(&mut self, places: BTreeMap<Box<str>, Interface>, entrances: &[Entrance]) {
        self.places.clear();
        self.by_place.clear();
        for (name, place) in places {
            let next = InterfaceId(self.ids.len() as u32);
            let id = *self.ids.entry(name).or_insert(next);
            self.places.insert(id, place);
            self.by_place.insert(place, id);
        }
        self.io.run_on(entrances);
    }

    /// Follows interfaces as they are now. What the kernel refused, in words.
    pub fn follow(&mut self, found: &[Found<'_>], registry: &Registry) -> Vec<String> {
        let (now, wall) = self.now();
        let mut problems = Vec::new();
        let there: BTreeMap<InterfaceId, &Found<'_>> = found
            .iter()
            .filter_map(|found| Some((*self.ids.get(&found.configured.name)?, found)))
            .collect();
        for (id, _) in self.engine.interfaces() {
            if !there.contains_key(&id) {
                self.engine.remove_interface(now, wall, id);
            }
        }
        self.open_sockets(&there, registry, &mut problems);
        problems.extend(self.listen_for_bfd(&there, registry));
        self.is_deaf = !problems.is_empty();
        for (id, found) in there {
            let can_speak = found.configured.is_passive
                || match self.places.get(&id) {
                    Some(Interface::Port(port)) => self.open.contains_key(port),
                    Some(_) => true,
                    None => false,
                };
            if let Some(wanted) = found.configured.bfd {
                self.sessions.configure(now, id, &found.configured.name, wanted);
            }
            let settings = settings_of(found);
            let settings = InterfaceSettings { is_up: settings.is_up && can_speak, ..settings };
            self.engine.set_interface(now, wall, id, settings);
        }
        problems
    }

    /// Whether the kernel refused a socket.
    pub fn is_deaf(&self) -> bool {
        self.is_deaf
    }

    /// Has others draw no traffic through this router.
    pub fn become_stub_router(&mut self) {
        let (now, wall) = self.now();
        self.engine.become_stub_router(now, wall);
    }

    /// Tells the neighbours that we go.
    pub fn leave(&mut self) {
        let (now, wall) = self.now();
        self.engine.leave(now, wall);
    }

    /// Asks the neighbours for grace (RFC 3623 section 2.1).
    pub fn announce_restart(&mut self, within: Duration) {
        let (now, wall) = self.now();
        self.engine.announce_restart(now, wall, within);
    }

    /// Takes that back.
    pub fn cancel_restart(&mut self) {
        let (now, wall) = self.now();
        self.engine.cancel_restart(now, wall);
    }

    /// Takes up what the process before was; to be called before there are interfaces.
    pub fn resume(&mut self, left: Duration) {
        let (now, wall) = self.now();
        self.engine.resume(now, wall, left);
    }

    /// Tells the neighbours that nobody watches them any more, and nothing else.
    pub fn leave_bfd(&mut self) {
        let (now, _) = self.now();
        self.sessions.watch_nobody(now);
    }

    fn open_sockets(
        &mut self,
        found: &BTreeMap<InterfaceId, &Found<'_>>,
        registry: &Registry,
        problems: &mut Vec<String>,
    ) {
        let mut wanted = BTreeMap::new();
        for (id, found) in found.iter().filter(|(_, found)| !found.configured.is_passive) {
            if let (Some(Interface::Port(port)), Some((device, index))) =
                (self.places.get(id), &found.device)
                && found.is_up
            {
                wanted.insert(*port, (device.clone(), *index, found.address.addr()));
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

    /// Opens BFD's sockets where OSPF has them and BFD is wanted.
    fn listen_for_bfd(
        &mut self,
        found: &BTreeMap<InterfaceId, &Found<'_>>,
        registry: &Registry,
    ) -> Vec<String> {
        let watched = found.iter().filter(|(_, found)| found.configured.bfd.is_some());
        let places = watched.filter_map(|(id, _)| match self.places.get(id)? {
            Interface::Port(port) => Some((*port, self.open.get(port)?.clone())),
            Interface::Tunnel(_) | Interface::Cloud(_) => None,
        });
        self.bfd_sockets.follow(&places.collect(), registry)
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
        let (engine, sessions, by_place) = (&mut self.engine, &mut self.sessions, &self.by_place);
        let to_ospf = |interface, source, destination, packet: &[u8]| {
            if let Some(id) = by_place.get(&interface) {
                engine.handle_packet(now, wall, *id, source, destination, packet);
            }
        };
        let mut to_bfd = |interface, source, payload: &[u8]| {
            if let Some(id) = by_place.get(&interface) {
                sessions.handle_packet(now, *id, source, payload);
            }
        };
        self.io.read(tables, rings, to_ospf, |interface, header, datagram| {
            if let Some(payload) = bfd::payload_of(header, datagram) {
                to_bfd(interface, header.source_addr(), payload);
            }
        });
        self.bfd_sockets.read(|port, source, payload| {
            to_bfd(Interface::Port(port), source, payload);
        });
    }

    /// Has the engine and the sessions do what is due.
    pub fn on_timeout(&mut self) {
        let (now, wall) = self.now();
        self.sessions.handle_timeout(now);
        if self.engine.deadline().is_some_and(|due| due <= now) {
            self.engine.handle_timeout(now, wall);
        }
    }

    /// How long the control thread may sleep.
    pub fn patience(&self) -> Option<Duration> {
        if self.io.has_unread() || self.bfd_sockets.has_unread() {
            return Some(Duration::ZERO);
        }
        let due = [self.engine.deadline(), self.sessions.deadline()];
        due.into_iter().flatten().min().map(|due| due.since(self.now().0))
    }

    /// Does what the engine wants.
    pub fn act(&mut self, tables: &Tables, rings: &[Rings]) -> Outcome {
        let mut outcome = Outcome::default();
        loop {
            while let Some(output) = self.engine.poll_output() {
                match output {
                    Output::Transmit { interface, destination, packet } => {
                        let Some(place) = self.places.get(&interface) else { continue };
                        match self.io.send(tables, rings, *place, destination, &packet) {
                            Ok(()) => outcome.sent |= !matches!(place, Interface::Port(_)),
                            Err(error) => tracing::debug!("no OSPF to {destination}: {error}"),
                        }
                    }
                    Output::Event(event) => outcome.routes |= self.take(event),
                }
            }
            let Some(action) = self.sessions.poll_action() else { break };
            outcome.sent |= self.act_for_bfd(tables, rings, action);
        }
        let resumes = self.engine.restart() == Restart::Resuming;
        // What was kept meanwhile may have to go.
        outcome.routes |= self.resumes && !resumes;
        self.resumes = resumes;
        outcome
    }

    /// The paths that have failed since this was asked last: the interface's name, and the
    /// neighbour's address there.
    pub fn take_failed(&mut self) -> Vec<(Box<str>, Ipv4Addr)> {
        let failed = std::mem::take(&mut self.failed).into_iter();
        let name = |id| self.ids.iter().find(|(_, known)| **known == id);
        let named = failed.filter_map(|(id, address)| Some((name(id)?.0.clone(), address)));
        named.collect()
    }

    /// Does what a session wants. True when workers have packets to send.
    fn act_for_bfd(&mut self, tables: &Tables, rings: &[Rings], action: Action) -> bool {
        match action {
            Action::Send { path: (interface, to), source_port, packet } => {
                let Some(place) = self.places.get(&interface) else { return false };
                let sent = match place {
                    Interface::Port(port) => {
                        let sent = self.bfd_sockets.send(*port, source_port, to, &packet);
                        sent.map_err(NotSent::Refused)
                    }
                    _ => {
                        let whole = |from| bfd::whole_packet(from, to, source_port, &packet);
                        tunnel_io::send(tables, rings, *place, to, whole)
                    }
                };
                if let Err(error) = &sent {
                    tracing::debug!("no BFD to {to}: {error}");
                }
                return sent.is_ok() && !matches!(place, Interface::Port(_));
            }
            Action::Failed((interface, address)) => {
                let (now, wall) = self.now();
                self.engine.path_failed(now, wall, interface, address);
                self.failed.push((interface, address));
            }
            Action::Release(source_port) => self.bfd_sockets.release(source_port),
        }
        false
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
            Event::Watch { interface, address, watch } => {
                let (now, _) = self.now();
                self.sessions.watch(now, (interface, address), watch);
            }
        }
        false
    }

    /// What has been learned, as the bridge takes it.
    pub fn learned(&self) -> Vec<(IpNet, Vec<Learned>)> {
        let target = |hop: &NextHop| match (self.places.get(&hop.interface)?, hop.gateway) {
            // The network is our own there.
            (_, None) => None,
            (Interface::Port(port), Some(gateway)) => Some(Learned::Via(*port, gateway.into())),
            (Interface::Tunnel(id), Some(_)) => Some(Learned::Tunnel(*id)),
            (Interface::Cloud(id), Some(gateway)) => Some(Learned::Peer(*id, gateway.into())),
        };
        let ways =
            |route: &ospf::routes::Route| route.next_hops.iter().filter_map(target).collect();
        self.learned.iter().map(|(prefix, route)| (IpNet::V4(*prefix), ways(route))).collect()
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
        cost: configured.cost.now(found.speed_kbit),
        is_passive: configured.is_passive,
        priority: configured.priority,
        hello_interval: configured.hello_interval,
        dead_interval: configured.dead_interval,
        retransmit_interval: configured.retransmit_interval,
        transmit_delay: 1,
        authentication: configured.authentication.clone(),
        neighbors: configured.neighbors.clone(),
        bfd: configured.bfd.is_some(),
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
