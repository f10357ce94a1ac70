//! ICMPv6 (RFC 4443), the messages that a router originates and the echo it answers.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Destination unreachable.
pub const DESTINATION_UNREACHABLE: u8 = 1;
/// Packet too big.
pub const PACKET_TOO_BIG: u8 = 2;
/// Time exceeded.
pub const TIME_EXCEEDED: u8 = 3;
/// Echo request.
pub const ECHO_REQUEST: u8 = 128;
/// Echo reply.
pub const ECHO_REPLY: u8 = 129;

/// Code of [`DESTINATION_UNREACHABLE`]: no route.
pub const NO_ROUTE: u8 = 0;
/// Code of [`DESTINATION_UNREACHABLE`]: the last hop's neighbour does not answer.
pub const ADDRESS_UNREACHABLE: u8 = 3;

/// ```text
/// |     type      |     code      |           checksum            |
/// |             MTU, or identifier and sequence number            |
/// ```
#[repr(C)]
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
pub struct Icmpv6 {
    /// The message.
    pub kind: u8,
    /// The message's variant.
    pub code: u8,
    /// Internet checksum over a pseudo header and the message.
    pub checksum: U16,
    /// MTU of the next hop in "packet too big", bytes; identifier and sequence number of an echo.
    pub word: U32,
}

const _: () = assert!(size_of::<Icmpv6>() == Icmpv6::LEN);

impl Icmpv6 {
    /// Length of the header, bytes.
    pub const LEN: usize = 8;
}

/// Whether a message of this type reports an error: none is ever sent about one (RFC 4443 2.4).
#[must_use]
pub fn is_error(kind: u8) -> bool {
    kind < 128
}
