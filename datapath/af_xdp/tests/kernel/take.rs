//! The programs that take without asking, frame by frame, by the kernel's test run.

use std::net::{Ipv4Addr, Ipv6Addr};

use af_xdp::{Program, SocketMap, Take, Verdict};

use crate::frames::{Random, ipv4, ipv4_with, ipv6, padded, udp};
use crate::namespace::need_root;

const V4: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 2);
const V6: Ipv6Addr = Ipv6Addr::new(0xfd02, 0, 0, 0, 0, 0, 0, 2);

fn judge(take: Take) -> impl Fn(&[u8]) -> bool {
    need_root();
    let sockets = SocketMap::new(1).unwrap();
    let program = Program::load_instructions(&take.assemble(&sockets, Verdict::Aborted)).unwrap();
    move |frame| match program.test_run(frame).unwrap() {
        Verdict::Aborted => true,
        Verdict::Pass => false,
        other => panic!("{other:?} on {frame:02x?}"),
    }
}

#[test]
fn datagrams_to_the_port_are_taken_and_nothing_else() {
    let takes = judge(Take::UdpTo(9));
    let ours = udp(9, &[0; 18]);
    for (name, frame, taken) in [
        ("ours", ipv4(17, V4, &ours), true),
        ("ours, padded", padded(ipv4(17, V4, &udp(9, &[]))), true),
        ("ours behind options", ipv4_with(&[1; 8], 0, 17, V4, &ours), true),
        ("ours, not to be fragmented", ipv4_with(&[], 0x4000, 17, V4, &ours), true),
        ("ours over IPv6", ipv6(17, V6, &ours), true),
        ("another port", ipv4(17, V4, &udp(10, &[0; 18])), false),
        ("another port over IPv6", ipv6(17, V6, &udp(0x0900, &[0; 18])), false),
        ("another protocol", ipv4(6, V4, &ours), false),
        ("another protocol over IPv6", ipv6(58, V6, &ours), false),
        ("a first fragment", ipv4_with(&[], 0x2000, 17, V4, &ours), false),
        ("a later fragment", ipv4_with(&[], 3, 17, V4, &ours), false),
        ("half a header", ipv4(17, V4, &ours[..6]), false),
        ("ARP", [&[0xff; 12][..], &[8, 6], &[0; 46]].concat(), false),
    ] {
        assert_eq!(takes(&frame), taken, "{name}");
    }
}

#[test]
fn every_ip_packet_is_taken_and_arp_is_not() {
    let takes = judge(Take::Ip);
    assert!(takes(&ipv4(6, V4, &[0; 20])) && takes(&ipv6(58, V6, &[0; 20])));
    assert!(takes(&ipv4_with(&[], 3, 17, V4, &[0; 20])), "fragments too");
    assert!(!takes(&[&[0xff; 12][..], &[8, 6], &[0; 46]].concat()));
    assert!(!takes(&[&[0xff; 12][..], &[8, 0], &[0; 46]].concat()), "no IPv4 header");
}

#[test]
fn arbitrary_frames_are_judged() {
    let (by_port, all) = (judge(Take::UdpTo(9)), judge(Take::Ip));
    let mut random = Random::seeded(7);
    for _ in 0..2000 {
        let len = 14 + random.below(100);
        let mut frame = random.bytes(len);
        let ethertypes = [[0x08, 0x00], [0x86, 0xdd]];
        frame[12..14].copy_from_slice(&ethertypes[random.below(2)]);
        assert!(all(&frame) || !by_port(&frame), "{frame:02x?}");
    }
}
