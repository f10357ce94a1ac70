//! Addresses and prefixes as a user writes them, of either IP version.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};
use toml::Spanned;

use crate::{diagnostic::Diagnostic, findings::Findings, spelling::shown};

/// An address of one host.
pub(super) fn host(
    value: Option<Spanned<String>>,
    key: &str,
    found: &mut Findings,
) -> Option<Spanned<IpAddr>> {
    let value = value?;
    let text = value.get_ref();
    let Ok(address) = text.parse::<IpAddr>() else {
        let help = match text.split_once('/') {
            Some((address, _)) if address.parse::<IpAddr>().is_ok() => {
                format!("write `{key} = \"{address}\"`, without a prefix length")
            }
            _ => format!("write an address such as `{key} = \"203.0.113.1\"`"),
        };
        let error = found.error(value.span(), format!("{} is not an address", shown(text)));
        found.push(error.label(not_an_address(text)).help(help));
        return None;
    };
    if let Some(what) = not_a_host(address) {
        let error = found.error(value.span(), format!("{address} is not the address of a host"));
        let help = format!("write the address of a host, such as `{key} = \"203.0.113.1\"`");
        found.push(error.label(what).help(help));
        return None;
    }
    Some(Spanned::new(value.span(), address))
}

/// A prefix with no host bits set.
pub(super) fn prefix(value: &Spanned<String>, found: &mut Findings) -> Option<Spanned<IpNet>> {
    let net = network(value, "10.2.0.0/24", found)?;
    if net.addr() != net.network() {
        let error = found.error(value.span(), format!("{net} has host bits set"));
        let label = format!("bits after the first {} are not zero", net.prefix_len());
        found.push(error.label(label).help(format!("write {}", net.trunc())));
        return None;
    }
    Some(Spanned::new(value.span(), net))
}

/// An address of ours together with its network.
pub(super) fn interface(value: &Spanned<String>, found: &mut Findings) -> Option<Spanned<IpNet>> {
    let net = network(value, "10.1.0.1/24", found)?;
    let has_edges = matches!(net, IpNet::V4(net) if net.prefix_len() < 31);
    let label = if has_edges && net.addr() == net.network() {
        Some("this is the network itself")
    } else if has_edges && net.addr() == net.broadcast() {
        Some("this is the broadcast address of its network")
    } else {
        not_a_host(net.addr())
    };
    if let Some(label) = label {
        let error = found.error(value.span(), format!("{net} is not the address of a host"));
        let help = match net.hosts().next().filter(|host| not_a_host(*host).is_none()) {
            Some(host) => format!("write an address of it, such as {host}/{}", net.prefix_len()),
            None => "write an address with its network, such as 10.1.0.1/24".to_owned(),
        };
        found.push(error.label(label).help(help));
        return None;
    }
    Some(Spanned::new(value.span(), net))
}

fn network(value: &Spanned<String>, example: &str, found: &mut Findings) -> Option<IpNet> {
    let net = value.get_ref().parse::<IpNet>();
    if net.is_err() {
        found.push(not_a_network(value, example, found));
    }
    net.ok()
}

fn not_a_network(value: &Spanned<String>, example: &str, found: &Findings) -> Diagnostic {
    let text = value.get_ref();
    if let Ok(address) = text.parse::<IpAddr>() {
        let length = if address.is_ipv4() { 24 } else { 64 };
        return found
            .error(value.span(), format!("{} has no prefix length", shown(text)))
            .label("an address without its network")
            .help(format!("write {address}/{length}, or whatever the network's length is"));
    }
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let label = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) if length.parse::<u8>().is_ok() => "the prefix length is more than 32",
        Ok(IpAddr::V4(_)) => "the prefix length is not a number of 0 to 32",
        Ok(IpAddr::V6(_)) => "the prefix length is not a number of 0 to 128",
        Err(_) => "the address is not four numbers of 0 to 255 with dots",
    };
    // Netmasks are what routers and old tools print.
    let mask = length.parse().ok().zip(address.parse().ok());
    let help = match mask.map(|(mask, address)| Ipv4Net::with_netmask(address, mask)) {
        Some(Ok(net)) => format!("write {net}"),
        _ => format!("write a prefix such as {example}"),
    };
    found.error(value.span(), format!("{} is not a prefix", shown(text))).label(label).help(help)
}

/// What is wrong with what should have been an address.
fn not_an_address(text: &str) -> &'static str {
    if text.contains(':') {
        "not an IPv6 address, nor an IPv4 one"
    } else {
        "not four numbers of 0 to 255 with dots"
    }
}

/// Why an address cannot be a host's.
fn not_a_host(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => not_a_host_of_ipv4(address),
        IpAddr::V6(address) => not_a_host_of_ipv6(address),
    }
}

fn not_a_host_of_ipv4(address: Ipv4Addr) -> Option<&'static str> {
    match address {
        _ if address.is_unspecified() => Some("the unspecified address"),
        _ if address.octets()[0] == 0 => Some("an address of \"this network\" (RFC 1122)"),
        _ if address.is_loopback() => Some("a loopback address never leaves its host"),
        _ if address.is_multicast() => Some("a multicast address"),
        _ if address.octets()[0] >= 240 => Some("a reserved or broadcast address"),
        _ => None,
    }
}

fn not_a_host_of_ipv6(address: Ipv6Addr) -> Option<&'static str> {
    match address {
        _ if address.is_unspecified() => Some("the unspecified address"),
        _ if address.is_loopback() => Some("a loopback address never leaves its host"),
        _ if address.is_multicast() => Some("a multicast address"),
        _ if address.is_unicast_link_local() => Some("a link-local address is one link's only"),
        _ if address.to_ipv4_mapped().is_some() => Some("an IPv4 address in IPv6's clothes"),
        _ => None,
    }
}
