//! The mirror of the kernel's state: messages in, changes out, questions answered. No I/O.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_APPEND, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::NeighbourMessage;
use netlink_packet_route::route::RouteMessage;

use super::address::{self, Address};
use super::link::{self, Link};
use super::neighbour::{self, Neighbour, Said};
use super::route::{self, NextHop, Route};

/// The kernel's links, addresses, routes of the main table, and neighbours, of both IP versions.
///
/// Policy rules (`ip rule`) and other tables are not looked at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    links: BTreeMap<u32, Link>,
    addresses: BTreeMap<AddressKey, Address>,
    /// The routes of a prefix in the order in which the kernel tries them.
    routes: BTreeMap<IpNet, Vec<Route>>,
    neighbours: BTreeMap<(u32, IpAddr), Neighbour>,
}

/// What moved: look it up in the [`State`] to see how it is now, or that it is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The link with this ifindex.
    Link(u32),
    /// The addresses of the link with this ifindex.
    Address(u32),
    /// The routes to this prefix.
    Route(IpNet),
    /// The neighbour with this address on the link with this ifindex.
    Neighbour(u32, IpAddr),
}

/// What a message did to the mirror.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Applied {
    /// What differs from before. Empty when the message repeats what is known.
    pub(super) changes: Vec<Change>,
    /// The kernel may have dropped or revived routes without telling, or the message does not fit
    /// what is known: read everything again.
    pub(super) suspect: bool,
}

impl State {
    /// All links, by ifindex.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// The link with this ifindex.
    pub fn link(&self, ifindex: u32) -> Option<&Link> {
        self.links.get(&ifindex)
    }

    /// The link that has this name now.
    pub fn link_by_name(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|link| link.name == name)
    }

    /// The addresses of a link: IPv4 first, of each version the primary ones first, those in
    /// numerical order.
    pub fn addresses_of(&self, ifindex: u32) -> impl Iterator<Item = &Address> {
        let of_link = self.addresses.values().filter(|address| address.ifindex == ifindex);
        let mut addresses: Vec<_> = of_link.collect();
        addresses.sort_by_key(|address| (address.net.addr().is_ipv6(), !address.primary));
        addresses.into_iter()
    }

    /// All routes, by prefix; those of one prefix in the order in which the kernel tries them.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.values().flatten()
    }

    /// Where the kernel's main table sends a packet to `destination`: the longest prefix that
    /// matches, of its routes the one with the lowest metric that has a live hop.
    ///
    /// `None` when nothing matches and when the route that decides refuses (blackhole and the
    /// like), nor for an IPv6 link-local or multicast destination, which exists on every link. Of
    /// the hops of a multipath route each destination always gets the same one.
    pub fn next_hop(&self, destination: IpAddr) -> Option<NextHop> {
        if route::is_on_every_link(destination) {
            return None;
        }
        let longest = if destination.is_ipv4() { 32 } else { 128 };
        (0..=longest)
            .rev()
            .filter_map(|length| IpNet::new(destination, length).ok())
            .find_map(|net| self.deciding_route(&net.trunc()))?
            .hop_for(destination)
    }

    /// The prefixes that the kernel sends out of this link, each with the router behind which it
    /// lies, or `None` when it is on the link: those whose deciding route has a live hop there.
    /// What we have put there ourselves, by [`super::Kernel::install`], is not among them.
    pub fn routes_through(&self, ifindex: u32) -> impl Iterator<Item = (IpNet, Option<IpAddr>)> {
        self.routes.keys().filter_map(move |prefix| {
            let route = self.deciding_route(prefix).filter(|route| !route.is_ours())?;
            let mut hops = route.live_hops();
            hops.find(|hop| hop.ifindex == ifindex).map(|hop| (*prefix, hop.gateway))
        })
    }

    /// The neighbour with this address on this link, if the kernel has heard or asked for it.
    pub fn neighbour(&self, ifindex: u32, address: IpAddr) -> Option<&Neighbour> {
        self.neighbours.get(&(ifindex, address))
    }

    /// Takes in a message with the NLM_F_* flags of its header.
    pub(super) fn apply(&mut self, flags: u16, message: &RouteNetlinkMessage) -> Applied {
        match message {
            RouteNetlinkMessage::NewLink(message) => self.link_is(message),
            RouteNetlinkMessage::DelLink(message) => self.link_is_gone(message),
            RouteNetlinkMessage::NewAddress(message) => self.address_is(message),
            RouteNetlinkMessage::DelAddress(message) => self.address_is_gone(message),
            RouteNetlinkMessage::NewRoute(message) => self.route_is(flags, message),
            RouteNetlinkMessage::DelRoute(message) => self.route_is_gone(message),
            RouteNetlinkMessage::NewNeighbour(message) => self.neighbour_is(message),
            RouteNetlinkMessage::DelNeighbour(message) => self.neighbour_is_gone(message),
            other => {
                tracing::debug!(?other, "message of no interest, ignored");
                Applied::default()
            }
        }
    }

    /// Becomes `fresh` and returns what differs.
    pub(super) fn replace(&mut self, fresh: State) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        changes.extend(differing(&self.links, &fresh.links).map(|ifindex| Change::Link(*ifindex)));
        changes
            .extend(differing(&self.addresses, &fresh.addresses).map(|key| Change::Address(key.0)));
        changes.extend(differing(&self.routes, &fresh.routes).map(|net| Change::Route(*net)));
        changes.extend(
            differing(&self.neighbours, &fresh.neighbours)
                .map(|(ifindex, address)| Change::Neighbour(*ifindex, *address)),
        );
        changes.dedup();
        *self = fresh;
        changes
    }

    fn deciding_route(&self, prefix: &IpNet) -> Option<&Route> {
        self.routes.get(prefix)?.iter().find(|route| route.decides())
    }

    fn link_is(&mut self, message: &LinkMessage) -> Applied {
        let known = self.links.get(&message.header.index);
        let Some(link) = link::parse(message, known) else { return Applied::default() };
        let flags_known = known.map(|known| (known.admin_up, known.running));
        // IPv4 routes that a link takes with it go unannounced, and hops live and die with it.
        // Even old news of a link that is down counts: a route event may have come before it.
        let suspect = !link.up() || flags_known != Some((link.admin_up, link.running));
        let changed = known != Some(&link);
        let ifindex = link.ifindex;
        self.links.insert(ifindex, link);
        Applied::of(changed, Change::Link(ifindex)).suspecting(suspect)
    }

    fn link_is_gone(&mut self, message: &LinkMessage) -> Applied {
        let Some(ifindex) = link::concerned(message) else { return Applied::default() };
        let mut applied = Applied::default().suspecting(true);
        if self.links.remove(&ifindex).is_some() {
            applied.changes.push(Change::Link(ifindex));
        }
        let before = self.addresses.len();
        self.addresses.retain(|_, address| address.ifindex != ifindex);
        if self.addresses.len() != before {
            applied.changes.push(Change::Address(ifindex));
        }
        self.neighbours.retain(|(on, address), _| {
            if *on == ifindex {
                applied.changes.push(Change::Neighbour(ifindex, *address));
            }
            *on != ifindex
        });
        applied
    }

    fn address_is(&mut self, message: &AddressMessage) -> Applied {
        let Some(address) = address::parse(message) else { return Applied::default() };
        if address::is_unverified(message) {
            let known = self.addresses.remove(&key(&address)).is_some();
            return Applied::of(known, Change::Address(address.ifindex));
        }
        let known = self.addresses.insert(key(&address), address);
        Applied::of(known != Some(address), Change::Address(address.ifindex))
    }

    fn address_is_gone(&mut self, message: &AddressMessage) -> Applied {
        let Some(address) = address::parse(message) else { return Applied::default() };
        let known = self.addresses.remove(&key(&address)).is_some();
        // Routes that prefer it as their source go with it, unannounced.
        Applied::of(known, Change::Address(address.ifindex)).suspecting(true)
    }

    fn route_is(&mut self, flags: u16, message: &RouteMessage) -> Applied {
        let Some(route) = route::parse(message) else { return Applied::default() };
        let prefix = route.prefix;
        // The kernel takes no route over a link that is down: this one is old news, and by now it
        // may be gone with its link.
        let suspect = route
            .live_hops()
            .any(|hop| !self.links.get(&hop.ifindex).is_some_and(|link| link.admin_up));
        let metric = route.metric;
        let several = route.live_hops().nth(1).is_some();
        let list = self.routes.entry(prefix).or_default();
        let changed = insert_route(list, flags, route);
        // Of equal IPv6 routes the kernel makes one with several hops where it can, and its order
        // and what it replaces depend on how they came about.
        let equals = list.iter().filter(|known| known.metric == metric).count();
        let unclear = prefix.addr().is_ipv6() && changed && (several || equals > 1);
        Applied::of(changed, Change::Route(prefix)).suspecting(suspect || unclear)
    }

    fn route_is_gone(&mut self, message: &RouteMessage) -> Applied {
        let Some(route) = route::parse(message) else { return Applied::default() };
        let Some(list) = self.routes.get_mut(&route.prefix) else { return Applied::default() };
        let Some(at) = list.iter().position(|known| known.same_route(&route)) else {
            // One that should be it is there but looks otherwise: do not guess.
            let similar = list.iter().any(|known| known.metric == route.metric);
            return Applied::default().suspecting(similar);
        };
        list.remove(at);
        if list.is_empty() {
            self.routes.remove(&route.prefix);
        }
        Applied::of(true, Change::Route(route.prefix))
    }

    fn neighbour_is(&mut self, message: &NeighbourMessage) -> Applied {
        match neighbour::parse(message) {
            Some(Said::Is(new)) => {
                let known = self.neighbours.insert((new.ifindex, new.address), new);
                Applied::of(known != Some(new), Change::Neighbour(new.ifindex, new.address))
            }
            Some(Said::Nothing(ifindex, address)) => self.forget_neighbour(ifindex, address),
            None => Applied::default(),
        }
    }

    fn neighbour_is_gone(&mut self, message: &NeighbourMessage) -> Applied {
        match neighbour::concerned(message) {
            Some((ifindex, address)) => self.forget_neighbour(ifindex, address),
            None => Applied::default(),
        }
    }

    fn forget_neighbour(&mut self, ifindex: u32, address: IpAddr) -> Applied {
        let known = self.neighbours.remove(&(ifindex, address)).is_some();
        Applied::of(known, Change::Neighbour(ifindex, address))
    }
}

impl Applied {
    fn of(changed: bool, change: Change) -> Applied {
        let changes = if changed { vec![change] } else { Vec::new() };
        Applied { changes, suspect: false }
    }

    fn suspecting(self, suspect: bool) -> Applied {
        Applied { suspect, ..self }
    }
}

/// What tells one address from another: link, address with prefix length, peer.
type AddressKey = (u32, IpNet, Option<IpAddr>);

fn key(address: &Address) -> AddressKey {
    (address.ifindex, address.net, address.peer)
}

/// Puts a route where the kernel put it among those of its prefix; whether that changed anything.
fn insert_route(list: &mut Vec<Route>, flags: u16, route: Route) -> bool {
    if let Some(known) = list.iter_mut().find(|known| known.same_route(&route)) {
        let changed = *known != route;
        *known = route;
        return changed;
    }
    let first = list.partition_point(|known| known.metric < route.metric);
    let end = list.partition_point(|known| known.metric <= route.metric);
    // The kernel replaces the first of equal metric, appends behind the last, else puts in front.
    match list.get_mut(first..end).and_then(|equals| equals.first_mut()) {
        Some(replaced) if flags & NLM_F_REPLACE != 0 => *replaced = route,
        _ if flags & NLM_F_APPEND != 0 => list.insert(end, route),
        _ => list.insert(first, route),
    }
    true
}

/// The keys under which two maps hold different values, or only one holds any.
fn differing<'a, K: Ord, V: PartialEq>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = &'a K> {
    let changed_or_gone = old.iter().filter(|(key, value)| new.get(key) != Some(value));
    let added = new.iter().filter(|(key, _)| !old.contains_key(key));
    changed_or_gone.chain(added).map(|(key, _)| key)
}

#[cfg(test)]
mod tests;
