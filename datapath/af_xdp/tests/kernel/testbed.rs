//! A gateway between two hosts: `left` g0 -- d0 `gateway` d1 -- s0 `right`, each in its namespace.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use af_xdp::{
    Area, Attached, Bind, Classifier, CopyPreference, Descriptor, Endpoints, Maps, OpenError,
    OwnedPrefixes, Program, RingSizes, Socket, SocketMap, UmemLayout, XdpMode,
};

use crate::namespace::Namespace;

/// Where tunnels end in these tests.
pub const ENDPOINT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
pub const LAYOUT: UmemLayout = UmemLayout { chunk_size: 2048, headroom: 64 };
pub const SIZES: RingSizes = RingSizes { rx: 512, tx: 512, fill: 512, completion: 512 };
pub const BIND: Bind = Bind { copy: CopyPreference::Auto, need_wakeup: true };

/// Three namespaces and two veth pairs.
pub struct Testbed {
    pub left: Namespace,
    pub gateway: Namespace,
    pub right: Namespace,
}

impl Testbed {
    /// All interfaces have `queues` queues in each direction, and are up.
    pub fn new(queues: u32) -> Self {
        let (left, gateway, right) = (Namespace::new(), Namespace::new(), Namespace::new());
        let count = format!("numrxqueues {queues} numtxqueues {queues}");
        for (device, peer, host) in [("d0", "g0", &left), ("d1", "s0", &right)] {
            let path = host.path();
            gateway.ip(&format!(
                "link add {device} {count} type veth peer name {peer} {count} netns {path}"
            ));
            gateway.bring_up(device);
            host.bring_up(peer);
        }
        Self { left, gateway, right }
    }

    /// Opens a socket in the gateway.
    pub fn open(
        &self,
        area: Area,
        device: &str,
        queue: u32,
        bind: Bind,
        share_with: Option<BorrowedFd<'_>>,
    ) -> Result<Socket, OpenError> {
        self.gateway.run(|| {
            let ifindex = af_xdp::ifindex(device).unwrap();
            Socket::open(area, LAYOUT, ifindex, queue, SIZES, bind, share_with)
        })
    }

    /// Opens the first socket of a new area of `chunks` chunks.
    pub fn open_first(&self, device: &str, chunks: usize) -> (Area, Socket) {
        let area = Area::mapped(chunks * LAYOUT.chunk_size as usize).unwrap();
        (area, self.open(area, device, 0, BIND, None).unwrap())
    }

    /// Puts a classifier on d0 that feeds these sockets: tunnel packets to [`ENDPOINT`].
    pub fn steer(&self, mode: XdpMode, sockets: &[&Socket]) -> Steering {
        let steering = Steering::new(Classifier { tunnels: true, prefixes: false }, sockets);
        steering.endpoints.insert(ENDPOINT).unwrap();
        steering.attached(mode, self)
    }
}

/// A classifier, its maps, and perhaps its place on d0.
pub struct Steering {
    pub endpoints: Endpoints,
    pub prefixes: OwnedPrefixes,
    pub sockets: SocketMap,
    pub program: Program,
    attached: Option<Attached>,
}

impl Steering {
    /// Loads the classifier; socket `k` serves queue `k`.
    pub fn new(classifier: Classifier, sockets: &[&Socket]) -> Self {
        let endpoints = Endpoints::new().unwrap();
        let prefixes = OwnedPrefixes::new().unwrap();
        let map = SocketMap::new(4).unwrap();
        for (queue, socket) in (0..).zip(sockets) {
            map.set(queue, socket).unwrap();
        }
        let maps = Maps { sockets: &map, endpoints: &endpoints, prefixes: &prefixes };
        let program = Program::load(&classifier, &maps).unwrap();
        Self { endpoints, prefixes, sockets: map, program, attached: None }
    }

    /// The same, at work on d0.
    pub fn attached(mut self, mode: XdpMode, testbed: &Testbed) -> Self {
        let attached = testbed.gateway.run(|| {
            Attached::attach_in(mode, &self.program, af_xdp::ifindex("d0").unwrap()).unwrap()
        });
        assert_eq!(attached.mode(), mode);
        self.attached = Some(attached);
        self
    }
}

/// Gives the kernel `count` chunks from chunk `first` on to receive into.
pub fn fill(socket: &mut Socket, first: u64, count: u32) {
    assert_eq!(socket.fill_free(count), count);
    for k in 0..count {
        socket.fill_put(k, (first + u64::from(k)) * u64::from(LAYOUT.chunk_size));
    }
    socket.fill_publish(count);
    socket.wake_rx();
}

/// Writes `frame` into a chunk that belongs to the test, and gives its descriptor.
pub fn write_frame(area: Area, chunk: u64, frame: &[u8]) -> Descriptor {
    let addr = chunk * u64::from(LAYOUT.chunk_size) + 256;
    assert!(addr as usize + frame.len() <= area.len());
    // SAFETY: the bytes lie in the area, and the chunk belongs to the test.
    unsafe {
        area.base().add(addr as usize).copy_from_nonoverlapping(frame.as_ptr(), frame.len());
    }
    Descriptor { addr, len: frame.len() as u32 }
}

/// Asks `done` again and again; fails the test when it is not so within 20 seconds.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The descriptor by which others share this socket's UMEM.
pub fn shared(first: &Socket) -> Option<BorrowedFd<'_>> {
    Some(first.as_fd())
}
