//! Addressed to the gateway: a tunnel's packet, an echo request, control's, or nothing that is
//! served here.

use std::net::IpAddr;

use tables::{ClearKind, DropReason};
use wire::esp::Esp;
use wire::ipv4::Ipv4;
use wire::ipv6;
use wire::udp::{self, Udp};
use wire::{l2tp, protocol};

use crate::context::Context;
use crate::decap::parse_gre;
use crate::forward::came_from_outside;
use crate::icmp::answer_echo;
use crate::ip::Ip;
use crate::packet::{Packet, Verdict};
use crate::punt;

/// What becomes of a packet to one of our addresses.
pub(crate) fn local(ctx: &mut Context<'_>, packet: &mut Packet) -> Result<Verdict, DropReason> {
    let data = packet.frame.data();
    let ip = Ip::of(data)?;
    let (ours, theirs) = (ip.destination(), ip.source());
    let protocol = protocol_to_us(ip, data);
    if is_encapsulation(protocol) {
        plain_outer(ip, usize::from(packet.header_len))?;
    }
    let payload = data.get(usize::from(packet.header_len)..).unwrap_or_default();
    match protocol {
        protocol::ESP => open(ctx, payload),
        protocol::GRE => {
            let kind = ClearKind::Gre(parse_gre(payload)?.key);
            clear_tunnel(ctx, kind, ours, theirs).ok_or(DropReason::GreNoTunnel)
        }
        protocol::IPV4 | protocol::IPV6 => {
            clear_tunnel(ctx, ClearKind::Ipip, ours, theirs).ok_or(DropReason::IpipNoTunnel)
        }
        protocol::UDP => udp(ctx, packet, ours, theirs),
        protocol::ICMP | protocol::ICMPV6 if !came_from_outside(ctx, packet) => {
            answer_echo(ctx, packet)?;
            Ok(Verdict::Route)
        }
        protocol::OSPF => punt::wanted(ctx, packet).unwrap_or(Err(DropReason::NotServed)),
        _ => Err(DropReason::NotServed),
    }
}

/// What the packet is, behind any extension headers.
fn protocol_to_us(ip: Ip<'_>, data: &[u8]) -> u8 {
    match ip {
        Ip::V4(header) => header.protocol,
        Ip::V6(header) if ipv6::is_extension(header.next_header) => {
            ipv6::upper(data).map_or(protocol::NONE, |upper| upper.protocol)
        }
        Ip::V6(header) => header.next_header,
    }
}

fn is_encapsulation(protocol: u8) -> bool {
    matches!(protocol, protocol::ESP | protocol::GRE | protocol::IPV4 | protocol::IPV6)
}

/// A tunnel's outer header is whole and has nothing extra.
fn plain_outer(ip: Ip<'_>, header_len: usize) -> Result<(), DropReason> {
    match ip {
        Ip::V4(header) if header.is_fragment() => Err(DropReason::OuterFragment),
        Ip::V4(_) if header_len > Ipv4::LEN => Err(DropReason::OuterOptions),
        Ip::V6(header) if header.next_header == protocol::FRAGMENT => {
            Err(DropReason::OuterFragment)
        }
        Ip::V6(header) if !is_encapsulation(header.next_header) => Err(DropReason::OuterOptions),
        Ip::V4(_) | Ip::V6(_) => Ok(()),
    }
}

fn open(ctx: &Context<'_>, esp: &[u8]) -> Result<Verdict, DropReason> {
    let (esp, _) = Esp::split(esp).map_err(|_| DropReason::EspTruncated)?;
    ctx.tables.sad.slot(esp.spi.get()).map(Verdict::Open).ok_or(DropReason::EspNoSa)
}

/// ESP in UDP (RFC 3948) or L2TP data (RFC 2661), over IPv4; what else is sent to their ports, IKE
/// for one, the kernel has had already.
fn udp(
    ctx: &Context<'_>,
    packet: &Packet,
    ours: IpAddr,
    theirs: IpAddr,
) -> Result<Verdict, DropReason> {
    let data = packet.frame.data();
    let header_len = usize::from(packet.header_len);
    let ip = Ip::of(data)?;
    if matches!(ip, Ip::V6(_)) {
        return Err(DropReason::NotServed);
    }
    let datagram = data.get(header_len..).unwrap_or_default();
    let (udp, payload) = Udp::split(datagram).map_err(|_| DropReason::UdpMalformed)?;
    match udp.destination_port.get() {
        udp::ESP_PORT if payload.first_chunk().is_some_and(|marker| *marker != [0; 4]) => {
            plain_outer(ip, header_len)?;
            open(ctx, payload)
        }
        udp::BFD_PORT => punt::wanted(ctx, packet).unwrap_or(Err(DropReason::NotServed)),
        udp::L2TP_PORT => {
            plain_outer(ip, header_len)?;
            let header = l2tp::parse(payload).map_err(|_| DropReason::L2tpMalformed)?;
            if header.control {
                return Err(DropReason::NotServed);
            }
            let kind = ClearKind::L2tp { tunnel: header.tunnel, session: header.session };
            clear_tunnel(ctx, kind, ours, theirs).ok_or(DropReason::L2tpNoSession)
        }
        _ => Err(DropReason::NotServed),
    }
}

fn clear_tunnel(
    ctx: &Context<'_>,
    kind: ClearKind,
    ours: IpAddr,
    theirs: IpAddr,
) -> Option<Verdict> {
    ctx.tables.clear_tunnels.find(kind, ours, theirs).map(Verdict::Decap)
}
