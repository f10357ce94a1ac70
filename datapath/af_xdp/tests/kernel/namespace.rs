//! Network namespaces that have no name and vanish with their last descriptor, however a test ends.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::panic;
use std::process::{self, Command};
use std::thread;

/// A network namespace, empty but for its loopback interface.
pub struct Namespace(File);

impl Namespace {
    /// Makes one; fails the test loudly when that is not permitted.
    pub fn new() -> Self {
        need_root();
        // Namespaces belong to threads: a thread makes one, takes a descriptor, and ends.
        let made = thread::spawn(|| {
            // SAFETY: a plain system call without pointers.
            let done = unsafe { libc::unshare(libc::CLONE_NEWNET) };
            assert_eq!(done, 0, "cannot make a network namespace: {}", io::Error::last_os_error());
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        Self(made.join().unwrap())
    }

    /// Does `work` on a thread inside; what it opens and the processes it starts stay inside.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            // SAFETY: a plain system call without pointers.
            let done = unsafe { libc::setns(self.0.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(done, 0, "cannot enter a namespace: {}", io::Error::last_os_error());
            work()
        };
        thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(value) => value,
            Err(panic) => panic::resume_unwind(panic),
        })
    }

    /// Runs `ip` with these words inside; the test fails when it does.
    pub fn ip(&self, words: &str) -> String {
        self.run(|| {
            let output = Command::new("ip").args(words.split(' ')).output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "ip {words}: {error}");
            String::from_utf8_lossy(&output.stdout).into_owned()
        })
    }

    /// A path that names this namespace to other processes.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }

    /// Silences the interface's own IPv6 traffic and brings it up.
    pub fn bring_up(&self, interface: &str) {
        self.run(|| {
            let path = format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6");
            // A kernel without IPv6 has nothing to silence.
            let _ = fs::write(path, "1");
        });
        self.ip(&format!("link set {interface} up"));
    }
}

/// Fails the test without root: skipping it would look like passing.
pub fn need_root() {
    // SAFETY: a plain system call without pointers.
    let user = unsafe { libc::geteuid() };
    assert_eq!(user, 0, "this test needs root: it makes namespaces and loads XDP programs");
}

/// A raw socket on one interface of a namespace (AF_PACKET): sees and sends whole frames.
pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// Opens one for IPv4 frames on `interface` in `namespace`.
    pub fn open(namespace: &Namespace, interface: &str) -> Self {
        namespace.run(|| {
            let protocol = (libc::ETH_P_IP as u16).to_be();
            let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
            // SAFETY: a plain system call without pointers.
            let fd = unsafe { libc::socket(libc::AF_PACKET, kind, libc::c_int::from(protocol)) };
            assert!(fd >= 0, "AF_PACKET socket: {}", io::Error::last_os_error());
            // SAFETY: the kernel has just made this descriptor for us.
            let socket = Self(unsafe { OwnedFd::from_raw_fd(fd) });
            socket.set_option(libc::SO_RCVBUFFORCE, &(16 << 20_i32));
            let patience = libc::timeval { tv_sec: 10, tv_usec: 0 };
            socket.set_option(libc::SO_RCVTIMEO, &patience);
            // SAFETY: the structure is made of integers, for which all zeroes are a value.
            let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_protocol = protocol;
            address.sll_ifindex = af_xdp::ifindex(interface).unwrap() as i32;
            let len = size_of::<libc::sockaddr_ll>() as u32;
            // SAFETY: the address has the length given and lives over the call.
            let done = unsafe { libc::bind(fd, (&raw const address).cast(), len) };
            assert_eq!(done, 0, "bind to {interface}: {}", io::Error::last_os_error());
            socket
        })
    }

    /// Sends one frame.
    pub fn send(&self, frame: &[u8]) {
        // SAFETY: the frame lives over the call.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        assert_eq!(sent, frame.len() as isize, "send: {}", io::Error::last_os_error());
    }

    /// The next frame that came in; fails the test when none comes within ten seconds.
    pub fn receive(&self) -> Vec<u8> {
        let mut buffer = vec![0u8; 65536];
        let (to, len) = (buffer.as_mut_ptr().cast(), buffer.len());
        // SAFETY: the buffer has the length given and lives over the call.
        let received = unsafe { libc::recv(self.0.as_raw_fd(), to, len, 0) };
        assert!(received >= 0, "no frame came: {}", io::Error::last_os_error());
        buffer.truncate(received as usize);
        buffer
    }

    /// Whether a frame waits now.
    pub fn has_frame(&self) -> bool {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, which lives over the call.
        unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
    }

    fn set_option<T>(&self, name: libc::c_int, value: &T) {
        let (fd, len) = (self.0.as_raw_fd(), size_of::<T>() as u32);
        let value = (&raw const *value).cast();
        // SAFETY: the value has the length given and lives over the call.
        let done = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, name, value, len) };
        assert_eq!(done, 0, "setsockopt: {}", io::Error::last_os_error());
    }
}
