//! The raw sockets of OSPF (RFC 2328 appendix A.1) on networks that a port is on: one for each
//! port, which hears and speaks there only.
//!
//! The XDP program passes what is sent to the port's address and to the groups of OSPF on to the
//! kernel, which puts fragments together and makes them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};
use wire::ipv4::Ipv4;
use wire::protocol;

use super::{ALL_ROUTERS, DESIGNATED_ROUTERS, TTL};
use crate::tunnel_io::TOS;

/// Most packets that are read from one socket at a time: the rest waits for the next turn.
const READ_MAX: usize = 64;
/// What the kernel may keep for one socket, bytes: the updates of many neighbours at once.
const BUFFER: usize = 1 << 20;

/// OSPF's socket on a port.
pub struct PortSocket {
    socket: UdpSocket,
    ifindex: u32,
    hears_designated: bool,
}

impl PortSocket {
    /// Hears what comes to `device` for all OSPF routers and for its addresses; multicast leaves
    /// with the source `address`, one of its own. The poll tells of packets under `token`.
    ///
    /// # Errors
    /// What the kernel refused: CAP_NET_RAW is needed, and `address` must be the device's.
    pub fn open(
        (device, ifindex): (&str, u32),
        address: Ipv4Addr,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let number = Protocol::from(i32::from(protocol::OSPF));
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(number))?;
        socket.set_nonblocking(true)?;
        socket.bind_device(Some(device.as_bytes()))?;
        socket.set_multicast_if_v4(&address)?;
        socket.set_multicast_loop_v4(false)?;
        // Groups that only others on this host have joined are not heard.
        socket.set_multicast_all_v4(false)?;
        socket.set_multicast_ttl_v4(u32::from(TTL))?;
        socket.set_ttl_v4(u32::from(TTL))?;
        socket.set_tos_v4(u32::from(TOS))?;
        // The kernel may give less.
        let _granted = socket.set_recv_buffer_size(BUFFER);
        socket.join_multicast_v4_n(&ALL_ROUTERS, &InterfaceIndexOrAddress::Index(ifindex))?;
        registry.register(&mut SourceFd(&socket.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { socket: socket.into(), ifindex, hears_designated: false })
    }

    /// Whether it also hears what is for designated routers (RFC 2328 section 9.5.1).
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn hear_designated(&mut self, hears: bool) -> io::Result<()> {
        if hears == self.hears_designated {
            return Ok(());
        }
        let (socket, here) =
            (SockRef::from(&self.socket), InterfaceIndexOrAddress::Index(self.ifindex));
        match hears {
            true => socket.join_multicast_v4_n(&DESIGNATED_ROUTERS, &here)?,
            false => socket.leave_multicast_v4_n(&DESIGNATED_ROUTERS, &here)?,
        }
        self.hears_designated = hears;
        Ok(())
    }

    /// Sends a packet, which the kernel puts the IP header in front of.
    ///
    /// # Errors
    /// What the kernel refused; to the protocol that is a loss on the way.
    pub fn send(&self, destination: Ipv4Addr, packet: &[u8]) -> io::Result<()> {
        self.socket.send_to(packet, SocketAddr::from((destination, 0))).map(|_| ())
    }

    /// Reads what waits, up to a bound, into `buffer`; each packet with its source and destination.
    /// True when that bound was met, so that more may wait.
    pub fn read(&self, buffer: &mut [u8], mut each: impl FnMut(Ipv4Addr, Ipv4Addr, &[u8])) -> bool {
        let mut read = false;
        for _ in 0..READ_MAX {
            let received = self.socket.recv_from(buffer);
            read = received.is_ok();
            match received {
                Ok((len, _)) => {
                    let packet = buffer.get(..len).unwrap_or_default();
                    let Ok((header, header_len, total_len)) = Ipv4::parse(packet) else { continue };
                    let payload = packet.get(header_len..total_len).unwrap_or_default();
                    each(header.source_addr(), header.destination_addr(), payload);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // An error about what was sent before, a link that is down: heard once each. One
                // that goes on must not keep the control thread busy.
                Err(_) => {}
            }
        }
        read
    }
}
