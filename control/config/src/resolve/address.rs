//! Addresses and prefixes as a user writes them. IPv4 for now; the types are those of both.

use std::net::{IpAddr, Ipv4Addr};

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
            Some((address, _)) if address.parse::<Ipv4Addr>().is_ok() => {
                format!("write `{key} = \"{address}\"`, without a prefix length")
            }
            _ => format!("write an IPv4 address such as `{key} = \"203.0.113.1\"`"),
        };
        let error = found.error(value.span(), format!("{} is not an address", shown(text)));
        found.push(error.label("not four numbers of 0 to 255 with dots").help(help));
        return None;
    };
    let IpAddr::V4(v4) = address else {
        found.push(not_yet(&value, found));
        return None;
    };
    if let Some(what) = not_a_host(v4) {
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
    let IpNet::V4(v4) = net else { return None };
    let label = if v4.prefix_len() < 31 && v4.addr() == v4.network() {
        Some("this is the network itself")
    } else if v4.prefix_len() < 31 && v4.addr() == v4.broadcast() {
        Some("this is the broadcast address of its network")
    } else {
        not_a_host(v4.addr())
    };
    if let Some(label) = label {
        let error = found.error(value.span(), format!("{net} is not the address of a host"));
        let help = match v4.hosts().next().filter(|host| not_a_host(*host).is_none()) {
            Some(host) => format!("write an address of it, such as {host}/{}", v4.prefix_len()),
            None => "write an address with its network, such as 10.1.0.1/24".to_owned(),
        };
        found.push(error.label(label).help(help));
        return None;
    }
    Some(Spanned::new(value.span(), net))
}

fn network(value: &Spanned<String>, example: &str, found: &mut Findings) -> Option<IpNet> {
    let text = value.get_ref();
    match text.parse::<IpNet>() {
        Ok(net @ IpNet::V4(_)) => Some(net),
        Ok(IpNet::V6(_)) => {
            found.push(not_yet(value, found));
            None
        }
        Err(_) => {
            found.push(not_a_network(value, example, found));
            None
        }
    }
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
    let label = match address.parse::<Ipv4Addr>() {
        Ok(_) if length.parse::<u8>().is_ok() => "the prefix length is more than 32",
        Ok(_) => "the prefix length is not a number of 0 to 32",
        Err(_) => "the address is not four numbers of 0 to 255 with dots",
    };
    // Netmasks are what routers and old tools print.
    let mask = length.parse().ok().zip(address.parse().ok());
    let help = match mask.map(|(mask, address)| Ipv4Net::with_netmask(address, mask)) {
        Some(Ok(net)) => format!("write {net}"),
        _ => format!("write an IPv4 prefix such as {example}"),
    };
    found.error(value.span(), format!("{} is not a prefix", shown(text))).label(label).help(help)
}

fn not_yet(value: &Spanned<String>, found: &Findings) -> Diagnostic {
    found
        .error(value.span(), "IPv6 is not supported yet")
        .label("an IPv6 address")
        .help("write an IPv4 address; inside and outside of tunnels are IPv4 for now")
}

/// Why an address cannot be a host's.
fn not_a_host(address: Ipv4Addr) -> Option<&'static str> {
    match address {
        _ if address.is_unspecified() => Some("the unspecified address"),
        _ if address.octets()[0] == 0 => Some("an address of \"this network\" (RFC 1122)"),
        _ if address.is_loopback() => Some("a loopback address never leaves its host"),
        _ if address.is_multicast() => Some("a multicast address"),
        _ if address.octets()[0] >= 240 => Some("a reserved or broadcast address"),
        _ => None,
    }
}
