//! Whoever would harm a gateway: floods, replays, downgrades and wrong secrets.

#[path = "../sim/mod.rs"]
#[allow(dead_code, reason = "what other tests need of it")]
mod sim;

mod downgrade;
mod flood;
mod hints;
mod secret;
mod wire;
