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
    bounds: Bounds,
}

/// Start, length and capacity, 16 bits each from the lowest up: in one word, since frames are
/// moved about all the time, and a word whose parts were just written one by one is slow to load.
#[derive(Clone, Copy)]
struct Bounds(u64);

impl Bounds {
    #[inline]
    fn new(start: u16, len: u16, capacity: u16) -> Self {
        Self(u64::from(start) | u64::from(len) << 16 | u64::from(capacity) << 32)
    }

    #[inline]
    fn start(self) -> u16 {
        self.0 as u16
    }

    #[inline]
    fn len(self) -> u16 {
        (self.0 >> 16) as u16
    }

    #[inline]
    fn capacity(self) -> u16 {
        (self.0 >> 32) as u16
    }
}

// SAFETY: a frame is the only handle to its chunk, and the chunk's memory lives as long as the
// process, so the thread that holds the frame may use it.
unsafe impl Send for Frame {}

impl Frame {
    /// # Safety
    /// `chunk` points to `capacity` initialised bytes that live as long as the process and that
    /// nobody else refers to, the kernel included; `start + len <= capacity`.
    pub(crate) unsafe fn new(chunk: NonNull<u8>, capacity: u16, start: u16, len: u16) -> Self {
        debug_assert!(u32::from(start) + u32::from(len) <= u32::from(capacity));
        Self { chunk, bounds: Bounds::new(start, len, capacity) }
    }

    /// The address of the chunk's first byte; the frame gives up the chunk.
    pub(crate) fn into_chunk(self) -> NonNull<u8> {
        let chunk = self.chunk;
        core::mem::forget(self);
        chunk
    }

    /// Where the bytes start in the chunk.
    pub(crate) fn start(&self) -> u16 {
        self.bounds.start()
    }

    /// Number of bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.bounds.len())
    }

    /// Whether there are no bytes.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bounds.len() == 0
    }

    /// Bytes that can still be prepended.
    #[inline]
    #[must_use]
    pub fn headroom(&self) -> usize {
        usize::from(self.bounds.start())
    }

    /// Bytes that can still be appended.
    #[inline]
    #[must_use]
    pub fn tailroom(&self) -> usize {
        usize::from(self.bounds.capacity()) - self.headroom() - self.len()
    }

    /// The bytes.
    #[inline]
    #[must_use]
    pub fn data(&self) -> &[u8] {
        // SAFETY: start + len <= capacity holds after construction and after every method, the
        // chunk is initialised and outlives the process, and this frame is its only handle.
        unsafe { core::slice::from_raw_parts(self.chunk.as_ptr().add(self.headroom()), self.len()) }
    }

    /// The bytes, to be changed.
    #[inline]
    #[must_use]
    pub fn data_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `data`, and `self` is borrowed exclusively.
        unsafe {
            core::slice::from_raw_parts_mut(self.chunk.as_ptr().add(self.headroom()), self.len())
        }
    }

    /// Asks the processor to have the first bytes, and the cache line in front of them that will
    /// take more headers, at hand soon.
    #[inline]
    pub fn prefetch(&self) {
        #[cfg(target_arch = "x86_64")]
        {
            use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let first = self.chunk.as_ptr().wrapping_add(self.headroom());
            // SAFETY: a prefetch reads nothing and cannot fault, whatever the address.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(first.cast());
                _mm_prefetch::<_MM_HINT_T0>(first.wrapping_sub(64).cast());
            }
        }
    }

    /// Adds `n` bytes in front, whose content is whatever the chunk held, and gives all bytes;
    /// `None` (and no change) when the headroom is smaller.
    #[inline]
    pub fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        if n > self.headroom() {
            return None;
        }
        // Neither part leaves its 16 bits: the start was large enough, the end stays.
        self.bounds.0 = self.bounds.0 - n as u64 + ((n as u64) << 16);
        Some(self.data_mut())
    }

    /// Adds `n` bytes behind, whose content is whatever the chunk held, and gives all bytes;
    /// `None` (and no change) when the tailroom is smaller.
    #[inline]
    pub fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        if n > self.tailroom() {
            return None;
        }
        self.bounds.0 += (n as u64) << 16;
        Some(self.data_mut())
    }

    /// Takes at most `n` bytes off the front.
    #[inline]
    pub fn trim_front(&mut self, n: usize) {
        let n = n.min(self.len()) as u64;
        self.bounds.0 = self.bounds.0 + n - (n << 16);
    }

    /// Keeps at most the first `len` bytes.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        let len = self.len().min(len) as u16;
        self.bounds = Bounds::new(self.bounds.start(), len, self.bounds.capacity());
    }

    /// Empties the frame and moves its start so that at most `headroom` bytes can be prepended.
    #[inline]
    pub fn clear(&mut self, headroom: usize) {
        let capacity = self.bounds.capacity();
        self.bounds = Bounds::new(headroom.min(usize::from(capacity)) as u16, 0, capacity);
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Frame({} bytes, {} before, {} behind)",
            self.len(),
            self.headroom(),
            self.tailroom()
        )
    }
}

#[cfg(debug_assertions)]
impl Drop for Frame {
    fn drop(&mut self) {
        // A lost chunk is a bug that tests must see; one that a failing test loses is not.
        assert!(std::thread::panicking(), "a frame was dropped instead of returned to its pool");
    }
}
