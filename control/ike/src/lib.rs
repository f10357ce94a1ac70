//! IKEv2 (RFC 7296) and IKEv1 (RFC 2407 to 2409) as state machines: datagrams and the time come in,
//! datagrams and keys go out, in one ordered queue.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod algorithm;
mod candidates;
pub mod cert;
pub mod crypto;
pub mod endpoint;
pub mod identity;
mod key_log;
pub mod keymat;
pub mod msg;
pub mod output;
mod peers;
pub mod policy;
pub mod proposal;
mod shared;
pub mod status;
mod v1;
mod v2;

pub use endpoint::Ike;
pub use shared::Settings;
