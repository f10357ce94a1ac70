//! The stamp: what every packet says about itself, in the first 18 bytes of its UDP payload.
//!
//! ```text
//!  0       1               4               8                       14              18
//! +-------+---------------+---------------+-----------------------+---------------+
//! | trial | flow          | sequence      | intended send time    | check value   |
//! +-------+---------------+---------------+-----------------------+---------------+
//! ```
//!
//! All fields are big-endian. The time is in nanoseconds since the Unix epoch, modulo 2^48. The
//! check value covers the other fields, the length, and the packet's addresses and ports; the
//! bytes behind the stamp are a fixed pattern. So every byte that a gateway must not change is
//! proven unchanged, and 64-byte frames have room for it all.

/// Bytes of a stamp.
pub const LEN: usize = 18;
/// Flows that a stamp can tell apart.
pub const FLOWS_MAX: u32 = 1 << 24;
/// Times wrap here.
const TIME_MASK: u64 = (1 << 48) - 1;

/// What a packet says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which load of a series it belongs to.
    pub trial: u8,
    /// Its flow, below [`FLOWS_MAX`].
    pub flow: u32,
    /// Its number in the flow, from zero.
    pub seq: u32,
    /// When it was to be sent, nanoseconds modulo 2^48.
    pub intended_ns: u64,
}

impl Stamp {
    /// The stamp's bytes. `around` is what the check value covers besides; see [`mix`].
    #[must_use]
    pub fn to_bytes(self, around: u64) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        let head = u64::from(self.trial) << 56 | u64::from(self.flow) << 32 | u64::from(self.seq);
        let time = self.intended_ns & TIME_MASK;
        bytes[..8].copy_from_slice(&head.to_be_bytes());
        bytes[8..14].copy_from_slice(&time.to_be_bytes()[2..]);
        bytes[14..].copy_from_slice(&check(head, time, around).to_be_bytes());
        bytes
    }

    /// The stamp in these bytes; `None` when its check value belongs to other ones.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; LEN], around: u64) -> Option<Self> {
        let [h0, h1, h2, h3, h4, h5, h6, h7, t0, t1, t2, t3, t4, t5, c0, c1, c2, c3] = *bytes;
        let head = u64::from_be_bytes([h0, h1, h2, h3, h4, h5, h6, h7]);
        let time = u64::from_be_bytes([0, 0, t0, t1, t2, t3, t4, t5]);
        if u32::from_be_bytes([c0, c1, c2, c3]) != check(head, time, around) {
            return None;
        }
        Some(Self {
            trial: h0,
            flow: (head >> 32) as u32 & (FLOWS_MAX - 1),
            seq: head as u32,
            intended_ns: time,
        })
    }

    /// How long it has been under way at `now_ns`, nanoseconds: never negative, and at most half
    /// of the time that a stamp can tell.
    #[must_use]
    pub fn age_ns(&self, now_ns: u64) -> u64 {
        let age = now_ns.wrapping_sub(self.intended_ns) & TIME_MASK;
        if age > TIME_MASK / 2 { 0 } else { age }
    }
}

/// Mixes `word` into `hash` so that each of their bits reaches all of the result's.
#[must_use]
pub fn mix(hash: u64, word: u64) -> u64 {
    // The folded product of wyhash, over constants with as many ones as zeroes.
    let product =
        u128::from(hash ^ 0xa076_1d64_78bd_642f) * u128::from(word ^ 0xe703_7ed1_a0b4_28db);
    (product >> 64) as u64 ^ product as u64
}

fn check(head: u64, time: u64, around: u64) -> u32 {
    let hash = mix(mix(around, head), time);
    (hash >> 32) as u32 ^ hash as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_stamp_is_read_as_it_was_written(
            trial: u8, flow in 0..FLOWS_MAX, seq: u32, intended_ns in 0..=TIME_MASK, around: u64,
        ) {
            let stamp = Stamp { trial, flow, seq, intended_ns };
            prop_assert_eq!(Stamp::from_bytes(&stamp.to_bytes(around), around), Some(stamp));
        }

        #[test]
        fn no_flipped_bit_goes_unseen(seq: u32, intended_ns in 0..=TIME_MASK, bit in 0usize..144) {
            let stamp = Stamp { trial: 1, flow: 77, seq, intended_ns };
            let mut bytes = stamp.to_bytes(9);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Stamp::from_bytes(&bytes, 9), None);
        }
    }

    #[test]
    fn ages_survive_the_wrap_and_a_clock_that_is_ahead() {
        let stamp = |intended_ns| Stamp { trial: 0, flow: 0, seq: 0, intended_ns };
        assert_eq!(stamp(TIME_MASK - 4).age_ns(1 << 48 | 5), 10);
        assert_eq!(stamp(100).age_ns(90), 0);
        assert_eq!(stamp(100).age_ns(1_000_100), 1_000_000);
    }
}
