//! What the engine has to say.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use engine::Level;
use ipnet::Ipv4Net;

use crate::routes::Route;
use crate::settings::InterfaceId;

/// What the engine wants done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Send a packet, with a TTL of 1 and IP precedence 6 (RFC 2328 appendix A.1).
    Transmit {
        /// By which interface.
        interface: InterfaceId,
        /// To one router or to a group of them.
        destination: Ipv4Addr,
        /// What stands behind the IP header.
        packet: Vec<u8>,
    },
    /// Something has happened.
    Event(Event),
}

/// What has happened.
#[derive(Debug)]
pub enum Event {
    /// Routes are other than before: `None` for those that are gone.
    Routes(Vec<(Ipv4Net, Option<Route>)>),
    /// Whether to hear what is sent to the designated router and its backup.
    HearDesignated(InterfaceId, bool),
    /// A neighbour's path is to be watched, or no longer.
    Watch {
        /// By which interface.
        interface: InterfaceId,
        /// Its address there.
        address: Ipv4Addr,
        /// From now on, or no longer.
        watch: bool,
    },
    /// A sentence for the operator.
    Log(Level, String),
}
