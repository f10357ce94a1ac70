//! The sockets of BFD on networks that a port is on: one for each port, which hears there only, and
//! one for each session, whose packets have a source port of their own (RFC 5881 section 4).

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use mio::unix::SourceFd;
use mio::{Interest, Registry};
use socket2::{Domain, SockFilter, Socket, Type};
use tables::PortId;
use wire::udp::BFD_PORT;

use super::{BFD, TTL};
use crate::tunnel_io::TOS;

/// Most packets that are read from one socket at a time: the rest waits for the next turn.
const READ_MAX: usize = 256;
/// Longest datagram of which all is read, bytes: a packet has 24, and authentication would add
/// 28.
const DATAGRAM_MAX: usize = 128;
/// Where IPv4 has the TTL.
const TTL_OFFSET: i32 = 8;

/// Where a port is: the name of its device, the device's index, and our address there.
pub type Place = (String, u32, Ipv4Addr);

/// All of them.
#[derive(Default)]
pub struct Sockets {
    hearing: BTreeMap<PortId, (Place, UdpSocket)>,
    /// By source port.
    speaking: BTreeMap<u16, (PortId, Place, UdpSocket)>,
    /// Not everything has been read.
    unread: bool,
}

impl Sockets {
    /// Hears what comes to these ports and to no others. Gives what the kernel refused, in words.
    pub fn follow(&mut self, wanted: &BTreeMap<PortId, Place>, registry: &Registry) -> Vec<String> {
        self.hearing.retain(|port, (place, _)| wanted.get(port) == Some(place));
        let mut problems = Vec::new();
        for (port, place) in wanted {
            if self.hearing.contains_key(port) {
                continue;
            }
            match hear(&place.0, registry) {
                Ok(socket) => {
                    self.hearing.insert(*port, (place.clone(), socket));
                    // What came before the socket was watched has left no event.
                    self.unread = true;
                }
                Err(error) => problems.push(format!(
                    "no BFD on {}: {error}; another BFD daemon may be running",
                    place.0
                )),
            }
        }
        problems
    }

    /// Sends a packet to a neighbour on a port's network.
    ///
    /// # Errors
    /// What the kernel refused, or that nothing was ever heard there; to the session that is a
    /// loss on the way.
    pub fn send(
        &mut self,
        port: PortId,
        source_port: u16,
        destination: Ipv4Addr,
        packet: &[u8],
    ) -> io::Result<()> {
        // The last words of a session may come after the port is heard.
        if let Some((place, _)) = self.hearing.get(&port) {
            let is_it = |known: &(PortId, Place, _)| known.0 == port && known.1 == *place;
            if !self.speaking.get(&source_port).is_some_and(is_it) {
                self.speaking.remove(&source_port);
                let socket = speak(place, source_port)?;
                self.speaking.insert(source_port, (port, place.clone(), socket));
            }
        }
        let spoken = self.speaking.get(&source_port).filter(|(of, ..)| *of == port);
        let (.., socket) = spoken.ok_or(io::ErrorKind::NotConnected)?;
        socket.send_to(packet, SocketAddr::from((destination, BFD_PORT))).map(|_| ())
    }

    /// The session with this source port has ended.
    pub fn release(&mut self, source_port: u16) {
        self.speaking.remove(&source_port);
    }

    /// Reads what waits, up to a bound: each datagram's payload with the port that it came to and
    /// its source.
    pub fn read(&mut self, mut each: impl FnMut(PortId, Ipv4Addr, &[u8])) {
        self.unread = false;
        let mut buffer = [0; DATAGRAM_MAX];
        for (port, (_, socket)) in &self.hearing {
            let mut read = 0;
            while read < READ_MAX {
                match socket.recv_from(&mut buffer) {
                    Ok((len, from)) => {
                        if let IpAddr::V4(source) = from.ip() {
                            each(*port, source, buffer.get(..len).unwrap_or_default());
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
                read += 1;
            }
            self.unread |= read == READ_MAX;
        }
    }

    /// Whether something may be left to read that no event will tell of.
    pub fn has_unread(&self) -> bool {
        self.unread
    }
}

/// A socket that hears what comes to the port of BFD on a device from a neighbour.
fn hear(device: &str, registry: &Registry) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.attach_filter(&only_from_neighbours())?;
    socket.bind_device(Some(device.as_bytes()))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, BFD_PORT)).into())?;
    registry.register(&mut SourceFd(&socket.as_raw_fd()), BFD, Interest::READABLE)?;
    Ok(socket.into())
}

/// A socket that sends from one of our addresses; nobody sends to it.
fn speak((device, _, address): &Place, source_port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind_device(Some(device.as_bytes()))?;
    socket.set_ttl_v4(u32::from(TTL))?;
    socket.set_tos_v4(u32::from(TOS))?;
    socket.bind(&SocketAddr::from((*address, source_port)).into())?;
    Ok(socket.into())
}

/// Has the kernel drop what has passed a router (RFC 5881 section 5): a program of classic BPF that
/// looks at the TTL.
fn only_from_neighbours() -> [SockFilter; 4] {
    let load_byte = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
    let jump_if_equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let end = libc::BPF_RET | libc::BPF_K;
    [
        SockFilter::new(load_byte as u16, 0, 0, (libc::SKF_NET_OFF + TTL_OFFSET) as u32),
        SockFilter::new(jump_if_equal as u16, 0, 1, u32::from(TTL)),
        SockFilter::new(end as u16, 0, 0, u32::MAX),
        SockFilter::new(end as u16, 0, 0, 0),
    ]
}
