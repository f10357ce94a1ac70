//! The router as a whole: what it is told, what it keeps, what is due.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use engine::{Instant, Level, Random, Timers, UnixTime};
use ipnet::Ipv4Net;

use crate::area::Area;
use crate::interface::{Interface, InterfaceEvent, InterfaceState};
use crate::lsdb::Lsdb;
use crate::msg::{LsaBody, LsaKey, Options};
use crate::neighbor::{Neighbor, NeighborEvent, NeighborId};
use crate::originate::Own;
use crate::output::{Event, Output};
use crate::refusal::Refusal;
use crate::restart::Restart;
use crate::routes::RoutingTable;
use crate::scope::Scope;
use crate::settings::{ExternalRoute, InterfaceId, InterfaceSettings, Settings};

/// What becomes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A hello is to be sent.
    Hello(InterfaceId),
    /// Whether there is a designated router has been waited for.
    Wait(InterfaceId),
    /// Acknowledgments have waited long enough.
    Acknowledge(InterfaceId),
    /// Nothing was heard of a neighbour for too long.
    Inactivity(NeighborId),
    /// A description was not answered.
    Describe(NeighborId),
    /// A request was not answered.
    Request(NeighborId),
    /// An update was not acknowledged.
    Update(NeighborId),
    /// A neighbour is being treated as if it were there, while it restarts.
    Help(NeighborId),
    /// An LSA of ours is to be refreshed, another's has become too old.
    Age(Scope, LsaKey),
    /// An LSA of ours that changes often may be sent again.
    Originate(Own),
    /// LSAs that are over may be forgotten.
    Sweep,
    /// Routes are to be computed.
    Compute,
    /// Traffic may be drawn through this router.
    Start,
    /// The grace for a restart of this router is over.
    Restart,
}

/// An OSPF router (RFC 2328). It is told of interfaces, packets and the time, and what it has to
/// say is taken by [`Ospf::poll_output`] after each of these.
pub struct Ospf {
    pub(crate) settings: Settings,
    pub(crate) areas: BTreeMap<Ipv4Addr, Area>,
    pub(crate) interfaces: BTreeMap<InterfaceId, Interface>,
    pub(crate) as_lsdb: Lsdb,
    pub(crate) timers: Timers<Timer>,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) random: Box<dyn Random>,
    /// When the router was made.
    pub(crate) began: Instant,
    pub(crate) now: Instant,
    pub(crate) wall: UnixTime,
    /// What other protocols have.
    pub(crate) externals: BTreeMap<Ipv4Net, ExternalRoute>,
    /// LSAs of ours that tell of routes: what they should say.
    pub(crate) told: BTreeMap<Own, (Options, LsaBody)>,
    /// Own LSAs that may have to be other ones.
    pub(crate) to_originate: BTreeSet<Own>,
    /// LSAs that go when every neighbour knows that they are too old.
    pub(crate) max_aged: BTreeSet<(Scope, LsaKey)>,
    pub(crate) table: RoutingTable,
    /// When routes were computed last, and how long the next computation waits.
    pub(crate) computed: Option<Instant>,
    pub(crate) compute_wait: Duration,
    pub(crate) computations: u64,
    /// No traffic is drawn through this router.
    pub(crate) is_stub_router: bool,
    pub(crate) restart: Restart,
    pub(crate) refused: BTreeMap<(InterfaceId, Refusal), u64>,
    pub(crate) logged: BTreeSet<(InterfaceId, Ipv4Addr, Refusal)>,
}

/// Most reasons that are remembered not to be logged again.
const LOGGED_MAX: usize = 4096;

impl Ospf {
    /// A router without interfaces.
    #[must_use]
    pub fn new(now: Instant, settings: Settings, random: Box<dyn Random>) -> Self {
        let mut timers = Timers::default();
        let is_stub_router = !settings.stub_router_for.is_zero();
        if is_stub_router {
            timers.set(Timer::Start, now + settings.stub_router_for);
        }
        Self {
            settings,
            areas: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            as_lsdb: Lsdb::default(),
            timers,
            outputs: VecDeque::new(),
            random,
            began: now,
            now,
            wall: UnixTime::default(),
            externals: BTreeMap::new(),
            told: BTreeMap::new(),
            to_originate: BTreeSet::new(),
            max_aged: BTreeSet::new(),
            table: RoutingTable::default(),
            computed: None,
            compute_wait: Duration::ZERO,
            computations: 0,
            is_stub_router,
            restart: Restart::No,
            refused: BTreeMap::new(),
            logged: BTreeSet::new(),
        }
    }

    /// What it is told to be.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes what an interface is, or brings a new one. Neighbours stay where the change allows
    /// it.
    pub fn set_interface(
        &mut self,
        now: Instant,
        wall: UnixTime,
        id: InterfaceId,
        settings: InterfaceSettings,
    ) {
        self.tick(now, wall);
        let known = self.interfaces.get(&id).map(|interface| &interface.settings);
        if known == Some(&settings) {
            return;
        }
        let was_watched = known.map(|known| known.bfd);
        let has_other_mtu = known.is_some_and(|known| known.mtu != settings.mtu);
        let is_watched = settings.bfd;
        if known.is_some_and(|known| !keeps_neighbors(known, &settings)) {
            self.take_out(id);
        }
        let area = settings.area;
        if !self.areas.contains_key(&area) {
            let configured = self.settings.area(area);
            self.areas.insert(area, Area { settings: configured, ..Area::default() });
        }
        match self.interfaces.get_mut(&id) {
            Some(interface) => interface.settings = settings,
            None => {
                self.interfaces.insert(id, Interface::new(id, settings));
            }
        }
        if was_watched.is_some_and(|was| was != is_watched) {
            self.watch_all(id, is_watched);
        }
        if has_other_mtu {
            self.mtu_changes(id);
        }
        let is_up = self.interfaces.get(&id).is_some_and(|interface| interface.settings.is_up);
        let event = if is_up { InterfaceEvent::InterfaceUp } else { InterfaceEvent::InterfaceDown };
        self.interface_event(id, event);
        self.all_routers_change();
        self.settle();
    }

    /// Takes an interface away.
    pub fn remove_interface(&mut self, now: Instant, wall: UnixTime, id: InterfaceId) {
        self.tick(now, wall);
        self.take_out(id);
        self.all_routers_change();
        self.settle();
    }

    /// Takes an interface out, and its area if it was the last one there.
    fn take_out(&mut self, id: InterfaceId) {
        self.interface_event(id, InterfaceEvent::InterfaceDown);
        let Some(gone) = self.interfaces.remove(&id) else { return };
        let area = gone.settings.area;
        if !self.interfaces.values().any(|other| other.settings.area == area) {
            self.leave_area(area);
        }
    }

    /// Tells the autonomous system of other protocols' routes: `None` for those that are gone.
    pub fn change_externals(
        &mut self,
        now: Instant,
        wall: UnixTime,
        changes: impl IntoIterator<Item = (Ipv4Net, Option<ExternalRoute>)>,
    ) {
        self.tick(now, wall);
        let was_boundary = self.is_as_boundary();
        for (prefix, route) in changes {
            match route {
                Some(route) => self.externals.insert(prefix.trunc(), route),
                None => self.externals.remove(&prefix.trunc()),
            };
        }
        self.externals_change();
        if was_boundary != self.is_as_boundary() {
            self.all_routers_change();
        }
        self.settle();
    }

    /// A packet has come, without its IP header.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        wall: UnixTime,
        interface: InterfaceId,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        packet: &[u8],
    ) {
        self.tick(now, wall);
        if let Err(refusal) = self.receive(interface, source, destination, packet) {
            self.refuse(interface, source, refusal);
        }
        self.settle();
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, wall: UnixTime) {
        self.tick(now, wall);
        while let Some(timer) = self.timers.expired(now) {
            self.on_timer(timer);
        }
        self.settle();
    }

    /// When [`Ospf::handle_timeout`] wants to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.deadline()
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn tick(&mut self, now: Instant, wall: UnixTime) {
        self.now = self.now.max(now);
        self.wall = self.wall.max(wall);
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Hello(id) => self.hello_due(id),
            Timer::Wait(id) => self.interface_event(id, InterfaceEvent::WaitTimer),
            Timer::Acknowledge(id) => self.acknowledge(id),
            Timer::Inactivity(id) => self.neighbor_event(id, NeighborEvent::Gone),
            Timer::Describe(id) => self.describe_again(id),
            Timer::Request(id) => self.ask(id),
            Timer::Update(id) => self.update_again(id),
            Timer::Help(id) => self.help_no_longer(id, "its grace period is over"),
            Timer::Age(scope, key) => self.age(scope, key),
            Timer::Originate(own) => {
                self.to_originate.insert(own);
            }
            Timer::Sweep => self.sweep(),
            Timer::Compute => self.compute(),
            Timer::Start => {
                self.is_stub_router = false;
                self.all_routers_change();
            }
            Timer::Restart => self.end_restart("its time is over"),
        }
    }

    /// Does what the last step has left to do: nothing is due after it but timers.
    pub(crate) fn settle(&mut self) {
        self.look_after_restart();
        while let Some(own) = self.to_originate.pop_first() {
            self.originate(own);
        }
        self.send_updates();
    }

    pub(crate) fn neighbor(&self, id: NeighborId) -> Option<&Neighbor> {
        self.interfaces.get(&id.interface)?.neighbors.get(&id.key)
    }

    pub(crate) fn neighbor_mut(&mut self, id: NeighborId) -> Option<&mut Neighbor> {
        self.interfaces.get_mut(&id.interface)?.neighbors.get_mut(&id.key)
    }

    pub(crate) fn lsdb(&self, scope: Scope) -> Option<&Lsdb> {
        match scope {
            Scope::Link(id) => self.interfaces.get(&id).map(|interface| &interface.lsdb),
            Scope::Area(id) => self.areas.get(&id).map(|area| &area.lsdb),
            Scope::As => Some(&self.as_lsdb),
        }
    }

    pub(crate) fn lsdb_mut(&mut self, scope: Scope) -> Option<&mut Lsdb> {
        match scope {
            Scope::Link(id) => self.interfaces.get_mut(&id).map(|interface| &mut interface.lsdb),
            Scope::Area(id) => self.areas.get_mut(&id).map(|area| &mut area.lsdb),
            Scope::As => Some(&mut self.as_lsdb),
        }
    }

    /// The area that an interface is in.
    pub(crate) fn area_of(&self, interface: InterfaceId) -> Option<(&Interface, &Area)> {
        let interface = self.interfaces.get(&interface)?;
        Some((interface, self.areas.get(&interface.settings.area)?))
    }

    /// Every router LSA of ours may have to be another.
    pub(crate) fn all_routers_change(&mut self) {
        let areas: Vec<Ipv4Addr> = self.areas.keys().copied().collect();
        areas.into_iter().for_each(|area| self.router_changes(area));
    }

    /// Areas with an interface that is up.
    pub(crate) fn active_areas(&self) -> BTreeSet<Ipv4Addr> {
        let is_up = |interface: &&Interface| interface.state != InterfaceState::Down;
        self.interfaces.values().filter(is_up).map(|interface| interface.settings.area).collect()
    }

    /// Whether this is an area border router (RFC 2328 section 3.3).
    pub(crate) fn is_area_border(&self) -> bool {
        self.active_areas().len() > 1
    }

    /// Whether this is an AS boundary router.
    pub(crate) fn is_as_boundary(&self) -> bool {
        !self.externals.is_empty()
    }

    fn leave_area(&mut self, area: Ipv4Addr) {
        self.areas.remove(&area);
        let scope = Scope::Area(area);
        self.timers.retain(|timer| !matches!(timer, Timer::Age(of, _) if *of == scope));
        self.max_aged.retain(|(of, _)| *of != scope);
        self.told.retain(|(of, _), _| *of != scope);
        self.routes_change();
    }

    pub(crate) fn log(&mut self, level: Level, text: String) {
        self.outputs.push_back(Output::Event(Event::Log(level, text)));
    }

    /// Counts what was not taken, and logs it when it is news.
    pub(crate) fn refuse(&mut self, interface: InterfaceId, source: Ipv4Addr, refusal: Refusal) {
        *self.refused.entry((interface, refusal)).or_default() += 1;
        if refusal.is_ordinary() || self.logged.len() >= LOGGED_MAX {
            return;
        }
        if self.logged.insert((interface, source, refusal)) {
            let name = self.interfaces.get(&interface).map(|known| known.settings.name.clone());
            let name = name.unwrap_or_default();
            let text = alloc::format!("a packet from {source} on {name} is refused: {refusal}");
            self.log(Level::Warning, text);
        }
    }
}

/// Whether neighbours stay when an interface's settings change.
fn keeps_neighbors(old: &InterfaceSettings, new: &InterfaceSettings) -> bool {
    let InterfaceSettings { area, network, address, is_passive, neighbors, .. } = old;
    (*area, *network, *address, *is_passive) == (new.area, new.network, new.address, new.is_passive)
        && *neighbors == new.neighbors
}
