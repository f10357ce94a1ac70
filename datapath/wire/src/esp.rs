//! ESP (RFC 4303 section 2): the header in front and the trailer behind.

use zerocopy::byteorder::network_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Malformed;

/// ```text
/// |                Security Parameters Index (SPI)                |
/// |                 sequence number, low 32 bits                  |
/// ```
/// The IV and the payload follow.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
pub struct Esp {
    /// Which SA of the receiver this packet belongs to.
    pub spi: U32,
    /// Sequence number; with extended sequence numbers its low half.
    pub seq: U32,
}

const _: () = assert!(size_of::<Esp>() == Esp::LEN);

impl Esp {
    /// Length of the header, bytes.
    pub const LEN: usize = 8;
    /// Length of the trailer's fixed part: pad length and next header, bytes.
    pub const TRAILER_LEN: usize = 2;

    /// The header and what follows it.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] below 8 bytes.
    #[inline]
    pub fn split(packet: &[u8]) -> Result<(&Self, &[u8]), Malformed> {
        Self::ref_from_prefix(packet).map_err(|_| Malformed::Truncated)
    }
}

/// How many pad bytes bring `payload_len` + 2 trailer bytes to a multiple of `align`
/// (a power of two, at least 4: RFC 4303 2.4).
#[inline]
#[must_use]
pub const fn pad_len(payload_len: usize, align: usize) -> usize {
    (align - ((payload_len + Esp::TRAILER_LEN) & (align - 1))) & (align - 1)
}

/// The default pad: 1, 2, 3, … (RFC 4303 2.4). Longer than any block size needs.
pub const PADDING: [u8; 255] = {
    let mut bytes = [0; 255];
    let mut i = 0;
    while i < bytes.len() {
        bytes[i] = i as u8 + 1;
        i += 1;
    }
    bytes
};

/// Takes the trailer off a decrypted payload: gives the payload's length and the next header.
///
/// # Errors
/// [`Malformed::Truncated`] when there is no trailer, [`Malformed::TotalLength`] when the pad
/// length exceeds the payload, [`Malformed::Reserved`] when the pad is not 1, 2, 3, …
#[inline]
pub fn strip_trailer(plain: &[u8]) -> Result<(usize, u8), Malformed> {
    let [rest @ .., pad, next_header] = plain else {
        return Err(Malformed::Truncated);
    };
    let payload_len = rest.len().checked_sub(usize::from(*pad)).ok_or(Malformed::TotalLength)?;
    // RFC 4303 2.4: the receiver should inspect the padding.
    match (rest.get(payload_len..), PADDING.get(..usize::from(*pad))) {
        (Some(found), Some(expected)) if found == expected => Ok((payload_len, *next_header)),
        _ => Err(Malformed::Reserved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_pad_and_trailer_fill_the_alignment() {
        for align in [4, 16] {
            for payload in 0..100 {
                let pad = pad_len(payload, align);
                assert!(pad < align);
                assert_eq!((payload + pad + 2) % align, 0);
            }
        }
    }

    #[test]
    fn the_trailer_comes_off_and_a_bad_pad_is_refused() {
        assert_eq!(strip_trailer(&[9, 9, 1, 2, 2, 4]), Ok((2, 4)));
        assert_eq!(strip_trailer(&[0, 59]), Ok((0, 59)));
        assert_eq!(strip_trailer(&[59]), Err(Malformed::Truncated));
        assert_eq!(strip_trailer(&[1, 2, 3, 4]), Err(Malformed::TotalLength));
        assert_eq!(strip_trailer(&[9, 9, 2, 1, 2, 4]), Err(Malformed::Reserved));
    }
}
