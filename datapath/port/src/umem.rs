//! The one packet memory of the process and who owns which chunk.

use core::ptr::NonNull;
use std::io;

use af_xdp::Area;
use crossbeam_queue::ArrayQueue;

use crate::{Frame, FramePool};

/// How a [`Umem`] is cut.
#[derive(Clone, Copy, Debug)]
pub struct UmemConfig {
    /// Bytes per chunk: a power of two, 2048 to 32,768 (AF_XDP takes at most 4096).
    pub chunk_size: usize,
    /// Number of chunks.
    pub chunks: usize,
    /// Bytes kept free in front of every received packet for what will be prepended.
    pub headroom: usize,
}

/// Packet memory cut into chunks. Frames and kernel sockets point into it, so it lives as long as
/// the process: it is only ever had as `&'static Umem`.
pub struct Umem {
    base: NonNull<u8>,
    area: Option<Area>,
    config: UmemConfig,
    /// Free chunks that no pool holds; pools take from it and spill into it.
    reservoir: ArrayQueue<Frame>,
}

// SAFETY: `base` is only turned into frames, each chunk into one at a time; the rest is Sync.
unsafe impl Sync for Umem {}
// SAFETY: nothing in it belongs to the thread that made it.
unsafe impl Send for Umem {}

impl Umem {
    /// Packet memory that sockets can share with the kernel: page-aligned, on huge pages if the
    /// system has some.
    ///
    /// # Errors
    /// `InvalidInput` when `config` is not as its fields say; what `mmap` says.
    pub fn mapped(config: UmemConfig) -> io::Result<&'static Self> {
        Self::check(config)?;
        let area = Area::mapped(config.chunk_size * config.chunks)?;
        let base = NonNull::new(area.base()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self::cut(base, Some(area), config))
    }

    /// Packet memory from the ordinary heap, for ports that no kernel sees.
    ///
    /// # Errors
    /// `InvalidInput` when `config` is not as its fields say.
    pub fn heap(config: UmemConfig) -> io::Result<&'static Self> {
        Self::check(config)?;
        let bytes = vec![0u8; config.chunk_size * config.chunks].leak();
        Ok(Self::cut(NonNull::from(bytes).cast(), None, config))
    }

    fn check(config: UmemConfig) -> io::Result<()> {
        let sound = config.chunk_size.is_power_of_two()
            && (2048..=1 << 15).contains(&config.chunk_size)
            && config.headroom <= config.chunk_size / 2
            && (1..=1 << 24).contains(&config.chunks);
        if sound { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    fn cut(base: NonNull<u8>, area: Option<Area>, config: UmemConfig) -> &'static Self {
        let reservoir = ArrayQueue::new(config.chunks);
        for chunk in 0..config.chunks {
            // SAFETY: chunk * chunk_size lies inside the memory, which is zeroed, is never freed,
            // and of which each chunk is handed out once here.
            let frame = unsafe {
                let start = base.add(chunk * config.chunk_size);
                Frame::new(start, config.chunk_size as u16, config.headroom as u16, 0)
            };
            if let Err(frame) = reservoir.push(frame) {
                let _never = frame.into_chunk();
            }
        }
        Box::leak(Box::new(Self { base, area, config, reservoir }))
    }

    /// How it was cut.
    #[must_use]
    pub fn config(&self) -> UmemConfig {
        self.config
    }

    /// The memory to register with the kernel; `None` on the heap.
    #[must_use]
    pub fn area(&self) -> Option<Area> {
        self.area
    }

    /// A pool for one thread, empty at first; it takes chunks as it needs them and keeps at most
    /// `keep` free ones to itself.
    pub fn pool(&'static self, keep: usize) -> FramePool {
        FramePool::new(self, keep)
    }

    /// Chunks that nobody holds.
    #[must_use]
    pub fn free_chunks(&self) -> usize {
        self.reservoir.len()
    }

    pub(crate) fn take(&self) -> Option<Frame> {
        self.reservoir.pop()
    }

    /// Takes a free chunk back from whoever has no pool.
    pub(crate) fn give(&self, mut frame: Frame) {
        frame.clear(self.config.headroom);
        if let Err(frame) = self.reservoir.push(frame) {
            // The reservoir has room for every chunk, so this chunk is not one of ours.
            debug_assert!(false, "a foreign frame was returned");
            let _foreign = frame.into_chunk();
        }
    }

    /// The descriptor address of a frame's first byte; the frame's chunk becomes the kernel's.
    #[must_use]
    pub(crate) fn address_of(&self, frame: Frame) -> u64 {
        let start = u64::from(frame.start());
        let offset = frame.into_chunk().as_ptr().addr() - self.base.as_ptr().addr();
        offset as u64 + start
    }

    /// The frame of a descriptor that the kernel handed back; `None` when it points outside.
    ///
    /// # Safety
    /// The chunk was given to the kernel by [`Umem::address_of`] and the kernel has given it back
    /// with this descriptor, once.
    pub(crate) unsafe fn frame_at(&self, address: u64, len: u32) -> Option<Frame> {
        let size = self.config.chunk_size as u64;
        let (chunk, start) = (address / size, (address % size) as u32);
        if chunk >= self.config.chunks as u64 || u64::from(start) + u64::from(len) > size {
            return None;
        }
        // SAFETY: the chunk is inside the memory, the bytes are inside the chunk, and the caller
        // vouches that nobody else holds it.
        Some(unsafe {
            let base = self.base.add((chunk * size) as usize);
            Frame::new(base, size as u16, start as u16, len as u16)
        })
    }
}
