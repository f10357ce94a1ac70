//! Kernels for the ciphers and MACs of ESP that do several blocks or several packets at once.
//!
//! [`kernels`] tells which of them this CPU has. A key exists only where its kernel does: its
//! constructor gives `None` elsewhere, and the caller takes another implementation. So everything
//! here is safe to call on any CPU, and what works on packets neither asks nor fails: it takes
//! whatever it is given, allocates nothing and has no bytes that make it panic.
//!
//! * [`GcmKey`] seals and opens one packet: the blocks of AES-GCM do not wait for each other.
//! * [`cbc_encrypt`], [`hmac_sha1`], [`hmac_sha256`] and [`hmac_md5`] take a batch, since their
//!   blocks do. Each packet of a batch has its own key and length.
//!
//! No branch, index or address depends on a key or a text; only on lengths. AES and GHASH are
//! done by the CPU's instructions for them, without tables. Keys are wiped when they are dropped.
//!
//! [`GcmKey`] takes 512 bytes, [`AesKey`] 256, and the HMAC keys their two states: 40, 64 and 32.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![allow(clippy::needless_range_loop, reason = "a lane is a place in several arrays")]

mod aes;
mod cbc;
mod detect;
mod gcm;
mod hmac;
mod kernels;
mod self_test;

pub use aes::AesKey;
pub use cbc::{CbcJob, cbc_encrypt};
pub use gcm::GcmKey;
pub use hmac::{HmacMd5Key, HmacSha1Key, HmacSha256Key, MacJob, hmac_md5, hmac_sha1, hmac_sha256};
pub use kernels::{Kernels, kernels};

#[cfg(test)]
mod tests;
