//! GRE version 0 (RFC 2784), without the optional fields of RFC 2890.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Malformed;

/// ```text
/// |C|       reserved 0      | ver |         protocol type         |
/// ```
#[repr(C)]
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
pub struct Gre {
    /// Flags in the high bits, version in the low three.
    pub flags_version: U16,
    /// EtherType of the payload.
    pub protocol: U16,
}

const _: () = assert!(size_of::<Gre>() == Gre::LEN);

impl Gre {
    /// Length of the header without optional fields, bytes.
    pub const LEN: usize = 4;

    /// The header and what follows it.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] below 4 bytes, [`Malformed::Version`] for any version but 0 (RFC
    /// 2637 has 1), [`Malformed::Reserved`] for any flag: neither checksum, key nor sequence
    /// number was agreed, and RFC 2784 2.3 demands that bits 1 to 5 be refused.
    #[inline]
    pub fn split(packet: &[u8]) -> Result<(&Self, &[u8]), Malformed> {
        let (header, rest) = Self::ref_from_prefix(packet).map_err(|_| Malformed::Truncated)?;
        match header.flags_version.get() {
            0 => Ok((header, rest)),
            word if word & 7 != 0 => Err(Malformed::Version),
            _ => Err(Malformed::Reserved),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_version_zero_header_is_taken() {
        assert_eq!(Gre::split(&[0, 0, 8]), Err(Malformed::Truncated));
        assert_eq!(Gre::split(&[0, 1, 8, 0]).map(|_| ()), Err(Malformed::Version));
        for flag in [0x80, 0x40, 0x20, 0x10, 0x08] {
            assert_eq!(Gre::split(&[flag, 0, 8, 0]).map(|_| ()), Err(Malformed::Reserved));
        }
        let (header, rest) = Gre::split(&[0, 0, 8, 0, 7]).unwrap();
        assert_eq!((header.protocol.get(), rest), (crate::ethernet::IPV4, &[7][..]));
    }
}
