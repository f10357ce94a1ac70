//! IPv4 (RFC 791), with the identification rules of RFC 6864.

use core::net::Ipv4Addr;

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{Malformed, checksum};

/// ```text
///  0                   1                   2                   3
/// |Version|  IHL  |   DSCP    |ECN|          total length         |
/// |         identification        |flags|     fragment offset     |
/// |      TTL      |    protocol   |        header checksum        |
/// |                             source                            |
/// |                          destination                          |
/// ```
/// Options, if any, follow; [`Ipv4::header_len`] counts them.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
pub struct Ipv4 {
    /// Version 4 in the high nibble, header length in 4-byte words in the low one.
    pub version_ihl: u8,
    /// DSCP in the high six bits, ECN in the low two (RFC 2474, 3168).
    pub tos: u8,
    /// Header and payload, bytes.
    pub total_len: U16,
    /// Tells the fragments of one packet from another's.
    pub id: U16,
    /// DF, MF and the fragment offset in 8-byte units.
    pub flags_offset: U16,
    /// Hops left.
    pub ttl: u8,
    /// What the payload is; see [`crate::protocol`].
    pub protocol: u8,
    /// Internet checksum of the header.
    pub checksum: U16,
    /// Source address.
    pub source: [u8; 4],
    /// Destination address.
    pub destination: [u8; 4],
}

const _: () = assert!(size_of::<Ipv4>() == Ipv4::LEN);

impl Ipv4 {
    /// Length of the header without options, bytes.
    pub const LEN: usize = 20;
    /// "Don't fragment" in [`Ipv4::flags_offset`].
    pub const DF: u16 = 0x4000;
    /// "More fragments" in [`Ipv4::flags_offset`].
    pub const MF: u16 = 0x2000;
    /// The fragment offset's bits in [`Ipv4::flags_offset`].
    pub const OFFSET: u16 = 0x1fff;

    /// A header without options for `payload_len` bytes of `protocol`; TTL 64, checksum filled in.
    #[must_use]
    pub fn new(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload_len: u16) -> Self {
        let mut header = Self {
            version_ihl: 0x45,
            tos: 0,
            total_len: U16::new(Self::LEN as u16 + payload_len),
            id: U16::ZERO,
            flags_offset: U16::ZERO,
            ttl: 64,
            protocol,
            checksum: U16::ZERO,
            source: source.octets(),
            destination: destination.octets(),
        };
        header.fill_checksum();
        header
    }

    /// Checks version, lengths and checksum, and gives the header, its whole length with options,
    /// and the packet's total length. `packet` may be longer than the packet: Ethernet pads.
    ///
    /// # Errors
    /// The first rule broken, in the order truncated, version, header length, total length,
    /// checksum.
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<(&Self, usize, usize), Malformed> {
        let (header, _) = Self::ref_from_prefix(packet).map_err(|_| Malformed::Truncated)?;
        if header.version_ihl >> 4 != 4 {
            return Err(Malformed::Version);
        }
        let header_len = header.header_len();
        if header_len < Self::LEN {
            return Err(Malformed::HeaderLength);
        }
        let covered = packet.get(..header_len).ok_or(Malformed::HeaderLength)?;
        let total_len = usize::from(header.total_len.get());
        if total_len < header_len || total_len > packet.len() {
            return Err(Malformed::TotalLength);
        }
        // Nearly every header has no options, and of a known length its sum takes five additions.
        let sum = match covered.first_chunk::<{ Self::LEN }>() {
            Some(plain) if header_len == Self::LEN => checksum::of(plain),
            _ => checksum::of(covered),
        };
        if sum != 0 {
            return Err(Malformed::Checksum);
        }
        Ok((header, header_len, total_len))
    }

    /// Length of the header with its options, bytes.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        usize::from(self.version_ihl & 0x0f) * 4
    }

    /// The source as an address.
    #[inline]
    #[must_use]
    pub fn source_addr(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.source)
    }

    /// The destination as an address.
    #[inline]
    #[must_use]
    pub fn destination_addr(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.destination)
    }

    /// Whether this is a fragment: more follow, or the offset is not zero.
    #[inline]
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.flags_offset.get() & (Self::MF | Self::OFFSET) != 0
    }

    /// Whether routers may not fragment it.
    #[inline]
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        self.flags_offset.get() & Self::DF != 0
    }

    /// Takes one hop off the TTL and corrects the checksum incrementally (RFC 1624).
    /// The caller has seen that the TTL is above one.
    #[inline]
    pub fn decrement_ttl(&mut self) {
        let old = u16::from_be_bytes([self.ttl, self.protocol]);
        self.ttl = self.ttl.wrapping_sub(1);
        let new = u16::from_be_bytes([self.ttl, self.protocol]);
        self.checksum.set(checksum::update(self.checksum.get(), old, new));
    }

    /// Computes the checksum of this header, which has no options.
    #[inline]
    pub fn fill_checksum(&mut self) {
        self.checksum.set(0);
        self.checksum.set(checksum::of(self.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Ipv4 {
        Ipv4::new(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2), 17, 8)
    }

    fn packet() -> [u8; 28] {
        let mut bytes = [0; 28];
        bytes[..20].copy_from_slice(header().as_bytes());
        bytes
    }

    #[test]
    fn a_sound_packet_parses_and_padding_after_it_is_tolerated() {
        let mut padded = [0; 46];
        padded[..28].copy_from_slice(&packet());
        let (header, header_len, total_len) = Ipv4::parse(&padded).unwrap();
        assert_eq!((header_len, total_len), (20, 28));
        assert_eq!(header.destination_addr(), Ipv4Addr::new(10, 0, 0, 2));
    }

    #[test]
    fn each_broken_rule_is_named() {
        let check = |change: fn(&mut [u8; 28])| {
            let mut bytes = packet();
            change(&mut bytes);
            Ipv4::parse(&bytes).unwrap_err()
        };
        assert_eq!(Ipv4::parse(&packet()[..19]), Err(Malformed::Truncated));
        assert_eq!(check(|b| b[0] = 0x65), Malformed::Version);
        assert_eq!(check(|b| b[0] = 0x44), Malformed::HeaderLength);
        assert_eq!(check(|b| b[0] = 0x4f), Malformed::HeaderLength);
        assert_eq!(check(|b| b[3] = 29), Malformed::TotalLength);
        assert_eq!(check(|b| b[3] = 19), Malformed::TotalLength);
        assert_eq!(check(|b| b[11] ^= 1), Malformed::Checksum);
    }

    #[test]
    fn every_ttl_decrement_keeps_the_checksum_right() {
        for ttl in 1..=255 {
            let mut header = header();
            header.ttl = ttl;
            header.fill_checksum();
            header.decrement_ttl();
            assert_eq!(header.ttl, ttl - 1);
            assert_eq!(checksum::of(header.as_bytes()), 0, "ttl {ttl}");
        }
    }
}
