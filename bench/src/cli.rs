//! The command line, and the help that teaches it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use ipnet::Ipv4Net;

use crate::crew::Deal;
use crate::rekey::{self, Plan};
use crate::{cycles, handshakes, memory, ospf};

/// Measures what a packet costs in the gateway's datapath
#[derive(Parser)]
#[command(name = "fastgw-bench", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Cycles(Cycles),
    Handshakes(Handshakes),
    Memory(Memory),
    Ospf(OspfOptions),
    Rekey(Rekey),
}

/// Handshakes of IKEv2 per second on one core, by who calls and who answers, and bytes for each
/// peer
///
/// Two of the gateway's engines in one process exchange messages until a child SA is ready for
/// use; the time that each of them is at work is counted apart. Sockets are not part of it.
/// bench/rivals/ike.sh has the same of strongSwan's charon, sockets included.
#[derive(Args, Debug)]
pub struct Handshakes {
    /// Handshakes of each kind
    #[arg(long, value_name = "N", default_value_t = 200,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Milliseconds for the routes of areas of 1,000 and 10,000 routers, and to flood 10,000 external
/// routes
///
/// The gateway's engine, without sockets: all routes computed, and again after one link's cost has
/// changed; then external routes told to another engine, until that one has them.
#[derive(Args, Debug)]
pub struct OspfOptions {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Measure another router than the engine in this process
    #[command(subcommand)]
    pub feed: Option<Fed>,
}

/// Whom to measure instead.
#[derive(Subcommand, Debug)]
pub enum Fed {
    /// Tells the same to a router behind a device, as its neighbour, and measures its processor
    /// time
    ///
    /// The router must speak OSPF in the backbone on a point-to-point network, with hellos every
    /// 10 seconds. bench/rivals/ospf.sh does it with fastgw and with FRR.
    Feed(Feed),
}

/// A router behind a device.
#[derive(Args, Debug)]
pub struct Feed {
    /// What to call the router
    #[arg(long)]
    pub name: String,
    /// The device that it is behind
    #[arg(long)]
    pub device: String,
    /// Our address there, with its prefix length
    #[arg(long)]
    pub address: Ipv4Net,
    /// The process whose first thread is the router
    #[arg(long)]
    pub pid: u32,
    /// Routers of the area
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub routers: usize,
    /// External routes
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub externals: usize,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Bytes that an installed SA takes, with its share of everything around it
///
/// Builds the tables that workers read for 1, 1,000 and 100,000 tunnels of each kind, each with an
/// SA for either direction, and counts what is allocated meanwhile. What control keeps for itself
/// (configuration, neighbours) is not in it.
#[derive(Args, Debug)]
pub struct Memory {
    /// Up to 1,000 tunnels only
    #[arg(long)]
    pub quick: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// New keys for all tunnels under traffic: packets lost, and time of the control thread
///
/// Two gateways in one process: engine, bridge, tables and worker of each as they run otherwise,
/// IKE messages and packets handed over in memory. All tunnels come up by IKEv2; then their hosts
/// send without a pause, on a thread of their own with the workers, while the other thread has all
/// child SAs made anew and the old ones removed. It fails if a packet is lost.
#[derive(Args, Debug)]
pub struct Rekey {
    /// Tunnels, each with a pair of child SAs [default: 1000,10000]
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1000, 10_000],
          value_parser = clap::value_parser!(u32).range(1..=i64::from(Plan::TUNNELS_MAX)))]
    pub tunnels: Vec<u32>,
    /// Peers that share them, each with an IKE SA [default: as many as tunnels]
    #[arg(long, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(Plan::PEERS_MAX)))]
    pub peers: Option<u32>,
    /// Tunnels that are rekeyed at a time
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 64],
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub at_a_time: Vec<u32>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Cycles, instructions, branch and cache misses per packet of each pipeline
///
/// A worker of the gateway carries batches of packets from one port in memory to another. Only its
/// turns are counted: making the packets, for decapsulation by another gateway that seals them
/// with fresh sequence numbers, and taking them away is not part of it, nor is what reading the
/// counters takes. Every packet must come out on the other side; replay checks are on.
///
/// Figures are per packet, of this thread in user mode, and of the best of many short windows;
/// medians stand beside them. Cycles of one machine move with what else runs on it, by nearly a
/// factor of two; instructions hardly move. Compare cycles with cycles of the same run.
///
/// With several workers, the clock runs from the first one's begin to the last one's end; all
/// share one tunnel, packets of an inner flow go to one worker, and it is checked that no packet
/// was taken for a replay and that each flow's packets came out in order.
///
/// Without options: the pipelines that others' figures are known for, with these figures beside,
/// and how the cost grows with SAs and routes; one to two minutes.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_help = EXAMPLES)]
pub struct Cycles {
    /// Only these pipelines: a name, or a regular expression; again for more
    #[arg(short, long, value_name = "NAME")]
    pub pipeline: Vec<String>,
    /// Only these suites: a name such as aes128gcm16, or a regular expression; again for more
    #[arg(short, long, value_name = "NAME")]
    pub suite: Vec<String>,
    /// Lengths of the inner IPv4 packet, bytes, 64 to 1400 [default: 64,512,1400]
    #[arg(long, value_name = "BYTES", value_delimiter = ',', value_parser = size)]
    pub size: Vec<usize>,
    /// Tunnels, each with an SA pair where ESP protects it, 1 to 100000 [default: 1]
    #[arg(long, value_name = "N", value_delimiter = ',',
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub sas: Vec<u32>,
    /// Routes to the far side, 1 to 1000000; each tunnel has one at least [default: 1]
    #[arg(long, value_name = "N", value_delimiter = ',',
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub routes: Vec<u32>,
    /// Inner flows, spread evenly over routes and tunnels [default: 512]
    #[arg(long, value_name = "N", value_delimiter = ',',
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub flows: Vec<u32>,
    /// Workers that share one tunnel, each on a thread and a processor of its own; above 1, packets
    /// per second of the wall clock are compared with those of one worker
    #[arg(short, long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: u16,
    /// How packets come to the queues of several workers
    #[arg(long, value_enum, default_value_t = Deal::Flow)]
    pub deal: Deal,
    /// Windows of 8192 packets for each figure
    #[arg(long, value_name = "N", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub windows: u32,
    /// 5 windows for each figure: good for instructions, poor for cycles
    #[arg(long, conflicts_with = "windows")]
    pub quick: bool,
    /// Every pipeline under every suite; about half an hour, 6 minutes with --quick
    #[arg(long)]
    pub all: bool,
    /// Print a JSON array with an object for each figure
    #[arg(long)]
    pub json: bool,
    /// Compare with what --json printed earlier: ratios, and what got worse
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  fastgw-bench cycles
  fastgw-bench cycles --pipeline esp-tunnel-encap --suite aes128gcm16 --size 64
  fastgw-bench cycles --pipeline 'gre.*-decap' --suite sha --json > before.json
  fastgw-bench cycles --pipeline 'gre.*-decap' --suite sha --baseline before.json
  fastgw-bench cycles --pipeline vti --sas 1,1000,100000 --flows 512,100000 --size 64
  fastgw-bench cycles --pipeline forward --routes 10,1000000
  fastgw-bench cycles --workers 2 --suite aes128gcm16";

fn size(text: &str) -> Result<usize, String> {
    let size = text.parse().map_err(|_| "not a number".to_owned())?;
    if (64..=1400).contains(&size) { Ok(size) } else { Err("not 64 to 1400 bytes".to_owned()) }
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Cycles(options) => cycles::run(&options),
        Command::Handshakes(options) => handshakes::run(&options),
        Command::Memory(options) => memory::run(&options),
        Command::Ospf(options) => ospf::run(&options),
        Command::Rekey(options) => rekey::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fastgw-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
