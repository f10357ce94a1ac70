//! Frames in, frames out.
//!
//! A [`Port`] receives batches of [`Frame`]s and transmits batches of them; it knows nothing about
//! headers: a frame is bytes. Every frame is one chunk of the process's only [`Umem`], owned by
//! exactly one holder at a time: a [`FramePool`], a [`Batch`], a ring, or the code that works on
//! it. So a frame that came in on one port leaves on another by handing over its descriptor, and
//! headers are added and removed by moving its start inside the headroom; bytes are never copied.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod batch;
pub mod capture_file;
mod frame;
pub mod memory;
pub mod pcap;
mod pool;
mod queue_set;
mod umem;
mod xsk;

pub use batch::Batch;
pub use frame::Frame;
pub use pool::FramePool;
pub use queue_set::QueueSet;
pub use umem::{Umem, UmemConfig};
pub use xsk::{OpenPortError, XskPort};

/// Receives and transmits batches of frames. One queue of one device, owned by one worker.
pub trait Port {
    /// Moves received frames to the end of `batch`, at most as many as it has room for, and
    /// returns how many. Empty chunks for what is to be received come from `pool`.
    fn rx(&mut self, pool: &mut FramePool, batch: &mut Batch) -> usize;

    /// Takes frames from the front of `batch` for transmission and returns how many; those that
    /// the device has no room for stay in `batch`. Chunks of frames that have left go to `pool`.
    fn tx(&mut self, pool: &mut FramePool, batch: &mut Batch) -> usize;

    /// Tells the device, once per turn, that there is something to transmit, and takes back the
    /// chunks of what has left.
    fn flush(&mut self, pool: &mut FramePool);
}
