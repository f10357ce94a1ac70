//! A port over one AF_XDP socket: one queue of one network device.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use af_xdp::{Bind, CopyMode, Descriptor, OpenError, RingSizes, Socket, UmemLayout};

use crate::{Batch, Frame, FramePool, Port, Umem};

/// Entries of each ring. The receive ring must outlast a worker's longest turn, and a veth device
/// queues 256 frames of its own.
const RING: u32 = 2048;
/// Chunks moved between a ring and the pool at a time.
const BURST: u32 = 256;

/// One queue of one network device. Frames that it has given to the kernel for good (the process
/// ends, or the socket closes under them) are not had back.
pub struct XskPort {
    socket: Socket,
    umem: &'static Umem,
    /// Frames published for transmission whose chunks have not come back yet.
    in_flight: u32,
    /// Set once the kernel says that this socket will never send again.
    dead: bool,
}

impl XskPort {
    /// Opens the socket of `queue` of the device with index `ifindex` over `umem`, which is
    /// [`Umem::mapped`]. The first port of a UMEM is opened with `share_with` `None`; every
    /// further one names it. `pool` fills the receive side.
    ///
    /// # Errors
    /// What the kernel refused, with the step at which it did.
    pub fn open(
        umem: &'static Umem,
        ifindex: u32,
        queue: u32,
        bind: Bind,
        share_with: Option<BorrowedFd<'_>>,
        pool: &mut FramePool,
    ) -> Result<Self, OpenPortError> {
        let area = umem.area().ok_or(OpenPortError::NotMapped)?;
        let config = umem.config();
        let layout =
            UmemLayout { chunk_size: config.chunk_size as u32, headroom: config.headroom as u32 };
        let sizes = RingSizes { rx: RING, tx: RING, fill: RING, completion: RING };
        let socket = Socket::open(area, layout, ifindex, queue, sizes, bind, share_with)
            .map_err(OpenPortError::Socket)?;
        let mut port = Self { socket, umem, in_flight: 0, dead: false };
        for _ in 0..RING / BURST {
            port.fill(pool);
        }
        Ok(port)
    }

    /// The socket, to share its UMEM, to put it into the XDP program's map, and to ask it things.
    #[must_use]
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// How frames pass between the card and our memory.
    #[must_use]
    pub fn mode(&self) -> CopyMode {
        self.socket.mode()
    }

    /// Frames that the kernel has still to send.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Gives free chunks to the kernel to receive into.
    fn fill(&mut self, pool: &mut FramePool) {
        let room = self.socket.fill_free(BURST);
        let mut put = 0;
        while put < room {
            let Some(frame) = pool.alloc() else { break };
            self.socket.fill_put(put, self.umem.address_of(frame));
            put += 1;
        }
        if put > 0 {
            self.socket.fill_publish(put);
        }
        self.socket.wake_rx();
    }

    /// Takes back the chunks of frames that have left.
    fn reap(&mut self, pool: &mut FramePool) {
        let done = self.socket.completion_available(BURST);
        for k in 0..done {
            let address = self.socket.completion_at(k);
            if let Some(frame) = self.returned(address, 0) {
                pool.free(frame);
            }
        }
        if done > 0 {
            self.socket.completion_release(done);
            self.in_flight = self.in_flight.saturating_sub(done);
        }
    }

    fn returned(&self, address: u64, len: u32) -> Option<Frame> {
        // SAFETY: the kernel hands out only addresses that were put into the fill or transmit ring
        // by `address_of`, each once for each time it was put.
        unsafe { self.umem.frame_at(address, len) }
    }
}

impl AsRawFd for XskPort {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Port for XskPort {
    fn rx(&mut self, pool: &mut FramePool, batch: &mut Batch) -> usize {
        let n = self.socket.rx_available(batch.room().try_into().unwrap_or(u32::MAX));
        for k in 0..n {
            let Descriptor { addr, len } = self.socket.rx_at(k);
            if let Some(frame) = self.returned(addr, len)
                && let Err(frame) = batch.push(frame)
            {
                pool.free(frame);
            }
        }
        if n > 0 {
            self.socket.rx_release(n);
            self.fill(pool);
        }
        n as usize
    }

    fn tx(&mut self, pool: &mut FramePool, batch: &mut Batch) -> usize {
        if batch.is_empty() {
            return 0;
        }
        if self.dead {
            return batch.release(pool);
        }
        self.reap(pool);
        let room = self.socket.tx_free(batch.len().try_into().unwrap_or(u32::MAX));
        let mut put = 0;
        for frame in batch.drain(room as usize) {
            let len = frame.len() as u32;
            let addr = self.umem.address_of(frame);
            self.socket.tx_put(put, Descriptor { addr, len });
            put += 1;
        }
        if put > 0 {
            self.socket.tx_publish(put);
            self.in_flight += put;
        }
        put as usize
    }

    fn flush(&mut self, pool: &mut FramePool) {
        if self.in_flight == 0 || self.dead {
            return;
        }
        self.dead = self.socket.wake_tx().is_err();
        self.reap(pool);
    }
}

/// Why a port could not be opened.
#[derive(Debug)]
pub enum OpenPortError {
    /// The UMEM lies on the heap, where the kernel cannot share it.
    NotMapped,
    /// The kernel refused a step.
    Socket(OpenError),
}

impl std::fmt::Display for OpenPortError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotMapped => write!(f, "packet memory on the heap cannot be shared"),
            Self::Socket(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for OpenPortError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotMapped => None,
            Self::Socket(error) => Some(error),
        }
    }
}
