//! The border between control and workers: control writes these tables, workers read them.
//!
//! [`Tables`] is one immutable snapshot. Control builds the next one, sharing what did not change,
//! and publishes it whole ([`publish`]); a worker picks it up between two batches. What changes
//! with every packet (sequence numbers, replay windows, counters) lives behind the SA or the
//! worker, never in the snapshot.

#![deny(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use std::sync::Arc;

mod clear;
mod cloud;
pub mod counters;
mod demand;
mod drop_reason;
mod fib;
mod index;
pub mod latency;
mod multipath;
mod nexthop;
mod port;
pub mod publish;
mod rewrite;
mod sad;
mod selector;
mod sequences;
mod spd;
mod tunnel;
mod tunnels;

pub use clear::{ClearKind, ClearTunnels};
pub use cloud::{Cloud, CloudId, Entrance};
pub use demand::Demand;
pub use drop_reason::DropReason;
pub use fib::{Fib, Route};
pub use index::Index;
pub use multipath::{Flow, MultipathId, Multipaths};
pub use nexthop::{Neighbour, Nexthop, NexthopId, Nexthops};
pub use port::{PortEntry, PortId, Role};
pub use rewrite::{
    Df, Dscp, Ecn, GreHeader, Inner, L2tpHeader, OuterRules, Rewrite, Ttl, Varying, Version,
};
pub use sad::{InboundEntry, Sad};
pub use selector::{Selector, Selectors, Upper};
pub use sequences::Sequences;
pub use spd::{Action, Policy, PolicyListId, Spd, Way};
pub use tunnel::{
    Addresses, Carrier, Endpoints, Header, L2tpSession, MssClamp, Payload, Protection, Tunnel,
    TunnelId, WorkerSas,
};
pub use tunnels::Tunnels;

/// Everything a worker looks up, at one moment.
#[derive(Clone, Default)]
pub struct Tables {
    /// The ports, by [`PortId`].
    pub ports: Arc<[PortEntry]>,
    /// Where a destination goes.
    pub fib: Arc<Fib>,
    /// The paths of routes with several, by [`MultipathId`].
    pub multipaths: Arc<Multipaths>,
    /// Link-layer next hops, by [`NexthopId`].
    pub nexthops: Arc<Nexthops>,
    /// The tunnels, by [`TunnelId`].
    pub tunnels: Tunnels,
    /// Another one when a [`TunnelId`] or [`CloudId`] may mean another tunnel than before.
    pub numbering: u64,
    /// The multipoint tunnels' peers, by [`CloudId`].
    pub clouds: Arc<[Cloud]>,
    /// What policies say of packets to protected destinations.
    pub spd: Arc<Spd>,
    /// Inbound SAs by SPI.
    pub sad: Arc<Sad>,
    /// Tunnels without protection, by their endpoints.
    pub clear_tunnels: Arc<ClearTunnels>,
}
