//! What two gateways can agree upon beyond the plain case, and what ends it.

mod candidates;
mod certificates;
mod children;
mod contact;
mod ipv6;
mod missed;
mod mobility;
mod refusals;
mod reload;
mod storm;
mod twins;
mod wire;
