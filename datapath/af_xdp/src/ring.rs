//! The rings that user space shares with the kernel: one side writes entries, the other takes them.
//!
//! Indices run freely over all of `u32` and wrap; an entry's slot is its index masked by the ring's
//! size. Each side keeps its own index and a stale copy of the other's, and looks at the shared one
//! only when the copy does not suffice.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

/// The side that writes entries: our end of a transmit or fill ring.
pub(crate) struct Producer<T> {
    shared: Shared<T>,
    /// Index of the next entry to publish.
    next: u32,
    /// Index of the oldest entry the consumer still held when we last looked.
    taken: u32,
}

impl<T: Copy> Producer<T> {
    pub(crate) fn new(shared: Shared<T>) -> Self {
        let next = shared.producer().load(Ordering::Relaxed);
        let taken = shared.consumer().load(Ordering::Acquire);
        Self { shared, next, taken }
    }

    /// How many entries may be put, at most `want`.
    #[inline]
    pub(crate) fn free(&mut self, want: u32) -> u32 {
        let mut free = self.shared.size() - self.next.wrapping_sub(self.taken);
        if free < want {
            self.taken = self.shared.consumer().load(Ordering::Acquire);
            free = self.shared.size() - self.next.wrapping_sub(self.taken);
        }
        free.min(want)
    }

    /// Writes the entry `k` places after the last published one; `k` is below what `free` told.
    #[inline]
    pub(crate) fn put(&mut self, k: u32, entry: T) {
        debug_assert!(self.next.wrapping_add(k).wrapping_sub(self.taken) < self.shared.size());
        let slot = self.shared.slot(self.next.wrapping_add(k));
        // SAFETY: `slot` masks the index into the ring, and the consumer reads this entry only
        // after `publish` has moved the shared index past it.
        unsafe { slot.write(entry) };
    }

    /// Hands the next `n` entries, all of them put, to the consumer.
    #[inline]
    pub(crate) fn publish(&mut self, n: u32) {
        self.next = self.next.wrapping_add(n);
        self.shared.producer().store(self.next, Ordering::Release);
    }

    /// How many published entries the consumer has not taken yet.
    #[inline]
    pub(crate) fn outstanding(&self) -> u32 {
        self.next.wrapping_sub(self.shared.consumer().load(Ordering::Acquire))
    }

    /// Whether the kernel sleeps on this ring and wants a system call.
    #[inline]
    pub(crate) fn needs_wakeup(&self) -> bool {
        self.shared.flags().load(Ordering::Relaxed) & libc::XDP_RING_NEED_WAKEUP != 0
    }
}

/// The side that takes entries: our end of a receive or completion ring.
pub(crate) struct Consumer<T> {
    shared: Shared<T>,
    /// Index of the oldest entry not yet released.
    next: u32,
    /// Index after the newest entry the producer had published when we last looked.
    published: u32,
}

impl<T: Copy> Consumer<T> {
    pub(crate) fn new(shared: Shared<T>) -> Self {
        let next = shared.consumer().load(Ordering::Relaxed);
        let published = shared.producer().load(Ordering::Acquire);
        Self { shared, next, published }
    }

    /// How many entries wait, at most `max`.
    #[inline]
    pub(crate) fn available(&mut self, max: u32) -> u32 {
        let mut waiting = self.published.wrapping_sub(self.next);
        if waiting < max {
            self.published = self.shared.producer().load(Ordering::Acquire);
            waiting = self.published.wrapping_sub(self.next);
        }
        waiting.min(max)
    }

    /// The entry `k` places after the oldest one; `k` is below what `available` told.
    #[inline]
    pub(crate) fn at(&self, k: u32) -> T {
        debug_assert!(k < self.published.wrapping_sub(self.next));
        let slot = self.shared.slot(self.next.wrapping_add(k));
        // SAFETY: `slot` masks the index into the ring, and the producer writes this entry again
        // only after `release` has moved the shared index past it.
        unsafe { slot.read() }
    }

    /// Gives the oldest `n` entries, all of them read, back to the producer.
    #[inline]
    pub(crate) fn release(&mut self, n: u32) {
        self.next = self.next.wrapping_add(n);
        self.shared.consumer().store(self.next, Ordering::Release);
    }
}

/// The memory of one ring: two indices, a word of flags, and a power of two of entries.
pub(crate) struct Shared<T> {
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: NonNull<AtomicU32>,
    entries: NonNull<T>,
    mask: u32,
    /// The kernel's mapping to undo; absent over plain memory.
    mapping: Option<(NonNull<libc::c_void>, usize)>,
}

// SAFETY: the pointers lead into memory that belongs to this ring alone (or to the kernel at its
// other end), and entries are plain values.
unsafe impl<T: Copy + Send> Send for Shared<T> {}

impl<T: Copy> Shared<T> {
    /// Maps the ring of `size` entries that the kernel keeps for `socket` at `page_offset`.
    pub(crate) fn map(
        socket: BorrowedFd<'_>,
        offsets: &libc::xdp_ring_offset,
        size: u32,
        page_offset: libc::off_t,
    ) -> io::Result<Self> {
        let len = offsets.desc as usize + size as usize * size_of::<T>();
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        let fd = socket.as_raw_fd();
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing of ours.
        let base = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, fd, page_offset) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let Some(base) = NonNull::new(base) else {
            return Err(io::Error::other("mmap returned the null page"));
        };
        // SAFETY: the kernel names these offsets for a ring of this size (XDP_MMAP_OFFSETS), so
        // they lie inside the `len` bytes just mapped and are aligned for their types.
        unsafe {
            Ok(Self {
                producer: base.byte_add(offsets.producer as usize).cast(),
                consumer: base.byte_add(offsets.consumer as usize).cast(),
                flags: base.byte_add(offsets.flags as usize).cast(),
                entries: base.byte_add(offsets.desc as usize).cast(),
                mask: size - 1,
                mapping: Some((base, len)),
            })
        }
    }

    fn producer(&self) -> &AtomicU32 {
        // SAFETY: points to an aligned word that lives as long as `self` and is only accessed
        // atomically, by the kernel too.
        unsafe { self.producer.as_ref() }
    }

    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as for the producer's index.
        unsafe { self.consumer.as_ref() }
    }

    fn flags(&self) -> &AtomicU32 {
        // SAFETY: as for the producer's index.
        unsafe { self.flags.as_ref() }
    }

    fn size(&self) -> u32 {
        self.mask + 1
    }

    fn slot(&self, index: u32) -> NonNull<T> {
        // SAFETY: the masked index is below the ring's size, and that many entries follow.
        unsafe { self.entries.add((index & self.mask) as usize) }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        if let Some((base, len)) = self.mapping {
            // SAFETY: `map` made this mapping, and no pointer into it outlives `self`.
            unsafe { libc::munmap(base.as_ptr(), len) };
        }
    }
}

#[cfg(test)]
mod tests;
