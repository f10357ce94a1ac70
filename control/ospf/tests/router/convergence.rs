//! Random networks whose links fail and whose packets are lost always end with the routes that an
//! independent shortest-path calculation gives.

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::Ipv4Net;
use ospf::settings::NetworkType;
use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::sim::Net;

/// What every router should know: prefixes and costs, by petgraph's Dijkstra over the networks that
/// are up.
fn oracle(net: &Net) -> Vec<BTreeMap<Ipv4Net, u32>> {
    let mut graph = DiGraph::<(), u32>::new();
    let routers: Vec<NodeIndex> = net.nodes.iter().map(|_| graph.add_node(())).collect();
    for segment in net.segments.iter().filter(|segment| segment.is_up) {
        let vertex = graph.add_node(());
        for end in &segment.ends {
            graph.add_edge(routers[end.node], vertex, u32::from(end.cost));
            graph.add_edge(vertex, routers[end.node], 0);
        }
    }
    let known = |router: &NodeIndex| {
        let costs = dijkstra(&graph, *router, None, |edge| *edge.weight());
        let up = net.segments.iter().filter(|segment| segment.is_up);
        let cost = |segment: &crate::sim::Segment| {
            let by_end = segment
                .ends
                .iter()
                .filter_map(|end| Some(costs.get(&routers[end.node])? + u32::from(end.cost)));
            Some((segment.prefix, by_end.min()?))
        };
        up.filter_map(cost).collect()
    };
    routers.iter().map(known).collect()
}

/// A connected network of this many routers, with as many networks again at random.
fn random_net(seed: u64, routers: usize, loss: u8) -> Net {
    let mut net = Net::new(seed);
    for n in 0..routers {
        net.add_router(Net::settings(n));
    }
    let cost = |net: &mut Net| 1 + net.below(20) as u16;
    for n in 1..routers {
        let to = net.below(n as u64) as usize;
        let ends = [(n, cost(&mut net)), (to, cost(&mut net))];
        net.add_segment(NetworkType::PointToPoint, &ends);
    }
    for _ in 0..routers / 2 {
        let count = 2 + net.below(3) as usize;
        let mut ends: Vec<(usize, u16)> = Vec::new();
        while ends.len() < count.min(routers) {
            let node = net.below(routers as u64) as usize;
            if !ends.iter().any(|(other, _)| *other == node) {
                ends.push((node, cost(&mut net)));
            }
        }
        let network = match (ends.len(), net.below(3)) {
            (2, 0) => NetworkType::PointToPoint,
            _ => NetworkType::Broadcast,
        };
        net.add_segment(network, &ends);
    }
    for segment in &mut net.segments {
        segment.loss = loss;
    }
    net
}

fn flap(net: &mut Net, times: usize) {
    for _ in 0..times {
        let segment = net.below(net.segments.len() as u64) as usize;
        let is_up = net.segments[segment].is_up;
        net.set_link(segment, !is_up);
        let pause = net.below(20_000);
        net.run(Duration::from_millis(pause));
    }
}

fn converges(seed: u64, routers: usize, flaps: usize, loss: u8) {
    let mut net = random_net(seed, routers, loss);
    net.run(Duration::from_secs(60));
    flap(&mut net, flaps);
    net.run(Duration::from_secs(120));
    // While packets are lost a neighbour may be given up at any time; it is found again.
    net.segments.iter_mut().for_each(|segment| segment.loss = 0);
    net.run(Duration::from_secs(90));
    for (node, wanted) in oracle(&net).iter().enumerate() {
        let has = net.costs(node);
        assert_eq!(has, *wanted, "router {node} of seed {seed}");
    }
    gateways_are_nearer(&net);
}

/// Every next hop is a router on a network of ours that has the rest of the cost.
fn gateways_are_nearer(net: &Net) {
    for (node, known) in net.nodes.iter().enumerate() {
        for (prefix, route) in &known.fib {
            for hop in route.next_hops.iter() {
                let Some(gateway) = hop.gateway else { continue };
                let is_ours =
                    |end: &crate::sim::End| end.node == node && end.interface == hop.interface;
                let segment = net.segments.iter().find(|segment| segment.ends.iter().any(is_ours));
                let segment = segment.expect("a network of ours");
                let ours = segment.ends.iter().find(|end| is_ours(end)).unwrap();
                let theirs = segment.ends.iter().find(|end| end.address == gateway);
                let theirs = theirs.expect("a neighbour").node;
                let rest = net.nodes[theirs].fib.get(prefix).map(|route| route.cost);
                assert_eq!(
                    rest.map(|rest| rest + u32::from(ours.cost)),
                    Some(route.cost),
                    "router {node} to {prefix} by {gateway}"
                );
            }
        }
    }
}

#[test]
fn small_networks_converge_whatever_fails() {
    for seed in 0..24 {
        converges(seed, 3 + (seed as usize % 8), 6, 0);
    }
}

#[test]
fn lost_packets_delay_routes_and_change_none() {
    for seed in 100..112 {
        converges(seed, 4 + (seed as usize % 8), 4, 15);
    }
}

#[test]
fn five_hundred_routers_converge() {
    converges(500, 500, 10, 1);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut net = random_net(7, 9, 10);
        net.run(Duration::from_secs(60));
        flap(&mut net, 5);
        let log: Vec<Vec<String>> = net.nodes.iter().map(|node| node.log.clone()).collect();
        log
    };
    assert_eq!(run(), run());
}
