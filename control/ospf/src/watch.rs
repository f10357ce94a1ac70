//! Paths to neighbours that something faster than hellos watches, as BFD does (RFC 5882).
//!
//! A neighbour is watched while it and we hear each other, and gone as soon as its path fails.
//! Nothing else hangs on it: a path that nobody could ever watch is used all the same, since the
//! neighbour may not speak BFD.

use alloc::format;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use engine::{Instant, Level, UnixTime};

use crate::instance::Ospf;
use crate::neighbor::{NeighborEvent, NeighborId, NeighborState};
use crate::output::{Event, Output};
use crate::settings::InterfaceId;

impl Ospf {
    /// A path that was watched has failed: it is as if the neighbour had been silent for the dead
    /// interval (RFC 5882 section 4.3), and routes do without it within milliseconds.
    pub fn path_failed(
        &mut self,
        now: Instant,
        wall: UnixTime,
        interface: InterfaceId,
        address: Ipv4Addr,
    ) {
        self.tick(now, wall);
        let key = self.interfaces.get(&interface).and_then(|interface| {
            let mut all = interface.neighbors.iter();
            all.find(|(_, neighbor)| neighbor.address == address).map(|(key, _)| *key)
        });
        if let Some(key) = key {
            let id = NeighborId { interface, key };
            if self.is_helped(id) {
                // RFC 5882 section 4.3.2.2: our BFD ends with the control plane, so that its
                // failure may well be the restart itself, which the neighbour has told of.
                let text = format!("OSPF neighbour {address} restarts and is kept without BFD");
                self.log(Level::Info, text);
            } else {
                self.neighbor_event(id, NeighborEvent::Gone);
                self.routes_change_at_once();
            }
        }
        self.settle();
    }

    /// A neighbour is to be watched from now on, or no longer.
    pub(crate) fn watch(&mut self, id: NeighborId, watch: bool) {
        let Some(interface) = self.interfaces.get(&id.interface) else { return };
        let Some(neighbor) = interface.neighbors.get(&id.key) else { return };
        if interface.settings.bfd {
            self.tell_watch(id.interface, neighbor.address, watch);
        }
    }

    /// A neighbour has another address than before.
    pub(crate) fn watch_elsewhere(&mut self, id: NeighborId, before: Ipv4Addr) {
        let is_heard =
            self.neighbor(id).is_some_and(|neighbor| neighbor.state >= NeighborState::TwoWay);
        let is_watched = self.interfaces.get(&id.interface).is_some_and(|known| known.settings.bfd);
        if is_heard && is_watched {
            self.tell_watch(id.interface, before, false);
            self.watch(id, true);
        }
    }

    /// Neighbours of an interface are watched from now on, or no longer.
    pub(crate) fn watch_all(&mut self, id: InterfaceId, watch: bool) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let heard = interface.neighbors.values();
        let heard = heard.filter(|neighbor| neighbor.state >= NeighborState::TwoWay);
        let addresses: Vec<Ipv4Addr> = heard.map(|neighbor| neighbor.address).collect();
        addresses.into_iter().for_each(|address| self.tell_watch(id, address, watch));
    }

    fn tell_watch(&mut self, interface: InterfaceId, address: Ipv4Addr, watch: bool) {
        let event = Event::Watch { interface, address, watch };
        self.outputs.push_back(Output::Event(event));
    }
}
