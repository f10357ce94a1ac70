//! One UMEM chunk, owned: bytes that grow and shrink at both ends inside it.

use core::fmt;
use core::ptr::NonNull;

/// A packet in a UMEM chunk. The bytes start `headroom` into the chunk; prepending and trimming
/// move the start, appending and truncating move the end, nothing is copied.
///
/// A frame is given back to a [`crate::FramePool`], handed to a port or sent over a ring; it is
/// never dropped, since its chunk would be lost until the process ends. Debug builds panic on it.
pub struct Frame {
    chunk: NonNull<u8>,
    start: u32,
    len: u32,
    capacity: u32,
}

// SAFETY: a frame is the only handle to its chunk, and the chunk's memory lives as long as the
// process, so the thread that holds the frame may use it.
unsafe impl Send for Frame {}

impl Frame {
    /// # Safety
    /// `chunk` points to `capacity` initialised bytes that live as long as the process and that
    /// nobody else refers to, the kernel included; `start + len <= capacity`.
    pub(crate) unsafe fn new(chunk: NonNull<u8>, capacity: u32, start: u32, len: u32) -> Self {
        debug_assert!(start + len <= capacity);
        Self { chunk, start, len, capacity }
    }

    /// The address of the chunk's first byte; the frame gives up the chunk.
    pub(crate) fn into_chunk(self) -> NonNull<u8> {
        let chunk = self.chunk;
        core::mem::forget(self);
        chunk
    }

    /// Where the bytes start in the chunk.
    pub(crate) fn start(&self) -> u32 {
        self.start
    }

    /// Number of bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are no bytes.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that can still be prepended.
    #[inline]
    #[must_use]
    pub fn headroom(&self) -> usize {
        self.start as usize
    }

    /// Bytes that can still be appended.
    #[inline]
    #[must_use]
    pub fn tailroom(&self) -> usize {
        (self.capacity - self.start - self.len) as usize
    }

    /// The bytes.
    #[inline]
    #[must_use]
    pub fn data(&self) -> &[u8] {
        // SAFETY: start + len <= capacity holds after construction and after every method, the
        // chunk is initialised and outlives the process, and this frame is its only handle.
        unsafe {
            core::slice::from_raw_parts(self.chunk.as_ptr().add(self.start as usize), self.len())
        }
    }

    /// The bytes, to be changed.
    #[inline]
    #[must_use]
    pub fn data_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `data`, and `self` is borrowed exclusively.
        unsafe {
            core::slice::from_raw_parts_mut(
                self.chunk.as_ptr().add(self.start as usize),
                self.len(),
            )
        }
    }

    /// Adds `n` bytes in front, whose content is whatever the chunk held, and gives all bytes;
    /// `None` (and no change) when the headroom is smaller.
    #[inline]
    pub fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        if n > self.headroom() {
            return None;
        }
        self.start -= n as u32;
        self.len += n as u32;
        Some(self.data_mut())
    }

    /// Adds `n` bytes behind, whose content is whatever the chunk held, and gives all bytes;
    /// `None` (and no change) when the tailroom is smaller.
    #[inline]
    pub fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        if n > self.tailroom() {
            return None;
        }
        self.len += n as u32;
        Some(self.data_mut())
    }

    /// Takes at most `n` bytes off the front.
    #[inline]
    pub fn trim_front(&mut self, n: usize) {
        let n = n.min(self.len()) as u32;
        self.start += n;
        self.len -= n;
    }

    /// Keeps at most the first `len` bytes.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len as u32);
    }

    /// Empties the frame and moves its start so that at most `headroom` bytes can be prepended.
    #[inline]
    pub fn clear(&mut self, headroom: usize) {
        self.start = (headroom as u32).min(self.capacity);
        self.len = 0;
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes, {} before, {} behind)", self.len, self.start, self.tailroom())
    }
}

#[cfg(debug_assertions)]
impl Drop for Frame {
    fn drop(&mut self) {
        // A lost chunk is a bug that tests must see; one that a failing test loses is not.
        assert!(std::thread::panicking(), "a frame was dropped instead of returned to its pool");
    }
}
