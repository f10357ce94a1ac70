//! One gateway and one direction through it.

use std::fmt::Write;
use std::sync::Arc;

use pipeline::{BATCH, EventRing, InjectRing, Worker, WorkerId};
use port::{Frame, FramePool, Umem, UmemConfig};
use tables::counters::WorkerCounters;
use tables::publish::Publisher;
use tables::{DropReason, PortId, Tables};

use crate::pipelines::{Direction, Pipeline};
use crate::scale::{Scale, flow};
use crate::tape::Tape;
use crate::topology::{GW_MAC, LAN, WAN};
use crate::tray::Tray;

/// Packets that are carried in one turn: a full batch, as under load.
pub const PER_TURN: usize = BATCH;

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

    pub(crate) fn scale(&self) -> Scale {
        Scale {
            join: self.pipeline.join(),
            multipoint: self.pipeline.is_multipoint(),
            tunnels: self.sas,
            routes: self.routes,
            window: self.window,
        }
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
        let umem = umem();
        let scale = load.scale();
        let prefixes = scale.prefixes();
        let flows = (0..load.flows).map(|n| flow(&prefixes, n, load.size));
        let hosts = Tape::of_packets(flows);
        match load.pipeline.direction {
            Direction::Forward | Direction::Encap => Self {
                gateway: Gateway::new(umem, scale.tables(false), LAN, WAN),
                source: Source::Hosts,
                tape: hosts,
            },
            Direction::Decap => {
                let far = Gateway::new(umem, scale.tables(false), LAN, WAN);
                Self {
                    gateway: Gateway::new(umem, scale.tables(true), WAN, LAN),
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
            far.load(hosts);
            far.carry();
            far.unload(|frame| {
                // What was sent to a neighbour is received by this gateway.
                self.tape.record(&GW_MAC.0, frame.data().get(GW_MAC.0.len()..).unwrap_or_default());
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
        self.gateway.load(&mut self.tape);
        let gateway = &mut self.gateway;
        let result = timed(&mut || gateway.carry());
        self.gateway.unload(|_| ())?;
        Ok(result)
    }
}

/// A worker with two ports, of which one only receives and the other only transmits.
struct Gateway {
    worker: Worker<Tray>,
    pool: FramePool,
    from: PortId,
    to: PortId,
    counters: Arc<WorkerCounters>,
}

impl Gateway {
    fn new(umem: &'static Umem, tables: Tables, from: PortId, to: PortId) -> Self {
        let publisher = Publisher::new(tables);
        let counters = Arc::new(WorkerCounters::new(2));
        let worker = Worker::new(
            WorkerId { index: 0, of: 1 },
            vec![Tray::new(PER_TURN), Tray::new(PER_TURN)],
            umem.pool(4 * PER_TURN),
            publisher.reader(),
            Arc::clone(&counters),
            Arc::new(EventRing::new(64)),
            Arc::new(InjectRing::new(1)),
        );
        Self { worker, pool: umem.pool(4 * PER_TURN), from, to, counters }
    }

    fn load(&mut self, tape: &mut Tape) {
        let Some(tray) = self.worker.ports_mut().nth(self.from.index()) else { return };
        for _ in 0..PER_TURN {
            tray.lay_out(filled(&mut self.pool, tape.next()));
        }
    }

    /// The one place where a worker turns.
    fn carry(&mut self) {
        self.worker.turn(1);
    }

    fn unload(&mut self, mut look: impl FnMut(&Frame)) -> Result<(), Lost> {
        let mut carried = 0;
        if let Some(tray) = self.worker.ports_mut().nth(self.to.index()) {
            for frame in tray.take() {
                look(&frame);
                self.pool.free(frame);
                carried += 1;
            }
        }
        if carried == PER_TURN { Ok(()) } else { Err(Lost::new(carried, &self.counters)) }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        for tray in self.worker.ports_mut() {
            tray.release(&mut self.pool);
        }
    }
}

/// Packets of a turn did not come out where they should.
#[derive(Debug)]
pub struct Lost(String);

impl Lost {
    pub(crate) fn new(carried: usize, counters: &WorkerCounters) -> Self {
        let mut text =
            format!("{carried} of {PER_TURN} packets came out of a turn; dropped so far:");
        for reason in DropReason::ALL {
            let count = counters.drops(*reason);
            if count > 0 {
                // Writing to a String cannot fail.
                let _ = write!(text, " {reason:?} {count}");
            }
        }
        Self(text)
    }
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Lost {}

/// Chunks as AF_XDP has them, one memory for all lanes of a thread: it is never given back.
fn umem() -> &'static Umem {
    thread_local! {
        static UMEM: &'static Umem = {
            let config = UmemConfig { chunk_size: 2048, chunks: 16 * PER_TURN, headroom: 128 };
            Umem::heap(config).expect("a sound configuration")
        };
    }
    UMEM.with(|umem| *umem)
}

fn filled(pool: &mut FramePool, bytes: &[u8]) -> Frame {
    let mut frame = pool.alloc().expect("more chunks than are ever in use");
    frame.append(bytes.len()).expect("a chunk larger than the packet").copy_from_slice(bytes);
    frame
}
