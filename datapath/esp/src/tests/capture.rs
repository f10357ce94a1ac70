//! ESP between two hosts of the year 2000, as tcpdump's test data has it. The capture is not part
//! of this repository; it lies in `shared` next to the checkout where there is one.

use std::path::Path;

use super::known_answers::hex;
use crate::{InboundSa, Keys, OpenError, Suite};

const PATH: &str = "../../../shared/captures/public/08-sunrise-sunset-aes.pcap";
const SPI: u32 = 0xd123_4567;

#[test]
fn a_tunnel_of_others_opens_to_pings() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PATH);
    let Ok(capture) = std::fs::read(&path) else {
        println!("not here, so nothing is shown by this test: {}", path.display());
        return;
    };
    let encryption = hex("aaaabbbbccccdddd4043434545464649494a4a4c4c4f4f515152525454575758");
    let authentication = hex("8765876587658765876587658765876587658765");
    let keys = Keys { encryption: &encryption, authentication: &authentication };
    let sa = InboundSa::new(SPI, Suite::AES256_SHA1, keys, false, 64).unwrap();

    let packets: Vec<_> = esp_packets(&capture);
    assert_eq!(packets.len(), 8);
    for (at, packet) in packets.into_iter().enumerate() {
        let mut opened_packet = packet.clone();
        let opened = sa.open(&mut opened_packet).unwrap();
        assert_eq!(opened.next_header, 4);
        assert_eq!(opened.seq, at as u64 + 1);
        let inner = &opened_packet[opened.payload];
        // IPv4, ICMP, from 192.0.2.1 to 192.0.1.1, echo request, identifier 28416.
        assert_eq!((inner[0], inner[9]), (0x45, 1));
        assert_eq!(inner[12..20], [192, 0, 2, 1, 192, 0, 1, 1]);
        assert_eq!((inner[20], &inner[24..26]), (8, &28416_u16.to_be_bytes()[..]));
        assert_eq!(inner[26..28], (1280 + 256 * at as u16).to_be_bytes());
        assert_eq!(sa.open(&mut packet.clone()), Err(OpenError::Replayed));
    }
}

/// What is behind Ethernet and IPv4 in the records of a classic pcap file with our SPI.
fn esp_packets(capture: &[u8]) -> Vec<Vec<u8>> {
    let word = |at: usize| {
        let bytes: [u8; 4] = capture[at..at + 4].try_into().unwrap();
        let little = capture[..4] == [0xd4, 0xc3, 0xb2, 0xa1];
        if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
    };
    let (mut packets, mut at) = (Vec::new(), 24);
    while at < capture.len() {
        let len = word(at + 8) as usize;
        let ip = &capture[at + 16 + 14..at + 16 + len];
        let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
        let esp = &ip[usize::from(ip[0] & 15) * 4..total];
        if ip[9] == 50 && esp[..4] == SPI.to_be_bytes() {
            packets.push(esp.to_vec());
        }
        at += 16 + len;
    }
    packets
}
