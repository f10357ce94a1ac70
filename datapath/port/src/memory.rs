//! A port in plain memory: an in-process link for tests, fuzzing and benchmarks.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use crate::{Batch, Frame, FramePool, Port, Umem};

/// One end of an in-process link. Frames cross it by descriptor, as between two sockets of one
/// UMEM: what one end transmits, the other receives, in order, nothing copied.
pub struct MemoryPort {
    receive: Arc<ArrayQueue<Frame>>,
    transmit: Arc<ArrayQueue<Frame>>,
    umem: &'static Umem,
}

impl MemoryPort {
    /// The two ends of a link that holds up to `depth` frames in each direction.
    #[must_use]
    pub fn link(umem: &'static Umem, depth: usize) -> (Self, Self) {
        let (a, b) = (Arc::new(ArrayQueue::new(depth)), Arc::new(ArrayQueue::new(depth)));
        let near = Self { receive: Arc::clone(&a), transmit: Arc::clone(&b), umem };
        (near, Self { receive: b, transmit: a, umem })
    }

    /// Sends `bytes` as one frame; false when the link is full, no chunk is free, or a chunk is
    /// too small for it.
    pub fn send(&mut self, pool: &mut FramePool, bytes: &[u8]) -> bool {
        let Some(mut frame) = pool.alloc() else { return false };
        let Some(room) = frame.append(bytes.len()) else {
            pool.free(frame);
            return false;
        };
        room.copy_from_slice(bytes);
        match self.transmit.push(frame) {
            Ok(()) => true,
            Err(frame) => {
                pool.free(frame);
                false
            }
        }
    }

    /// The next received frame's bytes.
    pub fn receive(&mut self, pool: &mut FramePool) -> Option<Vec<u8>> {
        let frame = self.receive.pop()?;
        let bytes = frame.data().to_vec();
        pool.free(frame);
        Some(bytes)
    }
}

impl Port for MemoryPort {
    #[inline]
    fn rx(&mut self, _pool: &mut FramePool, batch: &mut Batch) -> usize {
        let mut n = 0;
        while batch.room() > 0 {
            let Some(frame) = self.receive.pop() else { break };
            if let Err(frame) = batch.push(frame) {
                self.umem.give(frame);
            }
            n += 1;
        }
        n
    }

    #[inline]
    fn tx(&mut self, _pool: &mut FramePool, batch: &mut Batch) -> usize {
        let room = self.transmit.capacity() - self.transmit.len();
        let mut sent = 0;
        for frame in batch.drain(room) {
            match self.transmit.push(frame) {
                Ok(()) => sent += 1,
                // Only this end pushes, so the room cannot have shrunk.
                Err(frame) => self.umem.give(frame),
            }
        }
        sent
    }

    fn flush(&mut self, _pool: &mut FramePool) {}
}

impl Drop for MemoryPort {
    fn drop(&mut self) {
        // Both ends drain what they would have received; a frame in flight to an end that is
        // already gone is taken back by the end that sent it.
        for queue in [&self.receive, &self.transmit] {
            if Arc::strong_count(queue) == 1 {
                while let Some(frame) = queue.pop() {
                    self.umem.give(frame);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UmemConfig;

    fn umem() -> &'static Umem {
        Umem::heap(UmemConfig { chunk_size: 2048, chunks: 128, headroom: 128 }).unwrap()
    }

    #[test]
    fn frames_cross_in_order_and_every_chunk_comes_back() {
        let umem = umem();
        let (mut near, mut far) = MemoryPort::link(umem, 8);
        let mut pool = umem.pool(16);
        for i in 0..8u8 {
            assert!(near.send(&mut pool, &[i; 60]));
        }
        assert!(!near.send(&mut pool, &[9; 60]), "the ninth does not fit");
        let mut batch = Batch::new(6);
        assert_eq!(far.rx(&mut pool, &mut batch), 6);
        assert_eq!(far.tx(&mut pool, &mut batch), 6);
        assert_eq!(near.receive(&mut pool), Some(vec![0; 60]));
        drop((near, far, pool));
        assert_eq!(umem.free_chunks(), 128);
    }

    #[test]
    fn a_frame_grows_and_shrinks_at_both_ends_within_its_chunk() {
        let umem = umem();
        let mut pool = umem.pool(16);
        let mut frame = pool.alloc().unwrap();
        frame.append(4).unwrap().copy_from_slice(b"load");
        frame.prepend(3).unwrap()[..3].copy_from_slice(b"pay");
        assert_eq!(frame.data(), b"payload");
        assert!(frame.prepend(126).is_none() && frame.append(2000).is_none());
        frame.trim_front(1);
        frame.truncate(3);
        assert_eq!((frame.data(), frame.headroom()), (&b"ayl"[..], 126));
        pool.free(frame);
        assert_eq!(pool.alloc().map(|f| (f.len(), f.headroom(), pool.free(f)).1), Some(128));
    }

    #[test]
    fn a_pool_that_only_frees_spills_to_one_that_only_takes() {
        let umem = umem();
        let (mut giver, mut taker) = (umem.pool(1), umem.pool(1));
        for round in 0..1000 {
            let frame = taker.alloc().unwrap_or_else(|| panic!("ran dry in round {round}"));
            giver.free(frame);
        }
    }
}
