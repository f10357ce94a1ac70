//! What LSAs of each type say (RFC 2328 appendix A.4, RFC 3101, RFC 5250).

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use wire::cursor::Reader;

use super::malformed::{Fault, Malformed, Part};
use super::numbers::{LinkType, LsaType};
use super::{address, put_address};

/// What follows the header of an LSA. Metrics for other types of service than zero are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LsaBody {
    /// A router's links in an area (A.4.2).
    Router(RouterLsa),
    /// The routers of a network with a designated router (A.4.3); its address is the link state
    /// ID.
    Network {
        /// The network's mask.
        mask: Ipv4Addr,
        /// IDs of the routers that are adjacent to the designated router, and its own: at least
        /// one.
        routers: Vec<Ipv4Addr>,
    },
    /// A network of another area, which is the link state ID (A.4.4).
    Summary {
        /// The network's mask.
        mask: Ipv4Addr,
        /// Cost from the advertising router; [`METRIC_INFINITY`] if there is no way.
        metric: u32,
    },
    /// A boundary router of the AS, whose ID is the link state ID (A.4.4).
    AsbrSummary {
        /// Cost from the advertising router; [`METRIC_INFINITY`] if there is no way.
        metric: u32,
    },
    /// A network outside the AS, which is the link state ID (A.4.5).
    External(ExternalLsa),
    /// The same, inside a not-so-stubby area (RFC 3101 section 2.4).
    Nssa(ExternalLsa),
    /// Anything (RFC 5250), which is only passed on.
    Opaque(Vec<u8>),
}

/// A metric of a summary or external LSA that says that there is no way (RFC 2328 appendix B).
pub const METRIC_INFINITY: u32 = 0x00ff_ffff;

/// A router's links in an area (RFC 2328 appendix A.4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterLsa {
    /// What the router is: the constants of this type.
    pub flags: u8,
    /// Its links.
    pub links: Vec<RouterLink>,
}

impl RouterLsa {
    /// B: it borders on more than one area.
    pub const AREA_BORDER: u8 = 0x01;
    /// E: it is a boundary of the AS.
    pub const AS_BOUNDARY: u8 = 0x02;
    /// V: a virtual link through the area ends at it.
    pub const VIRTUAL_LINK: u8 = 0x04;
    /// Nt: it translates NSSA LSAs, whoever else does (RFC 3101 section 2.4).
    pub const NSSA_TRANSLATOR: u8 = 0x10;
}

/// A link of a router (RFC 2328 appendix A.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouterLink {
    /// What it leads to, which says what the next two are.
    pub kind: LinkType,
    /// Which of those it leads to.
    pub id: Ipv4Addr,
    /// More about it.
    pub data: Ipv4Addr,
    /// Cost of its use.
    pub metric: u16,
}

/// A network outside the AS (RFC 2328 appendix A.4.5, RFC 3101 section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExternalLsa {
    /// The network's mask.
    pub mask: Ipv4Addr,
    /// Whether the metric is of type 2: greater than any cost inside the AS.
    pub type2: bool,
    /// Cost; [`METRIC_INFINITY`] if there is no way.
    pub metric: u32,
    /// Where packets are to go; 0.0.0.0 is the advertising router itself.
    pub forwarding: Ipv4Addr,
    /// A note from one boundary router to others.
    pub tag: u32,
}

impl LsaBody {
    pub(super) fn parse(kind: LsaType, body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let reader = &mut reader;
        match kind {
            LsaType::ROUTER => RouterLsa::read(reader).map(Self::Router),
            LsaType::NETWORK => network(reader),
            LsaType::SUMMARY => summary(reader, true),
            LsaType::ASBR_SUMMARY => summary(reader, false),
            LsaType::EXTERNAL => ExternalLsa::read(reader).map(Self::External),
            LsaType::NSSA => ExternalLsa::read(reader).map(Self::Nssa),
            kind if kind.is_opaque() => Ok(Self::Opaque(body.to_vec())),
            _ => Err(Fault::Type),
        }
        .map_err(Part::Lsa(kind).says())
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Router(router) => router.write(&mut out),
            Self::Network { mask, routers } => {
                put_address(&mut out, *mask);
                routers.iter().for_each(|router| put_address(&mut out, *router));
            }
            Self::Summary { mask, metric } => {
                put_address(&mut out, *mask);
                put_metric(&mut out, 0, *metric);
            }
            Self::AsbrSummary { metric } => {
                put_address(&mut out, Ipv4Addr::UNSPECIFIED);
                put_metric(&mut out, 0, *metric);
            }
            Self::External(external) | Self::Nssa(external) => external.write(&mut out),
            Self::Opaque(bytes) => out.extend_from_slice(bytes),
        }
        out
    }

    /// The type of LSA that has such a body; an opaque one has one of three.
    #[must_use]
    pub fn kind(&self) -> Option<LsaType> {
        match self {
            Self::Router(_) => Some(LsaType::ROUTER),
            Self::Network { .. } => Some(LsaType::NETWORK),
            Self::Summary { .. } => Some(LsaType::SUMMARY),
            Self::AsbrSummary { .. } => Some(LsaType::ASBR_SUMMARY),
            Self::External(_) => Some(LsaType::EXTERNAL),
            Self::Nssa(_) => Some(LsaType::NSSA),
            Self::Opaque(_) => None,
        }
    }
}

impl RouterLsa {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let flags = reader.u8()?;
        reader.u8()?;
        let count = reader.u16()?;
        let mut links = Vec::new();
        for _ in 0..count {
            let (id, data) = (address(reader)?, address(reader)?);
            let (kind, services, metric) = (LinkType(reader.u8()?), reader.u8()?, reader.u16()?);
            reader.take(4 * usize::from(services))?;
            links.push(RouterLink { kind, id, data, metric });
        }
        reader.end()?;
        Ok(Self { flags, links })
    }

    /// More links than the field counts make an LSA that is too long to be built.
    fn write(&self, out: &mut Vec<u8>) {
        let count = u16::try_from(self.links.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&[self.flags, 0]);
        out.extend_from_slice(&count.to_be_bytes());
        for link in &self.links {
            put_address(out, link.id);
            put_address(out, link.data);
            out.extend_from_slice(&[link.kind.0, 0]);
            out.extend_from_slice(&link.metric.to_be_bytes());
        }
    }
}

impl ExternalLsa {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let mask = mask(reader)?;
        let word = reader.u32()?;
        let external = Self {
            mask,
            type2: word & TYPE_2 != 0,
            metric: word & METRIC_INFINITY,
            forwarding: address(reader)?,
            tag: reader.u32()?,
        };
        // Metrics, forwarding addresses and tags for other types of service.
        if reader.len().is_multiple_of(12) { Ok(external) } else { Err(Fault::Trailing) }
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_address(out, self.mask);
        put_metric(out, if self.type2 { TYPE_2 } else { 0 }, self.metric);
        put_address(out, self.forwarding);
        out.extend_from_slice(&self.tag.to_be_bytes());
    }
}

fn network(reader: &mut Reader<'_>) -> Result<LsaBody, Fault> {
    let mask = mask(reader)?;
    let mut routers = Vec::new();
    while !reader.is_empty() {
        routers.push(address(reader)?);
    }
    if routers.is_empty() { Err(Fault::Count) } else { Ok(LsaBody::Network { mask, routers }) }
}

/// RFC 2328 appendix A.4.4: the mask of a router is not meaningful.
fn summary(reader: &mut Reader<'_>, of_network: bool) -> Result<LsaBody, Fault> {
    let mask = if of_network { mask(reader)? } else { address(reader)? };
    let metric = reader.u32()? & METRIC_INFINITY;
    // Metrics for other types of service.
    if !reader.len().is_multiple_of(4) {
        return Err(Fault::Trailing);
    }
    Ok(if of_network { LsaBody::Summary { mask, metric } } else { LsaBody::AsbrSummary { metric } })
}

/// A mask that is a prefix: no route can be made of another one.
fn mask(reader: &mut Reader<'_>) -> Result<Ipv4Addr, Fault> {
    let mask = address(reader)?;
    let bits = mask.to_bits();
    if bits.leading_ones() + bits.trailing_zeros() == 32 { Ok(mask) } else { Err(Fault::Value) }
}

/// A greater metric than fits is no way at all.
fn put_metric(out: &mut Vec<u8>, flags: u32, metric: u32) {
    out.extend_from_slice(&(flags | metric.min(METRIC_INFINITY)).to_be_bytes());
}

/// The bit of an external metric that says that it is of type 2.
const TYPE_2: u32 = 0x8000_0000;
