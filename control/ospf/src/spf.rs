//! The shortest paths through an area (RFC 2328 section 16.1).
//!
//! 1. [`Graph::new`] makes vertices of router and network LSAs, and edges of their links, in two
//!    arrays.
//! 2. [`Graph::tree`] is Dijkstra's algorithm over those, with every first hop of equal cost kept.
//! 3. What hangs on the vertices (stub networks, and transit networks themselves) are the prefixes.

use alloc::collections::{BTreeMap, BinaryHeap};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::{Ordering, Reverse};
use core::net::Ipv4Addr;

use engine::Instant;
use ipnet::Ipv4Net;

use crate::lsdb::Lsdb;
use crate::msg::{LinkType, LsaBody, LsaType, RouterLsa};
use crate::settings::InterfaceId;

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// By which interface.
    pub interface: InterfaceId,
    /// To which router there; `None` when the destination itself is there.
    pub gateway: Option<Ipv4Addr>,
}

/// Next hops, in their order.
pub type NextHops = Arc<[NextHop]>;

/// A way to a router or a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub cost: u32,
    pub hops: NextHops,
}

/// What an area's shortest paths lead to.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Routers but the root, with the flags of their LSAs.
    pub routers: BTreeMap<Ipv4Addr, (Reached, u8)>,
    pub prefixes: BTreeMap<Ipv4Net, Reached>,
}

/// What the root's own links lead to, as its interfaces have it.
pub(crate) trait Root {
    /// The neighbour `router` by the interface with this address.
    fn neighbor(&self, address: Ipv4Addr, router: Ipv4Addr) -> Option<NextHop>;
    /// The network by the interface with this address.
    fn network(&self, address: Ipv4Addr) -> Option<NextHop>;
    /// A network that no other router is on.
    fn stub(&self, prefix: Ipv4Net) -> Option<NextHop>;
}

#[derive(Clone, Copy)]
struct Edge {
    to: u32,
    cost: u32,
    /// The near end's own address on the link.
    data: Ipv4Addr,
}

/// Routers come first among vertices, then networks; each in the order of its IDs.
pub(crate) struct Graph<'a> {
    routers: Vec<(Ipv4Addr, &'a RouterLsa)>,
    networks: Vec<(Ipv4Addr, Ipv4Addr)>,
    edges: Vec<Edge>,
    /// Where a vertex's edges begin; they end where those of the next one begin, and are in the
    /// order of where they lead.
    first: Vec<u32>,
}

impl<'a> Graph<'a> {
    /// The graph of an area's database at this time.
    pub fn new(lsdb: &'a Lsdb, now: Instant) -> Self {
        let live = |kind| lsdb.of_type(kind).filter(|(_, entry)| !entry.is_max_aged(now));
        let router = |body: &'a LsaBody| match body {
            LsaBody::Router(router) => Some(router),
            _ => None,
        };
        let routers: Vec<(Ipv4Addr, &RouterLsa)> = live(LsaType::ROUTER)
            .filter_map(|(key, entry)| Some((key.id, router(&entry.body)?)))
            .collect();
        let network = |body: &'a LsaBody| match body {
            LsaBody::Network { mask, routers } => Some((*mask, routers)),
            _ => None,
        };
        let mut attached: Vec<(Ipv4Addr, Ipv4Addr, &[Ipv4Addr])> = live(LsaType::NETWORK)
            .filter_map(|(key, entry)| {
                let (mask, routers) = network(&entry.body)?;
                Some((key.id, mask, routers.as_slice()))
            })
            .collect();
        attached.dedup_by_key(|(id, ..)| *id);
        let networks = attached.iter().map(|(id, mask, _)| (*id, *mask)).collect();
        let mut graph = Self { routers, networks, edges: Vec::new(), first: Vec::new() };
        for at in 0..graph.routers.len() {
            let from = graph.edges.len();
            graph.first.push(from as u32);
            graph.add_links(at);
            graph.edges[from..].sort_unstable_by_key(|edge| edge.to);
        }
        for (_, _, members) in attached {
            let from = graph.edges.len();
            graph.first.push(from as u32);
            let ids = members.iter().filter_map(|id| graph.router(*id));
            let edges: Vec<Edge> =
                ids.map(|to| Edge { to, cost: 0, data: Ipv4Addr::UNSPECIFIED }).collect();
            graph.edges.extend(edges);
            graph.edges[from..].sort_unstable_by_key(|edge| edge.to);
        }
        graph.first.push(graph.edges.len() as u32);
        graph
    }

    fn add_links(&mut self, at: usize) {
        let Some((_, lsa)) = self.routers.get(at) else { return };
        for link in &lsa.links {
            let to = match link.kind {
                LinkType::POINT_TO_POINT => self.router(link.id),
                LinkType::TRANSIT => self.network(link.id),
                _ => None,
            };
            if let Some(to) = to {
                self.edges.push(Edge { to, cost: u32::from(link.metric), data: link.data });
            }
        }
    }

    fn router(&self, id: Ipv4Addr) -> Option<u32> {
        self.routers.binary_search_by_key(&id, |(id, _)| *id).ok().map(|at| at as u32)
    }

    fn network(&self, id: Ipv4Addr) -> Option<u32> {
        let at = self.networks.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some((self.routers.len() + at) as u32)
    }

    fn edges(&self, vertex: u32) -> &[Edge] {
        let at = vertex as usize;
        let bound = |at: usize| self.first.get(at).map_or(0, |first| *first as usize);
        self.edges.get(bound(at)..bound(at + 1)).unwrap_or_default()
    }

    /// The edges of a vertex that lead to another.
    fn edges_to(&self, from: u32, to: u32) -> &[Edge] {
        let edges = self.edges(from);
        let begin = edges.partition_point(|edge| edge.to < to);
        let rest = edges.get(begin..).unwrap_or_default();
        rest.get(..rest.partition_point(|edge| edge.to == to)).unwrap_or_default()
    }

    fn is_router(&self, vertex: u32) -> bool {
        (vertex as usize) < self.routers.len()
    }

    /// The shortest paths from the router `id`.
    pub fn tree(&self, id: Ipv4Addr, root: &dyn Root, paths_max: usize) -> Tree {
        let Some(start) = self.router(id) else { return Tree::default() };
        let count = self.routers.len() + self.networks.len();
        let mut search = Search {
            graph: self,
            root,
            start,
            cost: alloc::vec![u32::MAX; count],
            done: alloc::vec![false; count],
            hops: alloc::vec![HopSets::NONE; count],
            sets: HopSets::new(paths_max),
        };
        search.run();
        search.tree()
    }
}

/// Sets of next hops, each once.
struct HopSets {
    sets: Vec<Vec<NextHop>>,
    by_set: BTreeMap<Vec<NextHop>, u32>,
    max: usize,
}

impl HopSets {
    const NONE: u32 = 0;

    fn new(max: usize) -> Self {
        Self {
            sets: alloc::vec![Vec::new()],
            by_set: BTreeMap::from([(Vec::new(), Self::NONE)]),
            max: max.max(1),
        }
    }

    fn of(&self, set: u32) -> &[NextHop] {
        self.sets.get(set as usize).map(Vec::as_slice).unwrap_or_default()
    }

    fn insert(&mut self, mut set: Vec<NextHop>) -> u32 {
        set.sort_unstable();
        set.dedup();
        set.truncate(self.max);
        if let Some(known) = self.by_set.get(&set) {
            return *known;
        }
        let id = self.sets.len() as u32;
        self.sets.push(set.clone());
        self.by_set.insert(set, id);
        id
    }

    fn union(&mut self, a: u32, b: u32) -> u32 {
        if a == b { a } else { self.insert([self.of(a), self.of(b)].concat()) }
    }
}

struct Search<'a> {
    graph: &'a Graph<'a>,
    root: &'a dyn Root,
    start: u32,
    cost: Vec<u32>,
    done: Vec<bool>,
    hops: Vec<u32>,
    sets: HopSets,
}

impl Search<'_> {
    fn run(&mut self) {
        let mut heap = BinaryHeap::new();
        self.cost[self.start as usize] = 0;
        heap.push(Reverse((0_u32, true, self.start)));
        while let Some(Reverse((cost, _, vertex))) = heap.pop() {
            let at = vertex as usize;
            if core::mem::replace(&mut self.done[at], true) {
                continue;
            }
            let graph = self.graph;
            for edge in graph.edges(vertex) {
                let to = edge.to as usize;
                let through = cost.saturating_add(edge.cost);
                // RFC 2328 16.1 (2b): the other end must have a link back.
                if self.done[to]
                    || through > self.cost[to]
                    || graph.edges_to(edge.to, vertex).is_empty()
                {
                    continue;
                }
                let hops = self.hops_of(vertex, edge);
                if hops == HopSets::NONE {
                    continue;
                }
                match through.cmp(&self.cost[to]) {
                    Ordering::Less => {
                        self.cost[to] = through;
                        self.hops[to] = hops;
                        // Networks come first, so that all ways to a router behind are known.
                        heap.push(Reverse((through, graph.is_router(edge.to), edge.to)));
                    }
                    _ => self.hops[to] = self.sets.union(self.hops[to], hops),
                }
            }
        }
    }

    /// RFC 2328 section 16.1.1.
    fn hops_of(&mut self, parent: u32, edge: &Edge) -> u32 {
        let graph = self.graph;
        if parent == self.start {
            let hop = match graph.routers.get(edge.to as usize) {
                Some((router, _)) => self.root.neighbor(edge.data, *router),
                None => self.root.network(edge.data),
            };
            return hop.map_or(HopSets::NONE, |hop| self.sets.insert(alloc::vec![hop]));
        }
        let inherited = self.hops[parent as usize];
        let is_attached = |hop: &NextHop| hop.gateway.is_none();
        if graph.is_router(parent) || !self.sets.of(inherited).iter().any(is_attached) {
            return inherited;
        }
        // Behind a network of ours: the router's own address there, from its link back.
        let back = graph.edges_to(edge.to, parent);
        let set = self.sets.of(inherited).iter().flat_map(|hop| {
            let beyond = hop.gateway.map(|gateway| NextHop { gateway: Some(gateway), ..*hop });
            let there = back.iter().map(|edge| NextHop { gateway: Some(edge.data), ..*hop });
            let there = there.filter(move |_| beyond.is_none());
            beyond.into_iter().chain(there)
        });
        let set = set.collect();
        self.sets.insert(set)
    }

    /// RFC 2328 section 16.1, the second stage.
    fn tree(self) -> Tree {
        let shared: Vec<NextHops> =
            self.sets.sets.iter().map(|set| set.as_slice().into()).collect();
        let hops = |at: usize| shared.get(self.hops[at] as usize).cloned().unwrap_or_default();
        let mut tree = Tree::default();
        let mut add = |prefix: Ipv4Net, cost: u32, hops: NextHops| {
            let new = Reached { cost, hops };
            tree.prefixes
                .entry(prefix)
                .and_modify(|old| old.prefer(&new, self.sets.max))
                .or_insert(new);
        };
        for (at, (id, mask)) in self.graph.networks.iter().enumerate() {
            let vertex = self.graph.routers.len() + at;
            if let Some(prefix) = prefix(*id, *mask).filter(|_| self.done[vertex]) {
                add(prefix, self.cost[vertex], hops(vertex));
            }
        }
        for (at, (_, lsa)) in self.graph.routers.iter().enumerate() {
            if !self.done[at] {
                continue;
            }
            for link in lsa.links.iter().filter(|link| link.kind == LinkType::STUB) {
                let Some(prefix) = prefix(link.id, link.data) else { continue };
                let cost = self.cost[at].saturating_add(u32::from(link.metric));
                let is_own = at == self.start as usize;
                let own = || self.root.stub(prefix).into_iter().collect();
                add(prefix, cost, if is_own { own() } else { hops(at) });
            }
        }
        for (at, (id, lsa)) in self.graph.routers.iter().enumerate() {
            if self.done[at] && at != self.start as usize {
                let reached = Reached { cost: self.cost[at], hops: hops(at) };
                tree.routers.insert(*id, (reached, lsa.flags));
            }
        }
        tree
    }
}

impl Reached {
    /// Takes the better of two ways, or both where they are as good.
    pub fn prefer(&mut self, other: &Self, paths_max: usize) {
        match other.cost.cmp(&self.cost) {
            Ordering::Less => self.clone_from(other),
            Ordering::Equal => self.hops = united(&self.hops, &other.hops, paths_max),
            Ordering::Greater => {}
        }
    }
}

/// The next hops of both.
pub(crate) fn united(a: &NextHops, b: &NextHops, paths_max: usize) -> NextHops {
    if a == b || b.is_empty() {
        return Arc::clone(a);
    }
    let mut all = [&a[..], &b[..]].concat();
    all.sort_unstable();
    all.dedup();
    all.truncate(paths_max.max(1));
    all.into()
}

/// The prefix of an address and a mask, if the mask is one.
pub(crate) fn prefix(address: Ipv4Addr, mask: Ipv4Addr) -> Option<Ipv4Net> {
    Ipv4Net::with_netmask(address, mask).ok().map(|prefix| prefix.trunc())
}
