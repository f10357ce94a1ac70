//! What SAs are called, the same on both sides, and what a gateway has and a message says in these
//! names.

use std::collections::BTreeMap;

use ike::algorithm::Group;
use ike::msg::numbers::{exchange, notify as kind};
use ike::msg::{Header, IKE, IkeSpi, Notify, Payload};
use ike::status::{ChildStatus, IkeStatus};

use crate::sim::{Node, Pair};

/// Types of notifications below this one are errors (RFC 7296 section 3.10.1).
const FIRST_STATUS: u16 = 16_384;

/// Numbers of SAs in the order in which they appear on either side.
#[derive(Default)]
pub struct Names {
    /// Of pairs, by a side and what it receives by.
    pairs: BTreeMap<(usize, u32), usize>,
    /// Initiators' SPIs.
    sas: Vec<IkeSpi>,
}

impl Names {
    /// Names what a side has.
    pub fn learn(&mut self, node: usize, it: &Node) {
        for pair in it.pairs.values() {
            let own = (node, pair.sa.inbound.spi);
            let other = (1 - node, pair.sa.outbound.spi);
            let known = self.pairs.get(&own).or_else(|| self.pairs.get(&other)).copied();
            let next = self.pairs.values().max().copied().unwrap_or(0) + 1;
            let name = known.unwrap_or(next);
            self.pairs.insert(own, name);
            self.pairs.insert(other, name);
        }
        for sa in it.ike.status() {
            if !self.sas.contains(&sa.spis.0) {
                self.sas.push(sa.spis.0);
            }
        }
    }

    /// What the pair is called that a side receives by with this SPI.
    pub fn pair(&self, node: usize, spi: u32) -> String {
        self.pairs.get(&(node, spi)).map_or("?".into(), ToString::to_string)
    }

    /// The SPI that a side receives by with this pair.
    pub fn spi(&self, node: usize, pair: &str) -> Option<u32> {
        let is = |(key, name): (&(usize, u32), &usize)| {
            (key.0 == node && name.to_string() == pair).then_some(key.1)
        };
        self.pairs.iter().find_map(is)
    }

    fn sa(&self, spi: IkeSpi) -> String {
        let position = self.sas.iter().position(|known| *known == spi);
        position.map_or("K?".into(), |position| format!("K{}", position + 1))
    }

    /// What a side has; `peer` is the other one.
    pub fn state(&self, node: usize, it: &Node, peer: &Node) -> String {
        let all = it.ike.status();
        let owned: Vec<_> = all.iter().flat_map(|sa| &sa.children).map(|pair| pair.id).collect();
        let installed: Vec<_> = it.pairs.keys().copied().collect();
        let mut sorted = owned.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, installed, "what the engine shows and what it has installed");
        let mut words = Vec::new();
        for sa in &all {
            words.push(format!("{}{}", self.sa(sa.spis.0), state_of_sa(sa)));
            for child in &sa.children {
                let pair = &it.pairs[&child.id];
                let sends = it.sends_by.get(&*child.child) == Some(&child.id);
                let out = match (sends, taken(pair, peer)) {
                    (false, _) => "",
                    (true, true) => ">",
                    (true, false) => "!",
                };
                let name = self.pair(node, pair.sa.inbound.spi);
                words.push(format!("{name}<{out}{}", state_of_child(child)));
            }
        }
        if words.is_empty() { "-".into() } else { words.join(" ") }
    }

    /// What a message of this side says.
    pub fn message(&self, node: usize, header: &Header, payloads: &[Payload]) -> String {
        let exchanged = payloads.iter().find_map(|payload| match payload {
            Payload::Ke(exchange) => Some(group(exchange.group)),
            _ => None,
        });
        let mut words = Vec::new();
        match (header.exchange.0, exchanged) {
            (exchange::CREATE_CHILD_SA | exchange::INFORMATIONAL, _) => {}
            (exchange::IKE_FOLLOWUP_KE, Some(group)) => words.push(format!("FOLLOWUP_KE({group})")),
            (exchange::IKE_FOLLOWUP_KE, None) => {}
            (other, _) => words.push(exchange::name(other).expect("an exchange").to_string()),
        }
        let handshake = matches!(header.exchange.0, exchange::IKE_SA_INIT | exchange::IKE_AUTH);
        for payload in payloads {
            match payload {
                Payload::Sa(_) if handshake => {}
                Payload::Sa(proposals) => {
                    let of = if proposals[0].protocol == IKE { "IKE" } else { "ESP" };
                    let group = exchanged.map(|group| format!(",{group}")).unwrap_or_default();
                    words.push(format!("SA({of}{group})"));
                }
                Payload::Delete(delete) if delete.protocol == IKE => words.push("D".into()),
                Payload::Delete(delete) => {
                    let pairs: Vec<_> =
                        delete.spis.iter().map(|spi| self.pair(node, *spi)).collect();
                    words.push(format!("D({})", pairs.join(",")));
                }
                Payload::Notify(notify) => words.extend(self.notify(node, notify)),
                _ => {}
            }
        }
        if words.is_empty() {
            words.push("{}".into());
        }
        let sa = self.sa(header.initiator_spi);
        if sa != "K1" {
            words.push(format!("@{sa}"));
        }
        words.join(" ")
    }

    /// A notification that concerns collisions.
    fn notify(&self, node: usize, notify: &Notify) -> Option<String> {
        let name = shown(notify.kind)?;
        let spi = notify.spi.first_chunk().map(|spi| u32::from_be_bytes(*spi));
        Some(match (notify.kind, spi) {
            (kind::REKEY_SA, Some(spi)) => format!("{name}({})", self.pair(node, spi)),
            // The SPI is that of the peer's request.
            (kind::CHILD_SA_NOT_FOUND, Some(spi)) => {
                format!("{name}({})", self.pair(1 - node, spi))
            }
            (kind::INVALID_KE_PAYLOAD, _) => {
                let id = notify.data.first_chunk().map(|id| u16::from_be_bytes(*id));
                format!("{name}({})", group(id.unwrap_or(0)))
            }
            _ => name.into(),
        })
    }
}

/// What a script calls a notification; `None` if it does not concern collisions.
pub fn shown(kind: u16) -> Option<&'static str> {
    match kind {
        kind::ADDITIONAL_KEY_EXCHANGE => Some("ADD_KE"),
        kind::REKEY_SA | kind::INITIAL_CONTACT => kind::name(kind),
        error if error < FIRST_STATUS => Some(kind::name(error).unwrap_or("NOTIFY")),
        _ => None,
    }
}

/// Whether the other side takes what is sent by this pair.
fn taken(pair: &Pair, peer: &Node) -> bool {
    peer.pairs.values().any(|other| {
        other.sa.inbound.spi == pair.sa.outbound.spi
            && other.sa.inbound.encryption == pair.sa.outbound.encryption
            && other.sa.inbound.authentication == pair.sa.outbound.authentication
    })
}

fn group(id: u16) -> &'static str {
    Group::from_id(id).map_or("?", Group::name)
}

fn state_of_sa(sa: &IkeStatus) -> &'static str {
    match sa.state {
        "connecting" => "c",
        "established" => "",
        "rekeying" => "r",
        "replaced" => "o",
        "deleting" => "x",
        other => panic!("an IKE SA is {other}"),
    }
}

fn state_of_child(child: &ChildStatus) -> &'static str {
    match child.state {
        "installing" => "w",
        "installed" => "",
        "rekeying" => "r",
        "draining" => "d",
        "deleting" => "x",
        other => panic!("a pair is {other}"),
    }
}
