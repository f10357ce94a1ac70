//! Security policies (RFC 4301 5.1, 5.2): what is protected, what passes, what is discarded, and
//! what may come out of a tunnel.

mod common;

use std::net::IpAddr;
use std::sync::Arc;

use common::*;
use esp::Suite;
use ipnet::IpNet;
use tables::{Action, DropReason, NexthopId, Policy, Selector, Selectors, Spd, TunnelId, Way};
use wire::protocol;
use wire::udp::Udp;
use zerocopy::IntoBytes;

const SUITE: Suite = Suite::AES128GCM16;

/// A UDP or TCP packet of 60 bytes between these ports.
fn between(source: IpAddr, destination: IpAddr, protocol: u8, ports: (u16, u16)) -> Vec<u8> {
    let ports = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut bytes =
                with_header(packet(source, destination, 60), |ip| ip.protocol = protocol);
            bytes[20..24].copy_from_slice(&ports);
            bytes
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut bytes = packet6(source, destination, 80);
            bytes[6] = protocol;
            bytes[40..44].copy_from_slice(&ports);
            bytes
        }
        _ => panic!("one version"),
    }
}

/// The sites' networks of both versions.
fn nets() -> [Box<[std::ops::RangeInclusive<IpAddr>]>; 2] {
    [["10.1.0.0/24", "fd01::/64"], ["10.2.0.0/24", "fd02::/64"]]
        .map(|nets| nets.map(|net| range(net.parse::<IpNet>().unwrap())).into())
}

/// TCP to a port of the far side's.
fn tcp_to(port: u16) -> Selector {
    let [local, remote] = nets();
    let (protocol, remote_ports) = (Some(protocol::TCP), Some(port..=port));
    Selector { local, remote, protocol, remote_ports, ..Selector::default() }
}

/// Site A with these policies, in this order, and selectors that are those which protect.
fn site(policies: &[(Selector, Action)]) -> Site {
    let mut a = Site::a(Join::Policy(SUITE));
    let protects = |(selector, action): &(Selector, Action)| {
        matches!(action, Action::Protect(_)).then(|| selector.clone())
    };
    let selectors = Selectors(policies.iter().filter_map(protects).collect());
    a.change_tunnel(|tunnel| tunnel.selectors = Some(selectors));
    let policy = |(selector, action): &(Selector, Action)| Policy {
        selector: selector.clone(),
        action: *action,
    };
    let list = policies.iter().map(policy).collect();
    a.change(|tables| tables.spd = Arc::new(Spd::build(vec![list])));
    a
}

const PROTECT: Action = Action::Protect(TunnelId(0));

#[test]
fn the_first_policy_that_covers_a_packet_protects_bypasses_or_discards_it() {
    let bypass = Action::Bypass(Way::Via(NexthopId(0)));
    let [local, remote] = nets();
    let rest = Selector { local, remote, ..Selector::default() };
    let mut a = site(&[(tcp_to(23), Action::Discard), (tcp_to(80), bypass), (rest, PROTECT)]);
    for (host, far) in [(A_HOST.into(), B_HOST.into()), (A_HOST6.into(), B_HOST6.into())] {
        let to = |port| between(host, far, protocol::TCP, (1024, port));
        let outcome = a.outcome(LAN, &frame(&to(23)));
        assert_eq!((outcome.at_peer.len(), outcome.dropped), (0, vec![DropReason::PolicyDiscard]));
        assert_eq!(a.host_sends(&to(80)), [one_hop_later(&to(80))], "in clear");
        let protected = a.host_sends(&to(22)).remove(0);
        assert_eq!(header(&protected).protocol, protocol::ESP);
    }
}

#[test]
fn a_bypass_without_a_route_and_a_packet_without_a_policy_go_nowhere() {
    let mut a = site(&[(tcp_to(80), Action::Bypass(Way::None)), (tcp_to(22), PROTECT)]);
    let to = |protocol, port| between(A_HOST.into(), B_HOST.into(), protocol, (1024, port));
    let mut refusal = |packet: &[u8]| a.outcome(LAN, &frame(packet)).dropped;
    assert_eq!(refusal(&to(protocol::TCP, 80)), [DropReason::NoRoute]);
    assert_eq!(refusal(&to(protocol::TCP, 81)), [DropReason::NoPolicy]);
    assert_eq!(refusal(&to(protocol::UDP, 22)), [DropReason::NoPolicy]);
    // Later fragments show no ports (RFC 4301 7): a selector that asks for them does not hold.
    let later = with_header(to(protocol::TCP, 22), |ip| ip.flags_offset.set(1));
    assert_eq!(refusal(&later), [DropReason::NoPolicy]);
}

#[test]
fn a_bypass_on_the_link_goes_to_the_destination_itself() {
    let mut a = site(&[(tcp_to(80), Action::Bypass(Way::OnLink(WAN)))]);
    a.change_nexthops(vec![hop(WAN, B_HOST)]);
    let sent = between(A_HOST.into(), B_HOST.into(), protocol::TCP, (1024, 80));
    assert_eq!(a.host_sends(&sent), [one_hop_later(&sent)]);
}

#[test]
fn a_later_fragment_does_not_slip_past_a_policy_with_ports_to_a_bypass() {
    let [local, remote] = nets();
    let rest = Selector { local, remote, ..Selector::default() };
    let mut a = site(&[(tcp_to(22), PROTECT), (rest, Action::Bypass(Way::Via(NexthopId(0))))]);
    let whole = between(A_HOST.into(), B_HOST.into(), protocol::TCP, (1024, 23));
    assert_eq!(a.host_sends(&whole).len(), 1);
    let later = with_header(whole, |ip| ip.flags_offset.set(1));
    assert_eq!(a.refusal(LAN, &frame(&later)), DropReason::PolicyDiscard);
}

#[test]
fn a_later_ipv6_fragment_that_starts_amid_options_does_not_slip_past_either() {
    let [local, remote] = nets();
    let rest = Selector { local, remote, ..Selector::default() };
    let mut a = site(&[(tcp_to(22), PROTECT), (rest, Action::Bypass(Way::Via(NexthopId(0))))]);
    let behind = |next: u8, extension: [u8; 8]| {
        let mut sent = between(A_HOST6.into(), B_HOST6.into(), protocol::TCP, (9, 23));
        sent.splice(40..40, extension);
        sent[6] = next;
        sent[5] += extension.len() as u8;
        sent
    };
    let seen = behind(protocol::DESTINATION_OPTIONS, [protocol::TCP, 0, 1, 4, 0, 0, 0, 0]);
    assert_eq!(a.host_sends(&seen), [one_hop_later(&seen)]);
    // The fragment before has the options' start, and only that tells what is behind them.
    let fragment = [protocol::DESTINATION_OPTIONS, 0, 0, 8, 0, 0, 0, 1];
    let unseen = behind(protocol::FRAGMENT, fragment);
    assert_eq!(a.refusal(LAN, &frame(&unseen)), DropReason::PolicyDiscard);
}

#[test]
fn ports_and_protocol_are_checked_on_what_comes_out_of_the_tunnel() {
    let mut a = site(&[(tcp_to(22), PROTECT)]);
    let sa = far_sa(SUITE, false);
    let mut receive = |inner: &[u8]| {
        let next = if inner[0] >> 4 == 6 { protocol::IPV6 } else { protocol::IPV4 };
        a.outcome(WAN, &frame(&sealed(&sa, next, inner)))
    };
    for (host, far) in [(A_HOST.into(), B_HOST.into()), (A_HOST6.into(), B_HOST6.into())] {
        // Seen from here the far side's port is the remote one: the source of what arrives.
        let from = |protocol, port| between(far, host, protocol, (port, 1024));
        assert_eq!(receive(&from(protocol::TCP, 22)).at_host.len(), 1);
        for wrong in [from(protocol::TCP, 23), from(protocol::UDP, 22)] {
            assert_eq!(receive(&wrong).dropped, [DropReason::EspSelectors]);
        }
    }
    let later = with_header(between(B_HOST.into(), A_HOST.into(), protocol::TCP, (22, 1)), |ip| {
        ip.flags_offset.set(1);
    });
    assert_eq!(receive(&later).dropped, [DropReason::EspSelectors]);
}

#[test]
fn an_sa_carries_nothing_that_its_peer_has_not_agreed_to() {
    let [local, remote] = nets();
    let rest = Selector { local, remote, ..Selector::default() };
    let mut a = site(&[(rest, PROTECT)]);
    let to = |port| between(A_HOST.into(), B_HOST.into(), protocol::TCP, (1024, port));
    assert_eq!(a.host_sends(&to(23)).len(), 1);
    a.change_tunnel(|tunnel| tunnel.narrowed = Some(Selectors([tcp_to(22)].into())));
    assert_eq!(a.host_sends(&to(22)).len(), 1);
    assert_eq!(a.refusal(LAN, &frame(&to(23))), DropReason::TunnelSelectors);
    // Whose ports cannot be seen, those are not the right ones.
    let later = with_header(to(22), |ip| ip.flags_offset.set(1));
    assert_eq!(a.refusal(LAN, &frame(&later)), DropReason::TunnelSelectors);
    // A run goes on without those that are refused.
    [22, 23, 22].map(to).iter().for_each(|packet| a.put_at_host(&frame(packet)));
    let outcome = a.wait(0);
    assert_eq!((outcome.at_peer.len(), outcome.dropped), (2, vec![DropReason::TunnelSelectors]));
}

#[test]
fn ports_are_found_behind_extension_headers() {
    let mut a = site(&[(tcp_to(22), PROTECT)]);
    let mut sent = between(A_HOST6.into(), B_HOST6.into(), protocol::TCP, (9, 22));
    let options = [protocol::TCP, 0, 1, 4, 0, 0, 0, 0];
    sent.splice(40..40, options);
    sent[6] = protocol::DESTINATION_OPTIONS;
    sent[5] += options.len() as u8;
    assert_eq!(a.host_sends(&sent).len(), 1);
}

#[test]
fn esp_in_udp_of_an_sa_without_udp_is_refused_and_the_other_way_round() {
    let (plain, in_udp) = (Join::Vti(SUITE), Join::VtiInUdp(SUITE));
    for (ours, theirs) in [(plain, in_udp), (in_udp, plain)] {
        let outer = Site::b(theirs).host_sends(&packet(B_HOST, A_HOST, 100)).remove(0);
        assert_eq!(Site::a(ours).refusal(WAN, &frame(&outer)), DropReason::EspWrongPeer);
    }
}

#[test]
fn udp_that_is_neither_esp_nor_l2tp_data_is_not_served() {
    let mut a = Site::a(Join::VtiInUdp(SUITE));
    let datagram = |port: u16, payload: &[u8]| {
        let len = (Udp::LEN + payload.len()) as u16;
        let udp = Udp {
            source_port: 4500.into(),
            destination_port: port.into(),
            len: len.into(),
            checksum: 0.into(),
        };
        frame(&outer(protocol::UDP, &[udp.as_bytes(), payload].concat()))
    };
    let ike = datagram(4500, &[0; 28]);
    let control_message = datagram(1701, &[0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0]);
    for other in [ike, datagram(4500, &[0xff]), datagram(53, &[1; 20]), control_message] {
        assert_eq!(a.refusal(WAN, &other), DropReason::NotServed);
    }
    let unknown_session = datagram(1701, &[0, 2, 0, 1, 0, 1, 0x21, 0x45]);
    assert_eq!(a.refusal(WAN, &unknown_session), DropReason::L2tpNoSession);
    let version_3 = datagram(1701, &[0, 3, 0, 1, 0, 1]);
    assert_eq!(a.refusal(WAN, &version_3), DropReason::L2tpMalformed);
    let truncated = frame(&outer(protocol::UDP, &[0x11, 0x94, 0x11]));
    assert_eq!(a.refusal(WAN, &truncated), DropReason::UdpMalformed);
}
