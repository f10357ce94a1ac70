//! A program on an interface, for as long as the process lives.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::bpf;
use crate::program::Program;

/// Where on a frame's way the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpMode {
    /// In the driver, before the kernel makes an skb.
    Native,
    /// On skbs, with any driver.
    Generic,
}

impl XdpMode {
    fn flags(self) -> u32 {
        match self {
            Self::Generic => 1 << 1,
            Self::Native => 1 << 2,
        }
    }
}

impl fmt::Display for XdpMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Generic => "generic",
        })
    }
}

/// A program at work on an interface. It leaves when this value is dropped, and with the process
/// in whatever way that ends, because the kernel closes the link.
#[derive(Debug)]
pub struct Attached {
    mode: XdpMode,
    native_refusal: Option<io::Error>,
    /// Held only to be closed.
    _link: OwnedFd,
}

impl Attached {
    /// Puts the program on the interface, in native mode where the driver can, else in generic.
    /// An interface holds one program: another one on it makes both fail.
    pub fn attach(program: &Program, ifindex: u32) -> Result<Self, AttachError> {
        let native = match Self::attach_in(XdpMode::Native, program, ifindex) {
            Ok(attached) => return Ok(attached),
            Err(native) => native,
        };
        match Self::attach_in(XdpMode::Generic, program, ifindex) {
            Ok(attached) => Ok(Self { native_refusal: Some(native), ..attached }),
            Err(generic) => Err(AttachError { ifindex, native, generic }),
        }
    }

    /// Puts the program on the interface in this mode and no other.
    pub fn attach_in(mode: XdpMode, program: &Program, ifindex: u32) -> io::Result<Self> {
        let link = bpf::link_xdp(program.as_fd(), ifindex, mode.flags())?;
        Ok(Self { mode, native_refusal: None, _link: link })
    }

    /// The mode in which the program runs.
    pub fn mode(&self) -> XdpMode {
        self.mode
    }

    /// Why the driver refused native mode, where it was tried first and generic is used in its
    /// place.
    pub fn native_refusal(&self) -> Option<&io::Error> {
        self.native_refusal.as_ref()
    }
}

/// Why a program could not be put on an interface in either mode.
#[derive(Debug)]
pub struct AttachError {
    /// The interface's index.
    pub ifindex: u32,
    /// The kernel's answer to native mode.
    pub native: io::Error,
    /// The kernel's answer to generic mode.
    pub generic: io::Error,
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ifindex, native, generic } = self;
        write!(f, "cannot attach the XDP program to interface {ifindex}: ")?;
        write!(f, "native mode: {native}; generic mode: {generic}")?;
        match generic.raw_os_error() {
            Some(libc::EBUSY | libc::EEXIST) => f.write_str("; another XDP program is attached"),
            Some(libc::EPERM) => f.write_str("; the capability CAP_NET_ADMIN is missing"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for AttachError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.generic)
    }
}
