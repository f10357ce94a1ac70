//! The header that all packets have (RFC 2328 appendix A.3.1).

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use wire::cursor::Reader;

use super::malformed::{Fault, Malformed, Part};
use super::numbers::{AuthenticationType, PacketType};
use super::{address, put_address};

/// The header of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the packet is for.
    pub kind: PacketType,
    /// Length with this header, in bytes: a digest and link-local signaling come on top.
    pub length: u16,
    /// The sender.
    pub router_id: Ipv4Addr,
    /// The area that the packet belongs to.
    pub area_id: Ipv4Addr,
    /// Internet checksum; zero if the packet has a digest.
    pub checksum: u16,
    /// How the next field is to be read.
    pub authentication: AuthenticationType,
    /// A password, or what finds the key of the digest.
    pub authentication_field: [u8; 8],
}

impl Header {
    /// Length on the wire.
    pub const LEN: usize = 24;

    /// Reads the header of a whole packet: the payload of the IP packet.
    ///
    /// # Errors
    ///
    /// If there is less than a header or than its length field says, or if the version is not 2.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::read(bytes).map_err(Part::Header.says())
    }

    fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        let (version, kind) = (reader.u8()?, PacketType(reader.u8()?));
        if version != VERSION {
            return Err(Fault::Version);
        }
        let header = Self {
            kind,
            length: reader.u16()?,
            router_id: address(&mut reader)?,
            area_id: address(&mut reader)?,
            checksum: reader.u16()?,
            authentication: AuthenticationType(reader.u16()?),
            authentication_field: reader.array()?,
        };
        match usize::from(header.length) {
            0..Self::LEN => Err(Fault::Length),
            length if length > bytes.len() => Err(Fault::Truncated),
            _ => Ok(header),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[VERSION, self.kind.0]);
        out.extend_from_slice(&self.length.to_be_bytes());
        put_address(out, self.router_id);
        put_address(out, self.area_id);
        out.extend_from_slice(&self.checksum.to_be_bytes());
        out.extend_from_slice(&self.authentication.0.to_be_bytes());
        out.extend_from_slice(&self.authentication_field);
    }
}

const VERSION: u8 = 2;
