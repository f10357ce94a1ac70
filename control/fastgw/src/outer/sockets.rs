//! The kernel sockets for what the XDP program passes on although it is a tunnel's.
//!
//! The kernel puts the fragments of outer packets together; a raw socket then has the whole one.
//! Over IPv4 a raw socket delivers the IP header, over IPv6 it does not: there each local address
//! has sockets of its own, and the header is made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use wire::ipv4::Ipv4;
use wire::ipv6::Ipv6;
use wire::{protocol, udp};
use zerocopy::{FromBytes, IntoBytes};

use super::keepalive::KEEPALIVE;

/// Most messages that are read from one socket at a time: the rest waits for the next turn.
const READ_MAX: usize = 256;
/// Longest message that is read, bytes: what IP can carry.
const MESSAGE_MAX: usize = 65_536;
/// The outer protocols of tunnels.
const ENCAPSULATIONS: [u8; 4] = [protocol::ESP, protocol::GRE, protocol::IPV4, protocol::IPV6];

/// The sockets, and where they stand in the poll.
pub struct Sockets {
    ipv4: Vec<UdpSocket>,
    ipv6: BTreeMap<(Ipv6Addr, u8), UdpSocket>,
    icmp: Vec<(bool, UdpSocket)>,
    /// Every UDP datagram of the host, once a tunnel travels in UDP.
    any_udp: Option<UdpSocket>,
    udp: BTreeMap<IpAddr, UdpSocket>,
    buffer: Box<[u8]>,
}

impl Sockets {
    /// Sockets for the ICMP errors and the reassembled IPv4 packets of any tunnel but those in UDP.
    ///
    /// # Errors
    /// What the kernel refused; CAP_NET_RAW is needed.
    pub fn open(registry: &Registry, token: Token) -> io::Result<Self> {
        let ipv4 = ENCAPSULATIONS.into_iter();
        let ipv4: io::Result<Vec<_>> =
            ipv4.map(|number| raw(Domain::IPV4, number, registry, token)).collect();
        let mut icmp = vec![(true, raw(Domain::IPV4, protocol::ICMP, registry, token)?)];
        match raw(Domain::IPV6, protocol::ICMPV6, registry, token) {
            Ok(socket) => icmp.push((false, socket)),
            Err(error) => tracing::debug!("no ICMPv6 socket, this kernel has no IPv6: {error}"),
        }
        Ok(Self {
            ipv4: ipv4?,
            ipv6: BTreeMap::new(),
            icmp,
            any_udp: None,
            udp: BTreeMap::new(),
            buffer: vec![0; MESSAGE_MAX].into_boxed_slice(),
        })
    }

    /// Takes in reassembled packets in UDP as well.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn include_udp(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        if self.any_udp.is_none() {
            self.any_udp = Some(raw(Domain::IPV4, protocol::UDP, registry, token)?);
        }
        Ok(())
    }

    /// Follows the tunnels' local addresses; `udp` are those where ESP in UDP arrives. Gives what
    /// the kernel refused, in words.
    pub fn follow(
        &mut self,
        endpoints: &[IpAddr],
        udp: &BTreeSet<IpAddr>,
        registry: &Registry,
        token: Token,
    ) -> Vec<String> {
        let mut problems = Vec::new();
        let wanted: BTreeSet<_> = endpoints
            .iter()
            .filter_map(|address| match address {
                IpAddr::V6(address) => Some(*address),
                IpAddr::V4(_) => None,
            })
            .flat_map(|address| ENCAPSULATIONS.map(|number| (address, number)))
            .collect();
        self.ipv6.retain(|key, _| wanted.contains(key));
        for key in wanted {
            if !self.ipv6.contains_key(&key)
                && let Ok(socket) = bound_ipv6(key, registry, token)
            {
                // An address that is not there yet is told of by whoever builds the tables.
                self.ipv6.insert(key, socket);
            }
        }
        self.udp.retain(|address, _| udp.contains(address));
        for address in udp {
            if self.udp.contains_key(address) {
                continue;
            }
            match bound_udp(*address) {
                Ok(socket) => {
                    self.udp.insert(*address, socket);
                }
                Err(error) => problems.push(format!(
                    "no NAT keepalives from {address}: cannot use UDP port {}: {error}",
                    udp::ESP_PORT
                )),
            }
        }
        problems
    }

    /// Reads what waits: whole outer packets to one of `endpoints` go to `packet`, ICMP messages,
    /// with whether they are of IPv4, to `icmp`.
    pub fn read(
        &mut self,
        endpoints: &[IpAddr],
        mut packet: impl FnMut(Box<[u8]>),
        mut icmp: impl FnMut(&[u8], bool),
    ) {
        for socket in self.ipv4.iter().chain(&self.any_udp) {
            drain(socket, &mut self.buffer, |bytes, _| {
                if is_to_tunnel(bytes, endpoints) {
                    packet(bytes.into());
                }
            });
        }
        for ((local, number), socket) in &self.ipv6 {
            drain(socket, &mut self.buffer, |bytes, from| {
                if let (SocketAddr::V6(from), Ok(len)) = (from, u16::try_from(bytes.len())) {
                    let header = Ipv6::new(*from.ip(), *local, *number, len);
                    packet([header.as_bytes(), bytes].concat().into());
                }
            });
        }
        for (v4, socket) in &self.icmp {
            drain(socket, &mut self.buffer, |bytes, _| {
                let header_len = if *v4 { ipv4_header_len(bytes) } else { 0 };
                icmp(bytes.get(header_len..).unwrap_or_default(), *v4);
            });
        }
        for socket in self.udp.values() {
            // Peers' keepalives, which nobody needs to know of.
            let mut ignored = [0; 16];
            for _ in 0..READ_MAX {
                if socket.recv_from(&mut ignored).is_err() {
                    break;
                }
            }
        }
    }

    /// Sends a NAT keepalive.
    pub fn keep_alive(&self, local: IpAddr, remote: IpAddr, port: u16) {
        if let Some(socket) = self.udp.get(&local)
            && let Err(error) = socket.send_to(&KEEPALIVE, (remote, port))
        {
            tracing::debug!("no keepalive to {remote}: {error}");
        }
    }
}

/// A raw socket, in the clothes of the one type of std that receives with an address.
fn raw(domain: Domain, number: u8, registry: &Registry, token: Token) -> io::Result<UdpSocket> {
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(i32::from(number))))?;
    socket.set_nonblocking(true)?;
    registry.register(&mut SourceFd(&socket.as_raw_fd()), token, Interest::READABLE)?;
    Ok(socket.into())
}

fn bound_ipv6(
    (address, number): (Ipv6Addr, u8),
    registry: &Registry,
    token: Token,
) -> io::Result<UdpSocket> {
    let socket = raw(Domain::IPV6, number, registry, token)?;
    SockRef::from(&socket).bind(&SockAddr::from(SocketAddr::from((address, 0))))?;
    Ok(socket)
}

fn bound_udp(address: IpAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(SocketAddr::from((address, udp::ESP_PORT))))?;
    Ok(socket.into())
}

fn drain(socket: &UdpSocket, buffer: &mut [u8], mut each: impl FnMut(&[u8], SocketAddr)) {
    for _ in 0..READ_MAX {
        let Ok((len, from)) = socket.recv_from(buffer) else { return };
        each(buffer.get(..len).unwrap_or_default(), from);
    }
}

/// Whether the IPv4 packet is a tunnel's: to one of the endpoints, and if UDP, to the port of ESP
/// or of L2TP, with data and not with what negotiates it.
fn is_to_tunnel(packet: &[u8], endpoints: &[IpAddr]) -> bool {
    let Ok((header, header_len, _)) = Ipv4::parse(packet) else { return false };
    if !endpoints.contains(&header.destination_addr().into()) {
        return false;
    }
    if header.protocol != protocol::UDP {
        return true;
    }
    let behind = packet.get(header_len..).unwrap_or_default();
    let Ok((datagram, payload)) = udp::Udp::split(behind) else { return false };
    match datagram.destination_port.get() {
        udp::ESP_PORT => payload.first_chunk().is_some_and(|marker| *marker != [0; 4]),
        udp::L2TP_PORT => payload.first().is_some_and(|flags| flags & 0x80 == 0),
        _ => false,
    }
}

fn ipv4_header_len(packet: &[u8]) -> usize {
    Ipv4::ref_from_prefix(packet).map_or(0, |(header, _)| header.header_len())
}
