//! ICMP (RFC 792).

use std::net::Ipv4Addr;

use wire::icmp::{self, Icmp};
use wire::ipv4::Ipv4;
use wire::{checksum, protocol};
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, IntoBytes};

use super::{Problem, affordable, send};
use crate::context::Context;

/// Longest error message (RFC 1812 4.3.2.3).
const ERROR_LEN_MAX: usize = 576;
/// Precedence "internetwork control", which RFC 1812 4.3.2.5 asks of errors.
const TOS: u8 = 0xc0;

pub(super) fn report(
    ctx: &mut Context<'_>,
    source: Option<Ipv4Addr>,
    about: &Ipv4,
    data: &[u8],
    problem: Problem,
) {
    let Some(source) = source else { return };
    let kind = data.get(about.header_len());
    let of_an_error =
        about.protocol == protocol::ICMP && kind.is_none_or(|kind| icmp::is_error(*kind));
    let destination = about.destination_addr();
    if of_an_error
        || about.flags_offset.get() & Ipv4::OFFSET != 0
        || destination.is_multicast()
        || destination.is_broadcast()
        || !affordable(ctx)
    {
        return;
    }
    let (kind, code, mtu) = match problem {
        Problem::NoRoute => (icmp::UNREACHABLE, icmp::NET_UNREACHABLE, 0),
        Problem::Unreachable => (icmp::UNREACHABLE, icmp::HOST_UNREACHABLE, 0),
        Problem::TtlExpired => (icmp::TIME_EXCEEDED, icmp::TTL_EXCEEDED, 0),
        Problem::TooBig(mtu) => (icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED, mtu),
    };
    let (checksum, id, next_hop_mtu) = (U16::ZERO, U16::ZERO, U16::new(mtu));
    let header = Icmp { kind, code, checksum, id, next_hop_mtu };
    let quoted = data.get(..ERROR_LEN_MAX - Ipv4::LEN - Icmp::LEN).unwrap_or(data);
    let Some(mut frame) = ctx.pool.alloc() else { return };
    let payload_len = Icmp::LEN + quoted.len();
    let Some(room) = frame.append(Ipv4::LEN + payload_len) else {
        ctx.pool.free(frame);
        return;
    };
    let mut outer = Ipv4::new(source, about.source_addr(), protocol::ICMP, payload_len as u16);
    outer.tos = TOS;
    outer.id.set(ctx.identification.next());
    outer.fill_checksum();
    write_message(room, &outer, &header, quoted);
    send(ctx, frame, Ipv4::LEN);
}

fn write_message(room: &mut [u8], outer: &Ipv4, header: &Icmp, quoted: &[u8]) {
    let Some((ip, message)) = room.split_at_mut_checked(Ipv4::LEN) else { return };
    ip.copy_from_slice(outer.as_bytes());
    let Ok((icmp, body)) = Icmp::mut_from_prefix(message) else { return };
    *icmp = *header;
    body.copy_from_slice(quoted);
    let sum = checksum::of(message);
    if let Ok((icmp, _)) = Icmp::mut_from_prefix(message) {
        icmp.checksum.set(sum);
    }
}

/// `None`, with the packet unchanged, for anything but a whole and sound echo request.
pub(super) fn answer_echo(data: &mut [u8], header_len: usize, id: u16) -> Option<()> {
    let (ip, message) = data.split_at_mut_checked(header_len)?;
    let sound = checksum::of(message) == 0;
    let (ip, options) = Ipv4::mut_from_prefix(ip).ok()?;
    let (icmp, _) = Icmp::mut_from_prefix(message).ok()?;
    let asked = ip.protocol == protocol::ICMP && icmp.kind == icmp::ECHO_REQUEST;
    if !sound || !asked || ip.is_fragment() || !options.is_empty() {
        return None;
    }
    let request = u16::from_be_bytes([icmp.kind, icmp.code]);
    icmp.kind = icmp::ECHO_REPLY;
    let reply = u16::from_be_bytes([icmp.kind, icmp.code]);
    icmp.checksum.set(checksum::update(icmp.checksum.get(), request, reply));
    core::mem::swap(&mut ip.source, &mut ip.destination);
    ip.ttl = 64;
    ip.id.set(id);
    ip.fill_checksum();
    Some(())
}
