//! What the engine is told: what peers send, what workers ask for, what the SAs' counters say, what
//! the configuration and the operator want.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};

use bridge::{Heard, Kept};
use ike::msg::TrafficSelector;
use ike::output::Input;
use pipeline::{Event, Injected};

use super::Negotiator;
use crate::gateway::Gateway;
use crate::outer::KEEPALIVE;
use crate::show::ike::IkeSa;
use crate::show::status::{Direction, Status};
use crate::show::{IkeAction, IkeCommand, Section};

impl Gateway {
    /// Has IKE follow the configuration; it begins with the first peer that there is.
    ///
    /// # Errors
    /// It cannot begin.
    pub fn configure_ike(&mut self) -> Result<(), Box<dyn Error>> {
        if self.negotiator.is_none() && !self.config.ike_peers.is_empty() {
            self.negotiator = Some(Negotiator::new(&self.config, self.bridge.manual_spis())?);
        }
        let refused = self.follow_addresses();
        refused.iter().for_each(|problem| tracing::error!("{problem}"));
        if let Some(ike) = &mut self.negotiator {
            ike.configure(&self.config);
        }
        Ok(())
    }

    /// Tells every peer that its SAs are over.
    pub fn take_leave(&mut self) {
        if let Some(ike) = &mut self.negotiator {
            ike.forget_all();
        }
        self.negotiate();
        // Last: what was said just now may have gone that way.
        self.withdraw_from_kernel();
    }

    /// Takes in what has come for IKE. True when workers should look.
    pub fn read_ike(&mut self) -> bool {
        let Some(ike) = &mut self.negotiator else { return false };
        let (rings, next) = (&self.rings, &mut self.next_worker);
        let mut news = false;
        ike.read(|packet| {
            // A ring that is full drops, as a network does.
            if let Some(own) = rings.get(*next % rings.len().max(1)) {
                news |= own.injected.push(Injected::Received(packet)).is_ok();
            }
            *next = next.wrapping_add(1);
        });
        news
    }

    /// Tells the engine of what the worker with this index has left for it.
    pub fn worker_tells_ike(&mut self, worker: usize, event: Event) {
        let input = match event {
            Event::WorkerAcquire { tunnel } => {
                let Some(id) = self.bridge.shared_pair(tunnel) else { return };
                Input::WorkerAcquire(id, worker as u16)
            }
            Event::Acquire { tunnel, source, destination, protocol, ports } => {
                let Some(child) = self.bridge.child_of(tunnel) else { return };
                let (ours, theirs) = ports.unzip();
                let packet = (one(source, protocol, ours), one(destination, protocol, theirs));
                Input::Acquire { child: child.into(), remote: None, packet: Some(packet) }
            }
            Event::FirstPacket { spi } => {
                let Some(id) = self.bridge.first_packet(spi) else { return };
                Input::InboundUsed(id)
            }
            Event::PeerMoved { .. } | Event::Resolve { .. } => return,
        };
        self.tell_ike(input);
    }

    /// A packet of an inbound SA came from elsewhere. True when all tables are to be made anew.
    pub fn peer_moved(&mut self, spi: u32, seq: u64, address: IpAddr, port: Option<u16>) -> bool {
        match self.bridge.peer_moved(spi, seq, address, port) {
            Some(Heard::Moved(name)) => {
                let port = port.map(|port| format!(", port {port}")).unwrap_or_default();
                tracing::info!("tunnel {name}: its peer is at {address}{port} now");
                true
            }
            Some(Heard::Negotiated(id, at)) => {
                self.tell_ike(Input::PeerMoved(id, at));
                false
            }
            None => false,
        }
    }

    /// Tells the engine what the counters of its SAs say.
    pub fn tell_usage(&mut self) {
        if self.negotiator.is_some() {
            for input in self.bridge.usage() {
                self.tell_ike(input);
            }
        }
    }

    /// Sends a NAT keepalive, from IKE's own socket where there is one.
    pub fn keep_alive(&self, peer: &Kept) {
        match &self.negotiator {
            Some(ike) if ike.sockets().has(peer.local) => {
                let remote = SocketAddr::new(peer.remote, peer.port);
                if let Err(error) = ike.sockets().send_raw(peer.local, remote, &KEEPALIVE) {
                    tracing::debug!("no keepalive to {remote}: {error}");
                }
            }
            _ => self.sockets.keep_alive(peer.local, peer.remote, peer.port),
        }
    }

    /// Does what the operator wants of IKE; what is wrong with that, if it cannot be done.
    pub fn obey(&mut self, command: IkeCommand) -> Result<(), String> {
        let IkeCommand { action, peer, ike } = command;
        if !self.config.ike_peers.iter().any(|known| *known.name == *peer) {
            let names = self.config.ike_peers.iter().map(|peer| &*peer.name);
            let names: Vec<&str> = names.collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(format!("there is no peer {peer}; peers of IKE are: {known}"));
        }
        let peer = peer.into_boxed_str();
        self.tell_ike(match action {
            IkeAction::Initiate => Input::Initiate { peer },
            IkeAction::Rekey => Input::Rekey { peer, ike },
            IkeAction::Terminate => Input::Terminate { peer },
        });
        Ok(())
    }

    /// What IKE has to show, if the section has it.
    pub fn ike_status(&self, section: Section) -> Option<Vec<IkeSa>> {
        let wanted = section.has(Section::Ike) || section == Section::Sas;
        let Some(ike) = self.negotiator.as_ref().filter(|_| wanted) else {
            return (section == Section::Ike).then(Vec::new);
        };
        let now = ike.now();
        let all = ike.status();
        Some(all.iter().map(|status| IkeSa::collect(status, &self.bridge, now)).collect())
    }

    /// Says of inbound SAs which worker's pair each is of.
    pub fn tell_workers(&self, status: &mut Status) {
        let inbound = status.sas.iter_mut().flatten();
        for sa in inbound.filter(|sa| sa.direction == Direction::Inbound) {
            sa.worker = self.bridge.worker_of(sa.spi);
        }
    }

    pub(crate) fn tell_ike(&mut self, input: Input) {
        if let Some(ike) = &mut self.negotiator {
            ike.tell(input);
        }
    }
}

/// The selector of one packet, as far as it could be seen (RFC 7296 section 2.9).
fn one(address: IpAddr, protocol: Option<u8>, port: Option<u16>) -> TrafficSelector {
    TrafficSelector {
        protocol: protocol.unwrap_or(0),
        ports: port.map_or((0, u16::MAX), |port| (port, port)),
        addresses: (address, address),
    }
}
