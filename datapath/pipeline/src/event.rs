//! What a worker asks of control.

use std::net::IpAddr;

use crossbeam_queue::ArrayQueue;
use tables::{PortId, TunnelId};

/// A request to control. A worker never waits for the answer: it sees it in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Packets wait for the link-layer address of this next hop.
    Resolve {
        /// The port it should be on.
        port: PortId,
        /// Its IP address.
        address: IpAddr,
    },
    /// An authentic packet, the newest so far, of an SA that follows its peer came from
    /// elsewhere.
    PeerMoved {
        /// The inbound SA's.
        spi: u32,
        /// The packet's sequence number: of two such events the higher one counts.
        seq: u64,
        /// Where the packet came from.
        address: IpAddr,
        /// Its UDP source port (RFC 3948); `None` when ESP is right behind IP.
        port: Option<u16>,
    },
    /// The first authentic packet came through an inbound SA: its peer has the keys.
    FirstPacket {
        /// The SA's.
        spi: u32,
    },
    /// A packet entered a tunnel by the SA that all workers share, and this worker may have one of
    /// its own (RFC 9611).
    WorkerAcquire {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// A packet was to enter a protected tunnel that has no SA.
    Acquire {
        /// The tunnel.
        tunnel: TunnelId,
        /// Where the packet was from.
        source: IpAddr,
        /// Where it was going.
        destination: IpAddr,
        /// What was behind IP, if that could be seen.
        protocol: Option<u8>,
        /// Its ports, source first, if it had some.
        ports: Option<(u16, u16)>,
    },
}

/// Where a worker leaves its requests. When it is full a request is left out; it is made again
/// while its reason lasts.
pub type EventRing = ArrayQueue<Event>;
