//! Rtnetlink sockets: one that asks and waits for the answer, one that hears what changes.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// The socket for requests. Blocking: the kernel answers a request within the call that sends it.
pub(super) struct Requests {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Requests {
    /// Opens a socket that talks to the kernel only.
    pub(super) fn open() -> io::Result<Requests> {
        let socket = kernel_socket()?;
        Ok(Requests { socket, sequence: 0, buffer: Vec::with_capacity(DATAGRAM_LEN_MAX) })
    }

    /// Sends a get request and returns everything that the kernel lists.
    ///
    /// Asks again when the kernel says that the list changed while it was read; gives up with
    /// `Interrupted` when that never ends.
    pub(super) fn dump(
        &mut self,
        request: RouteNetlinkMessage,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        for _ in 0..DUMP_ATTEMPTS {
            self.send(NLM_F_DUMP, request.clone())?;
            if let Some(messages) = self.read_dump()? {
                return Ok(messages);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::Interrupted,
            format!(
                "rtnetlink: the list changed during each of {DUMP_ATTEMPTS} attempts to read it"
            ),
        ))
    }

    /// Sends a request that changes something, with `flags` (NLM_F_*), and waits until it is done.
    pub(super) fn change(&mut self, flags: u16, request: RouteNetlinkMessage) -> io::Result<()> {
        self.send(NLM_F_ACK | flags, request)?;
        loop {
            for received in self.receive()? {
                match received.payload {
                    NetlinkPayload::Error(error) if error.code.is_some() => {
                        return Err(error.to_io());
                    }
                    NetlinkPayload::Error(_) => return Ok(()),
                    other => tracing::debug!(?other, "not the acknowledgement, ignored"),
                }
            }
        }
    }

    fn send(&mut self, flags: u16, request: RouteNetlinkMessage) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        Ok(())
    }

    /// Reads to the end of a dump; `None` when the kernel marked it as inconsistent.
    fn read_dump(&mut self) -> io::Result<Option<Vec<RouteNetlinkMessage>>> {
        let mut messages = Vec::new();
        let mut interrupted = false;
        loop {
            for received in self.receive()? {
                interrupted |= received.header.flags & NLM_F_DUMP_INTR != 0;
                match received.payload {
                    NetlinkPayload::InnerMessage(message) => messages.push(message),
                    NetlinkPayload::Done(done) if done.code < 0 => {
                        return Err(io::Error::from_raw_os_error(-done.code));
                    }
                    NetlinkPayload::Done(_) => return Ok((!interrupted).then_some(messages)),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    other => tracing::debug!(?other, "neither entry nor end of a dump, ignored"),
                }
            }
        }
    }

    /// The messages of the next datagram that answer the last request.
    fn receive(&mut self) -> io::Result<Vec<NetlinkMessage<RouteNetlinkMessage>>> {
        self.buffer.clear();
        let length = self.socket.recv(&mut self.buffer, libc::MSG_TRUNC)?;
        if length > self.buffer.len() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "rtnetlink: an answer of {length} bytes, {DATAGRAM_LEN_MAX} expected at most"
                ),
            ));
        }
        let answers = split(&self.buffer).filter_map(decode);
        // What an earlier request that failed half-way left behind has another number.
        Ok(answers.filter(|answer| answer.header.sequence_number == self.sequence).collect())
    }
}

/// The socket for events: whatever changes in links, neighbours, addresses and routes.
pub(super) struct Events {
    socket: Socket,
    buffer: Vec<u8>,
}

/// What one read of the event socket gave.
#[derive(Debug)]
pub(super) enum Delivery {
    /// The kernel tells of a change. Boxed: the other variants are small.
    Message {
        /// NLM_F_* of the message header: they say whether a route replaces another.
        flags: u16,
        /// What is now, or is no more.
        message: Box<RouteNetlinkMessage>,
    },
    /// Events were lost, with the cause in words: the mirror may be wrong in anything.
    Lost(&'static str),
    /// Something was told after which the kernel drops routes without telling which.
    RoutesSuspect,
    /// Nothing more waits.
    Drained,
}

impl Events {
    /// Opens a non-blocking socket that is a member of the multicast groups.
    pub(super) fn subscribe() -> io::Result<Events> {
        let socket = kernel_socket()?;
        socket.set_non_blocking(true)?;
        // A full routing table may come in at once. The kernel grants at most net.core.rmem_max.
        socket.set_rx_buf_sz(EVENT_BUFFER_BYTES)?;
        for group in GROUPS {
            socket.add_membership(group)?;
        }
        Ok(Events { socket, buffer: Vec::with_capacity(DATAGRAM_LEN_MAX) })
    }

    pub(super) fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// The next event. Uninteresting and undecodable ones are passed over.
    pub(super) fn receive(&mut self) -> io::Result<Delivery> {
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, libc::MSG_TRUNC) {
                Ok(length) if length > self.buffer.len() => {
                    return Ok(Delivery::Lost("an event was larger than the buffer"));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Delivery::Drained);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    return Ok(Delivery::Lost("the socket's buffer overran"));
                }
                Err(error) => return Err(error),
            }
            if let Some(delivery) = first_event(&self.buffer) {
                return Ok(delivery);
            }
        }
    }
}

/// A bound rtnetlink socket that takes messages from nobody but the kernel (port 0).
fn kernel_socket() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

/// The event in a datagram; the kernel multicasts each in a datagram of its own.
fn first_event(datagram: &[u8]) -> Option<Delivery> {
    split(datagram).find_map(|raw| {
        if raw.kind == RTM_DELNEXTHOP {
            return Some(Delivery::RoutesSuspect);
        }
        let message = decode(raw)?;
        match message.payload {
            NetlinkPayload::InnerMessage(inner) => {
                Some(Delivery::Message { flags: message.header.flags, message: Box::new(inner) })
            }
            NetlinkPayload::Overrun(_) => Some(Delivery::Lost("the kernel sent NLMSG_OVERRUN")),
            _ => None,
        }
    })
}

/// One message of a datagram, header included, not yet decoded.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Raw<'a> {
    kind: u16,
    bytes: &'a [u8],
}

/// Cuts a datagram into messages (man 7 netlink: native byte order, each padded to 4 bytes).
fn split(datagram: &[u8]) -> impl Iterator<Item = Raw<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let raw = first_message(rest);
        if raw.is_none() {
            tracing::debug!(bytes = rest.len(), "netlink datagram ends in a broken message");
        }
        let padded = raw.map_or(rest.len(), |raw| raw.bytes.len().next_multiple_of(4));
        rest = rest.get(padded..).unwrap_or_default();
        raw
    })
}

fn first_message(bytes: &[u8]) -> Option<Raw<'_>> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let bytes = bytes.get(..length).filter(|_| length >= HEADER_LEN)?;
    Some(Raw { kind, bytes })
}

fn decode(raw: Raw<'_>) -> Option<NetlinkMessage<RouteNetlinkMessage>> {
    NetlinkMessage::deserialize(raw.bytes)
        .inspect_err(|error| tracing::debug!(kind = raw.kind, %error, "undecodable, ignored"))
        .ok()
}

/// `struct nlmsghdr`.
const HEADER_LEN: usize = 16;
/// The kernel fills dump datagrams up to 32 KiB and makes one larger only for a single huge entry.
const DATAGRAM_LEN_MAX: usize = 128 * 1024;
const DUMP_ATTEMPTS: u32 = 8;
const EVENT_BUFFER_BYTES: libc::c_int = 4 << 20;

/// RTNLGRP_LINK, _NEIGH, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE and _NEXTHOP
/// (linux/rtnetlink.h).
const GROUPS: [u32; 7] = [1, 3, 5, 7, 9, 11, 32];
/// A nexthop object went, and with it, unannounced, the routes that name it (linux/rtnetlink.h).
const RTM_DELNEXTHOP: u16 = 105;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagram_is_cut_at_padded_lengths() {
        let mut datagram = message(RTM_DELNEXTHOP, &[1, 2, 3]);
        datagram.push(0);
        datagram.extend(message(77, &[]));
        let kinds: Vec<_> = split(&datagram).map(|raw| (raw.kind, raw.bytes.len())).collect();
        assert_eq!(kinds, [(RTM_DELNEXTHOP, 19), (77, 16)]);
    }

    #[test]
    fn missing_padding_at_the_end_is_accepted() {
        let datagram = message(77, &[1]);
        assert_eq!(split(&datagram).count(), 1);
    }

    #[test]
    fn broken_lengths_end_the_datagram() {
        let whole = message(77, &[1, 2, 3, 4]);
        for length in [0, 15, 21, u32::MAX] {
            let mut broken = whole.clone();
            broken[..4].copy_from_slice(&u32::to_ne_bytes(length));
            let datagram = [whole.clone(), broken].concat();
            assert_eq!(split(&datagram).count(), 1, "length {length}");
        }
        for end in 1..HEADER_LEN {
            assert_eq!(split(&whole[..end]).count(), 0, "cut at {end}");
        }
    }

    #[test]
    fn deleted_nexthop_object_makes_routes_suspect() {
        let datagram = message(RTM_DELNEXTHOP, &[0; 8]);
        assert!(matches!(first_event(&datagram), Some(Delivery::RoutesSuspect)));
    }

    #[test]
    fn undecodable_event_is_ignored() {
        assert!(first_event(&message(16, &[1, 2, 3])).is_none());
        assert!(first_event(&message(9999, &[0; 64])).is_none());
    }

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let length = (HEADER_LEN + payload.len()) as u32;
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(payload);
        bytes
    }
}
