//! Exchanges of the two sides that cross.

#[path = "../sim/mod.rs"]
#[allow(dead_code, reason = "what other tests need of it")]
mod sim;

mod child_and_ike;
mod child_crossing;
mod child_delete;
mod child_late;
mod child_rekey;
mod connecting;
mod fixtures;
mod ike_crossing;
mod ike_delete;
mod ike_rekey;
mod names;
mod scene;
mod script;
