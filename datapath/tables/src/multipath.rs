//! Routes with several equal ways (ECMP): the flow of a packet says which of them it takes, so that
//! packets of one flow stay in order (RFC 2992).

use std::net::IpAddr;

use crate::Route;
use crate::index::digest;

/// Index of a list of paths in [`Multipaths`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MultipathId(pub u32);

/// What packets of one flow have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// The protocol behind IP.
    pub protocol: u8,
    /// Source and destination port, in host byte order; zeros where there are none, and in a
    /// fragment, of which only the first would have them.
    pub ports: (u16, u16),
}

/// The paths of each multipath route.
#[derive(Clone, Debug, Default)]
pub struct Multipaths {
    seed: u64,
    lists: Box<[Box<[Route]>]>,
}

impl Multipaths {
    /// Most paths of a route.
    pub const PATHS_MAX: usize = 16;

    /// The table in which the `n`-th list has [`MultipathId`] `n`; of a list that is too long the
    /// first paths are used. `seed` should be another in each gateway: with one seed in all of
    /// them the second router on the way would see only flows that the first has sent there, and
    /// send them all by one path.
    #[must_use]
    pub fn build(seed: u64, mut lists: Vec<Vec<Route>>) -> Self {
        lists.iter_mut().for_each(|list| list.truncate(Self::PATHS_MAX));
        Self { seed, lists: lists.into_iter().map(Vec::into_boxed_slice).collect() }
    }

    /// The paths of a list.
    #[must_use]
    pub fn paths(&self, id: MultipathId) -> &[Route] {
        self.lists.get(id.0 as usize).map_or(&[], |list| list)
    }

    /// The path that packets of this flow take, always the same; `None` when there is none.
    #[inline]
    #[must_use]
    pub fn choose(&self, id: MultipathId, flow: &Flow) -> Option<Route> {
        let paths = self.paths(id);
        // The high bits decide, whatever number of paths there is: a remainder would do as well,
        // but takes a division.
        let at = (u128::from(flow.hash(self.seed)) * paths.len() as u128) >> 64;
        paths.get(at as usize).copied()
    }
}

impl Flow {
    #[inline]
    fn hash(&self, seed: u64) -> u64 {
        let (source, destination) = self.ports;
        let upper =
            u64::from(self.protocol) << 32 | u64::from(source) << 16 | u64::from(destination);
        let hash = mix(digest(self.source).wrapping_add(seed));
        let hash = mix(digest(self.destination) ^ hash);
        mix(upper ^ hash)
    }
}

/// Lets every bit of `bits` change every bit of the result with a chance of one half (the last step
/// of MurmurHash3).
#[inline]
fn mix(bits: u64) -> u64 {
    let bits = (bits ^ bits >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let bits = (bits ^ bits >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ bits >> 33
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::TunnelId;

    const ID: MultipathId = MultipathId(0);
    /// How far from its share a path may be, in parts of the share.
    const TOLERANCE: f64 = 0.06;

    fn table(seed: u64, paths: u32) -> Multipaths {
        let list = (0..paths).map(|n| Route::Tunnel(TunnelId(n))).collect();
        Multipaths::build(seed, vec![list])
    }

    fn chosen(table: &Multipaths, flow: &Flow) -> usize {
        match table.choose(ID, flow) {
            Some(Route::Tunnel(id)) => id.0 as usize,
            other => panic!("{other:?}"),
        }
    }

    fn flow(source: impl Into<IpAddr>, destination: impl Into<IpAddr>, ports: (u16, u16)) -> Flow {
        Flow { source: source.into(), destination: destination.into(), protocol: 6, ports }
    }

    /// Flows that differ as little as those of real networks do.
    fn kinds() -> [(&'static str, Vec<Flow>); 4] {
        let v4 = |bits: u32| Ipv4Addr::from_bits(bits);
        let v6 = |low: u32| Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(low));
        let (here, there) = (0x0a01_0002, 0x0a02_0000);
        let each = |make: &dyn Fn(u32) -> Flow| (0..10_000).map(make).collect();
        [
            ("source ports", each(&|n| flow(v4(here), v4(there), (32_768 + n as u16, 443)))),
            ("hosts", each(&|n| flow(v4(here + n / 100), v4(there + n % 100), (0, 0)))),
            ("subnets", each(&|n| flow(v4(here), v4(there + n * 256), (500, 500)))),
            ("IPv6 hosts", each(&|n| flow(v6(n / 100), v6(n % 100), (0, 0)))),
        ]
    }

    /// Each path's flows.
    fn counts<'a>(
        table: &Multipaths,
        paths: usize,
        flows: impl Iterator<Item = &'a Flow>,
    ) -> Vec<usize> {
        let mut counts = vec![0; paths];
        flows.for_each(|flow| counts[chosen(table, flow)] += 1);
        counts
    }

    fn assert_even(counts: &[usize], tolerance: f64, what: &str) {
        let share = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
        let off = |count: &usize| (*count as f64 - share).abs() / share;
        assert!(counts.iter().all(|count| off(count) < tolerance), "{what}: {counts:?}");
    }

    #[test]
    fn flows_are_spread_evenly_over_any_number_of_paths() {
        for (kind, flows) in kinds() {
            for paths in [2, 3, 5, 7, 12, 16] {
                let counts = counts(&table(7, paths), paths as usize, flows.iter());
                // Smaller shares differ more from each other.
                let tolerance = TOLERANCE * (f64::from(paths) / 3.0).max(1.0);
                assert_even(&counts, tolerance, &format!("{kind} over {paths}"));
            }
        }
    }

    #[test]
    fn a_router_spreads_again_what_another_router_has_sent_by_one_path() {
        let (first, second) = (table(1, 3), table(2, 3));
        for (kind, flows) in kinds() {
            for path in 0..3 {
                let sent = flows.iter().filter(|flow| chosen(&first, flow) == path);
                assert_even(&counts(&second, 3, sent), 2.0 * TOLERANCE, kind);
            }
        }
    }

    #[test]
    fn a_flow_stays_on_its_path_and_either_direction_and_port_makes_another() {
        let table = table(7, 16);
        for (_, flows) in kinds() {
            assert!(flows.iter().all(|flow| chosen(&table, flow) == chosen(&table, &flow.clone())));
        }
        let there = flow([10, 1, 0, 2], [10, 2, 0, 2], (1000, 2000));
        let others = [
            Flow { ports: (2000, 1000), ..there },
            Flow { ports: (1001, 2000), ..there },
            Flow { protocol: 17, ..there },
            flow([10, 2, 0, 2], [10, 1, 0, 2], (1000, 2000)),
        ];
        assert!(others.iter().all(|other| other.hash(7) != there.hash(7)));
    }

    #[test]
    fn a_list_is_cut_to_the_most_paths_and_one_that_is_not_there_leads_nowhere() {
        let table = table(7, 40);
        assert_eq!(table.paths(ID).len(), Multipaths::PATHS_MAX);
        let flow = flow([10, 1, 0, 2], [10, 2, 0, 2], (0, 0));
        assert_eq!(table.choose(MultipathId(1), &flow), None);
        assert_eq!(Multipaths::build(7, vec![Vec::new()]).choose(ID, &flow), None);
    }
}
