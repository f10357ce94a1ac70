//! As much of TCP (RFC 9293) as the MSS clamp changes.

use crate::checksum;

/// Length of the header without options, bytes.
const LEN: usize = 20;
const CHECKSUM_AT: usize = 16;
const SYN: u8 = 0x02;

// Option kinds (RFC 9293 3.2).
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MSS: u8 = 2;
const MSS_LEN: u8 = 4;

/// Lowers the maximum segment size that a SYN announces to `max` bytes and corrects the checksum;
/// returns whether it did. A SYN without the option, options that cannot be read and all other
/// segments are left alone.
#[inline]
pub fn clamp_mss(segment: &mut [u8], max: u16) -> bool {
    let is_syn = segment.get(13).is_some_and(|flags| flags & SYN != 0);
    is_syn && lower_option(segment, max).is_some()
}

#[cold]
fn lower_option(segment: &mut [u8], max: u16) -> Option<()> {
    let at = mss_at(segment)?;
    let announced: [u8; 2] = *segment.get(at..)?.first_chunk()?;
    if u16::from_be_bytes(announced) <= max {
        return None;
    }
    let lowered = max.to_be_bytes();
    // The checksum counts words from the segment's start; at an odd offset the value's bytes lie
    // in the low half of one word and the high half of the next, as if swapped.
    let word = |bytes: [u8; 2]| {
        if at % 2 == 0 { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    };
    let old_sum = *segment.get(CHECKSUM_AT..)?.first_chunk()?;
    let sum = checksum::update(u16::from_be_bytes(old_sum), word(announced), word(lowered));
    *segment.get_mut(at..)?.first_chunk_mut()? = lowered;
    *segment.get_mut(CHECKSUM_AT..)?.first_chunk_mut()? = sum.to_be_bytes();
    Some(())
}

/// Where the value of the MSS option is, bytes from the segment's start.
fn mss_at(segment: &[u8]) -> Option<usize> {
    let header_len = usize::from(segment.get(12)? >> 4) * 4;
    let options = segment.get(LEN..header_len)?;
    let mut at = 0;
    loop {
        match *options.get(at..)? {
            [END, ..] | [] => return None,
            [NO_OPERATION, ..] => at += 1,
            [MSS, MSS_LEN, _, _, ..] => return Some(LEN + at + 2),
            [_, len, ..] if len >= 2 => at += usize::from(len),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    extern crate std;
    use std::vec::Vec;

    /// A segment with these flags and options, and its checksum without a pseudo header.
    fn segment(flags: u8, options: &[u8]) -> Vec<u8> {
        let mut bytes = std::vec![7; LEN];
        bytes.extend_from_slice(options);
        bytes[12] = (bytes.len() as u8 / 4) << 4;
        bytes[13] = flags;
        bytes[CHECKSUM_AT..CHECKSUM_AT + 2].fill(0);
        let sum = checksum::of(&bytes);
        bytes[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    #[test]
    fn a_syn_that_announces_too_much_is_lowered_wherever_the_option_is() {
        for options in [
            &[2, 4, 5, 0xb4][..],
            &[1, 2, 4, 5, 0xb4, 0, 0, 0],
            &[8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 5, 0xb4, 1, 1],
        ] {
            let mut syn = segment(SYN, options);
            assert!(clamp_mss(&mut syn, 1300), "{options:?}");
            assert!(syn.windows(4).any(|bytes| bytes == [2, 4, 5, 20]));
            assert_eq!(checksum::of(&syn), 0, "{options:?}");
            assert!(!clamp_mss(&mut syn, 1300), "it announces no more than that now");
        }
    }

    #[test]
    fn what_is_no_syn_or_cannot_be_read_is_left_alone() {
        for mut bytes in [
            segment(0x10, &[2, 4, 5, 0xb4]),
            segment(SYN, &[]),
            segment(SYN, &[3, 0, 5, 0xb4]),
            segment(SYN, &[1, 1, 2, 4]),
            segment(SYN, &[0, 0, 0, 0, 2, 4, 5, 0xb4]),
        ] {
            let before = bytes.clone();
            assert!(!clamp_mss(&mut bytes, 1300) && bytes == before);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_keep_their_sum(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..64),
            max: u16,
        ) {
            let before = bytes.clone();
            if bytes.len() > 13 {
                bytes[13] |= SYN;
            }
            let start = bytes.clone();
            if clamp_mss(&mut bytes, max) {
                // A sum of zero has two spellings.
                let folded = |bytes: &[u8]| checksum::of(bytes) % 0xffff;
                prop_assert_eq!(folded(&bytes), folded(&start));
            } else {
                prop_assert!(bytes == start && before.len() == bytes.len());
            }
        }
    }
}
