//! Exchanges of the two sides that cross.

#[path = "../sim/mod.rs"]
#[allow(dead_code, reason = "what other tests need of it")]
mod sim;

mod names;
mod script;
mod scene;
mod trial;
