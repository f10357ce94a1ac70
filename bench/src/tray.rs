//! A port whose frames are laid out by hand and taken away by hand.

use std::collections::VecDeque;

use port::{Batch, Frame, FramePool, Port};

/// Receives what was laid out before, and keeps what is transmitted: the cheapest port there can
/// be, so that a measurement is that of the worker.
#[derive(Debug, Default)]
pub struct Tray {
    laid_out: VecDeque<Frame>,
    left: Vec<Frame>,
}

impl Tray {
    /// An empty tray with room for `capacity` frames in each direction without growing.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { laid_out: VecDeque::with_capacity(capacity), left: Vec::with_capacity(capacity) }
    }

    /// Makes `frame` the last of those that will be received.
    pub fn lay_out(&mut self, frame: Frame) {
        self.laid_out.push_back(frame);
    }

    /// Takes away what was transmitted, in order.
    pub fn take(&mut self) -> impl Iterator<Item = Frame> + '_ {
        self.left.drain(..)
    }

    /// Whether everything that was laid out has been received.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.laid_out.is_empty()
    }

    /// Gives every frame to `pool`.
    pub fn release(&mut self, pool: &mut FramePool) {
        self.laid_out.drain(..).chain(self.left.drain(..)).for_each(|frame| pool.free(frame));
    }
}

impl Port for Tray {
    #[inline]
    fn rx(&mut self, pool: &mut FramePool, batch: &mut Batch) -> usize {
        let n = self.laid_out.len().min(batch.room());
        for frame in self.laid_out.drain(..n) {
            // There is room: that is what was counted.
            if let Err(frame) = batch.push(frame) {
                pool.free(frame);
            }
        }
        n
    }

    #[inline]
    fn tx(&mut self, _pool: &mut FramePool, batch: &mut Batch) -> usize {
        let n = batch.len();
        self.left.extend(batch.drain(n));
        n
    }

    fn flush(&mut self, _pool: &mut FramePool) {}
}
