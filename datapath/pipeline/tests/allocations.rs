//! What a packet does not cost: no allocation, no copy of its payload.

mod common;

use std::sync::Arc;

use allocation_counter::{AllocationInfo, measure};
use common::*;
use esp::Suite;
use port::{Batch, Frame, Port, Umem, UmemConfig};
use tables::latency::Stage;
use tables::{DropReason, PortId};
use wire::ipv4::Ipv4;
use wire::protocol;

const ETHERNET: usize = 14;
const TURNS: usize = 20;
const PER_TURN: usize = 64;

/// A memory for all sites of one test, since it is never given back and is filled with zeros by
/// the counting allocator.
fn small_umem() -> &'static Umem {
    Umem::heap(UmemConfig { chunk_size: 4096, chunks: 1024, headroom: 128 }).unwrap()
}

/// Hands frames to the gateway and takes those that leave, without copying any.
struct Lane {
    site: Site,
    from: PortId,
    to: PortId,
    batch: Batch,
}

impl Lane {
    /// Every batch is timed: that must cost no allocation either.
    fn new(mut site: Site, from: PortId, to: PortId) -> Self {
        site.worker.measure(ticking(1), 0);
        Self { site, from, to, batch: Batch::new(4 * PER_TURN) }
    }

    /// Puts a packet on the link and gives the address of its byte `at`.
    fn put(&mut self, packet: &[u8], at: usize) -> *const u8 {
        let bytes = frame(packet);
        let mut frame = self.site.pool.alloc().unwrap();
        frame.append(bytes.len()).unwrap().copy_from_slice(&bytes);
        let address = frame.data()[ETHERNET + at..].as_ptr();
        self.batch.push(frame).unwrap();
        let end = if self.from == LAN { &mut self.site.host } else { &mut self.site.peer };
        assert_eq!(end.tx(&mut self.site.pool, &mut self.batch), 1);
        address
    }

    fn turn(&mut self) -> AllocationInfo {
        measure(|| {
            self.site.turn();
        })
    }

    /// Takes what left; each frame is looked at and its chunk given back.
    fn take(&mut self, mut look: impl FnMut(&Frame)) -> usize {
        let end = if self.to == LAN { &mut self.site.host } else { &mut self.site.peer };
        let n = end.rx(&mut self.site.pool, &mut self.batch);
        for frame in self.batch.drain(n) {
            look(&frame);
            self.site.pool.free(frame);
        }
        n
    }

    /// Carries many packets; `make` makes each, and `out` are to leave for each.
    fn assert_no_allocations(&mut self, what: &str, out: usize, mut make: impl FnMut() -> Vec<u8>) {
        // The thread's own slot in the publisher is made in its first turn.
        self.turn();
        for _ in 0..TURNS {
            for _ in 0..PER_TURN {
                let packet = make();
                self.put(&packet, 0);
            }
            let cost = self.turn();
            assert_eq!((cost.count_total, cost.bytes_total), (0, 0), "{what}");
            assert_eq!(self.take(|_| ()), out * PER_TURN, "{what}: {:?}", self.site.counters);
        }
    }
}

/// Seals or wraps as B's gateway does.
fn from_b(join: Join) -> impl FnMut(&[u8]) -> Vec<u8> {
    let sa = suite_of(join).map(|suite| far_sa(suite, false));
    move |inner| match &sa {
        Some(sa) => sealed(sa, protocol::IPV4, inner),
        None => gre(inner),
    }
}

/// How far the inner packet is behind the start of the outer one.
fn overhead(join: Join) -> usize {
    Ipv4::LEN + suite_of(join).map_or(4, Suite::header_len)
}

#[test]
fn an_allocation_would_be_seen() {
    let cost = measure(|| drop(std::hint::black_box(vec![0u8; 100])));
    assert_eq!((cost.count_total, cost.bytes_total), (1, 100));
}

#[test]
fn forwarding_allocates_nothing() {
    let umem = small_umem();
    let mut lane = Lane::new(Site::new(umem, plain_tables()), LAN, WAN);
    lane.assert_no_allocations("forward", 1, || packet(A_HOST, B_HOST, 512));
}

#[test]
fn encapsulation_allocates_nothing() {
    let umem = small_umem();
    for join in joins() {
        let mut lane = Lane::new(Site::new(umem, tables(join, false, false)), LAN, WAN);
        for len in [64, 1400 - 64] {
            lane.assert_no_allocations(&format!("{join:?}"), 1, || packet(A_HOST, B_HOST, len));
        }
    }
}

#[test]
fn decapsulation_allocates_nothing() {
    let umem = small_umem();
    for join in joins() {
        let mut lane = Lane::new(Site::new(umem, tables(join, false, false)), WAN, LAN);
        let mut wrap = from_b(join);
        for len in [64, 1400] {
            let what = format!("{join:?}");
            lane.assert_no_allocations(&what, 1, || wrap(&packet(B_HOST, A_HOST, len)));
        }
    }
}

#[test]
fn the_batches_above_are_timed() {
    let mut lane = Lane::new(Site::new(small_umem(), plain_tables()), LAN, WAN);
    lane.assert_no_allocations("timed", 1, || packet(A_HOST, B_HOST, 512));
    let timed = lane.site.counters.latency.of(Stage::EndToEnd).counts().map(|(_, count)| count);
    assert!(timed.sum::<u64>() >= TURNS as u64 / 2);
}

#[test]
fn what_is_refused_or_out_of_the_ordinary_allocates_nothing_either() {
    let umem = small_umem();
    let join = Join::Vti(Suite::AES128GCM16);
    let mut forged = from_b(join);
    let mut lane = Lane::new(Site::new(umem, tables(join, false, false)), WAN, LAN);
    lane.assert_no_allocations("forged", 0, || {
        let mut packet = forged(&packet(B_HOST, A_HOST, 100));
        packet[60] ^= 1;
        packet
    });
    let mut lane = Lane::new(Site::new(umem, tables(Join::Gre, false, false)), LAN, WAN);
    lane.assert_no_allocations("fragments", 2, || packet(A_HOST, B_HOST, 2000));
    let mut lane = Lane::new(Site::new(umem, plain_tables()), LAN, LAN);
    lane.assert_no_allocations("echo", 1, || echo(A_HOST, A_LAN, b"data"));
    // Held, and given up: the queue has its room from the start.
    let mut lane = Lane::new(Site::new(umem, plain_tables()), LAN, WAN);
    lane.assert_no_allocations("held", 0, || packet(A_HOST, [192, 0, 2, 77].into(), 60));
    lane.site.advance(10_000_000_000);
    assert_eq!(lane.turn().count_total, 0);
    let unroutable = || packet(A_HOST, [10, 99, 0, 1].into(), 60);
    let mut lane = Lane::new(Site::new(umem, plain_tables()), LAN, WAN);
    lane.assert_no_allocations("errors", 0, unroutable);
    assert!(lane.site.counters.icmp_sent.value() > 0);
}

#[test]
fn waiting_for_an_sa_allocates_nothing() {
    let mut site = Site::new(small_umem(), tables(Join::Vti(Suite::AES128GCM16), false, false));
    site.change_tunnel(|tunnel| {
        (tunnel.protection, tunnel.demand) = (tables::Protection::Esp(None), Some(Arc::default()));
    });
    let mut lane = Lane::new(site, LAN, WAN);
    lane.assert_no_allocations("waiting", 0, || packet(A_HOST, B_HOST, 60));
    lane.site.advance(10_000_000_000);
    assert_eq!(lane.turn().count_total, 0);
}

#[test]
fn a_flood_of_packets_for_control_allocates_nothing_whether_or_not_it_reads_them() {
    let umem = small_umem();
    let hello = ospf(B_LAN, [224, 0, 0, 5].into(), 64);
    for reads in [false, true] {
        let mut site = Site::new(umem, tables(Join::Gre, false, false));
        site.change_tunnel(|tunnel| tunnel.punts_ospf = true);
        let mut lane = Lane::new(site, WAN, LAN);
        let punts = std::sync::Arc::clone(&lane.site.punts);
        lane.assert_no_allocations("punts", 0, || {
            if reads {
                punts.take(|_| ());
            }
            gre(&hello)
        });
        let punted = lane.site.counters.punted.value();
        let full = lane.site.drops(DropReason::PuntFull);
        assert_eq!(punted + full, (TURNS * PER_TURN) as u64);
        assert!(full > 0 && punted >= PUNTS_MAX as u64 * if reads { TURNS as u64 } else { 1 });
    }
}

#[test]
fn the_payload_stays_where_it_was_received() {
    let umem = small_umem();
    for len in [64, 512, 1400 - 64] {
        let payload_at = Ipv4::LEN;
        let mut lane = Lane::new(Site::new(umem, plain_tables()), LAN, WAN);
        let address = lane.put(&packet(A_HOST, B_HOST, len), payload_at);
        lane.turn();
        let look = |frame: &Frame| assert_eq!(frame.data()[ETHERNET + 20..].as_ptr(), address);
        assert_eq!(lane.take(look), 1);
        for join in joins() {
            let mut lane = Lane::new(Site::new(umem, tables(join, false, false)), LAN, WAN);
            let address = lane.put(&packet(A_HOST, B_HOST, len), payload_at);
            lane.turn();
            let at = ETHERNET + overhead(join) + payload_at;
            let look = |frame: &Frame| assert_eq!(frame.data()[at..].as_ptr(), address, "{join:?}");
            assert_eq!(lane.take(look), 1);

            let mut lane = Lane::new(Site::new(umem, tables(join, false, false)), WAN, LAN);
            let inner = packet(B_HOST, A_HOST, len);
            let address = lane.put(&from_b(join)(&inner), overhead(join) + payload_at);
            lane.turn();
            let look = |frame: &Frame| {
                let payload = &frame.data()[ETHERNET + payload_at..];
                assert_eq!(payload.as_ptr(), address, "{join:?}");
                assert_eq!(payload, &inner[payload_at..]);
            };
            assert_eq!(lane.take(look), 1);
        }
    }
}
