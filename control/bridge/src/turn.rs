//! What the engine wants done, done in its order.
//!
//! Publishing tables for each SA would cost more than negotiating it, so everything that a turn
//! brings is published together where order allows: inbound SAs may come early, and no message may
//! overtake one to the same peer. What an outbound SA waits for is a message to its peer that still
//! lies here; then it, and what comes behind it for that peer, waits until that has been sent.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ike::output::{ChildSaId, Datagram, Event, Output, Path};

/// Who does what an engine wants.
pub trait Shell {
    /// The next thing that the engine wants.
    fn poll_output(&mut self) -> Option<Output>;
    /// Where a pair goes.
    fn path_of(&self, id: ChildSaId) -> Option<Path>;
    /// Does what an event asks for; workers need not see it yet.
    fn apply(&mut self, event: Event);
    /// Has workers see the SAs that there are now; whether there was anything to see.
    fn publish(&mut self) -> bool;
    /// Sends a message.
    fn send(&mut self, datagram: &Datagram);
}

/// Does what the engine of `shell` wants. True when workers should look.
pub fn turn(shell: &mut impl Shell) -> bool {
    let mut turn = Turn::default();
    while let Some(output) = shell.poll_output() {
        match output {
            Output::Transmit(datagram) => {
                let ends = ends(datagram.path);
                if turn.later_for.contains(&ends) {
                    turn.finish(shell);
                }
                turn.ready_to.insert(ends);
                turn.ready.push(datagram);
            }
            Output::Event(event) => turn.do_or_defer(event, shell),
        }
    }
    turn.finish(shell);
    turn.published
}

/// Between whom a message or a pair goes: ours and the peer's address.
type Ends = (IpAddr, IpAddr);

fn ends(path: Path) -> Ends {
    (path.local.ip(), path.remote.ip())
}

/// What a turn has brought and what is still to be done of it.
#[derive(Default)]
struct Turn {
    /// To be sent once the tables are published.
    ready: Vec<Datagram>,
    ready_to: BTreeSet<Ends>,
    /// To be done once those are sent.
    later: Vec<Event>,
    later_for: BTreeSet<Ends>,
    published: bool,
}

impl Turn {
    /// Publishes, sends, and does what waited for that.
    fn finish(&mut self, shell: &mut impl Shell) {
        self.published |= shell.publish();
        self.ready_to.clear();
        self.ready.drain(..).for_each(|datagram| shell.send(&datagram));
        self.later_for.clear();
        std::mem::take(&mut self.later).into_iter().for_each(|event| shell.apply(event));
        self.published |= shell.publish();
    }

    fn do_or_defer(&mut self, event: Event, shell: &mut impl Shell) {
        let pair = match &event {
            Event::InstallOutbound(id)
            | Event::WorkersShare(id)
            | Event::Remove(id, _)
            | Event::Move { id, .. } => Some(*id),
            _ => None,
        };
        let ends = pair.and_then(|id| shell.path_of(id)).map(ends);
        let waits = ends.is_some_and(|ends| {
            let outbound = matches!(event, Event::InstallOutbound(_));
            self.later_for.contains(&ends) || outbound && self.ready_to.contains(&ends)
        });
        if waits {
            self.later_for.extend(ends);
            self.later.push(event);
        } else {
            shell.apply(event);
        }
    }
}
