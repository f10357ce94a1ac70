//! OSPFv2 (RFC 2328) as a state machine: packets and the time come in, packets and routes go out.
//!
//! The shell tells [`Ospf`] of interfaces, packets and the time, and takes what it has to say from
//! one ordered queue. The modules are the RFC's nouns: an `interface` and its `neighbor`s with
//! their state machines, the `exchange` of databases and their `loading`, an `lsdb` for each scope,
//! `flood`ing, what this router `originate`s, the shortest paths (`spf`) and the `routes` of them.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod adjacency;
mod area;
mod election;
mod exchange;
mod external;
mod flood;
mod grace;
mod hello;
mod instance;
mod interface;
mod loading;
mod lsdb;
pub mod msg;
mod neighbor;
mod originate;
pub mod output;
mod receive;
pub mod refusal;
mod restart;
pub mod routes;
mod scope;
mod send;
pub mod settings;
mod spf;
pub mod status;
mod summarise;
mod watch;

pub use self::instance::Ospf;
pub use self::interface::{ALL_D_ROUTERS, ALL_SPF_ROUTERS, InterfaceState};
pub use self::neighbor::{NeighborId, NeighborState};
pub use self::restart::Restart;
pub use self::spf::{NextHop, NextHops};
