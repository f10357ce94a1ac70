//! One thread's free chunks.

use crate::{Frame, Umem};

/// How many chunks move between a pool and the UMEM's reservoir at a time: enough to make the
/// reservoir's atomics rare, few enough to leave some to the other threads.
const EXCHANGE: usize = 64;

/// A stack of free chunks for one thread: the one freed last is still in its cache. It draws on
/// the UMEM's reservoir when empty and spills into it when full, so that frames which enter at one
/// thread and leave at another do not run out on one side.
pub struct FramePool {
    umem: &'static Umem,
    free: Vec<Frame>,
    keep: usize,
}

impl FramePool {
    pub(crate) fn new(umem: &'static Umem, keep: usize) -> Self {
        let keep = keep.max(EXCHANGE);
        Self { umem, free: Vec::with_capacity(keep + 1), keep }
    }

    /// The memory it draws on.
    #[must_use]
    pub fn umem(&self) -> &'static Umem {
        self.umem
    }

    /// An empty frame with the UMEM's headroom, or `None` when every chunk is in use.
    #[inline]
    pub fn alloc(&mut self) -> Option<Frame> {
        if let Some(frame) = self.free.pop() {
            return Some(frame);
        }
        self.refill();
        self.free.pop()
    }

    /// Takes a frame back.
    #[inline]
    pub fn free(&mut self, mut frame: Frame) {
        frame.clear(self.umem.config().headroom);
        self.free.push(frame);
        if self.free.len() > self.keep {
            self.spill(EXCHANGE);
        }
    }

    #[cold]
    fn refill(&mut self) {
        while self.free.len() < EXCHANGE {
            let Some(frame) = self.umem.take() else { return };
            self.free.push(frame);
        }
    }

    #[cold]
    fn spill(&mut self, n: usize) {
        for _ in 0..n {
            let Some(frame) = self.free.pop() else { return };
            self.umem.give(frame);
        }
    }
}

impl Drop for FramePool {
    fn drop(&mut self) {
        self.spill(self.free.len());
    }
}
