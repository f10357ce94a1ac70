//! ICMP for IPv4 (RFC 792), the messages that a router originates and the echo it answers.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Malformed;

/// Echo reply.
pub const ECHO_REPLY: u8 = 0;
/// Destination unreachable.
pub const UNREACHABLE: u8 = 3;
/// Echo request.
pub const ECHO_REQUEST: u8 = 8;
/// Time exceeded.
pub const TIME_EXCEEDED: u8 = 11;

/// Code of [`UNREACHABLE`]: no route to the network.
pub const NET_UNREACHABLE: u8 = 0;
/// Code of [`UNREACHABLE`]: the last hop's neighbour does not answer.
pub const HOST_UNREACHABLE: u8 = 1;
/// Code of [`UNREACHABLE`]: too big and DF set; the next hop's MTU is in
/// [`Icmp::next_hop_mtu`] (RFC 1191).
pub const FRAGMENTATION_NEEDED: u8 = 4;
/// Code of [`TIME_EXCEEDED`]: the TTL ran out in transit.
pub const TTL_EXCEEDED: u8 = 0;

/// ```text
/// |     type      |     code      |           checksum            |
/// |          unused / id          |     next-hop MTU / sequence   |
/// ```
#[repr(C)]
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
pub struct Icmp {
    /// The message.
    pub kind: u8,
    /// The message's variant.
    pub code: u8,
    /// Internet checksum of the whole ICMP message.
    pub checksum: U16,
    /// Identifier of an echo; zero in errors.
    pub id: U16,
    /// MTU of the next hop in "fragmentation needed", bytes; sequence number of an echo.
    pub next_hop_mtu: U16,
}

const _: () = assert!(size_of::<Icmp>() == Icmp::LEN);

impl Icmp {
    /// Length of the header, bytes.
    pub const LEN: usize = 8;

    /// The header and what follows it.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] below 8 bytes.
    #[inline]
    pub fn split(packet: &[u8]) -> Result<(&Self, &[u8]), Malformed> {
        Self::ref_from_prefix(packet).map_err(|_| Malformed::Truncated)
    }
}

/// Whether an ICMP message of this type reports an error: none is ever sent about one
/// (RFC 1122 3.2.2).
#[must_use]
pub fn is_error(kind: u8) -> bool {
    matches!(kind, 3 | 4 | 5 | 11 | 12)
}
