//! Opens the ports: packet memory, AF_XDP sockets, XDP programs, in the order in which no frame
//! meets a half-built port.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::IpAddr;
use std::os::fd::AsFd;

use af_xdp::{
    AllMulticast, Area, Attached, Bind, Classifier, CopyMode, CopyPreference, Endpoints, Maps,
    OpenError, OwnedPrefixes, Program, RingSizes, Socket, SocketMap, UmemLayout, Watch,
    XDP_HEADROOM, XdpMode,
};
use config::{Config, Diagnostic, PortMode, Report, Role};
use ipnet::IpNet;
use port::{FramePool, QueueSet, Umem, UmemConfig, XskPort};
use tables::Route;

/// Room in front of a packet for outer headers: Ethernet, two IPv6 headers, UDP, ESP, IV, GRE or
/// L2TP with all their fields.
pub const HEADROOM: usize = 192;
/// Room behind a packet for ESP padding, trailer and ICV.
const TAILROOM: usize = 64;
const ETHERNET: usize = 14;
/// Chunks for one socket: both rings that hold chunks, full, and what a worker has in hand.
const CHUNKS_PER_SOCKET: usize = 3 * 2048;
/// Ring entries and chunk size of the socket that tries zero-copy.
const TRIAL_RING: u32 = 64;
const TRIAL_CHUNK: u32 = 2048;
/// Free chunks that a worker keeps to itself.
const POOL: usize = 4096;

/// One port of one worker.
pub type WorkerPort = QueueSet<XskPort>;

/// The opened ports.
pub struct Ports {
    /// For each worker its pool and its queues, one set for each port.
    pub workers: Vec<(FramePool, Vec<WorkerPort>)>,
    /// What is known of each port.
    pub opened: Vec<OpenedPort>,
    /// What makes frames come in; dropping it leaves everything to the kernel again.
    pub steering: Steering,
}

/// How a port came to be opened.
pub struct OpenedPort {
    /// Index of the interface.
    pub ifindex: u32,
    /// How the XDP program is attached.
    pub attach: XdpMode,
    /// How frames pass between the card and our memory.
    pub copy: CopyMode,
    /// The sockets, one for each receive queue.
    pub sockets: Vec<Watch>,
}

/// The XDP programs and what they steer by.
pub struct Steering {
    attached: Vec<Attached>,
    /// Kept open: the programs find the sockets through them.
    _sockets: Vec<SocketMap>,
    endpoints: Endpoints,
    prefixes: OwnedPrefixes,
    known_endpoints: BTreeSet<IpAddr>,
    known_prefixes: BTreeMap<IpNet, bool>,
    /// The inside ports, and what lets groups in there that this host has not joined.
    inside: Vec<u32>,
    all_multicast: Vec<AllMulticast>,
}

impl Steering {
    /// Makes the programs take what belongs to `endpoints` and `owned`, and nothing else. Of two
    /// entries for one prefix the later one counts, as in the forwarding table.
    ///
    /// # Errors
    /// What the kernel refused; everything else was done.
    pub fn steer(
        &mut self,
        endpoints: impl IntoIterator<Item = IpAddr>,
        owned: impl IntoIterator<Item = (IpNet, bool)>,
    ) -> std::io::Result<()> {
        let endpoints: BTreeSet<_> = endpoints.into_iter().collect();
        let owned: BTreeMap<_, _> = owned.into_iter().collect();
        let mut outcomes = Vec::new();
        for (prefix, take) in &owned {
            if self.known_prefixes.get(prefix) != Some(take) {
                let (network, len) = (prefix.network(), prefix.prefix_len());
                outcomes.push(self.prefixes.insert(network, len, *take));
            }
        }
        for prefix in self.known_prefixes.keys().filter(|prefix| !owned.contains_key(prefix)) {
            let gone = self.prefixes.remove(prefix.network(), prefix.prefix_len());
            outcomes.push(gone.map(|_| ()));
        }
        let new = endpoints.difference(&self.known_endpoints);
        outcomes.extend(new.map(|address| self.endpoints.insert(*address)));
        let old = self.known_endpoints.difference(&endpoints);
        outcomes.extend(old.map(|address| self.endpoints.remove(*address).map(|_| ())));
        self.known_prefixes = owned;
        self.known_endpoints = endpoints;
        outcomes.into_iter().collect()
    }

    /// Lets all multicast frames into the inside ports while multicast is routed anywhere: a card
    /// drops those of groups that this host has not joined.
    pub fn let_multicast_in(&mut self, routes: &[(IpNet, Route)]) {
        let wanted = routes.iter().any(|(prefix, _)| prefix.network().is_multicast());
        if !wanted {
            self.all_multicast.clear();
        } else if self.all_multicast.is_empty() {
            for ifindex in &self.inside {
                match AllMulticast::join(*ifindex) {
                    Ok(joined) => self.all_multicast.push(joined),
                    Err(error) => tracing::warn!("link {ifindex} refuses all multicast: {error}"),
                }
            }
        }
    }

    /// Detaches the programs: from now on every packet is the kernel's.
    pub fn detach(&mut self) {
        self.attached.clear();
    }
}

/// A port's device as the kernel has it.
struct Device {
    ifindex: u32,
    queues: u32,
}

/// Opens every port of `config` for its workers. `mtus` are the links' MTUs.
///
/// # Errors
/// A device that is missing or has too few queues, at its line of the configuration; whatever the
/// kernel refused, with the step.
pub fn open(config: &Config, mtus: &[u32]) -> Result<Ports, Box<dyn Error>> {
    let devices = find_devices(config)?;
    let umem = packet_memory(config, mtus, &devices)?;
    let copy = copy_mode(config, &devices)?;
    let workers = config.gateway.workers;
    let mut pools: Vec<FramePool> = (0..workers).map(|_| umem.pool(POOL)).collect();
    let mut queues: Vec<Vec<Vec<XskPort>>> = (0..workers).map(|_| Vec::new()).collect();
    let (mut maps, mut watches) = (Vec::new(), Vec::new());
    let mut first: Option<std::os::fd::OwnedFd> = None;
    for (port, device) in config.ports.iter().zip(&devices) {
        let map = SocketMap::new(device.queues)?;
        queues.iter_mut().for_each(|worker| worker.push(Vec::new()));
        let mut sockets = Vec::new();
        for queue in 0..device.queues {
            let worker = queue as usize % workers;
            let bind = Bind { copy, need_wakeup: true };
            let share = first.as_ref().map(|fd| fd.as_fd());
            let xsk = XskPort::open(umem, device.ifindex, queue, bind, share, &mut pools[worker])
                .map_err(|error| format!("port {}: {error}", port.name))?;
            if first.is_none() {
                first = Some(xsk.socket().as_fd().try_clone_to_owned()?);
            }
            map.set(queue, xsk.socket())?;
            sockets.push(xsk.socket().watch()?);
            if let Some(port_queues) = queues[worker].last_mut() {
                port_queues.push(xsk);
            }
        }
        maps.push(map);
        watches.push(sockets);
    }
    let (steering, attach) = attach(config, &devices, maps)?;
    let copy = |at: usize| queues[0][at].first().map_or(CopyMode::Copy, XskPort::mode);
    let opened = devices.iter().zip(attach).zip(watches).enumerate();
    let opened = opened.map(|(at, ((device, attach), sockets))| OpenedPort {
        ifindex: device.ifindex,
        attach,
        copy: copy(at),
        sockets,
    });
    let opened = opened.collect();
    let port_sets = |ports: Vec<Vec<XskPort>>| ports.into_iter().map(QueueSet::new).collect();
    let workers = pools.into_iter().zip(queues).map(|(pool, ports)| (pool, port_sets(ports)));
    Ok(Ports { workers: workers.collect(), opened, steering })
}

fn find_devices(config: &Config) -> Result<Vec<Device>, Box<dyn Error>> {
    let mut devices = Vec::new();
    for port in &config.ports {
        let name = port.device.get_ref().as_str();
        let refuse = |title: String, label: &str, help: String| -> Box<dyn Error> {
            at_device(config, port, title, label, help)
        };
        let Ok(ifindex) = af_xdp::ifindex(name) else {
            let help = "`ip link` lists the interfaces of this machine".into();
            let title = format!("there is no interface {name}");
            return Err(refuse(title, "no such interface", help));
        };
        let count = af_xdp::queue_count(name)?;
        let (both, workers) = (count.both(), config.gateway.workers);
        if (both as usize) < workers {
            let title = format!("{name} has {both} queue(s), {workers} workers need one each");
            let help = format!(
                "write `workers = {both}` in [gateway], or give the interface more queues: \
                 `ethtool -L {name} combined {workers}`"
            );
            return Err(refuse(title, "too few queues", help));
        }
        devices.push(Device { ifindex, queues: count.rx });
    }
    Ok(devices)
}

/// An error that the machine, not the file, shows; told at the port's line all the same.
fn at_device(
    config: &Config,
    port: &config::Port,
    title: String,
    label: &str,
    help: String,
) -> Box<dyn Error> {
    let error: Diagnostic = config.span_error(port.device.span(), title, label, help);
    Report::from(error).into()
}

fn packet_memory(
    config: &Config,
    mtus: &[u32],
    devices: &[Device],
) -> Result<&'static Umem, Box<dyn Error>> {
    let overhead = XDP_HEADROOM as usize + HEADROOM + ETHERNET + TAILROOM;
    // Twice what an ordinary link needs: a peer that encrypts before it fragments sends packets
    // that are larger when they have been put together.
    let chunk_size = 4096;
    if let Some(at) = mtus.iter().position(|mtu| *mtu as usize + overhead > chunk_size) {
        let (port, mtu) = (&config.ports[at], mtus[at]);
        let name = port.device.get_ref();
        let most = 4096 - overhead;
        let title = format!("the MTU of {name}, {mtu}, is more than AF_XDP carries in one chunk");
        let help = format!("`ip link set {name} mtu {most}` or less");
        return Err(at_device(config, port, title, "MTU too large", help));
    }
    let sockets: usize = devices.iter().map(|device| device.queues as usize).sum();
    let chunks = sockets * CHUNKS_PER_SOCKET + config.gateway.workers * POOL;
    let umem = Umem::mapped(UmemConfig { chunk_size, chunks, headroom: HEADROOM })?;
    let pages = if umem.area().is_some_and(|area| area.huge()) { "huge" } else { "ordinary" };
    let mib = (chunks * chunk_size) >> 20;
    tracing::info!(
        "packet memory: {chunks} chunks of {chunk_size} bytes, {mib} MiB, {pages} pages"
    );
    Ok(umem)
}

/// Zero-copy needs every device of the UMEM to have it, so the weakest one decides.
fn copy_mode(config: &Config, devices: &[Device]) -> Result<CopyPreference, Box<dyn Error>> {
    if config.ports.iter().any(|port| matches!(port.mode, PortMode::Native | PortMode::Generic)) {
        tracing::info!("copy mode, since a port asks for native or generic mode");
        return Ok(CopyPreference::Copy);
    }
    let trial = Area::mapped((2 * TRIAL_RING * TRIAL_CHUNK) as usize)?;
    for (port, device) in config.ports.iter().zip(devices) {
        let Err(refusal) = try_zero_copy(trial, device) else { continue };
        let name = port.device.get_ref();
        if refusal.source.kind() == std::io::ErrorKind::ResourceBusy {
            return Err(format!("port {}: {refusal}", port.name).into());
        }
        if port.mode == PortMode::ZeroCopy {
            let help = "write `mode = \"auto\"`".into();
            let title = format!("{name} does not offer zero-copy: {refusal}");
            return Err(at_device(config, port, title, "no zero-copy", help));
        }
        tracing::info!("copy mode on every port, since {name} does not offer zero-copy: {refusal}");
        return Ok(CopyPreference::Copy);
    }
    Ok(CopyPreference::ZeroCopy)
}

/// Binds a socket over a small memory of its own and lets go of it again.
fn try_zero_copy(area: Area, device: &Device) -> Result<(), OpenError> {
    let layout = UmemLayout { chunk_size: TRIAL_CHUNK, headroom: 0 };
    let [rx, tx, fill, completion] = [TRIAL_RING; 4];
    let sizes = RingSizes { rx, tx, fill, completion };
    let bind = Bind { copy: CopyPreference::ZeroCopy, need_wakeup: true };
    Socket::open(area, layout, device.ifindex, 0, sizes, bind, None).map(|_| ())
}

fn attach(
    config: &Config,
    devices: &[Device],
    sockets: Vec<SocketMap>,
) -> Result<(Steering, Vec<XdpMode>), Box<dyn Error>> {
    let (endpoints, prefixes) = (Endpoints::new()?, OwnedPrefixes::new()?);
    let mut attached = Vec::new();
    for ((port, device), sockets) in config.ports.iter().zip(devices).zip(&sockets) {
        let inside = port.role == Role::Inside;
        let classifier = Classifier { tunnels: !inside, prefixes: inside };
        let maps = Maps { sockets, endpoints: &endpoints, prefixes: &prefixes };
        let program = Program::load(&classifier, &maps)?;
        let name = port.device.get_ref();
        let link = match port.mode {
            PortMode::Generic => Attached::attach_in(XdpMode::Generic, &program, device.ifindex)
                .map_err(|error| format!("port {}: {error}", port.name))?,
            PortMode::Native | PortMode::ZeroCopy => {
                Attached::attach_in(XdpMode::Native, &program, device.ifindex)
                    .map_err(|error| format!("port {}: native XDP refused: {error}", port.name))?
            }
            PortMode::Auto => Attached::attach(&program, device.ifindex)
                .map_err(|error| format!("port {}: {error}", port.name))?,
        };
        match link.native_refusal() {
            Some(why) => tracing::info!("{name}: generic XDP, since native was refused: {why}"),
            None => tracing::info!("{name}: {} XDP on {} queue(s)", link.mode(), device.queues),
        }
        attached.push(link);
    }
    let modes = attached.iter().map(Attached::mode).collect();
    let inside = config.ports.iter().zip(devices);
    let inside = inside.filter(|(port, _)| port.role == Role::Inside);
    let steering = Steering {
        attached,
        _sockets: sockets,
        endpoints,
        prefixes,
        known_endpoints: BTreeSet::new(),
        known_prefixes: BTreeMap::new(),
        inside: inside.map(|(_, device)| device.ifindex).collect(),
        all_multicast: Vec::new(),
    };
    Ok((steering, modes))
}
