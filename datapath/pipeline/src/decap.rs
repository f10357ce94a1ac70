//! Stage 3: GRE (RFC 2784, 2890), IP in IP (RFC 2003) and L2TP (RFC 2661) taken off, in clear or
//! out of ESP.

use std::net::IpAddr;

use port::Frame;
use tables::{Carrier, DropReason, Endpoints, GreHeader, L2tpSession, Tunnel, Version};
use wire::gre::Gre;
use wire::udp::{self, Udp};
use wire::{Malformed, checksum, ethernet, ipv6, l2tp, ppp, protocol};

use crate::context::Context;
use crate::ip::{Ip, check};
use crate::keepalive;
use crate::packet::{Origin, Packet, Verdict};
use crate::{ecn, mss};

/// What is known of the headers that are gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outer {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) tos: u8,
    /// Whether a NAT may have changed the addresses since the sender made checksums of them.
    pub(crate) translated: bool,
}

/// Leaves the inner packet of every packet of a clear tunnel in the list.
pub(crate) fn decap(ctx: &mut Context<'_>, list: &mut [Packet]) {
    for packet in list {
        let Verdict::Decap(id) = packet.verdict else { continue };
        let Some(tunnel) = ctx.tables.tunnels.get(id.0 as usize) else {
            packet.verdict = Verdict::Drop(DropReason::GreNoTunnel);
            continue;
        };
        packet.verdict = match decap_one(packet, tunnel) {
            Ok(()) => {
                packet.origin = Origin::Tunnel(id);
                packet.depth += 1;
                tunnel.counters.inbound.add(1, packet.frame.len() as u64);
                keepalive::reflect(packet, tunnel).unwrap_or(Verdict::Route)
            }
            Err(reason) => Verdict::Drop(reason),
        };
    }
}

fn decap_one(packet: &mut Packet, tunnel: &Tunnel) -> Result<(), DropReason> {
    let ip = Ip::of(packet.frame.data())?;
    let outer = Outer {
        source: ip.source(),
        destination: ip.destination(),
        tos: ip.tos(),
        translated: false,
    };
    let next = ip.protocol();
    packet.frame.trim_front(usize::from(packet.header_len));
    packet.header_len = unwrap(tunnel, &mut packet.frame, next, outer)? as u8;
    Ok(())
}

/// Takes off what the tunnel says is in front of the packet, of which the first header is of
/// protocol `next`, checks the packet, merges the congestion marks of the headers that are gone,
/// and gives the header's length.
pub(crate) fn unwrap(
    tunnel: &Tunnel,
    frame: &mut Frame,
    mut next: u8,
    mut outer: Outer,
) -> Result<usize, DropReason> {
    if let Some(ends) = tunnel.payload.between {
        (next, outer) = take_off_ip(frame, ends, next, outer)?;
    }
    let version = match (tunnel.payload.carrier, next) {
        (Carrier::Ip, protocol::IPV4) => Version::V4,
        (Carrier::Ip, protocol::IPV6) => Version::V6,
        (Carrier::Gre(header), protocol::GRE) => take_off_gre(tunnel, frame, header)?,
        (Carrier::L2tp(session), protocol::UDP) => take_off_l2tp(tunnel, frame, session, outer)?,
        _ => return Err(DropReason::EspEndpoints),
    };
    let header_len = check(frame, version)?;
    ecn::decapsulate(outer.tos, frame.data_mut())?;
    mss::clamp(tunnel, frame.data_mut(), header_len);
    Ok(header_len)
}

/// The IP header of a tunnel under ESP tunnel mode; gives what is behind it.
fn take_off_ip(
    frame: &mut Frame,
    ends: Endpoints,
    next: u8,
    outer: Outer,
) -> Result<(u8, Outer), DropReason> {
    let version = Version::of(ends.local);
    if next != version.protocol() {
        return Err(DropReason::EspEndpoints);
    }
    let header_len = check(frame, version)?;
    ecn::decapsulate(outer.tos, frame.data_mut())?;
    let middle = Ip::of(frame.data())?;
    if middle.source() != ends.remote || middle.destination() != ends.local {
        return Err(DropReason::EspEndpoints);
    }
    let (next, len) = match middle {
        Ip::V4(header) if header.is_fragment() => return Err(DropReason::OuterFragment),
        // Linux puts a destination option in front of what it tunnels (RFC 2473 4.1.1).
        Ip::V6(header) if ipv6::is_extension(header.next_header) => {
            let upper = ipv6::upper(frame.data()).ok_or(DropReason::OuterOptions)?;
            if upper.is_fragment {
                return Err(DropReason::OuterFragment);
            }
            (upper.protocol, upper.offset)
        }
        Ip::V4(_) | Ip::V6(_) => (middle.protocol(), header_len),
    };
    let (source, destination) = (middle.source(), middle.destination());
    let found = Outer { source, destination, tos: middle.tos(), translated: false };
    frame.trim_front(len);
    Ok((next, found))
}

fn take_off_gre(
    tunnel: &Tunnel,
    frame: &mut Frame,
    agreed: GreHeader,
) -> Result<Version, DropReason> {
    let gre = parse_gre(frame.data())?;
    if gre.key != agreed.key {
        return Err(DropReason::GreNoTunnel);
    }
    if agreed.checksum && !gre.checksum {
        return Err(DropReason::GreFlags);
    }
    if gre.checksum && !Gre::checksum_holds(frame.data()) {
        return Err(DropReason::GreChecksum);
    }
    let version = match gre.protocol {
        ethernet::IPV4 => Version::V4,
        ethernet::IPV6 => Version::V6,
        _ => return Err(DropReason::GreProtocol),
    };
    if agreed.sequence {
        let sequence = gre.sequence.ok_or(DropReason::GreFlags)?;
        if !tunnel.sequences.accept(sequence, 32) {
            return Err(DropReason::GreSequence);
        }
    }
    frame.trim_front(gre.header_len);
    Ok(version)
}

/// Reads a GRE header, its faults by name.
pub(crate) fn parse_gre(packet: &[u8]) -> Result<wire::gre::Parsed, DropReason> {
    Gre::parse(packet).map_err(|error| match error {
        Malformed::Version => DropReason::GreVersion,
        Malformed::Reserved => DropReason::GreFlags,
        _ => DropReason::GreTruncated,
    })
}

fn take_off_l2tp(
    tunnel: &Tunnel,
    frame: &mut Frame,
    session: L2tpSession,
    outer: Outer,
) -> Result<Version, DropReason> {
    take_off_udp(frame, outer)?;
    let header = l2tp::parse(frame.data()).map_err(|_| DropReason::L2tpMalformed)?;
    if header.control {
        return Err(DropReason::NotServed);
    }
    if (header.tunnel, header.session) != (session.tunnel, session.session) {
        return Err(DropReason::L2tpNoSession);
    }
    frame.truncate(header.len);
    frame.trim_front(header.header_len);
    let (ppp, ppp_len) = ppp::parse(frame.data()).map_err(|_| DropReason::PppProtocol)?;
    let version = match ppp {
        ppp::IPV4 => Version::V4,
        ppp::IPV6 => Version::V6,
        _ => return Err(DropReason::PppProtocol),
    };
    if session.sequence {
        let (ns, _) = header.sequence.ok_or(DropReason::L2tpSequence)?;
        if !tunnel.sequences.accept(u32::from(ns), 16) {
            return Err(DropReason::L2tpSequence);
        }
    }
    frame.trim_front(ppp_len);
    Ok(version)
}

fn take_off_udp(frame: &mut Frame, outer: Outer) -> Result<(), DropReason> {
    let (header, _) = Udp::split(frame.data()).map_err(|_| DropReason::UdpMalformed)?;
    let (port, len) = (header.destination_port.get(), usize::from(header.len.get()));
    let checksummed = header.checksum.get() != 0;
    if port != udp::L2TP_PORT {
        return Err(DropReason::NotServed);
    }
    if len < Udp::LEN || len > frame.len() {
        return Err(DropReason::UdpMalformed);
    }
    frame.truncate(len);
    // RFC 3948 3.1.2: behind a NAT the checksum is about addresses that nobody has any more.
    if checksummed && !outer.translated {
        let pseudo = checksum::pseudo(outer.source, outer.destination, protocol::UDP, len);
        if checksum::finish(checksum::add(pseudo, frame.data())) != 0 {
            return Err(DropReason::UdpMalformed);
        }
    }
    frame.trim_front(Udp::LEN);
    Ok(())
}
