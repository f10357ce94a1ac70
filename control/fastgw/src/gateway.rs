//! What the control thread knows of the running gateway, and how it keeps the workers' tables
//! true to the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use af_xdp::XdpMode;
use config::Config;
use mio::{Registry, Token};
use pipeline::{Event, Injected, Rings};
use tables::counters::WorkerCounters;
use tables::publish::{Publisher, Reader};
use tables::{PortId, Route, Tables};

use crate::ike::Negotiator;
use crate::kernel::{Change, Kernel};
use crate::kernel_underlay::KernelUnderlay;
use crate::ospf::Router;
use crate::outer::{Keepalives, PathMtus, Quoted, Sockets};
use crate::ports::{OpenedPort, Steering};
use crate::show::bfd::BfdSession;
use crate::show::ospf::OspfStatus;
use crate::show::status::{Attach, CopyMode, Status};
use crate::show::{self, PortFacts, Request, Response, Section, Sources};
use bridge::{Bridge, Built, Underlay};

/// How long one next hop is not asked for again: the kernel is asking meanwhile.
const ASK_AGAIN: Duration = Duration::from_millis(400);
/// How often the kernel's entries of next hops in use are confirmed; it does not see our traffic
/// and would let them age.
pub const CONFIRM: Duration = Duration::from_secs(30);
/// How often lifetimes and keepalives are looked after, and old path MTUs forgotten.
pub const TICK: Duration = Duration::from_secs(1);
/// The sockets for outer packets in control's poll.
pub const OUTER: Token = Token(4);

/// The control side of a running gateway.
pub struct Gateway {
    /// What was asked for.
    pub config: Config,
    /// What each worker counted.
    pub counters: Vec<Arc<WorkerCounters>>,
    /// The core of each worker.
    pub cores: Vec<Option<usize>>,
    /// How the ports were opened.
    pub ports: Vec<OpenedPort>,
    /// The routes in the newest tables.
    pub routes: Vec<(ipnet::IpNet, Route)>,
    /// What is exchanged with each worker.
    pub rings: Vec<Rings>,
    /// When it started.
    pub started: Instant,
    pub(crate) kernel: Kernel,
    pub(crate) bridge: Bridge,
    publisher: Publisher,
    steering: Steering,
    ifindexes: Vec<u32>,
    asked: BTreeMap<(PortId, IpAddr), Instant>,
    told: BTreeSet<String>,
    /// IKE, once there is a peer for it.
    pub negotiator: Option<Negotiator>,
    /// OSPF, where it is configured.
    pub router: Option<Router>,
    pub(crate) sockets: Sockets,
    pub(crate) registry: Registry,
    endpoints: Vec<IpAddr>,
    path_mtus: PathMtus,
    keepalives: Keepalives,
    /// The worker that gets the next packet that the kernel received.
    pub(crate) next_worker: usize,
}

/// What [`Gateway::new`] is made from.
pub struct Parts {
    /// What was asked for.
    pub config: Config,
    /// The kernel's state.
    pub kernel: Kernel,
    /// The configured tunnels and routes.
    pub bridge: Bridge,
    /// How the ports were opened.
    pub ports: Vec<OpenedPort>,
    /// The XDP programs' maps.
    pub steering: Steering,
    /// The core of each worker.
    pub cores: Vec<Option<usize>>,
    /// The sockets for outer packets, registered with this poll under [`OUTER`].
    pub sockets: Sockets,
    /// To register more of them.
    pub registry: Registry,
}

/// A seed for an SA, from the system.
///
/// # Errors
/// The system has no randomness to give.
pub fn random_seed() -> Result<[u8; 32], Box<dyn Error>> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| format!("no randomness: {error}"))?;
    Ok(seed)
}

/// Says which suites are weak, once for each tunnel and each reading of the file.
pub fn warn_of_weak_suites(config: &Config) {
    for tunnel in &config.tunnels {
        let own = tunnel.protection.manual().map(|sa| (&tunnel.name, sa));
        let peers = tunnel.peers.iter();
        let peers = peers.filter_map(|peer| Some((&peer.name, peer.protection.manual()?)));
        for (name, sa) in own.into_iter().chain(peers) {
            if let Some(weakness) = sa.suite.weakness() {
                tracing::warn!("tunnel {name}: {} is weak: {weakness}", sa.suite.name());
            }
        }
    }
}

impl Gateway {
    /// A gateway whose workers are still to be started with [`Gateway::reader`]s.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { config, kernel, bridge, ports, steering, cores, sockets, registry } = parts;
        let workers = config.gateway.workers;
        let counters = (0..workers).map(|_| Arc::new(WorkerCounters::new(config.ports.len())));
        Self {
            counters: counters.collect(),
            rings: (0..workers).map(|_| Rings::default()).collect(),
            ifindexes: ports.iter().map(|port| port.ifindex).collect(),
            config,
            cores,
            ports,
            routes: Vec::new(),
            started: Instant::now(),
            kernel,
            bridge,
            publisher: Publisher::new(Tables::default()),
            steering,
            asked: BTreeMap::new(),
            told: BTreeSet::new(),
            negotiator: None,
            router: None,
            sockets,
            registry,
            endpoints: Vec::new(),
            path_mtus: PathMtus::default(),
            keepalives: Keepalives::default(),
            next_worker: 0,
        }
    }

    /// The kernel's state and its events.
    pub fn kernel(&mut self) -> &mut Kernel {
        &mut self.kernel
    }

    /// A view of the tables for one worker.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.publisher.reader()
    }

    /// The newest tables.
    #[must_use]
    pub fn tables(&self) -> Arc<Tables> {
        self.publisher.newest()
    }

    /// Makes all tables anew and steers by them.
    ///
    /// # Errors
    /// The kernel refused a change of the XDP programs' maps; the tables are published all the
    /// same.
    pub fn rebuild(&mut self) -> Result<(), Box<dyn Error>> {
        self.place_ospf();
        let built = self.with_underlay(|bridge, underlay| bridge.build(underlay));
        let Built { tables, routes, owned, endpoints, problems } = built;
        self.publisher.publish(tables);
        self.steering.let_multicast_in(&routes);
        self.routes = routes;
        let no_ike = self.follow_addresses();
        let mut in_udp = self.bridge.udp_ends();
        in_udp.retain(|end| self.negotiator.as_ref().is_none_or(|ike| !ike.sockets().has(*end)));
        let refused = self.sockets.follow(&endpoints, &in_udp, &self.registry, OUTER);
        let no_ospf = self.follow_ospf();
        let no_routes = self.teach_kernel();
        let problems = problems.into_iter().chain(no_ike).chain(refused).chain(no_ospf);
        let problems = problems.chain(no_routes);
        let problems: BTreeSet<_> = problems.collect();
        self.endpoints.clone_from(&endpoints);
        for problem in problems.difference(&self.told) {
            tracing::warn!("{problem}");
        }
        self.told = problems;
        let steered = self.steering.steer(endpoints, owned);
        // Paths to peers should be ready before the first packet needs them.
        self.resolve_wanted();
        steered
            .map_err(|error| format!("cannot tell the XDP programs what to take: {error}").into())
    }

    /// Has IKE follow the machine's addresses; what the kernel refused, in words.
    pub(crate) fn follow_addresses(&mut self) -> Vec<String> {
        let machine = self.with_underlay(|_, underlay| underlay.addresses());
        let ike = self.negotiator.as_mut();
        ike.map_or_else(Vec::new, |ike| ike.follow(&self.config, &machine, &self.registry))
    }

    /// Has the bridge do something by the kernel's state.
    pub(crate) fn with_underlay<T>(
        &mut self,
        with: impl FnOnce(&mut Bridge, &dyn Underlay) -> T,
    ) -> T {
        let underlay = KernelUnderlay {
            state: self.kernel.state(),
            path_mtus: &self.path_mtus,
            ifindexes: &self.ifindexes,
        };
        with(&mut self.bridge, &underlay)
    }

    /// Makes these tables what workers see from their next batch on.
    pub(crate) fn publish_tables(&mut self, tables: Tables) {
        self.publisher.publish(tables);
    }

    /// Has the kernel ask for every next hop in use.
    pub(crate) fn resolve_wanted(&mut self) {
        let wanted: Vec<_> = self.bridge.wanted().collect();
        for (port, address) in wanted {
            self.resolve(port, address);
        }
    }

    /// Takes in what the kernel said since the last time. True when workers should look.
    ///
    /// # Errors
    /// Netlink failed.
    pub fn follow_kernel(&mut self) -> Result<bool, Box<dyn Error>> {
        let changes = self.kernel.read_events()?;
        let only_neighbours = changes.iter().all(|change| matches!(change, Change::Neighbour(..)));
        if changes.is_empty() {
            return Ok(false);
        }
        changes.iter().for_each(|change| self.may_ask_again(change));
        if only_neighbours {
            self.publish_nexthops();
        } else {
            self.rebuild()?;
        }
        Ok(true)
    }

    /// Reads the configuration again and applies what has changed in it; tunnels that did not
    /// change are not touched. A file that is refused, or that asks for other ports or workers,
    /// changes nothing. True when workers should look.
    pub fn reload(&mut self, file: &Path) -> bool {
        match self.try_to_reload(file) {
            Ok(()) => {
                tracing::info!("{} is applied", file.display());
                true
            }
            Err(error) => {
                tracing::error!("{error}\n{} is not applied; all stays as it was", file.display());
                false
            }
        }
    }

    fn try_to_reload(&mut self, file: &Path) -> Result<(), Box<dyn Error>> {
        let config = config::load(file)?;
        if config.gateway != self.config.gateway || config.ports != self.config.ports {
            return Err("[gateway] or [[port]] has changed: restart fastgw to apply that".into());
        }
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        warn_of_weak_suites(&config);
        self.bridge.change(&self.config, &config, &mut random_seed)?;
        self.config = config;
        // From here on the file is applied: what the kernel refuses is told, and undoes nothing.
        if self.bridge.uses_udp()
            && let Err(error) = self.sockets.include_udp(&self.registry, OUTER)
        {
            tracing::error!("fragments of packets in UDP cannot be put together: {error}");
        }
        self.configure_ospf();
        self.rebuild_or_tell();
        self.configure_ike()
    }

    /// Does what workers asked for. True when workers should look.
    pub fn answer_workers(&mut self) -> bool {
        let (mut resolved, mut moved) = (false, false);
        let left = |(worker, own): (usize, &Rings)| {
            let ring = Arc::clone(&own.events);
            std::iter::from_fn(move || Some((worker, ring.pop()?)))
        };
        let requests: Vec<(usize, Event)> = self.rings.iter().enumerate().flat_map(left).collect();
        for (worker, request) in requests {
            match request {
                Event::Resolve { port, address } => {
                    if self.bridge.want(port, address) {
                        // Nobody is asked where a group is: it is known as soon as it is wanted.
                        resolved |= address.is_multicast() || self.resolve(port, address);
                    }
                }
                Event::PeerMoved { spi, seq, address, port } => {
                    moved |= self.peer_moved(spi, seq, address, port);
                }
                event => self.worker_tells_ike(worker, event),
            }
        }
        if moved {
            self.rebuild_or_tell();
        } else if resolved {
            self.publish_nexthops();
        }
        resolved || moved
    }

    /// Takes in what the kernel received for the tunnels. True when workers should look.
    pub fn read_outer(&mut self) -> bool {
        let (rings, next) = (&self.rings, &mut self.next_worker);
        let mut news = false;
        let packet = |packet: Box<[u8]>| {
            // A ring that is full drops, as a network does.
            if let Some(own) = rings.get(*next % rings.len().max(1)) {
                news |= own.injected.push(Injected::Received(packet)).is_ok();
            }
            *next = next.wrapping_add(1);
        };
        let (bridge, path_mtus, now) = (&self.bridge, &mut self.path_mtus, Instant::now());
        let mut learned = Vec::new();
        let icmp = |message: &[u8], version_4: bool| {
            let is_ours = |quoted: &Quoted| {
                let Quoted { source, destination, protocol, spi } = *quoted;
                bridge.could_have_sent(source, destination, protocol, spi)
            };
            learned.extend(path_mtus.handle_icmp(message, version_4, now, is_ours));
        };
        self.sockets.read(&self.endpoints, packet, icmp);
        for (peer, mtu) in &learned {
            tracing::info!("the way to {peer} carries {mtu} bytes, says a router on it");
        }
        if !learned.is_empty() {
            self.rebuild_or_tell();
        }
        news || !learned.is_empty()
    }

    /// Does what is due as time passes. True when workers should look.
    pub fn tick(&mut self) -> bool {
        let now = Instant::now();
        for said in self.bridge.check_lifetimes(self.started.elapsed()) {
            tracing::warn!("{said}");
        }
        self.tell_usage();
        for peer in self.keepalives.due(self.bridge.kept(), now) {
            self.keep_alive(&peer);
        }
        let forgotten = self.path_mtus.forget_old(now);
        // A socket that the kernel refused may be had by now.
        if self.router.as_ref().is_some_and(Router::is_deaf) {
            self.follow_ospf();
        }
        if forgotten {
            self.rebuild_or_tell();
        }
        forgotten
    }

    /// Whether workers have taken all packets that control has for them.
    pub fn has_handed_over(&self) -> bool {
        self.rings.iter().all(|own| own.injected.is_empty())
    }

    pub(crate) fn rebuild_or_tell(&mut self) {
        if let Err(error) = self.rebuild() {
            tracing::error!("{error}");
        }
    }

    /// Has the kernel confirm every next hop in use, and frees old tables.
    pub fn confirm_neighbours(&mut self) {
        self.resolve_wanted();
        self.asked.retain(|_, when| when.elapsed() < ASK_AGAIN);
        self.publisher.reclaim();
    }

    /// Answers a client of the control socket.
    pub fn answer(&mut self, request: &Request) -> Response {
        let obeyed = show::answer_order(show::IKE, request, |command| self.obey(command));
        let obeyed = obeyed
            .or_else(|| show::answer_order(show::OSPF, request, |command| self.obey_ospf(command)));
        obeyed.unwrap_or_else(|| show::answer(request, |section| self.status(section)))
    }

    /// The state now, with the lists of `section`.
    pub fn status(&self, section: Section) -> Status {
        let tables = self.tables();
        let sources = Sources {
            config: &self.config,
            tables: &tables,
            workers: &self.counters,
            cores: &self.cores,
            ports: &|| self.ports.iter().map(|port| self.facts(port)).collect(),
            routes: &self.routes,
            uptime: self.started.elapsed(),
        };
        let ike = self.ike_status(section);
        let ospf = self.router.as_ref().filter(|_| section.has(Section::Ospf));
        let ospf =
            ospf.map(|router| OspfStatus::collect(router.engine(), section == Section::Ospf));
        let bfd = self.router.as_ref().filter(|_| section.has(Section::Bfd));
        let bfd = bfd.map(|router| router.watched().map(BfdSession::from).collect::<Vec<_>>());
        let bfd = bfd.filter(|all| section == Section::Bfd || !all.is_empty());
        let mut status = Status { ike, ospf, bfd, ..sources.status(section) };
        self.tell_workers(&mut status);
        status
    }

    fn facts(&self, port: &OpenedPort) -> PortFacts {
        let addresses = self.kernel.state().addresses_of(port.ifindex);
        let mut facts = PortFacts {
            addresses: addresses.map(|address| address.net).collect(),
            attach: match port.attach {
                XdpMode::Native => Attach::Native,
                XdpMode::Generic => Attach::Generic,
            },
            copy: match port.copy {
                af_xdp::CopyMode::ZeroCopy => CopyMode::ZeroCopy,
                af_xdp::CopyMode::Copy => CopyMode::Copy,
            },
            queues: port.sockets.len(),
            kernel_rx_dropped: 0,
            ring_full: 0,
            fill_empty: 0,
            syscalls: 0,
        };
        for socket in &port.sockets {
            // A device that has gone counts no more; what the workers counted stays.
            let counted = socket.statistics().unwrap_or_default();
            facts.kernel_rx_dropped += counted.rx_dropped;
            facts.ring_full += counted.rx_ring_full;
            facts.fill_empty += counted.rx_fill_ring_empty;
            facts.syscalls += socket.syscalls();
        }
        facts
    }

    /// Leaves all packets to the kernel from now on.
    pub fn detach(&mut self) {
        self.steering.detach();
    }

    /// Asks the kernel for a neighbour, unless that was done just now; true when it was asked.
    fn resolve(&mut self, port: PortId, address: IpAddr) -> bool {
        let now = Instant::now();
        let recent = self.asked.get(&(port, address));
        if recent.is_some_and(|when| now.duration_since(*when) < ASK_AGAIN) {
            return false;
        }
        let Some(ifindex) = self.ifindexes.get(port.index()) else { return false };
        self.asked.insert((port, address), now);
        match self.kernel.resolve(*ifindex, address) {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!("{error}");
                false
            }
        }
    }

    /// Lets neighbours be asked for at once that `change` may have made unknown.
    fn may_ask_again(&mut self, change: &Change) {
        match change {
            // With a link that went down or has a new MAC the kernel forgets its neighbours, and
            // what it asked just before may have been lost.
            Change::Link(_) => self.asked.clear(),
            Change::Neighbour(ifindex, address) => {
                let port = self.ifindexes.iter().position(|known| known == ifindex);
                port.and_then(|port| self.asked.remove(&(PortId(port as u32), *address)));
            }
            Change::Address(_) | Change::Route(_) => {}
        }
    }

    fn publish_nexthops(&mut self) {
        let current = self.publisher.newest();
        let follow = |bridge: &mut Bridge, machine: &dyn Underlay| {
            bridge.follow_neighbours(&current, machine)
        };
        let tables = self.with_underlay(follow);
        self.publisher.publish(tables);
    }
}
