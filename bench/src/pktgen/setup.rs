//! From what was asked for to a rig that is ready to run it.

use std::error::Error;
use std::path::Path;

use af_xdp::Take;
use wire::ethernet::{Ethernet, Mac};

use super::cli::{SealedArgs, Via};
use super::device::{Copying, Device, Station, Takes, memory};
use super::flow::{Addresses, Flow, flows};
use super::mirror::{INSIDE_MAC, Mirror, Reflected};
use super::neighbour;
use super::packet::{Blueprint, smallest};
use super::rate::Rate;
use super::rig::{Rig, Threads};
use super::size::Sizes;

/// What a rig is for.
pub struct Wanted<'a> {
    /// Device to send on.
    pub tx: &'a str,
    /// Device to receive on; `None` is the same.
    pub rx: Option<&'a str>,
    /// The gateway.
    pub via: Via,
    /// Source addresses.
    pub from: Addresses,
    /// Destination addresses.
    pub to: Addresses,
    /// Number of flows.
    pub flows: u32,
    /// UDP port.
    pub port: u16,
    /// What travels sealed.
    pub sealed: &'a SealedArgs,
    /// Threads.
    pub threads: Threads,
    /// Zero-copy or copy.
    pub copying: Copying,
}

/// A rig and the traffic for it.
pub struct Setup {
    /// Devices and threads.
    pub rig: Rig,
    flows: Vec<Flow>,
    source: Mac,
    destination: Mac,
    port: u16,
    speed: Option<u64>,
}

impl Setup {
    /// Opens the devices.
    ///
    /// # Errors
    /// What is impossible, missing or refused.
    pub fn new(wanted: &Wanted<'_>) -> Result<Self, Box<dyn Error>> {
        let Wanted { port, sealed, copying, .. } = *wanted;
        let flows = flows(wanted.from, wanted.to, wanted.flows)?;
        let tx = Device::find(wanted.tx)?;
        let rx = wanted.rx.filter(|rx| *rx != wanted.tx).map(Device::find).transpose()?;
        let gateway = match wanted.via {
            Via::Mac(mac) => mac,
            Via::Ip(address) => neighbour::resolve(&tx, address)?,
        };
        let (out, back) = (memory(tx.queues)?, memory(rx.as_ref().unwrap_or(&tx).queues)?);
        let reflected = |config: &'_ Path, opens| {
            let what = Reflected {
                config,
                tunnels: &sealed.tunnel,
                flows: &flows,
                own: if opens { rx.as_ref().unwrap_or(&tx).mac } else { tx.mac },
                gateway,
                opens,
                sequence_from: sealed.sequence_from,
            };
            // With one device, what is received lies in the memory of what is sent.
            Mirror::new(&what, if opens && rx.is_some() { back } else { out })
        };
        let sealing = sealed.seal.as_deref().map(|config| reflected(config, false)).transpose()?;
        let opening = sealed.open.as_deref().map(|config| reflected(config, true)).transpose()?;
        let takes = match &opening {
            Some(mirror) => Takes::Tunnels(mirror.endpoints().to_vec()),
            None => Takes::Frames(Take::UdpTo(port)),
        };
        let (sending, receiving) = match &rx {
            None => (Station::open(&tx, &takes, copying, out, None)?, None),
            Some(rx) => {
                let sending = Station::open(&tx, &Takes::Nothing, copying, out, None)?;
                (sending, Some(Station::open(rx, &takes, copying, back, None)?))
            }
        };
        let destination = if sealing.is_some() { INSIDE_MAC } else { gateway };
        let speed = tx.speed;
        let source = tx.mac;
        let rig = Rig::new(sending, receiving, sealing, opening, wanted.threads.clone());
        Ok(Self { rig, flows, source, destination, port, speed })
    }

    /// The packets of these sizes.
    ///
    /// # Errors
    /// A size that is too small or too large.
    pub fn blueprint(&self, sizes: &Sizes) -> Result<Blueprint, String> {
        sizes.check(smallest(self.flows.iter().any(|flow| flow.source.is_ipv6())))?;
        let Self { flows, source, destination, port, .. } = self;
        Ok(Blueprint::new(*source, *destination, flows, sizes, *port))
    }

    /// Frames a second, if the sending link carries them.
    ///
    /// # Errors
    /// Why it does not.
    pub fn pps(&self, rate: Rate, sizes: &Sizes) -> Result<Option<f64>, String> {
        rate.check(sizes.mean(), self.speed)
    }

    /// How the devices work, in words.
    #[must_use]
    pub fn modes(&self) -> String {
        let say = |station: &Station| format!("{}: {}", station.device.name, station.mode());
        let all = [Some(&self.rig.sending), self.rig.receiving.as_ref()];
        all.into_iter().flatten().map(say).collect::<Vec<_>>().join("; ")
    }

    /// Checks that frames fit the sending link, and that tunnels take them, in memory only.
    ///
    /// # Errors
    /// A flow that no tunnel carries, and why; frames that are larger than the link's MTU.
    pub fn probe(&mut self, blueprint: &Blueprint) -> Result<(), String> {
        let place = blueprint.largest();
        let mut longest = blueprint.len(place);
        if let Some(mirror) = &mut self.rig.sealing {
            for (n, flow) in self.flows.iter().enumerate().take(PROBES) {
                let pool = &mut self.rig.sending.pool;
                let Some(len) = mirror.sealed_len(blueprint, place, n as u32, pool) else {
                    return Err(not_taken(flow, mirror));
                };
                longest = longest.max(len);
            }
        }
        let device = &self.rig.sending.device;
        let (packet, mtu) = (longest - Ethernet::LEN, device.mtu);
        if packet > mtu {
            let name = &device.name;
            return Err(format!(
                "packets of {packet} bytes would be sent, and the MTU of {name} is {mtu}: `ip link \
                 set {name} mtu {packet}`, on its peer too, or smaller frames"
            ));
        }
        Ok(())
    }
}

fn not_taken(flow: &Flow, mirror: &Mirror) -> String {
    let why: Vec<_> = mirror.drops().iter().map(|(reason, _)| *reason).collect();
    let why = if why.is_empty() { "they have no route".into() } else { why.join(" ") };
    format!("no tunnel takes packets from {} to {}: {why}", flow.source, flow.destination)
}

/// Flows that are probed before a load.
const PROBES: usize = 64;
