//! Client identities of quick mode (RFC 2407 section 4.6.2, RFC 2409 section 5.5) as traffic
//! selectors and back.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::msg::TrafficSelector;
use crate::msg::numbers::identification::{
    FQDN, IPV4_ADDR, IPV4_ADDR_RANGE, IPV4_ADDR_SUBNET, IPV6_ADDR, IPV6_ADDR_RANGE,
    IPV6_ADDR_SUBNET,
};
use crate::msg::v1::Id1;
use crate::policy::{SelectorAddresses, SelectorTemplate};

/// Every port.
const ANY_PORT: (u16, u16) = (0, u16::MAX);

/// All traffic of one address: what a peer means that sends no identities.
pub(super) fn host(address: IpAddr) -> TrafficSelector {
    TrafficSelector { protocol: 0, ports: ANY_PORT, addresses: (address, address) }
}

/// What an identity stands for. Where a NAT hides the peer's address it may send its name in place
/// of it (old Windows does): that stands for `unnamed`.
pub(super) fn from_id(id: &Id1, unnamed: Option<IpAddr>) -> Option<TrafficSelector> {
    let addresses = match (id.kind, &id.data[..]) {
        (IPV4_ADDR, data) => one(v4(data)?),
        (IPV6_ADDR, data) => one(v6(data)?),
        (IPV4_ADDR_SUBNET, data) if data.len() == 8 => subnet4(data)?,
        (IPV6_ADDR_SUBNET, data) if data.len() == 32 => subnet6(data)?,
        (IPV4_ADDR_RANGE, data) if data.len() == 8 => (v4(&data[..4])?, v4(&data[4..])?),
        (IPV6_ADDR_RANGE, data) if data.len() == 32 => (v6(&data[..16])?, v6(&data[16..])?),
        (FQDN, _) => one(unnamed?),
        _ => return None,
    };
    let ports = if id.port == 0 { ANY_PORT } else { (id.port, id.port) };
    (addresses.0 <= addresses.1).then_some(TrafficSelector {
        protocol: id.protocol,
        ports,
        addresses,
    })
}

/// The identity that stands for a selector. A range of ports cannot be said: it becomes any.
pub(super) fn to_id(selector: &TrafficSelector) -> Id1 {
    let (first, last) = selector.addresses;
    let (kind, data) = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => match selector.prefix_len() {
            _ if first == last => (IPV4_ADDR, first.octets().to_vec()),
            Some(len) => {
                let mask = u32::MAX.checked_shl(32 - len).unwrap_or(0).to_be_bytes();
                (IPV4_ADDR_SUBNET, [first.octets(), mask].concat())
            }
            None => (IPV4_ADDR_RANGE, [first.octets(), last.octets()].concat()),
        },
        (first, last) => {
            let octets = |address: IpAddr| match address {
                IpAddr::V6(address) => address.octets(),
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            };
            let (from, to) = (octets(first), octets(last));
            match selector.prefix_len() {
                _ if from == to => (IPV6_ADDR, from.to_vec()),
                Some(len) => {
                    let mask = u128::MAX.checked_shl(128 - len).unwrap_or(0).to_be_bytes();
                    (IPV6_ADDR_SUBNET, [from, mask].concat())
                }
                None => (IPV6_ADDR_RANGE, [from, to].concat()),
            }
        }
    };
    let port = if selector.ports.0 == selector.ports.1 { selector.ports.0 } else { 0 };
    Id1 { kind, protocol: selector.protocol, port, data }
}

/// A template with the end of the IKE SA in it.
pub(super) fn resolve(template: &SelectorTemplate, end: IpAddr) -> TrafficSelector {
    let addresses = match template.addresses {
        SelectorAddresses::Range(first, last) => (first, last),
        SelectorAddresses::Dynamic => one(end),
    };
    TrafficSelector { protocol: template.protocol, ports: template.ports, addresses }
}

/// What of `asked` `allowed` covers: all addresses or nothing, for IKEv1 cannot narrow; of ports
/// what both have, for some peers ask for any where they mean one.
pub(super) fn within(
    asked: &TrafficSelector,
    allowed: &TrafficSelector,
) -> Option<TrafficSelector> {
    let covered = allowed.addresses.0 <= asked.addresses.0
        && asked.addresses.1 <= allowed.addresses.1
        && asked.addresses.0.is_ipv4() == allowed.addresses.0.is_ipv4();
    if !covered || (allowed.protocol != 0 && asked.protocol != allowed.protocol) {
        return None;
    }
    let ports = (asked.ports.0.max(allowed.ports.0), asked.ports.1.min(allowed.ports.1));
    (ports.0 <= ports.1).then(|| TrafficSelector { ports, ..asked.clone() })
}

/// A selector in words: `10.0.0.1/32[gre]` has no better form in either notation.
pub(super) fn text(selector: &TrafficSelector) -> alloc::string::String {
    let addresses = selector.addresses_text();
    match (selector.protocol, selector.ports) {
        (0, _) => addresses,
        (protocol, ANY_PORT) => alloc::format!("{addresses} protocol {protocol}"),
        (protocol, (port, _)) => alloc::format!("{addresses} protocol {protocol} port {port}"),
    }
}

fn one(address: IpAddr) -> (IpAddr, IpAddr) {
    (address, address)
}

fn v4(bytes: &[u8]) -> Option<IpAddr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into())
}

fn v6(bytes: &[u8]) -> Option<IpAddr> {
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into())
}

/// Masks with holes name no range.
fn subnet4(data: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let address = u32::from_be_bytes(data[..4].try_into().ok()?);
    let mask = u32::from_be_bytes(data[4..].try_into().ok()?);
    let holes = (!mask).wrapping_add(1) & !mask != 0;
    let first = address & mask;
    let addresses = (Ipv4Addr::from(first).into(), Ipv4Addr::from(first | !mask).into());
    (!holes).then_some(addresses)
}

fn subnet6(data: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let address = u128::from_be_bytes(data[..16].try_into().ok()?);
    let mask = u128::from_be_bytes(data[16..].try_into().ok()?);
    let holes = (!mask).wrapping_add(1) & !mask != 0;
    let first = address & mask;
    let addresses = (Ipv6Addr::from(first).into(), Ipv6Addr::from(first | !mask).into());
    (!holes).then_some(addresses)
}

/// The pair of selectors to ask for: those that what waits is in, or else the first of each side.
pub(super) fn wanted(
    local: &[TrafficSelector],
    remote: &[TrafficSelector],
    packet: Option<&(TrafficSelector, TrafficSelector)>,
) -> Option<(TrafficSelector, TrafficSelector)> {
    let find = |all: &[TrafficSelector], one: Option<&TrafficSelector>| {
        let fits =
            |selector: &&TrafficSelector| one.is_some_and(|one| within(one, selector).is_some());
        all.iter().find(fits).or(all.first()).cloned()
    };
    let local = find(local, packet.map(|packet| &packet.0))?;
    let remote = find(remote, packet.map(|packet| &packet.1))?;
    Some((local, remote))
}

/// Resolves all templates of one side.
pub(super) fn resolve_all(templates: &[SelectorTemplate], end: IpAddr) -> Vec<TrafficSelector> {
    templates.iter().map(|template| resolve(template, end)).collect()
}
