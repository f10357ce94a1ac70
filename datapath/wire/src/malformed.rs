//! The parse error: which rule of which header a packet broke.

/// Why bytes are not the header they should be. Small and `Copy`: it becomes a drop reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Fewer bytes than the header has.
    Truncated,
    /// A version other than the one this header has.
    Version,
    /// A header length field smaller than the fixed header or larger than the packet.
    HeaderLength,
    /// A total length smaller than the header or larger than what arrived.
    TotalLength,
    /// The header checksum does not verify.
    Checksum,
    /// Bits that must be zero are not.
    Reserved,
}
