//! OSPF's packets, whatever they travel over: the networks of ports, by the kernel's sockets, and
//! tunnels, by the workers.

mod inputs;
mod kernel_routes;
mod restart;
mod router;
mod sockets;

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;

use mio::{Registry, Token};
use pipeline::Rings;
use tables::{Entrance, PortId, Tables};
use wire::ipv4::Ipv4;
use wire::protocol;

use self::sockets::PortSocket;
use crate::tunnel_io::{self, Interface, NotSent, TunnelIo};

pub use self::restart::GRACE_MAX;
pub use self::router::Router;

/// The sockets of OSPF in control's poll.
pub const OSPF: Token = Token(6);
/// All OSPF routers of a network (RFC 2328 A.1).
pub const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 5);
/// Its designated routers (RFC 2328 A.1).
pub const DESIGNATED_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 6);
/// Packets go to neighbours and no further (RFC 2328 A.1).
const TTL: u8 = 1;
/// Longest packet that is read from a socket, bytes: what IP can carry.
const PACKET_MAX: usize = 65_536;

/// Sends and receives on the interfaces that it was told of.
pub struct Io {
    ports: BTreeMap<PortId, PortSocket>,
    tunnels: TunnelIo,
    buffer: Box<[u8]>,
    unread: bool,
}

impl Io {
    /// Without any interface.
    pub fn new() -> Self {
        Self {
            ports: BTreeMap::new(),
            tunnels: TunnelIo::default(),
            buffer: vec![0; PACKET_MAX].into_boxed_slice(),
            unread: false,
        }
    }

    /// Begins on a port, whose device with its index this is, and one of its addresses.
    ///
    /// # Errors
    /// Those of [`PortSocket::open`].
    pub fn open(
        &mut self,
        port: PortId,
        device: (&str, u32),
        address: Ipv4Addr,
        registry: &Registry,
    ) -> io::Result<()> {
        self.ports.insert(port, PortSocket::open(device, address, registry, OSPF)?);
        // What came before the socket was watched has left no event.
        self.unread = true;
        Ok(())
    }

    /// Ends on a port.
    pub fn close(&mut self, port: PortId) {
        self.ports.remove(&port);
    }

    /// Runs on these tunnels and on no others: those of `bridge::Bridge::punt_ospf`.
    pub fn run_on(&mut self, tunnels: &[Entrance]) {
        self.tunnels.run_on(tunnels);
    }

    /// Whether the gateway is a designated router, or the second one, on a port's network, and
    /// hears what is sent to those. In tunnels that is always heard.
    ///
    /// # Errors
    /// What the kernel refused, or that OSPF does not run there.
    pub fn hear_designated(&mut self, port: PortId, hears: bool) -> io::Result<()> {
        let socket = self.ports.get_mut(&port).ok_or(io::ErrorKind::NotFound)?;
        socket.hear_designated(hears)
    }

    /// Sends a packet from an interface to a group or to a neighbour; `packet` begins with the
    /// header of OSPF. `tables` are the newest, `rings` those of the workers, which are to
    /// be woken then.
    ///
    /// # Errors
    /// Why it was not sent: to the protocol that is a loss on the way.
    pub fn send(
        &self,
        tables: &Tables,
        rings: &[Rings],
        interface: Interface,
        destination: Ipv4Addr,
        packet: &[u8],
    ) -> Result<(), NotSent> {
        if let Interface::Port(port) = interface {
            let socket = self.ports.get(&port).ok_or(NotSent::NoInterface)?;
            return socket.send(destination, packet).map_err(NotSent::Refused);
        }
        let made = |source| with_header(source, destination, packet);
        tunnel_io::send(tables, rings, interface, destination, made)
    }

    /// Reads what waits, up to a bound: each packet, from the header of OSPF on, with the interface
    /// that it came to, its source and its destination. Out of tunnels comes what is for others,
    /// too, with its IP header and what stands behind that.
    pub fn read(
        &mut self,
        tables: &Tables,
        rings: &[Rings],
        mut each: impl FnMut(Interface, Ipv4Addr, Ipv4Addr, &[u8]),
        mut other: impl FnMut(Interface, &Ipv4, &[u8]),
    ) {
        self.unread = false;
        for (port, socket) in &self.ports {
            self.unread |= socket.read(&mut self.buffer, |source, destination, packet| {
                each(Interface::Port(*port), source, destination, packet);
            });
        }
        self.tunnels.read(tables, rings, |interface, header, payload| {
            if header.protocol == protocol::OSPF {
                each(interface, header.source_addr(), header.destination_addr(), payload);
            } else {
                other(interface, header, payload);
            }
        });
    }

    /// Whether something may be left to read that no event will tell of.
    pub fn has_unread(&self) -> bool {
        self.unread
    }
}

/// The packet behind an IPv4 header; `None` when it is too long for one.
fn with_header(source: Ipv4Addr, destination: Ipv4Addr, packet: &[u8]) -> Option<Box<[u8]>> {
    tunnel_io::packet((source, destination), protocol::OSPF, TTL, &[packet])
}

#[cfg(test)]
mod tests;
