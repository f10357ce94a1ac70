//! What the machine under the gateway says of links, addresses, routes and neighbours.

use std::net::IpAddr;

use ipnet::IpNet;
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
    /// Its addresses with their networks, those of one link alone left out, the primary one of
    /// each IP version first.
    pub networks: Vec<IpNet>,
}

/// The machine: the kernel of a running gateway, or what a configuration says when there is none.
pub trait Underlay {
    /// A port's link.
    fn port(&self, port: PortId) -> PortState;
    /// All addresses of the machine, those of one link alone left out.
    fn addresses(&self) -> Vec<IpAddr>;
    /// What is reached through a port: prefix and gateway, `None` when it is on the link.
    fn routes(&self, port: PortId) -> Vec<(IpNet, Option<IpAddr>)>;
    /// Through which of our ports, and which neighbour there, `destination` is reached.
    fn next_hop(&self, destination: IpAddr) -> Option<(PortId, IpAddr)>;
    /// A neighbour's link-layer address.
    fn neighbour(&self, port: PortId, address: IpAddr) -> Neighbour;
    /// The largest packet that is known to get through to `destination`, bytes; `None` when
    /// nothing on the way has complained.
    fn path_mtu(&self, destination: IpAddr) -> Option<u16>;
}
