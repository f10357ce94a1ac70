//! This router restarts, and has asked its neighbours to go on as if it had not gone (RFC 3623
//! section 2).
//!
//! 1. Before it stops, [`Ospf::announce_restart`] asks for grace; when that
//!    [`Ospf::is_restart_announced`], it may stop without a word.
//! 2. The next one is told by [`Ospf::resume`] before it has interfaces. It forms its adjacencies
//!    anew and says nothing of itself: what the other said still holds.
//! 3. When all is as it was, or will not be, it speaks for itself.

use alloc::format;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use engine::{Instant, Level, UnixTime};

use crate::grace;
use crate::instance::{Ospf, Timer};
use crate::interface::{Interface, InterfaceState};
use crate::lsdb::{Entry, Lsdb};
use crate::msg::{LinkType, LsaBody, LsaKey, LsaType, RouterLink};
use crate::neighbor::NeighborState;
use crate::originate::Own;
use crate::scope::Scope;
use crate::settings::{InterfaceId, NetworkType};

/// How far a restart of this router is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// There is none.
    #[default]
    No,
    /// Neighbours have been asked for grace: it may stop.
    Announced,
    /// It has begun anew and takes up what it was.
    Resuming,
}

/// How a network stands against what the router LSA from before says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// As before.
    Back,
    /// Not yet.
    Awaited,
    /// The other side no longer counts on us.
    GivenUp,
}

impl Ospf {
    /// How far a restart of this router is.
    #[must_use]
    pub fn restart(&self) -> Restart {
        self.restart
    }

    /// Asks the neighbours for grace while this router restarts, which takes `period` at most.
    pub fn announce_restart(&mut self, now: Instant, wall: UnixTime, period: Duration) {
        self.tick(now, wall);
        if self.is_resuming() {
            self.end_restart("the next restart comes first");
        }
        self.restart = Restart::Announced;
        self.timers.set(Timer::Restart, self.now + period);
        let has_neighbors = |interface: &&Interface| interface.full().next().is_some();
        let ids: Vec<InterfaceId> =
            self.interfaces.values().filter(has_neighbors).map(|interface| interface.id).collect();
        for id in ids {
            let Some((interface, area)) = self.area_of(id) else { continue };
            let is_one_of_many = interface.settings.network != NetworkType::PointToPoint;
            let address = is_one_of_many.then(|| interface.address());
            let (options, body) = (area.options(), LsaBody::Opaque(grace::body(period, address)));
            let (scope, key) = (Scope::Link(id), self.own_key(LsaType::OPAQUE_LINK, grace::ID));
            self.told.insert((scope, key), (options, body.clone()));
            // Also if it says what it has said before: the period begins anew.
            self.succeed(scope, key, options, body);
        }
        self.settle();
    }

    /// Whether every neighbour has acknowledged that this router restarts.
    #[must_use]
    pub fn is_restart_announced(&self) -> bool {
        let key = self.own_key(LsaType::OPAQUE_LINK, grace::ID);
        let mut told = self.interfaces.values().filter_map(|known| known.lsdb.find(&key));
        self.restart == Restart::Announced && told.all(|entry| entry.unacknowledged == 0)
    }

    /// Needs no grace after all: neighbours need not wait.
    pub fn cancel_restart(&mut self, now: Instant, wall: UnixTime) {
        self.tick(now, wall);
        if self.restart == Restart::Announced {
            self.end_restart("it does not restart");
        }
        self.settle();
    }

    /// Takes up what a router of the same ID was, whose neighbours wait for that as long as
    /// `left`. To be called before there are interfaces.
    pub fn resume(&mut self, now: Instant, wall: UnixTime, left: Duration) {
        self.tick(now, wall);
        self.restart = Restart::Resuming;
        self.timers.set(Timer::Restart, self.now + left);
        self.is_stub_router = false;
        self.timers.cancel(Timer::Start);
    }

    /// Whether what LSAs of ours say is what the router before said, and stays so for now
    /// (RFC 3623 section 2.2).
    pub(crate) fn is_resuming(&self) -> bool {
        self.restart == Restart::Resuming
    }

    /// A neighbour still knows us in a role, which we take up (RFC 3623 section 2.2 (3)). True if
    /// it is so.
    pub(crate) fn takes_up_role(
        &mut self,
        id: InterfaceId,
        designated: Ipv4Addr,
        backup: Ipv4Addr,
    ) -> bool {
        let is_resuming = self.is_resuming();
        let Some(interface) = self.interfaces.get_mut(&id) else { return false };
        let own = interface.address();
        let takes = is_resuming
            && interface.state == InterfaceState::Waiting
            && [designated, backup].contains(&own);
        if takes {
            (interface.elected.designated, interface.elected.backup) = (designated, backup);
        }
        takes
    }

    /// Ends the restart if there is nothing left to wait for.
    pub(crate) fn look_after_restart(&mut self) {
        if !self.is_resuming() {
            return;
        }
        let mut links = Vec::new();
        for (area, known) in &self.areas {
            let key = self.own_key(LsaType::ROUTER, self.settings.router_id);
            let before = known.lsdb.find(&key).map(|entry| &entry.body);
            let is_loaded = self.of_area(*area).any(|interface| {
                interface.neighbors.values().any(|other| other.state == NeighborState::Full)
            });
            match before {
                Some(LsaBody::Router(before)) => {
                    links.extend(before.links.iter().map(|link| self.link_is(*area, link)));
                }
                // Who has all that the area has knows nothing of us.
                _ if is_loaded => links.push(Link::GivenUp),
                // What we were there is not known yet, if there is anybody who knows.
                _ if self.may_hear_of(*area) => links.push(Link::Awaited),
                _ => {}
            }
        }
        if links.contains(&Link::GivenUp) {
            self.end_restart("a neighbour has not waited");
        } else if !links.is_empty() && links.iter().all(|link| *link == Link::Back) {
            self.end_restart("all neighbours are back");
        }
    }

    /// RFC 3623 section 2.2 (1) and (2).
    fn link_is(&self, area: Ipv4Addr, link: &RouterLink) -> Link {
        let Some(known) = self.areas.get(&area) else { return Link::Back };
        let own = self.settings.router_id;
        let is_full = |interface: &Interface, is_it: &dyn Fn(Ipv4Addr, Ipv4Addr) -> bool| {
            interface.neighbors.values().any(|other| {
                other.state == NeighborState::Full && is_it(other.router_id, other.address)
            })
        };
        let is_back = match link.kind {
            LinkType::POINT_TO_POINT => {
                let other = router(&known.lsdb, link.id);
                let counts_on_us = other.is_none_or(|entry| points_to(entry, own));
                if !counts_on_us {
                    return Link::GivenUp;
                }
                self.of_area(area)
                    .any(|interface| is_full(interface, &|router, _| router == link.id))
            }
            LinkType::TRANSIT => {
                let network = known.lsdb.of_type(LsaType::NETWORK);
                let mut of_it = network.filter(|(key, _)| key.id == link.id);
                let attached = of_it.find_map(|(_, entry)| match &entry.body {
                    LsaBody::Network { routers, .. } => Some(routers),
                    _ => None,
                });
                if attached.is_some_and(|routers| !routers.contains(&own)) {
                    return Link::GivenUp;
                }
                let all_are_there = |interface: &Interface| {
                    attached.is_some_and(|routers| {
                        let mut others = routers.iter().filter(|other| **other != own);
                        others.all(|other| is_full(interface, &|router, _| router == *other))
                    })
                };
                self.of_area(area).any(|interface| {
                    interface.address() == link.data
                        && if link.id == link.data {
                            all_are_there(interface)
                        } else {
                            is_full(interface, &|_, address| address == link.id)
                        }
                })
            }
            _ => true,
        };
        if is_back { Link::Back } else { Link::Awaited }
    }

    /// Whether there is a neighbour in an area, or one may still say hello.
    fn may_hear_of(&self, area: Ipv4Addr) -> bool {
        let may_hear = |interface: &Interface| {
            let is_young = self.now.since(self.began) <= interface.settings.dead_interval;
            let is_active =
                interface.state != InterfaceState::Down && !interface.settings.is_passive;
            let mut all = interface.neighbors.values();
            is_active && (is_young || all.any(|other| other.state >= NeighborState::Init))
        };
        self.of_area(area).any(may_hear)
    }

    fn of_area(&self, area: Ipv4Addr) -> impl Iterator<Item = &Interface> {
        self.interfaces.values().filter(move |known| known.settings.area == area)
    }

    /// Speaks for itself from here on, if it did not (RFC 3623 section 2.3), and needs no grace.
    pub(crate) fn end_restart(&mut self, why: &str) {
        let was = core::mem::take(&mut self.restart);
        self.timers.cancel(Timer::Restart);
        let key = self.own_key(LsaType::OPAQUE_LINK, grace::ID);
        let ids: Vec<InterfaceId> = self.interfaces.keys().copied().collect();
        for id in ids.iter().copied() {
            self.told.remove(&(Scope::Link(id), key));
            self.to_originate.insert((Scope::Link(id), key));
        }
        if was != Restart::Resuming {
            return;
        }
        self.log(Level::Info, format!("OSPF has restarted: {why}"));
        // What other areas and the autonomous system are to hear follows from the routes.
        self.compute();
        self.all_routers_change();
        ids.into_iter().for_each(|id| self.interface_changes(id));
        self.to_originate.extend(self.said_before());
        self.to_originate.extend(self.told.keys().copied());
    }

    /// What the router before said, and this one.
    fn said_before(&self) -> Vec<Own> {
        let of_areas = self.areas.iter().map(|(id, area)| (Scope::Area(*id), &area.lsdb));
        let all = of_areas.chain([(Scope::As, &self.as_lsdb)]);
        let own = all.flat_map(|(scope, lsdb)| lsdb.iter().map(move |(key, _)| (scope, *key)));
        own.filter(|(_, key)| self.is_own(key)).collect()
    }
}

fn router(lsdb: &Lsdb, id: Ipv4Addr) -> Option<&Entry> {
    lsdb.find(&LsaKey { kind: LsaType::ROUTER, id, advertising_router: id })
}

/// Whether a router's LSA has a link to another router, without a network between.
fn points_to(entry: &Entry, other: Ipv4Addr) -> bool {
    let LsaBody::Router(said) = &entry.body else { return false };
    said.links.iter().any(|link| link.kind == LinkType::POINT_TO_POINT && link.id == other)
}
