//! `fastgw explain`: what each tunnel puts around a packet and what that costs.
//!
//! It builds the tables that the gateway would run with and asks them, so that it cannot say
//! anything else than what is sent. Links are taken to carry 1500 bytes: there is no machine to
//! ask.

use std::error::Error;
use std::fmt;

use config::Config;
use serde::Serialize;
use tables::{Header, Protection, Rewrite, Tunnel};

use crate::offline::Machine;
use bridge::Bridge;

/// The packet that overheads are told of: an ICMP echo with 32 bytes of data over IPv4, as
/// `ping -s 32` sends it, bytes.
const INNER: usize = 60;

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
    /// The suite; absent in clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    suite: Option<&'static str>,
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

/// Explains the tunnels of a configuration.
///
/// # Errors
/// A key that its suite refuses.
pub fn explain(config: &Config) -> Result<Explanation, Box<dyn Error>> {
    // Nothing is sealed here.
    let mut bridge = Bridge::new(config, &mut || Ok([0; 32]))?;
    let built = bridge.build(&Machine::new(config));
    Ok(Explanation(built.tables.tunnels.iter().map(|tunnel| entry(tunnel)).collect()))
}

fn entry(tunnel: &Tunnel) -> Entry {
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
            writeln!(f, "    inner MTU {} bytes over a link of 1500", entry.inner_mtu)?;
            if let Some(len) = entry.padded_to {
                writeln!(f, "    inner packets are padded to {len} bytes before they are sealed")?;
            }
        }
        Ok(())
    }
}
