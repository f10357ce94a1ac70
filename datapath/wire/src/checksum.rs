//! The Internet checksum, whole (RFC 1071) and incremental (RFC 1624).

use core::net::IpAddr;

/// The sum over the pseudo header of a segment of `len` bytes (RFC 768, RFC 9293 3.1, RFC 8200
/// 8.1), to which the segment itself is added.
#[inline]
#[must_use]
pub fn pseudo(source: IpAddr, destination: IpAddr, protocol: u8, len: usize) -> u64 {
    let address = |sum, address| match address {
        IpAddr::V4(address) => add(sum, &address.octets()),
        IpAddr::V6(address) => add(sum, &address.octets()),
    };
    address(address(0, source), destination) + u64::from(protocol) + len as u64
}

/// Adds the big-endian 16-bit words of `bytes` to `sum`; an odd last byte is padded with zero.
///
/// The sum is kept unfolded in 64 bits, so up to 2^32 bytes cannot overflow it.
#[inline]
#[must_use]
pub fn add(sum: u64, bytes: &[u8]) -> u64 {
    let mut sum = sum;
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        sum += u64::from(u32::from_be_bytes(*word));
    }
    let (pairs, last) = tail.as_chunks::<2>();
    for pair in pairs {
        sum += u64::from(u16::from_be_bytes(*pair));
    }
    if let [byte] = last {
        sum += u64::from(*byte) << 8;
    }
    sum
}

/// Folds a sum to 16 bits and complements it: the value of a checksum field, in host order.
#[inline]
#[must_use]
pub fn finish(sum: u64) -> u16 {
    let mut sum = (sum >> 32) + (sum & 0xffff_ffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    !(sum as u16)
}

/// The checksum of `bytes` (RFC 1071); zero when `bytes` holds its own correct checksum.
#[inline]
#[must_use]
pub fn of(bytes: &[u8]) -> u16 {
    finish(add(0, bytes))
}

/// The checksum after one 16-bit word under it changed from `old` to `new`:
/// HC' = ~(~HC + ~m + m') (RFC 1624 equation 3).
#[inline]
#[must_use]
pub fn update(checksum: u16, old: u16, new: u16) -> u16 {
    finish(u64::from(!checksum) + u64::from(!old) + u64::from(new))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_rfc_1071_section_3_sums_to_ddf2() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(of(&bytes), !0xddf2);
    }

    proptest! {
        #[test]
        fn bytes_with_their_own_checksum_sum_to_zero(
            mut bytes in proptest::collection::vec(any::<u8>(), 2..200),
        ) {
            bytes[..2].fill(0);
            let sum = of(&bytes);
            bytes[..2].copy_from_slice(&sum.to_be_bytes());
            prop_assert_eq!(of(&bytes), 0);
        }

        #[test]
        fn an_incremental_update_equals_a_whole_sum(
            mut bytes in proptest::collection::vec(any::<u8>(), 20..21),
            new: u16,
        ) {
            bytes[10..12].fill(0);
            prop_assume!(bytes.iter().any(|b| *b != 0) && new != 0);
            let before = of(&bytes);
            let old = u16::from_be_bytes([bytes[8], bytes[9]]);
            bytes[8..10].copy_from_slice(&new.to_be_bytes());
            prop_assert_eq!(update(before, old, new), of(&bytes));
        }
    }
}
