//! Stage 3: GRE taken off (RFC 2784).

use tables::DropReason;
use wire::Malformed;
use wire::ethernet;
use wire::gre::Gre;
use wire::ipv4::Ipv4;
use zerocopy::FromBytes;

use crate::arrival::check_ipv4;
use crate::context::Context;
use crate::ecn;
use crate::packet::{Origin, Packet, Verdict};

/// Leaves the inner packet of every GRE packet of the list.
pub(crate) fn decap(ctx: &mut Context<'_>, list: &mut [Packet]) {
    for packet in list {
        let Verdict::Gre(tunnel) = packet.verdict else { continue };
        packet.verdict = match decap_one(packet) {
            Ok(()) => {
                packet.origin = Origin::Tunnel(tunnel);
                if let Some(entry) = ctx.tables.tunnels.get(tunnel.0 as usize) {
                    entry.counters.inbound.add(1, packet.frame.len() as u64);
                }
                Verdict::Route
            }
            Err(reason) => Verdict::Drop(reason),
        };
    }
}

fn decap_one(packet: &mut Packet) -> Result<(), DropReason> {
    let (outer, behind) =
        Ipv4::ref_from_prefix(packet.frame.data()).map_err(|_| DropReason::Ipv4Truncated)?;
    let outer_tos = outer.tos;
    let (gre, _) = Gre::split(behind).map_err(|error| match error {
        Malformed::Version => DropReason::GreVersion,
        Malformed::Reserved => DropReason::GreFlags,
        _ => DropReason::GreTruncated,
    })?;
    if gre.protocol.get() != ethernet::IPV4 {
        return Err(DropReason::GreProtocol);
    }
    packet.frame.trim_front(Ipv4::LEN + Gre::LEN);
    packet.header_len = check_ipv4(&mut packet.frame)? as u8;
    ecn::decapsulate(outer_tos, packet.frame.data_mut())?;
    packet.depth += 1;
    Ok(())
}
