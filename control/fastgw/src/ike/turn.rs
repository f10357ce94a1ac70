//! What the engine wants done, done in its order.
//!
//! Publishing tables for each SA would cost more than negotiating it, so everything that a turn
//! brings is published together where order allows: inbound SAs may come early, and no message may
//! overtake one to the same peer. What an outbound SA waits for is a message to its peer that still
//! lies here; then it, and what comes behind it for that peer, waits until that has been sent.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use bridge::Pending;
use ike::output::{Datagram, Event, Level, Output};

use crate::gateway::{Gateway, random_seed};

/// What a turn has brought and what is still to be done of it.
#[derive(Default)]
struct Turn {
    /// To be sent once the tables are published.
    ready: Vec<Datagram>,
    ready_to: BTreeSet<IpAddr>,
    /// To be done once those are sent.
    later: Vec<Event>,
    later_for: BTreeSet<IpAddr>,
    published: bool,
}

impl Gateway {
    /// Does what the engine wants. True when workers should look.
    pub fn negotiate(&mut self) -> bool {
        let mut turn = Turn::default();
        while let Some(output) = self.negotiator.as_mut().and_then(|ike| ike.engine.poll_output()) {
            match output {
                Output::Transmit(datagram) => {
                    let to = datagram.path.remote.ip();
                    if turn.later_for.contains(&to) {
                        self.finish(&mut turn);
                    }
                    turn.ready_to.insert(to);
                    turn.ready.push(datagram);
                }
                Output::Event(event) => self.do_or_defer(event, &mut turn),
            }
        }
        self.finish(&mut turn);
        turn.published
    }

    /// Publishes, sends, and does what waited for that.
    fn finish(&mut self, turn: &mut Turn) {
        turn.published |= self.publish_sas();
        turn.ready_to.clear();
        for datagram in turn.ready.drain(..) {
            let sockets = self.negotiator.as_ref().map(|ike| ike.sockets());
            if let Some(Err(error)) = sockets.map(|sockets| sockets.send(&datagram)) {
                let (from, to) = (datagram.path.local, datagram.path.remote);
                tracing::debug!("IKE message from {from} to {to} not sent: {error}");
            }
        }
        turn.later_for.clear();
        for event in std::mem::take(&mut turn.later) {
            self.apply(event);
        }
        turn.published |= self.publish_sas();
    }

    fn do_or_defer(&mut self, event: Event, turn: &mut Turn) {
        let pair = match &event {
            Event::InstallOutbound(id)
            | Event::WorkersShare(id)
            | Event::Remove(id, _)
            | Event::Move { id, .. } => Some(*id),
            _ => None,
        };
        let remote = pair.and_then(|id| self.bridge.path_of(id)).map(|path| path.remote.ip());
        let waits = remote.is_some_and(|remote| {
            let outbound = matches!(event, Event::InstallOutbound(_));
            turn.later_for.contains(&remote) || outbound && turn.ready_to.contains(&remote)
        });
        if waits {
            turn.later_for.extend(remote);
            turn.later.push(event);
        } else {
            self.apply(event);
        }
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

    /// Publishes the tables with the SAs that there are now, and leaves all else in them.
    fn refresh(&mut self) {
        let before = self.tables();
        let tables = self.with_underlay(|bridge, underlay| bridge.refresh(&before, underlay));
        let has_new_hops = !Arc::ptr_eq(&before.nexthops, &tables.nexthops);
        self.publish(tables);
        if has_new_hops {
            self.resolve_wanted();
        }
    }

    /// Has workers see the SAs that there are now; whether there was anything to see.
    fn publish_sas(&mut self) -> bool {
        match self.bridge.pending() {
            Pending::Nothing => return false,
            Pending::Keys => self.refresh(),
            Pending::All => self.rebuild_or_tell(),
        }
        true
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
