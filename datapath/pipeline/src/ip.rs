//! An IP packet of either version, as the stages see it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use port::Frame;
use tables::{DropReason, Flow, Inner, Upper, Version};
use wire::Malformed;
use wire::ipv4::Ipv4;
use wire::ipv6::{self, Ipv6};
use wire::protocol;
use zerocopy::FromBytes;

/// The header at the front of a packet that was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ip<'a> {
    V4(&'a Ipv4),
    V6(&'a Ipv6),
}

impl<'a> Ip<'a> {
    /// The header in front of `packet`.
    ///
    /// # Errors
    /// That it is not whole, which [`check`] has ruled out for every packet on its way.
    #[inline]
    pub(crate) fn of(packet: &'a [u8]) -> Result<Self, DropReason> {
        if packet.first().is_some_and(|byte| byte >> 4 == 6) {
            let (header, _) =
                Ipv6::ref_from_prefix(packet).map_err(|_| DropReason::Ipv6Truncated)?;
            return Ok(Self::V6(header));
        }
        let (header, _) = Ipv4::ref_from_prefix(packet).map_err(|_| DropReason::Ipv4Truncated)?;
        Ok(Self::V4(header))
    }

    #[inline]
    pub(crate) fn version(self) -> Version {
        match self {
            Self::V4(_) => Version::V4,
            Self::V6(_) => Version::V6,
        }
    }

    #[inline]
    pub(crate) fn source(self) -> IpAddr {
        match self {
            Self::V4(header) => header.source_addr().into(),
            Self::V6(header) => header.source_addr().into(),
        }
    }

    #[inline]
    pub(crate) fn destination(self) -> IpAddr {
        match self {
            Self::V4(header) => header.destination_addr().into(),
            Self::V6(header) => header.destination_addr().into(),
        }
    }

    /// DSCP and ECN.
    #[inline]
    pub(crate) fn tos(self) -> u8 {
        match self {
            Self::V4(header) => header.tos,
            Self::V6(header) => header.traffic_class(),
        }
    }

    /// TTL or hop limit.
    #[inline]
    pub(crate) fn ttl(self) -> u8 {
        match self {
            Self::V4(header) => header.ttl,
            Self::V6(header) => header.hop_limit,
        }
    }

    /// What is right behind the header, IPv6's extension headers included.
    #[inline]
    pub(crate) fn protocol(self) -> u8 {
        match self {
            Self::V4(header) => header.protocol,
            Self::V6(header) => header.next_header,
        }
    }

    /// What an outer header takes from this one.
    #[inline]
    pub(crate) fn inner(self) -> Inner {
        let dont_fragment = match self {
            Self::V4(header) => header.dont_fragment(),
            Self::V6(_) => true,
        };
        Inner { version: self.version(), tos: self.tos(), ttl: self.ttl(), dont_fragment }
    }

    /// Whether either address never leaves its link (RFC 3927 7, RFC 5771 4, RFC 4291 2.5.6, 2.7).
    #[inline]
    pub(crate) fn is_link_local(self) -> bool {
        match self {
            Self::V4(header) => {
                let (source, destination) =
                    (header.source_addr().to_bits(), header.destination_addr().to_bits());
                source >> 16 == 0xa9fe
                    || destination >> 16 == 0xa9fe
                    || destination >> 8 == 0xe0_0000
            }
            Self::V6(header) => {
                let scoped = |address: Ipv6Addr| {
                    address.is_unicast_link_local()
                        || address.is_multicast() && address.octets()[1] & 0x0f <= 2
                };
                scoped(header.source_addr()) || scoped(header.destination_addr())
            }
        }
    }
}

/// Takes one hop off the TTL or hop limit, which the caller has seen to be above one.
#[inline]
pub(crate) fn decrement_ttl(packet: &mut [u8]) {
    if packet.first().is_some_and(|byte| byte >> 4 == 6) {
        if let Ok((header, _)) = Ipv6::mut_from_prefix(packet) {
            header.hop_limit = header.hop_limit.wrapping_sub(1);
        }
    } else if let Ok((header, _)) = Ipv4::mut_from_prefix(packet) {
        header.decrement_ttl();
    }
}

/// Which way a packet is looked at: whose ports are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Outbound,
    Inbound,
}

/// What selectors ask beyond addresses.
#[cold]
pub(crate) fn upper(packet: &[u8], direction: Direction) -> Upper {
    let Some((protocol, payload)) = upper_payload(packet) else {
        return Upper { protocol: None, ports: None, hidden: true };
    };
    let has_ports = matches!(protocol, protocol::TCP | protocol::UDP | protocol::SCTP);
    let ports = payload.filter(|_| has_ports).and_then(|payload| {
        let [a, b, c, d] = *payload.first_chunk()?;
        let (source, destination) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        Some(match direction {
            Direction::Outbound => (source, destination),
            Direction::Inbound => (destination, source),
        })
    });
    Upper { protocol: Some(protocol), ports, hidden: has_ports && ports.is_none() }
}

/// The flow that a packet belongs to. One that is a fragment is of the flow between its addresses,
/// whatever its place, so that all fragments of a packet take one path; so is one whose extension
/// headers cannot be followed.
///
/// # Errors
/// That the header is not whole.
pub(crate) fn flow(packet: &[u8]) -> Result<Flow, DropReason> {
    let ip = Ip::of(packet)?;
    let is_fragment = match ip {
        Ip::V4(header) => header.is_fragment(),
        Ip::V6(_) => ipv6::upper(packet).is_none_or(|upper| upper.is_fragment),
    };
    let (protocol, ports) = match is_fragment {
        true => (ip.protocol(), None),
        false => {
            let upper = upper(packet, Direction::Outbound);
            (upper.protocol.unwrap_or_default(), upper.ports)
        }
    };
    let ports = ports.unwrap_or_default();
    Ok(Flow { source: ip.source(), destination: ip.destination(), protocol, ports })
}

/// The protocol behind IP and its bytes, which a later fragment does not start with. `None` where
/// it cannot be seen: extension headers are broken, too many, or in an earlier fragment.
fn upper_payload(packet: &[u8]) -> Option<(u8, Option<&[u8]>)> {
    match Ip::of(packet).ok()? {
        Ip::V4(header) => {
            let first = header.flags_offset.get() & Ipv4::OFFSET == 0;
            Some((header.protocol, packet.get(header.header_len()..).filter(|_| first)))
        }
        Ip::V6(_) => {
            let upper = ipv6::upper(packet).filter(|u| !ipv6::is_extension(u.protocol))?;
            let first = upper.fragment_offset == 0;
            Some((upper.protocol, packet.get(upper.offset..).filter(|_| first)))
        }
    }
}

/// Checks the packet that the frame starts with, which must be of this version, cuts off what
/// follows it, and gives the header's length. Used for what arrives and for what comes out of
/// tunnels.
#[inline]
pub(crate) fn check(frame: &mut Frame, version: Version) -> Result<usize, DropReason> {
    match version {
        Version::V4 => check_ipv4(frame),
        Version::V6 => check_ipv6(frame),
    }
}

#[inline]
fn check_ipv4(frame: &mut Frame) -> Result<usize, DropReason> {
    let (header, header_len, total_len) =
        Ipv4::parse(frame.data()).map_err(|error| match error {
            Malformed::Truncated => DropReason::Ipv4Truncated,
            Malformed::Version => DropReason::Ipv4Version,
            Malformed::HeaderLength => DropReason::Ipv4HeaderLength,
            Malformed::Checksum => DropReason::Ipv4Checksum,
            Malformed::TotalLength | Malformed::Reserved => DropReason::Ipv4TotalLength,
        })?;
    let source = header.source_addr();
    if is_martian(source) {
        return Err(DropReason::Ipv4Martian);
    }
    if header_len > Ipv4::LEN
        && frame.data().get(Ipv4::LEN..header_len).is_none_or(asks_for_source_route)
    {
        return Err(DropReason::Ipv4SourceRoute);
    }
    // RFC 791 3.2: no fragment lies beyond the largest packet.
    let at = usize::from(header.flags_offset.get() & Ipv4::OFFSET) * 8;
    if at + total_len - header_len > usize::from(u16::MAX) {
        return Err(DropReason::Ipv4TotalLength);
    }
    frame.truncate(total_len);
    Ok(header_len)
}

/// Whether nobody sends from there (RFC 1122 3.2.1.3): a group or all, this host, or nowhere.
#[inline]
fn is_martian(source: Ipv4Addr) -> bool {
    // On the number, since four bytes one by one are slow.
    let bits = source.to_bits();
    bits >> 28 == 0xe || bits >> 24 == 127 || bits == 0 || bits == u32::MAX
}

fn check_ipv6(frame: &mut Frame) -> Result<usize, DropReason> {
    let (header, total_len) = Ipv6::parse(frame.data()).map_err(|error| match error {
        Malformed::Truncated => DropReason::Ipv6Truncated,
        Malformed::Version => DropReason::Ipv6Version,
        _ => DropReason::Ipv6PayloadLength,
    })?;
    let source = header.source_addr();
    if source.is_multicast() || source.is_loopback() || source.is_unspecified() {
        return Err(DropReason::Ipv6Martian);
    }
    let extended = ipv6::is_extension(header.next_header);
    frame.truncate(total_len);
    if extended && ipv6::upper(frame.data()).is_none_or(|upper| upper.source_routed) {
        return Err(DropReason::Ipv6SourceRoute);
    }
    Ok(Ipv6::LEN)
}

/// Whether options hold a loose or strict source route (RFC 791 3.1).
fn asks_for_source_route(mut options: &[u8]) -> bool {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const LOOSE: u8 = 131;
    const STRICT: u8 = 137;
    loop {
        match options {
            [] | [END, ..] => return false,
            [NO_OPERATION, rest @ ..] => options = rest,
            [LOOSE | STRICT, ..] => return true,
            [_, len, ..] => match options.get(usize::from(*len).max(2)..) {
                Some(rest) => options = rest,
                None => return false,
            },
            [_] => return false,
        }
    }
}
