//! IKEv1 between two gateways in virtual time.

mod certificates;
mod dialects;
mod lifecycle;
mod negotiation;
mod net;
mod strangers;
