//! A batch of frames whose room is fixed when it is made.

use crate::{Frame, FramePool};

/// Up to a fixed number of frames, in order. It never allocates after [`Batch::new`].
#[derive(Debug)]
pub struct Batch {
    frames: Vec<Frame>,
    capacity: usize,
}

impl Batch {
    /// An empty batch with room for `capacity` frames.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { frames: Vec::with_capacity(capacity), capacity }
    }

    /// Number of frames.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// How many more fit.
    #[inline]
    #[must_use]
    pub fn room(&self) -> usize {
        self.capacity - self.frames.len()
    }

    /// Adds a frame at the end.
    ///
    /// # Errors
    /// Gives the frame back when the batch is full.
    #[inline]
    pub fn push(&mut self, frame: Frame) -> Result<(), Frame> {
        if self.room() == 0 {
            return Err(frame);
        }
        self.frames.push(frame);
        Ok(())
    }

    /// Takes out the first `n` frames (or all, if there are fewer), in order.
    #[inline]
    pub fn drain(&mut self, n: usize) -> impl Iterator<Item = Frame> + '_ {
        let n = n.min(self.frames.len());
        self.frames.drain(..n)
    }

    /// Gives every frame to `pool` and returns how many there were.
    pub fn release(&mut self, pool: &mut FramePool) -> usize {
        let n = self.frames.len();
        for frame in self.frames.drain(..) {
            pool.free(frame);
        }
        n
    }
}
