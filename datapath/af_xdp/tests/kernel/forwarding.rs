//! Frames that cross the gateway by descriptor, and frames that are none of its business.

use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use af_xdp::{Area, Classifier, Descriptor, Socket, Statistics, XDP_HEADROOM, XdpMode};

use crate::frames::{Random, ipv4, ipv4_with};
use crate::namespace::PacketSocket;
use crate::testbed::{
    BIND, ENDPOINT, LAYOUT, Steering, Testbed, fill, shared, wait_until, write_frame,
};

const MODES: [XdpMode; 2] = [XdpMode::Native, XdpMode::Generic];

/// One way through the gateway: what comes in at one socket goes out at another.
struct Way {
    inward: Socket,
    outward: Socket,
    forwarded: u32,
}

impl Way {
    /// Moves what waits, by descriptor only, and gives sent chunks back to be received into.
    fn turn(&mut self) {
        let chunk_mask = !u64::from(LAYOUT.chunk_size - 1);
        let sent = self.outward.completion_available(64);
        let sent = self.inward.fill_free(sent);
        for k in 0..sent {
            self.inward.fill_put(k, self.outward.completion_at(k) & chunk_mask);
        }
        self.outward.completion_release(sent);
        self.inward.fill_publish(sent);
        self.inward.wake_rx();
        let waiting = self.inward.rx_available(64);
        let waiting = self.outward.tx_free(waiting);
        for k in 0..waiting {
            let frame = self.inward.rx_at(k);
            let offset = frame.addr & !chunk_mask;
            assert_eq!(offset, u64::from(XDP_HEADROOM + LAYOUT.headroom), "headroom");
            self.outward.tx_put(k, frame);
        }
        self.inward.rx_release(waiting);
        self.outward.tx_publish(waiting);
        self.outward.wake_tx().unwrap();
        self.forwarded += waiting;
    }

    /// Turns until `count` frames have crossed.
    fn forward(&mut self, count: u32) {
        wait_until("all frames crossed", || {
            self.turn();
            self.forwarded >= count
        });
    }
}

#[test]
fn frame_leaves_another_port_by_descriptor_byte_for_byte() {
    for mode in MODES {
        let testbed = Testbed::new(1);
        let (area, mut inward) = testbed.open_first("d0", 256);
        let outward = testbed.open(area, "d1", 0, BIND, shared(&inward)).unwrap();
        fill(&mut inward, 0, 256);
        let _steering = testbed.steer(mode, &[&inward]);
        let left = PacketSocket::open(&testbed.left, "g0");
        let right = PacketSocket::open(&testbed.right, "s0");
        let mut way = Way { inward, outward, forwarded: 0 };
        let mut random = Random::seeded(3);
        // More frames than chunks: each chunk goes round several times.
        for burst in 0..64 {
            let frames: Vec<Vec<u8>> = (0..16)
                .map(|_| {
                    let len = random.below(1500 - 20 + 1);
                    ipv4(50, ENDPOINT, &random.bytes(len))
                })
                .collect();
            frames.iter().for_each(|frame| left.send(frame));
            way.forward((burst + 1) * 16);
            for frame in &frames {
                assert!(right.receive() == *frame, "{mode} mode: a frame changed on its way");
            }
        }
        assert!(!right.has_frame(), "more frames came out than went in");
        assert_nothing_lost(&way.inward);
        assert_nothing_lost(&way.outward);
    }
}

/// Native only: in generic mode veth does not say on which queue a frame came in.
#[test]
fn two_queues_of_two_ports_share_one_umem_over_two_threads() {
    let testbed = Testbed::new(2);
    let (area, mut in0) = testbed.open_first("d0", 512);
    let mut in1 = testbed.open(area, "d0", 1, BIND, shared(&in0)).unwrap();
    let out0 = testbed.open(area, "d1", 0, BIND, shared(&in0)).unwrap();
    let out1 = testbed.open(area, "d1", 1, BIND, shared(&in0)).unwrap();
    fill(&mut in0, 0, 256);
    fill(&mut in1, 256, 256);
    let _steering = testbed.steer(XdpMode::Native, &[&in0, &in1]);
    let left = PacketSocket::open(&testbed.left, "g0");
    let right = PacketSocket::open(&testbed.right, "s0");
    let forwarded = AtomicU32::new(0);
    let ways = [(in0, out0), (in1, out1)];
    let ways = thread::scope(|scope| {
        let threads = ways.map(|(inward, outward)| {
            let mut way = Way { inward, outward, forwarded: 0 };
            let forwarded = &forwarded;
            scope.spawn(move || {
                wait_until("all frames crossed", || {
                    let before = way.forwarded;
                    way.turn();
                    let moved = way.forwarded - before;
                    forwarded.fetch_add(moved, Ordering::Relaxed) + moved >= 640
                });
                way
            })
        });
        // The sender's kernel spreads flows, which the source address tells apart, over queues.
        for round in 0..5 {
            let mut frames: Vec<Vec<u8>> = (0..128)
                .map(|flow| {
                    let mut frame = ipv4(50, ENDPOINT, &[round; 99]);
                    frame[29] = flow;
                    frame
                })
                .collect();
            frames.iter().for_each(|frame| left.send(frame));
            let mut received: Vec<Vec<u8>> = frames.iter().map(|_| right.receive()).collect();
            received.sort();
            frames.sort();
            assert!(received == frames, "other frames came out than went in");
        }
        threads.map(|thread| thread.join().unwrap())
    });
    for way in ways {
        assert!(way.forwarded >= 64, "one queue was idle: {} of 640", way.forwarded);
        assert_nothing_lost(&way.inward);
        assert_nothing_lost(&way.outward);
    }
}

#[test]
fn what_is_not_ours_reaches_the_kernel_while_the_program_is_attached() {
    for mode in MODES {
        let testbed = Testbed::new(1);
        testbed.gateway.ip("addr add 10.1.0.1/24 dev d0");
        testbed.left.ip("addr add 10.1.0.2/24 dev g0");
        let (_, mut socket) = testbed.open_first("d0", 64);
        fill(&mut socket, 0, 64);
        let steering = Steering::new(Classifier { tunnels: true, prefixes: true }, &[&socket]);
        let own = Ipv4Addr::new(10, 1, 0, 1);
        steering.endpoints.insert(own).unwrap();
        steering.prefixes.insert(Ipv4Addr::UNSPECIFIED, 0, true).unwrap();
        steering.prefixes.insert(own, 32, false).unwrap();
        let steering = steering.attached(mode, &testbed);
        ping(&testbed, "10.1.0.1");
        assert_eq!(socket.rx_available(64), 0, "the kernel's packets were taken");
        // Without the exception the same packets are the gateway's.
        assert!(steering.prefixes.remove(own, 32).unwrap());
        let left = PacketSocket::open(&testbed.left, "g0");
        left.send(&ipv4(1, own, &[8, 0, 0, 0]));
        wait_until("the gateway takes a frame", || socket.rx_available(64) == 1);
    }
}

#[test]
fn queue_without_a_socket_passes_to_the_kernel() {
    let testbed = Testbed::new(1);
    testbed.gateway.ip("addr add 10.1.0.1/24 dev d0");
    testbed.left.ip("addr add 10.1.0.2/24 dev g0");
    let (_, mut socket) = testbed.open_first("d0", 64);
    fill(&mut socket, 0, 64);
    let steering = Steering::new(Classifier { tunnels: true, prefixes: true }, &[&socket]);
    steering.prefixes.insert(Ipv4Addr::UNSPECIFIED, 0, true).unwrap();
    let steering = steering.attached(XdpMode::Native, &testbed);
    steering.sockets.clear(0).unwrap();
    ping(&testbed, "10.1.0.1");
    assert_eq!(socket.rx_available(64), 0);
}

#[test]
fn one_wakeup_sends_a_whole_ring() {
    let testbed = Testbed::new(1);
    let (area, mut socket) = testbed.open_first("d1", 512);
    let right = PacketSocket::open(&testbed.right, "s0");
    let whole = send_whole_ring(area, &mut socket, &right);
    // Kernels before 6.17 have no budget to raise.
    if limit_send_budget(&socket, 32) {
        assert_eq!(whole, 1, "the budget was not raised to the whole ring");
    }
    // Kernels send 32 frames per call, and say by a last one that none are left.
    let piecewise = send_whole_ring(area, &mut socket, &right);
    assert!((16..=17).contains(&piecewise), "{piecewise} system calls for 16 times 32 frames");
    let before = socket.syscalls();
    socket.wake_tx().unwrap();
    assert_eq!(socket.syscalls(), before, "an empty ring needs no system call");
}

/// Fills the transmit ring, wakes the kernel once, checks what came out, and gives the number of
/// system calls.
fn send_whole_ring(area: Area, socket: &mut Socket, right: &PacketSocket) -> u64 {
    assert_eq!(socket.tx_free(1000), 512);
    for k in 0..512u16 {
        let frame = ipv4_with(&[], 0, 50, ENDPOINT, &k.to_be_bytes());
        socket.tx_put(k.into(), write_frame(area, k.into(), &frame));
    }
    socket.tx_publish(512);
    assert_eq!(socket.tx_free(1), 0);
    let before = socket.syscalls();
    socket.wake_tx().unwrap();
    for k in 0..512u16 {
        assert_eq!(right.receive()[34..], k.to_be_bytes());
    }
    assert_eq!(socket.completion_available(1000), 512);
    let completed: Vec<u64> = (0..512).map(|k| socket.completion_at(k)).collect();
    let sent: Vec<u64> = (0..512).map(|k| k * 2048 + 256).collect();
    assert_eq!(completed, sent);
    socket.completion_release(512);
    assert_eq!(socket.completion_available(1000), 0);
    socket.syscalls() - before
}

/// Sets XDP_MAX_TX_SKB_BUDGET; `false` when the kernel has none.
fn limit_send_budget(socket: &Socket, frames: u32) -> bool {
    let (fd, len) = (socket.as_raw_fd(), size_of::<u32>() as u32);
    // SAFETY: the value has the length given and lives over the call.
    unsafe { libc::setsockopt(fd, libc::SOL_XDP, 9, (&raw const frames).cast(), len) == 0 }
}

#[test]
fn frames_published_while_the_link_is_down_are_neither_an_error_nor_stuck() {
    let testbed = Testbed::new(1);
    let (area, mut socket) = testbed.open_first("d1", 16);
    let right = PacketSocket::open(&testbed.right, "s0");
    testbed.gateway.ip("link set d1 down");
    assert_eq!(socket.tx_free(1), 1);
    socket.tx_put(0, write_frame(area, 0, &ipv4(50, ENDPOINT, &[1, 2, 3])));
    socket.tx_publish(1);
    socket.wake_tx().unwrap();
    testbed.gateway.ip("link set d1 up");
    wait_until("the frame's chunk comes back", || {
        socket.wake_tx().unwrap();
        socket.completion_available(1) == 1
    });
    assert_eq!(right.receive()[34..], [1, 2, 3]);
}

#[test]
fn device_that_is_gone_is_an_error() {
    let testbed = Testbed::new(1);
    let (area, mut socket) = testbed.open_first("d1", 16);
    testbed.gateway.ip("link del d1");
    assert_eq!(socket.tx_free(1), 1);
    socket.tx_put(0, write_frame(area, 0, &ipv4(50, ENDPOINT, &[1, 2, 3])));
    socket.tx_publish(1);
    let error = socket.wake_tx().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENXIO));
}

#[test]
fn kernel_counts_frames_that_do_not_fit_and_chunks_that_were_missing() {
    let testbed = Testbed::new(1);
    for (namespace, device) in [(&testbed.gateway, "d0"), (&testbed.left, "g0")] {
        namespace.ip(&format!("link set {device} mtu 3000"));
    }
    let (area, mut socket) = testbed.open_first("d0", 16);
    let _steering = testbed.steer(XdpMode::Native, &[&socket]);
    let left = PacketSocket::open(&testbed.left, "g0");
    fill(&mut socket, 0, 1);
    let longest = LAYOUT.frame_len_max() as usize - 34;
    left.send(&ipv4(50, ENDPOINT, &vec![7; longest + 1]));
    wait_until("a frame is dropped", || socket.statistics().unwrap().rx_dropped == 1);
    left.send(&ipv4(50, ENDPOINT, &vec![7; longest]));
    wait_until("the longest frame fits", || socket.rx_available(2) == 1);
    assert_eq!(socket.rx_at(0).len, LAYOUT.frame_len_max());
    left.send(&ipv4(50, ENDPOINT, &[7; 8]));
    wait_until("a chunk is missed", || socket.statistics().unwrap().rx_fill_ring_empty > 0);
    assert_eq!(socket.tx_free(1), 1);
    let frame = write_frame(area, 15, &ipv4(50, ENDPOINT, &[7; 8]));
    // A frame that runs over the end of its chunk.
    socket.tx_put(0, Descriptor { len: 2000, ..frame });
    socket.tx_publish(1);
    socket.wake_tx().unwrap();
    assert_eq!(socket.statistics().unwrap().tx_invalid_descriptors, 1);
}

fn assert_nothing_lost(socket: &Socket) {
    let counted = socket.statistics().unwrap();
    let harmless = Statistics { tx_ring_empty: counted.tx_ring_empty, ..Statistics::default() };
    assert_eq!(counted, harmless);
}

fn ping(testbed: &Testbed, address: &str) {
    let output = testbed.left.run(|| {
        let words = ["-c", "3", "-i", "0.05", "-W", "10", address];
        Command::new("ping").args(words).output().unwrap()
    });
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(" 0% packet loss"), "ping {address}: {text}");
}
