//! Packets of control's own protocols through tunnels: into them by the workers' inject rings, out
//! of them by their punt rings.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::{fmt, io};

use pipeline::{Injected, Punted, Rings};
use tables::{CloudId, Entrance, PortId, Tables, TunnelId};
use wire::ipv4::Ipv4;
use zerocopy::IntoBytes;

/// Precedence "internetwork control" (RFC 791 section 3.1), as routers send their protocols.
pub const TOS: u8 = 0xc0;

/// What control's protocols run on.
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
    /// The protocol was not begun there, or it is gone, or has no IPv4 address.
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
            Self::NoInterface => f.write_str("it does not run there"),
            Self::NoPeer => f.write_str("no peer has that address"),
            Self::Busy => f.write_str("too much waits for the worker"),
            Self::TooLong => f.write_str("longer than IP can say"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

/// What comes out of tunnels for control.
#[derive(Default)]
pub struct TunnelIo {
    tunnels: BTreeSet<Entrance>,
    /// Which interface the packets out of a tunnel are of, by this numbering of tunnels.
    origins: BTreeMap<TunnelId, Interface>,
    numbering: Option<u64>,
}

impl TunnelIo {
    /// Listens to these tunnels and to no others.
    pub fn run_on(&mut self, tunnels: &[Entrance]) {
        self.tunnels = tunnels.iter().copied().collect();
        self.numbering = None;
    }

    /// Reads what waits, up to a bound: each packet with the interface that it came to, its IP
    /// header and what is behind it. `tables` are the newest, `rings` those of the workers.
    pub fn read(
        &mut self,
        tables: &Tables,
        rings: &[Rings],
        mut each: impl FnMut(Interface, &Ipv4, &[u8]),
    ) {
        self.find_origins(tables);
        for own in rings {
            // No more than there were: workers go on adding.
            for _ in 0..own.punts.waiting() {
                own.punts.take(|punted| self.sort(tables, punted, &mut each));
            }
        }
    }

    fn sort(
        &self,
        tables: &Tables,
        punted: Punted<'_>,
        each: &mut impl FnMut(Interface, &Ipv4, &[u8]),
    ) {
        // What came out of a tunnel that means another one by now is lost, as on the way.
        let known = (punted.numbering == tables.numbering).then_some(&self.origins);
        let Some(interface) = known.and_then(|known| known.get(&punted.tunnel)) else { return };
        let Ok((header, header_len, total_len)) = Ipv4::parse(punted.packet) else { return };
        each(*interface, header, punted.packet.get(header_len..total_len).unwrap_or_default());
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

/// Sends a packet into the tunnel or tunnels of an interface, to a group or to a neighbour;
/// `packet` makes the whole of it from our address there. `tables` are the newest, `rings` those
/// of the workers, which are to be woken then.
///
/// # Errors
/// Why it was not sent: to the protocol that is a loss on the way.
pub fn send(
    tables: &Tables,
    rings: &[Rings],
    interface: Interface,
    destination: Ipv4Addr,
    packet: impl FnOnce(Ipv4Addr) -> Option<Box<[u8]>>,
) -> Result<(), NotSent> {
    let (into, address) = match interface {
        Interface::Port(_) => return Err(NotSent::NoInterface),
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
        packet: packet(source).ok_or(NotSent::TooLong)?,
    };
    // One worker for each tunnel keeps its packets in order.
    let (Entrance::Tunnel(TunnelId(n)) | Entrance::AllPeers(CloudId(n))) = into;
    let own = rings.get(n as usize % rings.len().max(1)).ok_or(NotSent::NoInterface)?;
    own.injected.push(made).map_err(|_| NotSent::Busy)
}

/// A packet from one address to another, with these pieces behind its IPv4 header; `None` when they
/// are too long for one.
pub fn packet(
    (source, destination): (Ipv4Addr, Ipv4Addr),
    protocol: u8,
    ttl: u8,
    pieces: &[&[u8]],
) -> Option<Box<[u8]>> {
    let len = pieces.iter().map(|piece| piece.len()).sum::<usize>();
    let len = u16::try_from(len).ok().filter(|len| *len <= u16::MAX - Ipv4::LEN as u16)?;
    let mut header = Ipv4::new(source, destination, protocol, len);
    (header.ttl, header.tos) = (ttl, TOS);
    header.fill_checksum();
    Some([&[header.as_bytes()], pieces].concat().concat().into())
}
