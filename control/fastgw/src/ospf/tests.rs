//! OSPF's packets from end to end: over a network with a peer that we did not write, and through
//! tunnels with the real worker.

mod network;
mod tunnels;

use super::*;

#[test]
fn what_ip_cannot_carry_is_not_sent() {
    let source = Ipv4Addr::new(10, 0, 0, 1);
    let longest = usize::from(u16::MAX) - Ipv4::LEN;
    let whole = with_header(source, ALL_ROUTERS, &vec![7; longest]).expect("it fits");
    let (header, header_len, total_len) = Ipv4::parse(&whole).expect("a sound header");
    assert_eq!((header_len, total_len), (20, 65_535));
    assert_eq!((header.ttl, header.tos, header.protocol), (1, 0xc0, 89));
    assert!(with_header(source, ALL_ROUTERS, &vec![7; longest + 1]).is_none());
    assert!(with_header(source, ALL_ROUTERS, &vec![7; 65_536]).is_none());
}
