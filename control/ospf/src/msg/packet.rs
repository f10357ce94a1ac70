//! What the five types of packets say (RFC 2328 appendix A.3.2 to A.3.6), and how much of it one
//! packet holds.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use engine::UnixTime;
use wire::cursor::Reader;

use super::auth::Authentication;
use super::malformed::{Fault, Malformed, Part};
use super::numbers::{LsaType, Options, PacketType};
use super::{Header, Lsa, LsaHeader, LsaKey, address, put_address};

/// A packet, without what proves its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The sender.
    pub router_id: Ipv4Addr,
    /// The area that the packet belongs to.
    pub area_id: Ipv4Addr,
    /// What it says.
    pub body: Body,
}

/// What follows the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Finds and keeps neighbors (A.3.2).
    Hello(Hello),
    /// Describes a database (A.3.3).
    DatabaseDescription(DatabaseDescription),
    /// Asks for LSAs (A.3.4).
    LinkStateRequest(Vec<LsaKey>),
    /// Carries LSAs (A.3.5).
    LinkStateUpdate(Vec<Lsa>),
    /// Acknowledges LSAs (A.3.6).
    LinkStateAcknowledgment(Vec<LsaHeader>),
}

/// Finds and keeps neighbors (RFC 2328 appendix A.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The network's mask; without meaning between two points.
    pub mask: Ipv4Addr,
    /// Seconds between Hellos; zero with fast hellos.
    pub hello_interval: u16,
    /// What the sender can do.
    pub options: Options,
    /// Rank in the election of a designated router; zero is never elected.
    pub priority: u8,
    /// Seconds without a Hello after which the sender is taken for dead.
    pub dead_interval: u32,
    /// Address of the designated router as the sender sees it; 0.0.0.0 is none.
    pub designated: Ipv4Addr,
    /// The same of the backup designated router.
    pub backup: Ipv4Addr,
    /// IDs of the routers from which the sender has heard lately.
    pub neighbors: Vec<Ipv4Addr>,
}

/// Describes a database, a part at a time (RFC 2328 appendix A.3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseDescription {
    /// The largest IP packet that the sender's interface sends unfragmented, in bytes; zero over a
    /// virtual link.
    pub mtu: u16,
    /// What the sender can do.
    pub options: Options,
    /// I: the first packet of an exchange.
    pub initial: bool,
    /// M: more packets follow.
    pub more: bool,
    /// MS: the sender is the master.
    pub master: bool,
    /// The exchange's sequence number.
    pub sequence: u32,
    /// What the database holds.
    pub headers: Vec<LsaHeader>,
}

impl Packet {
    /// Reads a packet without asking who sent it.
    ///
    /// # Errors
    ///
    /// If anything in it contradicts its lengths and counts.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let header = Header::parse(bytes)?;
        let body = Body::parse(&header, bytes)?;
        Ok(Self { router_id: header.router_id, area_id: header.area_id, body })
    }

    /// The payload of the IP packet, with what proves its origin to the holders of `authentication`
    /// at `now`. `sequence` must not be less than in the packets before; it counts only if there
    /// is a digest.
    #[must_use]
    pub fn encode(&self, authentication: &Authentication, sequence: u32, now: UnixTime) -> Vec<u8> {
        let mut out = Vec::new();
        let header = Header {
            kind: self.body.kind(),
            length: 0,
            router_id: self.router_id,
            area_id: self.area_id,
            checksum: 0,
            authentication: authentication.kind(),
            authentication_field: [0; 8],
        };
        header.write(&mut out);
        self.body.write(&mut out);
        // What does not fit into the length field fits into no IP packet either: see `Room`.
        let length = u16::try_from(out.len()).unwrap_or(u16::MAX);
        out[2..4].copy_from_slice(&length.to_be_bytes());
        authentication.seal(&mut out, sequence, now);
        out
    }
}

impl Body {
    /// Reads what follows `header` in `bytes`, the payload of the same IP packet.
    ///
    /// # Errors
    ///
    /// If the type is unknown, or if anything contradicts lengths and counts.
    pub fn parse(header: &Header, bytes: &[u8]) -> Result<Self, Malformed> {
        let part = Part::Body(header.kind);
        let body = bytes.get(Header::LEN..usize::from(header.length));
        let mut reader = Reader::new(body.ok_or(Fault::Length).map_err(part.says())?);
        let reader = &mut reader;
        let body = match header.kind {
            PacketType::HELLO => Hello::read(reader).map(Self::Hello),
            PacketType::DATABASE_DESCRIPTION => {
                DatabaseDescription::read(reader).map(Self::DatabaseDescription)
            }
            PacketType::LINK_STATE_REQUEST => all(reader, key).map(Self::LinkStateRequest),
            PacketType::LINK_STATE_UPDATE => return update(reader, part),
            PacketType::LINK_STATE_ACKNOWLEDGMENT => {
                all(reader, LsaHeader::read).map(Self::LinkStateAcknowledgment)
            }
            _ => Err(Fault::Type),
        };
        body.map_err(part.says())
    }

    /// The type of packet that says this.
    #[must_use]
    pub fn kind(&self) -> PacketType {
        match self {
            Self::Hello(_) => PacketType::HELLO,
            Self::DatabaseDescription(_) => PacketType::DATABASE_DESCRIPTION,
            Self::LinkStateRequest(_) => PacketType::LINK_STATE_REQUEST,
            Self::LinkStateUpdate(_) => PacketType::LINK_STATE_UPDATE,
            Self::LinkStateAcknowledgment(_) => PacketType::LINK_STATE_ACKNOWLEDGMENT,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => hello.write(out),
            Self::DatabaseDescription(description) => description.write(out),
            Self::LinkStateRequest(keys) => {
                for key in keys {
                    out.extend_from_slice(&u32::from(key.kind.0).to_be_bytes());
                    put_address(out, key.id);
                    put_address(out, key.advertising_router);
                }
            }
            Self::LinkStateUpdate(lsas) => {
                let count = u32::try_from(lsas.len()).unwrap_or(u32::MAX);
                out.extend_from_slice(&count.to_be_bytes());
                lsas.iter().for_each(|lsa| lsa.write(out));
            }
            Self::LinkStateAcknowledgment(headers) => {
                headers.iter().for_each(|header| header.write(out));
            }
        }
    }
}

impl Hello {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        Ok(Self {
            mask: address(reader)?,
            hello_interval: reader.u16()?,
            options: Options(reader.u8()?),
            priority: reader.u8()?,
            dead_interval: reader.u32()?,
            designated: address(reader)?,
            backup: address(reader)?,
            neighbors: all(reader, |reader| Ok(address(reader)?))?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_address(out, self.mask);
        out.extend_from_slice(&self.hello_interval.to_be_bytes());
        out.extend_from_slice(&[self.options.0, self.priority]);
        out.extend_from_slice(&self.dead_interval.to_be_bytes());
        put_address(out, self.designated);
        put_address(out, self.backup);
        self.neighbors.iter().for_each(|neighbor| put_address(out, *neighbor));
    }
}

impl DatabaseDescription {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let (mtu, options, flags) = (reader.u16()?, Options(reader.u8()?), reader.u8()?);
        Ok(Self {
            mtu,
            options,
            initial: flags & INITIAL != 0,
            more: flags & MORE != 0,
            master: flags & MASTER != 0,
            sequence: reader.u32()?,
            headers: all(reader, LsaHeader::read)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let flag = |set, bit| if set { bit } else { 0 };
        let flags = flag(self.initial, INITIAL) | flag(self.more, MORE) | flag(self.master, MASTER);
        out.extend_from_slice(&self.mtu.to_be_bytes());
        out.extend_from_slice(&[self.options.0, flags]);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        self.headers.iter().for_each(|header| header.write(out));
    }
}

/// Everything that is left, read piece by piece.
fn all<T>(
    reader: &mut Reader<'_>,
    read: impl Fn(&mut Reader<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut found = Vec::new();
    while !reader.is_empty() {
        found.push(read(reader)?);
    }
    Ok(found)
}

fn key(reader: &mut Reader<'_>) -> Result<LsaKey, Fault> {
    let kind = u8::try_from(reader.u32()?).map_err(|_| Fault::Value)?;
    Ok(LsaKey { kind: LsaType(kind), id: address(reader)?, advertising_router: address(reader)? })
}

fn update(reader: &mut Reader<'_>, part: Part) -> Result<Body, Malformed> {
    let count = reader.u32().map_err(part.says())?;
    let mut lsas = Vec::new();
    while !reader.is_empty() {
        lsas.push(Lsa::read(reader)?);
    }
    if usize::try_from(count) != Ok(lsas.len()) {
        return Err(part.says()(Fault::Count));
    }
    Ok(Body::LinkStateUpdate(lsas))
}

/// How much a packet holds that leaves an interface unfragmented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes between the header and the digest.
    body: usize,
}

impl Room {
    /// `mtu` is that of the interface, in bytes with the IP header; `authentication` is what the
    /// packet leaves with.
    #[must_use]
    pub fn new(mtu: u16, authentication: &Authentication, now: UnixTime) -> Self {
        let around = IPV4_HEADER + Header::LEN + authentication.digest_len(now);
        Self { body: usize::from(mtu).saturating_sub(around) }
    }

    /// LSA headers in a database description; at least one.
    #[must_use]
    pub fn described(self) -> usize {
        (self.body.saturating_sub(DESCRIPTION_LEN) / LsaHeader::LEN).max(1)
    }

    /// LSAs in a request; at least one.
    #[must_use]
    pub fn requested(self) -> usize {
        (self.body / LsaKey::LEN).max(1)
    }

    /// LSA headers in an acknowledgment; at least one.
    #[must_use]
    pub fn acknowledged(self) -> usize {
        (self.body / LsaHeader::LEN).max(1)
    }

    /// How many LSAs go into one update when these are their lengths, in their order: one at
    /// least, whatever its length, if there is one (RFC 2328 section A.1: IP fragments it).
    #[must_use]
    pub fn updated(self, lens: impl IntoIterator<Item = usize>) -> usize {
        let mut room = self.body.saturating_sub(4);
        let mut count = 0;
        for len in lens {
            match room.checked_sub(len) {
                Some(rest) => room = rest,
                None if count == 0 => return 1,
                None => break,
            }
            count += 1;
        }
        count
    }
}

impl LsaKey {
    /// Length in a request.
    pub const LEN: usize = 12;
}

/// Bits of a database description.
const MASTER: u8 = 0x01;
const MORE: u8 = 0x02;
const INITIAL: u8 = 0x04;

/// What stands before the LSA headers of a database description.
const DESCRIPTION_LEN: usize = 8;
const IPV4_HEADER: usize = 20;
