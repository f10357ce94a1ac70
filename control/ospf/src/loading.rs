//! What a neighbour has newer is fetched, and what it asks for is sent (RFC 2328 sections 10.7 and
//! 10.9).

use alloc::vec::Vec;

use crate::instance::{Ospf, Timer};
use crate::msg::{Body, LsaKey};
use crate::neighbor::{NeighborEvent, NeighborId, NeighborState};
use crate::refusal::Refusal;
use crate::scope::Scope;

impl Ospf {
    /// Asks for what is still to come, or is done with it.
    pub(crate) fn ask(&mut self, id: NeighborId) {
        let Some(room) = self.room(id.interface) else { return };
        let again = self.interfaces.get(&id.interface);
        let again = again.map(|interface| interface.settings.retransmit_interval);
        let Some(neighbor) = self.neighbor_mut(id) else { return };
        let is_fetching =
            matches!(neighbor.state, NeighborState::Exchange | NeighborState::Loading);
        if !is_fetching {
            return;
        }
        if neighbor.requests.is_empty() {
            neighbor.asked = 0;
            self.timers.cancel(Timer::Request(id));
            self.neighbor_event(id, NeighborEvent::LoadingDone);
            return;
        }
        let keys: Vec<LsaKey> = neighbor.requests.keys().take(room.requested()).copied().collect();
        neighbor.asked = keys.len();
        let address = neighbor.address;
        let address = self.address_to(id, address);
        self.transmit(id.interface, address, Body::LinkStateRequest(keys));
        self.timers.set(Timer::Request(id), self.now + again.unwrap_or_default());
    }

    /// Asks, if nothing is being waited for.
    pub(crate) fn ask_if_idle(&mut self, id: NeighborId) {
        let Some(neighbor) = self.neighbor(id) else { return };
        let is_idle = neighbor.asked == 0;
        if is_idle && (!neighbor.requests.is_empty() || neighbor.state == NeighborState::Loading) {
            self.ask(id);
        }
    }

    /// What was asked for has come, from the neighbour or another one.
    pub(crate) fn fetched(&mut self, id: NeighborId, key: &LsaKey) {
        if let Some(neighbor) = self.neighbor_mut(id)
            && neighbor.requests.remove(key).is_some()
        {
            neighbor.asked = neighbor.asked.saturating_sub(1);
        }
    }

    pub(crate) fn request_received(
        &mut self,
        id: NeighborId,
        keys: &[LsaKey],
    ) -> Result<(), Refusal> {
        let neighbor = self.neighbor(id).ok_or(Refusal::NoAdjacency)?;
        if neighbor.state < NeighborState::Exchange {
            return Err(Refusal::NoAdjacency);
        }
        let destination = self.address_to(id, neighbor.address);
        let (interface, _) = self.area_of(id.interface).ok_or(Refusal::NotHeard)?;
        let area = interface.settings.area;
        let mut found = Vec::new();
        for key in keys {
            let scope = Scope::of(key.kind, id.interface, area);
            let has =
                |scope: &Scope| self.lsdb(*scope).is_some_and(|lsdb| lsdb.find(key).is_some());
            match scope.filter(has) {
                Some(scope) => found.push((scope, *key)),
                None => {
                    self.neighbor_event(id, NeighborEvent::Restart);
                    return Err(Refusal::Request);
                }
            }
        }
        if let Some(interface) = self.interfaces.get_mut(&id.interface) {
            interface.updates.entry(destination).or_default().extend(found);
        }
        Ok(())
    }
}
