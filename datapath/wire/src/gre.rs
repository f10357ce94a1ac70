//! GRE version 0 (RFC 2784) with the key and sequence number of RFC 2890.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{Malformed, checksum};

/// ```text
/// |C| |K|S|       reserved 0      | ver |       protocol type       |
/// |     checksum, if C is set     |   reserved, if C is set         |
/// |                        key, if K is set                         |
/// |                  sequence number, if S is set                   |
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
    /// Whether there is a checksum; [`Gre::checksum_holds`] tells if it is right.
    pub checksum: bool,
    /// The key, where there is one.
    pub key: Option<u32>,
    /// The sequence number, where there is one.
    pub sequence: Option<u32>,
    /// Length of the header with its optional fields, bytes.
    pub header_len: usize,
}

impl Gre {
    /// Length of the header without optional fields, bytes.
    pub const LEN: usize = 4;
    /// Length of the checksum field with the reserved half, bytes.
    pub const CHECKSUM_LEN: usize = 4;
    /// Length of the key field, bytes.
    pub const KEY_LEN: usize = 4;
    /// Length of the sequence number, bytes.
    pub const SEQUENCE_LEN: usize = 4;
    /// "Checksum present" in [`Gre::flags_version`].
    pub const CHECKSUM: u16 = 0x8000;
    /// "Key present" in [`Gre::flags_version`].
    pub const KEY: u16 = 0x2000;
    /// "Sequence number present" in [`Gre::flags_version`].
    pub const SEQUENCE: u16 = 0x1000;

    /// Reads the header in front of `packet`.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] when the header is not all there, [`Malformed::Version`] for any
    /// version but 0 (RFC 2637 has 1), [`Malformed::Reserved`] for any other flag: RFC 2784 2.3
    /// demands that routing and bits 4 and 5 of its time be refused.
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<Parsed, Malformed> {
        let (header, mut rest) = Self::ref_from_prefix(packet).map_err(|_| Malformed::Truncated)?;
        let flags = header.flags_version.get();
        if flags & 7 != 0 {
            return Err(Malformed::Version);
        }
        if flags & !(Self::CHECKSUM | Self::KEY | Self::SEQUENCE) != 0 {
            return Err(Malformed::Reserved);
        }
        let mut field = |flag| -> Result<Option<u32>, Malformed> {
            if flags & flag == 0 {
                return Ok(None);
            }
            let (word, behind) = U32::ref_from_prefix(rest).map_err(|_| Malformed::Truncated)?;
            rest = behind;
            Ok(Some(word.get()))
        };
        let checksum = field(Self::CHECKSUM)?.is_some();
        let (key, sequence) = (field(Self::KEY)?, field(Self::SEQUENCE)?);
        let header_len = packet.len() - rest.len();
        Ok(Parsed { protocol: header.protocol.get(), checksum, key, sequence, header_len })
    }

    /// Whether the checksum of a packet that has one is right: over header and payload.
    #[inline]
    #[must_use]
    pub fn checksum_holds(packet: &[u8]) -> bool {
        checksum::of(packet) == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ethernet::IPV4;

    #[test]
    fn the_fields_of_rfc_2784_and_2890_are_taken_and_nothing_else() {
        assert_eq!(Gre::parse(&[0, 0, 8]), Err(Malformed::Truncated));
        assert_eq!(Gre::parse(&[0x20, 0, 8, 0, 0, 0, 0]), Err(Malformed::Truncated));
        assert_eq!(Gre::parse(&[0, 1, 8, 0]), Err(Malformed::Version));
        for flag in [0x40, 0x08, 0x04, 0x01] {
            assert_eq!(Gre::parse(&[flag, 0, 8, 0]), Err(Malformed::Reserved));
        }
        assert_eq!(Gre::parse(&[0, 0x80, 8, 0]), Err(Malformed::Reserved));
        let none =
            Parsed { protocol: IPV4, checksum: false, key: None, sequence: None, header_len: 4 };
        assert_eq!(Gre::parse(&[0, 0, 8, 0, 7]), Ok(none));
        let keyed = Parsed { key: Some(42), header_len: 8, ..none };
        assert_eq!(Gre::parse(&[0x20, 0, 8, 0, 0, 0, 0, 42]), Ok(keyed));
        let all = [0xb0, 0, 8, 0, 1, 2, 0xff, 0xff, 0, 0, 0, 42, 0, 0, 0, 7];
        let full = Parsed { checksum: true, sequence: Some(7), header_len: 16, ..keyed };
        assert_eq!(Gre::parse(&all), Ok(full));
        assert_eq!(Gre::parse(&all[..15]), Err(Malformed::Truncated));
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_harm(
            packet in proptest::collection::vec(any::<u8>(), 0..24),
        ) {
            if let Ok(parsed) = Gre::parse(&packet) {
                prop_assert!(parsed.header_len <= packet.len());
            }
        }
    }
}
