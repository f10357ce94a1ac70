//! AF_XDP sockets, their rings, and the XDP program that feeds them, over plain libc.
//!
//! The order in which the pieces are used matters, because a frame must never meet a half-built
//! port:
//!
//! 1. [`Area::mapped`] makes the memory in which all frames of the process live.
//! 2. [`Socket::open`] binds one socket per interface and queue; the first one registers the area
//!    with the kernel (UMEM), the others share it, so a frame moves between ports by descriptor.
//! 3. [`SocketMap::set`] tells the program which socket serves which queue.
//! 4. [`Program::load`] loads a [`Classifier`] over the maps; it takes what belongs to the gateway
//!    and passes everything else to the kernel.
//! 5. [`Attached::attach`] puts the program on the interface by a link that dies with the process.
//!
//! This crate knows neither what a frame holds nor who owns a chunk: it hands descriptors in and
//! out. Whoever turns a descriptor into a reference to bytes proves that nobody else holds them.

#[cfg(not(target_os = "linux"))]
compile_error!("AF_XDP is an interface of the Linux kernel");

mod area;
mod assembler;
mod attach;
mod bpf;
mod interface;
mod maps;
mod multicast;
mod open;
mod program;
mod ring;
mod socket;
mod watch;

pub use area::{Area, UmemLayout, XDP_HEADROOM};
pub use assembler::Insn;
pub use attach::{AttachError, Attached, XdpMode};
pub use bpf::LoadError;
pub use interface::{QueueCount, ifindex, queue_count};
pub use maps::{Endpoints, OwnedPrefixes, SocketMap};
pub use multicast::AllMulticast;
pub use open::{Bind, CopyMode, CopyPreference, OpenError, OpenStep, RingSizes};
pub use program::{Classifier, Maps, Program, Take, Verdict};
pub use socket::{Descriptor, Socket};
pub use watch::{Statistics, Watch};
