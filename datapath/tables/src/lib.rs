//! The border between control and workers: control writes these tables, workers read them.
//!
//! [`Tables`] is one immutable snapshot. Control builds the next one, sharing what did not change,
//! and publishes it whole ([`publish`]); a worker picks it up between two turns. What changes with
//! every packet (sequence numbers, replay windows, counters) lives behind the SA or the worker,
//! never in the snapshot.

#![deny(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use std::sync::Arc;

pub mod counters;
mod drop_reason;
mod fib;
mod index;
mod nexthop;
mod port;
pub mod publish;
mod rewrite;
mod sad;
mod tunnel;

pub use drop_reason::DropReason;
pub use fib::{Fib, Route};
pub use index::Index;
pub use nexthop::{Neighbour, Nexthop, NexthopId, Nexthops};
pub use port::{PortEntry, PortId, Role};
pub use rewrite::{Df, Dscp, OuterRules, Rewrite};
pub use sad::{InboundEntry, Sad};
pub use tunnel::{
    ClearKind, ClearTunnels, Endpoints, Payload, Protection, Selectors, Tunnel, TunnelId,
};

/// Everything a worker looks up, at one moment.
#[derive(Clone, Default)]
pub struct Tables {
    /// The ports, by [`PortId`].
    pub ports: Arc<[PortEntry]>,
    /// Where a destination goes.
    pub fib: Arc<Fib>,
    /// Link-layer next hops, by [`NexthopId`].
    pub nexthops: Arc<Nexthops>,
    /// The tunnels, by [`TunnelId`].
    pub tunnels: Arc<[Tunnel]>,
    /// Inbound SAs by SPI.
    pub sad: Arc<Sad>,
    /// Tunnels without protection, by their endpoints.
    pub clear_tunnels: Arc<ClearTunnels>,
}
