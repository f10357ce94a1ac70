//! What an area border router tells its areas of each other (RFC 2328 section 12.4.3), and what it
//! translates out of a not-so-stubby area (RFC 3101 section 3.2).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::area::is_some;
use crate::instance::Ospf;
use crate::msg::{ExternalLsa, LsaBody, LsaKey, LsaType, METRIC_INFINITY, Options, RouterLsa};
use crate::routes::{Route, RouteKind};
use crate::scope::Scope;
use crate::settings::{AreaKind, AreaRange, BACKBONE};
use crate::spf::{NextHops, prefix};

type Told = BTreeMap<LsaKey, (Options, LsaBody)>;

impl Ospf {
    /// Tells each area what the routing table has of the others.
    pub(crate) fn tell_other_areas(&mut self) {
        let is_border = self.is_area_border();
        let areas: Vec<Ipv4Addr> = self.areas.keys().copied().collect();
        for id in areas {
            let told = if is_border { self.summaries_for(id) } else { Told::new() };
            let kinds = [LsaType::SUMMARY, LsaType::ASBR_SUMMARY];
            self.tell(Scope::Area(id), &kinds, told);
        }
        self.externals_change();
    }

    /// Has the LSAs of these types, of this scope, say this and nothing else.
    pub(crate) fn tell(&mut self, scope: Scope, kinds: &[LsaType], wanted: Told) {
        let of_scope =
            self.told.iter().filter(|((of, key), _)| *of == scope && kinds.contains(&key.kind));
        let known: Vec<LsaKey> = of_scope.map(|((_, key), _)| *key).collect();
        for key in known {
            if !wanted.contains_key(&key) {
                self.told.remove(&(scope, key));
                self.to_originate.insert((scope, key));
            }
        }
        for (key, what) in wanted {
            if self.told.get(&(scope, key)) != Some(&what) {
                self.told.insert((scope, key), what);
                self.to_originate.insert((scope, key));
            }
        }
    }

    fn summaries_for(&self, id: Ipv4Addr) -> Told {
        let Some(area) = self.areas.get(&id) else { return Told::new() };
        let kind = area.settings.kind;
        let options = area.options();
        let mut costs: BTreeMap<Ipv4Net, u32> = BTreeMap::new();
        if kind.shielded().is_none_or(|shielded| shielded.summaries) {
            self.networks_for(id, &mut costs);
        }
        let supplies_default = match kind {
            AreaKind::Normal => None,
            AreaKind::Stub(shielded) => Some(shielded.default_cost),
            AreaKind::Nssa(shielded) => (!shielded.summaries).then_some(shielded.default_cost),
        };
        if let Some(cost) = supplies_default {
            costs.insert(Ipv4Net::default(), cost);
        }
        let mut told = Told::new();
        for (prefix, id) in lsa_ids(&costs) {
            let key = self.own_key(LsaType::SUMMARY, id);
            let body = LsaBody::Summary { mask: prefix.netmask(), metric: costs[&prefix] };
            told.insert(key, (options, body));
        }
        if kind.takes_externals() {
            self.boundaries_for(id, options, &mut told);
        }
        told
    }

    fn networks_for(&self, id: Ipv4Addr, costs: &mut BTreeMap<Ipv4Net, u32>) {
        for (prefix, route) in &self.table.routes {
            let of_area = route.area.filter(|of| *of != id);
            let Some(of) = of_area else { continue };
            let is_told = match route.kind {
                RouteKind::IntraArea => true,
                // What came from the backbone does not go back there, and nothing else goes on.
                RouteKind::InterArea => id != BACKBONE && of == BACKBONE,
                _ => false,
            };
            if !is_told || self.leads_into(id, &route.next_hops) {
                continue;
            }
            let cost = route.cost.min(METRIC_INFINITY - 1);
            match self.range_of(of, prefix).filter(|_| route.kind == RouteKind::IntraArea) {
                None => {
                    costs.insert(*prefix, cost);
                }
                // The worst of what it stands for.
                Some(range) if range.advertise => {
                    let worst = costs.entry(range.prefix.trunc()).or_default();
                    *worst = cost.max(*worst);
                }
                Some(_) => {}
            }
        }
    }

    fn range_of(&self, area: Ipv4Addr, prefix: &Ipv4Net) -> Option<AreaRange> {
        let ranges = &self.areas.get(&area)?.settings.ranges;
        let all = ranges.iter().filter(|range| range.prefix.trunc().contains(prefix));
        all.max_by_key(|range| range.prefix.prefix_len()).copied()
    }

    fn leads_into(&self, area: Ipv4Addr, hops: &NextHops) -> bool {
        !hops.is_empty() && hops.iter().all(|hop| self.area_of_hop(hop) == Some(area))
    }

    fn boundaries_for(&self, id: Ipv4Addr, options: Options, told: &mut Told) {
        for (router, path) in &self.table.boundaries {
            let of = self.areas.get(&path.area);
            let is_told = path.area != id
                && (path.is_intra || id != BACKBONE)
                && of.is_some_and(|area| area.settings.kind.takes_externals())
                && !self.leads_into(id, &path.reached.hops);
            if is_told {
                let metric = path.reached.cost.min(METRIC_INFINITY - 1);
                let key = self.own_key(LsaType::ASBR_SUMMARY, *router);
                told.insert(key, (options, LsaBody::AsbrSummary { metric }));
            }
        }
    }

    /// What is translated out of an area: prefixes with what is said of them.
    pub(crate) fn translated(&self, id: Ipv4Addr) -> Vec<(Ipv4Net, ExternalLsa)> {
        let Some(area) = self.areas.get(&id) else { return Vec::new() };
        if !area.settings.kind.is_nssa() || !self.is_area_border() || !self.translates(id) {
            return Vec::new();
        }
        let now = self.now;
        let mut all = Vec::new();
        for (key, entry) in area.lsdb.of_type(LsaType::NSSA) {
            let LsaBody::Nssa(external) = &entry.body else { continue };
            let is_to_be = entry.lsa.header().options.contains(Options::NP)
                && is_some(external.forwarding)
                && key.advertising_router != self.settings.router_id
                && !entry.is_max_aged(now)
                && external.metric < METRIC_INFINITY;
            let Some(prefix) = prefix(key.id, external.mask).filter(|_| is_to_be) else { continue };
            let is_used = |route: &Route| route.kind >= RouteKind::ExternalType1;
            if self.table.routes.get(&prefix).is_some_and(is_used) {
                all.push((prefix, *external));
            }
        }
        all
    }

    /// RFC 3101 section 3.1: one border router of the area translates, the one with the largest
    /// ID.
    fn translates(&self, id: Ipv4Addr) -> bool {
        let Some(area) = self.areas.get(&id) else { return false };
        let outranks = |(router, (_, flags)): (&Ipv4Addr, &(_, u8))| {
            let is_border = flags & RouterLsa::AREA_BORDER != 0;
            let always = flags & RouterLsa::NSSA_TRANSLATOR != 0;
            always || is_border && *router > self.settings.router_id
        };
        !area.tree.routers.iter().any(outranks)
    }
}

/// The link state ID of each prefix (RFC 2328 appendix E): its address, or, where a longer prefix
/// has that, its address with host bits set. A prefix for which there is none left has none.
pub(crate) fn lsa_ids<T>(all: &BTreeMap<Ipv4Net, T>) -> BTreeMap<Ipv4Net, Ipv4Addr> {
    let mut prefixes: Vec<Ipv4Net> = all.keys().copied().collect();
    prefixes.sort_by_key(|prefix| Reverse(prefix.prefix_len()));
    let (mut ids, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for prefix in prefixes {
        let (first, last) = (prefix.network().to_bits(), prefix.broadcast().to_bits());
        let others = (0..ID_ATTEMPTS).map(|n| last.saturating_sub(n).max(first));
        let free = core::iter::once(first).chain(others).find(|id| taken.insert(*id));
        ids.extend(free.map(|id| (prefix, Ipv4Addr::from_bits(id))));
    }
    ids
}

/// How many host parts are tried for one prefix.
const ID_ATTEMPTS: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_one_address_have_ids_of_their_own() {
        let texts = ["10.0.0.0/8", "10.0.0.0/16", "10.255.0.0/16", "10.255.0.0/24", "10.0.0.0/32"];
        let all: BTreeMap<Ipv4Net, ()> =
            texts.iter().map(|text| (text.parse().unwrap(), ())).collect();
        let ids = lsa_ids(&all);
        let id = |text: &str| ids[&text.parse().unwrap()].octets();
        assert_eq!(id("10.0.0.0/32"), [10, 0, 0, 0]);
        assert_eq!(id("10.255.0.0/24"), [10, 255, 0, 0]);
        assert_eq!(id("10.0.0.0/16"), [10, 0, 255, 255]);
        assert_eq!(id("10.255.0.0/16"), [10, 255, 255, 255]);
        assert_eq!(id("10.0.0.0/8"), [10, 255, 255, 254]);
    }
}
