//! PPP's header (RFC 1661 2) without HDLC framing, as L2TP carries it.

use crate::Malformed;

/// IPv4 (RFC 1332).
pub const IPV4: u16 = 0x0021;
/// IPv6 (RFC 5072).
pub const IPV6: u16 = 0x0057;

/// All stations, unnumbered information (RFC 1662 3.1).
const ADDRESS_CONTROL: [u8; 2] = [0xff, 0x03];

/// The protocol and the header's length, bytes. Address and control may have been left out (RFC
/// 1661 6.6), and so may a zero high byte of the protocol (6.5), whatever was negotiated.
///
/// # Errors
/// [`Malformed::Truncated`] when the protocol is not all there, [`Malformed::Reserved`] when its
/// last byte is even (RFC 1661 2).
#[inline]
pub fn parse(frame: &[u8]) -> Result<(u16, usize), Malformed> {
    let uncompressed = frame.first_chunk() == Some(&ADDRESS_CONTROL);
    let at = if uncompressed { ADDRESS_CONTROL.len() } else { 0 };
    match frame.get(at..).unwrap_or_default() {
        [low, ..] if low & 1 != 0 => Ok((u16::from(*low), at + 1)),
        [high, low, ..] if low & 1 != 0 => Ok((u16::from_be_bytes([*high, *low]), at + 2)),
        [_, _, ..] => Err(Malformed::Reserved),
        _ => Err(Malformed::Truncated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_compressions_are_understood_whether_used_or_not() {
        for (frame, expected) in [
            (&[0x21, 0x45][..], Ok((IPV4, 1))),
            (&[0x00, 0x21], Ok((IPV4, 2))),
            (&[0xff, 0x03, 0x57], Ok((IPV6, 3))),
            (&[0xff, 0x03, 0x00, 0x57], Ok((IPV6, 4))),
            (&[0xc0, 0x21], Ok((0xc021, 2))),
            (&[0x00, 0x20], Err(Malformed::Reserved)),
            (&[0x00], Err(Malformed::Truncated)),
            (&[0xff, 0x03], Err(Malformed::Truncated)),
            (&[], Err(Malformed::Truncated)),
        ] {
            assert_eq!(parse(frame), expected, "{frame:02x?}");
        }
    }
}
