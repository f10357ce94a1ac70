//! The thread around a worker: its core, its clock, its sleep.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use config::Idle;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use pipeline::{EventRing, Worker};
use tables::counters::WorkerCounters;

use crate::ports::WorkerPort;
use crate::sampling;

/// Turns without work before a worker sleeps: long enough to bridge the gaps of a busy link.
const IDLE_TURNS: u32 = 64;
/// Longest sleep: held packets are looked after this often.
const SLEEP: Duration = Duration::from_millis(100);
/// How long a stopping worker waits for frames that are still to leave.
const DRAIN: Duration = Duration::from_millis(200);
const WAKE: Token = Token(usize::MAX);

/// A running worker.
pub struct WorkerThread {
    handle: JoinHandle<()>,
    waker: Waker,
    stop: Arc<AtomicBool>,
}

/// What a worker's thread needs beside the worker.
pub struct Shell {
    /// For the thread's name.
    pub index: usize,
    /// The core to pin it to; `None` leaves it to the scheduler.
    pub core: Option<usize>,
    /// What to do when there is nothing to do.
    pub idle: Idle,
    /// Where the worker leaves its requests.
    pub events: Arc<EventRing>,
    /// What the worker counts, packets for control among it.
    pub counters: Arc<WorkerCounters>,
    /// Wakes control when there is a request or a packet for it.
    pub control: Arc<Waker>,
}

impl WorkerThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// What the system refused: a poller or a thread.
    pub fn start(mut worker: Worker<WorkerPort>, shell: Shell) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let fds: Vec<_> = worker
            .ports_mut()
            .flat_map(|set| set.queues().iter().map(AsRawFd::as_raw_fd).collect::<Vec<_>>())
            .collect();
        for (n, fd) in fds.iter().enumerate() {
            poll.registry().register(&mut SourceFd(fd), Token(n), Interest::READABLE)?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let name = format!("worker-{}", shell.index);
        let handle =
            thread::Builder::new().name(name).spawn(move || run(worker, &shell, poll, &stopped))?;
        Ok(Self { handle, waker, stop })
    }

    /// Makes a sleeping worker look at the tables.
    pub fn wake(&self) {
        // It looks by itself soon enough if this should fail.
        let _woken = self.waker.wake();
    }

    /// Lets the worker finish what it has and waits for it.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake();
        if self.handle.join().is_err() {
            tracing::error!("a worker ended by a panic");
        }
    }
}

fn run(mut worker: Worker<WorkerPort>, shell: &Shell, mut poll: Poll, stop: &AtomicBool) {
    if let Some(core) = shell.core
        && !core_affinity::set_for_current(core_affinity::CoreId { id: core })
    {
        tracing::warn!("worker {}: the system refused to pin it to core {core}", shell.index);
    }
    let clock = sampling::clock();
    let every_ns = sampling::every_ns(&clock);
    worker.measure(clock, every_ns);
    let start = Instant::now();
    let mut events = Events::with_capacity(8);
    let mut stopping: Option<Instant> = None;
    let mut idle_turns = 0;
    loop {
        let (asked, punted) = (shell.events.len(), shell.counters.punted.value());
        let work = worker.turn(start.elapsed().as_nanos() as u64);
        if shell.events.len() > asked || shell.counters.punted.value() != punted {
            let _woken = shell.control.wake();
        }
        if stop.load(Ordering::Relaxed) {
            let since = *stopping.get_or_insert_with(Instant::now);
            let unsent =
                worker.ports_mut().any(|set| set.queues().iter().any(|q| q.in_flight() > 0));
            if (work == 0 && !unsent) || since.elapsed() > DRAIN {
                return;
            }
            continue;
        }
        if work > 0 {
            idle_turns = 0;
            continue;
        }
        idle_turns += 1;
        if shell.idle == Idle::Sleep && idle_turns > IDLE_TURNS {
            idle_turns = 0;
            if let Err(error) = poll.poll(&mut events, Some(SLEEP))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!("worker {}: cannot sleep: {error}", shell.index);
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}
