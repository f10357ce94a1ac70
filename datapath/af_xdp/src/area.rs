//! The memory in which all frames of the process live, and how it is cut into chunks.

use std::io;
use std::ptr::{self, NonNull};

/// Bytes that XDP itself keeps free before every received frame (`XDP_PACKET_HEADROOM`).
pub const XDP_HEADROOM: u32 = 256;

/// Memory that lives as long as the process: kernel sockets and frames point into it.
///
/// It is a handle: copies name the same memory, which is never unmapped. Only raw pointers come
/// out of it, so whoever reads or writes through them proves who owns the chunk.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    base: NonNull<u8>,
    len: usize,
    huge: bool,
}

impl Area {
    /// Maps at least `len` bytes of zeroed memory, every page present.
    ///
    /// Reserved huge pages are tried first (`MAP_HUGETLB`); without them, ordinary pages are
    /// aligned so that the kernel may merge them (`MADV_HUGEPAGE`). `len` is rounded up to whole
    /// 4096-byte pages, so it is always a whole number of chunks. Fails when `len` is zero or the
    /// memory is not to be had.
    pub fn mapped(len: usize) -> io::Result<Self> {
        let len = len
            .checked_next_multiple_of(PAGE)
            .filter(|len| *len > 0 && *len < isize::MAX as usize - HUGE_PAGE)
            .ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidInput, "length of the frame memory")
            })?;
        if let Ok(base) = map(len, libc::MAP_POPULATE | libc::MAP_HUGETLB) {
            return Ok(Self { base, len, huge: true });
        }
        let base = map_mergeable(len)?;
        Ok(Self { base, len, huge: false })
    }

    /// The first byte; at least page aligned.
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// Bytes from [`Area::base`] on that may be used.
    #[expect(clippy::len_without_is_empty, reason = "an area is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the memory is made of reserved huge pages, rather than ordinary ones that the
    /// kernel may merge.
    pub fn huge(&self) -> bool {
        self.huge
    }
}

// SAFETY: the mapping is never unmapped and the handle gives out only raw pointers, so moving it
// to another thread moves no access.
unsafe impl Send for Area {}
// SAFETY: as for Send: sharing the handle shares an address and a length, both immutable.
unsafe impl Sync for Area {}

/// How an [`Area`] is cut into chunks, each of which holds one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UmemLayout {
    /// Bytes of a chunk: 2048 or 4096.
    pub chunk_size: u32,
    /// Bytes the kernel leaves free before each received frame, beyond [`XDP_HEADROOM`].
    pub headroom: u32,
}

impl UmemLayout {
    /// The longest frame in bytes, Ethernet header included, that a chunk can receive; the kernel
    /// drops longer ones and counts them in `rx_dropped`.
    pub const fn frame_len_max(&self) -> u32 {
        self.chunk_size.saturating_sub(XDP_HEADROOM).saturating_sub(self.headroom)
    }

    /// Refuses what the kernel would refuse with a bare EINVAL.
    pub(crate) fn check(&self) -> io::Result<()> {
        let refuse = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        if !matches!(self.chunk_size, 2048 | 4096) {
            return refuse("a chunk has 2048 or 4096 bytes");
        }
        if self.frame_len_max() == 0 {
            return refuse("the headroom leaves no room for a frame in a chunk");
        }
        Ok(())
    }
}

const PAGE: usize = 4096;
const HUGE_PAGE: usize = 2 << 20;

fn map(len: usize, flags: libc::c_int) -> io::Result<NonNull<u8>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = flags | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing of ours.
    let base = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
    if base == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(base.cast()).ok_or_else(|| io::Error::other("mmap returned the null page"))
}

/// Ordinary pages which start on a huge-page border, advised to merge before the first touch.
fn map_mergeable(len: usize) -> io::Result<NonNull<u8>> {
    let whole = map(len + HUGE_PAGE, libc::MAP_NORESERVE)?;
    let skip = whole.as_ptr().align_offset(HUGE_PAGE).min(HUGE_PAGE);
    // SAFETY: `skip` is at most HUGE_PAGE and the mapping has len + HUGE_PAGE bytes.
    let base = unsafe { whole.add(skip) };
    // The advice may be refused by a kernel without transparent huge pages: pages stay small then.
    // SAFETY: the range lies inside the mapping made above, and the advice changes no contents.
    unsafe { libc::madvise(base.as_ptr().cast(), len, libc::MADV_HUGEPAGE) };
    for offset in (0..len).step_by(PAGE) {
        // SAFETY: offset < len, and len bytes from base on belong to the mapping made above.
        unsafe { base.add(offset).write_volatile(0) };
    }
    Ok(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_area_is_zeroed_writable_to_its_last_byte_and_page_aligned() {
        let area = Area::mapped(3 * 4096 + 1).unwrap();
        assert_eq!(area.len(), 4 * 4096);
        assert!(area.base().addr().is_multiple_of(4096));
        // SAFETY: the test owns the area it has just mapped.
        let bytes = unsafe { std::slice::from_raw_parts_mut(area.base(), area.len()) };
        assert!(bytes.iter().all(|byte| *byte == 0));
        bytes.fill(0xa5);
        assert_eq!(bytes[area.len() - 1], 0xa5);
    }

    #[test]
    fn area_of_no_bytes_and_of_too_many_bytes_is_refused() {
        assert_eq!(Area::mapped(0).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(Area::mapped(usize::MAX).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn layout_tells_the_longest_frame_and_refuses_impossible_ones() {
        let layout = UmemLayout { chunk_size: 2048, headroom: 64 };
        assert_eq!(layout.frame_len_max(), 2048 - 256 - 64);
        assert!(layout.check().is_ok());
        for bad in [
            UmemLayout { chunk_size: 1024, headroom: 0 },
            UmemLayout { chunk_size: 8192, headroom: 0 },
            UmemLayout { chunk_size: 2048, headroom: 2048 - 256 },
            UmemLayout { chunk_size: 2048, headroom: u32::MAX },
        ] {
            assert_eq!(bad.check().unwrap_err().kind(), io::ErrorKind::InvalidInput, "{bad:?}");
        }
        assert!(UmemLayout { chunk_size: 4096, headroom: 0 }.check().is_ok());
    }
}
