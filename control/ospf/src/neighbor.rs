//! A neighbour, and its state machine (RFC 2328 sections 10 and 10.3).

use alloc::collections::{BTreeMap, VecDeque};
use core::net::Ipv4Addr;

use engine::Instant;

use crate::msg::{DatabaseDescription, Options};
use crate::msg::{LsaHeader, LsaKey};
use crate::scope::Scope;
use crate::settings::InterfaceId;

/// A neighbour: on which interface, and its address there or, on a point-to-point network, its
/// router ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NeighborId {
    /// The interface.
    pub interface: InterfaceId,
    /// What tells it from others there.
    pub key: Ipv4Addr,
}

/// How far we are with a neighbour (RFC 2328 section 10.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NeighborState {
    /// Nothing was heard of late.
    Down,
    /// It is called without having been heard (NBMA).
    Attempt,
    /// We hear it; it does not hear us yet.
    Init,
    /// Each hears the other.
    TwoWay,
    /// Who leads the exchange is being settled.
    ExStart,
    /// Each tells what it has.
    Exchange,
    /// What the other has newer is being fetched.
    Loading,
    /// The databases are the same.
    Full,
}

/// What happens to a neighbour (RFC 2328 section 10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NeighborEvent {
    Start,
    HelloReceived,
    TwoWayReceived,
    NegotiationDone,
    ExchangeDone,
    LoadingDone,
    AdjOk,
    /// SeqNumberMismatch and BadLSReq, which have the same effect.
    Restart,
    OneWay,
    /// KillNbr, LLDown and InactivityTimer, which have the same effect.
    Gone,
}

/// What the table below asks of its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Circumstances {
    /// Whether there is to be an adjacency (section 10.4).
    pub wants_adjacency: bool,
    /// Whether there is something to fetch.
    pub has_requests: bool,
}

/// The state after an event; `None` where nothing changes (RFC 2328 section 10.3, in its order).
pub(crate) fn after(
    state: NeighborState,
    event: NeighborEvent,
    circumstances: Circumstances,
) -> Option<NeighborState> {
    use NeighborEvent as Event;
    use NeighborState as State;
    let Circumstances { wants_adjacency, has_requests } = circumstances;
    match (state, event) {
        (State::Down, Event::Start) => Some(State::Attempt),
        (State::Down | State::Attempt, Event::HelloReceived) => Some(State::Init),
        (State::Init, Event::TwoWayReceived) if wants_adjacency => Some(State::ExStart),
        (State::Init, Event::TwoWayReceived) => Some(State::TwoWay),
        (State::ExStart, Event::NegotiationDone) => Some(State::Exchange),
        (State::Exchange, Event::ExchangeDone) if has_requests => Some(State::Loading),
        (State::Exchange, Event::ExchangeDone) | (State::Loading, Event::LoadingDone) => {
            Some(State::Full)
        }
        (State::TwoWay, Event::AdjOk) if wants_adjacency => Some(State::ExStart),
        (state, Event::AdjOk) if state >= State::ExStart && !wants_adjacency => Some(State::TwoWay),
        (state, Event::Restart) if state >= State::Exchange => Some(State::ExStart),
        (state, Event::OneWay) if state >= State::TwoWay => Some(State::Init),
        (state, Event::Gone) if state > State::Down => Some(State::Down),
        _ => None,
    }
}

/// A neighbour.
#[derive(Debug)]
pub(crate) struct Neighbor {
    pub router_id: Ipv4Addr,
    pub address: Ipv4Addr,
    pub state: NeighborState,
    /// Since when it is in that state.
    pub since: Instant,
    pub priority: u8,
    /// Whom it says to be the designated router and the backup.
    pub designated: Ipv4Addr,
    pub backup: Ipv4Addr,
    /// What its description of the database says that it can do.
    pub options: Options,
    /// We lead the exchange.
    pub leads: bool,
    /// Of the description we last sent, or are to accept next.
    pub dd_sequence: u32,
    /// What it last described, to know it again.
    pub last_heard: Option<DatabaseDescription>,
    /// What we last described, to be said again.
    pub last_said: Option<DatabaseDescription>,
    /// What is still to be described to it.
    pub summary: VecDeque<LsaHeader>,
    /// What it has newer than we.
    pub requests: BTreeMap<LsaKey, LsaHeader>,
    /// How many of those have been asked for and not come.
    pub asked: usize,
    /// What it has not acknowledged, and which instance of it.
    pub retransmit: BTreeMap<(Scope, LsaKey), LsaHeader>,
    /// The newest cryptographic sequence number (RFC 2328 appendix D.3).
    pub crypto_sequence: u32,
    /// It is restarting and is treated as if it were there, until then (RFC 3623 section 3).
    pub helped_until: Option<Instant>,
}

impl Neighbor {
    /// One of whom nothing is known but where it is.
    pub fn new(router_id: Ipv4Addr, address: Ipv4Addr, now: Instant) -> Self {
        Self {
            router_id,
            address,
            state: NeighborState::Down,
            since: now,
            priority: 0,
            designated: Ipv4Addr::UNSPECIFIED,
            backup: Ipv4Addr::UNSPECIFIED,
            options: Options::default(),
            leads: false,
            dd_sequence: 0,
            last_heard: None,
            last_said: None,
            summary: VecDeque::new(),
            requests: BTreeMap::new(),
            asked: 0,
            retransmit: BTreeMap::new(),
            crypto_sequence: 0,
            helped_until: None,
        }
    }

    /// Whether LSAs are flooded to it.
    pub fn is_flooded_to(&self) -> bool {
        self.state >= NeighborState::Exchange
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use core::fmt::Write;

    use super::*;

    /// The whole table, as the RFC's section 10.3 can be held beside it.
    const TABLE: &str = "\
Down: Start > Attempt, HelloReceived > Init
Attempt: HelloReceived > Init, Gone > Down
Init: TwoWayReceived > TwoWay or ExStart, Gone > Down
TwoWay: AdjOk > TwoWay or ExStart, OneWay > Init, Gone > Down
ExStart: NegotiationDone > Exchange, AdjOk > TwoWay or ExStart, OneWay > Init, Gone > Down
Exchange: ExchangeDone > Full or Loading, AdjOk > TwoWay or Exchange, Restart > ExStart, \
OneWay > Init, Gone > Down
Loading: LoadingDone > Full, AdjOk > TwoWay or Loading, Restart > ExStart, \
OneWay > Init, Gone > Down
Full: AdjOk > TwoWay or Full, Restart > ExStart, OneWay > Init, Gone > Down
";

    #[test]
    fn the_table_is_the_rfcs() {
        use NeighborEvent as Event;
        use NeighborState as State;
        let states = [
            State::Down,
            State::Attempt,
            State::Init,
            State::TwoWay,
            State::ExStart,
            State::Exchange,
            State::Loading,
            State::Full,
        ];
        let events = [
            Event::Start,
            Event::HelloReceived,
            Event::TwoWayReceived,
            Event::NegotiationDone,
            Event::ExchangeDone,
            Event::LoadingDone,
            Event::AdjOk,
            Event::Restart,
            Event::OneWay,
            Event::Gone,
        ];
        let mut table = String::new();
        for state in states {
            let mut row = String::new();
            for event in events {
                let to = |yes| {
                    let all = Circumstances { wants_adjacency: yes, has_requests: yes };
                    after(state, event, all).unwrap_or(state)
                };
                let (no, yes) = (to(false), to(true));
                if (no, yes) == (state, state) {
                    continue;
                }
                let comma = if row.is_empty() { "" } else { "," };
                write!(row, "{comma} {event:?} > {no:?}").unwrap();
                if yes != no {
                    write!(row, " or {yes:?}").unwrap();
                }
            }
            writeln!(table, "{state:?}:{row}").unwrap();
        }
        assert_eq!(table, TABLE);
    }
}
