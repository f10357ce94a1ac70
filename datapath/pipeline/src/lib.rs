//! What happens to a packet between its receive ring and its transmit ring.
//!
//! A [`Worker`] turns: it receives a batch from each of its ports, takes every packet through the
//! stages below, and transmits. Each stage is a plain loop over the packets that need it, in one
//! file, and ends by saying for each packet where it goes next (its verdict).
//!
//! 1. `arrival`: Ethernet off, the IP header checked once.
//! 2. `forward`: TTL, route, policy: to ourselves (`local`), out of a port, or into a tunnel.
//! 3. `inbound`: ESP opened, runs of one SA at a time; `decap`: GRE, IP in IP and L2TP taken off.
//!    Back to 2.
//! 4. `outbound`: size, ESP sealed and outer headers put on, runs of one tunnel at a time.
//! 5. `emit`: Ethernet on, into the port's transmit batch; `hold` keeps what still lacks a MAC,
//!    and `waiting` what lacks an SA.
//!
//! `punt` hands control the packets of its own protocols, and sends those that it makes. `icmp` and
//! `fragment` make the packets that errors and small MTUs call for; `latency` measures
//! how long sampled batches take.

#![deny(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod arrival;
mod context;
mod decap;
mod ecn;
mod emit;
mod event;
mod forward;
mod fragment;
mod hold;
mod icmp;
mod inbound;
mod ip;
mod keepalive;
mod latency;
mod local;
mod mss;
mod outbound;
mod packet;
mod punt;
mod queues;
mod replicate;
mod rings;
mod waiting;
mod worker;

pub use event::{Event, EventRing};
pub use latency::Clock;
pub use punt::{InjectRing, Injected, PUNT_LEN_MAX, PuntRing, Punted};
pub use rings::Rings;
pub use worker::{BATCH, Worker, WorkerId};
