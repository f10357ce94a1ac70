//! Network devices as the generator uses them: what the system says of them, and their AF_XDP
//! sockets.

use std::error::Error;
use std::fs;
use std::os::fd::AsFd;
use std::str::FromStr;

use af_xdp::{
    Attached, Bind, Classifier, CopyMode, CopyPreference, Endpoints, Maps, OwnedPrefixes, Program,
    SocketMap, Statistics, Take, Watch,
};
use port::{FramePool, QueueSet, Umem, UmemConfig, XskPort};
use wire::ethernet::Mac;

/// Chunks that hold frames of 3.5 KB, tunnel headers and what AF_XDP wants in front.
const CHUNK: usize = 4096;
const HEADROOM: usize = 192;
/// Chunks for one socket: both rings that hold chunks, full, and what is in hand.
const CHUNKS_PER_SOCKET: usize = 3 * 2048;
const POOL: usize = 2048;

/// What the system says of a device.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// Its link-layer address.
    pub mac: Mac,
    /// Queues that receive.
    pub queues: u32,
    /// Largest IP packet, bytes.
    pub mtu: usize,
    /// Bits a second that its link carries; `None` when the driver does not say.
    pub speed: Option<u64>,
}

impl Device {
    /// Looks a device up.
    ///
    /// # Errors
    /// There is none of that name, or it has no Ethernet address.
    pub fn find(name: &str) -> Result<Self, String> {
        let hint = "`ip link` lists the devices of this network namespace";
        let ifindex = af_xdp::ifindex(name).map_err(|error| format!("{error}; {hint}"))?;
        let count = af_xdp::queue_count(name).map_err(|error| format!("{error}; {hint}"))?;
        let mac = attribute(name, "address").and_then(|text| parse_mac(&text).ok());
        let mac = mac.ok_or_else(|| format!("{name} has no Ethernet address"))?;
        let mtu = attribute(name, "mtu").and_then(|text| text.parse().ok()).unwrap_or(1500);
        let megabits = attribute(name, "speed").and_then(|text| text.parse::<u64>().ok());
        // Virtual devices make a number up.
        let real = fs::exists(format!("/sys/class/net/{name}/device")).unwrap_or(false);
        let speed = megabits.filter(|_| real).map(|megabits| megabits * 1_000_000);
        Ok(Self { name: name.to_owned(), ifindex, mac, queues: count.rx, mtu, speed })
    }

    /// One of the kernel's counters, zero when the device does not have it.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        let text = attribute(&self.name, &format!("statistics/{name}"));
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

fn attribute(device: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/sys/class/net/{device}/{name}")).ok()?;
    Some(text.trim().to_owned())
}

/// Reads `02:00:00:00:00:01`.
///
/// # Errors
/// It is none.
pub fn parse_mac(text: &str) -> Result<Mac, String> {
    let refuse = || format!("{text:?} is no Ethernet address: write 02:00:00:00:00:01");
    let octets: Result<Vec<u8>, _> =
        text.split(':').map(|octet| u8::from_str_radix(octet, 16).map_err(|_| refuse())).collect();
    octets?.try_into().map(Mac).map_err(|_| refuse())
}

/// How frames pass between device and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copying(pub CopyPreference);

impl FromStr for Copying {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self(CopyPreference::Auto)),
            "copy" => Ok(Self(CopyPreference::Copy)),
            "zero-copy" => Ok(Self(CopyPreference::ZeroCopy)),
            _ => Err(format!("{text:?} is no mode: write auto, copy or zero-copy")),
        }
    }
}

/// What a device's program takes.
#[derive(Clone, Debug)]
pub enum Takes {
    /// Nothing: the device only sends.
    Nothing,
    /// What [`Take`] says.
    Frames(Take),
    /// Tunnel packets to these addresses.
    Tunnels(Vec<std::net::IpAddr>),
}

/// A device with its sockets open.
pub struct Station {
    /// The device.
    pub device: Device,
    /// Free chunks of the thread that uses the port.
    pub pool: FramePool,
    /// All its queues; what is sent leaves by the first.
    pub port: QueueSet<XskPort>,
    watches: Vec<Watch>,
    program: Option<Attached>,
    _maps: (SocketMap, Endpoints, OwnedPrefixes),
}

/// What was dropped at a device, since it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// By our own sockets: no room, no free chunk.
    pub sockets: u64,
    /// By the device, on receipt.
    pub received: u64,
    /// By the device, on sending.
    pub sent: u64,
}

impl Losses {
    /// What was dropped since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            sockets: self.sockets.saturating_sub(before.sockets),
            received: self.received.saturating_sub(before.received),
            sent: self.sent.saturating_sub(before.sent),
        }
    }
}

/// Packet memory for `sockets` sockets.
///
/// # Errors
/// The system has not that much.
pub fn memory(sockets: u32) -> Result<&'static Umem, String> {
    let chunks = sockets as usize * CHUNKS_PER_SOCKET + 2 * POOL;
    Umem::mapped(UmemConfig { chunk_size: CHUNK, chunks, headroom: HEADROOM })
        .map_err(|error| format!("no packet memory of {} MiB: {error}", (chunks * CHUNK) >> 20))
}

impl Station {
    /// Opens a socket on every queue of the device, and puts a program on it that takes what it
    /// should. The first station over `umem` is opened without `share`.
    ///
    /// # Errors
    /// What the system refused, with a remedy where one is known.
    pub fn open(
        device: &Device,
        takes: &Takes,
        copying: Copying,
        umem: &'static Umem,
        share: Option<&Station>,
    ) -> Result<Self, Box<dyn Error>> {
        let mut pool = umem.pool(POOL);
        let bind = Bind { copy: copying.0, need_wakeup: true };
        let map = SocketMap::new(device.queues)?;
        let mut first = share.map(Station::share).transpose()?;
        let (mut queues, mut watches) = (Vec::new(), Vec::new());
        let used = if matches!(takes, Takes::Nothing) { 1 } else { device.queues };
        for queue in 0..used {
            let with = first.as_ref().map(|fd| fd.as_fd());
            let xsk = XskPort::open(umem, device.ifindex, queue, bind, with, &mut pool)
                .map_err(|error| format!("{}: {error}", device.name))?;
            if first.is_none() {
                first = Some(xsk.socket().as_fd().try_clone_to_owned()?);
            }
            map.set(queue, xsk.socket())?;
            watches.push(xsk.socket().watch()?);
            queues.push(xsk);
        }
        let (endpoints, prefixes) = (Endpoints::new()?, OwnedPrefixes::new()?);
        let maps = Maps { sockets: &map, endpoints: &endpoints, prefixes: &prefixes };
        let program = match takes {
            Takes::Nothing => None,
            Takes::Frames(take) => Some(Program::load_take(*take, &map)?),
            Takes::Tunnels(ends) => {
                ends.iter().try_for_each(|end| endpoints.insert(*end))?;
                Some(Program::load(&Classifier { tunnels: true, prefixes: false }, &maps)?)
            }
        };
        let attach = |program| {
            Attached::attach(&program, device.ifindex)
                .map_err(|error| format!("{}: {error}", device.name))
        };
        let program = program.map(attach).transpose()?;
        let (device, port) = (device.clone(), QueueSet::new(queues));
        Ok(Self { device, pool, port, watches, program, _maps: (map, endpoints, prefixes) })
    }

    /// How it works, in words.
    #[must_use]
    pub fn mode(&self) -> String {
        let copy = match self.port.queues().first().map(XskPort::mode) {
            Some(CopyMode::ZeroCopy) => "zero-copy",
            _ => "copy",
        };
        match &self.program {
            Some(program) => format!("{} XDP, {copy} mode", program.mode()),
            None => format!("{copy} mode"),
        }
    }

    /// Frames that the kernel has still to send.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.port.queues().iter().map(XskPort::in_flight).sum()
    }

    /// What was dropped here so far.
    #[must_use]
    pub fn losses(&self) -> Losses {
        let of_socket = |watch: &Watch| {
            let Statistics { rx_dropped, rx_ring_full, .. } =
                watch.statistics().unwrap_or_default();
            rx_dropped + rx_ring_full
        };
        let device = &self.device;
        let on_receipt = ["rx_missed_errors", "rx_over_errors", "rx_fifo_errors"];
        Losses {
            sockets: self.watches.iter().map(of_socket).sum(),
            received: on_receipt.iter().map(|name| device.counter(name)).sum(),
            sent: device.counter("tx_dropped"),
        }
    }

    /// System calls of its sockets so far.
    #[must_use]
    pub fn syscalls(&self) -> u64 {
        self.watches.iter().map(Watch::syscalls).sum()
    }

    fn share(&self) -> Result<std::os::fd::OwnedFd, Box<dyn Error>> {
        let first = self.port.queues().first().ok_or("a station has a socket")?;
        Ok(first.socket().as_fd().try_clone_to_owned()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_others_refused() {
        assert_eq!(parse_mac("02:00:00:ab:CD:01"), Ok(Mac([2, 0, 0, 0xab, 0xcd, 1])));
        for text in ["", "02:00:00:00:00", "02:00:00:00:00:01:02", "02:00:00:00:00:1g"] {
            assert!(parse_mac(text).unwrap_err().contains("02:00:00:00:00:01"), "{text}");
        }
    }

    #[test]
    fn a_missing_device_is_named() {
        assert!(Device::find("nosuchif0").unwrap_err().contains("nosuchif0"));
    }
}
