//! OSPF packets as owned values: what stands in an IP packet of protocol 89, and the bytes again.
//!
//! A packet is read in three steps: [`Header::parse`] says who claims to have sent it,
//! [`auth::verify`] whether that is so, and [`Body::parse`] what it says. What is parsed and
//! written again has the same bytes: unknown options, links and opaque LSAs are kept as they are.
//! Only reserved fields, and a block of link-local signaling (RFC 5613) behind the packet, which a
//! receiver may ignore, are not written again.
//!
//! What is parsed takes some times the room that it takes on the wire, where the length field has
//! 16 bits; no count in a packet reserves memory before the bytes that it counts are there.

pub mod auth;
mod fletcher;
mod header;
mod lsa;
mod lsa_body;
mod malformed;
pub mod numbers;
mod packet;

pub use self::header::Header;
pub use self::lsa::{
    INITIAL_SEQUENCE, LSA_LEN_MAX, Lsa, LsaHeader, LsaKey, MAX_AGE, MAX_AGE_DIFF, MAX_SEQUENCE,
    compare_recency,
};
pub use self::lsa_body::{ExternalLsa, LsaBody, METRIC_INFINITY, RouterLink, RouterLsa};
pub use self::malformed::{Fault, Malformed, Part};
pub use self::numbers::{AuthenticationType, LinkType, LsaType, Options, PacketType};
pub use self::packet::{Body, DatabaseDescription, Hello, Packet, Room};

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use wire::cursor::{LengthError, Reader};

fn address(reader: &mut Reader<'_>) -> Result<Ipv4Addr, LengthError> {
    reader.u32().map(Ipv4Addr::from_bits)
}

fn put_address(out: &mut Vec<u8>, address: Ipv4Addr) {
    out.extend_from_slice(&address.octets());
}
