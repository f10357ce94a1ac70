//! The other gateway, in memory: seals what the gateway under test is to open, and opens what it
//! has sealed.
//!
//! It reads the configuration of the gateway under test and turns it round: local and remote,
//! inbound and outbound change places. What it does to packets is then done by the very worker
//! that gateways run, over the tables that they build.

use std::error::Error;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use config::{
    Config, Lifetime, PortMode, Role, Route, RouteTarget, Selector, Spanned, Tunnel, TunnelKind,
};
use ipnet::IpNet;
use pipeline::{Rings, Worker, WorkerId};
use port::{Batch, FramePool, Umem};
use tables::counters::WorkerCounters;
use tables::publish::Publisher;
use tables::{DropReason, Neighbour, PortId, Protection, Tables};
use wire::ethernet::Mac;

use super::flow::Flow;
use super::packet::Blueprint;
use super::sender::BURST;
use super::stamp::Stamp;
use crate::Tray;
use bridge::{Bridge, PortState, Underlay};

/// The mirror's inside, where clear frames are for this address.
pub const INSIDE_MAC: Mac = Mac([0x02, 0x66, 0x67, 0x77, 0, 1]);
const INSIDE: PortId = PortId(0);
const OUTSIDE: PortId = PortId(1);
/// Tunnels carry what the chunks of packet memory hold.
const MTU: u16 = 3600;
/// Chunks that a mirror keeps to itself.
const POOL: usize = 4 * BURST;

/// How a mirror is made.
pub struct Reflected<'a> {
    /// Configuration of the gateway under test.
    pub config: &'a Path,
    /// Names of its tunnels, or peers, to use; empty is all.
    pub tunnels: &'a [String],
    /// What is carried.
    pub flows: &'a [Flow],
    /// The address of our device on the gateway's outside.
    pub own: Mac,
    /// The address of the gateway's outside device.
    pub gateway: Mac,
    /// Whether it is to open what the gateway seals, instead of sealing what the gateway opens.
    pub opens: bool,
    /// Sequence number that the first packet of each SA has.
    pub sequence_from: u32,
}

/// The other gateway.
pub struct Mirror {
    worker: Worker<Tray>,
    counters: Arc<WorkerCounters>,
    /// Our ends of the tunnels.
    endpoints: Vec<IpAddr>,
    /// Frees what goes elsewhere.
    pool: FramePool,
    _publisher: Publisher,
}

impl Mirror {
    /// Turns a configuration round.
    ///
    /// # Errors
    /// A configuration that is refused, a tunnel that it does not have, sequence numbers that are
    /// used up, or no system randomness.
    pub fn new(what: &Reflected<'_>, umem: &'static Umem) -> Result<Self, Box<dyn Error>> {
        let mut config = config::load(what.config)?;
        turn_round(&mut config, what)?;
        let mut seeds = || {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|error| format!("no randomness: {error}"))?;
            Ok(seed)
        };
        let machine = Machine::new(&config, what);
        let mut bridge = Bridge::new(&config, &mut seeds)?;
        let built = bridge.build(&machine);
        // The first build learns which next hops there are.
        let tables = Tables { nexthops: bridge.nexthops(&machine), ..built.tables };
        for tunnel in tables.tunnels.iter() {
            if let Protection::Esp(Some(sa)) = &tunnel.protection
                && what.sequence_from > 1
            {
                sa.reserve(what.sequence_from - 1)?;
            }
        }
        let publisher = Publisher::new(tables);
        let counters = Arc::new(WorkerCounters::new(2));
        let worker = Worker::new(
            WorkerId { index: 0, of: 1 },
            vec![Tray::new(BURST), Tray::new(4 * BURST)],
            umem.pool(POOL),
            publisher.reader(),
            Arc::clone(&counters),
            Rings::default(),
        );
        let pool = umem.pool(POOL);
        Ok(Self { worker, counters, endpoints: built.endpoints, pool, _publisher: publisher })
    }

    /// Our ends of the tunnels: where the gateway under test sends to.
    #[must_use]
    pub fn endpoints(&self) -> &[IpAddr] {
        &self.endpoints
    }

    /// Puts the frames of `batch` into their tunnels, in order; what no tunnel takes is gone.
    /// Gives by how many bytes they have grown together.
    pub fn seal(&mut self, batch: &mut Batch, now_ns: u64) -> u64 {
        let (before, after) = self.carry(batch, INSIDE, OUTSIDE, now_ns);
        after.saturating_sub(before)
    }

    /// Takes the frames of `batch` out of their tunnels, in order; what is in none is gone.
    pub fn open(&mut self, batch: &mut Batch, now_ns: u64) {
        self.carry(batch, OUTSIDE, INSIDE, now_ns);
    }

    /// Bytes of a packet of `flow` and the size at `place` when it is sealed; `None` when no tunnel
    /// takes it. Uses up a sequence number.
    pub fn sealed_len(
        &mut self,
        blueprint: &Blueprint,
        place: usize,
        flow: u32,
        pool: &mut FramePool,
    ) -> Option<usize> {
        let mut batch = Batch::new(BURST);
        let mut frame = pool.alloc()?;
        let stamp = Stamp { trial: 0, flow, seq: 0, intended_ns: 0 };
        if let Some(bytes) = frame.append(blueprint.len(place)) {
            blueprint.write(place, stamp, bytes);
        }
        if let Err(frame) = batch.push(frame) {
            pool.free(frame);
        }
        let grown = self.seal(&mut batch, 1) as usize;
        (batch.release(pool) == 1).then_some(blueprint.len(place) + grown)
    }

    /// Drops by reason.
    #[must_use]
    pub fn drops(&self) -> Vec<(&'static str, u64)> {
        let all =
            DropReason::ALL.iter().map(|reason| (reason.help(), self.counters.drops(*reason)));
        all.filter(|(_, count)| *count > 0).collect()
    }

    /// Bytes before and after.
    fn carry(&mut self, batch: &mut Batch, from: PortId, to: PortId, now_ns: u64) -> (u64, u64) {
        let (mut before, mut after) = (0, 0);
        let n = batch.len();
        if let Some(tray) = self.worker.ports_mut().nth(from.index()) {
            for frame in batch.drain(n) {
                before += frame.len() as u64;
                tray.lay_out(frame);
            }
        }
        self.worker.turn(now_ns);
        for (at, tray) in self.worker.ports_mut().enumerate() {
            for frame in tray.take() {
                if at != to.index() {
                    // An answer to whoever sent it: nobody is there.
                    self.pool.free(frame);
                    continue;
                }
                after += frame.len() as u64;
                if let Err(frame) = batch.push(frame) {
                    self.pool.free(frame);
                }
            }
        }
        (before, after)
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        for tray in self.worker.ports_mut() {
            tray.release(&mut self.pool);
        }
    }
}

fn turn_round(config: &mut Config, what: &Reflected<'_>) -> Result<(), String> {
    let tunnels = std::mem::take(&mut config.tunnels);
    let mut names = Vec::new();
    let all = tunnels.into_iter().flat_map(one_peer_each).filter_map(|mut tunnel| {
        names.push(tunnel.name.clone());
        // All are all that can be: whom the gateway has to hear first is nobody to send from.
        let all = what.tunnels.is_empty() && tunnel.remote.is_some();
        let wanted = all || what.tunnels.contains(&tunnel.name);
        wanted.then(|| turn_tunnel(&mut tunnel)).map(|turned| turned.map(|()| tunnel))
    });
    config.tunnels = all.collect::<Result<Vec<_>, String>>()?;
    if let Some(missing) = what.tunnels.iter().find(|name| !names.contains(name)) {
        let file = what.config.display();
        return Err(format!("{file} has no tunnel {missing:?}; it has {}", names.join(", ")));
    }
    if config.tunnels.is_empty() {
        return Err(format!("{} has no tunnel whose ends are both known", what.config.display()));
    }
    config.policies.clear();
    let port = |name: &str, role| config::Port {
        name: name.to_owned(),
        device: Spanned::new(0..0, name.to_owned()),
        role,
        addresses: Vec::new(),
        mode: PortMode::Auto,
    };
    config.ports = vec![port("inside", Role::Inside), port("outside", Role::Outside)];
    let routed = config.tunnels.iter().enumerate();
    let routed = routed.filter(|(_, tunnel)| !matches!(tunnel.kind, TunnelKind::Esp(_)));
    let routed: Vec<usize> = routed.map(|(at, _)| at).collect();
    config.routes.clear();
    if !routed.is_empty() && !what.opens {
        let routes = destinations(what.flows).into_iter().zip(routed.iter().cycle());
        config.routes.extend(routes.map(|(address, at)| Route {
            prefix: Spanned::new(0..0, IpNet::from(address)),
            target: RouteTarget::Tunnel(*at),
        }));
    }
    Ok(())
}

/// A tunnel with many peers as so many tunnels.
fn one_peer_each(mut tunnel: Tunnel) -> Vec<Tunnel> {
    if tunnel.remote.is_some() {
        return vec![tunnel];
    }
    let peers = std::mem::take(&mut tunnel.peers);
    let kind = || match &tunnel.kind {
        TunnelKind::Mgre(gre) => TunnelKind::Gre(*gre),
        _ => TunnelKind::Vti,
    };
    let one = |peer: config::Peer| Tunnel {
        name: peer.name,
        kind: kind(),
        local: tunnel.local.clone(),
        remote: peer.remote,
        addresses: Vec::new(),
        outer: tunnel.outer,
        mtu: None,
        mss: tunnel.mss,
        protection: peer.protection,
        peers: Vec::new(),
    };
    peers.into_iter().map(one).collect()
}

fn turn_tunnel(tunnel: &mut Tunnel) -> Result<(), String> {
    let Some(remote) = &mut tunnel.remote else {
        let name = &tunnel.name;
        return Err(format!("{name} is a peer without a fixed address: give it a `remote`"));
    };
    if tunnel.protection.ike().is_some() {
        let name = &tunnel.name;
        return Err(format!("{name} has keys that are negotiated: give it a [tunnel.sa]"));
    }
    std::mem::swap(&mut tunnel.local, remote);
    tunnel.addresses.clear();
    tunnel.mtu = None;
    match &mut tunnel.kind {
        TunnelKind::Esp(selectors) => {
            for Selector { local, remote, local_ports, remote_ports, .. } in selectors {
                std::mem::swap(local, remote);
                std::mem::swap(local_ports, remote_ports);
            }
        }
        TunnelKind::L2tp(l2tp) => {
            std::mem::swap(&mut l2tp.local_tunnel_id, &mut l2tp.remote_tunnel_id);
            std::mem::swap(&mut l2tp.local_session_id, &mut l2tp.remote_session_id);
        }
        _ => {}
    }
    if let config::Protection::Manual(sa) = &mut tunnel.protection {
        std::mem::swap(&mut sa.outbound, &mut sa.inbound);
        if let Some([local, remote]) = &mut sa.endpoints {
            std::mem::swap(local, remote);
        }
        sa.lifetime = Lifetime::default();
    }
    Ok(())
}

fn destinations(flows: &[Flow]) -> Vec<IpAddr> {
    let mut all: Vec<_> = flows.iter().map(|flow| flow.destination).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Two links without any kernel: clear frames on one side, the gateway under test on the other.
struct Machine {
    endpoints: Vec<IpAddr>,
    /// Where packets that were opened go; none when packets are sealed.
    behind: Vec<IpAddr>,
    own: Mac,
    gateway: Mac,
}

impl Machine {
    fn new(config: &Config, what: &Reflected<'_>) -> Self {
        let ends = config.tunnels.iter().flat_map(|tunnel| {
            let of_sa = tunnel.protection.endpoints();
            [Some(*tunnel.local.get_ref()), of_sa.map(|[local, _]| *local.get_ref())]
        });
        Self {
            endpoints: ends.flatten().collect(),
            behind: if what.opens { destinations(what.flows) } else { Vec::new() },
            own: what.own,
            gateway: what.gateway,
        }
    }
}

impl Underlay for Machine {
    fn port(&self, port: PortId) -> PortState {
        let Mac(mac) = if port == INSIDE { INSIDE_MAC } else { self.own };
        PortState { mac: Some(mac), mtu: MTU, up: true, networks: Vec::new() }
    }

    fn addresses(&self) -> Vec<IpAddr> {
        self.endpoints.clone()
    }

    /// By one neighbour: a next hop for each address would have to be asked for.
    fn routes(&self, port: PortId) -> Vec<(IpNet, Option<IpAddr>)> {
        let via = self.behind.first().copied().filter(|_| port == INSIDE);
        let all = self.behind.iter().map(|address| (IpNet::from(*address), via));
        all.filter(|_| via.is_some()).collect()
    }

    fn next_hop(&self, destination: IpAddr) -> Option<(PortId, IpAddr)> {
        Some((OUTSIDE, destination))
    }

    fn neighbour(&self, port: PortId, _address: IpAddr) -> Neighbour {
        Neighbour::Resolved(if port == INSIDE { INSIDE_MAC } else { self.gateway })
    }

    fn path_mtu(&self, _destination: IpAddr) -> Option<u16> {
        None
    }
}

#[cfg(test)]
mod tests;
