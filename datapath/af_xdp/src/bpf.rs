//! The bpf(2) system call: maps, programs, links and test runs, each with its part of `bpf_attr`.

use std::ffi::CStr;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::assembler::Insn;

/// Kinds of maps (`enum bpf_map_type`).
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum MapType {
    Hash = 1,
    LpmTrie = 11,
    XskMap = 17,
}

/// Map flag: elements are allocated when inserted. A trie demands it.
pub(crate) const BPF_F_NO_PREALLOC: u32 = 1;

/// Attach type of XDP programs, said when loading and when linking (`BPF_XDP`).
const BPF_XDP: u32 = 37;
const BPF_PROG_TYPE_XDP: u32 = 6;

/// Why the kernel did not take a program.
#[derive(Debug)]
pub struct LoadError {
    /// The kernel's answer.
    pub source: io::Error,
    /// What the verifier says about the program, instruction by instruction; may be empty.
    pub verifier_log: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the kernel refuses the XDP program: {}", self.source)?;
        if self.source.raw_os_error() == Some(libc::EPERM) {
            f.write_str("; the capabilities CAP_BPF and CAP_NET_ADMIN are needed")?;
        }
        // The verdict stands at the end of the log.
        let lines: Vec<&str> = self.verifier_log.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(8)) {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Makes a map whose keys are `key_size` and values `value_size` bytes long.
pub(crate) fn create_map(
    map_type: MapType,
    key_size: u32,
    value_size: u32,
    entries_max: u32,
    flags: u32,
    name: &CStr,
) -> io::Result<OwnedFd> {
    let mut attr = MapCreate {
        map_type: map_type as u32,
        key_size,
        value_size,
        entries_max,
        flags,
        inner_map_fd: 0,
        numa_node: 0,
        name: object_name(name),
    };
    // SAFETY: the attributes of this command hold no pointer.
    let fd = unsafe { call(Command::MapCreate, &mut attr)? };
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Inserts or replaces an element. `K` and `V` have the sizes the map was made with.
pub(crate) fn update_map<K: Copy, V: Copy>(map: &OwnedFd, key: &K, value: &V) -> io::Result<()> {
    let mut attr = MapElement::new(map, key);
    attr.value = address_of(value);
    // SAFETY: key and value live over the call, and the maps of this crate are made with the sizes
    // of the types that they are used with (maps.rs).
    unsafe { call(Command::MapUpdate, &mut attr).map(|_| ()) }
}

/// Removes an element; `false` when there was none.
pub(crate) fn remove_from_map<K: Copy>(map: &OwnedFd, key: &K) -> io::Result<bool> {
    let mut attr = MapElement::new(map, key);
    // SAFETY: as for `update_map`; no value is read.
    match unsafe { call(Command::MapDelete, &mut attr) } {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Loads an XDP program; when it is refused, loads it again to learn what the verifier says.
pub(crate) fn load_program(instructions: &[Insn], name: &CStr) -> Result<OwnedFd, LoadError> {
    let refusal = |source| LoadError { source, verifier_log: String::new() };
    let instruction_count = u32::try_from(instructions.len())
        .map_err(|_| refusal(io::Error::from(io::ErrorKind::InvalidInput)))?;
    let mut attr = ProgramLoad {
        program_type: BPF_PROG_TYPE_XDP,
        instruction_count,
        instructions: instructions.as_ptr().addr() as u64,
        // The helpers used are open to programs of every licence.
        license: c"Dual MIT/GPL".as_ptr().addr() as u64,
        name: object_name(name),
        expected_attach_type: BPF_XDP,
        ..ProgramLoad::default()
    };
    // SAFETY: instructions and licence live over the call.
    let source = match unsafe { call(Command::ProgramLoad, &mut attr) } {
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
        Ok(fd) => return Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        Err(source) => source,
    };
    let mut log = vec![0u8; VERIFIER_LOG_LEN];
    attr.log_level = 1;
    attr.log_size = VERIFIER_LOG_LEN as u32;
    attr.log_buffer = log.as_mut_ptr().addr() as u64;
    // SAFETY: as before; the log buffer has the length given and lives over the call.
    if let Ok(fd) = unsafe { call(Command::ProgramLoad, &mut attr) } {
        // SAFETY: as before. A refusal that passed (memory pressure) is none.
        return Ok(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    let log = CStr::from_bytes_until_nul(&log).map(CStr::to_bytes).unwrap_or_default();
    Err(LoadError { source, verifier_log: String::from_utf8_lossy(log).into_owned() })
}

/// Attaches an XDP program to an interface; the link ends when its last descriptor is closed, so
/// at the latest with the process.
pub(crate) fn link_xdp(program: BorrowedFd<'_>, ifindex: u32, flags: u32) -> io::Result<OwnedFd> {
    let program = program.as_raw_fd() as u32;
    let mut attr = LinkCreate { program, ifindex, attach_type: BPF_XDP, flags };
    // SAFETY: the attributes of this command hold no pointer.
    let fd = unsafe { call(Command::LinkCreate, &mut attr)? };
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Runs a program once over `frame`, without any interface, and gives what it returned.
pub(crate) fn test_run(program: BorrowedFd<'_>, frame: &[u8]) -> io::Result<u32> {
    let len = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut attr = TestRun {
        program: program.as_raw_fd() as u32,
        data_in_len: len,
        data_in: frame.as_ptr().addr() as u64,
        ..TestRun::default()
    };
    // SAFETY: the frame lives over the call, and no output is asked for.
    unsafe { call(Command::TestRun, &mut attr)? };
    Ok(attr.returned)
}

/// Bytes of log asked for; our programs need a tenth of it.
const VERIFIER_LOG_LEN: usize = 1 << 20;

/// The commands used here (`enum bpf_cmd`).
#[derive(Clone, Copy)]
#[repr(i32)]
enum Command {
    MapCreate = 0,
    MapUpdate = 2,
    MapDelete = 3,
    ProgramLoad = 5,
    TestRun = 10,
    LinkCreate = 28,
}

#[repr(C)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    entries_max: u32,
    flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    name: [u8; 16],
}

#[repr(C)]
struct MapElement {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

impl MapElement {
    fn new<K>(map: &OwnedFd, key: &K) -> Self {
        let map = map.as_raw_fd() as u32;
        Self { map, padding: 0, key: address_of(key), value: 0, flags: 0 }
    }
}

#[repr(C)]
#[derive(Default)]
struct ProgramLoad {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    ifindex: u32,
    expected_attach_type: u32,
}

#[repr(C)]
struct LinkCreate {
    program: u32,
    ifindex: u32,
    attach_type: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    returned: u32,
    data_in_len: u32,
    data_out_len: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration_ns: u32,
    context_in_len: u32,
    context_out_len: u32,
    context_in: u64,
    context_out: u64,
}

/// # Safety
/// `attr` is laid out as the kernel expects for `command`, and every address in it is that of
/// memory which is valid over the call for what the command does with it.
unsafe fn call<T>(command: Command, attr: &mut T) -> io::Result<libc::c_int> {
    let (number, len) = (command as libc::c_int, size_of::<T>());
    // SAFETY: `attr` is `len` bytes long; the caller vouches for the rest.
    let done = unsafe { libc::syscall(libc::SYS_bpf, number, &raw mut *attr, len) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done as libc::c_int) }
}

fn address_of<T>(value: &T) -> u64 {
    (&raw const *value).addr() as u64
}

/// The name that `bpftool` shows: at most 15 bytes, the rest is cut off.
fn object_name(name: &CStr) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().take(15).zip(name.to_bytes()) {
        *to = *from;
    }
    bytes
}
