//! `fastgw explain`: what each tunnel puts around a packet and what that costs.
//!
//! It builds the tables that the gateway would run with and asks them, so that it cannot say
//! anything else than what is sent. Links are taken to carry 1500 bytes: there is no machine to
//! ask.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use config::Config;
use esp::{Keys, OutboundSa};
use ike::policy::{Child, Peer};
use serde::Serialize;
use tables::{Header, Protection, Rewrite, Tunnel};

use crate::offline::Machine;
use bridge::Bridge;

/// The packet that overheads are told of: an ICMP echo with 32 bytes of data over IPv4, as
/// `ping -s 32` sends it, bytes.
const INNER: usize = 60;

/// What links carry, bytes.
const LINK: u16 = 1500;

/// All tunnels of a configuration.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Explanation(Vec<Entry>);

/// One tunnel, or one peer of a tunnel with many.
#[derive(Debug, Serialize)]
struct Entry {
    /// Its name.
    tunnel: String,
    /// The headers in front of an inner packet, outermost first.
    stack: Vec<String>,
    /// The suite; absent in clear. Where IKE negotiates, the one that is offered first.
    #[serde(skip_serializing_if = "Option::is_none")]
    suite: Option<&'static str>,
    /// What IKE negotiates; absent where keys are written down and in clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    ike: Option<Negotiated>,
    /// Bytes around an inner packet of [`INNER`] bytes: headers, padding, trailer and ICV.
    overhead: usize,
    /// Largest inner packet, bytes.
    inner_mtu: u16,
    /// Inner packets are padded to so many bytes; absent where they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    padded_to: Option<u16>,
    /// Bytes more than ESP tunnel mode with the same suite would put around it; absent in clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_over_esp_tunnel: Option<usize>,
}

/// How a tunnel gets its keys.
#[derive(Debug, Serialize)]
struct Negotiated {
    /// With whom.
    peer: String,
    /// What is offered and accepted, in order of preference, as it is written in a configuration.
    proposals: Vec<String>,
}

/// Explains the tunnels of a configuration.
///
/// # Errors
/// A key that its suite refuses.
pub fn explain(config: &Config) -> Result<Explanation, Box<dyn Error>> {
    // Nothing is sealed here.
    let mut bridge = Bridge::new(config, &mut || Ok([0; 32]))?;
    let built = bridge.build(&Machine::new(config));
    let explained = built.tables.tunnels.iter().map(|tunnel| {
        let ike = negotiated(config, &tunnel.name);
        let (tunnel, ike) = match ike {
            Some((peer, child)) => (with_keys(tunnel, child)?, Some((peer, child))),
            None => (Tunnel::clone(tunnel), None),
        };
        Ok(entry(&tunnel, ike))
    });
    Ok(Explanation(explained.collect::<Result<_, Box<dyn Error>>>()?))
}

/// The peer and the child that give a tunnel, or a tunnel's peer, its keys: the child has its name.
fn negotiated<'a>(config: &'a Config, name: &str) -> Option<(&'a Peer, &'a Child)> {
    config.ike_peers.iter().find_map(|peer| {
        let child = peer.children.iter().find(|child| *child.name == *name)?;
        Some((&**peer, &**child))
    })
}

/// A tunnel as it is once the first suite that is offered has been agreed on.
fn with_keys(tunnel: &Tunnel, child: &Child) -> Result<Tunnel, Box<dyn Error>> {
    let first = child.proposals.first().and_then(|proposal| proposal.suites.first());
    let Some(suite) = first.copied() else { return Ok(tunnel.clone()) };
    // Nothing is sealed with these.
    let (encryption, authentication) =
        (vec![0; suite.encryption_key_len()], vec![0; suite.authentication_key_len()]);
    let keys = Keys { encryption: &encryption, authentication: &authentication };
    let sa = OutboundSa::new(256, suite, keys, true, [0; 32])?;
    let protection = Protection::Esp(Some(Arc::new(sa)));
    let mut agreed = Tunnel { protection, padded_len: None, ..tunnel.clone() };
    agreed.mtu = tunnel.mtu.min(agreed.inner_mtu(LINK));
    agreed.padded_len = tunnel.padded_len.map(|len| len.min(agreed.mtu));
    Ok(agreed)
}

fn entry(tunnel: &Tunnel, ike: Option<(&Peer, &Child)>) -> Entry {
    let suite = match &tunnel.protection {
        Protection::Esp(Some(sa)) => Some(sa.suite().name()),
        Protection::Esp(None) | Protection::Clear => None,
    };
    // Padding hides what is said here.
    let bare = Tunnel { padded_len: None, ..tunnel.clone() };
    let outer_len = bare.outer_len(INNER);
    Entry {
        tunnel: tunnel.name.to_string(),
        stack: tunnel.stack().map(|header| header.to_string()).collect(),
        suite,
        ike: ike.map(|(peer, child)| Negotiated {
            peer: peer.name.to_string(),
            proposals: child.proposals.iter().map(ToString::to_string).collect(),
        }),
        overhead: outer_len - INNER,
        inner_mtu: tunnel.mtu,
        padded_to: tunnel.padded_len,
        extra_over_esp_tunnel: suite.map(|_| outer_len - esp_tunnel(&bare).outer_len(INNER)),
    }
}

/// The same tunnel as plain ESP tunnel mode between the same outer addresses.
fn esp_tunnel(tunnel: &Tunnel) -> Tunnel {
    let over_ipv4 = tunnel.stack().next() == Some(Header::Ipv4);
    let ends = tables::Endpoints {
        local: if over_ipv4 { [192, 0, 2, 1].into() } else { [0; 16].into() },
        remote: if over_ipv4 { [192, 0, 2, 2].into() } else { [0; 16].into() },
    };
    let rewrite = Rewrite::esp(ends, tables::OuterRules::default());
    Tunnel { inner: None, rewrite, ..tunnel.clone() }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.0 {
            writeln!(f, "tunnel {}: {} | inner packet", entry.tunnel, entry.stack.join(" | "))?;
            let suite = entry.suite.map(|suite| format!(" with {suite}")).unwrap_or_default();
            let extra = match entry.extra_over_esp_tunnel {
                Some(extra) => format!(", {extra} more than ESP tunnel mode"),
                None => ", in clear".to_owned(),
            };
            let overhead = entry.overhead;
            writeln!(f, "    {overhead} bytes around a packet of {INNER}{suite}{extra}")?;
            if let Some(Negotiated { peer, proposals }) = &entry.ike {
                let proposals = proposals.join(", ");
                writeln!(f, "    keys by IKE with {peer}, the first suite of {proposals}")?;
            }
            writeln!(f, "    inner MTU {} bytes over a link of {LINK}", entry.inner_mtu)?;
            if let Some(len) = entry.padded_to {
                writeln!(f, "    inner packets are padded to {len} bytes before they are sealed")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(config: &str) -> Explanation {
        let config = config::parse("test.toml", config, "").unwrap_or_else(|e| panic!("{e}"));
        explain(&config).expect("keys that fit")
    }

    #[test]
    fn a_negotiated_tunnel_is_under_esp_with_what_is_offered_first() {
        let text = include_str!("../../../configs/core.toml");
        let text = text.replace("[tunnel.ike]", "[tunnel.ike]\nproposals = [\"aes128-sha256\"]");
        let Explanation(all) = explained(&text);
        let [entry] = &all[..] else { panic!("{all:?}") };
        assert_eq!(entry.stack, ["ipv4", "esp"]);
        assert_eq!((entry.suite, entry.extra_over_esp_tunnel), (Some("aes128-sha256"), Some(0)));
        let ike = entry.ike.as_ref().expect("negotiated keys");
        assert_eq!((&*ike.peer, ike.proposals.len()), ("site-b", 1));
        // IPv4, ESP, IV, 60 bytes and 2 of trailer in blocks of 16, ICV.
        assert_eq!(entry.overhead, 20 + 8 + 16 + 64 + 16 - 60);
        let said = explained(&text).to_string();
        assert!(
            said.contains("keys by IKE with site-b, the first suite of aes128-sha256"),
            "{said}"
        );
        assert!(!said.contains("in clear"), "{said}");
    }
}
