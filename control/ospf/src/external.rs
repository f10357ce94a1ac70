//! What the autonomous system hears of other protocols' routes (RFC 2328 section 12.4.4, RFC 3101
//! section 2.4).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::instance::Ospf;
use crate::interface::InterfaceState;
use crate::msg::{ExternalLsa, LsaBody, LsaKey, LsaType, Options};
use crate::scope::Scope;
use crate::settings::{AreaKind, ExternalRoute};
use crate::summarise::lsa_ids;

type Told = BTreeMap<LsaKey, (Options, LsaBody)>;

impl Ospf {
    /// All external LSAs of ours may have to be others.
    pub(crate) fn externals_change(&mut self) {
        let mut wanted: BTreeMap<Ipv4Net, ExternalLsa> = BTreeMap::new();
        let areas: Vec<Ipv4Addr> = self.areas.keys().copied().collect();
        for id in &areas {
            wanted.extend(self.translated(*id));
        }
        let own = self.told_externals();
        wanted.extend(own.iter().map(|(prefix, route)| (*prefix, as_lsa(prefix, route))));
        let mut told = Told::new();
        if self.areas.values().any(|area| area.settings.kind.takes_externals()) {
            for (prefix, id) in lsa_ids(&wanted) {
                let key = self.own_key(LsaType::EXTERNAL, id);
                told.insert(key, (Options::E, LsaBody::External(wanted[&prefix])));
            }
        }
        self.tell(Scope::As, &[LsaType::EXTERNAL], told);
        for id in areas {
            let told = self.nssa_externals(id, &own);
            self.tell(Scope::Area(id), &[LsaType::NSSA], told);
        }
    }

    /// The routes of other protocols, those in a configured range as one.
    fn told_externals(&self) -> BTreeMap<Ipv4Net, ExternalRoute> {
        let mut told: BTreeMap<Ipv4Net, ExternalRoute> = BTreeMap::new();
        for (prefix, route) in &self.externals {
            let ranges = self.settings.external_ranges.iter().map(Ipv4Net::trunc);
            let range = ranges
                .filter(|range| range.contains(prefix))
                .max_by_key(|range| range.prefix_len());
            match range {
                None => {
                    told.insert(*prefix, *route);
                }
                Some(range) => {
                    let of_range = ExternalRoute { forwarding: None, ..*route };
                    let worst = told.entry(range).or_insert(of_range);
                    if (route.is_type2, route.metric) > (worst.is_type2, worst.metric) {
                        *worst = of_range;
                    }
                }
            }
        }
        told
    }

    fn nssa_externals(&self, id: Ipv4Addr, own: &BTreeMap<Ipv4Net, ExternalRoute>) -> Told {
        let mut told = Told::new();
        let Some(area) = self.areas.get(&id) else { return told };
        let AreaKind::Nssa(shielded) = area.settings.kind else { return told };
        // RFC 3101 2.3: what is translated elsewhere needs an address in the area.
        let mut here = self
            .interfaces
            .values()
            .filter(|known| known.settings.area == id && known.state != InterfaceState::Down);
        let Some(address) = here.next().map(crate::interface::Interface::address) else {
            return told;
        };
        let is_border = self.is_area_border();
        // A border router tells the others itself.
        let options = if is_border { Options::default() } else { Options::NP };
        for (prefix, id) in lsa_ids(own) {
            let mut external = as_lsa(&prefix, &own[&prefix]);
            if external.forwarding.is_unspecified() {
                external.forwarding = address;
            }
            let key = self.own_key(LsaType::NSSA, id);
            told.insert(key, (options, LsaBody::Nssa(external)));
        }
        if is_border && shielded.summaries {
            let default = ExternalLsa {
                mask: Ipv4Addr::UNSPECIFIED,
                type2: false,
                metric: shielded.default_cost,
                forwarding: Ipv4Addr::UNSPECIFIED,
                tag: 0,
            };
            let key = self.own_key(LsaType::NSSA, Ipv4Addr::UNSPECIFIED);
            told.insert(key, (Options::default(), LsaBody::Nssa(default)));
        }
        told
    }
}

fn as_lsa(prefix: &Ipv4Net, route: &ExternalRoute) -> ExternalLsa {
    ExternalLsa {
        mask: prefix.netmask(),
        type2: route.is_type2,
        metric: route.metric,
        forwarding: route.forwarding.unwrap_or(Ipv4Addr::UNSPECIFIED),
        tag: route.tag,
    }
}
