//! Traffic selectors (RFC 7296 section 3.13).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::TrafficSelector;
use super::cursor::Reader;
use super::malformed::Fault;

/// RFC 7296 section 3.13.1.
const IPV4_RANGE: u8 = 7;
const IPV6_RANGE: u8 = 8;

/// The selectors; `None` if there is one of a type that we do not know, such as a security label
/// (RFC 9478): the payload as a whole is then unknown to us.
pub(super) fn parse(body: &[u8]) -> Result<Option<Vec<TrafficSelector>>, Fault> {
    let mut reader = Reader::new(body);
    let count = reader.u8()?;
    reader.take(3)?;
    let mut selectors = Vec::new();
    let mut known = true;
    for _ in 0..count {
        let (kind, protocol) = (reader.u8()?, reader.u8()?);
        let len = usize::from(reader.u16()?).checked_sub(4).ok_or(Fault::Length)?;
        match selector(kind, protocol, reader.take(len)?)? {
            Some(selector) => selectors.push(selector),
            None => known = false,
        }
    }
    reader.end()?;
    Ok(known.then_some(selectors))
}

fn selector(kind: u8, protocol: u8, body: &[u8]) -> Result<Option<TrafficSelector>, Fault> {
    let mut reader = Reader::new(body);
    if kind != IPV4_RANGE && kind != IPV6_RANGE {
        return Ok(None);
    }
    let ports = (reader.u16()?, reader.u16()?);
    let mut address = || -> Result<IpAddr, Fault> {
        Ok(if kind == IPV4_RANGE {
            Ipv4Addr::from_bits(reader.u32()?).into()
        } else {
            Ipv6Addr::from_bits(reader.u128()?).into()
        })
    };
    let addresses = (address()?, address()?);
    reader.end()?;
    if addresses.0 > addresses.1 {
        return Err(Fault::Value);
    }
    Ok(Some(TrafficSelector { protocol, ports, addresses }))
}

impl TrafficSelector {
    /// The length of the prefix that its addresses are, if they are one.
    pub(crate) fn prefix_len(&self) -> Option<u32> {
        let (first, last, bits) = match self.addresses {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                (u128::from(first.to_bits()), u128::from(last.to_bits()), 32)
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => (first.to_bits(), last.to_bits(), 128),
            _ => return None,
        };
        let hosts = first ^ last;
        let is_prefix = hosts & hosts.wrapping_add(1) == 0 && first & hosts == 0;
        is_prefix.then(|| bits - hosts.count_ones())
    }

    /// Its addresses in words: `10.0.0.1`, `10.1.0.0/16`, `10.1.0.1-10.1.0.9`.
    pub(crate) fn addresses_text(&self) -> String {
        let (first, last) = self.addresses;
        match self.prefix_len() {
            _ if first == last => format!("{first}"),
            Some(len) => format!("{first}/{len}"),
            None => format!("{first}-{last}"),
        }
    }
}

/// The selector's last address is of its first one's version; the caller sees to that.
pub(super) fn write(selectors: &[TrafficSelector], out: &mut Vec<u8>) {
    let count = u8::try_from(selectors.len()).unwrap_or(u8::MAX);
    out.extend_from_slice(&[count, 0, 0, 0]);
    for selector in selectors {
        let (kind, len) = match selector.addresses.0 {
            IpAddr::V4(_) => (IPV4_RANGE, 16),
            IpAddr::V6(_) => (IPV6_RANGE, 40),
        };
        out.extend_from_slice(&[kind, selector.protocol, 0, len]);
        out.extend_from_slice(&selector.ports.0.to_be_bytes());
        out.extend_from_slice(&selector.ports.1.to_be_bytes());
        for address in [selector.addresses.0, selector.addresses.1] {
            match address {
                IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
                IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_a_prefix_where_they_are_one() {
        for (first, last, text) in [
            ("10.1.0.0", "10.1.255.255", "10.1.0.0/16"),
            ("0.0.0.0", "255.255.255.255", "0.0.0.0/0"),
            ("10.1.0.1", "10.1.0.1", "10.1.0.1"),
            ("10.1.0.0", "10.1.0.1", "10.1.0.0/31"),
            ("10.1.0.1", "10.1.0.2", "10.1.0.1-10.1.0.2"),
            ("10.1.0.0", "10.1.0.2", "10.1.0.0-10.1.0.2"),
            ("10.0.255.0", "10.1.0.255", "10.0.255.0-10.1.0.255"),
            ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"),
            ("2001:db8::", "2001:db8:0:ffff:ffff:ffff:ffff:ffff", "2001:db8::/48"),
            ("2001:db8::1", "2001:db8::3", "2001:db8::1-2001:db8::3"),
        ] {
            let addresses = (first.parse().unwrap(), last.parse().unwrap());
            let selector = TrafficSelector { protocol: 0, ports: (0, 65535), addresses };
            assert_eq!(selector.addresses_text(), text);
        }
    }
}
