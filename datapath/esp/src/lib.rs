//! ESP security associations (RFC 4303): suites, keys, IVs, sequence numbers, the anti-replay
//! window, and the sealing and opening of one packet in place.
//!
//! An SA is one direction of one tunnel. The control side makes it from keys, publishes it, and
//! any worker may then carry any of its packets: the methods that a packet meets take `&self`,
//! never wait, never allocate, and have no bytes that make them panic.
//!
//! # What is hot, and who shares it
//!
//! * **Keys** are read by every worker and written by nobody. All that can be computed once is
//!   computed when the SA is made: AES key schedules, GHASH tables, and the two hash states that
//!   HMAC starts from, so that a packet pays for its own bytes only.
//! * **The outbound sequence counter** is the one word that workers fight over. A worker therefore
//!   reserves numbers for a whole run of packets with one atomic add ([`OutboundSa::reserve`]) and
//!   seals them in any order. Numbers are unique; they are in order within a run only.
//! * **The anti-replay window** is an array of words that workers touch where their packets fall,
//!   plus its top, which moves with the newest packet. See `replay.rs` for why no lock is needed
//!   and why no number is accepted twice.
//! * **Usage counters** are added to once per run ([`OutboundSa::count`], [`InboundSa::count`]) and
//!   live in the cache line that the run has made dirty already.
//! * **Hard limits** ([`Limits`]) lie with the keys: workers compare the counters with them once
//!   per run, and only [`OutboundSa::expire`] and [`InboundSa::expire`] ever write there.
//!
//! What workers write lies in cache lines of its own, so that writing it does not take the keys
//! out of the other workers' caches. Nothing of a single packet is kept in an SA: everything there
//! is either shared by all packets or an argument.
//!
//! An outbound SA takes 896 bytes. An inbound one takes 704, and for its window a byte per 4
//! packets, rounded up beyond the next power of two: 512 bytes for a window of 1024.
//!
//! # Where randomness comes from
//!
//! From the caller, as the seed of [`OutboundSa::new`]. This crate opens no file and asks no
//! system call. A seed must be fresh for each SA: the IVs of two SAs with the same key (a manual
//! key after a restart) differ only because their seeds do. See `iv.rs`.
//!
//! # What is wiped
//!
//! Key schedules, HMAC states and the IV key are overwritten on drop, but for AES-GCM's and
//! ChaCha20's where *ring* holds them ([`Crypto::Portable`], and processors that `simd` has no
//! kernel for): it does not wipe, and only the salt is ours.

#![deny(unsafe_code)]

mod cipher;
mod esn;
mod head;
mod inbound;
mod iv;
mod keys;
mod lifetime;
mod outbound;
mod replay;
mod sequence;
mod sync;
mod usage;

pub use inbound::{InboundSa, OpenError, Opened, Opening, open_batch};
pub use keys::{Crypto, KeyError, Keys};
pub use lifetime::Limits;
pub use outbound::{OutboundSa, SealError, Sealing, Unavailable, seal_batch};
pub use wire::Suite;

#[cfg(test)]
mod tests;
