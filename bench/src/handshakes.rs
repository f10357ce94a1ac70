//! `fastgw-bench handshakes`: what an IKE SA with its first child costs either end, and what it
//! takes in memory.

use std::error::Error;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use allocation_counter::measure;
use engine::{Seeded, UnixTime};
use ike::output::{Datagram, Event, Input, Output, Path};
use ike::{Ike, Settings};
use serde::Serialize;

use crate::cli::Handshakes;
use crate::progress::Progress;

/// Peers whose memory is counted.
const PEERS: u32 = 1000;
/// What an established peer may take, bytes: `charon` takes 12.4 KiB.
const LIMIT: f64 = 8192.0;
const INITIATOR: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
const RESPONDER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2));

/// What the ends show each other and agree by.
const KINDS: [(&str, &str); 4] =
    [("psk", "x25519"), ("psk", "ecp256"), ("psk", "modp2048"), ("ecdsa256", "x25519")];
/// A certificate that both ends have, and its key.
const CERTIFICATE: &str = include_str!("../../configs/ikev2-certificates.toml");

/// What one kind of handshake costs.
#[derive(Debug, Serialize)]
struct Cost {
    auth: &'static str,
    group: &'static str,
    /// Milliseconds of the end that answers: half of all handshakes took less.
    responder_ms: f64,
    /// Of the end that calls.
    initiator_ms: f64,
    /// What one processor could answer.
    responder_per_s: f64,
    /// What one processor could begin.
    initiator_per_s: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    costs: Vec<Cost>,
    /// Bytes of a responder's memory for each peer with a child.
    bytes_per_peer: f64,
    limit: f64,
}

pub(crate) fn run(options: &Handshakes) -> Result<(), Box<dyn Error>> {
    let mut progress = Progress::new(KINDS.len() + 1);
    let mut costs = Vec::new();
    for (auth, group) in KINDS {
        progress.begin(&format!("{auth} {group}"));
        costs.push(cost(auth, group, options.count)?);
    }
    progress.begin("memory");
    let bytes_per_peer = bytes_per_peer()?;
    progress.clear();
    let report = Report { costs, bytes_per_peer, limit: LIMIT };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn cost(auth: &'static str, group: &'static str, count: u32) -> Result<Cost, String> {
    let mut times = [Vec::new(), Vec::new()];
    for number in 0..count {
        // Certificates name one peer: to an old responder each would be that one once more.
        let mut responder = End::responder(auth, group)?;
        let mut initiator = End::initiator(auth, group, number)?;
        shake(&mut initiator, &mut responder)?;
        times[0].push(initiator.take_busy());
        times[1].push(responder.take_busy());
    }
    let [initiator_ms, responder_ms] = times.map(|times| median(times).as_secs_f64() * 1e3);
    Ok(Cost {
        auth,
        group,
        responder_ms,
        initiator_ms,
        responder_per_s: 1e3 / responder_ms,
        initiator_per_s: 1e3 / initiator_ms,
    })
}

/// What a responder grows by for each peer that stays.
fn bytes_per_peer() -> Result<f64, String> {
    let (auth, group) = KINDS[0];
    let mut responder = End::responder(auth, group)?;
    let mut outcome = Ok(());
    let grown = measure(|| {
        for number in 0..PEERS {
            let shaken = End::initiator(auth, group, number)
                .and_then(|mut initiator| shake(&mut initiator, &mut responder));
            if shaken.is_err() {
                outcome = shaken;
                return;
            }
        }
    });
    outcome?;
    let sas = responder.ike.status().len();
    if sas != PEERS as usize {
        return Err(format!("{sas} IKE SAs of {PEERS} peers"));
    }
    black_box(&responder);
    Ok(grown.bytes_current as f64 / f64::from(PEERS))
}

/// One handshake, from the order to call until the child can be used both ways.
fn shake(initiator: &mut End, responder: &mut End) -> Result<(), String> {
    let before = responder.up;
    initiator.told(Input::Initiate { peer: "peer".into() });
    // Cookies, other groups and two exchanges: more rounds than these mean that it does not end.
    for _ in 0..10 {
        let calls = initiator.outbox();
        for datagram in &calls {
            responder.receives(datagram);
        }
        let answers = responder.outbox();
        for datagram in &answers {
            initiator.receives(datagram);
        }
        if calls.is_empty() && answers.is_empty() {
            break;
        }
    }
    if initiator.up == 1 && responder.up == before + 1 {
        return Ok(());
    }
    Err(format!("no handshake: {} {}", initiator.log.join("; "), responder.log.join("; ")))
}

/// One end: an engine, how long it has been at work, and how many children it has put to use.
struct End {
    ike: Ike,
    busy: Duration,
    up: u32,
    log: Vec<String>,
}

impl End {
    fn responder(auth: &str, group: &str) -> Result<Self, String> {
        let mine = if auth == "psk" { "hub.example.org" } else { "a.example.org" };
        let theirs = if auth == "psk" { "*.branch.example.org" } else { "a.example.org" };
        let peer = format!("remote = \"any\"\nlocal_id = \"{mine}\"\nremote_id = \"{theirs}\"");
        Self::new([RESPONDER, INITIATOR], auth, group, &peer, 0)
    }

    fn initiator(auth: &str, group: &str, number: u32) -> Result<Self, String> {
        let hub = if auth == "psk" { "hub.example.org" } else { "a.example.org" };
        let mine = if auth == "psk" {
            format!("{number}.branch.example.org")
        } else {
            "a.example.org".to_owned()
        };
        let peer =
            format!("remote = \"{RESPONDER}\"\nlocal_id = \"{mine}\"\nremote_id = \"{hub}\"");
        Self::new([INITIATOR, RESPONDER], auth, group, &peer, number + 1)
    }

    fn new(
        [local, remote]: [IpAddr; 2],
        auth: &str,
        group: &str,
        peer: &str,
        number: u32,
    ) -> Result<Self, String> {
        let proof = if auth == "psk" { "psk = \"a secret of both\"" } else { certificate()? };
        let calls = peer.contains(&format!("\"{remote}\""));
        let far = if calls { format!("remote = \"{remote}\"\n") } else { String::new() };
        let text = format!(
            "[[port]]\nname = \"lan\"\ndevice = \"lan0\"\nrole = \"inside\"\n\
             [[port]]\nname = \"wan\"\ndevice = \"wan0\"\nrole = \"outside\"\n\
             [[ike]]\nname = \"peer\"\nlocal = \"{local}\"\n{peer}\n{proof}\n\
             proposals = [\"aes128gcm16-prfsha256-{group}\"]\n\
             [[tunnel]]\nname = \"net\"\nkind = \"vti\"\nlocal = \"{local}\"\n{far}\
             [tunnel.ike]\npeer = \"peer\"\nstart = \"never\"\nproposals = [\"aes128gcm16\"]\n\
             local_subnets = [\"10.0.0.0/8\"]\nremote_subnets = [\"10.0.0.0/8\"]\n"
        );
        let config =
            config::parse("bench.toml", &text, ".").map_err(|report| report.to_string())?;
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        // A stranger's cookie is not what is measured, and a thousand must fit.
        let settings = Settings { cookie_threshold: usize::MAX, ..Settings::default() };
        let mut ike = Ike::new(settings, Box::new(Seeded::new(seed)));
        ike.configure(NOW, wall(), config.ike_peers);
        Ok(Self { ike, busy: Duration::ZERO, up: 0, log: Vec::new() })
    }

    fn told(&mut self, input: Input) {
        let begin = Instant::now();
        self.ike.handle_input(NOW, wall(), input);
        self.busy += begin.elapsed();
    }

    fn receives(&mut self, datagram: &Datagram) {
        let path = Path { local: datagram.path.remote, remote: datagram.path.local };
        let begin = Instant::now();
        self.ike.handle_datagram(NOW, wall(), path, &datagram.message);
        self.busy += begin.elapsed();
    }

    /// What it wants to send; what else it says is noted.
    fn outbox(&mut self) -> Vec<Datagram> {
        let mut datagrams = Vec::new();
        loop {
            let begin = Instant::now();
            let output = self.ike.poll_output();
            self.busy += begin.elapsed();
            match output {
                Some(Output::Transmit(datagram)) => datagrams.push(datagram),
                Some(Output::Event(Event::InstallOutbound(_))) => self.up += 1,
                Some(Output::Event(Event::Log { text, .. })) => {
                    // The last few say why it did not work.
                    self.log.truncate(4);
                    self.log.insert(0, text);
                }
                Some(Output::Event(_)) => {}
                None => return datagrams,
            }
        }
    }

    fn take_busy(&mut self) -> Duration {
        std::mem::take(&mut self.busy)
    }
}

/// The engines' clock stands still: nothing here is to come late.
const NOW: engine::Instant = engine::Instant(1_000_000_000);

fn wall() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

/// The lines of the example that make up an end's proof.
fn certificate() -> Result<&'static str, String> {
    let begin = CERTIFICATE.find("auth = \"certificate\"").ok_or("an example that has changed")?;
    let end = CERTIFICATE.find("[[tunnel]]").ok_or("an example that has changed")?;
    CERTIFICATE.get(begin..end).ok_or_else(|| "an example that has changed".to_owned())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn print(report: &Report) {
    println!("IKEv2 handshakes with a child, medians of one core\n");
    println!(
        "{:<12}{:<12}{:>14}{:>14}{:>16}{:>16}",
        "proof", "exchange", "responder ms", "initiator ms", "responder /s", "initiator /s"
    );
    for cost in &report.costs {
        let Cost { auth, group, responder_ms, initiator_ms, .. } = cost;
        println!(
            "{auth:<12}{group:<12}{responder_ms:>14.3}{initiator_ms:>14.3}{:>16.0}{:>16.0}",
            cost.responder_per_s, cost.initiator_per_s
        );
    }
    let above = if report.bytes_per_peer > report.limit { ", above the limit" } else { "" };
    println!(
        "\n{:.0} bytes for each established peer; limit: {}{above}",
        report.bytes_per_peer, report.limit
    );
}
