//! The crate against the running kernel: the classifier by test runs, sockets and links in network
//! namespaces of their own. Needs root, and fails without it.

#![allow(clippy::disallowed_methods, reason = "these tests wait for the kernel")]

mod attaching;
mod classifier;
mod forwarding;
mod frames;
mod model;
mod namespace;
mod sockets;
mod take;
mod testbed;
