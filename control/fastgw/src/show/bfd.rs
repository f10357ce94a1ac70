//! The sessions of BFD, as they cross the control socket and as a table for people.

use std::net::Ipv4Addr;
use std::time::Duration;

use bfd::{Diagnostic, State};
use serde::{Deserialize, Serialize};

use super::{
    table::{
        Align::{Left, Right, Wrap},
        Table,
    },
    units::duration,
};
use crate::bfd::SessionStatus;

/// A session with a neighbour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BfdSession {
    /// The neighbour's address.
    pub neighbor: Ipv4Addr,
    /// The port or tunnel.
    pub interface: String,
    /// `up`, `init`, `down` or `admin down`.
    pub state: String,
    /// What the neighbour says that it is.
    pub remote_state: String,
    /// Why it went down the last time; null while there is nothing to tell.
    pub diagnostic: Option<String>,
    /// Seconds for which it has been up, or has not.
    pub since_s: u64,
    /// Microseconds between our packets, at most; null when none are sent.
    pub transmit_interval_us: Option<u64>,
    /// Microseconds of silence after which it is down; null while nothing was heard.
    pub detection_time_us: Option<u64>,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets received that were the neighbour's.
    pub rx_packets: u64,
}

impl From<SessionStatus<'_>> for BfdSession {
    fn from(status: SessionStatus<'_>) -> Self {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let word = |state: State| state.to_string();
        let diagnostic = Some(status.diagnostic).filter(|it| *it != Diagnostic::NONE);
        Self {
            neighbor: status.address,
            interface: status.interface.to_owned(),
            state: word(status.state),
            remote_state: word(status.remote_state),
            diagnostic: diagnostic.map(|it| it.to_string()),
            since_s: status.since.as_secs(),
            transmit_interval_us: status.transmit_interval.map(micros),
            detection_time_us: status.detection_time.map(micros),
            tx_packets: status.sent,
            rx_packets: status.received,
        }
    }
}

/// A table of them.
pub(super) fn text(all: &[BfdSession], width: usize) -> String {
    let mut table = Table::new([
        ("NEIGHBOR", Left),
        ("INTERFACE", Left),
        ("STATE", Left),
        ("REMOTE", Left),
        ("SINCE", Right),
        ("TX INTERVAL", Right),
        ("DETECT TIME", Right),
        ("TX", Right),
        ("RX", Right),
        ("DIAGNOSTIC", Wrap),
    ]);
    let time =
        |us: Option<u64>| us.map_or("-".to_owned(), |us| format!("{}ms", us as f64 / 1000.0));
    for session in all {
        table.row([
            session.neighbor.to_string(),
            session.interface.clone(),
            session.state.clone(),
            session.remote_state.clone(),
            duration(session.since_s),
            time(session.transmit_interval_us),
            time(session.detection_time_us),
            session.tx_packets.to_string(),
            session.rx_packets.to_string(),
            session.diagnostic.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table.render(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_told_in_the_words_of_the_rfc() {
        let status = SessionStatus {
            interface: "to-b",
            address: Ipv4Addr::new(10, 255, 0, 2),
            state: State::Down,
            remote_state: State::AdminDown,
            diagnostic: Diagnostic::DETECTION_TIME_EXPIRED,
            since: Duration::from_millis(65_900),
            transmit_interval: Some(Duration::from_micros(62_500)),
            detection_time: None,
            sent: 1234,
            received: 7,
        };
        let shown = text(&[status.into()], 200);
        let row: Vec<&str> = shown.lines().nth(1).unwrap_or_default().split_whitespace().collect();
        let times = "1 min 5 s 62.5ms - 1234 7";
        let expected =
            format!("10.255.0.2 to-b down admin down {times} control detection time expired");
        assert_eq!(row.join(" "), expected, "{shown}");
    }
}
