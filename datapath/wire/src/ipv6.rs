//! IPv6 (RFC 8200), with as much of its extension headers as it takes to find what is behind them.

use core::net::Ipv6Addr;

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{Malformed, protocol};

/// ```text
///  0                   1                   2                   3
/// |version| traffic class |              flow label               |
/// |        payload length         |  next header  |   hop limit   |
/// |                       source (16 bytes)                       |
/// |                    destination (16 bytes)                     |
/// ```
#[repr(C)]
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
pub struct Ipv6 {
    /// Version 6 in the high nibble, then eight bits of traffic class and twenty of flow label.
    pub version_class_flow: U32,
    /// What follows this header, extension headers included, bytes.
    pub payload_len: U16,
    /// What that starts with; see [`crate::protocol`].
    pub next_header: u8,
    /// Hops left.
    pub hop_limit: u8,
    /// Source address.
    pub source: [u8; 16],
    /// Destination address.
    pub destination: [u8; 16],
}

const _: () = assert!(size_of::<Ipv6>() == Ipv6::LEN);

impl Ipv6 {
    /// Length of the header without extension headers, bytes.
    pub const LEN: usize = 40;

    /// A header for `payload_len` bytes of `next_header`; hop limit 64, traffic class and flow
    /// label 0.
    #[must_use]
    pub fn new(source: Ipv6Addr, destination: Ipv6Addr, next_header: u8, payload_len: u16) -> Self {
        Self {
            version_class_flow: U32::new(6 << 28),
            payload_len: U16::new(payload_len),
            next_header,
            hop_limit: 64,
            source: source.octets(),
            destination: destination.octets(),
        }
    }

    /// Checks version and length, and gives the header and the packet's total length. `packet` may
    /// be longer than the packet: Ethernet pads. Jumbograms (RFC 2675) are not known.
    ///
    /// # Errors
    /// The first rule broken, in the order truncated, version, total length.
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<(&Self, usize), Malformed> {
        let (header, _) = Self::ref_from_prefix(packet).map_err(|_| Malformed::Truncated)?;
        if header.version_class_flow.get() >> 28 != 6 {
            return Err(Malformed::Version);
        }
        let total_len = Self::LEN + usize::from(header.payload_len.get());
        if total_len > packet.len() {
            return Err(Malformed::TotalLength);
        }
        Ok((header, total_len))
    }

    /// DSCP in the high six bits, ECN in the low two.
    #[inline]
    #[must_use]
    pub fn traffic_class(&self) -> u8 {
        (self.version_class_flow.get() >> 20) as u8
    }

    /// Sets DSCP and ECN.
    #[inline]
    pub fn set_traffic_class(&mut self, class: u8) {
        let rest = self.version_class_flow.get() & !(0xff << 20);
        self.version_class_flow.set(rest | u32::from(class) << 20);
    }

    /// The source as an address.
    #[inline]
    #[must_use]
    pub fn source_addr(&self) -> Ipv6Addr {
        Ipv6Addr::from(self.source)
    }

    /// The destination as an address.
    #[inline]
    #[must_use]
    pub fn destination_addr(&self) -> Ipv6Addr {
        Ipv6Addr::from(self.destination)
    }
}

/// What is behind a packet's extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper {
    /// Its protocol; see [`crate::protocol`].
    pub protocol: u8,
    /// Where it starts, bytes from the packet's first. In a later fragment it is not there: these
    /// bytes are from its middle.
    pub offset: usize,
    /// Whether the packet is a fragment.
    pub is_fragment: bool,
    /// Where in the whole packet's payload this fragment belongs, bytes.
    pub fragment_offset: u16,
    /// Whether a routing header of type 0 has segments left (RFC 5095).
    pub source_routed: bool,
}

/// Whether [`upper`] follows headers of this protocol number.
#[inline]
#[must_use]
pub fn is_extension(number: u8) -> bool {
    matches!(
        number,
        protocol::HOP_BY_HOP
            | protocol::ROUTING
            | protocol::DESTINATION_OPTIONS
            | protocol::FRAGMENT
    )
}

/// Most extension headers that are followed: no honest sender has more.
const EXTENSIONS_MAX: usize = 8;

/// Follows the extension headers of a packet that [`Ipv6::parse`] has accepted. `None` when they
/// are not whole or too many.
#[must_use]
pub fn upper(packet: &[u8]) -> Option<Upper> {
    let (header, _) = Ipv6::ref_from_prefix(packet).ok()?;
    let mut upper = Upper {
        protocol: header.next_header,
        offset: Ipv6::LEN,
        is_fragment: false,
        fragment_offset: 0,
        source_routed: false,
    };
    for _ in 0..=EXTENSIONS_MAX {
        let rest = packet.get(upper.offset..)?;
        match upper.protocol {
            protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION_OPTIONS => {
                let [next, units, kind, left, ..] = *rest else { return None };
                upper.source_routed |= upper.protocol == protocol::ROUTING && kind == 0 && left > 0;
                upper.protocol = next;
                // Counted in units of eight bytes, without the first.
                upper.offset += (usize::from(units) + 1) * 8;
            }
            protocol::FRAGMENT => {
                let [next, _, high, low, ..] = *rest else { return None };
                upper.protocol = next;
                upper.offset += 8;
                upper.is_fragment = true;
                upper.fragment_offset = u16::from_be_bytes([high, low]) & !7;
                if upper.fragment_offset != 0 {
                    return (upper.offset <= packet.len()).then_some(upper);
                }
            }
            _ => return Some(upper),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(next_header: u8, payload: &[u8]) -> Vec<u8> {
        let (a, b) = (Ipv6Addr::from_bits(1), Ipv6Addr::from_bits(2));
        let header = Ipv6::new(a, b, next_header, payload.len() as u16);
        [header.as_bytes(), payload].concat()
    }

    extern crate std;
    use std::vec::Vec;

    #[test]
    fn a_sound_packet_parses_and_each_broken_rule_is_named() {
        let mut bytes = packet(17, &[1, 2, 3]);
        bytes.push(0);
        let (header, total_len) = Ipv6::parse(&bytes).unwrap();
        assert_eq!((header.destination_addr(), total_len), (Ipv6Addr::from_bits(2), 43));
        assert_eq!(Ipv6::parse(&bytes[..39]), Err(Malformed::Truncated));
        assert_eq!(Ipv6::parse(&bytes[..42]), Err(Malformed::TotalLength));
        bytes[0] = 0x45;
        assert_eq!(Ipv6::parse(&bytes), Err(Malformed::Version));
    }

    #[test]
    fn the_traffic_class_lies_across_two_bytes() {
        let mut header = Ipv6::new(Ipv6Addr::from_bits(1), Ipv6Addr::from_bits(2), 17, 0);
        header.set_traffic_class(0xb9);
        assert_eq!(
            (header.as_bytes()[..2].to_vec(), header.traffic_class()),
            (vec![0x6b, 0x90], 0xb9)
        );
    }

    use std::vec;

    #[test]
    fn extension_headers_are_followed_to_what_is_behind_them() {
        let options = [protocol::DESTINATION_OPTIONS, 0, 1, 4, 0, 0, 0, 0];
        let more = [protocol::UDP, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let bytes = packet(protocol::HOP_BY_HOP, &[&options[..], &more, &[9; 8]].concat());
        let found = upper(&bytes).unwrap();
        assert_eq!((found.protocol, found.offset), (protocol::UDP, 64));
        let routed = packet(protocol::ROUTING, &[protocol::UDP, 0, 0, 1, 0, 0, 0, 0, 9]);
        assert!(upper(&routed).unwrap().source_routed);
        let later = packet(protocol::FRAGMENT, &[protocol::UDP, 0, 0, 9, 0, 0, 0, 7, 5]);
        let found = upper(&later).unwrap();
        assert_eq!((found.is_fragment, found.fragment_offset, found.protocol), (true, 8, 17));
        let endless = [protocol::HOP_BY_HOP, 0, 0, 0, 0, 0, 0, 0].repeat(12);
        assert_eq!(upper(&packet(protocol::HOP_BY_HOP, &endless)), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_harm(
            next in any::<u8>(),
            payload in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let bytes = packet(next, &payload);
            if let Some(found) = upper(&bytes) {
                prop_assert!(found.offset <= bytes.len());
            }
        }
    }
}
