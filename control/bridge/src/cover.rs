//! Which entries of the policy database can cover a destination, found without looking at all of
//! them: there may be as many as tunnels, and each has destinations of its own.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::policies::Entry;

/// The entries by what they say of the remote side.
pub(super) struct Cover {
    /// Those that take any address.
    any: Vec<usize>,
    /// The others' ranges.
    ranges: Ranges,
}

/// Ranges in the order of their first addresses. Each stretch of the list is a tree whose root is
/// in its middle and knows the highest address under it (an augmented interval tree).
struct Ranges(Vec<Range>);

struct Range {
    first: IpAddr,
    last: IpAddr,
    highest: IpAddr,
    entry: usize,
}

impl Cover {
    pub(super) fn of(entries: &[Entry]) -> Self {
        let (mut any, mut ranges) = (Vec::new(), Vec::new());
        for (n, entry) in entries.iter().enumerate() {
            let remote = &entry.selector.remote;
            if remote.is_empty() {
                any.push(n);
            }
            ranges.extend(remote.iter().map(|range| {
                let (first, last) = (range.first, range.last);
                Range { first, last, highest: last, entry: n }
            }));
        }
        Self { any, ranges: Ranges::of(ranges) }
    }

    /// The entries that can cover a part of `prefix`, in their order.
    pub(super) fn of_prefix(&self, prefix: IpNet) -> Vec<usize> {
        let mut found: BTreeSet<usize> = self.any.iter().copied().collect();
        self.ranges.overlapping(prefix.network(), prefix.broadcast(), &mut found);
        found.into_iter().collect()
    }
}

impl Ranges {
    fn of(mut ranges: Vec<Range>) -> Self {
        // IPv4 comes before IPv6, so no range reaches into the other version.
        ranges.sort_by_key(|range| range.first);
        raise(&mut ranges);
        Self(ranges)
    }

    fn overlapping(&self, first: IpAddr, last: IpAddr, found: &mut BTreeSet<usize>) {
        let mut stretches = vec![&self.0[..]];
        while let Some(stretch) = stretches.pop() {
            let (left, rest) = stretch.split_at(stretch.len() / 2);
            let Some((root, right)) = rest.split_first() else { continue };
            if root.highest < first {
                continue;
            }
            stretches.push(left);
            if root.first <= last {
                if first <= root.last {
                    found.insert(root.entry);
                }
                stretches.push(right);
            }
        }
    }
}

/// Tells each root the highest address under it, and gives that of the whole stretch.
fn raise(stretch: &mut [Range]) -> Option<IpAddr> {
    let (left, rest) = stretch.split_at_mut(stretch.len() / 2);
    let (root, right) = rest.split_first_mut()?;
    let under = [raise(left), raise(right)].into_iter().flatten().max();
    root.highest = under.map_or(root.last, |under| under.max(root.last));
    Some(root.highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ranges from a small space, so that many overlap, by a generator with a fixed seed.
    fn ranges(count: u32) -> Vec<(IpAddr, IpAddr)> {
        let mut state = 7_u32;
        let mut next = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % below
        };
        let range = |_| {
            let (first, len) = (next(1000), next(40) * next(2) + next(5));
            let v6 = next(4) == 0;
            let address = |n: u32| match v6 {
                true => IpAddr::from(std::net::Ipv6Addr::from_bits(n.into())),
                false => IpAddr::from(std::net::Ipv4Addr::from_bits(n)),
            };
            (address(first), address(first + len))
        };
        (0..count).map(range).collect()
    }

    #[test]
    fn the_tree_finds_what_looking_at_all_finds() {
        for count in [0, 1, 2, 3, 10, 200] {
            let all = ranges(count);
            let tree = all.iter().enumerate().map(|(entry, (first, last))| Range {
                first: *first,
                last: *last,
                highest: *first,
                entry,
            });
            let tree = Ranges::of(tree.collect());
            for (first, last) in ranges(300) {
                let overlaps = |range: &(IpAddr, IpAddr)| range.0 <= last && first <= range.1;
                let expected: BTreeSet<usize> =
                    (0..all.len()).filter(|n| overlaps(&all[*n])).collect();
                let mut found = BTreeSet::new();
                tree.overlapping(first, last, &mut found);
                assert_eq!(found, expected, "{first} to {last} of {count}");
            }
        }
    }
}
