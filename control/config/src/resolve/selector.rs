//! Traffic selectors: address ranges, protocol, ports.

use std::{
    net::IpAddr,
    ops::{Range, RangeInclusive},
};

use ipnet::IpNet;
use toml::Spanned;

use super::{address, value::word_or_number};
use crate::{
    findings::Findings,
    model::{AddressRange, Selector},
    section::{Field, WordOrNumber},
    spelling::shown,
};

/// Protocols by the names that people write (IANA protocol numbers).
const PROTOCOLS: [(&str, u8); 6] =
    [("tcp", 6), ("udp", 17), ("icmp", 1), ("icmpv6", 58), ("sctp", 132), ("gre", 47)];

/// Those that have ports.
const WITH_PORTS: [u8; 3] = [6, 17, 132];

/// The keys of a section that this is about.
pub(super) struct Fields {
    pub(super) local: Field<Vec<Spanned<String>>>,
    pub(super) remote: Field<Vec<Spanned<String>>>,
    pub(super) protocol: Field<WordOrNumber>,
    pub(super) local_ports: Field<WordOrNumber>,
    pub(super) remote_ports: Field<WordOrNumber>,
}

/// The names of the two lists.
pub(super) type Names = [&'static str; 2];

impl Fields {
    /// Where the first of them stands, if any does.
    pub(super) fn first_span(&self) -> Option<Range<usize>> {
        let lists = [self.local.span(), self.remote.span()];
        let others = [self.protocol.span(), self.local_ports.span(), self.remote_ports.span()];
        lists.into_iter().chain(others).flatten().min_by_key(|span| span.start)
    }

    /// Converts them; `None` after an error. Both lists must be there if they are `required` by
    /// the section at that place.
    pub(super) fn resolve(
        self,
        names: Names,
        required: Option<Range<usize>>,
        found: &mut Findings,
    ) -> Option<Selector> {
        let mut list = |field: Field<Vec<Spanned<String>>>, name| {
            let absent = field.is_absent();
            let list = match &required {
                Some(at) => field.required(at.clone(), found),
                None => field.optional(),
            };
            match list {
                None if absent && required.is_none() => Some(Vec::new()),
                None => None,
                Some(list) => ranges(list, name, found),
            }
        };
        let (local, remote) = (list(self.local, names[0]), list(self.remote, names[1]));
        let protocol_at = self.protocol.span();
        let refused = protocol_at.is_some();
        let protocol = word_or_number(
            self.protocol.optional(),
            "protocol",
            &PROTOCOLS,
            (0..=255, std::convert::identity),
            found,
        );
        let local_at = self.local_ports.span().or(self.remote_ports.span());
        let mut range = |field: Field<WordOrNumber>, key| {
            field.optional().map(|value| ports(value, key, found))
        };
        let (local_ports, remote_ports) =
            (range(self.local_ports, "local_ports"), range(self.remote_ports, "remote_ports"));
        let known = protocol.is_some() || !refused;
        if let Some(at) = local_at
            && known
            && !protocol.is_some_and(|protocol| WITH_PORTS.contains(&protocol))
        {
            let error = found.error(at, "ports need a protocol that has them");
            let error = error.label("ports of which protocol?");
            let error = match protocol_at {
                Some(at) => error.also(at, "this one has none"),
                None => error,
            };
            found.push(error.help("add `protocol = \"tcp\"`, \"udp\" or \"sctp\""));
            return None;
        }
        let (local, remote) = (local?, remote?);
        check_sides(&local, &remote, found);
        // A list of ports that was refused ends the selector, an absent one admits all.
        let given = |ports: Option<Option<_>>| match ports {
            None => Some(None),
            Some(ports) => ports.map(Some),
        };
        let (local_ports, remote_ports) = (given(local_ports)?, given(remote_ports)?);
        known.then_some(Selector { local, remote, protocol, local_ports, remote_ports })
    }
}

/// The sound ranges of a list that is not empty.
fn ranges(
    list: Spanned<Vec<Spanned<String>>>,
    name: &str,
    found: &mut Findings,
) -> Option<Vec<AddressRange>> {
    if list.get_ref().is_empty() {
        let error = found.error(list.span(), format!("`{name}` is empty"));
        let error = error.label("nothing would enter the tunnel");
        found.push(
            error.help(format!(
                "write the networks of that side, as in `{name} = [\"10.2.0.0/24\"]`"
            )),
        );
        return None;
    }
    let values = list.into_inner();
    Some(values.iter().filter_map(|value| range(value, found)).collect())
}

/// A prefix, or two addresses with a hyphen between them.
fn range(value: &Spanned<String>, found: &mut Findings) -> Option<AddressRange> {
    let at = value.span();
    let Some((first, last)) = value.get_ref().split_once('-') else {
        let net: IpNet = *address::prefix(value, found)?.get_ref();
        return Some(AddressRange { first: net.network(), last: net.broadcast(), at });
    };
    let ends = [first, last].map(|end| end.trim().parse::<IpAddr>().ok());
    let [Some(first), Some(last)] = ends else {
        let error = found.error(at, format!("{} is not a range", shown(value.get_ref())));
        let error = error.label("not two addresses with a hyphen between them");
        found.push(error.help("write a range such as \"10.1.0.10-10.1.0.20\", or a prefix"));
        return None;
    };
    if first.is_ipv4() != last.is_ipv4() || first > last {
        let error = found.error(at, format!("{} is not a range", shown(value.get_ref())));
        let label = if first > last {
            "its end is below its start"
        } else {
            "its ends differ in IP version"
        };
        found.push(error.label(label).help("write the lower address first"));
        return None;
    }
    Some(AddressRange { first, last, at })
}

fn check_sides(local: &[AddressRange], remote: &[AddressRange], found: &mut Findings) {
    for range in remote {
        if let Some(ours) = local.iter().find(|ours| ours.overlaps(range)) {
            let title = format!("{range} is on both sides of the tunnel");
            let error = found.error(range.at.clone(), title).label(format!("overlaps {ours}"));
            let error = error.also(ours.at.clone(), "on our side");
            found.push(error.help("write addresses that lie on one side only"));
        }
    }
}

/// One port, or two with a hyphen between them.
fn ports(
    value: Spanned<WordOrNumber>,
    key: &str,
    found: &mut Findings,
) -> Option<RangeInclusive<u16>> {
    let at = value.span();
    let ports = match value.get_ref() {
        WordOrNumber::Number(port) => u16::try_from(*port).ok().map(|port| port..=port),
        WordOrNumber::Word(word) => {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            let port = |text: &str| text.trim().parse::<u16>().ok();
            port(first).zip(port(last)).map(|(first, last)| first..=last)
        }
    };
    let Some(ports) = ports.filter(|ports| !ports.is_empty()) else {
        let error = found.error(at, format!("`{key}` is not a port or a range of ports"));
        let error = error.label("not within 0 to 65535, or the wrong way round");
        found.push(error.help(format!("write `{key} = 443` or `{key} = \"1024-65535\"`")));
        return None;
    };
    Some(ports)
}
