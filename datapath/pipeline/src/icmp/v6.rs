//! ICMPv6 (RFC 4443).

use std::net::Ipv6Addr;

use wire::icmpv6::{self, Icmpv6};
use wire::ipv6::{self, Ipv6};
use wire::{checksum, protocol};
use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, IntoBytes};

use super::{Problem, affordable, send};
use crate::context::Context;

/// Longest error message: IPv6's smallest link (RFC 4443 2.4 c).
const ERROR_LEN_MAX: usize = 1280;

pub(super) fn report(
    ctx: &mut Context<'_>,
    source: Option<Ipv6Addr>,
    about: &Ipv6,
    data: &[u8],
    problem: Problem,
) {
    let Some(source) = source else { return };
    let upper = ipv6::upper(data);
    let of_an_error = upper.is_none_or(|upper| {
        let kind = data.get(upper.offset);
        upper.fragment_offset != 0
            || upper.protocol == protocol::ICMPV6 && kind.is_none_or(|kind| icmpv6::is_error(*kind))
    });
    // RFC 4443 2.4 (e.3): of the errors about a multicast, only this one helps its sender.
    let to_many = about.destination_addr().is_multicast();
    if of_an_error || to_many && !matches!(problem, Problem::TooBig(_)) || !affordable(ctx) {
        return;
    }
    let (kind, code, word) = match problem {
        Problem::NoRoute => (icmpv6::DESTINATION_UNREACHABLE, icmpv6::NO_ROUTE, 0),
        Problem::Unreachable => (icmpv6::DESTINATION_UNREACHABLE, icmpv6::ADDRESS_UNREACHABLE, 0),
        Problem::TtlExpired => (icmpv6::TIME_EXCEEDED, 0, 0),
        Problem::TooBig(mtu) => (icmpv6::PACKET_TOO_BIG, 0, u32::from(mtu)),
    };
    let header = Icmpv6 { kind, code, checksum: U16::ZERO, word: U32::new(word) };
    let quoted = data.get(..ERROR_LEN_MAX - Ipv6::LEN - Icmpv6::LEN).unwrap_or(data);
    let Some(mut frame) = ctx.pool.alloc() else { return };
    let payload_len = Icmpv6::LEN + quoted.len();
    let Some(room) = frame.append(Ipv6::LEN + payload_len) else {
        ctx.pool.free(frame);
        return;
    };
    let outer = Ipv6::new(source, about.source_addr(), protocol::ICMPV6, payload_len as u16);
    write_message(room, &outer, &header, quoted);
    send(ctx, frame, Ipv6::LEN);
}

fn write_message(room: &mut [u8], outer: &Ipv6, header: &Icmpv6, quoted: &[u8]) {
    let Some((ip, message)) = room.split_at_mut_checked(Ipv6::LEN) else { return };
    ip.copy_from_slice(outer.as_bytes());
    let Ok((icmp, body)) = Icmpv6::mut_from_prefix(message) else { return };
    *icmp = *header;
    body.copy_from_slice(quoted);
    let sum = message_sum(outer, message);
    if let Ok((icmp, _)) = Icmpv6::mut_from_prefix(message) {
        icmp.checksum.set(sum);
    }
}

/// The checksum of a message under this header (RFC 4443 2.3); zero when it holds its own.
fn message_sum(ip: &Ipv6, message: &[u8]) -> u16 {
    let (source, destination) = (ip.source_addr().into(), ip.destination_addr().into());
    let pseudo = checksum::pseudo(source, destination, protocol::ICMPV6, message.len());
    checksum::finish(checksum::add(pseudo, message))
}

/// `None`, with the packet unchanged, for anything but a sound echo request right behind IPv6.
pub(super) fn answer_echo(data: &mut [u8]) -> Option<()> {
    let (ip, message) = data.split_at_mut_checked(Ipv6::LEN)?;
    let (ip, _) = Ipv6::mut_from_prefix(ip).ok()?;
    let sound = message_sum(ip, message) == 0;
    let (icmp, _) = Icmpv6::mut_from_prefix(message).ok()?;
    let asked = ip.next_header == protocol::ICMPV6 && icmp.kind == icmpv6::ECHO_REQUEST;
    if !sound || !asked || ip.destination_addr().is_multicast() {
        return None;
    }
    let request = u16::from_be_bytes([icmp.kind, icmp.code]);
    icmp.kind = icmpv6::ECHO_REPLY;
    let reply = u16::from_be_bytes([icmp.kind, icmp.code]);
    // Swapping the addresses leaves the pseudo header's sum as it is.
    icmp.checksum.set(checksum::update(icmp.checksum.get(), request, reply));
    core::mem::swap(&mut ip.source, &mut ip.destination);
    ip.hop_limit = 64;
    Some(())
}
