//! From the link types of captures to Ethernet frames (www.tcpdump.org/linktypes.html).

use std::fmt;

use super::Problem;

/// The number that says which header the packets of a capture begin with (LINKTYPE_*).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkType(pub u32);

impl LinkType {
    /// An address family in four bytes of the capturing machine's order: BSD's loopback.
    pub const NULL: LinkType = LinkType(0);
    /// Ethernet II or 802.3, without preamble and frame check sequence.
    pub const ETHERNET: LinkType = LinkType(1);
    /// An IPv4 or IPv6 packet: the number that it has on BSD, found in old files.
    pub const RAW_BSD: LinkType = LinkType(12);
    /// An IPv4 or IPv6 packet.
    pub const RAW: LinkType = LinkType(101);
    /// An address family in four big-endian bytes: OpenBSD's loopback.
    pub const LOOP: LinkType = LinkType(108);
    /// The Linux cooked header, version 1, as of `tcpdump -i any`.
    pub const LINUX_SLL: LinkType = LinkType(113);
    /// An IPv4 packet.
    pub const IPV4: LinkType = LinkType(228);
    /// An IPv6 packet.
    pub const IPV6: LinkType = LinkType(229);
    /// The Linux cooked header, version 2.
    pub const LINUX_SLL2: LinkType = LinkType(276);
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The Ethernet frame of a captured packet: the packet itself, or one made in `frame` with
/// all-zero addresses and the ethertype that the capture's own header implies.
pub(super) fn ethernet<'a>(
    link_type: LinkType,
    packet: &'a [u8],
    frame: &'a mut Vec<u8>,
) -> Result<&'a [u8], Problem> {
    let (protocol, payload) = match link_type {
        LinkType::ETHERNET => return Ok(packet),
        LinkType::NULL | LinkType::LOOP => loopback(link_type, packet)?,
        LinkType::RAW | LinkType::RAW_BSD => (raw_ethertype(link_type, packet)?, packet),
        LinkType::IPV4 => (ETHERTYPE_IPV4, packet),
        LinkType::IPV6 => (ETHERTYPE_IPV6, packet),
        LinkType::LINUX_SLL => cooked_v1(packet).ok_or(Problem::PacketTooShort(link_type))?,
        LinkType::LINUX_SLL2 => cooked_v2(packet).ok_or(Problem::PacketTooShort(link_type))?,
        other => return Err(Problem::UnsupportedLinkType(other)),
    };
    let type_or_length = match protocol {
        ETHERTYPE_MIN.. => protocol,
        // 802.3 frames have the length where others have the type.
        SLL_RAW_802_3 | SLL_802_2 => u16::try_from(payload.len())
            .ok()
            .filter(|length| *length < ETHERTYPE_MIN)
            .ok_or(Problem::UnsupportedProtocol(link_type, protocol))?,
        _ => return Err(Problem::UnsupportedProtocol(link_type, protocol)),
    };
    frame.clear();
    frame.extend_from_slice(&[0; 12]);
    frame.extend_from_slice(&type_or_length.to_be_bytes());
    frame.extend_from_slice(payload);
    Ok(frame)
}

fn raw_ethertype(link_type: LinkType, packet: &[u8]) -> Result<u16, Problem> {
    match packet.first().map(|first| first >> 4) {
        Some(4) => Ok(ETHERTYPE_IPV4),
        Some(6) => Ok(ETHERTYPE_IPV6),
        Some(version) => Err(Problem::UnsupportedProtocol(link_type, version.into())),
        None => Err(Problem::PacketTooShort(link_type)),
    }
}

/// The byte order is not known, but families are small numbers: it is where the zeros are not.
fn loopback(link_type: LinkType, packet: &[u8]) -> Result<(u16, &[u8]), Problem> {
    let (family, payload) = packet.split_first_chunk().ok_or(Problem::PacketTooShort(link_type))?;
    let family = u32::from_be_bytes(*family).min(u32::from_le_bytes(*family));
    match family {
        AF_INET => Ok((ETHERTYPE_IPV4, payload)),
        AF_INET6_LINUX | AF_INET6_NETBSD | AF_INET6_FREEBSD | AF_INET6_DARWIN => {
            Ok((ETHERTYPE_IPV6, payload))
        }
        other => {
            let other = u16::try_from(other).unwrap_or(u16::MAX);
            Err(Problem::UnsupportedProtocol(link_type, other))
        }
    }
}

/// Packet type, ARPHRD type, address length, 8 bytes of address, protocol: 16 bytes, big-endian.
fn cooked_v1(packet: &[u8]) -> Option<(u16, &[u8])> {
    let (header, payload) = packet.split_first_chunk::<16>()?;
    Some((u16::from_be_bytes(*header.last_chunk()?), payload))
}

/// Protocol, two reserved bytes, interface index, ARPHRD type, packet type, address length,
/// 8 bytes of address: 20 bytes, big-endian.
fn cooked_v2(packet: &[u8]) -> Option<(u16, &[u8])> {
    let (header, payload) = packet.split_first_chunk::<20>()?;
    Some((u16::from_be_bytes(*header.first_chunk()?), payload))
}

/// The same everywhere; the others differ from system to system.
const AF_INET: u32 = 2;
const AF_INET6_LINUX: u32 = 10;
const AF_INET6_NETBSD: u32 = 24;
const AF_INET6_FREEBSD: u32 = 28;
const AF_INET6_DARWIN: u32 = 30;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Smaller values in this field are lengths (IEEE 802.3 section 3.2.6).
const ETHERTYPE_MIN: u16 = 0x0600;
/// ETH_P_802_3, Novell's frames without an 802.2 header (linux/if_ether.h).
const SLL_RAW_802_3: u16 = 0x0001;
/// ETH_P_802_2 (linux/if_ether.h).
const SLL_802_2: u16 = 0x0004;
