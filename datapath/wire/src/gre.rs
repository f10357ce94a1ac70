//! GRE version 0 (RFC 2784) with the key of RFC 2890.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Malformed;

/// ```text
/// |C| |K|S|       reserved 0      | ver |       protocol type       |
/// |                        key, if K is set                         |
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

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// EtherType of the payload.
    pub protocol: u16,
    /// The key, where there is one.
    pub key: Option<u32>,
    /// Length of the header with its optional fields, bytes.
    pub header_len: usize,
}

impl Gre {
    /// Length of the header without optional fields, bytes.
    pub const LEN: usize = 4;
    /// Length of the key field, bytes.
    pub const KEY_LEN: usize = 4;
    /// "Key present" in [`Gre::flags_version`].
    pub const KEY: u16 = 0x2000;

    /// Reads the header in front of `packet`.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] when the header is not all there, [`Malformed::Version`] for any
    /// version but 0 (RFC 2637 has 1), [`Malformed::Reserved`] for any flag but K: neither
    /// checksum nor sequence number was agreed, and RFC 2784 2.3 demands that bits 1 to 5 of its
    /// time be refused.
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<Parsed, Malformed> {
        let (header, rest) = Self::ref_from_prefix(packet).map_err(|_| Malformed::Truncated)?;
        let protocol = header.protocol.get();
        match header.flags_version.get() {
            0 => Ok(Parsed { protocol, key: None, header_len: Self::LEN }),
            Self::KEY => {
                let (key, _) = U32::ref_from_prefix(rest).map_err(|_| Malformed::Truncated)?;
                let header_len = Self::LEN + Self::KEY_LEN;
                Ok(Parsed { protocol, key: Some(key.get()), header_len })
            }
            word if word & 7 != 0 => Err(Malformed::Version),
            _ => Err(Malformed::Reserved),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ethernet::IPV4;

    #[test]
    fn a_plain_or_keyed_version_zero_header_is_taken_and_nothing_else() {
        assert_eq!(Gre::parse(&[0, 0, 8]), Err(Malformed::Truncated));
        assert_eq!(Gre::parse(&[0x20, 0, 8, 0, 0, 0, 0]), Err(Malformed::Truncated));
        assert_eq!(Gre::parse(&[0, 1, 8, 0]), Err(Malformed::Version));
        for flag in [0x80, 0x40, 0x10, 0x08] {
            assert_eq!(Gre::parse(&[flag, 0, 8, 0]), Err(Malformed::Reserved));
        }
        let plain = Parsed { protocol: IPV4, key: None, header_len: 4 };
        assert_eq!(Gre::parse(&[0, 0, 8, 0, 7]), Ok(plain));
        let keyed = Parsed { protocol: IPV4, key: Some(42), header_len: 8 };
        assert_eq!(Gre::parse(&[0x20, 0, 8, 0, 0, 0, 0, 42]), Ok(keyed));
    }
}
