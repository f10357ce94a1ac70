//! What follows from the events of interfaces and neighbours (RFC 2328 sections 9.3 and 10.3).

use alloc::format;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use engine::Level;

use crate::election::{Candidate, Elected, elect};
use crate::instance::{Ospf, Timer};
use crate::interface::{self, InterfaceEvent, InterfaceState, InterfaceStep};
use crate::neighbor::{self, Circumstances, NeighborEvent, NeighborId, NeighborState};
use crate::output::{Event, Output};
use crate::settings::{InterfaceId, NetworkType};

impl Ospf {
    pub(crate) fn interface_event(&mut self, id: InterfaceId, event: InterfaceEvent) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let (network, priority) = (interface.settings.network, interface.settings.priority);
        match interface::after(interface.state, event, network, priority) {
            InterfaceStep::Stay => {}
            InterfaceStep::Begin(state) => self.begin(id, state),
            InterfaceStep::Elect => self.hold_election(id),
            InterfaceStep::End => self.end(id),
        }
    }

    fn begin(&mut self, id: InterfaceId, state: InterfaceState) {
        let now = self.now;
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let is_passive = interface.settings.is_passive;
        // Nobody is listened to where nobody is spoken to.
        let state = if is_passive && state == InterfaceState::Waiting {
            InterfaceState::DrOther
        } else {
            state
        };
        let wait = interface.settings.dead_interval;
        interface.state = state;
        let called = interface.settings.neighbors.clone();
        if !is_passive {
            self.timers.set(Timer::Hello(id), now);
            if state == InterfaceState::Waiting {
                self.timers.set(Timer::Wait(id), now + wait);
            }
            for address in called {
                self.call(id, address);
            }
        }
        self.interface_changes(id);
    }

    fn end(&mut self, id: InterfaceId) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let keys: Vec<Ipv4Addr> = interface.neighbors.keys().copied().collect();
        for key in keys {
            let neighbor = NeighborId { interface: id, key };
            self.help_no_longer(neighbor, "its network is down");
            self.neighbor_event(neighbor, NeighborEvent::Gone);
        }
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let heard_designated = interface.has_role();
        interface.state = InterfaceState::Down;
        interface.elected = Elected::NOBODY;
        interface.neighbors.clear();
        interface.acknowledgments.clear();
        interface.updates.clear();
        interface.lsdb = crate::lsdb::Lsdb::default();
        let of_it = |timer: &Timer| match timer {
            Timer::Hello(of) | Timer::Wait(of) | Timer::Acknowledge(of) => *of == id,
            Timer::Inactivity(of)
            | Timer::Describe(of)
            | Timer::Request(of)
            | Timer::Update(of)
            | Timer::Help(of) => of.interface == id,
            Timer::Age(scope, _) => *scope == crate::scope::Scope::Link(id),
            Timer::Originate(_) | Timer::Sweep | Timer::Compute | Timer::Start | Timer::Restart => {
                false
            }
        };
        self.timers.retain(|timer| !of_it(timer));
        self.max_aged.retain(|(scope, _)| *scope != crate::scope::Scope::Link(id));
        if heard_designated {
            self.outputs.push_back(Output::Event(Event::HearDesignated(id, false)));
        }
        self.interface_changes(id);
    }

    /// RFC 2328 section 9.4.
    fn hold_election(&mut self, id: InterfaceId) {
        let router_id = self.settings.router_id;
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let own = Candidate {
            router_id,
            address: interface.address(),
            priority: interface.settings.priority,
            designated: interface.elected.designated,
            backup: interface.elected.backup,
        };
        let elected = elect(own, &interface.candidates());
        let state = if elected.designated == own.address {
            InterfaceState::Dr
        } else if elected.backup == own.address {
            InterfaceState::Backup
        } else {
            InterfaceState::DrOther
        };
        let (before, had_role) = ((interface.elected, interface.state), interface.has_role());
        (interface.elected, interface.state) = (elected, state);
        let has_role = interface.has_role();
        self.timers.cancel(Timer::Wait(id));
        if before == (elected, state) {
            return;
        }
        if had_role != has_role {
            self.outputs.push_back(Output::Event(Event::HearDesignated(id, has_role)));
        }
        let Some(interface) = self.interfaces.get(&id) else { return };
        let heard = |neighbor: &neighbor::Neighbor| neighbor.state >= NeighborState::TwoWay;
        let all = interface.neighbors.iter().filter(|(_, neighbor)| heard(neighbor));
        let keys: Vec<Ipv4Addr> = all.map(|(key, _)| *key).collect();
        for key in keys {
            self.neighbor_event(NeighborId { interface: id, key }, NeighborEvent::AdjOk);
        }
        self.interface_changes(id);
    }

    /// An event of a neighbour, with all that follows from the change of its state.
    pub(crate) fn neighbor_event(&mut self, id: NeighborId, event: NeighborEvent) {
        let Some(interface) = self.interfaces.get(&id.interface) else { return };
        let Some(known) = interface.neighbors.get(&id.key) else { return };
        let circumstances = Circumstances {
            wants_adjacency: interface.wants_adjacency(known),
            has_requests: !known.requests.is_empty(),
        };
        let before = known.state;
        if event == NeighborEvent::HelloReceived {
            let dead = interface.settings.dead_interval;
            self.timers.set(Timer::Inactivity(id), self.now + dead);
        }
        if event == NeighborEvent::Gone && self.is_helped(id) {
            return;
        }
        let Some(state) = neighbor::after(before, event, circumstances) else { return };
        self.change_neighbor(id, state);
        if state == NeighborState::Down {
            self.forget(id);
        }
        if (before >= NeighborState::TwoWay) != (state >= NeighborState::TwoWay) {
            self.interface_event(id.interface, InterfaceEvent::NeighborChange);
        }
    }

    fn change_neighbor(&mut self, id: NeighborId, state: NeighborState) {
        let now = self.now;
        let Some(neighbor) = self.neighbor_mut(id) else { return };
        let before = neighbor.state;
        (neighbor.state, neighbor.since) = (state, now);
        if before >= NeighborState::ExStart && state <= NeighborState::ExStart {
            self.clear_exchange(id);
        }
        match state {
            NeighborState::ExStart => self.begin_exchange(id),
            NeighborState::Exchange => self.summarise(id),
            NeighborState::Loading => self.ask(id),
            _ => {}
        }
        if (before == NeighborState::Full) != (state == NeighborState::Full) {
            self.tell_of_adjacency(id, state);
            self.interface_changes(id.interface);
        }
        let was_heard = before >= NeighborState::TwoWay;
        if was_heard != (state >= NeighborState::TwoWay) {
            self.watch(id, !was_heard);
        }
    }

    fn tell_of_adjacency(&mut self, id: NeighborId, state: NeighborState) {
        let Some(interface) = self.interfaces.get(&id.interface) else { return };
        let Some(neighbor) = interface.neighbors.get(&id.key) else { return };
        let (router, address) = (neighbor.router_id, neighbor.address);
        // What is refused from now on is news.
        self.logged.retain(|(of, from, _)| (*of, *from) != (id.interface, address));
        let name = &interface.settings.name;
        let text = if state == NeighborState::Full {
            format!("OSPF neighbour {router} ({address} on {name}) is full")
        } else {
            format!("OSPF neighbour {router} ({address} on {name}) is lost: {state:?}")
        };
        self.log(Level::Info, text);
    }

    /// Forgets a neighbour, unless it is one that is called.
    fn forget(&mut self, id: NeighborId) {
        let Some(interface) = self.interfaces.get_mut(&id.interface) else { return };
        interface.neighbors.remove(&id.key);
        let is_called = interface.settings.neighbors.contains(&id.key);
        for timer in [Timer::Inactivity(id), Timer::Help(id)] {
            self.timers.cancel(timer);
        }
        if is_called {
            self.call(id.interface, id.key);
        }
    }

    /// Makes a neighbour of an address that is configured.
    fn call(&mut self, interface: InterfaceId, address: Ipv4Addr) {
        let now = self.now;
        let Some(known) = self.interfaces.get_mut(&interface) else { return };
        if known.settings.network == NetworkType::PointToPoint {
            return;
        }
        let new = || neighbor::Neighbor::new(Ipv4Addr::UNSPECIFIED, address, now);
        known.neighbors.entry(address).or_insert_with(new);
        self.neighbor_event(NeighborId { interface, key: address }, NeighborEvent::Start);
    }
}
