//! Templates filled in, byte for byte.

use wire::gre::Gre;

use super::*;
use crate::Endpoints;

fn v4() -> Endpoints {
    Endpoints { local: [192, 0, 2, 1].into(), remote: [192, 0, 2, 2].into() }
}

fn v6() -> Endpoints {
    let end = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]);
    Endpoints { local: end(1), remote: end(2) }
}

fn varying(tos: u8, dont_fragment: bool) -> Varying {
    let inner = Inner { version: Version::V4, tos, ttl: 7, dont_fragment };
    Varying { id: 77, sequence: 0x0102_0304, inner }
}

fn applied(rewrite: &Rewrite, varying: &Varying) -> Vec<u8> {
    let mut packet = vec![0xaa; 100];
    assert!(rewrite.apply(&mut packet, varying));
    packet
}

fn outer(rules: OuterRules, tos: u8, dont_fragment: bool) -> Ipv4 {
    let rewrite = Rewrite::gre(v4(), GreHeader::default(), rules);
    let packet = applied(&rewrite, &varying(tos, dont_fragment));
    let (outer, header_len, total_len) = Ipv4::parse(&packet).unwrap();
    assert_eq!((header_len, total_len, outer.id.get()), (20, 100, 77));
    assert_eq!(packet[20..25], [0, 0, 8, 0, 0xaa]);
    *outer
}

#[test]
fn ttl_dscp_ecn_and_df_follow_the_rules() {
    let copy = OuterRules { ttl: Ttl::Copy, ..OuterRules::default() };
    assert_eq!((outer(copy, 0xb9, true).tos, outer(copy, 0, true).ttl), (0xb9, 7));
    assert!(outer(copy, 0, true).dont_fragment() && !outer(copy, 0, false).dont_fragment());
    let set = OuterRules { ttl: Ttl::Set(9), dscp: Dscp::Set(10), df: Df::Set, ecn: Ecn::Copy };
    let header = outer(set, 0xb9, false);
    assert_eq!((header.tos, header.ttl, header.dont_fragment()), (10 << 2 | 1, 9, true));
    let clear = OuterRules { df: Df::Clear, ecn: Ecn::Clear, ..copy };
    let header = outer(clear, 0xb9, true);
    assert_eq!((header.tos, header.dont_fragment()), (0xb8, false));
}

#[test]
fn the_protocol_field_names_what_is_inside_and_ipv6_has_its_own_fields() {
    let packet = applied(&Rewrite::ipip(v6(), OuterRules::default()), &varying(0xb9, false));
    let (outer, total_len) = Ipv6::parse(&packet).unwrap();
    assert_eq!((outer.next_header, outer.traffic_class(), total_len), (4, 0xb9, 100));
    let mut inside_v6 = varying(0, true);
    inside_v6.inner.version = Version::V6;
    let packet = applied(&Rewrite::ipip(v4(), OuterRules::default()), &inside_v6);
    assert_eq!(Ipv4::parse(&packet).unwrap().0.protocol, 41);
    let packet = applied(&Rewrite::bare_gre(GreHeader::default()), &inside_v6);
    assert_eq!(packet[..5], [0, 0, 0x86, 0xdd, 0xaa]);
}

#[test]
fn gre_carries_checksum_key_and_sequence_in_the_order_of_rfc_2890() {
    let header = GreHeader { key: Some(42), checksum: true, sequence: true };
    let rewrite = Rewrite::gre(v4(), header, OuterRules::default());
    assert_eq!((rewrite.header_len(), rewrite.is_sequenced()), (36, true));
    let packet = applied(&rewrite, &varying(0, false));
    assert_eq!(packet[20..24], [0xb0, 0, 8, 0]);
    assert_eq!(packet[28..37], [0, 0, 0, 42, 1, 2, 3, 4, 0xaa]);
    assert!(Gre::checksum_holds(&packet[20..]));
    let bare = applied(&Rewrite::bare_gre(header), &varying(0, false));
    assert!(Gre::checksum_holds(&bare));
}

#[test]
fn l2tp_has_the_fields_that_were_asked_for_and_no_others() {
    let mut header = L2tpHeader {
        tunnel: 0x1111,
        session: 0x2222,
        length: true,
        sequence: false,
        offset: None,
        pfc: true,
        acfc: true,
    };
    let packet = applied(&Rewrite::bare_l2tp(header), &varying(0, false));
    let expected = [6, 165, 6, 165, 0, 100, 0, 0, 0x40, 2, 0, 92, 0x11, 0x11, 0x22, 0x22, 0x21];
    assert_eq!(packet[..18], [&expected[..], &[0xaa]].concat());
    header = L2tpHeader {
        length: false,
        sequence: true,
        offset: Some(2),
        pfc: false,
        acfc: false,
        ..header
    };
    let packet = applied(&Rewrite::bare_l2tp(header), &varying(0, false));
    let expected =
        [0x0a, 2, 0x11, 0x11, 0x22, 0x22, 3, 4, 0, 0, 0, 2, 0, 0, 0xff, 3, 0, 0x21, 0xaa];
    assert_eq!(packet[8..27], expected);
    let all = L2tpHeader { length: true, offset: Some(16), ..header };
    assert_eq!(Rewrite::l2tp(v4(), all, OuterRules::default()).header_len(), 62);
}

#[test]
fn esp_in_udp_has_a_length_and_no_checksum() {
    let packet =
        applied(&Rewrite::esp_in_udp(v4(), 1025, OuterRules::default()), &varying(0, true));
    assert_eq!(packet[20..29], [0x11, 0x94, 4, 1, 0, 80, 0, 0, 0xaa]);
    assert_eq!(Ipv4::parse(&packet).unwrap().0.protocol, 17);
}

#[test]
fn a_packet_that_ip_cannot_describe_is_left_alone() {
    let rewrite = Rewrite::esp(v4(), OuterRules::default());
    let mut long = vec![7; 65_536];
    assert!(!rewrite.apply(&mut long, &varying(0, false)) && long.iter().all(|b| *b == 7));
    assert!(!rewrite.apply(&mut [7; 19], &varying(0, false)));
}
