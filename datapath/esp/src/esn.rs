//! Extended sequence numbers at the receiver: the high half is not sent and is inferred from
//! where the window stands (RFC 4303 2.2.1 and appendix A2).

/// The number whose low half is `low` and that is nearest to where the window will be looking:
/// the only such among the 2^32 numbers from the window's left edge on.
///
/// RFC 4303 A2.2 tells this in two cases, by whether the window spans two values of the high half
/// (B) or one (A). In both the answer is that number. `None` when it would be negative or pass
/// 2^64: no sender has it. `window` is at least 1.
#[inline]
pub(crate) fn infer(top: u64, window: u64, low: u32) -> Option<u64> {
    let behind = window.wrapping_sub(1);
    let left_edge = top.wrapping_sub(behind);
    let from_left_edge = low.wrapping_sub(left_edge as u32);
    let seq = (u128::from(top) + u128::from(from_left_edge)).checked_sub(u128::from(behind))?;
    u64::try_from(seq).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 4303 A2.2, word for word: Tl, Th the halves of the window's top, W its size.
    fn as_in_the_rfc(top: u64, window: u64, low: u32) -> Option<u64> {
        let (th, tl) = ((top >> 32) as u32, top as u32);
        let (w, bottom) = (window as u32, tl.wrapping_sub(window as u32 - 1));
        let high = if tl >= w - 1 {
            if low >= bottom { Some(th) } else { th.checked_add(1) }
        } else if low >= bottom {
            th.checked_sub(1)
        } else {
            Some(th)
        };
        high.map(|high| u64::from(high) << 32 | u64::from(low))
    }

    #[test]
    fn a_window_within_one_high_half_looks_ahead_of_its_left_edge() {
        // Case A.
        let top = 0x5_0000_1000;
        assert_eq!(infer(top, 64, 0x1001), Some(0x5_0000_1001));
        assert_eq!(infer(top, 64, 0x0fc1), Some(0x5_0000_0fc1));
        assert_eq!(infer(top, 64, 0x0fc0), Some(0x6_0000_0fc0));
        assert_eq!(infer(top, 64, 0xffff_ffff), Some(0x5_ffff_ffff));
    }

    #[test]
    fn a_window_across_two_high_halves_looks_back() {
        // Case B.
        let top = 0x5_0000_0010;
        assert_eq!(infer(top, 64, 0xffff_fff0), Some(0x4_ffff_fff0));
        assert_eq!(infer(top, 64, 0xffff_ffd1), Some(0x4_ffff_ffd1));
        assert_eq!(infer(top, 64, 0xffff_ffd0), Some(0x5_ffff_ffd0));
        assert_eq!(infer(top, 64, 0), Some(0x5_0000_0000));
    }

    #[test]
    fn there_is_nothing_before_the_first_number_and_behind_the_last() {
        assert_eq!(infer(0, 64, 0xffff_ffff), None);
        assert_eq!(infer(0, 64, 1), Some(1));
        assert_eq!(infer(u64::MAX, 64, 0), None);
        assert_eq!(infer(u64::MAX, 64, u32::MAX), Some(u64::MAX));
    }

    proptest! {
        #[test]
        fn both_cases_of_the_rfc_are_one_sum(
            high in prop_oneof![Just(0), Just(1), Just(u32::MAX), any::<u32>()],
            near in prop_oneof![0_u32..200_000, any::<u32>()],
            back in any::<bool>(),
            window in 1_u64..=65_536,
            low in any::<u32>(),
            offset in -70_000_i32..70_000,
        ) {
            let tl = if back { near.wrapping_neg() } else { near };
            let top = u64::from(high) << 32 | u64::from(tl);
            for low in [low, tl.wrapping_add_signed(offset)] {
                prop_assert_eq!(infer(top, window, low), as_in_the_rfc(top, window, low));
            }
        }
    }
}
