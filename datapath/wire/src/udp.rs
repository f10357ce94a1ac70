//! UDP (RFC 768), and the ports that tunnels use.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Malformed;

/// ESP in UDP, and IKE behind a marker of four zero bytes (RFC 3948 2).
pub const ESP_PORT: u16 = 4500;
/// BFD over one hop (RFC 5881 4).
pub const BFD_PORT: u16 = 3784;
/// L2TP (RFC 2661 8.1).
pub const L2TP_PORT: u16 = 1701;

/// ```text
/// |          source port          |       destination port        |
/// |            length             |           checksum            |
/// ```
#[repr(C)]
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
pub struct Udp {
    /// Source port.
    pub source_port: U16,
    /// Destination port.
    pub destination_port: U16,
    /// Header and payload, bytes.
    pub len: U16,
    /// Internet checksum over a pseudo header and the datagram; zero is none, over IPv4.
    pub checksum: U16,
}

const _: () = assert!(size_of::<Udp>() == Udp::LEN);

impl Udp {
    /// Length of the header, bytes.
    pub const LEN: usize = 8;

    /// The header and what follows it, which may be more or less than its length field says.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] below 8 bytes.
    #[inline]
    pub fn split(datagram: &[u8]) -> Result<(&Self, &[u8]), Malformed> {
        Self::ref_from_prefix(datagram).map_err(|_| Malformed::Truncated)
    }
}
