//! IKEv1 between two gateways in virtual time.

#[path = "../sim/policy.rs"]
mod policy;

mod certificates;
mod dialects;
mod lifecycle;
mod negotiation;
mod net;
mod strangers;
