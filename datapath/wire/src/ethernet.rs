//! Ethernet II (RFC 894).

use core::net::IpAddr;

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Malformed;

/// A 48-bit link-layer address, in transmission order.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(transparent)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Whether the group bit is set: broadcast and multicast.
    #[must_use]
    pub fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// The link-layer group of a multicast address (RFC 1112 6.4, RFC 2464 7); `None` for a
    /// unicast address.
    #[must_use]
    pub fn of_multicast(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(group) if group.is_multicast() => {
                let [_, b, c, d] = group.octets();
                Some(Self([0x01, 0x00, 0x5e, b & 0x7f, c, d]))
            }
            IpAddr::V6(group) if group.is_multicast() => {
                let [.., a, b, c, d] = group.octets();
                Some(Self([0x33, 0x33, a, b, c, d]))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }
}

impl core::fmt::Display for Mac {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// The EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;

/// ```text
/// +-------------------+--------------------+-----------+
/// |  destination (6)  |     source (6)     |  type (2) |
/// +-------------------+--------------------+-----------+
/// ```
#[repr(C)]
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
pub struct Ethernet {
    /// Who should take the frame.
    pub destination: Mac,
    /// Who sent it.
    pub source: Mac,
    /// What follows; see [`IPV4`].
    pub ethertype: U16,
}

const _: () = assert!(size_of::<Ethernet>() == Ethernet::LEN);

impl Ethernet {
    /// Length of the header, bytes.
    pub const LEN: usize = 14;

    /// The header and what follows it.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] below 14 bytes.
    #[inline]
    pub fn split(frame: &[u8]) -> Result<(&Self, &[u8]), Malformed> {
        Self::ref_from_prefix(frame).map_err(|_| Malformed::Truncated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multicast_groups_map_to_the_macs_of_rfc_1112_and_rfc_2464() {
        let mac = |text: &str| Mac::of_multicast(text.parse().unwrap());
        assert_eq!(mac("239.129.2.3"), Some(Mac([1, 0, 0x5e, 1, 2, 3])));
        assert_eq!(mac("ff05::1:3"), Some(Mac([0x33, 0x33, 0, 1, 0, 3])));
        assert_eq!((mac("10.0.0.1"), mac("fd00::1")), (None, None));
    }
}
