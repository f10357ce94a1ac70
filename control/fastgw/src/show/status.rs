//! The live state of a gateway, as it crosses the control socket. It holds no key.
//!
//! A list that was not asked for is `None` here and absent in JSON. Counters count from the start
//! of the process.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{bfd::BfdSession, ike::IkeSa, ospf::OspfStatus};

/// What a gateway is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Name from the configuration.
    pub name: String,
    /// Version of fastgw.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// The workers, by index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<Vec<Worker>>,
    /// The ports, in the configuration's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<Port>>,
    /// The tunnels, in the configuration's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnels: Option<Vec<Tunnel>>,
    /// The SAs, by tunnel, inbound first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sas: Option<Vec<Sa>>,
    /// What IKE has negotiated, or is about to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ike: Option<Vec<IkeSa>>,
    /// What OSPF knows, if it is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ospf: Option<OspfStatus>,
    /// Neighbours that BFD watches, by interface and address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bfd: Option<Vec<BfdSession>>,
    /// Every reason for a drop, in the order of a packet's way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drops: Option<Vec<DropCount>>,
    /// The forwarding table, sorted by prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<Route>>,
    /// The next hops that the gateway uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbors: Option<Vec<Neighbor>>,
    /// How long the packets of sampled batches took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

/// A worker thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Its index, which is also the queue that it serves on every port.
    pub index: usize,
    /// The CPU that it is pinned to; null when the system lets it wander.
    pub core: Option<usize>,
    /// Frames received, over all ports.
    pub rx_packets: u64,
    /// Their bytes, without FCS.
    pub rx_bytes: u64,
    /// Frames sent, over all ports.
    pub tx_packets: u64,
    /// Their bytes, without FCS.
    pub tx_bytes: u64,
    /// Turns in which something was received or injected.
    pub busy_turns: u64,
    /// Packets that waited for a next hop's MAC, or for a tunnel's SA.
    pub held: u64,
    /// Packets handed to control: those of its protocols that came out of tunnels.
    pub punted: u64,
    /// Fragments made.
    pub fragments: u64,
    /// ICMP errors sent.
    pub icmp_sent: u64,
    /// ICMP errors withheld by the rate limit.
    pub icmp_withheld: u64,
}

/// A port and its traffic; bytes are Ethernet frames without FCS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Name from the configuration.
    pub name: String,
    /// The Linux interface.
    pub device: String,
    /// Which side of the gateway it is on.
    pub role: Role,
    /// Whether the link can carry packets.
    pub up: bool,
    /// Its link-layer address.
    pub mac: Option<String>,
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// Its addresses with their networks.
    pub addresses: Vec<IpNet>,
    /// Where the XDP program is attached.
    pub attach: Attach,
    /// Whether frames are copied between the kernel and us.
    pub copy: CopyMode,
    /// Number of queues that are served.
    pub queues: usize,
    /// Frames received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames that the kernel dropped on their way to us.
    pub kernel_rx_dropped: u64,
    /// Frames that the kernel dropped because the receive ring was full.
    pub ring_full: u64,
    /// Times that the kernel wanted a free chunk and had none.
    pub fill_empty: u64,
    /// System calls made to send and receive.
    pub syscalls: u64,
}

/// Which side of the gateway a port is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Clear traffic of our sites.
    Inside,
    /// Tunnels only.
    Outside,
}

/// Where the XDP program of a port is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attach {
    /// In the driver.
    Native,
    /// In the kernel's generic hook.
    Generic,
}

/// Whether frames are copied between the kernel and us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CopyMode {
    /// The device reads and writes our memory.
    ZeroCopy,
    /// The kernel copies each frame.
    Copy,
}

/// A tunnel; its traffic is inner packets and their bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// Name from the configuration.
    pub name: String,
    /// `esp`, `vti`, `gre`, `ipip`, `l2tp` or `mgre`.
    pub kind: String,
    /// Our end of its own header, or of ESP.
    pub local: IpAddr,
    /// The peer's end; unspecified (0.0.0.0) while the peer has not been heard.
    pub remote: IpAddr,
    /// Whether it can carry packets.
    pub state: TunnelState,
    /// Largest inner packet, bytes.
    pub mtu: u16,
    /// The port that its packets leave by; null while there is no path.
    pub egress: Option<String>,
    /// The neighbour that its packets are sent to; null while there is no path.
    pub nexthop: Option<IpAddr>,
    /// Packets from the far side.
    pub in_packets: u64,
    /// Bytes from the far side.
    pub in_bytes: u64,
    /// Packets to the far side.
    pub out_packets: u64,
    /// Bytes to the far side.
    pub out_bytes: u64,
}

/// Whether a tunnel can carry packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TunnelState {
    /// It can.
    #[serde(rename = "up")]
    Up,
    /// It has no outbound SA.
    #[serde(rename = "no sa")]
    NoSa,
    /// There is no route to its remote end, or the port that it leads through is down.
    #[serde(rename = "no path")]
    NoPath,
}

/// An ESP SA, without its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sa {
    /// The tunnel that it protects.
    pub tunnel: String,
    /// Which way its packets go.
    pub direction: Direction,
    /// Security parameters index, in host byte order.
    pub spi: u32,
    /// The suite's name in a configuration.
    pub suite: String,
    /// Whether sequence numbers have 64 bits on the wire's terms (RFC 4303 2.2.1).
    pub esn: bool,
    /// Width of the anti-replay window, packets; 0 for an outbound SA or none.
    pub replay_window: u32,
    /// The worker whose pair it is (RFC 9611); null is any that has none of its own. Any worker
    /// opens what an inbound SA receives.
    pub worker: Option<u16>,
    /// Outbound: the last sequence number sent. Inbound: the highest one accepted.
    pub sequence: u64,
    /// Packets sealed or opened.
    pub packets: u64,
    /// Their inner bytes.
    pub bytes: u64,
}

/// Which way an SA's packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// From the peer.
    #[serde(rename = "in")]
    Inbound,
    /// To the peer.
    #[serde(rename = "out")]
    Outbound,
}

/// A way that packets can end, and how many did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropCount {
    /// Its name.
    pub reason: String,
    /// Packets.
    pub count: u64,
    /// What happened to them.
    pub help: String,
}

/// A route of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where packets are going.
    pub prefix: IpNet,
    /// What becomes of them: `local`, `blackhole`, `port P`, `tunnel T`, `via A on P`, `policy`
    /// where policies decide, or `peer A` or `peers` of a multipoint tunnel. Of a route with
    /// several ways, those that packets can take now, with commas.
    pub target: String,
}

/// A next hop of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbor {
    /// The port that it is reached through.
    pub port: String,
    /// Its address.
    pub address: IpAddr,
    /// Its link-layer address, once it is known.
    pub mac: Option<String>,
    /// What is known of it.
    pub state: NeighborState,
}

/// What is known of a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NeighborState {
    /// It was asked, or will be when a packet wants it.
    Unresolved,
    /// It answers at its MAC.
    Resolved,
    /// It does not answer.
    Failed,
}

/// How long packets took on their way through the workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Over all workers.
    pub total: Stages,
    /// Each worker, by index.
    pub workers: Vec<WorkerLatency>,
}

/// How long packets took on their way through one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerLatency {
    /// Its index.
    pub index: usize,
    /// What it measured.
    pub stages: Stages,
}

/// Percentiles by the stage's name: `arrival`, `route`, `open`, `decap`, `encap`, `emit`, `wait`,
/// `transmit`, and their sum for each packet, `end_to_end`.
pub type Stages = BTreeMap<String, Percentiles>;

/// Percentiles of the time that sampled batches took, nanoseconds with two significant digits; all
/// zero without a sample. What took longer than 1.07 s counts as 1,073,741,823.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Batches that were timed.
    pub count: u64,
    /// Half of them took no longer than this.
    pub p50_ns: u64,
    /// 90 %.
    pub p90_ns: u64,
    /// 99 %.
    pub p99_ns: u64,
    /// 99.9 %.
    pub p99_9_ns: u64,
    /// 99.99 %.
    pub p99_99_ns: u64,
    /// The longest.
    pub max_ns: u64,
}
