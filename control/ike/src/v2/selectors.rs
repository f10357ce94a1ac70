//! Traffic selectors: what we offer, and what is left of an offer under our policy (RFC 7296
//! section 2.9).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::net::IpAddr;

use crate::msg::TrafficSelector;
use crate::policy::{SelectorAddresses, SelectorTemplate};

/// What policy says for one side whose address is `end`.
pub(crate) fn from_policy(templates: &[SelectorTemplate], end: IpAddr) -> Vec<TrafficSelector> {
    templates
        .iter()
        .map(|template| TrafficSelector {
            protocol: template.protocol,
            ports: template.ports,
            addresses: match template.addresses {
                SelectorAddresses::Range(first, last) => (first, last),
                SelectorAddresses::Dynamic => (end, end),
            },
        })
        .collect()
}

/// What both allow: every intersection of an offered selector with one of ours, in the order of the
/// offer and without what another of them covers. Empty where nothing is left.
pub(crate) fn narrow(
    offer: &[TrafficSelector],
    policy: &[TrafficSelector],
) -> Vec<TrafficSelector> {
    let mut narrowed: Vec<TrafficSelector> = Vec::new();
    for offered in offer {
        for allowed in policy {
            let Some(common) = intersection(offered, allowed) else { continue };
            if narrowed.iter().any(|known| covers(known, &common)) {
                continue;
            }
            narrowed.retain(|known| !covers(&common, known));
            narrowed.push(common);
        }
    }
    narrowed.truncate(SELECTORS_MAX);
    narrowed
}

/// Whether everything in `inner` is in one of `outer`.
pub(crate) fn within(inner: &[TrafficSelector], outer: &[TrafficSelector]) -> bool {
    inner.iter().all(|one| outer.iter().any(|other| covers(other, one)))
}

/// What both match.
fn intersection(a: &TrafficSelector, b: &TrafficSelector) -> Option<TrafficSelector> {
    let protocol = match (a.protocol, b.protocol) {
        (any, one) | (one, any) if any == 0 => one,
        (one, other) if one == other => one,
        _ => return None,
    };
    let addresses = overlap(a.addresses, b.addresses)?;
    if addresses.0.is_ipv4() != addresses.1.is_ipv4() {
        return None;
    }
    Some(TrafficSelector { protocol, ports: common_ports(a.ports, b.ports)?, addresses })
}

/// OPAQUE (first port above last) meets itself and ANY: it is what remains for packets whose ports
/// cannot be seen (RFC 7296 section 3.13.1).
fn common_ports(a: (u16, u16), b: (u16, u16)) -> Option<(u16, u16)> {
    const ANY: (u16, u16) = (0, 65535);
    match (a, b) {
        (ports, ANY) | (ANY, ports) => Some(ports),
        (OPAQUE, OPAQUE) => Some(OPAQUE),
        (OPAQUE, _) | (_, OPAQUE) => None,
        _ => overlap(a, b),
    }
}

/// Ports that cannot be seen.
const OPAQUE: (u16, u16) = (65535, 0);

/// Selectors kept on a side, whatever a peer offers.
const SELECTORS_MAX: usize = 64;

fn overlap<T: Ord + Copy>(a: (T, T), b: (T, T)) -> Option<(T, T)> {
    let first = a.0.max(b.0);
    let last = a.1.min(b.1);
    (first <= last).then_some((first, last))
}

fn covers(outer: &TrafficSelector, inner: &TrafficSelector) -> bool {
    intersection(outer, inner).as_ref() == Some(inner)
}

/// One selector in words: `10.0.0.1[47]`, `10.1.0.0/16[17/1701]`.
fn write(text: &mut String, selector: &TrafficSelector) {
    text.push_str(&selector.addresses_text());
    let _ = match (selector.protocol, selector.ports) {
        (0, (0, 65535)) => Ok(()),
        (protocol, (0, 65535)) => write!(text, "[{protocol}]"),
        (protocol, (port, to)) if port == to => write!(text, "[{protocol}/{port}]"),
        (protocol, (port, to)) => write!(text, "[{protocol}/{port}-{to}]"),
    };
}

/// Both sides in words; of long lists the beginning, for a peer writes them.
pub(crate) fn describe(ours: &[TrafficSelector], theirs: &[TrafficSelector]) -> String {
    const SHOWN: usize = 4;
    let mut text = String::new();
    for (index, side) in [ours, theirs].into_iter().enumerate() {
        if index > 0 {
            text.push_str(" === ");
        }
        for (index, selector) in side.iter().take(SHOWN).enumerate() {
            if index > 0 {
                text.push(' ');
            }
            write(&mut text, selector);
        }
        if side.len() > SHOWN {
            text.push_str(" ...");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(first: [u8; 4], last: [u8; 4], protocol: u8, ports: (u16, u16)) -> TrafficSelector {
        TrafficSelector { protocol, ports, addresses: (first.into(), last.into()) }
    }

    #[test]
    fn an_offer_of_everything_is_narrowed_to_what_policy_says() {
        let any = selector([0, 0, 0, 0], [255, 255, 255, 255], 0, (0, 65535));
        let gre = selector([10, 0, 0, 1], [10, 0, 0, 1], 47, (0, 65535));
        assert_eq!(narrow(&[any], core::slice::from_ref(&gre)), [gre]);
    }

    #[test]
    fn selectors_of_different_protocols_have_nothing_in_common() {
        let udp = selector([10, 0, 0, 1], [10, 0, 0, 1], 17, (1701, 1701));
        let gre = selector([10, 0, 0, 1], [10, 0, 0, 1], 47, (0, 65535));
        assert!(narrow(&[udp], &[gre]).is_empty());
    }

    #[test]
    fn what_another_selector_covers_is_left_out() {
        let packet = selector([10, 0, 1, 7], [10, 0, 1, 7], 6, (80, 80));
        let subnet = selector([10, 0, 1, 0], [10, 0, 1, 255], 0, (0, 65535));
        let policy = selector([10, 0, 0, 0], [10, 0, 255, 255], 0, (0, 65535));
        assert_eq!(narrow(&[packet, subnet.clone()], &[policy]), [subnet]);
    }

    #[test]
    fn opaque_ports_meet_any_ports_only() {
        let opaque = selector([10, 0, 0, 1], [10, 0, 0, 1], 17, (65535, 0));
        let any = selector([10, 0, 0, 1], [10, 0, 0, 1], 17, (0, 65535));
        let some = selector([10, 0, 0, 1], [10, 0, 0, 1], 17, (1, 65535));
        assert_eq!(narrow(core::slice::from_ref(&opaque), &[any]), core::slice::from_ref(&opaque));
        assert!(narrow(&[opaque], &[some]).is_empty());
    }

    #[test]
    fn versions_of_ip_do_not_mix() {
        let v6: IpAddr = core::net::Ipv6Addr::LOCALHOST.into();
        let six = TrafficSelector { protocol: 0, ports: (0, 65535), addresses: (v6, v6) };
        let four = selector([0, 0, 0, 0], [255, 255, 255, 255], 0, (0, 65535));
        assert!(narrow(&[six], &[four]).is_empty());
    }
}
