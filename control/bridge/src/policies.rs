//! The security policy database from `[[policy]]` sections and the selectors of `esp` tunnels.

use std::collections::BTreeMap;
use std::net::IpAddr;

use config::{AddressRange, Config};
use ipnet::IpNet;
use tables::{Action, Policy, PolicyListId, Route, Selector, Spd, TunnelId, Way};

use super::Underlay;
use super::cover::Cover;
use super::nexthops::NexthopRegister;
use super::spec::{Kind, TunnelSpec};

/// One entry of the database, in order.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) selector: config::Selector,
    action: Configured,
}

/// What becomes of the packets, before the way of a bypass is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Configured {
    Protect(TunnelId),
    Bypass,
    Discard,
}

/// The entries of `[[policy]]` sections.
#[derive(Default)]
pub(super) struct Written {
    entries: Vec<Entry>,
    /// Their selectors by the tunnel that they let packets into.
    protecting: BTreeMap<TunnelId, Vec<Selector>>,
}

impl Written {
    /// Those of `config`. `tunnel` gives the id of a configured tunnel.
    pub(super) fn of(config: &Config, tunnel: impl Fn(usize) -> Option<TunnelId>) -> Self {
        let mut written = Self::default();
        for policy in &config.policies {
            let action = match policy.action {
                config::Action::Protect(index) => match tunnel(index) {
                    Some(id) => Configured::Protect(id),
                    None => continue,
                },
                config::Action::Bypass => Configured::Bypass,
                config::Action::Discard => Configured::Discard,
            };
            if let Configured::Protect(id) = action {
                written.protecting.entry(id).or_default().push(selector(&policy.selector));
            }
            written.entries.push(Entry { selector: policy.selector.clone(), action });
        }
        written
    }

    /// The selectors that let packets into, and so out of, a tunnel.
    pub(super) fn protecting(&self, id: TunnelId) -> &[Selector] {
        self.protecting.get(&id).map_or(&[], Vec::as_slice)
    }

    /// All entries of the database: these before the tunnels' own, and of those the ones of
    /// templates' peers, which are the tunnels from `configured` on, before their templates'.
    pub(super) fn before(&self, specs: &[TunnelSpec], configured: usize) -> Vec<Entry> {
        let own = specs.iter().enumerate();
        let (first, then) = (own.clone().skip(configured), own.take(configured));
        let own = first.chain(then).flat_map(|(n, spec)| {
            let selectors: &[config::Selector] = match &spec.kind {
                Kind::Policy(selectors) => selectors,
                _ => &[],
            };
            let action = Configured::Protect(TunnelId(n as u32));
            selectors.iter().map(move |selector| Entry { selector: selector.clone(), action })
        });
        self.entries.iter().cloned().chain(own).collect()
    }
}

/// The database, and the routes that lead to its lists: each destination that an entry names is
/// held against the entries that can cover it.
pub(super) fn spd(
    entries: &[Entry],
    underlay: &dyn Underlay,
    nexthops: &mut NexthopRegister,
) -> (Spd, Vec<(IpNet, Route)>) {
    let mut lists: Vec<Box<[Policy]>> = Vec::new();
    let mut known: BTreeMap<(Vec<usize>, Option<IpAddr>), PolicyListId> = BTreeMap::new();
    let mut routes = Vec::new();
    let cover = Cover::of(entries);
    for prefix in entries.iter().flat_map(|entry| remote_prefixes(&entry.selector)) {
        let indices = cover.of_prefix(prefix);
        // A bypass leaves by the destination's own way.
        let bypasses = |n: &usize| entries[*n].action == Configured::Bypass;
        let way = indices.iter().any(bypasses).then(|| prefix.addr());
        let id = *known.entry((indices, way)).or_insert_with_key(|(indices, _)| {
            let of = |n: &usize| policy(&entries[*n], prefix.addr(), underlay, nexthops);
            lists.push(indices.iter().map(of).collect());
            PolicyListId(lists.len() as u32 - 1)
        });
        routes.push((prefix, Route::Policy(id)));
    }
    (Spd::build(lists), routes)
}

fn remote_prefixes(selector: &config::Selector) -> impl Iterator<Item = IpNet> {
    selector.remote.iter().flat_map(AddressRange::prefixes)
}

fn policy(
    entry: &Entry,
    destination: IpAddr,
    underlay: &dyn Underlay,
    nexthops: &mut NexthopRegister,
) -> Policy {
    let action = match entry.action {
        Configured::Protect(id) => Action::Protect(id),
        Configured::Discard => Action::Discard,
        Configured::Bypass => {
            let way = match underlay.next_hop(destination) {
                Some((port, address)) if address == destination => Way::OnLink(port),
                Some((port, address)) => nexthops.id(port, address).map_or(Way::None, Way::Via),
                None => Way::None,
            };
            Action::Bypass(way)
        }
    };
    Policy { selector: selector(&entry.selector), action }
}

/// A configured selector as the tables have it.
pub(super) fn selector(selector: &config::Selector) -> Selector {
    let ranges =
        |ranges: &[AddressRange]| ranges.iter().map(|range| range.first..=range.last).collect();
    Selector {
        local: ranges(&selector.local),
        remote: ranges(&selector.remote),
        protocol: selector.protocol,
        local_ports: selector.local_ports.clone(),
        remote_ports: selector.remote_ports.clone(),
    }
}
