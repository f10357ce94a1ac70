//! The running gateway: start in order, turn until told to stop, stop in reverse.

use std::error::Error;
use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use config::{Config, Crypto};
use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Token, Waker};
use pipeline::{Worker, WorkerId};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::bfd::BFD;
use crate::gateway::{CONFIRM, Gateway, OUTER, Parts, TICK, random_seed, warn_of_weak_suites};
use crate::ike::{IKE, Negotiator};
use crate::kernel::Kernel;
use crate::latency_report::LatencyReport;
use crate::ospf::{OSPF, Router};
use crate::outer::Sockets;
use crate::ports::{self, Ports, WorkerPort};
use crate::show::{Response, Section, Server};
use crate::worker_thread::{Shell, WorkerThread};
use bridge::Bridge;

const KERNEL: Token = Token(0);
const SIGNALS: Token = Token(1);
const WORKERS: Token = Token(2);
const SHOW: Token = Token(3);
/// Clients of the control socket have this token and those above it.
const SHOW_CLIENTS: usize = 16;

/// How long workers may take to send what is said last.
const GOODBYES: Duration = Duration::from_millis(200);

/// Runs the gateway that `file` describes until SIGINT or SIGTERM; SIGHUP reads the file again.
/// When it stops, how long packets took is written to `latency_report`.
///
/// # Errors
/// What keeps it from starting, in words a user can act on; a failure of the kernel's interfaces
/// that it cannot go on with; a report that cannot be written.
pub fn run(
    file: &Path,
    config: Config,
    latency_report: Option<&Path>,
) -> Result<(), Box<dyn Error>> {
    let report = latency_report.map(LatencyReport::at).transpose()?;
    let signals = catch_signals()?;
    let kernel = Kernel::open().map_err(|error| format!("cannot ask the kernel: {error}"))?;
    warn_of_addresses(&config, &kernel);
    warn_of_weak_suites(&config);
    let mtus: Vec<u32> = config.ports.iter().map(|port| mtu_of(&kernel, port)).collect();
    let mut bridge = Bridge::new(&config, &mut random_seed)?;
    bridge.seed_flows(random_seed()?.iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte)));
    let server = Server::bind(&config.gateway.control_socket)?;
    let Ports { workers, opened, steering } = ports::open(&config, &mtus)?;
    let cores = choose_cores(&config);
    keep_off(&cores);
    let poll = Poll::new()?;
    let registry = poll.registry().try_clone()?;
    let mut sockets = Sockets::open(&registry, OUTER)
        .map_err(|error| format!("cannot receive what the kernel puts together: {error}"))?;
    if bridge.uses_udp() {
        sockets.include_udp(&registry, OUTER)?;
    }
    let ports = opened;
    let parts = Parts { config, kernel, bridge, ports, steering, cores, sockets, registry };
    let mut gateway = Gateway::new(parts);
    gateway.configure_ospf();
    gateway.rebuild()?;
    gateway.configure_ike()?;
    let mut control = Control::new(poll, signals, server, &mut gateway)?;
    let threads = start_workers(&gateway, workers, &control.waker)?;
    match gateway.config.gateway.crypto {
        Crypto::Fastest => tracing::info!("multi-lane ciphers: {}", simd::kernels()),
        Crypto::Portable => tracing::info!("portable ciphers only, as the configuration asks"),
    }
    tracing::info!("{} is up with {} worker(s)", gateway.config.gateway.name, threads.len());
    let outcome = control.turn_until_stopped(file, &mut gateway, &threads);
    gateway.leave_ospf();
    wait_for_goodbyes(&gateway, &threads);
    gateway.take_leave();
    gateway.detach();
    for thread in threads {
        thread.stop();
    }
    let reported = report.map_or(Ok(()), |report| write(&report, &gateway));
    tracing::info!("stopped");
    outcome.and(reported)
}

/// What is said to neighbours behind tunnels needs the SAs that end next.
fn wait_for_goodbyes(gateway: &Gateway, threads: &[WorkerThread]) {
    let end = Instant::now() + GOODBYES;
    while !gateway.has_handed_over() && Instant::now() < end {
        threads.iter().for_each(WorkerThread::wake);
        thread::sleep(Duration::from_millis(1));
    }
}

fn write(report: &LatencyReport, gateway: &Gateway) -> Result<(), Box<dyn Error>> {
    let written = report.write(&gateway.status(Section::Latency), &gateway.counters);
    match &written {
        Ok(path) => tracing::info!("the latency report is in {}", path.display()),
        Err(error) => tracing::error!("{error}"),
    }
    written.map(|_| ())
}

/// What the control thread waits on.
struct Control {
    poll: Poll,
    waker: Arc<Waker>,
    signals: Signals<UnixStream>,
    server: Server,
    /// When it stops, once it was told to.
    ends: Option<Instant>,
}

impl Control {
    fn new(
        poll: Poll,
        signals: Signals<StdUnixStream>,
        mut server: Server,
        gateway: &mut Gateway,
    ) -> io::Result<Self> {
        let registry = poll.registry();
        let mut signals = Signals {
            stop: UnixStream::from_std(signals.stop),
            reload: UnixStream::from_std(signals.reload),
        };
        registry.register(&mut signals.stop, SIGNALS, Interest::READABLE)?;
        registry.register(&mut signals.reload, SIGNALS, Interest::READABLE)?;
        registry.register(gateway.kernel().event_source(), KERNEL, Interest::READABLE)?;
        server.register(registry, SHOW, SHOW_CLIENTS)?;
        let waker = Arc::new(Waker::new(registry, WORKERS)?);
        Ok(Self { poll, waker, signals, server, ends: None })
    }

    fn turn_until_stopped(
        &mut self,
        file: &Path,
        gateway: &mut Gateway,
        threads: &[WorkerThread],
    ) -> Result<(), Box<dyn Error>> {
        let mut events = Events::with_capacity(64);
        let (mut confirmed, mut ticked) = (Instant::now(), Instant::now());
        while self.ends.is_none_or(|at| Instant::now() < at) {
            let timeout = self.patience(gateway, ticked);
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            let (mut news, mut has_ike) = (false, false);
            for event in &events {
                match event.token() {
                    SIGNALS => match self.told() {
                        // Told twice, it does not wait.
                        Some(Told::Stop) if self.ends.is_some() => return Ok(()),
                        Some(Told::Stop) => self.ends = Some(Instant::now() + gateway.drain_ospf()),
                        Some(Told::Reload) => news |= gateway.reload(file),
                        None => {}
                    },
                    // Tables stay as they were or are new already; the next event tries again.
                    KERNEL => match gateway.follow_kernel() {
                        Ok(changed) => news |= changed,
                        Err(error) => tracing::error!("cannot follow the kernel: {error}"),
                    },
                    WORKERS => {}
                    OUTER => news |= gateway.read_outer(),
                    IKE => has_ike = true,
                    OSPF | BFD => {}
                    token => {
                        let registry = self.poll.registry();
                        let mut answer = |request: &_| -> Response { gateway.answer(request) };
                        self.server.on_event(token, registry, &mut answer);
                    }
                }
            }
            self.server.on_timeout(Instant::now());
            news |= gateway.answer_workers();
            if has_ike || gateway.negotiator.as_ref().is_some_and(Negotiator::has_unread) {
                news |= gateway.read_ike();
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                news |= gateway.read_outer();
                news |= gateway.tick();
            }
            news |= gateway.route();
            if let Some(ike) = &mut gateway.negotiator {
                ike.on_timeout();
            }
            news |= gateway.negotiate();
            if confirmed.elapsed() >= CONFIRM {
                confirmed = Instant::now();
                gateway.confirm_neighbours();
            }
            if news {
                threads.iter().for_each(WorkerThread::wake);
            }
        }
        Ok(())
    }

    /// How long there is nothing to do, if nothing comes; `ticked` is when the last tick was.
    fn patience(&self, gateway: &Gateway, ticked: Instant) -> Duration {
        let until = |at: Instant| at.saturating_duration_since(Instant::now());
        let others = [
            self.server.deadline().map(until),
            self.ends.map(until),
            gateway.negotiator.as_ref().and_then(Negotiator::patience),
            gateway.router.as_ref().and_then(Router::patience),
        ];
        others.into_iter().flatten().fold(until(ticked + TICK), Duration::min)
    }

    /// What the signals since the last time ask for; stopping goes before all else.
    fn told(&mut self) -> Option<Told> {
        let mut bytes = [0; 16];
        let mut read =
            |stream: &mut UnixStream| matches!(io::Read::read(stream, &mut bytes), Ok(n) if n > 0);
        if read(&mut self.signals.stop) {
            return Some(Told::Stop);
        }
        read(&mut self.signals.reload).then_some(Told::Reload)
    }
}

/// What a signal asks for.
enum Told {
    Stop,
    Reload,
}

/// Signals as bytes on streams.
struct Signals<S> {
    /// SIGINT and SIGTERM.
    stop: S,
    /// SIGHUP.
    reload: S,
}

fn catch_signals() -> io::Result<Signals<StdUnixStream>> {
    let stream = |signals: &[i32]| -> io::Result<StdUnixStream> {
        let (reading, writing) = StdUnixStream::pair()?;
        reading.set_nonblocking(true)?;
        for signal in signals {
            signal_hook::low_level::pipe::register(*signal, writing.try_clone()?)?;
        }
        Ok(reading)
    };
    Ok(Signals { stop: stream(&[SIGINT, SIGTERM])?, reload: stream(&[SIGHUP])? })
}

fn start_workers(
    gateway: &Gateway,
    workers: Vec<(port::FramePool, Vec<WorkerPort>)>,
    control: &Arc<Waker>,
) -> io::Result<Vec<WorkerThread>> {
    let of = workers.len() as u16;
    let start = |(index, (pool, ports)): (usize, (port::FramePool, Vec<WorkerPort>))| {
        let counters = Arc::clone(&gateway.counters[index]);
        let id = WorkerId { index: index as u16, of };
        let reader = gateway.reader();
        let rings = gateway.rings[index].clone();
        let events = Arc::clone(&rings.events);
        let told = Arc::clone(&counters);
        let worker = Worker::new(id, ports, pool, reader, counters, rings);
        let core = gateway.cores[index];
        let idle = gateway.config.gateway.idle;
        let control = Arc::clone(control);
        WorkerThread::start(worker, Shell { index, core, idle, events, counters: told, control })
    };
    workers.into_iter().enumerate().map(start).collect()
}

fn mtu_of(kernel: &Kernel, port: &config::Port) -> u32 {
    kernel.state().link_by_name(port.device.get_ref()).map_or(0, |link| link.mtu)
}

/// The configured cores, or the last ones: control and interrupts favour the first.
fn choose_cores(config: &Config) -> Vec<Option<usize>> {
    let workers = config.gateway.workers;
    if let Some(cores) = &config.gateway.cores {
        return cores.get_ref().iter().copied().map(Some).collect();
    }
    let all = core_affinity::get_core_ids().unwrap_or_default();
    if all.len() < workers {
        tracing::warn!("{workers} workers share {} core(s); they are not pinned", all.len());
        return vec![None; workers];
    }
    all[all.len() - workers..].iter().map(|core| Some(core.id)).collect()
}

/// Keeps this thread off the workers' cores when there is another one.
fn keep_off(workers: &[Option<usize>]) {
    let all = core_affinity::get_core_ids().unwrap_or_default();
    let free = all.into_iter().find(|core| !workers.contains(&Some(core.id)));
    if let Some(core) = free
        && !core_affinity::set_for_current(core)
    {
        tracing::warn!("the system refused to keep control off the workers' cores");
    }
}

fn warn_of_addresses(config: &Config, kernel: &Kernel) {
    for port in &config.ports {
        let Some(link) = kernel.state().link_by_name(port.device.get_ref()) else { continue };
        for net in &port.addresses {
            let has = |address: &crate::kernel::Address| address.net == *net.get_ref();
            if !kernel.state().addresses_of(link.ifindex).any(has) {
                let (net_text, device) = (net.get_ref(), port.device.get_ref());
                let warning = config.span_warning(
                    net.span(),
                    format!("{device} does not have the address {net_text}"),
                    "the interface's own addresses are used",
                    format!("`ip address add {net_text} dev {device}`, or correct this line"),
                );
                tracing::warn!("{warning}");
            }
        }
    }
}
