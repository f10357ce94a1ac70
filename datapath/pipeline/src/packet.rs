//! A packet on its way through the stages.

use std::net::IpAddr;

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
    /// To wait until this neighbour's MAC is known.
    Hold(PortId, IpAddr),
    /// Nowhere.
    Drop(DropReason),
}

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
    /// Position in its list, to keep the order of equals when lists are sorted.
    pub(crate) ordinal: u32,
}

impl Packet {
    pub(crate) fn new(frame: Frame, origin: Origin, header_len: usize) -> Self {
        let header_len = header_len as u8;
        Self { frame, origin, verdict: Verdict::Route, header_len, depth: 0, ordinal: 0 }
    }

    /// A packet that goes the same way as this one, with other bytes.
    pub(crate) fn sibling(&self, frame: Frame) -> Self {
        let Self { origin, verdict, header_len, depth, ordinal, .. } = *self;
        Self { frame, origin, verdict, header_len, depth, ordinal }
    }
}
