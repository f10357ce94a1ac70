//! `fastgw show`: the live state of a gateway, over a Unix socket, as tables or JSON.
//!
//! 1. The control loop owns a [`Server`] on the control socket; it never blocks on it.
//! 2. `fastgw show` connects ([`client`]) and sends a request ([`protocol`]).
//! 3. The control loop answers with a [`status::Status`] that [`collect`] takes from tables and
//!    counters.
//! 4. The client prints it ([`text`]), or passes on the JSON.

pub mod bfd;
mod bind;
pub mod client;
pub mod collect;
pub mod ike;
pub mod latency;
pub mod ospf;
pub mod protocol;
mod server;
pub mod status;
mod table;
mod text;
mod units;

pub use self::{
    collect::{PortFacts, Sources},
    protocol::{
        IKE, IkeAction, IkeCommand, OSPF, OspfAction, OspfCommand, OspfPart, Request, Response,
        Section, answer, answer_order,
    },
    server::Server,
    text::text,
};
