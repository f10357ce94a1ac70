//! What the machine under the gateway says of links, addresses, routes and neighbours.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use tables::{Neighbour, PortId};

/// A port's link.
#[derive(Clone, Debug)]
pub struct PortState {
    /// Link-layer address; `None` where there is no link.
    pub mac: Option<[u8; 6]>,
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// Whether it carries packets now.
    pub up: bool,
    /// Its addresses with their networks, the primary one first.
    pub networks: Vec<Ipv4Net>,
}

/// The machine: the kernel of a running gateway, or what a configuration says when there is none.
pub trait Underlay {
    /// A port's link.
    fn port(&self, port: PortId) -> PortState;
    /// All addresses of the machine.
    fn addresses(&self) -> Vec<Ipv4Addr>;
    /// What is reached through a port: prefix and gateway, `None` when it is on the link.
    fn routes(&self, port: PortId) -> Vec<(Ipv4Net, Option<Ipv4Addr>)>;
    /// Through which of our ports, and which neighbour there, `destination` is reached.
    fn next_hop(&self, destination: Ipv4Addr) -> Option<(PortId, Ipv4Addr)>;
    /// A neighbour's link-layer address.
    fn neighbour(&self, port: PortId, address: Ipv4Addr) -> Neighbour;
}
