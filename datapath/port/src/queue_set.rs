//! Several queues of one device as one port.

use crate::{Batch, FramePool, Port};

/// The queues of a device that one worker serves: a device may have more queues than there are
/// workers, and a packet that arrives on any of them must find somebody.
pub struct QueueSet<P> {
    queues: Vec<P>,
    next: usize,
}

impl<P: Port> QueueSet<P> {
    /// A port over these queues; transmissions use the first one.
    #[must_use]
    pub fn new(queues: Vec<P>) -> Self {
        Self { queues, next: 0 }
    }

    /// The queues.
    #[must_use]
    pub fn queues(&self) -> &[P] {
        &self.queues
    }
}

impl<P: Port> Port for QueueSet<P> {
    #[inline]
    fn rx(&mut self, pool: &mut FramePool, batch: &mut Batch) -> usize {
        let mut n = 0;
        // A full batch ends the round; the next one starts behind the queue that filled it.
        for _ in 0..self.queues.len() {
            if batch.room() == 0 {
                break;
            }
            if let Some(queue) = self.queues.get_mut(self.next) {
                n += queue.rx(pool, batch);
            }
            self.next = if self.next + 1 >= self.queues.len() { 0 } else { self.next + 1 };
        }
        n
    }

    #[inline]
    fn tx(&mut self, pool: &mut FramePool, batch: &mut Batch) -> usize {
        match self.queues.first_mut() {
            Some(queue) => queue.tx(pool, batch),
            None => batch.release(pool),
        }
    }

    #[inline]
    fn flush(&mut self, pool: &mut FramePool) {
        if let Some(queue) = self.queues.first_mut() {
            queue.flush(pool);
        }
    }
}
