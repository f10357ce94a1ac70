//! The datapath of both gateways, the road between them, and the hosts at its ends: each packet is
//! numbered, and each that is missing is noticed.

use std::collections::VecDeque;
use std::sync::Arc;

use pipeline::{BATCH, Rings, Worker, WorkerId};
use port::{Frame, FramePool, Umem};

use super::plan::{Plan, Side};
use super::site::Site;
use crate::gateway::{filled, readdress, umem};
use crate::packets::{frame, packet};
use crate::scale::{stamp, stamp_of};
use crate::topology::{LAN, WAN};
use crate::tray::Tray;

/// Packets that the hosts of one side send in a turn.
const PER_TURN: usize = BATCH;
/// Turns that a packet is on its way from one gateway to the other.
const DELAY: usize = 8;
/// Length of the inner packets, bytes.
const LEN: usize = 64;
/// Where the IP packet begins in a frame.
const ETHERNET: usize = 14;

/// Both workers and everything around them.
pub(super) struct Road {
    gateways: [Gateway; 2],
    pool: FramePool,
    /// The tunnels whose hosts send, from here on and round about.
    next: u32,
    tunnels: u32,
    /// What has been counted before.
    told: Count,
}

/// One gateway's worker, what is on its way to it, and the hosts behind it.
struct Gateway {
    worker: Worker<Tray>,
    /// What its peer sent in each of the last turns.
    coming: VecDeque<Vec<Frame>>,
    /// What its hosts send, by tunnel, each with the number of the next one.
    hosts: Vec<(Box<[u8]>, u64)>,
    /// The number of the next packet that each of its hosts should receive.
    expected: Vec<u64>,
    lost: u64,
    /// Packets that were not what a host should receive, or came late.
    strange: u64,
}

/// What has become of packets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) sent: u64,
    pub(super) lost: u64,
}

impl Road {
    pub(super) fn new(plan: &Plan, sites: &[Site; 2]) -> Self {
        let umem = umem(64 * PER_TURN);
        let gateway = |n: usize| Gateway::new(umem, plan, Side::BOTH[n], &sites[n]);
        Self {
            gateways: [gateway(0), gateway(1)],
            pool: umem.pool(4 * PER_TURN),
            next: 0,
            tunnels: plan.tunnels(),
            told: Count::default(),
        }
    }

    /// Some hosts of both sides send, both workers carry everything that has come to them, and what
    /// comes out is looked at.
    pub(super) fn turn(&mut self, now_ns: u64) {
        for _ in 0..PER_TURN {
            for gateway in &mut self.gateways {
                gateway.host_sends(self.next, &mut self.pool);
            }
            self.next = (self.next + 1) % self.tunnels;
        }
        self.carry(now_ns);
    }

    fn carry(&mut self, now_ns: u64) {
        let [hub, branches] = &mut self.gateways;
        let (out, back) = (hub.carry(now_ns), branches.carry(now_ns));
        branches.coming.push_back(out);
        hub.coming.push_back(back);
        for gateway in &mut self.gateways {
            gateway.hosts_receive(&mut self.pool);
        }
    }

    /// Waits for what is on its way, and counts what has been sent since the last time.
    pub(super) fn settle(&mut self, now_ns: u64) -> Count {
        for _ in 0..2 * DELAY {
            self.carry(now_ns);
        }
        let [hub, branches] = &self.gateways;
        let ways = [(hub, branches), (branches, hub)];
        let mut count = Count::default();
        for (from, to) in ways {
            count.lost += to.lost + to.strange;
            for ((_, sent), received) in from.hosts.iter().zip(&to.expected) {
                count.sent += sent;
                count.lost += sent - received;
            }
        }
        let told = std::mem::replace(&mut self.told, count);
        Count { sent: count.sent - told.sent, lost: count.lost - told.lost }
    }
}

impl Drop for Road {
    fn drop(&mut self) {
        for gateway in &mut self.gateways {
            gateway.coming.drain(..).flatten().for_each(|frame| self.pool.free(frame));
            gateway.worker.ports_mut().for_each(|tray| tray.release(&mut self.pool));
        }
    }
}

impl Gateway {
    fn new(umem: &'static Umem, plan: &Plan, side: Side, site: &Site) -> Self {
        let worker = Worker::new(
            WorkerId { index: 0, of: 1 },
            vec![Tray::new(2 * PER_TURN), Tray::new(2 * PER_TURN)],
            umem.pool(4 * PER_TURN),
            site.reader(),
            Arc::clone(&site.counters),
            Rings { events: Arc::clone(&site.events), ..Rings::default() },
        );
        let far = if side == Side::Hub { Side::Branches } else { Side::Hub };
        let host = |tunnel| {
            let packet = packet(Plan::host(side, tunnel), Plan::host(far, tunnel), LEN);
            (frame(&packet).into_boxed_slice(), 0)
        };
        Self {
            worker,
            coming: (0..DELAY).map(|_| Vec::new()).collect(),
            hosts: (0..plan.tunnels()).map(host).collect(),
            expected: vec![0; plan.tunnels() as usize],
            lost: 0,
            strange: 0,
        }
    }

    fn tray(&mut self, port: tables::PortId) -> &mut Tray {
        self.worker.ports_mut().nth(port.index()).expect("two ports")
    }

    fn host_sends(&mut self, tunnel: u32, pool: &mut FramePool) {
        let (bytes, number) = &mut self.hosts[tunnel as usize];
        stamp(&mut bytes[ETHERNET..], tunnel, *number);
        *number += 1;
        let frame = filled(pool, bytes);
        self.tray(LAN).lay_out(frame);
    }

    /// Has the worker carry what has come; what it sends to its peer.
    fn carry(&mut self, now_ns: u64) -> Vec<Frame> {
        for frame in self.coming.pop_front().unwrap_or_default() {
            self.tray(WAN).lay_out(frame);
        }
        while self.worker.turn(now_ns) > 0 {}
        let mut sent: Vec<Frame> = self.tray(WAN).take().collect();
        sent.iter_mut().for_each(readdress);
        sent
    }

    fn hosts_receive(&mut self, pool: &mut FramePool) {
        let frames: Vec<Frame> = self.tray(LAN).take().collect();
        for frame in frames {
            let stamp = frame.data().get(ETHERNET..).and_then(stamp_of);
            let place = stamp.and_then(|(tunnel, _)| self.expected.get_mut(tunnel as usize));
            match (stamp, place) {
                (Some((_, number)), Some(expected)) if number >= *expected => {
                    self.lost += number - *expected;
                    *expected = number + 1;
                }
                _ => self.strange += 1,
            }
            pool.free(frame);
        }
    }
}
