//! Flows: which addresses and source ports the packets of a load have.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::{Deserialize, Deserializer, Error};

use super::stamp::FLOWS_MAX;

/// The discard service (RFC 863): a host that should get such a packet answers nothing.
pub const PORT: u16 = 9;
/// Source ports begin here.
const SOURCE_PORT: u16 = 1024;

/// A range of addresses of one IP version: `10.1.0.2`, `10.1.0.2-10.1.0.9`, or `10.1.0.0/24`,
/// whose network and broadcast addresses are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    first: IpAddr,
    count: u64,
}

impl Addresses {
    /// The address at `index`, which wraps.
    #[must_use]
    pub fn at(&self, index: u64) -> IpAddr {
        let index = index % self.count;
        match self.first {
            IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits() + index as u32).into(),
            IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits() + u128::from(index)).into(),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    fn between(first: IpAddr, last: IpAddr) -> Option<Self> {
        let count = match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                u64::from(last.to_bits().checked_sub(first.to_bits())?) + 1
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                let count = last.to_bits().checked_sub(first.to_bits())?;
                u64::try_from(count).ok()?.checked_add(1)?
            }
            _ => return None,
        };
        Some(Self { first, count })
    }
}

impl From<IpAddr> for Addresses {
    fn from(first: IpAddr) -> Self {
        Self { first, count: 1 }
    }
}

impl FromStr for Addresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || {
            format!(
                "{text:?} is no range of addresses: write 10.1.0.2, 10.1.0.2-10.1.0.9 or \
                 10.1.0.0/24, of either IP version"
            )
        };
        if let Some((first, last)) = text.split_once('-') {
            let [first, last] = [first, last].map(|text| text.trim().parse::<IpAddr>());
            let (first, last) = (first.map_err(|_| refuse())?, last.map_err(|_| refuse())?);
            return Self::between(first, last).ok_or_else(refuse);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let net: IpNet = text.parse().map_err(|_| refuse())?;
        let edges = match net {
            IpNet::V4(net) => {
                let hosts = net.hosts();
                hosts.clone().next().zip(hosts.last()).map(|(a, b)| (a.into(), b.into()))
            }
            IpNet::V6(net) => Some((net.network().into(), net.broadcast().into())),
        };
        edges.and_then(|(first, last)| Self::between(first, last)).ok_or_else(refuse)
    }
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        String::deserialize(source)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => write!(f, "{}", self.first),
            count => write!(f, "{}-{}", self.first, self.at(count - 1)),
        }
    }
}

/// One flow: packets with these ends, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Where they come from.
    pub source: IpAddr,
    /// Where they go.
    pub destination: IpAddr,
    /// Source port; the destination port is that of the load.
    pub source_port: u16,
}

/// All flows of a load. Neighbouring ones differ in both addresses where there are several, and
/// in the source port.
///
/// # Errors
/// Ranges of both IP versions, or more flows than can be told apart.
pub fn flows(source: Addresses, destination: Addresses, count: u32) -> Result<Vec<Flow>, String> {
    if source.first.is_ipv4() != destination.first.is_ipv4() {
        return Err(format!("{source} and {destination} are of different IP versions"));
    }
    let ports = u64::from(u16::MAX - SOURCE_PORT) + 1;
    let most = ports.saturating_mul(source.count.max(destination.count));
    if count == 0 || count > FLOWS_MAX || u64::from(count) > most {
        let most = most.min(u64::from(FLOWS_MAX));
        return Err(format!("{count} flows are impossible: at least 1, and here at most {most}"));
    }
    let flow = |n: u64| Flow {
        source: source.at(n),
        destination: destination.at(n),
        source_port: SOURCE_PORT + (n / source.count.max(destination.count) % ports) as u16,
    };
    Ok((0..u64::from(count)).map(flow).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn range(text: &str) -> Addresses {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_are_read_in_three_ways() {
        assert_eq!(range("10.1.0.2").count(), 1);
        assert_eq!(range("10.1.0.2 - 10.1.0.9").to_string(), "10.1.0.2-10.1.0.9");
        assert_eq!(range("10.1.0.0/24").to_string(), "10.1.0.1-10.1.0.254");
        assert_eq!(range("10.1.0.7/32").count(), 1);
        assert_eq!(range("fd00::/120").count(), 256);
        assert_eq!(range("fd00::1-fd00::3").at(4), "fd00::2".parse::<IpAddr>().unwrap());
        for text in ["", "10.1.0.9-10.1.0.2", "10.1.0.1-fd00::1", "fd00::/8", "host"] {
            assert!(text.parse::<Addresses>().is_err(), "{text}");
        }
    }

    #[test]
    fn flows_are_distinct() {
        let all = flows(range("10.1.0.2-10.1.0.4"), range("10.2.0.2-10.2.0.3"), 5000).unwrap();
        let distinct: HashSet<_> =
            all.iter().map(|flow| (flow.source, flow.destination, flow.source_port)).collect();
        assert_eq!(distinct.len(), 5000);
    }

    #[test]
    fn impossible_numbers_of_flows_are_refused() {
        let one = range("10.1.0.2");
        assert!(flows(one, range("10.2.0.2"), 0).is_err());
        assert!(flows(one, range("10.2.0.2"), 70_000).unwrap_err().contains("64512"));
        assert!(flows(one, range("fd00::1"), 1).unwrap_err().contains("versions"));
    }
}
