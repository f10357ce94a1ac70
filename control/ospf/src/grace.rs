//! A neighbour that restarts without a break in its forwarding is treated as if it had not gone
//! (RFC 3623 section 3).

use alloc::format;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use engine::Level;
use wire::cursor::Reader;

use crate::instance::{Ospf, Timer};
use crate::msg::{LsaBody, LsaKey, LsaType, MAX_AGE};
use crate::neighbor::{NeighborEvent, NeighborId, NeighborState};
use crate::scope::Scope;
use crate::settings::InterfaceId;

/// The opaque type of grace LSAs (RFC 3623 appendix A).
const GRACE: u8 = 3;
/// The link state ID of grace LSAs.
pub(crate) const ID: Ipv4Addr = Ipv4Addr::new(GRACE, 0, 0, 0);
/// The software restarts, as it was told to (RFC 3623 appendix A).
const SOFTWARE_RESTART: u8 = 1;
/// Longest grace that is believed.
const GRACE_MAX: Duration = Duration::from_secs(1800);

/// What a grace LSA says.
struct Grace {
    period: Duration,
    address: Option<Ipv4Addr>,
}

/// RFC 3623 appendix A: TLVs, each filled up to four bytes.
fn parse(body: &[u8]) -> Option<Grace> {
    let mut reader = Reader::new(body);
    let (mut period, mut address) = (None, None);
    while !reader.is_empty() {
        let (kind, len) = (reader.u16().ok()?, usize::from(reader.u16().ok()?));
        let value = reader.take(len).ok()?;
        let _padding = reader.take(len.wrapping_neg() % 4).ok()?;
        match (kind, value.first_chunk::<4>()) {
            (1, Some(bytes)) => period = Some(u32::from_be_bytes(*bytes)),
            (3, Some(bytes)) => address = Some(Ipv4Addr::from(*bytes)),
            _ => {}
        }
    }
    Some(Grace { period: Duration::from_secs(u64::from(period?)), address })
}

/// What a grace LSA says that asks for this period; with our address on a network of many.
pub(crate) fn body(period: Duration, address: Option<Ipv4Addr>) -> Vec<u8> {
    let seconds = u32::try_from(period.as_secs()).unwrap_or(u32::MAX).to_be_bytes();
    let mut body = [&[0, 1, 0, 4], seconds.as_slice()].concat();
    body.extend([0, 2, 0, 1, SOFTWARE_RESTART, 0, 0, 0]);
    if let Some(address) = address {
        body.extend([0, 3, 0, 4]);
        body.extend(address.octets());
    }
    body
}

impl Ospf {
    /// An opaque LSA says something else than before.
    pub(crate) fn opaque_changes(&mut self, scope: Scope, key: &LsaKey) {
        let Scope::Link(interface) = scope else { return };
        if key.kind != LsaType::OPAQUE_LINK || key.id.octets()[0] != GRACE {
            return;
        }
        let now = self.now;
        let Some(entry) = self.lsdb(scope).and_then(|lsdb| lsdb.find(key)) else { return };
        let age = entry.age(now);
        let LsaBody::Opaque(body) = &entry.body else { return };
        let Some(grace) = parse(body) else { return };
        let Some(id) = self.restarting(interface, key.advertising_router, &grace) else { return };
        if age == MAX_AGE {
            self.help_ends_well(id);
            return;
        }
        let left = grace.period.min(GRACE_MAX).saturating_sub(Duration::from_secs(age.into()));
        self.help(id, left);
    }

    fn restarting(
        &self,
        interface: InterfaceId,
        router: Ipv4Addr,
        grace: &Grace,
    ) -> Option<NeighborId> {
        let mut all = self.interfaces.get(&interface)?.neighbors.iter();
        let is_it = |neighbor: &crate::neighbor::Neighbor| {
            neighbor.router_id == router
                && grace.address.is_none_or(|address| address == neighbor.address)
        };
        let (key, _) = all.find(|(_, neighbor)| is_it(neighbor))?;
        Some(NeighborId { interface, key: *key })
    }

    /// RFC 3623 section 3.1: not who restarts itself, nor where the neighbour does not know of a
    /// change yet.
    fn help(&mut self, id: NeighborId, left: Duration) {
        let (now, is_resuming) = (self.now, self.is_resuming());
        let Some(neighbor) = self.neighbor_mut(id) else { return };
        let mut owed = neighbor.retransmit.keys();
        let is_up_to_date = owed.all(|(_, key)| key.kind.is_opaque());
        let may_begin = neighbor.state == NeighborState::Full && is_up_to_date && !is_resuming;
        if left.is_zero() || !may_begin && neighbor.helped_until.is_none() {
            return;
        }
        neighbor.helped_until = Some(now + left);
        let (router, seconds) = (neighbor.router_id, left.as_secs());
        self.timers.set(Timer::Help(id), now + left);
        let text = format!("OSPF neighbour {router} restarts and is kept for {seconds} s at most");
        self.log(Level::Info, text);
    }

    /// What is flooded to a neighbour has changed: one that restarts would go on forwarding by what
    /// was before (RFC 3623 section 3.2, strict checking).
    pub(crate) fn help_ends_by(&mut self, scope: Scope, changed: &LsaKey) {
        let mut helped = Vec::new();
        let hears = |id: &InterfaceId| self.is_in(*id, scope, changed.kind);
        for (_, interface) in self.interfaces.iter().filter(|(id, _)| hears(id)) {
            for (key, neighbor) in &interface.neighbors {
                let is_helped = neighbor.helped_until.is_some();
                if is_helped && neighbor.router_id != changed.advertising_router {
                    helped.push(NeighborId { interface: interface.id, key: *key });
                }
            }
        }
        for id in helped {
            self.help_no_longer(id, "the network has changed meanwhile");
        }
    }

    /// Whether a neighbour is treated as if it were there.
    pub(crate) fn is_helped(&self, id: NeighborId) -> bool {
        self.neighbor(id).is_some_and(|neighbor| neighbor.helped_until.is_some())
    }

    /// The neighbour is there again.
    fn help_ends_well(&mut self, id: NeighborId) {
        if let Some(router) = self.end_help(id) {
            self.log(Level::Info, format!("OSPF neighbour {router} has restarted"));
        }
    }

    /// The neighbour is no longer treated as if it were there, because it takes too long or because
    /// something has changed that it must know of (RFC 3623 section 3.2).
    pub(crate) fn help_no_longer(&mut self, id: NeighborId, why: &str) {
        if let Some(router) = self.end_help(id) {
            let text =
                format!("OSPF neighbour {router} is no longer kept through its restart: {why}");
            self.log(Level::Warning, text);
        }
    }

    /// From here on the neighbour is what its hellos make it; whom that is about, if it was helped.
    fn end_help(&mut self, id: NeighborId) -> Option<Ipv4Addr> {
        let neighbor = self.neighbor_mut(id)?;
        neighbor.helped_until.take()?;
        let router = neighbor.router_id;
        self.timers.cancel(Timer::Help(id));
        if self.timers.deadline_of(Timer::Inactivity(id)).is_none() {
            self.neighbor_event(id, NeighborEvent::Gone);
        }
        self.interface_changes(id.interface);
        Some(router)
    }
}
