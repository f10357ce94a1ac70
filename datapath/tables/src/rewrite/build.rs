//! The templates of every kind of tunnel, put together header by header.

use std::net::IpAddr;

use wire::gre::Gre;
use wire::ipv4::Ipv4;
use wire::ipv6::Ipv6;
use wire::udp::Udp;
use wire::{checksum, l2tp, protocol, udp};
use zerocopy::IntoBytes;
use zerocopy::byteorder::network_endian::U16;

use super::{
    Front, HEADERS_MAX, Inside, Masks, OuterRules, PATCHES_MAX, Patch, Rewrite, TEMPLATE_MAX,
};
use crate::{Endpoints, Header, Version};

/// The optional fields of a GRE header (RFC 2784, 2890).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GreHeader {
    /// The key.
    pub key: Option<u32>,
    /// A checksum over header and payload.
    pub checksum: bool,
    /// A sequence number.
    pub sequence: bool,
}

/// The header of an L2TP data message with PPP inside (RFC 2661 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct L2tpHeader {
    /// The tunnel's number at the receiver, not zero.
    pub tunnel: u16,
    /// The session's number at the receiver, not zero.
    pub session: u16,
    /// The length field.
    pub length: bool,
    /// Ns and Nr; Nr is zero and means nothing in data messages (RFC 2661 5.4).
    pub sequence: bool,
    /// The offset field, and this many bytes of pad, at most [`L2tpHeader::OFFSET_MAX`].
    pub offset: Option<u8>,
    /// A PPP protocol of one byte (RFC 1661 6.5).
    pub pfc: bool,
    /// No PPP address and control bytes (RFC 1661 6.6).
    pub acfc: bool,
}

impl L2tpHeader {
    /// Most bytes of offset pad.
    pub const OFFSET_MAX: u8 = 16;
}

impl Rewrite {
    /// An outer IP header in front of ESP.
    #[must_use]
    pub fn esp(ends: Endpoints, rules: OuterRules) -> Self {
        Builder::new(rules).ip(ends, Some(protocol::ESP)).finish()
    }

    /// An outer IPv4 header and a UDP header to `port` in front of ESP (RFC 3948). The checksum
    /// is zero, as RFC 3948 2.1 asks.
    #[must_use]
    pub fn esp_in_udp(ends: Endpoints, port: u16, rules: OuterRules) -> Self {
        Builder::new(rules).ip(ends, Some(protocol::UDP)).udp(udp::ESP_PORT, port).finish()
    }

    /// An outer IP header in front of an IP packet (RFC 2003, 2473, 4213).
    #[must_use]
    pub fn ipip(ends: Endpoints, rules: OuterRules) -> Self {
        Builder::new(rules).ip(ends, None).finish()
    }

    /// An outer IP header and a GRE header in front of an IP packet.
    #[must_use]
    pub fn gre(ends: Endpoints, header: GreHeader, rules: OuterRules) -> Self {
        Builder::new(rules).ip(ends, Some(protocol::GRE)).gre(header).finish()
    }

    /// A GRE header alone, for ESP transport mode, where the outer IP header is ESP's.
    #[must_use]
    pub fn bare_gre(header: GreHeader) -> Self {
        Builder::new(OuterRules::default()).gre(header).finish()
    }

    /// An outer IPv4 header, UDP, L2TP and PPP in front of an IP packet.
    #[must_use]
    pub fn l2tp(ends: Endpoints, header: L2tpHeader, rules: OuterRules) -> Self {
        Builder::new(rules).ip(ends, Some(protocol::UDP)).l2tp(header).finish()
    }

    /// UDP, L2TP and PPP, for ESP transport mode, where the outer IP header is ESP's.
    #[must_use]
    pub fn bare_l2tp(header: L2tpHeader) -> Self {
        Builder::new(OuterRules::default()).l2tp(header).finish()
    }
}

/// A template that grows at its end. What it is given always fits: the longest combination is
/// [`TEMPLATE_MAX`].
struct Builder {
    bytes: Vec<u8>,
    patches: Vec<Patch>,
    headers: Vec<Header>,
    rules: OuterRules,
    front: Front,
    inside: Option<Inside>,
}

impl Builder {
    fn new(rules: OuterRules) -> Self {
        let (bytes, patches, headers) = (Vec::new(), Vec::new(), Vec::new());
        Self { bytes, patches, headers, rules, front: Front::None, inside: None }
    }

    fn at(&self, offset: usize) -> u8 {
        (self.bytes.len() + offset) as u8
    }

    /// `next` is the protocol behind it; `None` for whatever IP the packet inside is.
    fn ip(mut self, ends: Endpoints, next: Option<u8>) -> Self {
        let inside = next.unwrap_or(Version::V4.protocol());
        // Where the protocol stands in the header: RFC 791 3.1, RFC 8200 3.
        let protocol_at = match (ends.local, ends.remote) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                let mut header = Ipv4::new(local, remote, inside, 0);
                // These vary, and are added to the template and to its sum.
                (header.ttl, header.tos) = (0, 0);
                header.total_len.set(0);
                header.id.set(0);
                header.flags_offset.set(0);
                header.checksum.set(0);
                self.front = Front::Ipv4 { sum: words(header.as_bytes()) };
                self.bytes.extend_from_slice(header.as_bytes());
                self.headers.push(Header::Ipv4);
                9
            }
            (local, remote) => {
                let header = Ipv6::new(as_v6(local), as_v6(remote), inside, 0);
                self.bytes.extend_from_slice(header.as_bytes());
                self.headers.push(Header::Ipv6);
                self.front = Front::Ipv6;
                6
            }
        };
        if next.is_none() {
            self.inside = Some(Inside::Protocol { at: protocol_at });
        }
        self
    }

    fn udp(mut self, source: u16, destination: u16) -> Self {
        let header = Udp {
            source_port: U16::new(source),
            destination_port: U16::new(destination),
            len: U16::ZERO,
            checksum: U16::ZERO,
        };
        self.patches.push(Patch::Length { at: self.at(4), from: self.at(0) });
        self.bytes.extend_from_slice(header.as_bytes());
        self.headers.push(Header::Udp);
        self
    }

    fn gre(mut self, GreHeader { key, checksum, sequence }: GreHeader) -> Self {
        let start = self.at(0);
        let mut flags = 0;
        let mut optional = Vec::new();
        if checksum {
            flags |= Gre::CHECKSUM;
            optional.extend_from_slice(&[0; Gre::CHECKSUM_LEN]);
        }
        if let Some(key) = key {
            flags |= Gre::KEY;
            optional.extend_from_slice(&key.to_be_bytes());
        }
        self.inside = Some(Inside::EtherType { at: self.at(2) });
        if sequence {
            flags |= Gre::SEQUENCE;
            self.patches.push(Patch::GreSequence { at: self.at(Gre::LEN + optional.len()) });
            optional.extend_from_slice(&[0; Gre::SEQUENCE_LEN]);
        }
        let inside = U16::new(Version::V4.ethertype());
        let fixed = Gre { flags_version: U16::new(flags), protocol: inside };
        self.bytes.extend_from_slice(fixed.as_bytes());
        self.bytes.extend_from_slice(&optional);
        self.headers.push(Header::Gre);
        if checksum {
            self.patches.push(Patch::GreChecksum { header: start });
        }
        self
    }

    /// UDP, L2TP and PPP.
    fn l2tp(self, header: L2tpHeader) -> Self {
        let mut this = self.udp(udp::L2TP_PORT, udp::L2TP_PORT);
        let start = this.at(0);
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = l2tp::VERSION
            | flag(header.length, l2tp::LENGTH)
            | flag(header.sequence, l2tp::SEQUENCE)
            | flag(header.offset.is_some(), l2tp::OFFSET);
        this.bytes.extend_from_slice(&flags.to_be_bytes());
        if header.length {
            this.patches.push(Patch::Length { at: this.at(0), from: start });
            this.bytes.extend_from_slice(&[0; 2]);
        }
        this.bytes.extend_from_slice(&header.tunnel.to_be_bytes());
        this.bytes.extend_from_slice(&header.session.to_be_bytes());
        if header.sequence {
            this.patches.push(Patch::L2tpNs { at: this.at(0) });
            this.bytes.extend_from_slice(&[0; 4]);
        }
        if let Some(offset) = header.offset {
            let pad = offset.min(L2tpHeader::OFFSET_MAX);
            this.bytes.extend_from_slice(&u16::from(pad).to_be_bytes());
            this.bytes.extend_from_slice(&[0; L2tpHeader::OFFSET_MAX as usize][..pad.into()]);
        }
        this.headers.push(Header::L2tp);
        if !header.acfc {
            this.bytes.extend_from_slice(&[0xff, 0x03]);
        }
        if !header.pfc {
            this.bytes.push(0);
        }
        this.inside = Some(Inside::Ppp { at: this.at(0) });
        this.bytes.push(Version::V4.ppp() as u8);
        this.headers.push(Header::Ppp);
        this
    }

    fn finish(self) -> Rewrite {
        let mut template = [0; TEMPLATE_MAX];
        template[..self.bytes.len()].copy_from_slice(&self.bytes);
        let mut patches = [None; PATCHES_MAX];
        self.patches.iter().zip(&mut patches).for_each(|(patch, slot)| *slot = Some(*patch));
        let mut headers = [None; HEADERS_MAX];
        self.headers.iter().zip(&mut headers).for_each(|(header, slot)| *slot = Some(*header));
        let numbers = |p: &Patch| matches!(p, Patch::GreSequence { .. } | Patch::L2tpNs { .. });
        Rewrite {
            template,
            len: self.bytes.len() as u8,
            sequenced: self.patches.iter().any(numbers),
            front: self.front,
            masks: Masks::of(self.rules),
            inside: self.inside,
            patches,
            headers,
        }
    }
}

/// The one's complement sum of a header's 16-bit words.
fn words(header: &[u8]) -> u32 {
    u32::from(!checksum::of(header))
}

/// An end of a header that is IPv6 if either end is: a configuration never mixes them.
fn as_v6(address: IpAddr) -> std::net::Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
