//! BFD (RFC 5880, RFC 5881) in asynchronous mode as a state machine: packets and the time come in,
//! packets and the state of the path go out.
//!
//! A [`Session`] watches the path to one peer. Which session a packet is for is the shell's to find
//! by [`Control::your_discriminator`], or by the packet's addresses while that is zero; so is
//! that its TTL is 255 (RFC 5881 section 5), without which anybody on the Internet could bring a
//! session down. Echo mode, demand mode of our own and authentication are not there: a packet with
//! authentication is refused.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod packet;
mod session;

pub use self::packet::{Control, Diagnostic, Malformed, State};
pub use self::session::{Discarded, Output, Session, Settings};
