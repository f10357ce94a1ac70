//! Stage 3: GRE (RFC 2784, 2890) and IPIP (RFC 2003) taken off, in clear or out of ESP.

use port::Frame;
use tables::{DropReason, Payload};
use wire::Malformed;
use wire::ethernet;
use wire::gre::Gre;
use wire::ipv4::Ipv4;
use wire::protocol;
use zerocopy::FromBytes;

use crate::arrival::check_ipv4;
use crate::context::Context;
use crate::ecn;
use crate::packet::{Origin, Packet, Verdict};

/// Leaves the inner packet of every packet of a clear tunnel in the list.
pub(crate) fn decap(ctx: &mut Context<'_>, list: &mut [Packet]) {
    for packet in list {
        let Verdict::Decap(id) = packet.verdict else { continue };
        let Some(tunnel) = ctx.tables.tunnels.get(id.0 as usize) else {
            packet.verdict = Verdict::Drop(DropReason::GreNoTunnel);
            continue;
        };
        packet.verdict = match decap_one(packet, tunnel.payload) {
            Ok(()) => {
                packet.origin = Origin::Tunnel(id);
                packet.depth += 1;
                tunnel.counters.inbound.add(1, packet.frame.len() as u64);
                Verdict::Route
            }
            Err(reason) => Verdict::Drop(reason),
        };
    }
}

fn decap_one(packet: &mut Packet, payload: Payload) -> Result<(), DropReason> {
    let (outer, _) =
        Ipv4::ref_from_prefix(packet.frame.data()).map_err(|_| DropReason::Ipv4Truncated)?;
    let outer_tos = outer.tos;
    packet.frame.trim_front(usize::from(packet.header_len));
    packet.header_len = unwrap(&mut packet.frame, payload, outer_tos)? as u8;
    Ok(())
}

/// Takes off what `payload` says is in front of the packet, checks the packet, merges the
/// congestion marks of the headers that are gone, and gives the header's length.
pub(crate) fn unwrap(
    frame: &mut Frame,
    payload: Payload,
    mut outer_tos: u8,
) -> Result<usize, DropReason> {
    if let Payload::IpGre(ends, _) | Payload::IpIp(ends) = payload {
        let header_len = check_ipv4(frame)?;
        ecn::decapsulate(outer_tos, frame.data_mut())?;
        let (middle, _) =
            Ipv4::ref_from_prefix(frame.data()).map_err(|_| DropReason::Ipv4Truncated)?;
        let carries =
            if matches!(payload, Payload::IpIp(_)) { protocol::IPV4 } else { protocol::GRE };
        if middle.source_addr() != ends.remote
            || middle.destination_addr() != ends.local
            || middle.protocol != carries
        {
            return Err(DropReason::EspEndpoints);
        }
        if middle.is_fragment() {
            return Err(DropReason::OuterFragment);
        }
        outer_tos = middle.tos;
        frame.trim_front(header_len);
    }
    if let Payload::Gre(key) | Payload::IpGre(_, key) = payload {
        take_off_gre(frame, key)?;
    }
    let header_len = check_ipv4(frame)?;
    ecn::decapsulate(outer_tos, frame.data_mut())?;
    Ok(header_len)
}

fn take_off_gre(frame: &mut Frame, key: Option<u32>) -> Result<(), DropReason> {
    let gre = parse_gre(frame.data())?;
    if gre.key != key {
        return Err(DropReason::GreNoTunnel);
    }
    if gre.protocol != ethernet::IPV4 {
        return Err(DropReason::GreProtocol);
    }
    frame.trim_front(gre.header_len);
    Ok(())
}

/// Reads a GRE header, its faults by name.
pub(crate) fn parse_gre(packet: &[u8]) -> Result<wire::gre::Parsed, DropReason> {
    Gre::parse(packet).map_err(|error| match error {
        Malformed::Version => DropReason::GreVersion,
        Malformed::Reserved => DropReason::GreFlags,
        _ => DropReason::GreTruncated,
    })
}
