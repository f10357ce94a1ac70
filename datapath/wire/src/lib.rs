//! Packet headers as types over bytes.
//!
//! The one rule: parse once, then infallible. A header is a struct of big-endian fields laid over
//! the packet; `split` checks the length (and the fields that decide the layout) once and names
//! what was wrong; reading and writing fields afterwards cannot fail. Nothing here allocates.

#![no_std]
#![forbid(unsafe_code)]

pub mod checksum;
pub mod esp;
pub mod ethernet;
pub mod gre;
pub mod icmp;
pub mod ipv4;
mod malformed;
pub mod suite;

pub use malformed::Malformed;
pub use suite::Suite;

/// IANA protocol numbers that the gateway acts on.
pub mod protocol {
    /// ICMP (RFC 792).
    pub const ICMP: u8 = 1;
    /// IPv4 in IPv4 (RFC 2003), and the ESP next header of tunnel mode.
    pub const IPV4: u8 = 4;
    /// TCP (RFC 9293).
    pub const TCP: u8 = 6;
    /// UDP (RFC 768).
    pub const UDP: u8 = 17;
    /// IPv6 encapsulation (RFC 2473, 4213).
    pub const IPV6: u8 = 41;
    /// GRE (RFC 2784).
    pub const GRE: u8 = 47;
    /// ESP (RFC 4303).
    pub const ESP: u8 = 50;
    /// No next header: an ESP dummy packet (RFC 4303 2.6).
    pub const NONE: u8 = 59;
}
