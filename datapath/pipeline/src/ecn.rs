//! ECN across a tunnel's end (RFC 6040).

use tables::DropReason;
use wire::checksum;
use wire::ipv4::Ipv4;
use wire::ipv6::Ipv6;
use zerocopy::FromBytes;

use crate::ip::Ip;

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
    let tos = Ip::of(inner)?.tos();
    let mark = match (tos & 3, outer_tos & 3) {
        (NOT_ECT, CE) => return Err(DropReason::EcnNotCapable),
        (NOT_ECT | CE, _) => return Ok(()),
        (_, CE) => CE,
        (_, ECT_1) => ECT_1,
        _ => return Ok(()),
    };
    set_tos(inner, tos & !3 | mark);
    Ok(())
}

fn set_tos(packet: &mut [u8], tos: u8) {
    if packet.first().is_some_and(|byte| byte >> 4 == 6) {
        if let Ok((header, _)) = Ipv6::mut_from_prefix(packet) {
            header.set_traffic_class(tos);
        }
    } else if let Ok((header, _)) = Ipv4::mut_from_prefix(packet) {
        let old = u16::from_be_bytes([header.version_ihl, header.tos]);
        header.tos = tos;
        let new = u16::from_be_bytes([header.version_ihl, header.tos]);
        header.checksum.set(checksum::update(header.checksum.get(), old, new));
    }
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
                let mut v6 = Ipv6::new(1_u128.into(), 2_u128.into(), 17, 0);
                v6.set_traffic_class(0xb8 | inner);
                let mut bytes = v6.as_bytes().to_vec();
                let outcome = decapsulate(outer, &mut bytes).ok();
                let found = outcome.map(|()| Ip::of(&bytes).unwrap().tos());
                assert_eq!(found, expected.map(|mark| 0xb8 | mark), "inner {inner}, outer {outer}");
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
