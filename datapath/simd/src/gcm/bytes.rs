//! The last bytes of a text, when they are less than a block: a few loads and stores, no loop.

/// Reads the first `len` (less than 16) of the bytes at `from`; zeros behind them.
///
/// # Safety
/// `len` bytes can be read.
#[inline(always)]
pub(super) unsafe fn read(from: *const u8, len: usize) -> u128 {
    let mut value = 0;
    let mut at = len;
    // SAFETY: `at` goes down from `len` to zero by the sizes that are read.
    unsafe {
        if len & 1 != 0 {
            at -= 1;
            value = u128::from(from.add(at).read());
        }
        if len & 2 != 0 {
            at -= 2;
            let part = from.add(at).cast::<[u8; 2]>().read();
            value = (value << 16) | u128::from(u16::from_le_bytes(part));
        }
        if len & 4 != 0 {
            at -= 4;
            let part = from.add(at).cast::<[u8; 4]>().read();
            value = (value << 32) | u128::from(u32::from_le_bytes(part));
        }
        if len & 8 != 0 {
            let part = from.cast::<[u8; 8]>().read();
            value = (value << 64) | u128::from(u64::from_le_bytes(part));
        }
    }
    value
}

/// Writes the first `len` (less than 16) bytes of `value`.
///
/// # Safety
/// `len` bytes can be written.
#[inline(always)]
pub(super) unsafe fn write(mut to: *mut u8, len: usize, mut value: u128) {
    // SAFETY: `to` goes up by the sizes that are written, `len` in all.
    unsafe {
        if len & 8 != 0 {
            to.cast::<[u8; 8]>().write((value as u64).to_le_bytes());
            to = to.add(8);
            value >>= 64;
        }
        if len & 4 != 0 {
            to.cast::<[u8; 4]>().write((value as u32).to_le_bytes());
            to = to.add(4);
            value >>= 32;
        }
        if len & 2 != 0 {
            to.cast::<[u8; 2]>().write((value as u16).to_le_bytes());
            to = to.add(2);
            value >>= 16;
        }
        if len & 1 != 0 {
            to.write(value as u8);
        }
    }
}
