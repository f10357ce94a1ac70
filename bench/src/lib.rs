//! Measurements of the datapath: the real worker over ports that cost nothing.
//!
//! A [`Lane`] is one gateway and one direction through it. Packets are laid out for it, it turns,
//! and what left is taken away; only the turn is measured ([`counters`], [`measure`]). The
//! gateways and their packets are those of pipeline's tests.

#![forbid(unsafe_code)]

pub mod anchors;
pub mod baseline;
pub mod cli;
pub mod clock;
pub mod counters;
pub mod crew;
mod cycles;
mod gateway;
mod handshakes;
mod lane;
mod machine;
pub mod measure;
mod memory;
mod ospf;
pub mod pipelines;
pub mod pktgen;
mod progress;
pub mod rekey;
pub mod sharing;
mod table;
mod tape;
mod tray;

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../datapath/pipeline/tests/common/packets.rs"]
mod packets;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../datapath/pipeline/tests/common/scale.rs"]
mod scale;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../datapath/pipeline/tests/common/topology.rs"]
mod topology;

/// The tables and packets that are measured with.
pub mod sites {
    pub use crate::scale::{Scale, flow};
    pub use crate::topology::{Join, numbered_sa_pair};
}

pub use gateway::{Lost, PER_TURN};
pub use lane::{Lane, Load};
pub use tray::Tray;
