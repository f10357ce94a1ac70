//! The maps between the control side and the XDP program: who serves a queue, what is ours.
//!
//! Every change takes effect with the next frame, without reloading a program. Maps live as long
//! as their handle or a program that uses them.

use std::io;
use std::net::IpAddr;
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

/// The local addresses at which tunnels end, of both families.
#[derive(Debug)]
pub struct Endpoints {
    v4: OwnedFd,
    v6: OwnedFd,
}

impl Endpoints {
    /// An empty set, for up to 65,536 addresses of each family.
    pub fn new() -> io::Result<Self> {
        let create = |key, name| {
            let value = size_of::<u32>() as u32;
            bpf::create_map(MapType::Hash, key, value, ENDPOINTS_MAX, BPF_F_NO_PREALLOC, name)
        };
        Ok(Self { v4: create(4, c"fastgw_endpt_v4")?, v6: create(16, c"fastgw_endpt_v6")? })
    }

    /// Adds an address; adding it twice is adding it once.
    pub fn insert(&self, address: impl Into<IpAddr>) -> io::Result<()> {
        match address.into() {
            IpAddr::V4(address) => bpf::update_map(&self.v4, &address.octets(), &1u32),
            IpAddr::V6(address) => bpf::update_map(&self.v6, &address.octets(), &1u32),
        }
    }

    /// Removes an address; `false` when it was not there.
    pub fn remove(&self, address: impl Into<IpAddr>) -> io::Result<bool> {
        match address.into() {
            IpAddr::V4(address) => bpf::remove_from_map(&self.v4, &address.octets()),
            IpAddr::V6(address) => bpf::remove_from_map(&self.v6, &address.octets()),
        }
    }

    pub(crate) fn ipv4(&self) -> BorrowedFd<'_> {
        self.v4.as_fd()
    }

    pub(crate) fn ipv6(&self) -> BorrowedFd<'_> {
        self.v6.as_fd()
    }
}

/// The destinations that the gateway routes, of both families, and the exceptions in them that
/// stay the kernel's. The longest prefix that matches decides; what matches none passes to the
/// kernel.
#[derive(Debug)]
pub struct OwnedPrefixes {
    v4: OwnedFd,
    v6: OwnedFd,
}

impl OwnedPrefixes {
    /// An empty table, for up to 1,048,576 prefixes of each family.
    pub fn new() -> io::Result<Self> {
        let create = |key: usize, name| {
            let (key, value) = (key as u32, size_of::<u32>() as u32);
            bpf::create_map(MapType::LpmTrie, key, value, PREFIXES_MAX, BPF_F_NO_PREALLOC, name)
        };
        let v4 = create(size_of::<PrefixKey<4>>(), c"fastgw_prefx_v4")?;
        let v6 = create(size_of::<PrefixKey<16>>(), c"fastgw_prefx_v6")?;
        Ok(Self { v4, v6 })
    }

    /// Adds or changes a prefix of `len` bits, 0 to 32 or 0 to 128; bits of `prefix` beyond them
    /// are ignored. With `take` the gateway gets packets to it, without it the kernel does: the
    /// gateway's own addresses are such prefixes of full length.
    ///
    /// # Errors
    /// `InvalidInput` when the family has no prefix of that length; what the kernel refuses.
    pub fn insert(&self, prefix: impl Into<IpAddr>, len: u8, take: bool) -> io::Result<()> {
        let take = u32::from(take);
        match prefix.into() {
            IpAddr::V4(prefix) => {
                bpf::update_map(&self.v4, &PrefixKey::new(prefix.octets(), len)?, &take)
            }
            IpAddr::V6(prefix) => {
                bpf::update_map(&self.v6, &PrefixKey::new(prefix.octets(), len)?, &take)
            }
        }
    }

    /// Removes a prefix; `false` when it was not there.
    ///
    /// # Errors
    /// As for [`OwnedPrefixes::insert`].
    pub fn remove(&self, prefix: impl Into<IpAddr>, len: u8) -> io::Result<bool> {
        match prefix.into() {
            IpAddr::V4(prefix) => {
                bpf::remove_from_map(&self.v4, &PrefixKey::new(prefix.octets(), len)?)
            }
            IpAddr::V6(prefix) => {
                bpf::remove_from_map(&self.v6, &PrefixKey::new(prefix.octets(), len)?)
            }
        }
    }

    pub(crate) fn ipv4(&self) -> BorrowedFd<'_> {
        self.v4.as_fd()
    }

    pub(crate) fn ipv6(&self) -> BorrowedFd<'_> {
        self.v6.as_fd()
    }
}

const ENDPOINTS_MAX: u32 = 1 << 16;
const PREFIXES_MAX: u32 = 1 << 20;

/// The kernel's `bpf_lpm_trie_key`: bits in host order, then the address as in a packet, `N` bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PrefixKey<const N: usize> {
    len: u32,
    address: [u8; N],
}

impl<const N: usize> PrefixKey<N> {
    fn new(mut address: [u8; N], len: u8) -> io::Result<Self> {
        let len = usize::from(len);
        if len > 8 * N {
            let refusal = format!("a prefix of {N}-byte addresses has at most {} bits", 8 * N);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, refusal));
        }
        for (at, byte) in address.iter_mut().enumerate() {
            let kept = len.saturating_sub(8 * at).min(8);
            *byte &= !(0xff_u16 >> kept) as u8;
        }
        Ok(Self { len: len as u32, address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_beyond_the_prefix_are_ignored_and_lengths_over_the_address_refused() {
        let key = |len| PrefixKey::new([10, 1, 0xff, 3], len);
        assert_eq!(key(8).unwrap(), PrefixKey { len: 8, address: [10, 0, 0, 0] });
        assert_eq!(key(19).unwrap(), PrefixKey { len: 19, address: [10, 1, 0xe0, 0] });
        assert_eq!(key(32).unwrap(), PrefixKey { len: 32, address: [10, 1, 0xff, 3] });
        assert_eq!(key(0).unwrap(), PrefixKey { len: 0, address: [0; 4] });
        assert_eq!(key(33).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let key = |len| PrefixKey::new([0xff; 16], len).map(|key| u128::from_be_bytes(key.address));
        for len in 0..=128 {
            let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
            assert_eq!(key(len).unwrap(), mask, "{len} bits");
        }
        assert_eq!(key(129).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn key_lies_in_memory_as_the_kernel_reads_it() {
        assert_eq!(size_of::<PrefixKey<4>>(), 8);
        assert_eq!(size_of::<PrefixKey<16>>(), 20);
    }
}
