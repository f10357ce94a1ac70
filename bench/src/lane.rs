//! One gateway and one direction through it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pipeline::{BATCH, EventRing, InjectRing, Worker, WorkerId};
use port::{Frame, FramePool, Umem, UmemConfig};
use tables::counters::WorkerCounters;
use tables::publish::Publisher;
use tables::{PortId, Tables};

use crate::packets::{frame, packet};
use crate::topology::{A_HOST, B_HOST, GW_MAC, LAN, WAN, plain_tables, tables};
use crate::tray::Tray;

pub use crate::topology::Join;

/// Packets that are carried in one turn: a full batch, as under load.
pub const PER_TURN: usize = BATCH;

/// A gateway and what it receives each turn.
pub struct Lane {
    worker: Worker<Tray>,
    pool: FramePool,
    from: PortId,
    to: PortId,
    source: Source,
    counters: Arc<WorkerCounters>,
}

/// Where the packets of a turn come from. It is not timed.
enum Source {
    /// The same frame each time.
    Template(Vec<u8>),
    /// Another gateway, which makes each anew: with a sequence number that was not seen before.
    Gateway(Box<Lane>),
}

impl Lane {
    /// Plain forwarding of packets of `len` bytes.
    #[must_use]
    pub fn forward(len: usize) -> Self {
        Self::new(umem(), plain_tables(), LAN, WAN, Self::from_host(len))
    }

    /// From the inside into a tunnel; `len` is that of the inner packet, bytes.
    #[must_use]
    pub fn encap(join: Join, len: usize) -> Self {
        Self::encap_over(umem(), join, len)
    }

    /// Out of a tunnel to the inside; `len` is that of the inner packet, bytes.
    #[must_use]
    pub fn decap(join: Join, len: usize) -> Self {
        let umem = umem();
        let far = Box::new(Self::encap_over(umem, join, len));
        Self::new(umem, tables(join, false, true), WAN, LAN, Source::Gateway(far))
    }

    fn encap_over(umem: &'static Umem, join: Join, len: usize) -> Self {
        Self::new(umem, tables(join, false, false), LAN, WAN, Self::from_host(len))
    }

    fn from_host(len: usize) -> Source {
        Source::Template(frame(&packet(A_HOST, B_HOST, len)))
    }

    fn new(umem: &'static Umem, tables: Tables, from: PortId, to: PortId, source: Source) -> Self {
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
        Self { worker, pool: umem.pool(4 * PER_TURN), from, to, source, counters }
    }

    /// Carries [`PER_TURN`] packets and gives how long the turn took, without what it takes to make
    /// them and to take them away.
    ///
    /// # Panics
    /// When not all of them come out on the other side: a measurement of drops is none.
    pub fn turn(&mut self) -> Duration {
        self.lay_out();
        let begin = Instant::now();
        self.worker.turn(1);
        let took = begin.elapsed();
        let mut carried = 0;
        if let Some(tray) = self.worker.ports_mut().nth(self.to.index()) {
            for frame in tray.take() {
                self.pool.free(frame);
                carried += 1;
            }
        }
        assert_eq!(carried, PER_TURN, "{:?}", self.counters);
        took
    }

    fn lay_out(&mut self) {
        let Some(tray) = self.worker.ports_mut().nth(self.from.index()) else { return };
        match &mut self.source {
            Source::Template(bytes) => {
                for _ in 0..PER_TURN {
                    tray.lay_out(filled(&mut self.pool, bytes));
                }
            }
            Source::Gateway(far) => {
                far.lay_out();
                far.worker.turn(1);
                let ports = far.worker.ports_mut().nth(far.to.index()).into_iter();
                for mut frame in ports.flat_map(Tray::take) {
                    // What was sent to a neighbour is received by this gateway.
                    frame.data_mut()[..6].copy_from_slice(&GW_MAC.0);
                    tray.lay_out(frame);
                }
            }
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        for tray in self.worker.ports_mut() {
            tray.release(&mut self.pool);
        }
    }
}

/// Chunks as AF_XDP has them. Never given back: there are as many as there are benchmarks.
fn umem() -> &'static Umem {
    let config = UmemConfig { chunk_size: 2048, chunks: 16 * PER_TURN, headroom: 128 };
    Umem::heap(config).expect("a sound configuration")
}

fn filled(pool: &mut FramePool, bytes: &[u8]) -> Frame {
    let mut frame = pool.alloc().expect("more chunks than are ever in use");
    frame.append(bytes.len()).expect("a chunk larger than the packet").copy_from_slice(bytes);
    frame
}
