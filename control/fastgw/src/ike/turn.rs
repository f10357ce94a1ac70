//! The gateway does what the engine wants: the bridge says in which order.

use std::sync::Arc;

use bridge::{Pending, Shell};
use ike::output::{ChildSaId, Datagram, Event, Level, Output, Path};

use crate::gateway::{Gateway, random_seed};

impl Gateway {
    /// Does what the engine wants. True when workers should look.
    pub fn negotiate(&mut self) -> bool {
        bridge::turn(self)
    }

    /// Publishes the tables with the SAs that there are now, and leaves all else in them.
    fn refresh(&mut self) {
        let before = self.tables();
        let tables = self.with_underlay(|bridge, underlay| bridge.refresh(&before, underlay));
        let has_new_hops = !Arc::ptr_eq(&before.nexthops, &tables.nexthops);
        self.publish_tables(tables);
        if has_new_hops {
            self.resolve_wanted();
        }
    }
}

impl Shell for Gateway {
    fn poll_output(&mut self) -> Option<Output> {
        self.negotiator.as_mut()?.engine.poll_output()
    }

    fn path_of(&self, id: ChildSaId) -> Option<Path> {
        self.bridge.path_of(id)
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::InstallInbound(child) => {
                let installed =
                    random_seed().and_then(|seed| self.bridge.install_inbound(&child, seed));
                if let Err(error) = installed {
                    tracing::error!("tunnel {}: keys cannot be used: {error}", child.child);
                }
            }
            Event::InstallOutbound(id) => self.bridge.install_outbound(id),
            Event::WorkersShare(id) => self.bridge.share_among_workers(id),
            Event::Remove(id, why) => {
                tracing::debug!("child SA {}: {why:?}", id.0);
                self.bridge.remove(id);
            }
            Event::Move { id, path, udp } => self.bridge.move_pair(id, path, udp),
            Event::IkeUp(id) => tracing::debug!("IKE SA {} is up", id.0),
            Event::IkeDown(id) => tracing::debug!("IKE SA {} is gone", id.0),
            Event::Log { level, peer, text } => log(level, peer.as_deref(), &text),
            Event::KeyLog(line) => {
                let key_log = self.negotiator.as_mut().and_then(|ike| ike.key_log.as_mut());
                if let Some(Err(error)) = key_log.map(|key_log| key_log.write(&line)) {
                    tracing::error!("cannot log keys: {error}");
                }
            }
        }
    }

    fn publish(&mut self) -> bool {
        match self.bridge.pending() {
            Pending::Nothing => return false,
            Pending::Keys => self.refresh(),
            Pending::All => self.rebuild_or_tell(),
        }
        true
    }

    fn send(&mut self, datagram: &Datagram) {
        let sockets = self.negotiator.as_ref().map(|ike| ike.sockets());
        if let Some(Err(error)) = sockets.map(|sockets| sockets.send(datagram)) {
            let (from, to) = (datagram.path.local, datagram.path.remote);
            tracing::debug!("IKE message from {from} to {to} not sent: {error}");
        }
    }
}

fn log(level: Level, peer: Option<&str>, text: &str) {
    let of = peer.map(|peer| format!("{peer}: ")).unwrap_or_default();
    match level {
        Level::Debug => tracing::debug!("{of}{text}"),
        Level::Info => tracing::info!("{of}{text}"),
        Level::Warning => tracing::warn!("{of}{text}"),
        Level::Error => tracing::error!("{of}{text}"),
    }
}
