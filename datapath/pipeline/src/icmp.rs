//! ICMP that the gateway originates: errors, at a bounded rate, and echo replies.

use port::Frame;
use tables::{Addresses, DropReason, Role};

use crate::context::Context;
use crate::ip::Ip;
use crate::packet::{Origin, Packet};

mod v4;
mod v6;

/// Errors per second and worker in the long run (RFC 1812 4.3.2.8, RFC 4443 2.4).
const RATE_PER_S: u64 = 1000;
/// Errors that may be sent at once.
const BURST: u64 = 50;

/// What a sender is told about its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// No route covers the destination.
    NoRoute,
    /// The next hop does not answer, or nobody knows where it is.
    Unreachable,
    /// The TTL or hop limit ran out here.
    TtlExpired,
    /// It does not fit, and this is what does, bytes.
    TooBig(u16),
}

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

/// Tells the sender of `packet` what became of it, if it may be told (RFC 1122 3.2.2, RFC 4443
/// 2.4): never about an error, a later fragment, or a packet to or from more than one host, and
/// never toward the outside, whose clear traffic is the kernel's.
#[cold]
pub(crate) fn report(ctx: &mut Context<'_>, packet: &Packet, problem: Problem) {
    let Some(addresses) = reporter(ctx, packet) else { return };
    let data = packet.frame.data();
    match Ip::of(data) {
        Ok(Ip::V4(about)) => v4::report(ctx, addresses.v4, about, data, problem),
        Ok(Ip::V6(about)) => v6::report(ctx, addresses.v6, about, data, problem),
        Err(_) => {}
    }
}

/// The addresses that an error about this packet comes from; `None` when nobody is to be told.
fn reporter(ctx: &Context<'_>, packet: &Packet) -> Option<Addresses> {
    match packet.origin {
        Origin::Port(port) => {
            let entry = ctx.tables.ports.get(port.index())?;
            (entry.role == Role::Inside).then_some(entry.addresses)
        }
        Origin::Tunnel(tunnel) => {
            ctx.tables.tunnels.get(tunnel.0 as usize).map(|tunnel| tunnel.addresses)
        }
        Origin::Gateway | Origin::Kernel => None,
    }
}

/// Whether the budget allows one more error; counts if it does not.
fn affordable(ctx: &mut Context<'_>) -> bool {
    let granted = ctx.errors.take(ctx.now_ns);
    ctx.counters.icmp_withheld.add(u64::from(!granted));
    granted
}

/// Sends an error that was written into `frame`.
fn send(ctx: &mut Context<'_>, frame: Frame, header_len: usize) {
    ctx.counters.icmp_sent.add(1);
    ctx.make(Packet::new(frame, Origin::Gateway, header_len));
}

/// Turns an echo request to one of our addresses into its reply, in place.
///
/// # Errors
/// [`DropReason::NotServed`] for any other ICMP message, a fragment, or a wrong checksum.
pub(crate) fn answer_echo(ctx: &mut Context<'_>, packet: &mut Packet) -> Result<(), DropReason> {
    let id = ctx.identification.next();
    let header_len = usize::from(packet.header_len);
    let data = packet.frame.data_mut();
    let is_v6 = data.first().is_some_and(|byte| byte >> 4 == 6);
    let answered =
        if is_v6 { v6::answer_echo(data) } else { v4::answer_echo(data, header_len, id) };
    answered.ok_or(DropReason::NotServed)?;
    packet.origin = Origin::Gateway;
    Ok(())
}
