//! L2TPv2's header (RFC 2661 3.1).

use crate::Malformed;

/// The T bit: a control message.
pub const CONTROL: u16 = 0x8000;
/// The L bit: the length field is there.
pub const LENGTH: u16 = 0x4000;
/// The S bit: Ns and Nr are there.
pub const SEQUENCE: u16 = 0x0800;
/// The O bit: the offset field is there.
pub const OFFSET: u16 = 0x0200;
/// The version, in the low four bits.
pub const VERSION: u16 = 2;

const VERSION_MASK: u16 = 0x000f;

/// What a header says.
///
/// ```text
/// |T|L|x|x|S|x|O|P|x x x x|  ver  |       length, if L is set       |
/// |           tunnel              |            session              |
/// |       Ns, if S is set         |        Nr, if S is set          |
/// |   offset size, if O is set    |  offset pad, as many bytes      |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Whether it is a control message.
    pub control: bool,
    /// The tunnel's number at the receiver.
    pub tunnel: u16,
    /// The session's number at the receiver.
    pub session: u16,
    /// Ns and Nr, where they are.
    pub sequence: Option<(u16, u16)>,
    /// Length of the header with the offset pad, bytes.
    pub header_len: usize,
    /// Length of the message: what the length field says, or all there is, bytes.
    pub len: usize,
}

/// Reads the header in front of `message`, the payload of a UDP datagram.
///
/// # Errors
/// [`Malformed::Truncated`] when the header is not all there, [`Malformed::Version`] for any
/// version but 2, [`Malformed::TotalLength`] for a length beyond the message or below the header,
/// [`Malformed::HeaderLength`] for an offset pad beyond the message.
#[inline]
pub fn parse(message: &[u8]) -> Result<Parsed, Malformed> {
    let mut at = 0;
    let mut word = || {
        let bytes = message.get(at..).and_then(<[u8]>::first_chunk);
        at += 2;
        bytes.map(|bytes| u16::from_be_bytes(*bytes)).ok_or(Malformed::Truncated)
    };
    let flags = word()?;
    if flags & VERSION_MASK != VERSION {
        return Err(Malformed::Version);
    }
    let len = if flags & LENGTH == 0 { message.len() } else { usize::from(word()?) };
    let (tunnel, session) = (word()?, word()?);
    let sequence = if flags & SEQUENCE == 0 { None } else { Some((word()?, word()?)) };
    let pad = if flags & OFFSET == 0 { 0 } else { usize::from(word()?) };
    let header_len = at + pad;
    if header_len > message.len() {
        return Err(Malformed::HeaderLength);
    }
    if len > message.len() || len < header_len {
        return Err(Malformed::TotalLength);
    }
    let control = flags & CONTROL != 0;
    Ok(Parsed { control, tunnel, session, sequence, header_len, len })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn optional_fields_are_found_where_their_bits_say() {
        let plain = parse(&[0, 2, 0, 1, 0, 2, 9]).unwrap();
        assert_eq!((plain.tunnel, plain.session, plain.header_len, plain.len), (1, 2, 6, 7));
        let all = [0x4a, 2, 0, 18, 0, 1, 0, 2, 0, 3, 0, 4, 0, 2, 0xff, 0xff, 9, 9, 7];
        let all = parse(&all).unwrap();
        assert_eq!((all.sequence, all.header_len, all.len), (Some((3, 4)), 16, 18));
        assert!(!all.control && parse(&[0xc8, 2, 0, 12, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap().control);
    }

    #[test]
    fn each_broken_rule_is_named() {
        assert_eq!(parse(&[0, 2, 0, 1, 0]), Err(Malformed::Truncated));
        assert_eq!(parse(&[0, 3, 0, 1, 0, 2]), Err(Malformed::Version));
        assert_eq!(parse(&[0x40, 2, 0, 9, 0, 1, 0, 2]), Err(Malformed::TotalLength));
        assert_eq!(parse(&[0x40, 2, 0, 7, 0, 1, 0, 2]), Err(Malformed::TotalLength));
        assert_eq!(parse(&[2, 2, 0, 1, 0, 2, 0, 1]), Err(Malformed::HeaderLength));
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_harm(
            message in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            if let Ok(parsed) = parse(&message) {
                prop_assert!(parsed.header_len <= parsed.len && parsed.len <= message.len());
            }
        }
    }
}
