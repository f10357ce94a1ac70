//! What each fuzz target does with its input, and what must hold whatever the input is.
//!
//! Nothing here needs libFuzzer, so that a plain test can replay the seeds.

mod bfd;
mod certificates;
mod files;
mod frames;
mod ike;
mod ike_engine;
mod ospf;
mod sites;

pub use self::bfd::bfd;
pub use self::certificates::{certificate, identity};
pub use self::ike::{ike_sealed, ike_v1, ike_v2};
pub use self::ike_engine::{ike_engine_v1, ike_engine_v2};
pub use self::ospf::ospf;
pub use files::{capture, config};
pub use frames::{decap_carried, decap_esp, decap_gre, frame_inside, frame_outside};
