//! The command line: what an operator can ask of fastgw, and the help that teaches it.

use std::{path::PathBuf, time::Duration};

use clap::{Args, CommandFactory, Parser, Subcommand, error::ErrorKind};
use tracing_subscriber::filter::Targets;

use crate::{
    log,
    ospf::GRACE_MAX,
    show::{IkeAction, OspfAction, OspfPart, Section},
};

/// A command line that makes sense.
pub struct Cli {
    /// What to do.
    pub action: Action,
    /// What to log.
    pub log: Targets,
}

/// What to do.
#[derive(Debug)]
pub enum Action {
    /// Run the gateway.
    Run {
        /// Its configuration.
        config: PathBuf,
        /// Where to write at its end how long packets took.
        latency_report: Option<PathBuf>,
    },
    /// Check a configuration.
    Check {
        /// The configuration.
        file: PathBuf,
        /// Print JSON.
        json: bool,
    },
    /// Explain what each tunnel puts around a packet.
    Explain {
        /// The configuration.
        config: PathBuf,
        /// Print JSON.
        json: bool,
    },
    /// Show what a running gateway is doing.
    Show(Question),
    /// Have IKE do something with a peer.
    Ike(Order),
    /// Have OSPF do something.
    Ospf(OspfOrder),
    /// Feed captures to a gateway of its own.
    Offline(Replay),
}

/// What `fastgw show` is asked for.
#[derive(Args, Debug)]
pub struct Question {
    /// What to show; `summary` is all of it
    #[arg(value_enum, default_value_t)]
    pub section: Section,
    /// With `ospf`: which part of it
    #[arg(value_enum)]
    pub part: Option<OspfPart>,
    /// Print JSON: counters as plain numbers, the whole of every list
    #[arg(long)]
    pub json: bool,
    /// The gateway's control socket
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    pub socket: Option<PathBuf>,
    /// The configuration that the gateway runs with: it names the socket
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Ask again every so many seconds, until interrupted
    #[arg(long, value_name = "SECONDS", value_parser = interval)]
    pub watch: Option<Duration>,
}

/// What `fastgw ike` is to have done.
#[derive(Args, Debug)]
pub struct Order {
    /// What to do
    #[arg(value_enum)]
    pub action: IkeAction,
    /// The peer's name in the configuration
    pub peer: String,
    /// With `rekey`: new keys for the IKE SA, too
    #[arg(long)]
    pub ike: bool,
    /// The gateway's control socket
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    pub socket: Option<PathBuf>,
    /// The configuration that the gateway runs with: it names the socket
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What `fastgw ospf` is to have done.
#[derive(Args, Debug)]
pub struct OspfOrder {
    /// What to do
    #[arg(value_enum)]
    pub action: OspfAction,
    /// How long the restart takes at most: neighbours wait no longer
    #[arg(long, value_name = "SECONDS", default_value_t = 120,
          value_parser = clap::value_parser!(u64).range(1..=GRACE_MAX.as_secs()))]
    pub within: u64,
    /// The gateway's control socket
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    pub socket: Option<PathBuf>,
    /// The configuration that the gateway runs with: it names the socket
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What `fastgw offline` is asked for.
#[derive(Args, Debug)]
pub struct Replay {
    /// The configuration; each port needs its `addresses` in it
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// A capture (pcap) whose frames arrive at PORT
    #[arg(long = "in", value_name = "PORT=FILE", required = true, value_parser = port_file)]
    pub inputs: Vec<(String, PathBuf)>,
    /// Where to write the frames that leave by PORT; without it they are counted only
    #[arg(long = "out", value_name = "PORT=FILE", value_parser = port_file)]
    pub outputs: Vec<(String, PathBuf)>,
    /// Print the counters as JSON
    #[arg(long)]
    pub json: bool,
}

impl Cli {
    /// Reads the process's arguments. Prints help, version or what is wrong with them, and exits,
    /// where that is the answer.
    pub fn from_arguments() -> Self {
        Self::from(Arguments::parse()).unwrap_or_else(|error| error.exit())
    }

    fn from(arguments: Arguments) -> Result<Self, clap::Error> {
        let Arguments { config, latency_report, log, command } = arguments;
        let action = match (config, command) {
            (Some(config), None) => Action::Run { config, latency_report },
            (None, Some(Command::Check { file, json })) => Action::Check { file, json },
            (None, Some(Command::Explain { config, json })) => Action::Explain { config, json },
            (None, Some(Command::Show(question))) => {
                if question.part.is_some() && question.section != Section::Ospf {
                    let text = "only `show ospf` has parts: neighbor, interface, database, route";
                    return Err(Arguments::command().error(ErrorKind::ArgumentConflict, text));
                }
                Action::Show(question)
            }
            (None, Some(Command::Ike(order))) => Action::Ike(order),
            (None, Some(Command::Ospf(order))) => Action::Ospf(order),
            (None, Some(Command::Offline(replay))) => Action::Offline(replay),
            (Some(_), Some(_)) => {
                let text = "`--config` before a command runs the gateway: write it behind the \
                            command, or leave the command out";
                return Err(Arguments::command().error(ErrorKind::ArgumentConflict, text));
            }
            (None, None) => {
                let text = "say what to do: `--config FILE` runs the gateway";
                return Err(Arguments::command().error(ErrorKind::MissingSubcommand, text));
            }
        };
        Ok(Self { action, log })
    }
}

/// A VPN gateway for Linux on AF_XDP.
#[derive(Parser)]
#[command(
    name = "fastgw",
    version,
    arg_required_else_help = true,
    override_usage = "fastgw --config FILE [--latency-report FILE]\n       fastgw COMMAND",
    subcommand_value_name = "COMMAND",
    disable_help_subcommand = true,
    long_about = LONG_ABOUT,
    after_help = "`fastgw --help` has examples, where keys go, and exit codes.",
    after_long_help = AFTER_LONG_HELP,
)]
struct Arguments {
    /// Run the gateway that FILE describes, until SIGINT or SIGTERM; SIGHUP applies changes
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// When it stops, write to FILE how long packets took, as tables, or JSON for *.json
    #[arg(long, value_name = "FILE", requires = "config")]
    latency_report: Option<PathBuf>,
    /// What to log on standard error: error, warn, info, debug, trace, or MODULE=LEVEL,...
    #[arg(
        long,
        value_name = "LEVEL",
        global = true,
        env = "FASTGW_LOG",
        hide_env_values = true,
        default_value = log::DEFAULT,
        value_parser = log::parse,
    )]
    log: Targets,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Check a configuration and explain what the gateway would do with it
    #[command(after_long_help = AFTER_CHECK)]
    Check {
        /// The configuration
        file: PathBuf,
        /// Print the result as JSON on standard output, errors too
        #[arg(long)]
        json: bool,
    },
    /// Print each tunnel's headers, overhead and inner MTU
    #[command(after_long_help = AFTER_EXPLAIN)]
    Explain {
        /// The configuration
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
        /// Print JSON: an array with an object for each tunnel
        #[arg(long)]
        json: bool,
    },
    /// Show what a running gateway is doing: ports, tunnels, SAs, counters, latency
    #[command(after_long_help = AFTER_SHOW)]
    Show(Question),
    /// Negotiate with a peer, give it new keys, or end its SAs
    #[command(after_long_help = AFTER_IKE)]
    Ike(Order),
    /// Have OSPF's neighbours keep their routes over a restart
    #[command(after_long_help = AFTER_OSPF)]
    Ospf(OspfOrder),
    /// Feed captures to the gateway and write what it would send
    #[command(after_long_help = AFTER_OFFLINE)]
    Offline(Replay),
}

const LONG_ABOUT: &str = "\
A VPN gateway for Linux on AF_XDP.

It carries packets between the networks of a site and tunnels to other gateways: ESP by policy
(\"esp\") and by route (\"vti\"), and GRE to one peer or many (\"gre\", \"mgre\"), IP in IP
(\"ipip\") and L2TP (\"l2tp\") in clear or under ESP, over IPv4 and IPv6. The configuration names
the interfaces. Of what arrives there fastgw takes what belongs into or out of its tunnels; ssh, ARP
and all the rest stay with the kernel. When the process ends, however it ends, the interfaces are as
they were.";

const AFTER_LONG_HELP: &str = "\
Examples:
  fastgw check core.toml               What is wrong with it, or what it means. Needs no root.
  fastgw explain --config core.toml    What each tunnel puts around a packet. Needs no root.
  sudo fastgw --config core.toml       Run it. Ends with SIGINT (Ctrl-C) or SIGTERM.
  sudo kill -HUP PID                   Apply a changed file; unchanged tunnels are not touched.
  sudo fastgw show                     What the running gateway is doing.
  sudo fastgw show drops               Why packets went no further.
  sudo fastgw show tunnels --watch 1   The tunnels' counters, every second.
  sudo fastgw show ike                 Peers of IKE, and what has been negotiated with them.
  sudo fastgw show ospf neighbor       Neighbours of OSPF; also interface, database, route.
  sudo fastgw ike rekey site-b         New keys for the tunnels to a peer.
  sudo fastgw show latency             How long packets take in each stage, and from end to end.
  fastgw offline --config core.toml --in wan=a.pcap --out lan=b.pcap
                                       What the gateway makes of a capture. Needs no root.

Keys:
  A key is written in the configuration, `encryption_key = \"0x...\"`, or better in a file of its
  own, `encryption_key = \"file:keys/to-b.out\"`, sought in the configuration's folder. A key file
  that others can read is refused; a configuration with keys that others can read is warned of.
  To make a key of 36 bytes (aes256gcm16):
      (umask 077; openssl rand -hex 36 > keys/to-b.out)
  No key is ever logged, shown or quoted in a message.

Files:
  /run/fastgw/NAME.sock   The control socket, unless `control_socket` says otherwise; mode 0600.
  /run/fastgw/NAME.restart   What `fastgw ospf prepare-restart` leaves for the next process.
  --latency-report FILE   What `fastgw show latency` shows, and HdrHistogram's percentile tables
                          (.hgrm); *.json: what `fastgw show latency --json` shows. A file that is
                          there is replaced once the new one is whole.

Exit codes:
  0   done
  1   refused or failed; standard error says why
  2   the command line makes no sense";

const AFTER_CHECK: &str = "\
Reads the file and the key files it names, nothing else: no root, and the interfaces need not
exist. Errors quote the line and say what to write instead. A configuration with warnings is valid.

Examples:
  fastgw check core.toml
  fastgw check core.toml --json | jq '.diagnostics[] | {line, message, help}'

Exit codes: 0 valid, 1 refused, 2 the command line makes no sense.";

const AFTER_EXPLAIN: &str = "\
For each tunnel, and each peer of a tunnel with many: the headers in front of an inner packet, the
bytes around one of 60 bytes (an IPv4 echo request with 32 bytes of data) with the configured suite,
how many more that is than ESP tunnel mode, and the largest inner packet over a link of 1500 bytes.
The figures come from the tables that the gateway runs with. Needs no root.

Examples:
  fastgw explain --config gre-ipsec.toml
  fastgw explain --config gre-ipsec.toml --json | jq '.[] | {tunnel, overhead, inner_mtu}'

Exit codes: 0 explained, 1 refused, 2 the command line makes no sense.";

const AFTER_SHOW: &str = "\
Without --socket and --config it asks the only gateway that has a socket in /run/fastgw. The socket
is open to the user who started the gateway, so most often this needs root. Keys are never shown.

Examples:
  sudo fastgw show
  sudo fastgw show drops
  sudo fastgw show ports --watch 1
  sudo fastgw show latency --json | jq .latency.total.end_to_end.p99_ns
  sudo fastgw show sas --config core.toml
  sudo fastgw show --json | jq '.tunnels[] | select(.state != \"up\") | .name'

With --json and --watch each answer is one line.

Latency is that of sampled batches, at most one in 0.1 ms for each worker: from the moment that the
packets of a batch are out of the receive ring until they are in the transmit ring and the kernel
has been told. A packet takes as long as its batch. How long it lay in the receive ring before is
not known. \"arrival\" checks headers, \"route\" looks up, \"open\" decrypts, \"decap\" takes clear
tunnels off, \"encap\" fragments, encrypts and puts outer headers on, \"emit\" puts Ethernet on,
\"wait\" is for other ports' batches of the same turn, \"transmit\" hands over to the kernel;
\"end_to_end\" is the sum. Values have two significant digits and end at 1.07 s.

Exit codes: 0 shown, 1 no gateway answers, 2 the command line makes no sense.";

const AFTER_IKE: &str = "\
Returns as soon as the running gateway has begun; what comes of it is in its log and in
`fastgw show ike`.

Examples:
  sudo fastgw ike initiate site-b
  sudo fastgw ike rekey site-b --ike
  sudo fastgw ike terminate site-b --config core.toml

Exit codes: 0 begun, 1 no gateway answers or it has no such peer, 2 the command line makes no
sense.";

const AFTER_OSPF: &str = "\
prepare-restart asks every neighbour to go on as if the gateway were there (graceful restart,
RFC 3623), and returns when all have acknowledged it. Who then stops the gateway and starts it again
in time, with another version or configuration perhaps, leaves the routes of all other routers as
they are. What they send here is lost until the new gateway has heard from them, a second or two; on
ports the kernel carries it meanwhile, where `kernel_routes` is set and it forwards. Neighbours must
allow it: in FRR `graceful-restart helper enable`, in IOS it is the default. cancel-restart takes it
back.

Examples:
  sudo fastgw ospf prepare-restart && sudo systemctl restart fastgw
  sudo fastgw ospf prepare-restart --within 30 --config core.toml

Exit codes: 0 all neighbours have acknowledged, 1 no gateway answers, it has no OSPF, or a neighbour
has not, 2 the command line makes no sense.";

const AFTER_OFFLINE: &str = "\
Runs the same pipelines as the gateway, on files: no root, no interfaces, and the same result each
time. Every neighbour answers at once. Prints the counters at the end. To be the same each time it
uses no randomness, so what it writes is for study and not to be sent.

Examples:
  fastgw offline --config core.toml --in wan=encrypted.pcap --out lan=clear.pcap
  fastgw offline --config core.toml --in lan=clear.pcap --out wan=encrypted.pcap --json

Exit codes: 0 done, 1 a file was refused or could not be written, 2 the command line makes no
sense.";

/// `PORT=FILE`.
fn port_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((port, file)) if !port.is_empty() && !file.is_empty() => {
            Ok((port.to_owned(), PathBuf::from(file)))
        }
        _ => Err("write PORT=FILE, such as wan=a.pcap".to_owned()),
    }
}

/// Seconds, possibly with a fraction: at least a tenth, at most a day.
fn interval(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "write a number of seconds".to_owned())?;
    if !(0.1..=86_400.0).contains(&seconds) {
        return Err("write 0.1 to 86400 seconds".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Action, ErrorKind> {
        let words = std::iter::once("fastgw").chain(arguments.iter().copied());
        let cli = Arguments::try_parse_from(words).and_then(Cli::from);
        cli.map(|cli| cli.action).map_err(|error| error.kind())
    }

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_configuration_alone_runs_the_gateway() {
        for words in [["--config", "a.toml"], ["-c", "a.toml"]] {
            let Ok(Action::Run { config, latency_report }) = parsed(&words) else {
                panic!("{words:?}")
            };
            assert_eq!((config, latency_report), (PathBuf::from("a.toml"), None));
        }
    }

    #[test]
    fn a_latency_report_is_that_of_a_gateway() {
        let words = ["--config", "a.toml", "--latency-report", "r.json"];
        let Ok(Action::Run { latency_report, .. }) = parsed(&words) else { panic!() };
        assert_eq!(latency_report, Some(PathBuf::from("r.json")));
        for rest in [&[][..], &["show"], &["check", "a.toml"]] {
            let words = [&["--latency-report", "r.json"], rest].concat();
            assert_eq!(parsed(&words).unwrap_err(), ErrorKind::MissingRequiredArgument);
        }
    }

    #[test]
    fn a_configuration_before_a_command_is_refused_instead_of_ignored() {
        let words = ["--config", "a.toml", "check", "b.toml"];
        assert_eq!(parsed(&words).unwrap_err(), ErrorKind::ArgumentConflict);
        assert_eq!(parsed(&["--log", "debug"]).unwrap_err(), ErrorKind::MissingSubcommand);
    }

    #[test]
    fn show_without_a_section_is_a_summary() {
        let Ok(Action::Show(question)) = parsed(&["show", "--watch", "0.5"]) else { panic!() };
        assert_eq!(question.section, Section::Summary);
        assert_eq!(question.watch, Some(Duration::from_millis(500)));
        let Ok(Action::Show(question)) = parsed(&["show", "sas", "--config", "a"]) else {
            panic!()
        };
        assert_eq!(question.section, Section::Sas);
        for wrong in ["0", "-1", "nan", "inf", "x", "1e9"] {
            let watch = format!("--watch={wrong}");
            let kind = parsed(&["show", &watch]).unwrap_err();
            assert_eq!(kind, ErrorKind::ValueValidation, "{wrong}");
        }
        let both = ["show", "--socket", "a", "--config", "b"];
        assert_eq!(parsed(&both).unwrap_err(), ErrorKind::ArgumentConflict);
    }

    #[test]
    fn captures_belong_to_ports() {
        let words = ["offline", "-c", "a", "--in", "wan=x=y.pcap", "--in", "lan=b", "--out", "c=d"];
        let Ok(Action::Offline(replay)) = parsed(&words) else { panic!() };
        let pair = |port: &str, file: &str| (port.to_owned(), PathBuf::from(file));
        assert_eq!(replay.inputs, [pair("wan", "x=y.pcap"), pair("lan", "b")]);
        assert_eq!(replay.outputs, [pair("c", "d")]);
        for wrong in ["wan", "wan=", "=a.pcap"] {
            let kind = parsed(&["offline", "-c", "a", "--in", wrong]).unwrap_err();
            assert_eq!(kind, ErrorKind::ValueValidation, "{wrong}");
        }
        let kind = parsed(&["offline", "-c", "a"]).unwrap_err();
        assert_eq!(kind, ErrorKind::MissingRequiredArgument);
    }

    #[test]
    fn help_fits_into_100_columns() {
        for name in [
            None,
            Some("check"),
            Some("explain"),
            Some("show"),
            Some("ike"),
            Some("ospf"),
            Some("offline"),
        ] {
            let mut command = Arguments::command();
            let command = match name {
                Some(name) => command.find_subcommand_mut(name).unwrap(),
                None => &mut command,
            };
            for line in command.render_long_help().to_string().lines() {
                assert!(line.chars().count() <= 100, "{line}");
            }
        }
    }
}
