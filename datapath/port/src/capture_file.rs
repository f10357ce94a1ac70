//! Capture files: Ethernet frames out of pcap and pcapng, Ethernet frames into pcap.
//!
//! [`CaptureReader`] reads classic pcap (microseconds or nanoseconds, either byte order,
//! draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng), and gives every packet the
//! Ethernet header that its capture may lack. [`CaptureWriter`] writes classic pcap: nanoseconds,
//! little-endian, Ethernet. Both work packet by packet, so a capture may be larger than memory.

mod link_layer;
mod reader;
mod writer;

use std::{error, fmt, io};

pub use link_layer::LinkType;
pub use reader::{CaptureReader, Captured};
pub use writer::CaptureWriter;

/// Why a capture, or one packet of it, cannot be read.
#[derive(Debug)]
pub struct CaptureError {
    /// The name of the file.
    pub file: String,
    /// The packet that cannot be read, counted from 1 as Wireshark does; `None` when it is the
    /// file's header.
    pub packet: Option<u64>,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with a capture.
#[derive(Debug)]
pub enum Problem {
    /// The file cannot be opened or read.
    Io(io::Error),
    /// It begins neither as pcap nor as pcapng does.
    NotACapture,
    /// It ends in the middle of a record.
    Truncated {
        /// The bytes that are missing at least.
        missing: u64,
    },
    /// A record contradicts itself or what stood before it.
    Malformed(&'static str),
    /// Only this packet: it has a link type that has no place in an Ethernet frame.
    UnsupportedLinkType(LinkType),
    /// Only this packet: it is shorter than the header of its link type.
    PacketTooShort(LinkType),
    /// Only this packet: it holds this protocol, which an Ethernet frame cannot name.
    UnsupportedProtocol(LinkType, u16),
}

impl Problem {
    /// Whether the packets behind this one can still be read.
    #[must_use]
    pub fn concerns_one_packet(&self) -> bool {
        match self {
            Problem::UnsupportedLinkType(_)
            | Problem::PacketTooShort(_)
            | Problem::UnsupportedProtocol(..) => true,
            Problem::Io(_)
            | Problem::NotACapture
            | Problem::Truncated { .. }
            | Problem::Malformed(_) => false,
        }
    }
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.packet {
            Some(packet) => write!(f, "{}: packet {packet}: {}", self.file, self.problem),
            None => write!(f, "{}: {}", self.file, self.problem),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Io(error) => write!(f, "{error}"),
            Problem::NotACapture => f.write_str("neither a pcap nor a pcapng file"),
            Problem::Truncated { missing } => {
                write!(f, "the file is truncated, at least {missing} bytes are missing")
            }
            Problem::Malformed(what) => f.write_str(what),
            Problem::UnsupportedLinkType(link_type) => write!(
                f,
                "link type {link_type} cannot be read, only Ethernet (1), raw IP (12, 101, 228, \
                 229), loopback (0, 108) and Linux cooked (113, 276)"
            ),
            Problem::PacketTooShort(link_type) => {
                write!(f, "shorter than the header of link type {link_type}")
            }
            Problem::UnsupportedProtocol(link_type, protocol) => {
                write!(f, "protocol {protocol:#06x} of link type {link_type} has no ethertype")
            }
        }
    }
}

impl error::Error for CaptureError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match &self.problem {
            Problem::Io(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
