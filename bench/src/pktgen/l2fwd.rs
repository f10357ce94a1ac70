//! `fastgw-pktgen l2fwd`: the bare forwarding loop of the same rings, by which a gateway's own cost
//! is told from that of the devices.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use af_xdp::Take;
use port::{Batch, FramePool, Port};
use serde::Serialize;
use wire::ethernet::{Ethernet, Mac};
use zerocopy::FromBytes;

use super::cli::L2fwdArgs;
use super::device::{Device, Station, Takes, memory};
use super::rig::Idle;
use super::run::{check_seconds, say, stop_at_signals, stopped};

/// Frames of one direction at a time, as many as a gateway's worker takes.
const BATCH: usize = pipeline::BATCH;

/// What was forwarded.
#[derive(Debug, Default, Serialize)]
pub struct Forwarded {
    /// From the first device to the second, frames.
    pub there: u64,
    /// From the second to the first, frames.
    pub back: u64,
    /// Frames for which there was no room in a transmit ring.
    pub dropped: u64,
    /// System calls to send and receive.
    pub syscalls: u64,
    /// Seconds.
    pub duration_s: f64,
}

/// Forwards until it is told to stop.
///
/// # Errors
/// What is missing or refused.
pub fn run(args: &L2fwdArgs) -> Result<(), Box<dyn Error>> {
    if let Some(seconds) = args.duration {
        check_seconds("--duration", seconds)?;
    }
    let [first, second] = &args.devices[..] else { return Err("name two devices".into()) };
    let (first, second) = (Device::find(first)?, Device::find(second)?);
    let umem = memory(first.queues + second.queues)?;
    let takes = Takes::Frames(Take::Ip);
    let mut a = Station::open(&first, &takes, args.mode, umem, None)?;
    let mut b = Station::open(&second, &takes, args.mode, umem, Some(&a))?;
    if let Some(id) = args.core
        && !core_affinity::set_for_current(core_affinity::CoreId { id })
    {
        return Err(format!("there is no core {id} to run on").into());
    }
    let stop = stop_at_signals()?;
    eprintln!("{}: {}; {}: {}", first.name, a.mode(), second.name, b.mode());
    let (to_a, to_b) = (args.first_peer, args.second_peer);
    let begin = Instant::now();
    let until = args.duration.map(Duration::from_secs_f64);
    let mut lane = Lane { received: Batch::new(BATCH), ready: Batch::new(BATCH), dropped: 0 };
    let mut done = Forwarded::default();
    // One pool serves both: a frame that came in here leaves there.
    let pool = &mut a.pool;
    while !stopped(&stop) && until.is_none_or(|until| begin.elapsed() < until) {
        let there = lane.carry(&mut a.port, &mut b.port, pool, first.mac, second.mac, to_b);
        let back = lane.carry(&mut b.port, &mut a.port, pool, second.mac, first.mac, to_a);
        done.there += there;
        done.back += back;
        if there + back == 0 {
            match args.idle {
                Idle::Spin => std::hint::spin_loop(),
                Idle::Yield => thread::yield_now(),
                Idle::Sleep => thread::sleep(Duration::from_micros(50)),
            }
        }
    }
    done.duration_s = begin.elapsed().as_secs_f64();
    done.dropped = lane.dropped;
    done.syscalls = a.syscalls() + b.syscalls();
    say(&if args.json { serde_json::to_string_pretty(&done)? + "\n" } else { done.text() })?;
    Ok(())
}

impl Forwarded {
    fn text(&self) -> String {
        let Self { there, back, dropped, syscalls, duration_s } = self;
        let each = *syscalls as f64 / (there + back).max(1) as f64;
        format!(
            "{there} frames there, {back} back, {dropped} dropped in {duration_s:.1} s, \
             {each:.3} system calls a frame\n"
        )
    }
}

/// One direction's frames on their way.
struct Lane {
    received: Batch,
    ready: Batch,
    dropped: u64,
}

impl Lane {
    /// Receives a batch and sends it on. It leaves with `own` as its source and `peer` as its
    /// destination; without a peer, whoever sent it to `arrived` gets it back.
    fn carry<P: Port>(
        &mut self,
        from: &mut P,
        to: &mut P,
        pool: &mut FramePool,
        arrived: Mac,
        own: Mac,
        peer: Option<Mac>,
    ) -> u64 {
        let n = from.rx(pool, &mut self.received);
        if n == 0 {
            to.flush(pool);
            return 0;
        }
        for mut frame in self.received.drain(n) {
            if let Ok((header, _)) = Ethernet::mut_from_prefix(frame.data_mut()) {
                let back = if header.destination == arrived { header.source } else { own };
                header.destination = peer.unwrap_or(back);
                header.source = own;
            }
            if let Err(frame) = self.ready.push(frame) {
                pool.free(frame);
            }
        }
        let sent = to.tx(pool, &mut self.ready);
        to.flush(pool);
        self.dropped += self.ready.release(pool) as u64;
        sent as u64
    }
}
