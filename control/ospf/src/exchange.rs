//! Each side tells what it has (RFC 2328 sections 10.6 and 10.8).

use core::cmp::Ordering;

use crate::instance::{Ospf, Timer};
use crate::msg::{
    Body, DatabaseDescription, LsaHeader, LsaType, MAX_SEQUENCE, Options, compare_recency,
};
use crate::neighbor::{NeighborEvent, NeighborId, NeighborState};
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::settings::{InterfaceId, NetworkType};

/// Most LSAs that are asked of one neighbour: what it describes is not believed without end.
const REQUESTS_MAX: usize = 1 << 18;

impl Ospf {
    /// Forgets an exchange, and what is being sent to the neighbour.
    pub(crate) fn clear_exchange(&mut self, id: NeighborId) {
        for timer in [Timer::Describe(id), Timer::Request(id), Timer::Update(id)] {
            self.timers.cancel(timer);
        }
        let Some(neighbor) = self.neighbor_mut(id) else { return };
        neighbor.summary.clear();
        neighbor.requests.clear();
        neighbor.asked = 0;
        neighbor.last_heard = None;
        neighbor.last_said = None;
        let waiting = core::mem::take(&mut neighbor.retransmit);
        for ((scope, key), _) in waiting {
            self.acknowledged(scope, &key);
        }
    }

    /// Both may lead; the router with the larger ID will.
    pub(crate) fn begin_exchange(&mut self, id: NeighborId) {
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes);
        let Some(neighbor) = self.neighbor_mut(id) else { return };
        neighbor.dd_sequence = match neighbor.dd_sequence {
            // Not the largest numbers: there are as many to come as there are packets.
            0 => u32::from_be_bytes(bytes) >> 2,
            before => before.wrapping_add(1),
        };
        neighbor.leads = true;
        self.describe(id, true);
    }

    /// Makes the list of what is to be described.
    pub(crate) fn summarise(&mut self, id: NeighborId) {
        let now = self.now;
        let Some((interface, area)) = self.area_of(id.interface) else { return };
        let Some(neighbor) = interface.neighbors.get(&id.key) else { return };
        let takes_opaque = neighbor.options.contains(Options::O);
        let of_as = area.settings.kind.takes_externals().then_some(&self.as_lsdb);
        let scopes = [
            (Scope::Link(id.interface), Some(&interface.lsdb)),
            (Scope::Area(interface.settings.area), Some(&area.lsdb)),
            (Scope::As, of_as),
        ];
        let (mut described, mut too_old) =
            (alloc::collections::VecDeque::new(), alloc::vec::Vec::new());
        for (scope, lsdb) in scopes {
            for (key, entry) in lsdb.into_iter().flat_map(|lsdb| lsdb.iter()) {
                if key.kind.is_opaque() && !takes_opaque {
                    continue;
                }
                // RFC 2328 10.3, NegotiationDone: what is too old is sent, not described.
                if entry.is_max_aged(now) {
                    too_old.push((scope, *key, entry.header(now)));
                } else {
                    described.push_back(entry.header(now));
                }
            }
        }
        for (scope, key, header) in too_old {
            self.owe(id, scope, key, header);
        }
        if let Some(neighbor) = self.neighbor_mut(id) {
            neighbor.summary = described;
        }
    }

    /// Describes the next part: the leader when it has an answer to the last one, the other as an
    /// answer.
    fn describe(&mut self, id: NeighborId, initial: bool) {
        let Some(room) = self.room(id.interface) else { return };
        let Some((interface, area)) = self.area_of(id.interface) else { return };
        let mtu = interface.settings.mtu;
        let options = area.options() | Options::O;
        let again = interface.settings.retransmit_interval;
        let Some(neighbor) = self.neighbor_mut(id) else { return };
        let count = if initial { 0 } else { room.described().min(neighbor.summary.len()) };
        let headers = neighbor.summary.drain(..count).collect();
        let said = DatabaseDescription {
            mtu,
            options,
            initial,
            more: initial || !neighbor.summary.is_empty(),
            master: neighbor.leads,
            sequence: neighbor.dd_sequence,
            headers,
        };
        neighbor.last_said = Some(said);
        let leads = neighbor.leads;
        self.say_description(id);
        if leads {
            self.timers.set(Timer::Describe(id), self.now + again);
        }
    }

    fn say_description(&mut self, id: NeighborId) {
        let Some(interface) = self.interfaces.get(&id.interface) else { return };
        let Some(neighbor) = interface.neighbors.get(&id.key) else { return };
        let Some(mut said) = neighbor.last_said.clone() else { return };
        // What is said again is said of the interface as it is now: a neighbour that has refused
        // the MTU would do so for ever.
        said.mtu = interface.settings.mtu;
        let address = self.address_to(id, neighbor.address);
        self.transmit(id.interface, address, Body::DatabaseDescription(said));
    }

    /// The MTU is another than was said: neighbours that have not agreed to it hear of it now.
    pub(crate) fn mtu_changes(&mut self, interface: InterfaceId) {
        let Some(known) = self.interfaces.get(&interface) else { return };
        let starting = known.neighbors.iter();
        let starting = starting.filter(|(_, neighbor)| neighbor.state == NeighborState::ExStart);
        let ids: alloc::vec::Vec<NeighborId> =
            starting.map(|(key, _)| NeighborId { interface, key: *key }).collect();
        ids.into_iter().for_each(|id| self.describe_again(id));
    }

    /// A description of ours was not answered.
    pub(crate) fn describe_again(&mut self, id: NeighborId) {
        let Some(neighbor) = self.neighbor(id) else { return };
        let is_waited_for = match neighbor.state {
            NeighborState::ExStart => true,
            NeighborState::Exchange => neighbor.leads,
            _ => false,
        };
        if is_waited_for {
            self.say_description(id);
            let again = self.interfaces.get(&id.interface);
            let again = again.map(|interface| interface.settings.retransmit_interval);
            self.timers.set(Timer::Describe(id), self.now + again.unwrap_or_default());
        } else if let Some(neighbor) = self.neighbor_mut(id) {
            // RFC 2328 10.8: the last word of the one who follows was kept for long enough. To be
            // asked for it after that is a mistake.
            (neighbor.last_said, neighbor.last_heard) = (None, None);
        }
    }

    /// Where packets for one neighbour go: on a point-to-point network, all do as hellos do.
    pub(crate) fn address_to(
        &self,
        id: NeighborId,
        address: core::net::Ipv4Addr,
    ) -> core::net::Ipv4Addr {
        let network = self.interfaces.get(&id.interface).map(|known| known.settings.network);
        if network == Some(NetworkType::PointToPoint) {
            crate::interface::ALL_SPF_ROUTERS
        } else {
            address
        }
    }

    pub(crate) fn description_received(
        &mut self,
        id: NeighborId,
        said: DatabaseDescription,
    ) -> Result<(), Refusal> {
        let interface = self.interfaces.get(&id.interface).ok_or(Refusal::NotHeard)?;
        if said.mtu > interface.settings.mtu && !interface.settings.mtu_ignore {
            return Err(Refusal::Mtu);
        }
        // RFC 2328 10.6: a neighbour that hears us begins without our having seen its hello.
        if self.neighbor(id).is_some_and(|neighbor| neighbor.state == NeighborState::Init) {
            self.neighbor_event(id, NeighborEvent::TwoWayReceived);
        }
        let neighbor = self.neighbor(id).ok_or(Refusal::NoAdjacency)?;
        match neighbor.state {
            NeighborState::ExStart => self.negotiate(id, said),
            NeighborState::Exchange => self.exchange(id, said),
            NeighborState::Loading | NeighborState::Full => self.described_late(id, &said),
            _ => Err(Refusal::NoAdjacency),
        }
    }

    /// Who leads.
    fn negotiate(&mut self, id: NeighborId, said: DatabaseDescription) -> Result<(), Refusal> {
        let own = self.settings.router_id;
        let neighbor = self.neighbor_mut(id).ok_or(Refusal::NoAdjacency)?;
        let begins = said.initial && said.more && said.master && said.headers.is_empty();
        if begins && neighbor.router_id > own {
            neighbor.leads = false;
            neighbor.dd_sequence = said.sequence;
        } else if !said.initial
            && !said.master
            && said.sequence == neighbor.dd_sequence
            && neighbor.router_id < own
        {
            neighbor.leads = true;
        } else {
            // Both begin, and it is to follow: our own beginning will tell it.
            return if begins { Ok(()) } else { Err(Refusal::Description) };
        }
        neighbor.options = said.options;
        self.timers.cancel(Timer::Describe(id));
        self.neighbor_event(id, NeighborEvent::NegotiationDone);
        self.take_in(id, said)
    }

    fn exchange(&mut self, id: NeighborId, said: DatabaseDescription) -> Result<(), Refusal> {
        let neighbor = self.neighbor_mut(id).ok_or(Refusal::NoAdjacency)?;
        if is_repeated(neighbor.last_heard.as_ref(), &said) {
            if !neighbor.leads {
                self.say_description(id);
            }
            return Ok(());
        }
        let expected = if neighbor.leads {
            neighbor.dd_sequence
        } else {
            neighbor.dd_sequence.wrapping_add(1)
        };
        let is_wrong = said.master == neighbor.leads
            || said.initial
            || said.options != neighbor.options
            || said.sequence != expected;
        if is_wrong {
            self.neighbor_event(id, NeighborEvent::Restart);
            return Err(Refusal::Description);
        }
        self.take_in(id, said)
    }

    /// All has been described: what comes now can only be what came last.
    fn described_late(
        &mut self,
        id: NeighborId,
        said: &DatabaseDescription,
    ) -> Result<(), Refusal> {
        let neighbor = self.neighbor(id).ok_or(Refusal::NoAdjacency)?;
        if is_repeated(neighbor.last_heard.as_ref(), said) {
            if !neighbor.leads {
                self.say_description(id);
            }
            return Ok(());
        }
        self.neighbor_event(id, NeighborEvent::Restart);
        Err(Refusal::Description)
    }

    /// Takes in a part of the neighbour's description, and goes on.
    fn take_in(&mut self, id: NeighborId, said: DatabaseDescription) -> Result<(), Refusal> {
        for header in &said.headers {
            if let Err(refusal) = self.described(id, header) {
                self.neighbor_event(id, NeighborEvent::Restart);
                return Err(refusal);
            }
        }
        let more = said.more;
        let Some(neighbor) = self.neighbor_mut(id) else { return Ok(()) };
        let sequence = said.sequence;
        neighbor.last_heard = Some(DatabaseDescription { headers: alloc::vec::Vec::new(), ..said });
        if neighbor.leads {
            let has_more = neighbor.last_said.as_ref().is_some_and(|last| last.more);
            let is_done = !has_more && !more;
            neighbor.dd_sequence = neighbor.dd_sequence.wrapping_add(1);
            if is_done {
                self.timers.cancel(Timer::Describe(id));
                self.neighbor_event(id, NeighborEvent::ExchangeDone);
                return Ok(());
            }
            self.describe(id, false);
        } else {
            neighbor.dd_sequence = sequence;
            self.describe(id, false);
            let has_more = self.neighbor(id).and_then(|known| known.last_said.as_ref());
            if !more && has_more.is_some_and(|last| !last.more) {
                // RFC 2328 10.8: the last answer may be lost, and is kept for that long.
                let kept = self.interfaces.get(&id.interface);
                let kept = kept.map(|known| known.settings.dead_interval).unwrap_or_default();
                self.timers.set(Timer::Describe(id), self.now + kept);
                self.neighbor_event(id, NeighborEvent::ExchangeDone);
            }
        }
        // Fetching need not wait for the end of the exchange.
        self.ask_if_idle(id);
        Ok(())
    }

    /// An LSA that the neighbour has.
    fn described(&mut self, id: NeighborId, header: &LsaHeader) -> Result<(), Refusal> {
        let now = self.now;
        let (interface, area) = self.area_of(id.interface).ok_or(Refusal::NotHeard)?;
        let kind = header.kind;
        let scope = Scope::of(kind, id.interface, interface.settings.area);
        let scope = scope.ok_or(Refusal::LsaMalformed)?;
        if is_kept_out(kind, area.settings.kind) {
            return Err(Refusal::LsaArea);
        }
        let entry = self.lsdb(scope).and_then(|lsdb| lsdb.find(&header.key()));
        let is_newer = entry
            .is_none_or(|entry| compare_recency(header, &entry.header(now)) == Ordering::Greater);
        let Some(neighbor) = self.neighbor_mut(id) else { return Ok(()) };
        if is_newer {
            if neighbor.requests.len() >= REQUESTS_MAX {
                return Err(Refusal::DatabaseFull);
            }
            neighbor.requests.insert(header.key(), *header);
        }
        Ok(())
    }
}

/// Whether an area of this kind does not have such LSAs (RFC 2328 section 3.6, RFC 3101).
pub(crate) fn is_kept_out(kind: LsaType, area: crate::settings::AreaKind) -> bool {
    kind.is_as_wide() && !area.takes_externals() || kind == LsaType::NSSA && !area.is_nssa()
}

/// RFC 2328 10.6: the same flags, options and sequence number make it the same packet.
fn is_repeated(last: Option<&DatabaseDescription>, said: &DatabaseDescription) -> bool {
    last.is_some_and(|last| {
        (last.initial, last.more, last.master, last.options, last.sequence)
            == (said.initial, said.more, said.master, said.options, said.sequence)
    })
}

/// Whether an LSA's sequence number has no successor.
pub(crate) const fn is_last(sequence: i32) -> bool {
    sequence == MAX_SEQUENCE
}
