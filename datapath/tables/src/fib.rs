//! Longest-prefix match: for each IP version a trie of strides 16, 8, 8, … with its leaves pushed
//! down.
//!
//! A lookup reads one cell, and one more for each octet beyond the second that a longer prefix
//! needs: three at most for IPv4, seven for an IPv6 /64. Control builds it whole and publishes it;
//! the worker sees one table or the next, never a mixture.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::{CloudId, MultipathId, NexthopId, PolicyListId, PortId, TunnelId};

/// Where packets for a prefix go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// An address of the gateway itself.
    Local,
    /// On the port's own network: the destination is the next hop.
    Connected(PortId),
    /// Through a router.
    Via(NexthopId),
    /// Into a tunnel.
    Tunnel(TunnelId),
    /// Into a multipoint tunnel, to the peer with this overlay address; `None` is the peer that
    /// has the destination itself, and every peer for a multicast destination.
    Multipoint(CloudId, Option<IpAddr>),
    /// Where the policies of this list say.
    Policy(PolicyListId),
    /// By one of these paths, each of which is a single way; the flow of a packet says by which.
    Multipath(MultipathId),
    /// Nowhere, on purpose.
    Blackhole,
}

/// A cell: zero is "no route", the high bit marks the index of a 256-cell group, anything else is
/// a route's index plus one.
type Cell = u32;
const GROUP: Cell = 1 << 31;
const ROOT: usize = 1 << 16;

/// The forwarding table.
#[derive(Clone, Debug, Default)]
pub struct Fib {
    v4: Trie,
    v6: Trie,
    routes: Box<[Route]>,
}

impl Fib {
    /// Builds the table; of two routes for one prefix the last one wins.
    pub fn build(routes: impl IntoIterator<Item = (IpNet, Route)>) -> Self {
        let mut entries: Vec<(IpNet, Route)> = routes.into_iter().collect();
        // Shorter prefixes first, so that longer ones overwrite them.
        entries.sort_by_key(|(prefix, _)| prefix.prefix_len());
        let (mut v4, mut v6) = (Trie::default(), Trie::default());
        let mut distinct: Vec<Route> = Vec::new();
        // Many prefixes share few next hops; but each of many tunnels has a route of its own.
        let mut known: HashMap<Route, usize> = HashMap::new();
        for (prefix, route) in entries {
            let at = *known.entry(route).or_insert_with(|| {
                distinct.push(route);
                distinct.len() - 1
            });
            let value = at as Cell + 1;
            match prefix {
                IpNet::V4(net) => v4.fill(&net.network().octets(), net.prefix_len(), value),
                IpNet::V6(net) => v6.fill(&net.network().octets(), net.prefix_len(), value),
            }
        }
        Self { v4, v6, routes: distinct.into_boxed_slice() }
    }

    /// The route of the longest prefix that covers `destination`.
    #[inline]
    #[must_use]
    pub fn lookup(&self, destination: IpAddr) -> Option<&Route> {
        let cell = match destination {
            IpAddr::V4(address) => self.v4.lookup_v4(address.to_bits()),
            IpAddr::V6(address) => self.v6.lookup(&address.octets()),
        }?;
        self.routes.get((cell as usize).wrapping_sub(1))
    }
}

/// The cells of one IP version; none at all while it has no route.
#[derive(Clone, Debug, Default)]
struct Trie {
    cells: Vec<Cell>,
}

impl Trie {
    /// As [`Trie::lookup`] of the four octets, which are slower to take apart than a number.
    #[inline]
    fn lookup_v4(&self, bits: u32) -> Option<Cell> {
        let mut cell = *self.cells.get((bits >> 16) as usize)?;
        if cell & GROUP != 0 {
            cell = *self.cells.get(((cell & !GROUP) | bits >> 8 & 0xff) as usize)?;
            if cell & GROUP != 0 {
                cell = *self.cells.get(((cell & !GROUP) | bits & 0xff) as usize)?;
            }
        }
        Some(cell)
    }

    #[inline]
    fn lookup(&self, octets: &[u8]) -> Option<Cell> {
        let (root, rest) = octets.split_first_chunk()?;
        let mut cell = *self.cells.get(usize::from(u16::from_be_bytes(*root)))?;
        for octet in rest {
            if cell & GROUP == 0 {
                break;
            }
            cell = *self.cells.get((cell & !GROUP) as usize + usize::from(*octet))?;
        }
        Some(cell)
    }

    fn fill(&mut self, network: &[u8], prefix_len: u8, value: Cell) {
        if self.cells.is_empty() {
            self.cells.resize(ROOT, 0);
        }
        let (len, cells) = (u32::from(prefix_len), &mut self.cells);
        let root = usize::from(u16::from_be_bytes([network[0], network[1]]));
        let levels = network[2..].iter().map(|octet| usize::from(*octet));
        let (mut base, mut level_end) = (0, 16);
        for at in std::iter::once(root).chain(levels) {
            let slot = base + at;
            if len <= level_end {
                let span = 1usize << (level_end - len);
                cells[slot..slot + span].fill(value);
                return;
            }
            if cells[slot] & GROUP == 0 {
                let inherited = cells[slot];
                cells[slot] = GROUP | cells.len() as Cell;
                cells.resize(cells.len() + 256, inherited);
            }
            base = (cells[slot] & !GROUP) as usize;
            level_end += 8;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn route(n: u32) -> Route {
        Route::Connected(PortId(n))
    }

    /// The definition, written the slow way.
    fn longest(routes: &[(IpNet, Route)], address: IpAddr) -> Option<Route> {
        let covering = routes.iter().filter(|(prefix, _)| prefix.contains(&address));
        covering.max_by_key(|(prefix, _)| prefix.prefix_len()).map(|(_, route)| *route)
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition_of_longest_prefix_match(
            // Few bits vary, so that prefixes nest and collide.
            prefixes in proptest::collection::vec((0u32..64, 0u8..=32, 0u32..20), 0..60),
            probes in proptest::collection::vec((0u32..64, 0u32..4), 1..60),
        ) {
            let spread = |n: u32| ((n & 0x30) << 22) | ((n & 0x0c) << 14) | ((n & 3) << 6);
            let v4 = |n| IpAddr::from(Ipv4Addr::from_bits(spread(n)));
            // The same bits at the front and in the last word of a /64.
            let v6 = |n| {
                let bits = u128::from(spread(n)) << 96 | u128::from(spread(n)) << 64;
                IpAddr::from(Ipv6Addr::from_bits(bits))
            };
            let net = |address, len| IpNet::new(address, len).unwrap().trunc();
            let routes: Vec<_> = prefixes
                .into_iter()
                .flat_map(|(n, len, r)| {
                    [(net(v4(n), len), route(r)), (net(v6(n), 2 * len), route(r + 100))]
                })
                .collect();
            let fib = Fib::build(routes.iter().copied());
            for (n, low) in probes {
                let address = IpAddr::from(Ipv4Addr::from_bits(spread(n) | low));
                prop_assert_eq!(fib.lookup(address).copied(), longest(&routes, address));
                prop_assert_eq!(fib.lookup(v6(n)).copied(), longest(&routes, v6(n)));
            }
        }
    }

    #[test]
    fn an_empty_table_routes_nothing() {
        assert_eq!(Fib::default().lookup([192, 0, 2, 1].into()), None);
    }
}
