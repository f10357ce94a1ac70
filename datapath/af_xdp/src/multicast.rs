//! Multicast frames that nobody on this host joined.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use crate::open;

/// An interface that lets the frames of every multicast group in. Without it a card drops those of
/// groups that this host did not join, before any XDP program could take them. It ends when this
/// value is dropped, and with the process in whatever way that ends.
#[derive(Debug)]
pub struct AllMulticast {
    /// Held only to be closed: the kernel takes its memberships back then.
    _socket: OwnedFd,
}

impl AllMulticast {
    /// Lets every multicast frame into the interface with this index.
    ///
    /// # Errors
    /// The capability CAP_NET_RAW is missing (`PermissionDenied`), or there is no such interface.
    pub fn join(ifindex: u32) -> io::Result<Self> {
        // Protocol 0: the socket itself receives nothing.
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
        // SAFETY: a plain system call without pointers.
        let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let membership = libc::packet_mreq {
            mr_ifindex: i32::try_from(ifindex).map_err(|_| io::ErrorKind::InvalidInput)?,
            mr_type: libc::PACKET_MR_ALLMULTI as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        let (level, name) = (libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP);
        open::set_option(&socket, level, name, &membership)?;
        Ok(Self { _socket: socket })
    }
}
