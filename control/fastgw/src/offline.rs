//! `fastgw offline`: what the gateway does to captures, without privileges and deterministically.
//!
//! The worker is the real one; its ports are capture files. There is no kernel to ask, so the
//! configured addresses stand for the machine's, the remote ends of tunnels are taken to be behind
//! the outside port whose network holds them (or else the first outside port), and every neighbour
//! answers at a MAC address made from its IP address. Randomness is fixed: never send what this
//! writes.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::BufWriter;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::Config;
use ipnet::IpNet;
use pipeline::{Event, EventRing, Rings, Worker, WorkerId};
use port::capture_file::{CaptureReader, CaptureWriter};
use port::pcap::PcapPort;
use port::{Umem, UmemConfig};
use serde::Serialize;
use tables::counters::WorkerCounters;
use tables::publish::Publisher;
use tables::{DropReason, Neighbour, PortId, Tables};
use wire::ethernet::Mac;

use crate::ports::HEADROOM;
use bridge::{Bridge, Heard, PortState, Underlay};

/// Largest frame that a capture may hold: jumbo frames, with room for headers.
const CHUNK: usize = 16_384;
const CHUNKS: usize = 2048;

type Recorder = PcapPort<BufWriter<File>>;

/// What became of the captures.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// By port.
    pub ports: Vec<PortSummary>,
    /// By tunnel: inner packets.
    pub tunnels: Vec<TunnelSummary>,
    /// Packets that went no further, by the name of the reason.
    pub drops: BTreeMap<&'static str, u64>,
}

/// Frames of one port.
#[derive(Debug, Serialize)]
pub struct PortSummary {
    /// Name from the configuration.
    pub name: String,
    /// Frames read.
    pub received: u64,
    /// Frames that left, recorded or not.
    pub transmitted: u64,
}

/// Inner packets of one tunnel.
#[derive(Debug, Serialize)]
pub struct TunnelSummary {
    /// Name from the configuration.
    pub name: String,
    /// Taken out.
    pub inbound: u64,
    /// Put in.
    pub outbound: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for port in &self.ports {
            let PortSummary { name, received, transmitted } = port;
            writeln!(f, "port {name}: {received} frames in, {transmitted} out")?;
        }
        for tunnel in &self.tunnels {
            let TunnelSummary { name, inbound, outbound } = tunnel;
            writeln!(f, "tunnel {name}: {inbound} packets taken out, {outbound} put in")?;
        }
        for reason in DropReason::ALL {
            if let Some(count) = self.drops.get(reason.counter()) {
                writeln!(f, "dropped {count}: {} ({})", reason.counter(), reason.help())?;
            }
        }
        Ok(())
    }
}

/// Plays the captures of `inputs` into their ports in the order of their timestamps and records
/// what leaves the ports of `outputs`.
///
/// # Errors
/// A port that the configuration does not have, a capture that cannot be read or written or that
/// is both; frames before a broken place in a capture are played first.
pub fn offline(
    config: Config,
    inputs: &[(String, PathBuf)],
    outputs: &[(String, PathBuf)],
) -> Result<Summary, Box<dyn Error>> {
    for (name, _) in inputs.iter().chain(outputs) {
        port_named(&config, name)?;
    }
    refuse_to_overwrite(inputs, outputs)?;
    let mut frames = Vec::new();
    let mut broken = None;
    for (name, path) in inputs {
        let port = port_named(&config, name)?;
        broken = broken.or(read_capture(path, port, &mut frames)?);
    }
    frames.sort_by_key(|frame: &Played| frame.at_ns);
    let summary = Player::new(config, outputs)?.play(frames)?;
    match broken {
        Some(error) => Err(error),
        None => Ok(summary),
    }
}

/// A capture that is read must not be the one that is written, by whatever name.
fn refuse_to_overwrite(
    inputs: &[(String, PathBuf)],
    outputs: &[(String, PathBuf)],
) -> Result<(), String> {
    let read: Vec<_> = inputs.iter().filter_map(|(_, path)| path.canonicalize().ok()).collect();
    for (port, path) in outputs {
        if path.canonicalize().is_ok_and(|real| read.contains(&real)) {
            let file = path.display();
            return Err(format!("--out {port}={file} would overwrite a capture that is read"));
        }
    }
    Ok(())
}

struct Played {
    at_ns: u64,
    port: usize,
    bytes: Vec<u8>,
}

fn port_named(config: &Config, name: &str) -> Result<usize, String> {
    config.ports.iter().position(|port| port.name == name).ok_or_else(|| {
        let names: Vec<_> = config.ports.iter().map(|port| port.name.as_str()).collect();
        format!("there is no port {name:?} in the configuration; it has {}", names.join(", "))
    })
}

/// Adds a capture's frames; gives the error at which it breaks off, if it does.
fn read_capture(
    path: &Path,
    port: usize,
    frames: &mut Vec<Played>,
) -> Result<Option<Box<dyn Error>>, Box<dyn Error>> {
    let mut reader = CaptureReader::open(path)?;
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => {
                frames.push(Played { at_ns: frame.timestamp_ns, port, bytes: frame.frame.to_vec() })
            }
            Ok(None) => return Ok(None),
            Err(error) if error.problem.concerns_one_packet() => tracing::warn!("{error}"),
            Err(error) => return Ok(Some(error.into())),
        }
    }
}

/// The worker with everything around it.
struct Player {
    config: Config,
    worker: Worker<Recorder>,
    publisher: Publisher,
    bridge: Bridge,
    machine: Machine,
    counters: Arc<WorkerCounters>,
    events: Arc<EventRing>,
    received: Vec<u64>,
}

impl Player {
    fn new(config: Config, outputs: &[(String, PathBuf)]) -> Result<Self, Box<dyn Error>> {
        let mut next = 0;
        let mut fixed_seeds = || {
            next += 1;
            Ok([next; 32])
        };
        let mut bridge = Bridge::new(&config, &mut fixed_seeds)?;
        let machine = Machine::new(&config);
        let built = bridge.build(&machine);
        for problem in &built.problems {
            tracing::warn!("{problem}");
        }
        let publisher = Publisher::new(built.tables);
        let counters = Arc::new(WorkerCounters::new(config.ports.len()));
        let rings = Rings { events: Arc::new(EventRing::new(CHUNKS)), ..Rings::default() };
        let events = Arc::clone(&rings.events);
        let umem =
            Umem::heap(UmemConfig { chunk_size: CHUNK, chunks: CHUNKS, headroom: HEADROOM })?;
        let ports: Result<_, Box<dyn Error>> =
            config.ports.iter().map(|port| recorder(&port.name, outputs)).collect();
        let worker = Worker::new(
            WorkerId { index: 0, of: 1 },
            ports?,
            umem.pool(CHUNKS),
            publisher.reader(),
            Arc::clone(&counters),
            rings,
        );
        let received = vec![0; config.ports.len()];
        Ok(Self { config, worker, publisher, bridge, machine, counters, events, received })
    }

    fn play(mut self, frames: Vec<Played>) -> Result<Summary, Box<dyn Error>> {
        for Played { at_ns, port, bytes } in frames {
            self.worker.ports_mut().for_each(|recorder| recorder.set_time(at_ns));
            if let Some(recorder) = self.worker.ports_mut().nth(port) {
                recorder.play(bytes);
            }
            self.received[port] += 1;
            loop {
                let work = self.worker.turn(at_ns);
                if !self.answer() && work == 0 {
                    break;
                }
            }
        }
        self.worker.ports_mut().try_for_each(Recorder::finish)?;
        Ok(self.summary())
    }

    /// Lets neighbours answer, and follows peers; true when there was anything to do.
    fn answer(&mut self) -> bool {
        let (mut asked, mut moved) = (false, false);
        while let Some(event) = self.events.pop() {
            match event {
                // Nobody negotiates in a replay.
                Event::Acquire { .. } | Event::WorkerAcquire { .. } | Event::FirstPacket { .. } => {
                }
                Event::Resolve { port, address } => asked |= self.bridge.want(port, address),
                Event::PeerMoved { spi, seq, address, port } => {
                    let heard = self.bridge.peer_moved(spi, seq, address, port);
                    moved |= matches!(heard, Some(Heard::Moved(_)));
                }
            }
        }
        if moved {
            self.publisher.publish(self.bridge.build(&self.machine).tables);
        } else if asked {
            let nexthops = self.bridge.nexthops(&self.machine);
            let tables = Tables { nexthops, ..Tables::clone(&self.publisher.newest()) };
            self.publisher.publish(tables);
        }
        asked || moved
    }

    fn summary(&self) -> Summary {
        let ports = self.config.ports.iter().enumerate().map(|(n, port)| PortSummary {
            name: port.name.clone(),
            received: self.received[n],
            transmitted: self
                .counters
                .port(PortId(n as u32))
                .map_or(0, |traffic| traffic.tx.packets.value()),
        });
        let tables = self.publisher.newest();
        let tunnels = tables.tunnels.iter().map(|tunnel| TunnelSummary {
            name: tunnel.name.to_string(),
            inbound: tunnel.counters.inbound.packets(),
            outbound: tunnel.counters.outbound.packets(),
        });
        let drops = DropReason::ALL.iter().map(|reason| (reason.counter(), *reason));
        let drops = drops.map(|(name, reason)| (name, self.counters.drops(reason)));
        Summary {
            ports: ports.collect(),
            tunnels: tunnels.collect(),
            drops: drops.filter(|(_, count)| *count > 0).collect(),
        }
    }
}

fn recorder(name: &str, outputs: &[(String, PathBuf)]) -> Result<Recorder, Box<dyn Error>> {
    let Some((_, path)) = outputs.iter().find(|(port, _)| port == name) else {
        return Ok(PcapPort::new(None));
    };
    Ok(PcapPort::new(Some(CaptureWriter::create(path)?)))
}

/// The machine that the configuration describes.
pub struct Machine {
    /// Role and networks, by port.
    ports: Vec<(config::Role, Vec<IpNet>)>,
    endpoints: Vec<IpAddr>,
}

impl Machine {
    /// What `config` says of it.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let networks = |port: &config::Port| {
            port.addresses.iter().map(|net| *net.get_ref()).collect::<Vec<IpNet>>()
        };
        let endpoint = |tunnel: &config::Tunnel| {
            let peers = tunnel.peers.iter().filter_map(|peer| peer.protection.endpoints());
            let named = tunnel.protection.endpoints().into_iter().chain(peers);
            let named: Vec<_> = named.map(|[local, _]| *local.get_ref()).collect();
            if named.is_empty() { vec![*tunnel.local.get_ref()] } else { named }
        };
        let ports = config.ports.iter().map(|port| (port.role, networks(port)));
        let endpoints = config.tunnels.iter().flat_map(endpoint).collect();
        Self { ports: ports.collect(), endpoints }
    }

    fn networks(&self, port: PortId) -> &[IpNet] {
        self.ports.get(port.index()).map_or(&[], |(_, networks)| networks)
    }
}

impl Underlay for Machine {
    fn port(&self, port: PortId) -> PortState {
        PortState { mac: None, mtu: 1500, up: true, networks: self.networks(port).to_vec() }
    }

    fn addresses(&self) -> Vec<IpAddr> {
        let own = self.ports.iter().flat_map(|(_, networks)| networks.iter().map(IpNet::addr));
        own.chain(self.endpoints.iter().copied()).collect()
    }

    fn routes(&self, port: PortId) -> Vec<(IpNet, Option<IpAddr>)> {
        self.networks(port).iter().map(|net| (net.trunc(), None)).collect()
    }

    fn next_hop(&self, destination: IpAddr) -> Option<(PortId, IpAddr)> {
        let holds =
            |(_, networks): &(_, Vec<IpNet>)| networks.iter().any(|net| net.contains(&destination));
        let outside = |(role, _): &(config::Role, _)| *role == config::Role::Outside;
        let at = self.ports.iter().position(holds).or(self.ports.iter().position(outside))?;
        Some((PortId(at as u32), destination))
    }

    fn neighbour(&self, _port: PortId, address: IpAddr) -> Neighbour {
        let [a, b, c, d] = match address {
            IpAddr::V4(address) => address.octets(),
            IpAddr::V6(address) => (address.to_bits() as u32).to_be_bytes(),
        };
        Neighbour::Resolved(Mac([0x02, 0x00, a, b, c, d]))
    }

    fn path_mtu(&self, _destination: IpAddr) -> Option<u16> {
        None
    }
}
