//! A rewrite: the bytes that go in front of a packet and the few fields of them that vary.

use std::net::IpAddr;

use wire::ipv4::Ipv4;
use wire::ipv6::Ipv6;
use wire::{checksum, protocol};
use zerocopy::FromBytes;

use crate::Header;

mod build;

pub use build::{GreHeader, L2tpHeader};

/// What becomes of the inner TTL or hop limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// The outer header carries the inner one's.
    Copy,
    /// The outer header carries this one.
    Set(u8),
}

/// What becomes of the inner DSCP (RFC 2983).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dscp {
    /// The outer header carries the inner one's.
    Copy,
    /// The outer header carries this one, 0 to 63.
    Set(u8),
}

/// What becomes of the inner ECN field (RFC 6040 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ecn {
    /// Normal mode: the outer header carries the inner one's.
    Copy,
    /// Compatibility mode: the outer header says that marks are not understood.
    Clear,
}

/// What becomes of the inner "don't fragment"; an inner IPv6 packet counts as marked with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Df {
    /// The outer header carries the inner one's.
    Copy,
    /// Always set.
    Set,
    /// Never set.
    Clear,
}

/// How the outer IP header is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterRules {
    /// Outer TTL.
    pub ttl: Ttl,
    /// Outer DSCP.
    pub dscp: Dscp,
    /// Outer ECN.
    pub ecn: Ecn,
    /// Outer DF; IPv6 has none.
    pub df: Df,
}

impl Default for OuterRules {
    fn default() -> Self {
        Self { ttl: Ttl::Set(64), dscp: Dscp::Copy, ecn: Ecn::Copy, df: Df::Copy }
    }
}

/// What differs from packet to packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Varying {
    /// Identification of an outer IPv4 header.
    pub id: u16,
    /// Sequence number of a GRE header, or Ns of L2TP in its low half.
    pub sequence: u32,
    /// What the tunnel carries.
    pub inner: Inner,
}

/// What an outer header takes from the packet that the tunnel carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner {
    /// Which IP.
    pub version: Version,
    /// IPv4's type of service or IPv6's traffic class: DSCP and ECN.
    pub tos: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Whether routers may not fragment it; true for IPv6.
    pub dont_fragment: bool,
}

/// Which IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// IPv4 (RFC 791).
    V4,
    /// IPv6 (RFC 8200).
    V6,
}

impl Version {
    /// Of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The protocol number of a packet of this version inside another header.
    #[inline]
    #[must_use]
    pub fn protocol(self) -> u8 {
        match self {
            Self::V4 => protocol::IPV4,
            Self::V6 => protocol::IPV6,
        }
    }

    /// Its EtherType.
    #[inline]
    #[must_use]
    pub fn ethertype(self) -> u16 {
        match self {
            Self::V4 => wire::ethernet::IPV4,
            Self::V6 => wire::ethernet::IPV6,
        }
    }

    /// Its PPP protocol number, whose high byte is zero (RFC 1332, 5072).
    #[inline]
    #[must_use]
    pub fn ppp(self) -> u16 {
        match self {
            Self::V4 => wire::ppp::IPV4,
            Self::V6 => wire::ppp::IPV6,
        }
    }
}

/// A field to be filled in; `at` is its offset from the template's start, bytes. Applied in the
/// order of the list, so that what is under a checksum comes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patch {
    /// The protocol number of the packet inside: one byte.
    Protocol { at: u8 },
    /// The EtherType of the packet inside: two bytes.
    EtherType { at: u8 },
    /// The low byte of the PPP protocol of the packet inside.
    Ppp { at: u8 },
    /// GRE's sequence number: four bytes.
    GreSequence { at: u8 },
    /// GRE's checksum over the header at `header` and all behind it.
    GreChecksum { header: u8 },
    /// L2TP's Ns: two bytes.
    L2tpNs { at: u8 },
    /// Two bytes that say how much of the packet lies behind `from`.
    Length { at: u8, from: u8 },
    /// The IPv4 header at the front.
    Ipv4,
    /// The IPv6 header at the front.
    Ipv6,
}

/// Longest template: IPv4, UDP, L2TP with everything, and a PPP header.
const TEMPLATE_MAX: usize = 64;
/// Most headers in one template.
const HEADERS_MAX: usize = 4;
/// Most fields to be filled in.
const PATCHES_MAX: usize = 5;

/// A header template in front of what a tunnel sends: an IP header with what follows it, or, in
/// ESP transport mode, only what follows it.
#[derive(Clone, Debug)]
pub struct Rewrite {
    template: [u8; TEMPLATE_MAX],
    len: usize,
    patches: [Option<Patch>; PATCHES_MAX],
    headers: [Option<Header>; HEADERS_MAX],
    rules: OuterRules,
    sequenced: bool,
}

impl Rewrite {
    /// Bytes that go in front.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        self.len
    }

    /// The headers, outermost first.
    pub fn headers(&self) -> impl Iterator<Item = Header> {
        self.headers.iter().flatten().copied()
    }

    /// Whether it writes a sequence number, so that each packet needs one of its own.
    #[inline]
    #[must_use]
    pub fn is_sequenced(&self) -> bool {
        self.sequenced
    }

    /// Writes the template over the first [`Rewrite::header_len`] bytes of `packet`, which is the
    /// whole outer packet, and fills in what varies.
    ///
    /// Returns false, with the packet unchanged, when it is shorter than the template or longer
    /// than IP can say.
    #[inline]
    pub fn apply(&self, packet: &mut [u8], varying: &Varying) -> bool {
        if u16::try_from(packet.len()).is_err() {
            return false;
        }
        let (Some(room), Some(template)) =
            (packet.get_mut(..self.len), self.template.get(..self.len))
        else {
            return false;
        };
        room.copy_from_slice(template);
        self.patches.iter().flatten().all(|patch| self.fill_in(*patch, packet, varying).is_some())
    }

    #[inline]
    fn fill_in(&self, patch: Patch, packet: &mut [u8], varying: &Varying) -> Option<()> {
        let version = varying.inner.version;
        match patch {
            Patch::Protocol { at } => write(packet, at, [version.protocol()]),
            Patch::EtherType { at } => write(packet, at, version.ethertype().to_be_bytes()),
            Patch::Ppp { at } => write(packet, at, [version.ppp() as u8]),
            Patch::GreSequence { at } => write(packet, at, varying.sequence.to_be_bytes()),
            Patch::GreChecksum { header } => {
                let sum = checksum::of(packet.get(usize::from(header)..)?);
                write(packet, header + wire::gre::Gre::LEN as u8, sum.to_be_bytes())
            }
            Patch::L2tpNs { at } => write(packet, at, (varying.sequence as u16).to_be_bytes()),
            Patch::Length { at, from } => {
                let len = (packet.len() as u16).checked_sub(u16::from(from))?;
                write(packet, at, len.to_be_bytes())
            }
            Patch::Ipv4 => self.fill_in_ipv4(packet, varying),
            Patch::Ipv6 => self.fill_in_ipv6(packet, varying),
        }
    }

    #[inline]
    fn fill_in_ipv4(&self, packet: &mut [u8], Varying { id, inner, .. }: &Varying) -> Option<()> {
        let total_len = packet.len() as u16;
        let (outer, _) = Ipv4::mut_from_prefix(packet).ok()?;
        outer.tos = self.tos(inner);
        outer.ttl = self.ttl(inner);
        outer.total_len.set(total_len);
        outer.id.set(*id);
        let df = match self.rules.df {
            Df::Copy => inner.dont_fragment,
            Df::Set => true,
            Df::Clear => false,
        };
        outer.flags_offset.set(if df { Ipv4::DF } else { 0 });
        outer.fill_checksum();
        Some(())
    }

    #[inline]
    fn fill_in_ipv6(&self, packet: &mut [u8], Varying { inner, .. }: &Varying) -> Option<()> {
        let payload_len = packet.len().checked_sub(Ipv6::LEN)? as u16;
        let (outer, _) = Ipv6::mut_from_prefix(packet).ok()?;
        outer.set_traffic_class(self.tos(inner));
        outer.hop_limit = self.ttl(inner);
        outer.payload_len.set(payload_len);
        Some(())
    }

    #[inline]
    fn tos(&self, inner: &Inner) -> u8 {
        let dscp = match self.rules.dscp {
            Dscp::Copy => inner.tos & !3,
            Dscp::Set(dscp) => dscp << 2,
        };
        match self.rules.ecn {
            Ecn::Copy => dscp | inner.tos & 3,
            Ecn::Clear => dscp,
        }
    }

    #[inline]
    fn ttl(&self, inner: &Inner) -> u8 {
        match self.rules.ttl {
            Ttl::Copy => inner.ttl,
            Ttl::Set(ttl) => ttl,
        }
    }
}

#[inline]
fn write<const N: usize>(packet: &mut [u8], at: u8, bytes: [u8; N]) -> Option<()> {
    *packet.get_mut(usize::from(at)..)?.first_chunk_mut()? = bytes;
    Some(())
}

#[cfg(test)]
mod tests;
