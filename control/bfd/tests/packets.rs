//! Control packets: one of scapy's, what is refused, and any bytes.

use bfd::{Control, Diagnostic, Malformed, State};
use proptest::prelude::*;

/// By scapy 2.5: `BFD(version=1, diag=3, sta=3, flags=0x20, detect_mult=3,
/// my_discriminator=0x11223344, your_discriminator=0x55667788, min_tx_interval=50000,
/// min_rx_interval=60000, echo_rx_interval=70000)`.
const SCAPY: [u8; 24] = [
    0x23, 0xe0, 0x03, 0x18, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x00, 0x00, 0xc3, 0x50,
    0x00, 0x00, 0xea, 0x60, 0x00, 0x01, 0x11, 0x70,
];

#[test]
fn a_packet_of_scapy_is_read_and_written_again() {
    let expected = Control {
        diagnostic: Diagnostic::NEIGHBOR_DOWN,
        state: State::Up,
        poll: true,
        is_final: false,
        control_plane_independent: false,
        authenticated: false,
        demand: false,
        detect_multiplier: 3,
        my_discriminator: 0x1122_3344,
        your_discriminator: 0x5566_7788,
        desired_min_tx_us: 50_000,
        required_min_rx_us: 60_000,
        required_min_echo_rx_us: 70_000,
    };
    assert_eq!(Control::parse(&SCAPY), Ok(expected));
    assert_eq!(expected.encode(), SCAPY);
    assert_eq!(expected.diagnostic.to_string(), "neighbor signaled session down");
    let mut padded = SCAPY.to_vec();
    padded.push(0xff);
    assert_eq!(Control::parse(&padded), Ok(expected));
}

/// RFC 5880 section 6.8.6, rule by rule.
#[test]
fn packets_that_break_a_rule_are_refused() {
    let with = |changes: &[(usize, u8)]| {
        let mut bytes = SCAPY;
        changes.iter().for_each(|(at, value)| bytes[*at] = *value);
        Control::parse(&bytes).err()
    };
    assert_eq!(with(&[]), None);
    assert_eq!(with(&[(0, 0x03)]), Some(Malformed::Version));
    assert_eq!(with(&[(0, 0x43)]), Some(Malformed::Version));
    assert_eq!(with(&[(3, 23)]), Some(Malformed::Length));
    assert_eq!(with(&[(3, 25)]), Some(Malformed::Truncated));
    // Authentication has two bytes at least.
    assert_eq!(with(&[(1, 0xe4)]), Some(Malformed::Length));
    assert_eq!(with(&[(1, 0xe4), (3, 26)]), Some(Malformed::Truncated));
    assert_eq!(with(&[(2, 0)]), Some(Malformed::Multiplier));
    assert_eq!(with(&[(1, 0xe1)]), Some(Malformed::Multipoint));
    let mine = [(4, 0), (5, 0), (6, 0), (7, 0)];
    assert_eq!(with(&mine), Some(Malformed::Discriminator));
    let yours = |state: u8| [(1, state << 6), (8, 0), (9, 0), (10, 0), (11, 0)];
    let refused = [0, 1, 2, 3].map(|state| with(&yours(state)).is_some());
    assert_eq!(refused, [false, false, true, true]);
    let mut long = SCAPY.to_vec();
    long.extend_from_slice(&[1, 2]);
    (long[1], long[3]) = (0xe4, 26);
    assert!(Control::parse(&long).is_ok_and(|packet| packet.authenticated));
    for len in 0..SCAPY.len() {
        assert_eq!(Control::parse(&SCAPY[..len]), Err(Malformed::Truncated));
    }
}

proptest! {
    #[test]
    fn what_is_read_is_written_again(mut bytes in any::<[u8; 24]>(), odd in 0_u8..10) {
        if odd > 0 {
            // Most of what is tried is well-formed.
            (bytes[0], bytes[1], bytes[3]) = (0x20 | bytes[0] & 31, bytes[1] & 0xfa, 24);
        }
        if let Ok(packet) = Control::parse(&bytes) && !packet.authenticated {
            prop_assert_eq!(packet.encode()[..3].to_vec(), bytes[..3].to_vec());
            prop_assert_eq!(packet.encode()[4..].to_vec(), bytes[4..].to_vec());
        }
    }
}
