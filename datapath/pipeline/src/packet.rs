//! A packet on its way through the stages.

use core::mem::discriminant;

use port::Frame;
use tables::{DropReason, NexthopId, PortId, TunnelId};

/// Where a packet came from; decides what it may do and who hears of its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Received on a port.
    Port(PortId),
    /// Received by the kernel, which put its fragments together; from the outside.
    Kernel,
    /// Taken out of a tunnel.
    Tunnel(TunnelId),
    /// Made by the gateway itself.
    Gateway,
}

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// To the route lookup.
    Route,
    /// To be opened by the SA in this slot of the SAD.
    Open(u32),
    /// Out of this clear tunnel.
    Decap(TunnelId),
    /// Into this tunnel.
    Encap(TunnelId),
    /// To this next hop.
    Out(NexthopId),
    /// Out of this port, link header and all.
    Transmit(PortId),
    /// To wait until the MAC of its destination, a neighbour on this port, is known.
    Hold(PortId),
    /// To control, which asked for such packets out of this tunnel.
    Punt(TunnelId),
    /// To wait until this tunnel has an SA.
    Await(TunnelId),
    /// Nowhere.
    Drop(DropReason),
}

/// The stages that packets are sent to, each with a list of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Route,
    Open,
    Decap,
    Encap,
    Out,
}

/// How many tunnels one packet may enter or leave in one turn. Two are GRE under ESP; a packet
/// that needs more than this is an attempt to keep the worker busy.
const DEPTH_MAX: u8 = 4;

// It is moved from list to list.
const _: () = assert!(size_of::<Packet>() <= 40);

/// A frame whose bytes start at an IP header that was checked and end where the packet ends.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) frame: Frame,
    pub(crate) origin: Origin,
    pub(crate) verdict: Verdict,
    /// Length of the IP header, bytes: with IPv4's options, without IPv6's extension headers.
    pub(crate) header_len: u8,
    /// How many tunnels it has passed in this turn.
    pub(crate) depth: u8,
    /// Position in its list while that is sorted, to keep the order of equals.
    pub(crate) ordinal: u16,
}

impl Packet {
    pub(crate) fn new(frame: Frame, origin: Origin, header_len: usize) -> Self {
        let header_len = header_len as u8;
        Self { frame, origin, verdict: Verdict::Route, header_len, depth: 0, ordinal: 0 }
    }

    /// The stage that its verdict sends it to; `None` when it waits, ends, or has passed too many
    /// tunnels to enter or leave another.
    #[inline]
    pub(crate) fn next(&self) -> Option<Next> {
        let deeper = |next| (self.depth < DEPTH_MAX).then_some(next);
        match self.verdict {
            Verdict::Route => Some(Next::Route),
            Verdict::Out(_) => Some(Next::Out),
            Verdict::Open(_) => deeper(Next::Open),
            Verdict::Decap(_) => deeper(Next::Decap),
            Verdict::Encap(_) => deeper(Next::Encap),
            Verdict::Transmit(_)
            | Verdict::Hold(_)
            | Verdict::Punt(_)
            | Verdict::Await(_)
            | Verdict::Drop(_) => None,
        }
    }

    /// Whether it goes to the same stage as another packet, `first`, does.
    #[inline]
    pub(crate) fn goes_with(&self, first: &Self) -> bool {
        discriminant(&self.verdict) == discriminant(&first.verdict) && self.depth < DEPTH_MAX
    }

    /// A packet that goes the same way as this one, with other bytes.
    pub(crate) fn sibling(&self, frame: Frame) -> Self {
        let Self { origin, verdict, header_len, depth, ordinal, .. } = *self;
        Self { frame, origin, verdict, header_len, depth, ordinal }
    }
}
