//! ECN across a tunnel's end (RFC 6040).

use tables::DropReason;
use wire::checksum;
use wire::ipv4::Ipv4;
use zerocopy::FromBytes;

const NOT_ECT: u8 = 0;
const ECT_1: u8 = 1;
const CE: u8 = 3;

/// Merges the outer ECN field into the decapsulated packet's (RFC 6040 4.2, figure 4).
///
/// # Errors
/// [`DropReason::EcnNotCapable`] when congestion was marked outside and the inner transport does
/// not understand marks: dropping is the only signal left.
#[inline]
pub(crate) fn decapsulate(outer_tos: u8, inner: &mut [u8]) -> Result<(), DropReason> {
    let Ok((inner, _)) = Ipv4::mut_from_prefix(inner) else {
        return Err(DropReason::Ipv4Truncated);
    };
    let mark = match (inner.tos & 3, outer_tos & 3) {
        (NOT_ECT, CE) => return Err(DropReason::EcnNotCapable),
        (NOT_ECT | CE, _) => return Ok(()),
        (_, CE) => CE,
        (_, ECT_1) => ECT_1,
        _ => return Ok(()),
    };
    let old = u16::from_be_bytes([inner.version_ihl, inner.tos]);
    inner.tos = inner.tos & !3 | mark;
    let new = u16::from_be_bytes([inner.version_ihl, inner.tos]);
    inner.checksum.set(checksum::update(inner.checksum.get(), old, new));
    Ok(())
}

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes;

    use super::*;

    #[test]
    fn every_row_of_figure_4_of_rfc_6040() {
        const ECT_0: u8 = 2;
        let rows = [
            (NOT_ECT, [Some(NOT_ECT), Some(NOT_ECT), Some(NOT_ECT), None]),
            (ECT_0, [Some(ECT_0), Some(ECT_1), Some(ECT_0), Some(CE)]),
            (ECT_1, [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)]),
            (CE, [Some(CE), Some(CE), Some(CE), Some(CE)]),
        ];
        for (inner, outcomes) in rows {
            for (outer, expected) in [NOT_ECT, ECT_1, ECT_0, CE].into_iter().zip(outcomes) {
                let addresses = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
                let mut header = Ipv4::new(addresses.0, addresses.1, 17, 0);
                header.tos = 0xb8 | inner;
                header.fill_checksum();
                let mut bytes = header.as_bytes().to_vec();
                let outcome = decapsulate(outer, &mut bytes).ok().map(|()| bytes[1] & 3);
                assert_eq!(outcome, expected, "inner {inner}, outer {outer}");
                assert_eq!(checksum::of(&bytes), 0);
                assert_eq!(bytes[1] & !3, 0xb8);
            }
        }
    }
}
