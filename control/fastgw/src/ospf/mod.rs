//! OSPF's packets, whatever they travel over: the networks of ports, by the kernel's sockets, and
//! tunnels, by the workers.

mod inputs;
mod kernel_routes;
mod restart;
mod router;
mod sockets;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::{fmt, io};

use mio::{Registry, Token};
use pipeline::{Injected, Punted, Rings};
use tables::{CloudId, Entrance, PortId, Tables, TunnelId};
use wire::ipv4::Ipv4;
use wire::protocol;
use zerocopy::IntoBytes;

use self::sockets::PortSocket;

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
/// Precedence "internetwork control" (RFC 2328 A.1).
const TOS: u8 = 0xc0;
/// Longest packet that is read from a socket, bytes: what IP can carry.
const PACKET_MAX: usize = 65_536;

/// What OSPF runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interface {
    /// The network that a port is on.
    Port(PortId),
    /// A tunnel to one peer.
    Tunnel(TunnelId),
    /// A multipoint tunnel.
    Cloud(CloudId),
}

/// A packet that could not be sent.
#[derive(Debug)]
pub enum NotSent {
    /// OSPF was not begun there, or it is gone, or has no IPv4 address.
    NoInterface,
    /// No peer of the multipoint tunnel has the destination's address.
    NoPeer,
    /// The worker has too many packets to look at.
    Busy,
    /// Longer than IP can say.
    TooLong,
    /// The kernel did not take it.
    Refused(io::Error),
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInterface => f.write_str("OSPF does not run there"),
            Self::NoPeer => f.write_str("no peer has that address"),
            Self::Busy => f.write_str("too much waits for the worker"),
            Self::TooLong => f.write_str("longer than IP can say"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

/// Sends and receives on the interfaces that it was told of.
pub struct Io {
    ports: BTreeMap<PortId, PortSocket>,
    tunnels: BTreeSet<Entrance>,
    /// Which interface the packets out of a tunnel are of, by this numbering of tunnels.
    origins: BTreeMap<TunnelId, Interface>,
    numbering: Option<u64>,
    buffer: Box<[u8]>,
    unread: bool,
}

impl Io {
    /// Without any interface.
    pub fn new() -> Self {
        Self {
            ports: BTreeMap::new(),
            tunnels: BTreeSet::new(),
            origins: BTreeMap::new(),
            numbering: None,
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
        self.tunnels = tunnels.iter().copied().collect();
        self.numbering = None;
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
        let (into, address) = match interface {
            Interface::Port(port) => {
                let socket = self.ports.get(&port).ok_or(NotSent::NoInterface)?;
                return socket.send(destination, packet).map_err(NotSent::Refused);
            }
            Interface::Tunnel(id) => (Entrance::Tunnel(id), address_of(tables, id)),
            Interface::Cloud(id) => {
                let cloud = tables.clouds.get(id.0 as usize).ok_or(NotSent::NoInterface)?;
                let into = match destination.is_multicast() {
                    true => Entrance::AllPeers(id),
                    false => {
                        let peer = cloud.peer(destination.into()).ok_or(NotSent::NoPeer)?;
                        Entrance::Tunnel(peer)
                    }
                };
                let (_, first) = cloud.peers().first().ok_or(NotSent::NoPeer)?;
                (into, address_of(tables, *first))
            }
        };
        let source = address.ok_or(NotSent::NoInterface)?;
        let made = Injected::Made {
            into,
            numbering: tables.numbering,
            packet: with_header(source, destination, packet).ok_or(NotSent::TooLong)?,
        };
        // One worker for each tunnel keeps its packets in order.
        let (Entrance::Tunnel(TunnelId(n)) | Entrance::AllPeers(CloudId(n))) = into;
        let own = rings.get(n as usize % rings.len().max(1)).ok_or(NotSent::NoInterface)?;
        own.injected.push(made).map_err(|_| NotSent::Busy)
    }

    /// Reads what waits, up to a bound: each packet, from the header of OSPF on, with the interface
    /// that it came to, its source and its destination.
    pub fn read(
        &mut self,
        tables: &Tables,
        rings: &[Rings],
        mut each: impl FnMut(Interface, Ipv4Addr, Ipv4Addr, &[u8]),
    ) {
        self.unread = false;
        for (port, socket) in &self.ports {
            self.unread |= socket.read(&mut self.buffer, |source, destination, packet| {
                each(Interface::Port(*port), source, destination, packet);
            });
        }
        self.find_origins(tables);
        for own in rings {
            // No more than there were: workers go on adding.
            for _ in 0..own.punts.waiting() {
                own.punts.take(|punted| self.sort(tables, punted, &mut each));
            }
        }
    }

    /// Whether something may be left to read that no event will tell of.
    pub fn has_unread(&self) -> bool {
        self.unread
    }

    fn sort(
        &self,
        tables: &Tables,
        punted: Punted<'_>,
        each: &mut impl FnMut(Interface, Ipv4Addr, Ipv4Addr, &[u8]),
    ) {
        // What came out of a tunnel that means another one by now is lost, as on the way.
        let known = (punted.numbering == tables.numbering).then_some(&self.origins);
        let Some(interface) = known.and_then(|known| known.get(&punted.tunnel)) else { return };
        let Ok((header, header_len, total_len)) = Ipv4::parse(punted.packet) else { return };
        let payload = punted.packet.get(header_len..total_len).unwrap_or_default();
        each(*interface, header.source_addr(), header.destination_addr(), payload);
    }

    fn find_origins(&mut self, tables: &Tables) {
        if self.numbering == Some(tables.numbering) {
            return;
        }
        self.numbering = Some(tables.numbering);
        self.origins.clear();
        for tunnel in &self.tunnels {
            match *tunnel {
                Entrance::Tunnel(id) => {
                    self.origins.insert(id, Interface::Tunnel(id));
                }
                Entrance::AllPeers(id) => {
                    let cloud = tables.clouds.get(id.0 as usize);
                    let peers = cloud.into_iter().flat_map(tables::Cloud::peers);
                    let interface = Interface::Cloud(id);
                    self.origins.extend(peers.map(|(_, peer)| (*peer, interface)));
                }
            }
        }
    }
}

fn address_of(tables: &Tables, tunnel: TunnelId) -> Option<Ipv4Addr> {
    tables.tunnels.get(tunnel.0 as usize)?.addresses.v4
}

/// The packet behind an IPv4 header; `None` when it is too long for one.
fn with_header(source: Ipv4Addr, destination: Ipv4Addr, packet: &[u8]) -> Option<Box<[u8]>> {
    let len = u16::try_from(packet.len()).ok().filter(|len| *len <= u16::MAX - Ipv4::LEN as u16)?;
    let mut header = Ipv4::new(source, destination, protocol::OSPF, len);
    (header.ttl, header.tos) = (TTL, TOS);
    header.fill_checksum();
    Some([header.as_bytes(), packet].concat().into())
}

#[cfg(test)]
mod tests;
