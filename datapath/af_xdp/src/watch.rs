//! What is counted on a socket, for its owner and for onlookers on other threads.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::open;

/// What the kernel counted on a socket since it was opened (`XDP_STATISTICS`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames dropped on receipt, too long for a chunk or without a free one.
    pub rx_dropped: u64,
    /// Fill ring entries that named no chunk.
    pub rx_invalid_descriptors: u64,
    /// Transmit ring entries that named no frame within one chunk.
    pub tx_invalid_descriptors: u64,
    /// Frames dropped because the receive ring was full.
    pub rx_ring_full: u64,
    /// Times the kernel wanted a free chunk and the fill ring was empty.
    pub rx_fill_ring_empty: u64,
    /// Times the kernel looked for a frame to send and the transmit ring was empty.
    pub tx_ring_empty: u64,
}

/// A socket's counters, seen from a thread that does not own the socket. It keeps the socket's
/// queue taken until it is dropped.
pub struct Watch {
    fd: OwnedFd,
    syscalls: Arc<AtomicU64>,
}

impl Watch {
    pub(crate) fn new(fd: OwnedFd, syscalls: Arc<AtomicU64>) -> Self {
        Self { fd, syscalls }
    }

    /// What the kernel has counted so far.
    pub fn statistics(&self) -> io::Result<Statistics> {
        statistics(self.fd.as_fd())
    }

    /// System calls that the owner made to send and receive so far.
    pub fn syscalls(&self) -> u64 {
        self.syscalls.load(Ordering::Relaxed)
    }
}

pub(crate) fn statistics(fd: BorrowedFd<'_>) -> io::Result<Statistics> {
    // SAFETY: the structure is made of integers, for which all zeroes are a value.
    let mut counted: libc::xdp_statistics = unsafe { std::mem::zeroed() };
    open::read_option(fd, libc::XDP_STATISTICS, &mut counted)?;
    Ok(Statistics {
        rx_dropped: counted.rx_dropped,
        rx_invalid_descriptors: counted.rx_invalid_descs,
        tx_invalid_descriptors: counted.tx_invalid_descs,
        rx_ring_full: counted.rx_ring_full,
        rx_fill_ring_empty: counted.rx_fill_ring_empty_descs,
        tx_ring_empty: counted.tx_ring_empty_descs,
    })
}
