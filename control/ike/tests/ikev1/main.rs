//! IKEv1 between two gateways in virtual time.

mod lifecycle;
mod negotiation;
mod net;
