//! The IKE of a gateway: both versions behind one pair of ports.
//!
//! Datagrams and the time come in, and everything that is to be done leaves by one ordered queue.
//! What a stranger can make us keep is bounded here, by [`Settings`].

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use engine::{Instant, Random, UnixTime};

use crate::msg::{Header, TrafficSelector};
use crate::output::{Input, Level, Output, Path};
use crate::peers::Peers;
use crate::policy::{Child, Peer, Start, Versions};
use crate::shared::{Settings, Shared};
use crate::status::IkeStatus;
use crate::{v1, v2};

/// The IKE of a gateway.
pub struct Ike {
    shared: Shared,
    v1: v1::Engine,
    v2: v2::Engine,
}

impl Ike {
    /// Without peers: nobody is answered.
    #[must_use]
    pub fn new(settings: Settings, random: Box<dyn Random>) -> Self {
        let mut shared = Shared::new(settings, random);
        let v2 = v2::Engine::new(&mut shared);
        Self { shared, v1: v1::Engine::new(), v2 }
    }

    /// The peers there are from now on. A peer that was there before, the same `Arc`, keeps its
    /// SAs; those of a peer that is gone or has changed are deleted. Children that start by
    /// themselves are negotiated.
    pub fn configure(&mut self, now: Instant, wall: UnixTime, peers: Vec<Arc<Peer>>) {
        let gone = self.shared.peers.without(&peers);
        self.shared.peers = Peers::new(peers.clone());
        self.v1.forget(&mut self.shared, now, &gone);
        self.v2.forget(&mut self.shared, now, wall, &gone);
        for peer in peers {
            for child in peer.children.iter().filter(|child| child.start == Start::Always) {
                self.negotiate(now, wall, &peer, child, None, None);
            }
        }
    }

    /// An IKE message, without the non-ESP marker of port 4500.
    pub fn handle_datagram(&mut self, now: Instant, wall: UnixTime, path: Path, bytes: &[u8]) {
        let header = match Header::parse(bytes) {
            Ok(header) => header,
            Err(malformed) => {
                let text = alloc::format!("message from {} dropped: {malformed}", path.remote);
                return self.shared.log_stranger(now, Level::Debug, None, text);
            }
        };
        match header.version >> 4 {
            1 => self.v1.handle_datagram(&mut self.shared, now, wall, path, &header, bytes),
            _ => self.v2.handle_datagram(&mut self.shared, now, wall, path, &header, bytes),
        }
    }

    /// What is told besides datagrams.
    pub fn handle_input(&mut self, now: Instant, wall: UnixTime, input: Input) {
        match &input {
            Input::Acquire { child, remote, packet } => {
                let Some((peer, child)) = self.shared.peers.child(child) else { return };
                if child.start == Start::Never {
                    return;
                }
                self.negotiate(now, wall, &peer, &child, *remote, packet.as_ref());
            }
            Input::Initiate { peer } => {
                let Some(peer) = self.shared.peers.named(peer).cloned() else { return };
                for child in &peer.children {
                    self.negotiate(now, wall, &peer, child, None, None);
                }
            }
            Input::PathFailed { child } => {
                let Some((peer, _)) = self.shared.peers.child(child) else { return };
                self.v1.ask_whether_alive(&mut self.shared, now, &peer.name);
                self.v2.ask_whether_alive(&mut self.shared, now, wall, &peer.name);
            }
            Input::LocalAddresses(addresses) => {
                self.shared.local_addresses.clone_from(addresses);
                self.v2.handle_input(&mut self.shared, now, wall, &input);
            }
            _ => {
                self.v1.handle_input(&mut self.shared, now, &input);
                self.v2.handle_input(&mut self.shared, now, wall, &input);
            }
        }
    }

    /// The time of [`Ike::deadline`] has come.
    pub fn handle_timeout(&mut self, now: Instant, wall: UnixTime) {
        self.v1.handle_timeout(&mut self.shared, now, wall);
        self.v2.handle_timeout(&mut self.shared, now, wall);
    }

    /// When [`Ike::handle_timeout`] is wanted, as of now; `None` is never.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        [self.v1.deadline(), self.v2.deadline()].into_iter().flatten().min()
    }

    /// The next thing to be done. To be asked until there is none, after every call of the others.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.shared.poll_output()
    }

    /// What `show ike` shows.
    #[must_use]
    pub fn status(&self) -> Vec<IkeStatus> {
        let mut all = Vec::new();
        self.v1.status(&mut all);
        self.v2.status(&mut all);
        all
    }

    fn negotiate(
        &mut self,
        now: Instant,
        wall: UnixTime,
        peer: &Arc<Peer>,
        child: &Arc<Child>,
        remote: Option<IpAddr>,
        packet: Option<&(TrafficSelector, TrafficSelector)>,
    ) {
        let Some(remote) = remote.or(peer.remote) else { return };
        match peer.versions {
            Versions::V1 => {
                self.v1.acquire(&mut self.shared, now, peer, child, remote, packet);
            }
            Versions::V2 | Versions::Both => {
                self.v2.acquire(&mut self.shared, now, wall, peer, child, remote, packet);
            }
        }
    }
}
