//! OSPFv2 (RFC 2328) as a state machine: packets and the time come in, packets and routes go out.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod msg;
