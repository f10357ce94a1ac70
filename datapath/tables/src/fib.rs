//! Longest-prefix match over IPv4: a 16-8-8 trie with its leaves pushed down.
//!
//! A lookup reads one to three cells. Control builds it whole and publishes it; the worker sees
//! one table or the next, never a mixture.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::{NexthopId, PortId, TunnelId};

/// Where packets for a prefix go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// An address of the gateway itself.
    Local,
    /// On the port's own network: the destination is the next hop.
    Connected(PortId),
    /// Through a router.
    Via(NexthopId),
    /// Into a tunnel.
    Tunnel(TunnelId),
    /// Nowhere, on purpose.
    Blackhole,
}

/// A cell: zero is "no route", the high bit marks the index of a 256-cell group, anything else is
/// a route's index plus one.
type Cell = u32;
const GROUP: Cell = 1 << 31;
const ROOT: usize = 1 << 16;

/// The forwarding table.
#[derive(Clone, Debug)]
pub struct Fib {
    cells: Box<[Cell]>,
    routes: Box<[Route]>,
}

impl Fib {
    /// Builds the table; of two routes for one prefix the last one wins.
    pub fn build(routes: impl IntoIterator<Item = (Ipv4Net, Route)>) -> Self {
        let mut entries: Vec<(Ipv4Net, Route)> = routes.into_iter().collect();
        // Shorter prefixes first, so that longer ones overwrite them.
        entries.sort_by_key(|(prefix, _)| prefix.prefix_len());
        let mut cells = vec![0; ROOT];
        let mut distinct: Vec<Route> = Vec::new();
        for (prefix, route) in entries {
            // Many prefixes share few next hops, mostly the latest ones.
            let at = distinct.iter().rposition(|known| *known == route).unwrap_or_else(|| {
                distinct.push(route);
                distinct.len() - 1
            });
            fill(&mut cells, prefix, at as Cell + 1);
        }
        Self { cells: cells.into_boxed_slice(), routes: distinct.into_boxed_slice() }
    }

    /// The route of the longest prefix that covers `destination`.
    #[inline]
    #[must_use]
    pub fn lookup(&self, destination: Ipv4Addr) -> Option<Route> {
        let bits = destination.to_bits();
        let mut cell = self.cells.get((bits >> 16) as usize).copied()?;
        for shift in [8, 0] {
            if cell & GROUP == 0 {
                break;
            }
            let at = (cell & !GROUP) + ((bits >> shift) & 0xff);
            cell = self.cells.get(at as usize).copied()?;
        }
        self.routes.get((cell as usize).wrapping_sub(1)).copied()
    }
}

impl Default for Fib {
    fn default() -> Self {
        Self::build([])
    }
}

fn fill(cells: &mut Vec<Cell>, prefix: Ipv4Net, value: Cell) {
    let bits = prefix.network().to_bits();
    let len = u32::from(prefix.prefix_len());
    let mut base = 0;
    for (level_end, shift, width) in [(16, 16, 16), (24, 8, 8), (32, 0, 8)] {
        let slot = base + ((bits >> shift) & ((1 << width) - 1)) as usize;
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
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn route(n: u16) -> Route {
        Route::Connected(PortId(n))
    }

    /// The definition, written the slow way.
    fn longest(routes: &[(Ipv4Net, Route)], address: Ipv4Addr) -> Option<Route> {
        let covering = routes.iter().filter(|(prefix, _)| prefix.contains(&address));
        covering.max_by_key(|(prefix, _)| prefix.prefix_len()).map(|(_, route)| *route)
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition_of_longest_prefix_match(
            // Few bits vary, so that prefixes nest and collide.
            prefixes in proptest::collection::vec((0u32..64, 0u8..=32, 0u16..20), 0..60),
            probes in proptest::collection::vec((0u32..64, 0u32..4), 1..60),
        ) {
            let spread = |n: u32| ((n & 0x30) << 22) | ((n & 0x0c) << 14) | ((n & 3) << 6);
            let routes: Vec<_> = prefixes
                .into_iter()
                .map(|(n, len, r)| {
                    let address = Ipv4Addr::from_bits(spread(n));
                    (Ipv4Net::new(address, len).unwrap().trunc(), route(r))
                })
                .collect();
            let fib = Fib::build(routes.iter().copied());
            for (n, low) in probes {
                let address = Ipv4Addr::from_bits(spread(n) | low);
                prop_assert_eq!(fib.lookup(address), longest(&routes, address));
            }
        }
    }

    #[test]
    fn an_empty_table_routes_nothing() {
        assert_eq!(Fib::default().lookup(Ipv4Addr::new(192, 0, 2, 1)), None);
    }
}
