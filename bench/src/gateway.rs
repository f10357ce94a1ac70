//! A gateway with one worker, and what is put into it and taken out.

use std::fmt::{self, Write};
use std::sync::Arc;

use pipeline::{BATCH, Rings, Worker, WorkerId};
use port::{Frame, FramePool, Umem, UmemConfig};
use tables::counters::WorkerCounters;
use tables::publish::{Publisher, Reader};
use tables::{DropReason, PortId, Tables};

use crate::topology::{GW_MAC, LAN, WAN};
use crate::tray::Tray;

/// Packets that are carried in one turn: a full batch, as under load.
pub const PER_TURN: usize = BATCH;

/// One worker over two ports, of which one only receives and the other only transmits.
pub(crate) struct Gateway {
    worker: Worker<Tray>,
    /// For what is put in and taken out.
    pub(crate) pool: FramePool,
    from: PortId,
    to: PortId,
    pub(crate) counters: Arc<WorkerCounters>,
}

impl Gateway {
    /// The only worker of a gateway with these tables.
    pub(crate) fn new(umem: &'static Umem, tables: Tables, inbound: bool) -> Self {
        let reader = Publisher::new(tables).reader();
        Self::worker(umem, reader, WorkerId { index: 0, of: 1 }, inbound, PER_TURN)
    }

    /// One of a gateway's workers, with room for `depth` frames at its ports. Packets go from the
    /// WAN to the LAN when `inbound`.
    pub(crate) fn worker(
        umem: &'static Umem,
        reader: Reader,
        id: WorkerId,
        inbound: bool,
        depth: usize,
    ) -> Self {
        let (from, to) = if inbound { (WAN, LAN) } else { (LAN, WAN) };
        let counters = Arc::new(WorkerCounters::new(2));
        let worker = Worker::new(
            id,
            vec![Tray::new(depth), Tray::new(depth)],
            umem.pool(4 * PER_TURN),
            reader,
            Arc::clone(&counters),
            Rings::default(),
        );
        Self { worker, pool: umem.pool(4 * PER_TURN), from, to, counters }
    }

    /// Puts a frame at the end of what is received.
    pub(crate) fn lay_out(&mut self, frame: Frame) {
        match self.worker.ports_mut().nth(self.from.index()) {
            Some(tray) => tray.lay_out(frame),
            None => self.pool.free(frame),
        }
    }

    /// Puts a frame of these bytes at the end of what is received.
    pub(crate) fn lay_out_bytes(&mut self, bytes: &[u8]) {
        let frame = filled(&mut self.pool, bytes);
        self.lay_out(frame);
    }

    /// Whether something laid out has not been received yet.
    pub(crate) fn has_more(&mut self) -> bool {
        let tray = self.worker.ports_mut().nth(self.from.index());
        tray.is_some_and(|tray| !tray.is_empty())
    }

    /// Carries a batch: the one place where a worker turns.
    pub(crate) fn carry(&mut self) {
        self.worker.turn(1);
    }

    /// Takes away what was transmitted, in order.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Frame> + '_ {
        let to = self.to.index();
        self.worker.ports_mut().nth(to).into_iter().flat_map(Tray::take)
    }

    /// Takes away and looks at what one turn transmitted.
    ///
    /// # Errors
    /// When it is not `expected` frames.
    pub(crate) fn unload(
        &mut self,
        expected: usize,
        mut look: impl FnMut(&mut Frame),
    ) -> Result<(), Lost> {
        let mut carried = 0;
        let Self { worker, pool, .. } = self;
        let tray = worker.ports_mut().nth(self.to.index());
        for mut frame in tray.into_iter().flat_map(Tray::take) {
            look(&mut frame);
            pool.free(frame);
            carried += 1;
        }
        if carried == expected {
            Ok(())
        } else {
            Err(Lost::new(carried, expected, &[&self.counters]))
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        for tray in self.worker.ports_mut() {
            tray.release(&mut self.pool);
        }
    }
}

/// What one gateway sent to a neighbour is received by the next gateway.
pub(crate) fn readdress(frame: &mut Frame) {
    if let Some(destination) = frame.data_mut().first_chunk_mut() {
        *destination = GW_MAC.0;
    }
}

/// A frame of these bytes.
pub(crate) fn filled(pool: &mut FramePool, bytes: &[u8]) -> Frame {
    let mut frame = pool.alloc().expect("more chunks than are ever in use");
    frame.append(bytes.len()).expect("a chunk larger than the packet").copy_from_slice(bytes);
    frame
}

/// Chunks as AF_XDP has them. They are never given back.
pub(crate) fn umem(chunks: usize) -> &'static Umem {
    let config = UmemConfig { chunk_size: 2048, chunks, headroom: 128 };
    Umem::heap(config).expect("a sound configuration")
}

/// Packets did not come out where they should.
#[derive(Debug)]
pub struct Lost(String);

impl Lost {
    pub(crate) fn new(carried: usize, expected: usize, counters: &[&WorkerCounters]) -> Self {
        let mut text = format!("{carried} of {expected} packets came out; dropped so far:");
        for reason in DropReason::ALL {
            let count: u64 = counters.iter().map(|counters| counters.drops(*reason)).sum();
            if count > 0 {
                // Writing to a String cannot fail.
                let _ = write!(text, " {count} as {reason:?}");
            }
        }
        Self(text)
    }

    pub(crate) fn because(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Lost {}
