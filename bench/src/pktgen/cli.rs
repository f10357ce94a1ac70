//! The command line, and its help.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use wire::ethernet::Mac;

use super::device::{Copying, parse_mac};
use super::flow::{Addresses, PORT};
use super::rate::Rate;
use super::rig::{Idle, Threads};
use super::size::Sizes;

const ABOUT: &str = "Sends traffic through a gateway on AF_XDP and accounts for every packet.

Each packet carries its flow, its number, the time at which it was to be sent and a check value, so
that loss, duplication, reordering, corruption and latency come from all packets. Loads are
open-loop: a generator that falls behind says so instead of sending less.

Frame sizes count the check sequence, as in RFC 2544: 64 is the smallest Ethernet frame. Rates are
frames (250kpps, 1.5Mpps) or bits of such frames (800Mbit, 10Gbit/s) a second, or max.";

const EXAMPLES: &str = "Examples:
  Ten seconds of 64-byte frames from one device through a gateway to another:
    fastgw-pktgen run --tx eth1 --rx eth2 --via 10.1.0.1 --from 10.1.0.2 --to 10.2.0.2 \\
        --rate 100kpps

  The same, with a report to look at:
    fastgw-pktgen run ... --size imix --rate 200Mbit --flows 64 --warm-up 100 --report out

  Only decapsulation: seal what the gateway of manual.toml is to open, and send it to its outside:
    fastgw-pktgen run --tx wan1 --rx eth2 --via 203.0.113.1 --from 10.2.0.2 --to 10.1.0.2 \\
        --seal manual.toml --tunnel to-b --rate 100kpps

  NDR, PDR, latency and bursts for all sizes of RFC 2544:
    fastgw-pktgen rfc2544 --config bench/profiles/demo.toml --report target/rfc2544

Hosts on veth pairs must not leave checksums to the card: ethtool -K DEV tx off gso off tso off.";

/// fastgw-pktgen.
#[derive(Debug, Parser)]
#[command(name = "fastgw-pktgen", version, about = first_line(), long_about = ABOUT,
          after_long_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

fn first_line() -> &'static str {
    ABOUT.lines().next().unwrap_or(ABOUT)
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send one load and account for it
    Run(Box<RunArgs>),
    /// Receive what another generator sends, until Ctrl-C
    Sink(SinkArgs),
    /// Forward between two devices as barely as the same rings can: the yardstick of a gateway
    L2fwd(L2fwdArgs),
    /// Search throughput (NDR, PDR) and measure latency, loss and bursts as RFC 2544 does
    Rfc2544(Rfc2544Args),
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Device to send on
    #[arg(long, value_name = "DEVICE")]
    pub tx: String,
    /// Device to receive on [default: the one to send on]
    #[arg(long, value_name = "DEVICE")]
    pub rx: Option<String>,
    /// The gateway's side of the sending link: its IPv4 address, or its Ethernet address
    #[arg(long, value_name = "ADDRESS")]
    pub via: Via,
    /// Source addresses: one, FIRST-LAST, or a subnet
    #[arg(long, value_name = "ADDRESSES")]
    pub from: Addresses,
    /// Destination addresses, likewise
    #[arg(long, value_name = "ADDRESSES")]
    pub to: Addresses,
    /// Flows, over all pairs of addresses and then source ports
    #[arg(long, default_value_t = 1)]
    pub flows: u32,
    /// UDP destination port
    #[arg(long, default_value_t = PORT)]
    pub port: u16,
    /// Bytes of the frames with check sequence: a number, a list such as 64,594, or imix
    #[arg(long, default_value = "64")]
    pub size: Sizes,
    /// How much to offer: 250kpps, 1.5Mpps, 800Mbit, or max
    #[arg(long)]
    pub rate: Rate,
    /// How long to send, seconds
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    pub duration: f64,
    /// Send this many frames instead of sending for a time
    #[arg(long, value_name = "N")]
    pub frames: Option<u64>,
    /// Send this many frames at 1 kpps first, which count for nothing: gateways find their
    /// neighbours meanwhile, and may lose what waits for them
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub warm_up: u64,
    /// How long to wait for the last packets, seconds
    #[arg(long, default_value_t = 0.5, value_name = "SECONDS")]
    pub drain: f64,
    /// What travels sealed
    #[command(flatten)]
    pub sealed: SealedArgs,
    /// Threads
    #[command(flatten)]
    pub threads: ThreadArgs,
    /// Output
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Traffic that is sealed already when it is sent, or still when it is received.
#[derive(Clone, Debug, Default, Args)]
pub struct SealedArgs {
    /// Seal what is sent, for the gateway with this configuration to open
    #[arg(long, value_name = "CONFIG", conflicts_with = "open")]
    pub seal: Option<PathBuf>,
    /// Open what is received, which the gateway with this configuration has sealed
    #[arg(long, value_name = "CONFIG")]
    pub open: Option<PathBuf>,
    /// A tunnel or peer of that configuration to use; repeat for several [default: all]
    #[arg(long, value_name = "NAME")]
    pub tunnel: Vec<String>,
    /// ESP sequence number to begin with: a gateway that runs remembers those it has seen
    #[arg(long, default_value_t = 1, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub sequence_from: u32,
}

/// Threads and sockets.
#[derive(Clone, Debug, Args)]
pub struct ThreadArgs {
    /// Threads: 2 (sender, sink) or 1 for both [default: 2 on four cores and more]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub threads: Option<u8>,
    /// Cores to pin them to, the sender's first
    #[arg(long, value_delimiter = ',', value_name = "CORE")]
    pub cores: Vec<usize>,
    /// What they do when there is nothing to do
    #[arg(long, value_enum, default_value_t = Idle::Yield)]
    pub idle: Idle,
    /// How frames pass between device and memory: auto, copy or zero-copy
    #[arg(long, default_value = "auto")]
    pub mode: Copying,
}

/// What is written where.
#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// Also write results.json, report.html, and latencies as .hgrm and .hlog into this folder
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// No progress on standard error
    #[arg(long)]
    pub quiet: bool,
}

/// `sink`.
#[derive(Debug, Args)]
pub struct SinkArgs {
    /// Device to receive on
    #[arg(long, value_name = "DEVICE")]
    pub rx: String,
    /// UDP destination port of what is received
    #[arg(long, default_value_t = PORT)]
    pub port: u16,
    /// End after this many seconds [default: at Ctrl-C]
    #[arg(long, value_name = "SECONDS")]
    pub duration: Option<f64>,
    /// Threads
    #[command(flatten)]
    pub threads: ThreadArgs,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// No progress on standard error
    #[arg(long)]
    pub quiet: bool,
}

/// `l2fwd`.
#[derive(Debug, Args)]
pub struct L2fwdArgs {
    /// The two devices
    #[arg(required = true, num_args = 2, value_name = "DEVICE")]
    pub devices: Vec<String>,
    /// Where to send what leaves by the first device [default: addresses are swapped]
    #[arg(long, value_name = "MAC", value_parser = mac)]
    pub first_peer: Option<Mac>,
    /// Where to send what leaves by the second device
    #[arg(long, value_name = "MAC", value_parser = mac)]
    pub second_peer: Option<Mac>,
    /// End after this many seconds [default: at Ctrl-C]
    #[arg(long, value_name = "SECONDS")]
    pub duration: Option<f64>,
    /// Core to run on
    #[arg(long)]
    pub core: Option<usize>,
    /// What to do when there is nothing to do
    #[arg(long, value_enum, default_value_t = Idle::Yield)]
    pub idle: Idle,
    /// How frames pass between device and memory: auto, copy or zero-copy
    #[arg(long, default_value = "auto")]
    pub mode: Copying,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// `rfc2544`.
#[derive(Debug, Args)]
pub struct Rfc2544Args {
    /// The profile; bench/profiles/demo.toml explains every key
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Check the profile and the devices, and stop
    #[arg(long)]
    pub check: bool,
    /// Output
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The gateway's side of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// To be resolved.
    Ip(IpAddr),
    /// Known.
    Mac(Mac),
}

impl FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        parse_mac(text).map(Self::Mac).map_err(|_| {
            format!("{text:?} is neither an IP address nor an Ethernet address 02:00:00:00:00:01")
        })
    }
}

fn mac(text: &str) -> Result<Mac, String> {
    parse_mac(text)
}

impl ThreadArgs {
    /// How threads run.
    ///
    /// # Errors
    /// A core that this machine does not have.
    pub fn plan(&self) -> Result<Threads, String> {
        let here: Vec<usize> =
            core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect();
        if let Some(missing) = self.cores.iter().find(|core| !here.contains(core)) {
            return Err(format!("there is no core {missing} to run on; there are {here:?}"));
        }
        let single = match self.threads {
            Some(threads) => threads == 1,
            None => here.len() < 4,
        };
        Ok(Threads { single, cores: self.cores.clone(), idle: self.idle })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_gateway_is_an_ip_or_an_ethernet_address() {
        assert_eq!("10.1.0.1".parse(), Ok(Via::Ip([10, 1, 0, 1].into())));
        assert_eq!("02:00:00:00:00:01".parse(), Ok(Via::Mac(Mac([2, 0, 0, 0, 0, 1]))));
        assert!("gateway".parse::<Via>().unwrap_err().contains("neither"));
    }
}
