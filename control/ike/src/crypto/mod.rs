//! What IKE computes with: key exchanges, pseudo-random functions, and the protection of messages.
//! Every algorithm itself is a library's; here they get IKE's inputs, encodings and checks.

pub(crate) mod cbc;
pub mod dh;
mod message;
mod prf;

pub use self::message::{MessageKeys, NotAuthentic};
pub use self::prf::{digest, prf, prf_plus, sha1};

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod vectors;
