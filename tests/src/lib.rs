//! The proving ground: namespaces, kernel guests and decoders around the real binary.
//!
//! A test builds a small network from [`netns::Netns`] and [`netns::veth`], starts a
//! [`gateway::Gateway`] in it, puts a [`peer::Peer`] (a kernel of its own) on the other side,
//! records with [`capture::Capture`] and reads the record with [`tshark::Tshark`]. Whatever a test
//! makes is undone when it goes out of scope, also when the test panics; what a killed test left
//! behind is removed by the next one.

#![forbid(unsafe_code)]

pub mod build;
pub mod capture;
pub mod gateway;
pub mod iperf;
pub mod manual_sa;
pub mod names;
pub mod netns;
pub mod peer;
pub mod privileges;
pub mod process;
pub mod report;
pub mod site;
pub mod tshark;
pub mod userland;
