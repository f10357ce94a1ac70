//! Traffic selectors (RFC 7296 section 3.13).

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
