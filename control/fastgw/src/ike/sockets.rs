//! The UDP sockets of IKE: ports 500 and 4500 of each of our addresses, so that an answer leaves
//! from where the question came to.
//!
//! The XDP program has taken ESP in UDP before the kernel sees it, but for its fragments: what the
//! kernel has put together of those arrives here, and is handed to a worker.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use ike::output::{Datagram, Path};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::{Domain, SockAddr, Socket, Type};
use wire::ipv4::Ipv4;
use wire::protocol;
use wire::udp::{self, Udp};
use zerocopy::IntoBytes;

/// IKE's port where no NAT is on the way (RFC 7296 section 2).
const PORT: u16 = 500;
/// Most datagrams that are read from one socket at a time: the rest waits for the next turn.
const READ_MAX: usize = 64;
/// Longest datagram, bytes: what UDP can carry.
const DATAGRAM_MAX: usize = 65_536;
/// What the kernel may keep for one socket, bytes: answers from thousands of peers at once.
const BUFFER: usize = 4 << 20;
/// What tells IKE from ESP on port 4500 (RFC 3948 section 2.2).
const NON_ESP_MARKER: [u8; 4] = [0; 4];

/// The sockets, by our ends.
pub struct Sockets {
    sockets: BTreeMap<SocketAddr, UdpSocket>,
    buffer: Box<[u8]>,
    /// Not everything has been read.
    unread: bool,
}

/// What has come in.
pub enum Received<'a> {
    /// An IKE message, without the marker.
    Ike(Path, &'a [u8]),
    /// A whole packet, from its IP header on, with ESP in UDP.
    Esp(Box<[u8]>),
}

impl Sockets {
    /// None yet.
    pub fn new() -> Self {
        let buffer = vec![0; DATAGRAM_MAX].into_boxed_slice();
        Self { sockets: BTreeMap::new(), buffer, unread: false }
    }

    /// Opens sockets at these addresses and closes all others. Gives what the kernel refused, in
    /// words.
    pub fn follow(
        &mut self,
        addresses: &BTreeSet<IpAddr>,
        registry: &Registry,
        token: Token,
    ) -> Vec<String> {
        self.sockets.retain(|end, _| addresses.contains(&end.ip()));
        let ends = addresses
            .iter()
            .flat_map(|address| [PORT, udp::ESP_PORT].map(|port| SocketAddr::new(*address, port)));
        let mut problems = Vec::new();
        for end in ends {
            if self.sockets.contains_key(&end) {
                continue;
            }
            match open(end, registry, token) {
                Ok(socket) => {
                    self.sockets.insert(end, socket);
                }
                Err(error) => problems
                    .push(format!("no IKE at {end}: {error}; another IKE daemon may be running")),
            }
        }
        // What came before the socket was watched has left no event.
        self.unread |= !self.sockets.is_empty();
        problems
    }

    /// Whether something may be left to read that no event will tell of.
    pub fn has_unread(&self) -> bool {
        self.unread
    }

    /// Whether ESP in UDP can be sent from this address.
    pub fn has(&self, local: IpAddr) -> bool {
        self.sockets.contains_key(&SocketAddr::new(local, udp::ESP_PORT))
    }

    /// Reads what waits, up to a bound.
    pub fn read(&mut self, mut each: impl FnMut(Received<'_>)) {
        self.unread = false;
        for (local, socket) in &self.sockets {
            let mut read = 0;
            while read < READ_MAX {
                match socket.recv_from(&mut self.buffer) {
                    Ok((len, remote)) => {
                        let path = Path { local: *local, remote };
                        let datagram = self.buffer.get(..len).unwrap_or_default();
                        if let Some(received) = sort(path, datagram) {
                            each(received);
                        }
                    }
                    // An ICMP error about what was sent before: the peer's silence tells as much.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
                read += 1;
            }
            self.unread |= read == READ_MAX;
        }
    }

    /// Sends an IKE message. What the network does not take is lost, as on the way.
    pub fn send(&self, datagram: &Datagram) -> io::Result<()> {
        let Path { local, remote } = datagram.path;
        let socket = self.sockets.get(&local).ok_or(io::ErrorKind::AddrNotAvailable)?;
        if local.port() == udp::ESP_PORT {
            let marked = [&NON_ESP_MARKER[..], &datagram.message].concat();
            return socket.send_to(&marked, remote).map(|_| ());
        }
        socket.send_to(&datagram.message, remote).map(|_| ())
    }

    /// Sends bytes that are no IKE message from port 4500: a NAT keepalive.
    pub fn send_raw(&self, local: IpAddr, remote: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let local = SocketAddr::new(local, udp::ESP_PORT);
        let socket = self.sockets.get(&local).ok_or(io::ErrorKind::AddrNotAvailable)?;
        socket.send_to(bytes, remote).map(|_| ())
    }
}

/// What a datagram is; `None` for keepalives and what is too short to be anything.
fn sort(path: Path, datagram: &[u8]) -> Option<Received<'_>> {
    if path.local.port() != udp::ESP_PORT {
        return Some(Received::Ike(path, datagram));
    }
    let (marker, message) = datagram.split_first_chunk::<4>()?;
    if *marker == NON_ESP_MARKER {
        return Some(Received::Ike(path, message));
    }
    let (IpAddr::V4(ours), IpAddr::V4(theirs)) = (path.local.ip(), path.remote.ip()) else {
        return None;
    };
    let len = u16::try_from(Udp::LEN + datagram.len()).ok()?;
    len.checked_add(Ipv4::LEN as u16)?;
    let ip = Ipv4::new(theirs, ours, protocol::UDP, len);
    let udp = Udp {
        source_port: path.remote.port().into(),
        destination_port: path.local.port().into(),
        len: len.into(),
        // The kernel has checked it.
        checksum: 0.into(),
    };
    Some(Received::Esp([ip.as_bytes(), udp.as_bytes(), datagram].concat().into()))
}

fn open(end: SocketAddr, registry: &Registry, token: Token) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(end), Type::DGRAM, None)?;
    if end.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    // The kernel may give less, which is enough for fewer peers.
    let _granted = socket.set_recv_buffer_size(BUFFER);
    socket.bind(&SockAddr::from(end))?;
    registry.register(&mut SourceFd(&socket.as_raw_fd()), token, Interest::READABLE)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        let end = |n, port| SocketAddr::from(([192, 0, 2, n], port));
        Path { local: end(1, port), remote: end(2, 33_000) }
    }

    #[test]
    fn the_marker_tells_ike_from_esp_on_port_4500_only() {
        let kind = |port, bytes: &[u8]| match sort(path(port), bytes) {
            Some(Received::Ike(_, message)) => format!("ike {message:?}"),
            Some(Received::Esp(packet)) => format!("esp {}", packet.len()),
            None => "nothing".to_owned(),
        };
        assert_eq!(kind(500, &[0, 0, 0, 0, 7]), "ike [0, 0, 0, 0, 7]");
        assert_eq!(kind(4500, &[0, 0, 0, 0, 7]), "ike [7]");
        assert_eq!(kind(4500, &[0, 0, 1, 1, 7]), "esp 33");
        assert_eq!(kind(4500, &[0xff]), "nothing");
        assert_eq!(kind(4500, &[]), "nothing");
    }

    #[test]
    fn esp_is_handed_on_as_it_came_over_ip() {
        let Some(Received::Esp(packet)) = sort(path(4500), &[9; 100]) else { panic!() };
        let (ip, header_len, total_len) = Ipv4::parse(&packet).unwrap();
        assert_eq!((ip.source_addr().octets(), total_len), ([192, 0, 2, 2], 128));
        let (udp, payload) = Udp::split(&packet[header_len..]).unwrap();
        assert_eq!((udp.source_port.get(), udp.len.get(), payload), (33_000, 108, &[9; 100][..]));
        assert!(sort(path(4500), &[9; 65_508]).is_none(), "more than IP carries");
    }
}
