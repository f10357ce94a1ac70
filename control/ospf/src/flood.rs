//! LSAs on their way through the area and the autonomous system (RFC 2328 section 13).

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::net::Ipv4Addr;
use core::time::Duration;

use engine::Instant;

use crate::exchange::{is_kept_out, is_last};
use crate::instance::{Ospf, Timer};
use crate::interface::InterfaceState;
use crate::lsdb::Entry;
use crate::msg::{
    Body, Lsa, LsaBody, LsaHeader, LsaKey, LsaType, MAX_AGE, Options, compare_recency,
};
use crate::neighbor::{NeighborEvent, NeighborId, NeighborState};
use crate::originate::REFRESH;
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::settings::InterfaceId;

/// How soon after an instance the next one is taken (RFC 2328 appendix B).
const MIN_LS_ARRIVAL: Duration = Duration::from_secs(1);
/// How long acknowledgments wait for company: less than any interval of repetition.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_millis(500);
/// How often LSAs that are over are looked for.
pub(crate) const SWEEP_EVERY: Duration = Duration::from_millis(100);
/// Most packets of updates that are repeated to one neighbour at a time (RFC 4222).
const REPEATED_MAX: usize = 32;

impl Ospf {
    pub(crate) fn update_received(
        &mut self,
        id: NeighborId,
        lsas: Vec<Lsa>,
    ) -> Result<(), Refusal> {
        let neighbor = self.neighbor(id).ok_or(Refusal::NoAdjacency)?;
        if neighbor.state < NeighborState::Exchange {
            return Err(Refusal::NoAdjacency);
        }
        let mut direct = Vec::new();
        let mut outcome = Ok(());
        for lsa in lsas {
            match self.lsa_received(id, lsa, &mut direct) {
                // RFC 2328 13 (6): the rest of the packet is not looked at.
                Err(Refusal::Request) => {
                    self.neighbor_event(id, NeighborEvent::Restart);
                    outcome = Err(Refusal::Request);
                    break;
                }
                taken => outcome = outcome.and(taken),
            }
        }
        self.acknowledge_directly(id, &direct);
        self.ask_if_idle(id);
        outcome
    }

    fn lsa_received(
        &mut self,
        id: NeighborId,
        lsa: Lsa,
        direct: &mut Vec<LsaHeader>,
    ) -> Result<(), Refusal> {
        if !lsa.checksum_ok() {
            return Err(Refusal::LsaChecksum);
        }
        let (interface, area) = self.area_of(id.interface).ok_or(Refusal::NotHeard)?;
        let header = *lsa.header();
        let scope = Scope::of(header.kind, id.interface, interface.settings.area);
        let scope = scope.ok_or(Refusal::LsaMalformed)?;
        if is_kept_out(header.kind, area.settings.kind) {
            return Err(Refusal::LsaArea);
        }
        let body = lsa.body().map_err(|_| Refusal::LsaMalformed)?;
        if header.kind == LsaType::ROUTER && header.id != header.advertising_router {
            return Err(Refusal::LsaMalformed);
        }
        let (key, now) = (header.key(), self.now);
        let lsdb = self.lsdb(scope).ok_or(Refusal::NotHeard)?;
        let known =
            lsdb.find(&key).map(|entry| (entry.header(now), entry.installed, entry.was_flooded));
        if known.is_none() && header.is_max_age() && !self.is_exchanging() {
            direct.push(header);
            return Ok(());
        }
        if !lsdb.has_room_for(&lsa) {
            return Err(Refusal::DatabaseFull);
        }
        let age = known.map_or(Ordering::Greater, |(ours, ..)| compare_recency(&header, &ours));
        match (age, known) {
            (Ordering::Greater, known) => {
                let too_soon = |(_, at, was_flooded): (LsaHeader, Instant, bool)| {
                    was_flooded && now.since(at) < MIN_LS_ARRIVAL
                };
                if known.is_some_and(too_soon) {
                    return Ok(());
                }
                self.newer_received(id, scope, lsa, body);
                Ok(())
            }
            _ if self.neighbor(id).is_some_and(|known| known.requests.contains_key(&key)) => {
                Err(Refusal::Request)
            }
            (Ordering::Equal, _) => {
                self.same_received(id, scope, header, direct);
                Ok(())
            }
            (Ordering::Less, Some((ours, ..))) => {
                // RFC 2328 13 (8): one that is being flushed at the end of its numbers is left.
                if !(ours.is_max_age() && is_last(ours.sequence)) {
                    let address = self.neighbor(id).map(|neighbor| neighbor.address);
                    let address = address.map(|address| self.address_to(id, address));
                    self.queue(id.interface, address.unwrap_or(Ipv4Addr::UNSPECIFIED), scope, key);
                }
                Ok(())
            }
            (Ordering::Less, None) => Ok(()),
        }
    }

    /// RFC 2328 section 13 (5).
    fn newer_received(&mut self, id: NeighborId, scope: Scope, lsa: Lsa, body: LsaBody) {
        let header = *lsa.header();
        self.install(scope, lsa, body, true);
        let came_back = self.flood(scope, &header.key(), Some(id));
        let Some(interface) = self.interfaces.get(&id.interface) else { return };
        let from_designated = self
            .neighbor(id)
            .is_some_and(|neighbor| neighbor.address == interface.elected.designated);
        // Section 13.5, table 19.
        let acknowledges =
            !came_back && (interface.state != InterfaceState::Backup || from_designated);
        if acknowledges {
            self.acknowledge_later(id.interface, header);
        }
        if self.is_own(&header.key()) {
            self.reclaim(scope, header.key());
        }
    }

    /// RFC 2328 section 13 (7).
    fn same_received(
        &mut self,
        id: NeighborId,
        scope: Scope,
        header: LsaHeader,
        direct: &mut Vec<LsaHeader>,
    ) {
        let key = header.key();
        let Some(neighbor) = self.neighbor_mut(id) else { return };
        let address = neighbor.address;
        if neighbor.retransmit.remove(&(scope, key)).is_none() {
            direct.push(header);
            return;
        }
        self.acknowledged(scope, &key);
        let Some(interface) = self.interfaces.get(&id.interface) else { return };
        let from_designated = address == interface.elected.designated;
        if interface.state == InterfaceState::Backup && from_designated {
            self.acknowledge_later(id.interface, header);
        }
    }

    /// Puts an LSA into the database, and has computed again what depends on it.
    pub(crate) fn install(&mut self, scope: Scope, lsa: Lsa, body: LsaBody, was_flooded: bool) {
        let now = self.now;
        let header = *lsa.header();
        let key = header.key();
        self.not_waited_for(scope, &key);
        let is_own = self.is_own(&key);
        let Some(lsdb) = self.lsdb_mut(scope) else { return };
        let originated = match was_flooded {
            true => lsdb.find(&key).and_then(|before| before.originated),
            false => Some(now),
        };
        let entry = Entry {
            lsa,
            body,
            installed: now,
            was_flooded,
            unacknowledged: 0,
            rested: false,
            originated,
        };
        let is_gone = header.is_max_age();
        let before = lsdb.install(entry);
        let is_same = before.is_some_and(|old| {
            let now_there = lsdb.find(&key);
            old.is_max_aged(now) == is_gone
                && old.lsa.header().options == header.options
                && now_there.is_some_and(|new| new.lsa.body_bytes() == old.lsa.body_bytes())
        });
        if is_gone {
            self.timers.cancel(Timer::Age(scope, key));
            self.max_aged.insert((scope, key));
            self.timers.set_by(Timer::Sweep, now + SWEEP_EVERY);
        } else {
            self.max_aged.remove(&(scope, key));
            let left = Duration::from_secs(u64::from(MAX_AGE - header.age));
            let due = if is_own { REFRESH.min(left) } else { left };
            self.timers.set(Timer::Age(scope, key), now + due);
        }
        // Grace that is asked for in the same words is asked for anew.
        if !is_same || key.kind == LsaType::OPAQUE_LINK {
            self.content_changes(scope, &key);
        }
    }

    /// What an LSA said last is no longer what is waited for.
    fn not_waited_for(&mut self, scope: Scope, key: &LsaKey) {
        for interface in self.interfaces.values_mut() {
            for neighbor in interface.neighbors.values_mut() {
                neighbor.retransmit.remove(&(scope, *key));
            }
        }
    }

    /// Sends an LSA on (RFC 2328 section 13.3). Whether it goes back to where it came from.
    pub(crate) fn flood(&mut self, scope: Scope, key: &LsaKey, from: Option<NeighborId>) -> bool {
        let now = self.now;
        let Some(entry) = self.lsdb(scope).and_then(|lsdb| lsdb.find(key)) else { return false };
        let header = entry.header(now);
        let mut came_back = false;
        let ids: Vec<InterfaceId> = self.interfaces.keys().copied().collect();
        for id in ids {
            if !self.is_in(id, scope, key.kind) {
                continue;
            }
            let owed = self.owe_all(id, scope, &header, from);
            let Some(interface) = self.interfaces.get(&id) else { continue };
            let sender = from.filter(|from| from.interface == id);
            if owed.is_empty() {
                continue;
            }
            if let Some(sender) = sender.and_then(|sender| interface.neighbors.get(&sender.key)) {
                let elected = interface.elected;
                let heard_by_all = [elected.designated, elected.backup].contains(&sender.address);
                let has_designated = interface.settings.network.has_designated();
                if has_designated && (heard_by_all || interface.state == InterfaceState::Backup) {
                    continue;
                }
                // Where each neighbour gets its own, the sender gets none, and an acknowledgment.
                came_back = interface.flooding_destination().is_some();
            }
            let destinations = match interface.flooding_destination() {
                Some(group) => alloc::vec![group],
                None => owed,
            };
            for destination in destinations {
                self.queue(id, destination, scope, *key);
            }
        }
        came_back
    }

    /// Notes for the neighbours of an interface that they are to have an LSA. The addresses of
    /// those that are to be sent it.
    fn owe_all(
        &mut self,
        id: InterfaceId,
        scope: Scope,
        header: &LsaHeader,
        from: Option<NeighborId>,
    ) -> Vec<Ipv4Addr> {
        let key = header.key();
        let Some(interface) = self.interfaces.get(&id) else { return Vec::new() };
        let of = interface.neighbors.iter().filter(|(_, neighbor)| neighbor.is_flooded_to());
        let takes = |neighbor: &crate::neighbor::Neighbor| {
            !key.kind.is_opaque() || neighbor.options.contains(Options::O)
        };
        let keys: Vec<Ipv4Addr> =
            of.filter(|(_, neighbor)| takes(neighbor)).map(|(key, _)| *key).collect();
        let mut owed = Vec::new();
        for neighbor_key in keys {
            let to = NeighborId { interface: id, key: neighbor_key };
            let Some(neighbor) = self.neighbor(to) else { continue };
            let address = neighbor.address;
            if let Some(wanted) = neighbor.requests.get(&key) {
                let age = compare_recency(header, wanted);
                if age != Ordering::Less {
                    self.fetched(to, &key);
                    self.ask_if_idle(to);
                }
                if age != Ordering::Greater {
                    continue;
                }
            }
            if from != Some(to) {
                self.owe(to, scope, key, *header);
                owed.push(address);
            }
        }
        owed
    }

    /// Notes that a neighbour is to have an LSA until it acknowledges it.
    pub(crate) fn owe(&mut self, to: NeighborId, scope: Scope, key: LsaKey, header: LsaHeader) {
        let again = self.interfaces.get(&to.interface);
        let again = again.map(|interface| interface.settings.retransmit_interval);
        let at = self.now + again.unwrap_or_default();
        let Some(neighbor) = self.neighbor_mut(to) else { return };
        if neighbor.retransmit.insert((scope, key), header).is_none()
            && let Some(entry) = self.lsdb_mut(scope).and_then(|lsdb| lsdb.find_mut(&key))
        {
            entry.unacknowledged += 1;
        }
        self.timers.set_by(Timer::Update(to), at);
    }

    /// One neighbour fewer that an LSA waits for.
    pub(crate) fn acknowledged(&mut self, scope: Scope, key: &LsaKey) {
        if let Some(entry) = self.lsdb_mut(scope).and_then(|lsdb| lsdb.find_mut(key)) {
            entry.unacknowledged = entry.unacknowledged.saturating_sub(1);
        }
    }

    /// Whether LSAs of a scope are flooded by an interface.
    pub(crate) fn is_in(&self, id: InterfaceId, scope: Scope, kind: LsaType) -> bool {
        let Some((interface, area)) = self.area_of(id) else { return false };
        interface.state != InterfaceState::Down
            && !interface.settings.is_passive
            && !is_kept_out(kind, area.settings.kind)
            && match scope {
                Scope::Link(of) => of == id,
                Scope::Area(of) => of == interface.settings.area,
                Scope::As => true,
            }
    }

    fn queue(&mut self, id: InterfaceId, destination: Ipv4Addr, scope: Scope, key: LsaKey) {
        if let Some(interface) = self.interfaces.get_mut(&id) {
            interface.updates.entry(destination).or_default().insert((scope, key));
        }
    }

    /// Sends what a turn has queued, as many LSAs in a packet as it holds.
    pub(crate) fn send_updates(&mut self) {
        let has = |interface: &&crate::interface::Interface| !interface.updates.is_empty();
        let ids: Vec<InterfaceId> =
            self.interfaces.values().filter(has).map(|interface| interface.id).collect();
        for id in ids {
            let Some(interface) = self.interfaces.get_mut(&id) else { continue };
            let queued = core::mem::take(&mut interface.updates);
            for (destination, keys) in queued {
                self.send_update(id, destination, keys.iter());
            }
        }
    }

    fn send_update<'a>(
        &mut self,
        id: InterfaceId,
        destination: Ipv4Addr,
        keys: impl Iterator<Item = &'a (Scope, LsaKey)>,
    ) {
        let now = self.now;
        let Some(room) = self.room(id) else { return };
        let Some(interface) = self.interfaces.get(&id) else { return };
        let delay = interface.settings.transmit_delay;
        let find = |(scope, key): &(Scope, LsaKey)| {
            let entry = self.lsdb(*scope)?.find(key)?;
            Some(entry.to_send(now, delay))
        };
        let lsas: Vec<Lsa> = keys.filter_map(find).collect();
        let mut rest = lsas.as_slice();
        while !rest.is_empty() {
            let count = room.updated(rest.iter().map(Lsa::len)).clamp(1, rest.len());
            let (part, behind) = rest.split_at(count);
            self.transmit(id, destination, Body::LinkStateUpdate(part.to_vec()));
            rest = behind;
        }
    }

    /// A neighbour has not acknowledged everything.
    pub(crate) fn update_again(&mut self, id: NeighborId) {
        let Some(room) = self.room(id.interface) else { return };
        let Some(interface) = self.interfaces.get(&id.interface) else { return };
        let again = interface.settings.retransmit_interval;
        let Some(neighbor) = interface.neighbors.get(&id.key) else { return };
        let address = neighbor.address;
        if neighbor.retransmit.is_empty() {
            return;
        }
        let owed: Vec<(Scope, LsaKey)> = neighbor.retransmit.keys().copied().collect();
        let mut at = 0;
        for _ in 0..REPEATED_MAX {
            let rest = owed.get(at..).unwrap_or_default();
            let lens = rest.iter().map(|(scope, key)| {
                let entry = self.lsdb(*scope).and_then(|lsdb| lsdb.find(key));
                entry.map_or(0, |entry| entry.lsa.len())
            });
            let count = room.updated(lens);
            if count == 0 {
                break;
            }
            let part = rest.get(..count).unwrap_or_default();
            self.send_update(id.interface, address, part.iter());
            at += count;
        }
        self.timers.set(Timer::Update(id), self.now + again);
    }

    pub(crate) fn acknowledgment_received(
        &mut self,
        id: NeighborId,
        headers: &[LsaHeader],
    ) -> Result<(), Refusal> {
        let (interface, _) = self.area_of(id.interface).ok_or(Refusal::NotHeard)?;
        let area = interface.settings.area;
        let neighbor = self.neighbor(id).ok_or(Refusal::NoAdjacency)?;
        if neighbor.state < NeighborState::Exchange {
            return Err(Refusal::NoAdjacency);
        }
        for header in headers {
            let Some(scope) = Scope::of(header.kind, id.interface, area) else { continue };
            let key = header.key();
            let Some(neighbor) = self.neighbor_mut(id) else { break };
            let owed = neighbor.retransmit.get(&(scope, key));
            if owed.is_some_and(|owed| compare_recency(header, owed) == Ordering::Equal) {
                neighbor.retransmit.remove(&(scope, key));
                self.acknowledged(scope, &key);
            }
        }
        if self.neighbor(id).is_some_and(|neighbor| neighbor.retransmit.is_empty()) {
            self.timers.cancel(Timer::Update(id));
        }
        Ok(())
    }

    fn acknowledge_later(&mut self, id: InterfaceId, header: LsaHeader) {
        if let Some(interface) = self.interfaces.get_mut(&id) {
            interface.acknowledgments.push(header);
            let within = ACKNOWLEDGE_WITHIN.min(interface.settings.retransmit_interval / 2);
            self.timers.set_by(Timer::Acknowledge(id), self.now + within);
        }
    }

    /// Sends the acknowledgments that have waited.
    pub(crate) fn acknowledge(&mut self, id: InterfaceId) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let headers = core::mem::take(&mut interface.acknowledgments);
        let destinations = match interface.flooding_destination() {
            Some(group) => alloc::vec![group],
            None => {
                let flooded = interface.neighbors.values().filter(|known| known.is_flooded_to());
                flooded.map(|known| known.address).collect()
            }
        };
        for destination in destinations {
            self.send_acknowledgments(id, destination, &headers);
        }
    }

    fn acknowledge_directly(&mut self, id: NeighborId, headers: &[LsaHeader]) {
        let Some(neighbor) = self.neighbor(id) else { return };
        let address = self.address_to(id, neighbor.address);
        self.send_acknowledgments(id.interface, address, headers);
    }

    fn send_acknowledgments(&mut self, id: InterfaceId, to: Ipv4Addr, headers: &[LsaHeader]) {
        let Some(room) = self.room(id) else { return };
        for part in headers.chunks(room.acknowledged()) {
            self.transmit(id, to, Body::LinkStateAcknowledgment(part.to_vec()));
        }
    }

    /// Whether a neighbour may still ask for what it was told of.
    fn is_exchanging(&self) -> bool {
        let all = self.interfaces.values().flat_map(|interface| interface.neighbors.values());
        let mut states = all.map(|neighbor| neighbor.state);
        states.any(|state| matches!(state, NeighborState::Exchange | NeighborState::Loading))
    }

    /// Takes LSAs out of which every neighbour knows that they are over (RFC 2328 section 14).
    pub(crate) fn sweep(&mut self) {
        if self.max_aged.is_empty() {
            return;
        }
        self.timers.set(Timer::Sweep, self.now + SWEEP_EVERY);
        if self.is_exchanging() {
            return;
        }
        let is_known = |(scope, key): &&(Scope, LsaKey)| {
            let entry = self.lsdb(*scope).and_then(|lsdb| lsdb.find(key));
            entry.is_none_or(|entry| entry.unacknowledged == 0)
        };
        let known: Vec<(Scope, LsaKey)> = self.max_aged.iter().filter(is_known).copied().collect();
        for (scope, key) in known {
            self.max_aged.remove(&(scope, key));
            if let Some(lsdb) = self.lsdb_mut(scope) {
                lsdb.remove(&key);
            }
            if self.is_own(&key) {
                self.flushed(scope, &key);
            }
        }
    }
}
