//! The gateway's eyes on the kernel: links, addresses, routes, neighbours, followed as they change.
//!
//! The kernel stays the host's stack: who is where, and by which way, is its knowledge. [`Kernel`]
//! reads it over rtnetlink (man 7 rtnetlink) and keeps a [`State`], a mirror to ask.
//!
//! 1. Subscribe, then dump, so that nothing is missed between the two.
//! 2. When the event socket is readable, [`Kernel::read_events`] brings the mirror up to date and
//!    tells what moved.
//! 3. After lost events, and after events behind which the kernel drops routes without a word,
//!    everything is read again and the differences are told as if they had been events.

mod address;
mod install;
mod link;
mod neighbour;
mod route;
mod socket;
mod state;
#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE};

pub use self::address::Address;
pub use self::install::Learned;
pub use self::neighbour::Resolution;
use self::socket::{Delivery, Events, Requests};
pub use self::state::{Change, State};

/// A mirror of the kernel's network state, with the two rtnetlink sockets that feed it.
pub struct Kernel {
    state: State,
    requests: Requests,
    events: Events,
    /// Changes already in `state` that no caller has seen, kept over an error.
    untold: Vec<Change>,
    /// The mirror may differ from the kernel: read everything again.
    suspect: bool,
    /// Routes of ours are in the main table.
    has_installed: bool,
    /// How often events were lost, each time made good by reading everything.
    overruns: u64,
}

impl Kernel {
    /// Subscribes to the changes in this process's network namespace, then reads what is there.
    ///
    /// Needs no privileges. Errors: the sockets cannot be opened, or a dump fails.
    pub fn open() -> io::Result<Kernel> {
        let events = Events::subscribe()?;
        let mut requests = Requests::open()?;
        let state = read_all(&mut requests)?;
        Ok(Kernel {
            state,
            requests,
            events,
            untold: Vec::new(),
            suspect: false,
            has_installed: false,
            overruns: 0,
        })
    }

    /// The socket to register with mio; readable means: call [`Kernel::read_events`].
    pub fn event_source(&mut self) -> &mut netlink_sys::Socket {
        self.events.socket()
    }

    /// Reads all events that wait and returns what moved: sorted, each thing once.
    ///
    /// Never blocks on the event socket and always drains it, as edge-triggered polling demands.
    /// When the kernel ran out of buffer (ENOBUFS), and when routes may have vanished silently,
    /// everything is read again. Errors: a socket or a dump failed; no change is lost by that, the
    /// next call tells it and tries again.
    pub fn read_events(&mut self) -> io::Result<Vec<Change>> {
        loop {
            match self.events.receive()? {
                Delivery::Message { flags, message } => {
                    let applied = self.state.apply(flags, &message);
                    self.untold.extend(applied.changes);
                    self.suspect |= applied.suspect;
                }
                Delivery::Lost(why) => {
                    self.suspect = true;
                    self.overruns += 1;
                    let overruns = self.overruns;
                    tracing::debug!(why, overruns, "kernel events lost, reading everything again");
                }
                Delivery::RoutesSuspect => self.suspect = true,
                Delivery::Drained => break,
            }
        }
        if self.suspect {
            let fresh = read_all(&mut self.requests)?;
            self.untold.extend(self.state.replace(fresh));
            self.suspect = false;
        }
        let mut changes = std::mem::take(&mut self.untold);
        changes.sort_unstable();
        changes.dedup();
        Ok(changes)
    }

    /// Asks the kernel to resolve `address` on the link `ifindex`, or to confirm what it has.
    ///
    /// The kernel sends the ARP or neighbour discovery requests; the answer comes as a
    /// [`Change::Neighbour`]: usable, or failed after its probes (three seconds by default). An
    /// entry that is stale is probed again. A neighbour that an administrator fixed is left alone.
    /// The kernel asks for an IPv6 neighbour from its link-local address, without which it fails.
    /// Needs CAP_NET_ADMIN; other errors: no such link, or the link is down.
    pub fn resolve(&mut self, ifindex: u32, address: IpAddr) -> io::Result<()> {
        // NTF_USE takes the permanent mark from an entry, which would then age and be lost.
        if self.state.neighbour(ifindex, address).is_some_and(|known| known.fixed) {
            return Ok(());
        }
        let request = neighbour::resolution_request(ifindex, address);
        self.requests.change(NLM_F_CREATE, request).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("the kernel refused to resolve {address} on link {ifindex}: {error}"),
            )
        })
    }

    /// What the kernel was known to have at the last [`Kernel::read_events`].
    pub fn state(&self) -> &State {
        &self.state
    }
}

/// Dumps links, addresses, routes and neighbours into a new mirror.
///
/// Links come first for a reason: that dump waits for the kernel's configuration lock (RTNL), and
/// so for whoever is just taking a link down to have finished dropping its routes.
fn read_all(requests: &mut Requests) -> io::Result<State> {
    let mut state = State::default();
    for request in [
        link::dump_request(),
        address::dump_request(),
        route::dump_request(),
        neighbour::dump_request(),
    ] {
        for message in requests.dump(request)? {
            // A dump lists routes of one prefix and metric in the order in which they are tried.
            state.apply(NLM_F_APPEND, &message);
        }
    }
    Ok(state)
}
