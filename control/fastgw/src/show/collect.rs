//! Takes the live state from tables and counters: they are read, never stopped or locked.

use std::{collections::HashMap, process, sync::Arc, time::Duration};

use config::Config;
use ipnet::IpNet;
use tables::{
    DropReason, Neighbour, NexthopId, PortId, Protection, Tables,
    counters::{PortTraffic, WorkerCounters},
};

use super::{
    latency::latency,
    protocol::Section,
    status::{
        Attach, CopyMode, Direction, DropCount, Neighbor, NeighborState, Port, Role, Route, Sa,
        Status, Tunnel, TunnelState, Worker,
    },
};

/// What a [`Status`] is made from.
pub struct Sources<'a> {
    /// What was asked for.
    pub config: &'a Config,
    /// The newest snapshot.
    pub tables: &'a Tables,
    /// The counters of each worker.
    pub workers: &'a [Arc<WorkerCounters>],
    /// The core of each worker.
    pub cores: &'a [Option<usize>],
    /// How each port was opened; asked for only when the section has ports.
    pub ports: &'a dyn Fn() -> Vec<PortFacts>,
    /// The routes in the snapshot; of two for one prefix the last one counts.
    pub routes: &'a [(IpNet, tables::Route)],
    /// Since the start.
    pub uptime: Duration,
}

/// What tables do not know of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortFacts {
    /// Its addresses.
    pub addresses: Vec<IpNet>,
    /// Where its XDP program is attached.
    pub attach: Attach,
    /// Whether its frames are copied.
    pub copy: CopyMode,
    /// Number of queues that are served.
    pub queues: usize,
    /// Sum of [`af_xdp::Statistics::rx_dropped`].
    pub kernel_rx_dropped: u64,
    /// Sum of [`af_xdp::Statistics::rx_ring_full`].
    pub ring_full: u64,
    /// Sum of [`af_xdp::Statistics::rx_fill_ring_empty`].
    pub fill_empty: u64,
    /// System calls made to send and receive.
    pub syscalls: u64,
}

impl Sources<'_> {
    /// The state now, with the lists of `section`.
    pub fn status(&self, section: Section) -> Status {
        Status {
            name: self.config.gateway.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: process::id(),
            uptime_s: self.uptime.as_secs(),
            workers: section.has(Section::Workers).then(|| self.workers()),
            ports: section.has(Section::Ports).then(|| self.ports()),
            tunnels: section.has(Section::Tunnels).then(|| self.tunnels()),
            sas: section.has(Section::Sas).then(|| self.sas()),
            // The gateway adds these: no table knows of them.
            ike: None,
            ospf: None,
            bfd: None,
            drops: section.has(Section::Drops).then(|| self.drops()),
            routes: section.has(Section::Routes).then(|| self.routes()),
            neighbors: section.has(Section::Neighbors).then(|| self.neighbors()),
            latency: section.has(Section::Latency).then(|| latency(self.workers)),
        }
    }

    fn workers(&self) -> Vec<Worker> {
        let sum = |counters: &WorkerCounters, counter: fn(&PortTraffic) -> u64| {
            let ports = (0..self.tables.ports.len()).map(|port| PortId(port as u32));
            ports.filter_map(|port| counters.port(port)).map(counter).sum()
        };
        let worker = |(index, counters): (usize, &Arc<WorkerCounters>)| Worker {
            index,
            core: self.cores.get(index).copied().flatten(),
            rx_packets: sum(counters, |port| port.rx.packets.value()),
            rx_bytes: sum(counters, |port| port.rx.bytes.value()),
            tx_packets: sum(counters, |port| port.tx.packets.value()),
            tx_bytes: sum(counters, |port| port.tx.bytes.value()),
            busy_turns: counters.busy_turns.value(),
            held: counters.held.value(),
            punted: counters.punted.value(),
            fragments: counters.fragments.value(),
            icmp_sent: counters.icmp_sent.value(),
            icmp_withheld: counters.icmp_withheld.value(),
        };
        self.workers.iter().enumerate().map(worker).collect()
    }

    fn ports(&self) -> Vec<Port> {
        let entries = self.tables.ports.iter().enumerate();
        let all = entries.zip(&self.config.ports).zip((self.ports)());
        all.map(|(((index, entry), configured), facts)| {
            let here = PortId(index as u32);
            let sum = |counter: &dyn Fn(&PortTraffic) -> u64| {
                self.workers.iter().filter_map(|worker| worker.port(here)).map(counter).sum()
            };
            Port {
                name: entry.name.to_string(),
                device: configured.device.get_ref().clone(),
                role: match entry.role {
                    tables::Role::Inside => Role::Inside,
                    tables::Role::Outside => Role::Outside,
                },
                up: entry.up,
                mac: entry.mac.map(|mac| mac.to_string()),
                mtu: entry.mtu,
                addresses: facts.addresses,
                attach: facts.attach,
                copy: facts.copy,
                queues: facts.queues,
                rx_packets: sum(&|port| port.rx.packets.value()),
                rx_bytes: sum(&|port| port.rx.bytes.value()),
                tx_packets: sum(&|port| port.tx.packets.value()),
                tx_bytes: sum(&|port| port.tx.bytes.value()),
                kernel_rx_dropped: facts.kernel_rx_dropped,
                ring_full: facts.ring_full,
                fill_empty: facts.fill_empty,
                syscalls: facts.syscalls,
            }
        })
        .collect()
    }

    fn tunnels(&self) -> Vec<Tunnel> {
        let mut kinds: HashMap<&str, &str> = HashMap::new();
        for configured in &self.config.tunnels {
            let kind = configured.kind.name();
            let peers = configured.peers.iter().map(|peer| peer.name.as_str());
            let names = peers.chain([configured.name.as_str()]);
            kinds.extend(names.map(|name| (name, kind)));
        }
        let shown = |tunnel: &Arc<tables::Tunnel>| {
            let egress = tunnel.egress.and_then(|id| self.tables.nexthops.by_id(id));
            let counters = &tunnel.counters;
            Tunnel {
                name: tunnel.name.to_string(),
                kind: kinds.get(&*tunnel.name).map_or_else(String::new, ToString::to_string),
                local: tunnel.ends.local,
                remote: tunnel.ends.remote,
                state: self.state(tunnel),
                mtu: tunnel.mtu,
                egress: egress.map(|hop| self.port_name(hop.port)),
                nexthop: egress.map(|hop| hop.address),
                in_packets: counters.inbound.packets(),
                in_bytes: counters.inbound.bytes(),
                out_packets: counters.outbound.packets(),
                out_bytes: counters.outbound.bytes(),
            }
        };
        self.tables.tunnels.iter().map(shown).collect()
    }

    fn state(&self, tunnel: &tables::Tunnel) -> TunnelState {
        if matches!(tunnel.protection, Protection::Esp(None)) {
            return TunnelState::NoSa;
        }
        let egress = tunnel.egress.and_then(|id| self.tables.nexthops.by_id(id));
        let port = egress.and_then(|hop| self.tables.ports.get(hop.port.index()));
        match (egress, port) {
            (Some(hop), Some(port)) if port.up && hop.neighbour != Neighbour::Failed => {
                TunnelState::Up
            }
            _ => TunnelState::NoPath,
        }
    }

    fn sas(&self) -> Vec<Sa> {
        let mut inbound: HashMap<u32, Vec<Sa>> = HashMap::new();
        for entry in self.tables.sad.entries() {
            let sa = &entry.sa;
            let shown = Sa {
                tunnel: self.tunnel_name(entry.tunnel.0),
                direction: Direction::Inbound,
                spi: sa.spi(),
                suite: sa.suite().name().to_owned(),
                esn: sa.esn(),
                replay_window: sa.replay_window(),
                // The gateway adds it: no table knows of it.
                worker: None,
                sequence: sa.sequence(),
                packets: sa.packets(),
                bytes: sa.bytes(),
            };
            inbound.entry(entry.tunnel.0).or_default().push(shown);
        }
        let mut all = Vec::new();
        for (index, tunnel) in self.tables.tunnels.iter().enumerate() {
            let mut inbound = inbound.remove(&(index as u32)).unwrap_or_default();
            inbound.sort_unstable_by_key(|sa| sa.spi);
            all.append(&mut inbound);
            let shared = match &tunnel.protection {
                Protection::Esp(Some(sa)) => Some((None, sa)),
                Protection::Esp(None) | Protection::Clear => None,
            };
            let own = tunnel.worker_sas.sas.iter().zip(0..);
            let own = own.filter_map(|(sa, worker)| Some((Some(worker), sa.as_ref()?)));
            all.extend(shared.into_iter().chain(own).map(|(worker, sa)| Sa {
                tunnel: tunnel.name.to_string(),
                direction: Direction::Outbound,
                spi: sa.spi(),
                suite: sa.suite().name().to_owned(),
                esn: sa.esn(),
                replay_window: 0,
                worker,
                sequence: sa.sequence(),
                packets: sa.packets(),
                bytes: sa.bytes(),
            }));
        }
        all
    }

    fn drops(&self) -> Vec<DropCount> {
        let shown = |reason: &DropReason| DropCount {
            reason: reason.counter().to_owned(),
            count: self.workers.iter().map(|worker| worker.drops(*reason)).sum(),
            help: reason.help().to_owned(),
        };
        DropReason::ALL.iter().map(shown).collect()
    }

    fn routes(&self) -> Vec<Route> {
        let targets: HashMap<IpNet, tables::Route> = self.routes.iter().copied().collect();
        let mut sorted: Vec<_> = targets.into_iter().collect();
        sorted.sort_unstable_by_key(|(prefix, _)| *prefix);
        let shown = |(prefix, route)| Route { prefix, target: self.target(route) };
        sorted.into_iter().map(shown).collect()
    }

    fn target(&self, route: tables::Route) -> String {
        match route {
            tables::Route::Local => "local".to_owned(),
            tables::Route::Blackhole => "blackhole".to_owned(),
            tables::Route::Connected(port) => format!("port {}", self.port_name(port)),
            tables::Route::Via(id) => self.via(id),
            tables::Route::Tunnel(id) => format!("tunnel {}", self.tunnel_name(id.0)),
            tables::Route::Multipoint(_, None) => "peers".to_owned(),
            tables::Route::Multipoint(_, Some(peer)) => format!("peer {peer}"),
            tables::Route::Multipath(id) => {
                let paths = self.tables.multipaths.paths(id).iter();
                paths.map(|path| self.target(*path)).collect::<Vec<_>>().join(", ")
            }
            tables::Route::Policy(list) => match self.tables.spd.list(list) {
                // One tunnel and no choice.
                [tables::Policy { action: tables::Action::Protect(id), .. }] => {
                    format!("tunnel {}", self.tunnel_name(id.0))
                }
                _ => "policy".to_owned(),
            },
        }
    }

    fn via(&self, id: NexthopId) -> String {
        match self.tables.nexthops.by_id(id) {
            Some(hop) => format!("via {} on {}", hop.address, self.port_name(hop.port)),
            None => format!("via next hop {}", id.0),
        }
    }

    fn neighbors(&self) -> Vec<Neighbor> {
        let shown = |hop: &tables::Nexthop| {
            let (mac, state) = match hop.neighbour {
                Neighbour::Unresolved => (None, NeighborState::Unresolved),
                Neighbour::Resolved(mac) => (Some(mac.to_string()), NeighborState::Resolved),
                Neighbour::Failed => (None, NeighborState::Failed),
            };
            Neighbor { port: self.port_name(hop.port), address: hop.address, mac, state }
        };
        self.tables.nexthops.entries().iter().map(shown).collect()
    }

    fn port_name(&self, port: PortId) -> String {
        let entry = self.tables.ports.get(port.index());
        entry.map_or_else(|| format!("port {}", port.0), |entry| entry.name.to_string())
    }

    fn tunnel_name(&self, index: u32) -> String {
        let tunnel = self.tables.tunnels.get(index as usize);
        tunnel.map_or_else(|| format!("tunnel {index}"), |tunnel| tunnel.name.to_string())
    }
}

#[cfg(test)]
mod tests;
