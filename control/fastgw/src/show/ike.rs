//! What IKE has negotiated, as it crosses the control socket and as tables for people.

use std::net::SocketAddr;
use std::time::Duration;

use bridge::Bridge;
use engine::Instant;
use ike::msg::TrafficSelector;
use ike::policy::Mode;
use ike::status::{ChildStatus, IkeStatus};
use serde::{Deserialize, Serialize};

use super::{
    table::{
        Align::{Left, Right, Wrap},
        Table,
    },
    units::{bytes, count, duration},
};

/// An IKE SA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IkeSa {
    /// The configured peer; null while it is not known which.
    pub peer: Option<String>,
    /// Who it has proven to be.
    pub identity: Option<String>,
    /// 1 or 2.
    pub version: u8,
    /// A word or two: `connecting`, `established`, `rekeying`, `deleting`.
    pub state: String,
    /// Whether we began it.
    pub initiator: bool,
    /// Our end.
    pub local: SocketAddr,
    /// Its end.
    pub remote: SocketAddr,
    /// The initiator's SPI, in hex.
    pub initiator_spi: String,
    /// The responder's.
    pub responder_spi: String,
    /// What protects IKE's messages; empty before that is chosen.
    pub suite: String,
    /// Seconds since it was established.
    pub age_s: Option<u64>,
    /// Seconds until it has new keys.
    pub rekey_s: Option<u64>,
    /// Seconds until it is authenticated anew.
    pub reauthenticate_s: Option<u64>,
    /// A NAT is before us.
    pub local_nat: bool,
    /// A NAT is before the peer.
    pub remote_nat: bool,
    /// Its pairs of ESP SAs.
    pub children: Vec<ChildSa>,
}

/// A pair of ESP SAs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildSa {
    /// The tunnel that it gives keys to.
    pub child: String,
    /// A word: `installing`, `installed`, `rekeying`, `draining`.
    pub state: String,
    /// `tunnel` or `transport`.
    pub mode: String,
    /// What protects packets.
    pub suite: String,
    /// The SPI of what we receive, in host byte order.
    pub inbound_spi: u32,
    /// The SPI of what we send.
    pub outbound_spi: u32,
    /// What is protected on our side.
    pub local: Vec<String>,
    /// What is protected on the other side.
    pub remote: Vec<String>,
    /// Seconds since it was installed.
    pub age_s: u64,
    /// Seconds until it has a successor.
    pub rekey_s: Option<u64>,
    /// The worker that sends through it (RFC 9611); null is any that has no pair of its own.
    pub worker: Option<u16>,
    /// Packets received.
    pub in_packets: u64,
    /// Their inner bytes.
    pub in_bytes: u64,
    /// Packets sent.
    pub out_packets: u64,
    /// Their inner bytes.
    pub out_bytes: u64,
}

impl IkeSa {
    /// From what the engine says; the bridge has the counters.
    pub fn collect(status: &IkeStatus, bridge: &Bridge, now: Instant) -> Self {
        let until = |at: Option<Instant>| at.map(|at| seconds(at.since(now)));
        Self {
            peer: status.peer.as_ref().map(ToString::to_string),
            identity: status.peer_identity.as_ref().map(ToString::to_string),
            version: status.version,
            state: status.state.to_owned(),
            initiator: status.initiator,
            local: status.path.local,
            remote: status.path.remote,
            initiator_spi: format!("{:016x}", status.spis.0.0),
            responder_spi: format!("{:016x}", status.spis.1.0),
            suite: status.suite.clone(),
            age_s: status.established.map(|since| seconds(now.since(since))),
            rekey_s: until(status.rekey_at),
            reauthenticate_s: until(status.reauthenticate_at),
            local_nat: status.local_nat,
            remote_nat: status.remote_nat,
            children: status
                .children
                .iter()
                .map(|child| ChildSa::collect(child, bridge, now))
                .collect(),
        }
    }
}

impl ChildSa {
    fn collect(status: &ChildStatus, bridge: &Bridge, now: Instant) -> Self {
        let sas = bridge.pair(status.id);
        let mode = match status.mode {
            Mode::Tunnel => "tunnel",
            Mode::Transport => "transport",
        };
        Self {
            child: status.child.to_string(),
            state: status.state.to_owned(),
            mode: mode.to_owned(),
            suite: status.suite.clone(),
            inbound_spi: status.spis.0,
            outbound_spi: status.spis.1,
            local: status.selectors.0.iter().map(selector).collect(),
            remote: status.selectors.1.iter().map(selector).collect(),
            age_s: seconds(now.since(status.installed)),
            rekey_s: status.rekey_at.map(|at| seconds(at.since(now))),
            worker: status.worker,
            in_packets: sas.map_or(0, |(inbound, _)| inbound.packets()),
            in_bytes: sas.map_or(0, |(inbound, _)| inbound.bytes()),
            out_packets: sas.map_or(0, |(_, outbound)| outbound.packets()),
            out_bytes: sas.map_or(0, |(_, outbound)| outbound.bytes()),
        }
    }
}

const fn seconds(duration: Duration) -> u64 {
    duration.as_secs()
}

/// `10.1.0.0/24`, `10.1.0.1-10.1.0.9`, with the protocol and ports that limit it: `47`, `17/1701`.
fn selector(selector: &TrafficSelector) -> String {
    let (first, last) = selector.addresses;
    let range = config::AddressRange { first, last, at: 0..0 };
    let protocol = match selector.protocol {
        0 => String::new(),
        number => format!(" {number}"),
    };
    let ports = match selector.ports {
        (0, u16::MAX) => String::new(),
        (u16::MAX, 0) => "/opaque".to_owned(),
        (first, last) if first == last => format!("/{first}"),
        (first, last) => format!("/{first}-{last}"),
    };
    format!("{range}{protocol}{ports}")
}

/// The IKE SAs, and below them their pairs of ESP SAs; how many rows there would be in all.
pub fn text(all: &[IkeSa], rows_max: usize, width: usize) -> (String, usize) {
    let mut table = Table::new([
        ("PEER", Left),
        ("IKE", Left),
        ("STATE", Left),
        ("LOCAL", Left),
        ("REMOTE", Left),
        ("NAT", Left),
        ("AGE", Right),
        ("REKEY IN", Right),
        ("SUITE", Left),
        ("IDENTITY", Wrap),
    ]);
    let mut children = Table::new([
        ("CHILD", Left),
        ("STATE", Left),
        ("MODE", Left),
        ("WORKER", Right),
        ("SPI IN", Right),
        ("SPI OUT", Right),
        ("SUITE", Left),
        ("AGE", Right),
        ("REKEY IN", Right),
        ("IN PACKETS", Right),
        ("IN BYTES", Right),
        ("OUT PACKETS", Right),
        ("OUT BYTES", Right),
        ("PROTECTS", Wrap),
    ]);
    for sa in all.iter().take(rows_max) {
        table.row(row(sa));
    }
    let pairs = all.iter().flat_map(|sa| &sa.children);
    pairs.clone().take(rows_max).for_each(|child| children.row(child_row(child)));
    let below = match pairs.count() {
        0 => String::new(),
        _ => format!("\n{}", children.render(width)),
    };
    (table.render(width) + &below, all.len())
}

fn row(sa: &IkeSa) -> [String; 10] {
    let nat = match (sa.local_nat, sa.remote_nat) {
        (false, false) => "-",
        (true, false) => "ours",
        (false, true) => "theirs",
        (true, true) => "both",
    };
    let role = if sa.initiator { "initiator" } else { "responder" };
    [
        sa.peer.clone().unwrap_or_else(|| "-".to_owned()),
        format!("v{} {role}", sa.version),
        sa.state.clone(),
        sa.local.to_string(),
        sa.remote.to_string(),
        nat.to_owned(),
        time(sa.age_s),
        time(sa.rekey_s),
        or_dash(&sa.suite),
        or_dash(sa.identity.as_deref().unwrap_or_default()),
    ]
}

fn child_row(child: &ChildSa) -> [String; 14] {
    [
        child.child.clone(),
        child.state.clone(),
        child.mode.clone(),
        child.worker.map_or_else(|| "any".to_owned(), |worker| worker.to_string()),
        format!("{:#010x}", child.inbound_spi),
        format!("{:#010x}", child.outbound_spi),
        or_dash(&child.suite),
        time(Some(child.age_s)),
        time(child.rekey_s),
        count(child.in_packets),
        bytes(child.in_bytes),
        count(child.out_packets),
        bytes(child.out_bytes),
        format!("{} === {}", child.local.join(", "), child.remote.join(", ")),
    ]
}

fn time(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), duration)
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(spi: u32) -> ChildSa {
        ChildSa {
            child: "to-b".to_owned(),
            state: "installed".to_owned(),
            mode: "tunnel".to_owned(),
            suite: "aes256gcm16".to_owned(),
            inbound_spi: spi,
            outbound_spi: spi + 1,
            local: vec!["10.1.0.0/24".to_owned()],
            remote: vec!["10.2.0.0/24".to_owned()],
            age_s: 5,
            rekey_s: None,
            worker: None,
            in_packets: 1234,
            in_bytes: 99,
            out_packets: 0,
            out_bytes: 0,
        }
    }

    fn sa(children: Vec<ChildSa>) -> IkeSa {
        IkeSa {
            peer: None,
            identity: None,
            version: 2,
            state: "connecting".to_owned(),
            initiator: true,
            local: ([192, 0, 2, 1], 500).into(),
            remote: ([192, 0, 2, 2], 4500).into(),
            initiator_spi: "1122334455667788".to_owned(),
            responder_spi: "0000000000000000".to_owned(),
            suite: String::new(),
            age_s: None,
            rekey_s: None,
            reauthenticate_s: None,
            local_nat: false,
            remote_nat: true,
            children,
        }
    }

    #[test]
    fn what_is_not_known_yet_is_a_dash() {
        let row = row(&sa(vec![]));
        let expected = [
            "-",
            "v2 initiator",
            "connecting",
            "192.0.2.1:500",
            "192.0.2.2:4500",
            "theirs",
            "-",
            "-",
            "-",
            "-",
        ];
        assert_eq!(row, expected);
        let (text, count) = text(&[sa(vec![])], 10, 200);
        assert_eq!((text.contains("CHILD"), count), (false, 1));
    }

    #[test]
    fn pairs_of_sas_are_below_their_ike_sas_and_no_more_rows_than_asked_for() {
        let all = [sa(vec![child(0x1001)]), sa(vec![child(0x2001), child(0x3001)])];
        let (whole, count) = text(&all, 10, 300);
        assert_eq!(count, 2);
        for word in ["0x00001001", "0x00002002", "0x00003001", "1,234", "10.1.0.0/24 === "] {
            assert!(whole.contains(word), "{word}: {whole}");
        }
        let (part, count) = text(&all, 1, 300);
        assert_eq!((part.matches("to-b").count(), count), (1, 2));
    }

    #[test]
    fn selectors_are_told_as_people_write_them() {
        let any = TrafficSelector {
            protocol: 0,
            ports: (0, u16::MAX),
            addresses: ([10, 1, 0, 0].into(), [10, 1, 0, 255].into()),
        };
        assert_eq!(selector(&any), "10.1.0.0/24");
        let one = ([10, 1, 0, 1].into(), [10, 1, 0, 1].into());
        let l2tp = TrafficSelector { protocol: 17, ports: (1701, 1701), addresses: one };
        assert!(selector(&l2tp).ends_with(" 17/1701"), "{}", selector(&l2tp));
        let opaque = TrafficSelector { ports: (u16::MAX, 0), ..l2tp };
        assert!(selector(&opaque).ends_with("/opaque"), "{}", selector(&opaque));
    }
}
