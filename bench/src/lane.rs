//! One gateway and one direction through it.

use port::Umem;

use crate::gateway::{Gateway, Lost, PER_TURN, readdress, umem};
use crate::pipelines::{Direction, Pipeline};
use crate::scale::{Scale, flow};
use crate::tape::Tape;

/// What is carried, and among how much else.
#[derive(Clone, Debug)]
pub struct Load {
    /// Which way through which tunnel.
    pub pipeline: Pipeline,
    /// Length of the inner packet, bytes, at least 64.
    pub size: usize,
    /// Tunnels, each with an SA pair if ESP protects it.
    pub sas: u32,
    /// Routes that lead to the far side.
    pub routes: u32,
    /// Inner flows, spread evenly over the routes and so over the tunnels.
    pub flows: u32,
    /// Anti-replay window, packets.
    pub window: u32,
}

impl Load {
    /// One tunnel, one route, 512 flows.
    #[must_use]
    pub fn new(pipeline: Pipeline, size: usize) -> Self {
        Self { pipeline, size, sas: 1, routes: 1, flows: 512, window: 1024 }
    }

    /// Whether the inner packet's length is the only difference.
    pub(crate) fn differs_only_in_size(&self, other: &Self) -> bool {
        let key = |load: &Self| {
            (load.pipeline.name(), load.pipeline.suite(), load.sas, load.routes, load.flows)
        };
        key(self) == key(other)
    }

    pub(crate) fn scale(&self) -> Scale {
        Scale {
            join: self.pipeline.join(),
            multipoint: self.pipeline.is_multipoint(),
            tunnels: self.sas,
            routes: self.routes,
            window: self.window,
        }
    }

    /// What the hosts of the near side send: a packet of each flow.
    pub(crate) fn hosts(&self) -> Tape {
        let prefixes = self.scale().prefixes();
        Tape::of_packets((0..self.flows).map(|n| flow(&prefixes, n, self.size)))
    }
}

/// A gateway and what it receives each turn.
pub struct Lane {
    gateway: Gateway,
    source: Source,
    tape: Tape,
}

/// Where the packets of a window come from. It is not timed.
enum Source {
    /// The same frames again and again.
    Hosts,
    /// Another gateway, which makes each anew, with a sequence number that was not seen before,
    /// out of what its hosts send.
    Gateway(Box<Gateway>, Tape),
}

impl Lane {
    /// A gateway under this load.
    #[must_use]
    pub fn new(load: &Load) -> Self {
        let (umem, scale, hosts) = (umem_of_thread(), load.scale(), load.hosts());
        match load.pipeline.direction {
            Direction::Forward | Direction::Encap => Self {
                gateway: Gateway::new(umem, scale.tables(false), false),
                source: Source::Hosts,
                tape: hosts,
            },
            Direction::Decap => {
                let far = Gateway::new(umem, scale.tables(false), false);
                Self {
                    gateway: Gateway::new(umem, scale.tables(true), true),
                    source: Source::Gateway(Box::new(far), hosts),
                    tape: Tape::default(),
                }
            }
        }
    }

    /// Makes what the next `turns` turns will receive.
    ///
    /// # Errors
    /// When the far gateway does not make it.
    pub fn prepare(&mut self, turns: usize) -> Result<(), Lost> {
        let Source::Gateway(far, hosts) = &mut self.source else { return Ok(()) };
        self.tape.clear();
        for _ in 0..turns {
            for _ in 0..PER_TURN {
                far.lay_out_bytes(hosts.next());
            }
            far.carry();
            far.unload(PER_TURN, |frame| {
                readdress(frame);
                self.tape.record(frame.data());
            })?;
        }
        Ok(())
    }

    /// Carries [`PER_TURN`] of the prepared packets; `timed` is handed the turn, which is all that
    /// is to be measured: it is given its packets before and they are taken away after.
    ///
    /// # Errors
    /// When not all of them come out on the other side: a measurement of drops is none.
    pub fn turn<R>(&mut self, timed: impl FnOnce(&mut dyn FnMut()) -> R) -> Result<R, Lost> {
        let Self { gateway, tape, .. } = self;
        for _ in 0..PER_TURN {
            gateway.lay_out_bytes(tape.next());
        }
        let result = timed(&mut || gateway.carry());
        gateway.unload(PER_TURN, |_| ())?;
        Ok(result)
    }
}

/// One memory for all lanes of a thread.
fn umem_of_thread() -> &'static Umem {
    thread_local! {
        static UMEM: &'static Umem = umem(16 * PER_TURN);
    }
    UMEM.with(|umem| *umem)
}
