//! Cycles that this thread has spent in user mode.

use std::os::fd::RawFd;

/// Windows that the least is taken of.
const WINDOWS: usize = 200;

/// The least that `work` took per packet when it is given batches of `packets`.
pub(crate) fn cycles_per_packet(packets: usize, mut work: impl FnMut(u64)) -> f64 {
    let counter = Counter::open();
    let nothing = (0..100).map(|_| counter.window(|| ())).min().unwrap_or(0);
    for turn in 0..4 {
        work(turn);
    }
    let windows = (4..).take(WINDOWS).map(|turn| counter.window(|| work(turn)));
    let least = windows.min().unwrap_or(0).saturating_sub(nothing);
    least as f64 / packets as f64
}

/// `PERF_COUNT_HW_CPU_CYCLES` of the calling thread; the time stamp counter without it.
struct Counter(Option<RawFd>);

impl Counter {
    fn open() -> Self {
        // struct perf_event_attr: type 0 (hardware), its size, config 0 (cycles), and the flags
        // that exclude the kernel and the hypervisor.
        let mut attributes = [0_u8; 128];
        attributes[4..8].copy_from_slice(&128_u32.to_ne_bytes());
        attributes[40..48].copy_from_slice(&(0b11_u64 << 5).to_ne_bytes());
        // SAFETY: the attributes are as long as they say.
        let fd =
            unsafe { libc::syscall(libc::SYS_perf_event_open, attributes.as_ptr(), 0, -1, -1, 0) };
        Self(RawFd::try_from(fd).ok().filter(|fd| *fd >= 0))
    }

    fn read(&self) -> u64 {
        let mut value = 0;
        let Some(fd) = self.0 else { return time_stamp() };
        // SAFETY: eight bytes are read into eight bytes.
        unsafe { libc::read(fd, (&raw mut value).cast(), 8) };
        value
    }

    fn window(&self, work: impl FnOnce()) -> u64 {
        let before = self.read();
        work();
        self.read() - before
    }
}

#[cfg(target_arch = "x86_64")]
fn time_stamp() -> u64 {
    // SAFETY: every x86-64 CPU has it.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn time_stamp() -> u64 {
    0
}

impl Drop for Counter {
    fn drop(&mut self) {
        if let Some(fd) = self.0 {
            // SAFETY: it is ours.
            unsafe { libc::close(fd) };
        }
    }
}
