//! The maps between the control side and the XDP program: who serves a queue, what is ours.
//!
//! Every change takes effect with the next frame, without reloading a program. Maps live as long
//! as their handle or a program that uses them.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::bpf::{self, BPF_F_NO_PREALLOC, MapType};
use crate::socket::Socket;

/// Which socket serves which queue of one interface (`BPF_MAP_TYPE_XSKMAP`).
#[derive(Debug)]
pub struct SocketMap(OwnedFd);

impl SocketMap {
    /// An empty map for `queues` queues. What arrives on a queue without a socket passes to the
    /// kernel.
    pub fn new(queues: u32) -> io::Result<Self> {
        bpf::create_map(MapType::XskMap, 4, 4, queues, 0, c"fastgw_sockets").map(Self)
    }

    /// Lets `socket`, which is bound to this interface and queue, receive what the program takes.
    /// The entry goes when the socket is closed.
    pub fn set(&self, queue: u32, socket: &Socket) -> io::Result<()> {
        bpf::update_map(&self.0, &queue, &socket.as_raw_fd())
    }

    /// Lets the queue's frames pass to the kernel again, if they did not already.
    pub fn clear(&self, queue: u32) -> io::Result<()> {
        bpf::remove_from_map(&self.0, &queue).map(|_| ())
    }
}

impl AsFd for SocketMap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The local addresses at which tunnels end.
#[derive(Debug)]
pub struct Endpoints(OwnedFd);

impl Endpoints {
    /// An empty set, for up to 65,536 addresses.
    pub fn new() -> io::Result<Self> {
        let (key, value) = (size_of::<AddressKey>() as u32, size_of::<u32>() as u32);
        let (most, name) = (ENDPOINTS_MAX, c"fastgw_endpoint");
        bpf::create_map(MapType::Hash, key, value, most, BPF_F_NO_PREALLOC, name).map(Self)
    }

    /// Adds an address; adding it twice is adding it once.
    pub fn insert(&self, address: Ipv4Addr) -> io::Result<()> {
        bpf::update_map(&self.0, &AddressKey(address.octets()), &1u32)
    }

    /// Removes an address; `false` when it was not there.
    pub fn remove(&self, address: Ipv4Addr) -> io::Result<bool> {
        bpf::remove_from_map(&self.0, &AddressKey(address.octets()))
    }
}

impl AsFd for Endpoints {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The destinations that the gateway routes, and the exceptions in them that stay the kernel's.
/// The longest prefix that matches decides; what matches none passes to the kernel.
#[derive(Debug)]
pub struct OwnedPrefixes(OwnedFd);

impl OwnedPrefixes {
    /// An empty table, for up to 1,048,576 prefixes.
    pub fn new() -> io::Result<Self> {
        let (key, value) = (size_of::<PrefixKey>() as u32, size_of::<u32>() as u32);
        let (most, name) = (PREFIXES_MAX, c"fastgw_prefixes");
        bpf::create_map(MapType::LpmTrie, key, value, most, BPF_F_NO_PREALLOC, name).map(Self)
    }

    /// Adds or changes a prefix of `len` bits, 0 to 32; bits of `prefix` beyond them are ignored.
    /// With `take` the gateway gets packets to it, without it the kernel does: the gateway's own
    /// addresses are such /32s.
    pub fn insert(&self, prefix: Ipv4Addr, len: u8, take: bool) -> io::Result<()> {
        bpf::update_map(&self.0, &PrefixKey::new(prefix, len)?, &u32::from(take))
    }

    /// Removes a prefix; `false` when it was not there.
    pub fn remove(&self, prefix: Ipv4Addr, len: u8) -> io::Result<bool> {
        bpf::remove_from_map(&self.0, &PrefixKey::new(prefix, len)?)
    }
}

impl AsFd for OwnedPrefixes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

const ENDPOINTS_MAX: u32 = 1 << 16;
const PREFIXES_MAX: u32 = 1 << 20;

/// An address as it stands in a packet.
#[repr(C)]
#[derive(Clone, Copy)]
struct AddressKey([u8; 4]);

/// The kernel's `bpf_lpm_trie_key`: bits in host order, then the address as in a packet.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PrefixKey {
    len: u32,
    address: [u8; 4],
}

impl PrefixKey {
    fn new(prefix: Ipv4Addr, len: u8) -> io::Result<Self> {
        let beyond = 32u32.checked_sub(u32::from(len)).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "an IPv4 prefix has at most 32 bits")
        })?;
        let mask = u32::MAX.checked_shl(beyond).unwrap_or(0);
        let address = (u32::from(prefix) & mask).to_be_bytes();
        Ok(Self { len: u32::from(len), address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_beyond_the_prefix_are_ignored_and_lengths_over_32_refused() {
        let key = |octets: [u8; 4], len| PrefixKey::new(Ipv4Addr::from(octets), len);
        assert_eq!(key([10, 1, 2, 3], 8).unwrap(), PrefixKey { len: 8, address: [10, 0, 0, 0] });
        assert_eq!(key([10, 1, 2, 3], 32).unwrap(), PrefixKey { len: 32, address: [10, 1, 2, 3] });
        assert_eq!(key([10, 1, 2, 3], 0).unwrap(), PrefixKey { len: 0, address: [0; 4] });
        assert_eq!(key([10, 1, 2, 3], 33).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
