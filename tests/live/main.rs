//! Two gateways at work on AF_XDP, each in a namespace of its own, and what an operator does to
//! them: starts and stops, kernel changes, hostile frames, load.

#![forbid(unsafe_code)]

mod changing;
mod exactness;
mod following;
mod forwarding;
mod host_stack;
mod hostile;
mod hub;
mod identities;
mod ike_scan;
mod inject;
mod lab;
mod latency;
mod lifecycle;
mod load;
mod negotiation;
mod own_pairs;
mod routing;
mod show;
mod status;
mod syscalls;
