//! How an AF_XDP socket comes to be: its options, the steps to a bound socket, and what may fail.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::thread;
use std::time::Duration;

use crate::area::{Area, UmemLayout};
use crate::ring::{Consumer, Producer, Shared};

/// Entries of each ring; every number is a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingSizes {
    /// Received frames that wait for us.
    pub rx: u32,
    /// Frames that wait to be sent.
    pub tx: u32,
    /// Free chunks that wait to receive a frame.
    pub fill: u32,
    /// Chunks whose frame was sent and which wait for us.
    pub completion: u32,
}

/// How frames pass between the card and our memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyMode {
    /// The card reads and writes our memory itself.
    ZeroCopy,
    /// The kernel copies each frame.
    Copy,
}

/// Which [`CopyMode`] to bind with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyPreference {
    /// Zero-copy where the driver has it, else copy; [`crate::Socket::zero_copy_refusal`] tells
    /// why not.
    Auto,
    /// Zero-copy or an error.
    ZeroCopy,
    /// Copy, also where the driver has zero-copy.
    Copy,
}

/// How the first socket of a UMEM is bound. Sockets that share it inherit both from the first;
/// give them the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Zero-copy or copy.
    pub copy: CopyPreference,
    /// Let the driver sleep and say by a flag when it wants a system call
    /// (`XDP_USE_NEED_WAKEUP`), instead of being called each time.
    pub need_wakeup: bool,
}

/// Why a socket could not be opened.
#[derive(Debug)]
pub struct OpenError {
    /// What was being done.
    pub step: OpenStep,
    /// The interface's index.
    pub ifindex: u32,
    /// The queue of the interface.
    pub queue: u32,
    /// The kernel's answer.
    pub source: io::Error,
}

impl OpenError {
    /// What most often causes this answer at this step, in words for the operator.
    fn remedy(&self) -> Option<&'static str> {
        match (self.step, self.source.raw_os_error()?) {
            (OpenStep::Create, libc::EPERM) => Some("the capability CAP_NET_RAW is missing"),
            (OpenStep::Create, libc::EAFNOSUPPORT) => Some("the kernel lacks CONFIG_XDP_SOCKETS"),
            (OpenStep::RegisterUmem, libc::ENOBUFS | libc::ENOMEM) => {
                Some("raise RLIMIT_MEMLOCK or grant CAP_IPC_LOCK")
            }
            (OpenStep::Bind, libc::EBUSY) => Some("another socket serves this queue"),
            (OpenStep::Bind, libc::EINVAL) => Some("the interface has no such queue"),
            (OpenStep::Bind, libc::EOPNOTSUPP) => Some("the driver has no zero-copy mode"),
            (OpenStep::Bind, libc::ENETDOWN) => Some("the interface is down"),
            _ => None,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, ifindex, queue, source } = self;
        write!(f, "AF_XDP socket on interface {ifindex} queue {queue}: cannot {step}: {source}")?;
        match self.remedy() {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// The steps to a bound socket, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenStep {
    /// Check the memory layout and the ring sizes, before the kernel is asked.
    Check,
    /// Create the socket.
    Create,
    /// Register the frame memory.
    RegisterUmem,
    /// Set the sizes of the rings.
    SizeRings,
    /// Map the rings.
    MapRings,
    /// Bind to interface and queue.
    Bind,
    /// Ask which copy mode came out.
    ReadMode,
}

impl fmt::Display for OpenStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Check => "accept the layout",
            Self::Create => "create it",
            Self::RegisterUmem => "register the frame memory",
            Self::SizeRings => "size the rings",
            Self::MapRings => "map the rings",
            Self::Bind => "bind",
            Self::ReadMode => "read the copy mode",
        })
    }
}

/// Where and how a socket is opened.
pub(crate) struct Request<'a> {
    pub(crate) area: Area,
    pub(crate) layout: UmemLayout,
    pub(crate) ifindex: u32,
    pub(crate) queue: u32,
    pub(crate) sizes: RingSizes,
    pub(crate) bind: Bind,
    pub(crate) share_with: Option<BorrowedFd<'a>>,
}

/// A bound socket and its mapped rings.
pub(crate) struct Opened {
    pub(crate) fd: OwnedFd,
    pub(crate) rx: Consumer<libc::xdp_desc>,
    pub(crate) tx: Producer<libc::xdp_desc>,
    pub(crate) fill: Producer<u64>,
    pub(crate) completion: Consumer<u64>,
    pub(crate) mode: CopyMode,
    pub(crate) zero_copy_refusal: Option<io::Error>,
}

impl Request<'_> {
    /// Takes all steps, and says at which one it failed.
    pub(crate) fn open(&self) -> Result<Opened, OpenError> {
        let at = |step| {
            let Self { ifindex, queue, .. } = *self;
            move |source| OpenError { step, ifindex, queue, source }
        };
        self.layout.check().map_err(at(OpenStep::Check))?;
        self.sizes.check().map_err(at(OpenStep::Check))?;
        let fd = create().map_err(at(OpenStep::Create))?;
        if self.share_with.is_none() {
            self.register_umem(&fd).map_err(at(OpenStep::RegisterUmem))?;
        }
        self.size_rings(&fd).map_err(at(OpenStep::SizeRings))?;
        self.widen_transmit_limits(&fd);
        // The rings are mapped before the bind, so that a bound socket is always complete.
        let offsets = ring_offsets(&fd).map_err(at(OpenStep::MapRings))?;
        let (socket, sizes) = (fd.as_fd(), self.sizes);
        let rx = Shared::map(socket, &offsets.rx, sizes.rx, libc::XDP_PGOFF_RX_RING)
            .map_err(at(OpenStep::MapRings))?;
        let tx = Shared::map(socket, &offsets.tx, sizes.tx, libc::XDP_PGOFF_TX_RING)
            .map_err(at(OpenStep::MapRings))?;
        let page_offset = libc::XDP_UMEM_PGOFF_FILL_RING as libc::off_t;
        let fill = Shared::map(socket, &offsets.fr, sizes.fill, page_offset)
            .map_err(at(OpenStep::MapRings))?;
        let page_offset = libc::XDP_UMEM_PGOFF_COMPLETION_RING as libc::off_t;
        let completion = Shared::map(socket, &offsets.cr, sizes.completion, page_offset)
            .map_err(at(OpenStep::MapRings))?;
        let zero_copy_refusal = self.bind(&fd).map_err(at(OpenStep::Bind))?;
        Ok(Opened {
            mode: copy_mode(&fd).map_err(at(OpenStep::ReadMode))?,
            fd,
            rx: Consumer::new(rx),
            tx: Producer::new(tx),
            fill: Producer::new(fill),
            completion: Consumer::new(completion),
            zero_copy_refusal,
        })
    }

    fn register_umem(&self, fd: &OwnedFd) -> io::Result<()> {
        let registration = libc::xdp_umem_reg {
            addr: self.area.base().addr() as u64,
            len: self.area.len() as u64,
            chunk_size: self.layout.chunk_size,
            headroom: self.layout.headroom,
            flags: 0,
            tx_metadata_len: 0,
        };
        set_option(fd, libc::SOL_XDP, libc::XDP_UMEM_REG, &registration)
    }

    fn size_rings(&self, fd: &OwnedFd) -> io::Result<()> {
        let RingSizes { rx, tx, fill, completion } = self.sizes;
        set_option(fd, libc::SOL_XDP, libc::XDP_UMEM_FILL_RING, &fill)?;
        set_option(fd, libc::SOL_XDP, libc::XDP_UMEM_COMPLETION_RING, &completion)?;
        set_option(fd, libc::SOL_XDP, libc::XDP_RX_RING, &rx)?;
        set_option(fd, libc::SOL_XDP, libc::XDP_TX_RING, &tx)
    }

    /// In copy mode the kernel sends few frames per system call, and no more at a time than the
    /// send buffer holds. The first limit is raised to a whole transmit ring, the second to a
    /// whole completion ring, which bounds what is under way. A refusal only costs speed.
    fn widen_transmit_limits(&self, fd: &OwnedFd) {
        let RingSizes { tx, completion, .. } = self.sizes;
        let _ = set_option(fd, libc::SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &tx);
        // An skb weighs its data and its bookkeeping: about two chunks.
        let weight = u64::from(completion) * 2 * u64::from(self.layout.chunk_size);
        let bytes = libc::c_int::try_from(weight).unwrap_or(libc::c_int::MAX / 2);
        // Without CAP_NET_ADMIN only what net.core.wmem_max allows is granted.
        if set_option(fd, libc::SOL_SOCKET, SO_SNDBUFFORCE, &bytes).is_err() {
            let _ = set_option(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, &bytes);
        }
    }

    /// Binds, and gives the error that made zero-copy fail when copy was used in its place.
    fn bind(&self, fd: &OwnedFd) -> io::Result<Option<io::Error>> {
        if let Some(first) = self.share_with {
            // The kernel refuses every other flag here: mode and wakeups are the first socket's.
            let first = first.as_raw_fd() as u32;
            return self.bind_with(fd, libc::XDP_SHARED_UMEM, first).map(|()| None);
        }
        let wakeup = if self.bind.need_wakeup { libc::XDP_USE_NEED_WAKEUP } else { 0 };
        match self.bind.copy {
            CopyPreference::ZeroCopy => {
                self.bind_with(fd, wakeup | libc::XDP_ZEROCOPY, 0).map(|()| None)
            }
            CopyPreference::Copy => self.bind_with(fd, wakeup | libc::XDP_COPY, 0).map(|()| None),
            CopyPreference::Auto => match self.bind_with(fd, wakeup | libc::XDP_ZEROCOPY, 0) {
                Ok(()) => Ok(None),
                Err(refusal) => {
                    self.bind_with(fd, wakeup | libc::XDP_COPY, 0).map(|()| Some(refusal))
                }
            },
        }
    }

    /// Binds; a busy queue is tried again for a while, because the kernel frees the queue of a
    /// closed socket, or of a killed process, a little later.
    #[expect(clippy::disallowed_methods, reason = "sockets are opened before a worker starts")]
    fn bind_with(&self, fd: &OwnedFd, flags: u16, shared_umem_fd: u32) -> io::Result<()> {
        let address = libc::sockaddr_xdp {
            sxdp_family: libc::AF_XDP as u16,
            sxdp_flags: flags,
            sxdp_ifindex: self.ifindex,
            sxdp_queue_id: self.queue,
            sxdp_shared_umem_fd: shared_umem_fd,
        };
        let mut retries = BUSY_RETRIES;
        loop {
            let refusal = match bind_to(fd, &address) {
                Ok(()) => return Ok(()),
                Err(refusal) => refusal,
            };
            if refusal.raw_os_error() != Some(libc::EBUSY) || retries == 0 {
                return Err(refusal);
            }
            retries -= 1;
            thread::sleep(BUSY_PAUSE);
        }
    }
}

impl RingSizes {
    /// Refuses what the kernel would refuse with a bare EINVAL.
    fn check(&self) -> io::Result<()> {
        let Self { rx, tx, fill, completion } = *self;
        if [rx, tx, fill, completion].iter().all(|size| size.is_power_of_two()) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "ring sizes are powers of two"))
    }
}

/// `SOL_XDP` option since Linux 6.17: frames sent per system call in copy mode.
const XDP_MAX_TX_SKB_BUDGET: libc::c_int = 9;
/// `SOL_SOCKET` option: `SO_SNDBUF` without the limit of `net.core.wmem_max`.
const SO_SNDBUFFORCE: libc::c_int = 32;
/// A busy queue is waited for up to a second.
const BUSY_RETRIES: u32 = 100;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

fn create() -> io::Result<OwnedFd> {
    // SAFETY: a plain system call without pointers.
    let fd = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn bind_to(fd: &OwnedFd, address: &libc::sockaddr_xdp) -> io::Result<()> {
    let len = size_of::<libc::sockaddr_xdp>() as libc::socklen_t;
    // SAFETY: the address is a sockaddr_xdp of the length given, and lives over the call.
    let done = unsafe { libc::bind(fd.as_raw_fd(), (&raw const *address).cast(), len) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn ring_offsets(fd: &OwnedFd) -> io::Result<libc::xdp_mmap_offsets> {
    // SAFETY: the structure is made of integers, for which all zeroes are a value.
    let mut offsets: libc::xdp_mmap_offsets = unsafe { std::mem::zeroed() };
    read_option(fd.as_fd(), libc::XDP_MMAP_OFFSETS, &mut offsets)?;
    Ok(offsets)
}

fn copy_mode(fd: &OwnedFd) -> io::Result<CopyMode> {
    let mut options = libc::xdp_options { flags: 0 };
    read_option(fd.as_fd(), libc::XDP_OPTIONS, &mut options)?;
    let zero_copy = options.flags & libc::XDP_OPTIONS_ZEROCOPY != 0;
    Ok(if zero_copy { CopyMode::ZeroCopy } else { CopyMode::Copy })
}

/// Sets an option of a socket to a structure of the kernel's.
pub(crate) fn set_option<T: Copy>(
    fd: &OwnedFd,
    level: libc::c_int,
    name: libc::c_int,
    value: &T,
) -> io::Result<()> {
    let len = size_of::<T>() as libc::socklen_t;
    let value = (&raw const *value).cast();
    // SAFETY: the value is `len` bytes long and lives over the call.
    let done = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value, len) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads a `SOL_XDP` option into a structure of the kernel's that is made of integers.
pub(crate) fn read_option<T: Copy>(
    fd: BorrowedFd<'_>,
    name: libc::c_int,
    value: &mut T,
) -> io::Result<()> {
    let mut len = size_of::<T>() as libc::socklen_t;
    let value = (&raw mut *value).cast();
    // SAFETY: the kernel writes at most `len` bytes, which is the size of the value, and callers
    // pass structures of integers, for which any bytes are a value.
    let done = unsafe { libc::getsockopt(fd.as_raw_fd(), libc::SOL_XDP, name, value, &mut len) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
