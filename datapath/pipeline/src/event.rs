//! What a worker asks of control.

use std::net::Ipv4Addr;

use crossbeam_queue::ArrayQueue;
use tables::PortId;

/// A request to control. A worker never waits for the answer: it sees it in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Packets wait for the link-layer address of this next hop.
    Resolve {
        /// The port it should be on.
        port: PortId,
        /// Its IP address.
        address: Ipv4Addr,
    },
}

/// Where a worker leaves its requests. When it is full a request is left out; it is made again
/// while its reason lasts.
pub type EventRing = ArrayQueue<Event>;
