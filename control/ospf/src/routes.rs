//! The routing table (RFC 2328 section 16): paths in the area, through other areas, and out of the
//! autonomous system.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use ipnet::Ipv4Net;

use crate::area::is_some;
use crate::instance::{Ospf, Timer};
use crate::interface::InterfaceState;
use crate::msg::{ExternalLsa, LsaBody, LsaKey, LsaType, METRIC_INFINITY, Options, RouterLsa};
use crate::output::{Event, Output};
use crate::scope::Scope;
use crate::settings::BACKBONE;
use crate::spf::{Graph, NextHop, NextHops, Reached, Root, prefix, united};

/// How far a route leads; an earlier kind is preferred to a later one (RFC 2328 section 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteKind {
    /// To a network of an area of ours.
    IntraArea,
    /// To a network of another area.
    InterArea,
    /// Out of the autonomous system, by a metric as inside.
    ExternalType1,
    /// Out of the autonomous system, by a metric larger than any inside.
    ExternalType2,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// How far it leads.
    pub kind: RouteKind,
    /// The area that it leads through; none for routes out of the autonomous system.
    pub area: Option<Ipv4Addr>,
    /// Cost, up to the boundary router for type 2.
    pub cost: u32,
    /// The external metric of type 2, otherwise zero.
    pub type2_cost: u32,
    /// The mark of an external route.
    pub tag: u32,
    /// Where packets go. Those of networks that we are on have no gateway.
    pub next_hops: NextHops,
}

impl Route {
    fn rank(&self) -> (RouteKind, u32, u32) {
        (self.kind, self.type2_cost, self.cost)
    }
}

/// A way to a boundary router of the autonomous system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BoundaryPath {
    pub reached: Reached,
    pub area: Ipv4Addr,
    pub is_intra: bool,
}

impl BoundaryPath {
    /// RFC 2328 section 16.4.1: by other areas than the backbone first, so that it carries less.
    fn rank(&self) -> (bool, u32) {
        (!(self.is_intra && self.area != BACKBONE), self.reached.cost)
    }
}

/// All routes.
#[derive(Debug, Default)]
pub(crate) struct RoutingTable {
    pub routes: BTreeMap<Ipv4Net, Route>,
    pub boundaries: BTreeMap<Ipv4Addr, BoundaryPath>,
}

impl RoutingTable {
    fn add(&mut self, prefix: Ipv4Net, new: Route, paths_max: usize) {
        match self.routes.get_mut(&prefix) {
            None => {
                self.routes.insert(prefix, new);
            }
            Some(old) if new.rank() < old.rank() => *old = new,
            Some(old) if new.rank() == old.rank() => {
                old.next_hops = united(&old.next_hops, &new.next_hops, paths_max);
            }
            Some(_) => {}
        }
    }

    fn add_boundary(&mut self, router: Ipv4Addr, new: BoundaryPath, paths_max: usize) {
        match self.boundaries.get_mut(&router) {
            None => {
                self.boundaries.insert(router, new);
            }
            Some(old) if new.rank() < old.rank() => *old = new,
            Some(old) if new.rank() == old.rank() => old.reached.prefer(&new.reached, paths_max),
            Some(_) => {}
        }
    }

    /// The route that leads to an address, if it stays inside the autonomous system.
    fn inside(&self, address: Ipv4Addr) -> Option<(&Ipv4Net, &Route)> {
        let lens = (0..=32).rev();
        let found = lens
            .filter_map(|len| Ipv4Net::new(address, len).ok())
            .find_map(|prefix| self.routes.get_key_value(&prefix.trunc()))?;
        (found.1.kind <= RouteKind::InterArea).then_some(found)
    }
}

/// The first computation after a quiet time waits as long as a burst of LSAs takes, those that
/// follow wait longer, up to the last (RFC 8405, simplified).
const WAIT_FIRST: Duration = Duration::from_millis(10);
const WAIT_NEXT: Duration = Duration::from_millis(100);
const WAIT_LAST: Duration = Duration::from_secs(5);

/// What the interfaces say of the links of our own router LSAs.
struct OwnLinks<'a>(&'a Ospf, Ipv4Addr);

impl Root for OwnLinks<'_> {
    fn neighbor(&self, address: Ipv4Addr, router: Ipv4Addr) -> Option<NextHop> {
        self.interfaces_at(address).find_map(|interface| {
            let to = interface.full().find(|neighbor| neighbor.router_id == router)?;
            Some(NextHop { interface: interface.id, gateway: Some(to.address) })
        })
    }

    fn network(&self, address: Ipv4Addr) -> Option<NextHop> {
        let interface = self.interfaces_at(address).next()?;
        Some(NextHop { interface: interface.id, gateway: None })
    }

    fn stub(&self, prefix: Ipv4Net) -> Option<NextHop> {
        let mut all = self.0.interfaces.values();
        let is_there = |interface: &&crate::interface::Interface| {
            interface.settings.area == self.1 && prefix.contains(&interface.address())
        };
        all.find(is_there).map(|interface| NextHop { interface: interface.id, gateway: None })
    }
}

impl OwnLinks<'_> {
    fn interfaces_at(
        &self,
        address: Ipv4Addr,
    ) -> impl Iterator<Item = &crate::interface::Interface> {
        let Self(ospf, area) = self;
        let all = ospf.interfaces.values();
        all.filter(move |interface| {
            interface.settings.area == *area
                && interface.address() == address
                && interface.state != InterfaceState::Down
        })
    }
}

impl Ospf {
    /// An LSA says something else than before: what depends on it is computed anew.
    pub(crate) fn content_changes(&mut self, scope: Scope, key: &LsaKey) {
        if key.kind.is_opaque() {
            self.opaque_changes(scope, key);
            return;
        }
        if let (Scope::Area(id), LsaType::ROUTER | LsaType::NETWORK) = (scope, key.kind)
            && let Some(area) = self.areas.get_mut(&id)
        {
            area.is_changed = true;
        }
        self.routes_change();
        self.help_ends_by(scope, key);
    }

    /// Routes are to be computed soon.
    pub(crate) fn routes_change(&mut self) {
        if self.timers.deadline_of(Timer::Compute).is_some() {
            return;
        }
        let quiet = self.computed.is_none_or(|at| self.now.since(at) > WAIT_LAST);
        self.compute_wait = if quiet {
            WAIT_FIRST
        } else if self.compute_wait == WAIT_FIRST {
            WAIT_NEXT
        } else {
            (self.compute_wait * 2).min(WAIT_LAST)
        };
        let at = self.computed.map_or(self.now, |at| at.max(self.now));
        self.timers.set(Timer::Compute, at + self.compute_wait);
    }

    /// What has failed is left now, however often routes were computed of late.
    pub(crate) fn routes_change_at_once(&mut self) {
        self.routes_change();
        self.timers.set_by(Timer::Compute, self.now + WAIT_FIRST);
    }

    /// Computes all routes, and tells of those that are other than before.
    pub(crate) fn compute(&mut self) {
        let now = self.now;
        self.computed = Some(now);
        self.computations += 1;
        let changed: Vec<Ipv4Addr> =
            self.areas.iter().filter(|(_, area)| area.is_changed).map(|(id, _)| *id).collect();
        for id in changed {
            let Some(area) = self.areas.get(&id) else { continue };
            let graph = Graph::new(&area.lsdb, now);
            let root = OwnLinks(self, id);
            let tree = graph.tree(self.settings.router_id, &root, self.settings.paths_max);
            if let Some(area) = self.areas.get_mut(&id) {
                (area.tree, area.is_changed) = (tree, false);
            }
        }
        let mut table = RoutingTable::default();
        self.add_intra_area(&mut table);
        self.add_inter_area(&mut table);
        self.add_externals(&mut table);
        self.publish(table);
        self.tell_other_areas();
    }

    fn add_intra_area(&self, table: &mut RoutingTable) {
        let paths_max = self.settings.paths_max;
        for (id, area) in &self.areas {
            for (prefix, reached) in &area.tree.prefixes {
                let route = Route {
                    kind: RouteKind::IntraArea,
                    area: Some(*id),
                    cost: reached.cost,
                    type2_cost: 0,
                    tag: 0,
                    next_hops: reached.hops.clone(),
                };
                table.add(*prefix, route, paths_max);
            }
            // Who is inside another kind of area knows no AS-external LSAs, and is no way to them.
            let takes_externals = area.settings.kind.takes_externals();
            for (router, (reached, flags)) in &area.tree.routers {
                if takes_externals && flags & RouterLsa::AS_BOUNDARY != 0 {
                    let path = BoundaryPath { reached: reached.clone(), area: *id, is_intra: true };
                    table.add_boundary(*router, path, paths_max);
                }
            }
        }
    }

    /// RFC 2328 section 16.2. An area border router believes what it hears in the backbone, so that
    /// there are no loops.
    fn add_inter_area(&self, table: &mut RoutingTable) {
        let is_border = self.is_area_border();
        let has_backbone =
            self.areas.get(&BACKBONE).is_some_and(|area| !area.tree.routers.is_empty());
        let (now, own, paths_max) = (self.now, self.settings.router_id, self.settings.paths_max);
        for (id, area) in &self.areas {
            if is_border && has_backbone && *id != BACKBONE {
                continue;
            }
            for kind in [LsaType::SUMMARY, LsaType::ASBR_SUMMARY] {
                for (key, entry) in area.lsdb.of_type(kind) {
                    if key.advertising_router == own || entry.is_max_aged(now) {
                        continue;
                    }
                    let border = area.tree.routers.get(&key.advertising_router);
                    let border = border.filter(|(_, flags)| flags & RouterLsa::AREA_BORDER != 0);
                    let Some((border, _)) = border else { continue };
                    let reached = |metric: u32| Reached {
                        cost: border.cost.saturating_add(metric),
                        hops: border.hops.clone(),
                    };
                    match &entry.body {
                        LsaBody::Summary { mask, metric } if *metric < METRIC_INFINITY => {
                            let Some(prefix) = prefix(key.id, *mask) else { continue };
                            if is_border && self.is_active_range(&prefix, table) {
                                continue;
                            }
                            let Reached { cost, hops } = reached(*metric);
                            let route = Route {
                                kind: RouteKind::InterArea,
                                area: Some(*id),
                                cost,
                                type2_cost: 0,
                                tag: 0,
                                next_hops: hops,
                            };
                            table.add(prefix, route, paths_max);
                        }
                        LsaBody::AsbrSummary { metric } if *metric < METRIC_INFINITY => {
                            let path = BoundaryPath {
                                reached: reached(*metric),
                                area: *id,
                                is_intra: false,
                            };
                            if key.id != own {
                                table.add_boundary(key.id, path, paths_max);
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// Whether a prefix is what we tell other areas of networks that we know: another router's word
    /// of the same would lead in a circle (RFC 2328 section 16.2 (3)).
    fn is_active_range(&self, prefix: &Ipv4Net, table: &RoutingTable) -> bool {
        self.areas.iter().any(|(id, area)| {
            let is_range = area.settings.ranges.iter().any(|range| range.prefix.trunc() == *prefix);
            is_range
                && table.routes.iter().any(|(inside, route)| {
                    route.kind == RouteKind::IntraArea
                        && route.area == Some(*id)
                        && prefix.contains(inside)
                })
        })
    }

    /// RFC 2328 section 16.4, RFC 3101 section 2.5.
    fn add_externals(&self, table: &mut RoutingTable) {
        let now = self.now;
        let (own, is_border) = (self.settings.router_id, self.is_area_border());
        let of_as = self.as_lsdb.of_type(LsaType::EXTERNAL).map(|found| (None, found));
        let of_areas = self.areas.iter().flat_map(|(id, area)| {
            area.lsdb.of_type(LsaType::NSSA).map(move |found| (Some(*id), found))
        });
        let mut found = Vec::new();
        for (area, (key, entry)) in of_areas.chain(of_as) {
            if key.advertising_router == own || entry.is_max_aged(now) {
                continue;
            }
            let (LsaBody::External(external) | LsaBody::Nssa(external)) = &entry.body else {
                continue;
            };
            // RFC 3101 2.5 (3): border routers supply an area a default, and take none from it.
            let is_translated = entry.lsa.header().options.contains(Options::NP);
            let is_supplied = |prefix: &Ipv4Net| {
                area.is_some() && prefix.prefix_len() == 0 && is_border && !is_translated
            };
            if external.metric < METRIC_INFINITY
                && let Some(prefix) = prefix(key.id, external.mask)
                && !is_supplied(&prefix)
                && let Some(route) = self.external(table, area, key, external)
            {
                found.push((prefix, route));
            }
        }
        for (prefix, route) in found {
            table.add(prefix, route, self.settings.paths_max);
        }
    }

    fn external(
        &self,
        table: &RoutingTable,
        area: Option<Ipv4Addr>,
        key: &LsaKey,
        external: &ExternalLsa,
    ) -> Option<Route> {
        let boundary = match area {
            None => &table.boundaries.get(&key.advertising_router)?.reached,
            Some(area) => &self.areas.get(&area)?.tree.routers.get(&key.advertising_router)?.0,
        };
        let (cost, next_hops) = if is_some(external.forwarding) {
            // Not through ourselves, and not by a route that may depend on this one.
            let has = |known: &crate::interface::Interface| known.address() == external.forwarding;
            if self.interfaces.values().any(has) {
                return None;
            }
            let (_, route) = table.inside(external.forwarding)?;
            let to = |hop: &NextHop| NextHop {
                gateway: hop.gateway.or(Some(external.forwarding)),
                ..*hop
            };
            (route.cost, route.next_hops.iter().map(to).collect())
        } else {
            (boundary.cost, boundary.hops.clone())
        };
        let (kind, cost, type2_cost) = if external.type2 {
            (RouteKind::ExternalType2, cost, external.metric)
        } else {
            (RouteKind::ExternalType1, cost.saturating_add(external.metric), 0)
        };
        Some(Route { kind, area: None, cost, type2_cost, tag: external.tag, next_hops })
    }

    fn publish(&mut self, table: RoutingTable) {
        let old = core::mem::replace(&mut self.table, table);
        let mut changes = Vec::new();
        for (prefix, route) in &self.table.routes {
            if old.routes.get(prefix) != Some(route) {
                changes.push((*prefix, Some(route.clone())));
            }
        }
        let gone = old.routes.keys().filter(|prefix| !self.table.routes.contains_key(prefix));
        changes.extend(gone.map(|prefix| (*prefix, None)));
        if !changes.is_empty() {
            self.outputs.push_back(Output::Event(Event::Routes(changes)));
        }
    }

    /// The area that a next hop is in.
    pub(crate) fn area_of_hop(&self, hop: &NextHop) -> Option<Ipv4Addr> {
        self.interfaces.get(&hop.interface).map(|interface| interface.settings.area)
    }
}
