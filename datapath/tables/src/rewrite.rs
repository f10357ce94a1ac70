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
    /// GRE's sequence number: four bytes.
    GreSequence { at: u8 },
    /// GRE's checksum over the header at `header` and all behind it.
    GreChecksum { header: u8 },
    /// L2TP's Ns: two bytes.
    L2tpNs { at: u8 },
    /// Two bytes that say how much of the packet lies behind `from`.
    Length { at: u8, from: u8 },
}

/// The field that names the packet inside. The template says IPv4, so that only other packets need
/// it; `at` is its offset, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    /// The IP header's protocol: one byte.
    Protocol { at: u8 },
    /// GRE's EtherType: two bytes.
    EtherType { at: u8 },
    /// The low byte of the PPP protocol.
    Ppp { at: u8 },
}

/// The header at the front, which is filled in last: its fields are about all the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Front {
    /// None that varies.
    None,
    /// IPv4, with the sum of the words in the template.
    Ipv4 { sum: u32 },
    /// IPv6.
    Ipv6,
}

/// [`OuterRules`] as what is kept of a field of the packet inside, and what is set.
#[derive(Clone, Copy, Debug)]
struct Masks {
    tos_kept: u8,
    tos_set: u8,
    ttl_kept: u8,
    ttl_set: u8,
    df_kept: bool,
    df_set: bool,
}

impl Masks {
    fn of(rules: OuterRules) -> Self {
        let (dscp_kept, dscp_set) = match rules.dscp {
            Dscp::Copy => (!3, 0),
            Dscp::Set(dscp) => (0, dscp << 2),
        };
        let ecn_kept = match rules.ecn {
            Ecn::Copy => 3,
            Ecn::Clear => 0,
        };
        let (ttl_kept, ttl_set) = match rules.ttl {
            Ttl::Copy => (!0, 0),
            Ttl::Set(ttl) => (0, ttl),
        };
        Self {
            tos_kept: dscp_kept | ecn_kept,
            tos_set: dscp_set,
            ttl_kept,
            ttl_set,
            df_kept: rules.df == Df::Copy,
            df_set: rules.df == Df::Set,
        }
    }

    #[inline]
    fn tos(&self, inner: &Inner) -> u8 {
        inner.tos & self.tos_kept | self.tos_set
    }

    #[inline]
    fn ttl(&self, inner: &Inner) -> u8 {
        inner.ttl & self.ttl_kept | self.ttl_set
    }

    #[inline]
    fn df(&self, inner: &Inner) -> bool {
        inner.dont_fragment && self.df_kept || self.df_set
    }
}

/// Longest template: IPv4, UDP, L2TP with everything, and a PPP header.
const TEMPLATE_MAX: usize = 64;
/// Most headers in one template.
const HEADERS_MAX: usize = 4;
/// Most fields to be filled in besides those of the header at the front.
const PATCHES_MAX: usize = 3;

/// A header template in front of what a tunnel sends: an IP header with what follows it, or, in
/// ESP transport mode, only what follows it.
#[derive(Clone, Debug)]
pub struct Rewrite {
    template: [u8; TEMPLATE_MAX],
    len: u8,
    sequenced: bool,
    front: Front,
    masks: Masks,
    inside: Option<Inside>,
    patches: [Option<Patch>; PATCHES_MAX],
    headers: [Option<Header>; HEADERS_MAX],
}

impl Rewrite {
    /// Bytes that go in front.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        usize::from(self.len)
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
        if u16::try_from(packet.len()).is_err() || packet.len() < self.header_len() {
            return false;
        }
        let written = match self.front {
            Front::Ipv4 { sum } => self.write_ipv4(sum, packet, varying),
            Front::Ipv6 => self.write_ipv6(packet, varying),
            Front::None => self.copy(0, packet),
        };
        let v6_inside = varying.inner.version == Version::V6;
        let named =
            !v6_inside || self.inside.is_none_or(|field| name_ipv6(field, packet).is_some());
        let mut patches = self.patches.iter().map_while(|patch| *patch);
        let filled = patches.all(|patch| fill_in(patch, packet, varying).is_some());
        written.is_some() && named && filled
    }

    /// Copies the template from its byte `from` on; the short lengths of the common headers are
    /// worth a copy of their own each.
    #[inline]
    fn copy(&self, from: usize, packet: &mut [u8]) -> Option<()> {
        fn fixed<const N: usize>(to: &mut [u8], template: &[u8]) -> Option<()> {
            *to.first_chunk_mut::<N>()? = *template.first_chunk()?;
            Some(())
        }
        let (to, template) = (packet.get_mut(from..)?, self.template.get(from..self.len.into())?);
        match template.len() {
            0 => Some(()),
            4 => fixed::<4>(to, template),
            8 => fixed::<8>(to, template),
            len => {
                to.get_mut(..len)?.copy_from_slice(template);
                Some(())
            }
        }
    }

    /// Puts the IPv4 header together in registers: words are written once and summed while they
    /// are at hand.
    #[inline]
    fn write_ipv4(
        &self,
        sum: u32,
        packet: &mut [u8],
        Varying { id, inner, .. }: &Varying,
    ) -> Option<()> {
        let total_len = packet.len() as u16;
        let tos = self.masks.tos(inner);
        let flags = if self.masks.df(inner) { Ipv4::DF } else { 0 };
        let v6 =
            matches!((inner.version, self.inside), (Version::V6, Some(Inside::Protocol { .. })));
        let next = if v6 { protocol::IPV6 - protocol::IPV4 } else { 0 };
        let ttl_protocol = u16::from_be_bytes([self.masks.ttl(inner), next]);
        let varying = [u16::from(tos), total_len, *id, flags, ttl_protocol].map(u32::from);
        let checksum = checksum::finish(u64::from(sum + varying.iter().sum::<u32>()));

        let (a, b) = self.template.first_chunk::<16>()?.split_first_chunk::<8>()?;
        let (a, b) = (u64::from_be_bytes(*a), u64::from_be_bytes(*b.first_chunk()?));
        let a = a | u64::from(tos) << 48 | u64::from(total_len) << 32;
        let a = a | u64::from(*id) << 16 | u64::from(flags);
        let b = (b + (u64::from(ttl_protocol) << 48)) | u64::from(checksum) << 32;
        let header = packet.first_chunk_mut::<16>()?;
        let (front, back) = header.split_first_chunk_mut::<8>()?;
        *front = a.to_be_bytes();
        *back.first_chunk_mut()? = b.to_be_bytes();
        self.copy(16, packet)
    }

    #[inline]
    fn write_ipv6(&self, packet: &mut [u8], Varying { inner, .. }: &Varying) -> Option<()> {
        self.copy(0, packet)?;
        let payload_len = packet.len().checked_sub(Ipv6::LEN)? as u16;
        let (outer, _) = Ipv6::mut_from_prefix(packet).ok()?;
        outer.set_traffic_class(self.masks.tos(inner));
        outer.hop_limit = self.masks.ttl(inner);
        outer.payload_len.set(payload_len);
        Some(())
    }
}

/// Says that the packet inside is IPv6. In an outer IPv4 header that is done already.
#[cold]
fn name_ipv6(field: Inside, packet: &mut [u8]) -> Option<()> {
    match field {
        Inside::Protocol { at } => write(packet, at, [Version::V6.protocol()]),
        Inside::EtherType { at } => write(packet, at, Version::V6.ethertype().to_be_bytes()),
        Inside::Ppp { at } => write(packet, at, [Version::V6.ppp() as u8]),
    }
}

fn fill_in(patch: Patch, packet: &mut [u8], varying: &Varying) -> Option<()> {
    match patch {
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
    }
}

#[inline]
fn write<const N: usize>(packet: &mut [u8], at: u8, bytes: [u8; N]) -> Option<()> {
    *packet.get_mut(usize::from(at)..)?.first_chunk_mut()? = bytes;
    Some(())
}

#[cfg(test)]
mod tests;
