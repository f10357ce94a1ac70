//! ICMP that the gateway originates: errors, at a bounded rate, and echo replies.

use std::net::Ipv4Addr;

use tables::{DropReason, Role};
use wire::checksum;
use wire::icmp::{self, Icmp};
use wire::ipv4::Ipv4;
use wire::protocol;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, IntoBytes};

use crate::context::Context;
use crate::packet::{Origin, Packet};

/// Errors per second and worker in the long run (RFC 1812 4.3.2.8).
const RATE_PER_S: u64 = 1000;
/// Errors that may be sent at once.
const BURST: u64 = 50;
/// Longest error message (RFC 1812 4.3.2.3).
const ERROR_LEN_MAX: usize = 576;
/// Precedence "internetwork control", which RFC 1812 4.3.2.5 asks of errors.
const TOS: u8 = 0xc0;

/// A token bucket for the errors of one worker.
#[derive(Debug)]
pub(crate) struct ErrorBudget {
    tokens: u64,
    refilled_ns: u64,
}

impl ErrorBudget {
    pub(crate) fn new() -> Self {
        Self { tokens: BURST, refilled_ns: 0 }
    }

    fn take(&mut self, now_ns: u64) -> bool {
        const NS_PER_TOKEN: u64 = 1_000_000_000 / RATE_PER_S;
        let earned = now_ns.saturating_sub(self.refilled_ns) / NS_PER_TOKEN;
        self.refilled_ns += earned * NS_PER_TOKEN;
        self.tokens = self.tokens.saturating_add(earned).min(BURST);
        let granted = self.tokens > 0;
        self.tokens -= u64::from(granted);
        granted
    }
}

/// Tells the sender of `packet` what became of it, if it may be told (RFC 1122 3.2.2): never about
/// an error, a later fragment, or a packet to or from more than one host, and never toward the
/// outside, whose clear traffic is the kernel's.
#[cold]
pub(crate) fn report(
    ctx: &mut Context<'_>,
    packet: &Packet,
    kind: u8,
    code: u8,
    next_hop_mtu: u16,
) {
    let Some(source) = reporter(ctx, packet) else { return };
    let data = packet.frame.data();
    let Ok((about, behind)) = Ipv4::ref_from_prefix(data) else { return };
    let of_an_error =
        about.protocol == protocol::ICMP && behind.first().is_none_or(|kind| icmp::is_error(*kind));
    let destination = about.destination_addr();
    if of_an_error
        || about.flags_offset.get() & Ipv4::OFFSET != 0
        || destination.is_multicast()
        || destination.is_broadcast()
    {
        return;
    }
    if !ctx.errors.take(ctx.now_ns) {
        ctx.counters.icmp_withheld.add(1);
        return;
    }
    let header = Icmp {
        kind,
        code,
        checksum: U16::ZERO,
        id: U16::ZERO,
        next_hop_mtu: U16::new(next_hop_mtu),
    };
    let to = about.source_addr();
    let quoted = data.get(..ERROR_LEN_MAX - Ipv4::LEN - Icmp::LEN).unwrap_or(data);
    let Some(mut frame) = ctx.pool.alloc() else { return };
    let payload_len = Icmp::LEN + quoted.len();
    let Some(room) = frame.append(Ipv4::LEN + payload_len) else {
        ctx.pool.free(frame);
        return;
    };
    let mut outer = Ipv4::new(source, to, protocol::ICMP, payload_len as u16);
    outer.tos = TOS;
    outer.id.set(ctx.identification.next());
    outer.fill_checksum();
    write_message(room, &outer, &header, quoted);
    ctx.counters.icmp_sent.add(1);
    ctx.make(Packet::new(frame, Origin::Gateway, Ipv4::LEN));
}

/// The address that an error about this packet comes from; `None` when nobody is to be told.
fn reporter(ctx: &Context<'_>, packet: &Packet) -> Option<Ipv4Addr> {
    match packet.origin {
        Origin::Port(port) => {
            let entry = ctx.tables.ports.get(usize::from(port.0))?;
            if entry.role == Role::Inside { entry.address } else { None }
        }
        Origin::Tunnel(tunnel) => ctx.tables.tunnels.get(tunnel.0 as usize)?.address,
        Origin::Gateway => None,
    }
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

/// Turns an echo request to one of our addresses into its reply, in place.
///
/// # Errors
/// [`DropReason::NotServed`] for any other ICMP message, a fragment, or a wrong checksum.
pub(crate) fn answer_echo(ctx: &mut Context<'_>, packet: &mut Packet) -> Result<(), DropReason> {
    let header_len = usize::from(packet.header_len);
    let id = ctx.identification.next();
    let data = packet.frame.data_mut();
    let Some((ip, message)) = data.split_at_mut_checked(header_len) else {
        return Err(DropReason::NotServed);
    };
    let sound = checksum::of(message) == 0;
    let Ok((ip, options)) = Ipv4::mut_from_prefix(ip) else { return Err(DropReason::NotServed) };
    let Ok((icmp, _)) = Icmp::mut_from_prefix(message) else { return Err(DropReason::NotServed) };
    if !sound || icmp.kind != icmp::ECHO_REQUEST || ip.is_fragment() || !options.is_empty() {
        return Err(DropReason::NotServed);
    }
    let request = u16::from_be_bytes([icmp.kind, icmp.code]);
    icmp.kind = icmp::ECHO_REPLY;
    let reply = u16::from_be_bytes([icmp.kind, icmp.code]);
    icmp.checksum.set(checksum::update(icmp.checksum.get(), request, reply));
    core::mem::swap(&mut ip.source, &mut ip.destination);
    ip.ttl = 64;
    ip.id.set(id);
    ip.fill_checksum();
    packet.origin = Origin::Gateway;
    Ok(())
}
