//! Measurements of the datapath: the real worker over ports that cost nothing.
//!
//! A [`Lane`] is one gateway and one direction through it. Packets are laid out for it, it turns,
//! and what left is taken away; only the turn is to be timed. The gateways and their packets are
//! those of pipeline's tests.

#![forbid(unsafe_code)]

mod lane;
pub mod pktgen;
mod tray;

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../datapath/pipeline/tests/common/packets.rs"]
mod packets;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../datapath/pipeline/tests/common/topology.rs"]
mod topology;

pub use lane::{Join, Lane, PER_TURN};
pub use tray::Tray;
