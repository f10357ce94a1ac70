//! One AF_XDP socket: the four rings of an interface's queue and the calls that wake the kernel.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::area::{Area, UmemLayout};
use crate::open::{self, Bind, CopyMode, OpenError, RingSizes};
use crate::ring::{Consumer, Producer};
use crate::watch::{self, Statistics, Watch};

/// A frame, or a chunk without one, by its place in the [`Area`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Offset in bytes of the frame's first byte from the area's base. It may lie anywhere in a
    /// chunk: mask it by the chunk size to name the chunk.
    pub addr: u64,
    /// Bytes of the frame.
    pub len: u32,
}

/// A bound AF_XDP socket. It serves one queue of one interface and belongs to one thread at a time.
///
/// Every ring is used in two steps: ask how many entries there are, then read or write that many
/// and hand them over at once. A chunk is the kernel's from `fill_publish` until it comes out of
/// the receive ring, and from `tx_publish` until it comes out of the completion ring.
pub struct Socket {
    rx: Consumer<libc::xdp_desc>,
    tx: Producer<libc::xdp_desc>,
    fill: Producer<u64>,
    completion: Consumer<u64>,
    mode: CopyMode,
    need_wakeup: bool,
    zero_copy_refusal: Option<io::Error>,
    syscalls: Arc<AtomicU64>,
    fd: OwnedFd,
}

impl Socket {
    /// Opens a socket and binds it to `queue` of the interface.
    ///
    /// The first socket of a UMEM registers `area` with the kernel. Every further one names it in
    /// `share_with`: it gets fill and completion rings of its own, and inherits copy mode and
    /// wakeups from the first, which must stay open as long as others are to join. A queue that
    /// has just been given up is waited for, up to a second.
    pub fn open(
        area: Area,
        layout: UmemLayout,
        ifindex: u32,
        queue: u32,
        sizes: RingSizes,
        bind: Bind,
        share_with: Option<BorrowedFd<'_>>,
    ) -> Result<Self, OpenError> {
        let request = open::Request { area, layout, ifindex, queue, sizes, bind, share_with };
        let opened = request.open()?;
        Ok(Self {
            rx: opened.rx,
            tx: opened.tx,
            fill: opened.fill,
            completion: opened.completion,
            mode: opened.mode,
            need_wakeup: bind.need_wakeup,
            zero_copy_refusal: opened.zero_copy_refusal,
            syscalls: Arc::default(),
            fd: opened.fd,
        })
    }

    /// The copy mode that the kernel reports for this socket.
    pub fn mode(&self) -> CopyMode {
        self.mode
    }

    /// Why the driver refused zero-copy, where it was tried first and copy was used in its place.
    pub fn zero_copy_refusal(&self) -> Option<&io::Error> {
        self.zero_copy_refusal.as_ref()
    }

    /// How many received frames wait, at most `max`.
    #[inline]
    pub fn rx_available(&mut self, max: u32) -> u32 {
        self.rx.available(max)
    }

    /// The received frame `k` places after the oldest; `k` is below what `rx_available` told.
    #[inline]
    pub fn rx_at(&self, k: u32) -> Descriptor {
        let libc::xdp_desc { addr, len, .. } = self.rx.at(k);
        Descriptor { addr, len }
    }

    /// Frees the ring entries of the oldest `n` received frames, all of them read. The chunks are
    /// the caller's.
    #[inline]
    pub fn rx_release(&mut self, n: u32) {
        self.rx.release(n);
    }

    /// How many frames the transmit ring takes now, at most `want`.
    #[inline]
    pub fn tx_free(&mut self, want: u32) -> u32 {
        self.tx.free(want)
    }

    /// Writes the frame `k` places after the last published one; `k` is below what `tx_free` told.
    /// A frame lies within one chunk.
    #[inline]
    pub fn tx_put(&mut self, k: u32, frame: Descriptor) {
        self.tx.put(k, libc::xdp_desc { addr: frame.addr, len: frame.len, options: 0 });
    }

    /// Gives the next `n` frames, all of them put, to the kernel; see [`Socket::wake_tx`].
    #[inline]
    pub fn tx_publish(&mut self, n: u32) {
        self.tx.publish(n);
    }

    /// How many free chunks the fill ring takes now, at most `want`.
    #[inline]
    pub fn fill_free(&mut self, want: u32) -> u32 {
        self.fill.free(want)
    }

    /// Writes the free chunk that holds `addr`, `k` places after the last published one; `k` is
    /// below what `fill_free` told.
    #[inline]
    pub fn fill_put(&mut self, k: u32, addr: u64) {
        self.fill.put(k, addr);
    }

    /// Gives the next `n` chunks, all of them put, to the kernel to receive frames into.
    #[inline]
    pub fn fill_publish(&mut self, n: u32) {
        self.fill.publish(n);
    }

    /// How many sent frames wait to be taken back, at most `max`.
    #[inline]
    pub fn completion_available(&mut self, max: u32) -> u32 {
        self.completion.available(max)
    }

    /// The `addr` with which the frame `k` places after the oldest sent one was put; `k` is below
    /// what `completion_available` told.
    #[inline]
    pub fn completion_at(&self, k: u32) -> u64 {
        self.completion.at(k)
    }

    /// Frees the ring entries of the oldest `n` sent frames, all of them read. The chunks are the
    /// caller's again.
    #[inline]
    pub fn completion_release(&mut self, n: u32) {
        self.completion.release(n);
    }

    /// Makes the kernel send what the transmit ring holds, where it does not do so by itself.
    ///
    /// In copy mode the kernel sends only within this call, and little per call before Linux 6.17,
    /// so the call is repeated as often as a ring takes, and not made when the ring is empty. What
    /// a busy device or a downed link leaves in the ring is no error: it goes out with a later
    /// call. An error means that the socket will not send again (the device is gone).
    #[inline]
    pub fn wake_tx(&self) -> io::Result<()> {
        match self.mode {
            CopyMode::Copy => self.send_ring(),
            CopyMode::ZeroCopy if self.need_wakeup && !self.tx.needs_wakeup() => Ok(()),
            CopyMode::ZeroCopy => match self.send_once() {
                Some(error) if !is_transient(&error) => Err(error),
                _ => Ok(()),
            },
        }
    }

    /// Wakes the driver when it sleeps because the fill ring was empty.
    #[inline]
    pub fn wake_rx(&self) {
        if !self.fill.needs_wakeup() {
            return;
        }
        self.count_syscall();
        let (fd, null) = (self.fd.as_raw_fd(), ptr::null_mut());
        // The call only wakes; what it returns says nothing that the rings do not.
        // SAFETY: no buffer and no address are passed, so the kernel writes nothing.
        unsafe { libc::recvfrom(fd, null, 0, libc::MSG_DONTWAIT, null.cast(), null.cast()) };
    }

    /// System calls made by [`Socket::wake_tx`] and [`Socket::wake_rx`] so far.
    pub fn syscalls(&self) -> u64 {
        self.syscalls.load(Ordering::Relaxed)
    }

    /// What the kernel has counted so far.
    pub fn statistics(&self) -> io::Result<Statistics> {
        watch::statistics(self.fd.as_fd())
    }

    /// A view of the socket's counters for another thread.
    ///
    /// # Errors
    /// No file descriptor is left.
    pub fn watch(&self) -> io::Result<Watch> {
        Ok(Watch::new(self.fd.try_clone()?, Arc::clone(&self.syscalls)))
    }

    /// The budget of a call, not the ring, tells how often to call: kernels such as 6.1 show how
    /// far they came in the ring only when they have seen its end.
    fn send_ring(&self) -> io::Result<()> {
        let outstanding = self.tx.outstanding();
        if outstanding == 0 {
            return Ok(());
        }
        for _ in 0..=outstanding / SENT_PER_CALL_MIN {
            match self.send_once() {
                None => return Ok(()),
                Some(error) if error.raw_os_error() == Some(libc::ENETDOWN) => return Ok(()),
                Some(error) if !is_transient(&error) => return Err(error),
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn send_once(&self) -> Option<io::Error> {
        self.count_syscall();
        let (fd, null) = (self.fd.as_raw_fd(), ptr::null());
        // SAFETY: no buffer and no address are passed, so the kernel reads nothing of ours.
        let sent = unsafe { libc::sendto(fd, null, 0, libc::MSG_DONTWAIT, null.cast(), 0) };
        if sent < 0 { Some(io::Error::last_os_error()) } else { None }
    }

    fn count_syscall(&self) {
        // Only the thread that owns the socket counts; others look.
        self.syscalls.store(self.syscalls() + 1, Ordering::Relaxed);
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Frames that every kernel sends in one call of copy mode, unless it must stop.
const SENT_PER_CALL_MIN: u32 = 16;

/// EAGAIN: the budget of one call or the send buffer is used up. EBUSY: the device dropped a
/// frame or its queue is full. ENOBUFS: no memory for an skb. ENETDOWN: the link may come back.
fn is_transient(error: &io::Error) -> bool {
    let transient = [libc::EAGAIN, libc::EBUSY, libc::ENOBUFS, libc::EINTR, libc::ENETDOWN];
    error.raw_os_error().is_some_and(|code| transient.contains(&code))
}
