//! What every protocol engine shares: time, randomness and secrets, all of them arguments.
//!
//! An engine is a state machine: it is given what came in and the time, and what it has to say is
//! taken from one ordered queue, because order is meaning (the key is installed before the message
//! leaves that allows the peer to use it). It opens no socket, reads no clock and draws no random
//! number but from the source it was made with, so a test can run a thousand of them in virtual
//! time and get the same bytes again from the same seed.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod level;
mod random;
mod secret;
mod time;
mod timers;

pub use self::level::Level;
pub use self::random::{Random, Seeded};
pub use self::secret::Secret;
pub use self::time::{Instant, UnixTime};
pub use self::timers::Timers;
