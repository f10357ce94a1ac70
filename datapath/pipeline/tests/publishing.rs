//! Keys that are published while a worker is in the middle of a turn.

mod common;

use std::sync::{Arc, Mutex};

use common::*;
use esp::Suite;
use pipeline::{Rings, Worker, WorkerId};
use port::{Batch, FramePool, Port};
use tables::counters::WorkerCounters;
use tables::publish::Publisher;
use tables::{DropReason, Sad, Tables};

/// A port at which a packet arrives right after control has published new tables: the worker's
/// turn has begun before that.
struct Late {
    coming: Option<(Tables, Vec<u8>)>,
    publisher: Arc<Mutex<Publisher>>,
    left: Arc<Mutex<usize>>,
}

impl Port for Late {
    fn rx(&mut self, pool: &mut FramePool, batch: &mut Batch) -> usize {
        let Some((tables, bytes)) = self.coming.take() else { return 0 };
        self.publisher.lock().unwrap().publish(tables);
        let mut frame = pool.alloc().unwrap();
        frame.append(bytes.len()).unwrap().copy_from_slice(&bytes);
        assert!(batch.push(frame).is_ok());
        1
    }

    fn tx(&mut self, pool: &mut FramePool, batch: &mut Batch) -> usize {
        let n = batch.len();
        batch.drain(n).for_each(|frame| pool.free(frame));
        *self.left.lock().unwrap() += n;
        n
    }

    fn flush(&mut self, _pool: &mut FramePool) {}
}

#[test]
fn the_first_packet_under_new_keys_passes_though_the_turn_began_before_they_were_published() {
    let join = Join::Vti(Suite::AES128GCM16);
    let sealed = Site::b(join).host_sends(&packet(B_HOST, A_HOST, 61)).remove(0);
    let with_keys = tables(join, false, false);
    let without = Tables { sad: Arc::new(Sad::default()), ..with_keys.clone() };
    let publisher = Publisher::new(without);
    let reader = publisher.reader();
    let (publisher, left) = (Arc::new(Mutex::new(publisher)), Arc::<Mutex<usize>>::default());
    let port = |coming| Late { coming, publisher: publisher.clone(), left: left.clone() };
    let counters = Arc::new(WorkerCounters::new(2));
    let mut worker = Worker::new(
        WorkerId { index: 0, of: 1 },
        vec![port(None), port(Some((with_keys, frame(&sealed))))],
        umem().pool(64),
        reader,
        Arc::clone(&counters),
        Rings::default(),
    );
    worker.turn(1);
    assert_eq!((counters.drops(DropReason::EspNoSa), *left.lock().unwrap()), (0, 1));
}
