//! Packet headers as types over bytes.
//!
//! The one rule: parse once, then infallible. A header is a struct of big-endian fields laid over
//! the packet; `split` checks the length (and the fields that decide the layout) once and names
//! what was wrong; reading and writing fields afterwards cannot fail. Nothing here allocates.

#![no_std]
#![forbid(unsafe_code)]

pub mod checksum;
pub mod cursor;
pub mod esp;
pub mod ethernet;
pub mod gre;
pub mod icmp;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
pub mod l2tp;
mod malformed;
mod open_enum;
pub mod ppp;
pub mod suite;
pub mod tcp;
pub mod udp;

pub use malformed::Malformed;
pub use suite::Suite;

/// IANA protocol numbers that the gateway acts on.
pub mod protocol {
    /// Hop-by-hop options, an extension header of IPv6 (RFC 8200 4.3).
    pub const HOP_BY_HOP: u8 = 0;
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
    /// Routing, an extension header of IPv6 (RFC 8200 4.4).
    pub const ROUTING: u8 = 43;
    /// Fragment, an extension header of IPv6 (RFC 8200 4.5).
    pub const FRAGMENT: u8 = 44;
    /// GRE (RFC 2784).
    pub const GRE: u8 = 47;
    /// ESP (RFC 4303).
    pub const ESP: u8 = 50;
    /// ICMPv6 (RFC 4443).
    pub const ICMPV6: u8 = 58;
    /// No next header: an ESP dummy packet (RFC 4303 2.6).
    pub const NONE: u8 = 59;
    /// Destination options, an extension header of IPv6 (RFC 8200 4.6).
    pub const DESTINATION_OPTIONS: u8 = 60;
    /// OSPF (RFC 2328).
    pub const OSPF: u8 = 89;
    /// SCTP (RFC 9260).
    pub const SCTP: u8 = 132;
}
