//! `fastgw-bench rekey`: new keys for every tunnel while all of them carry packets, without losing
//! one.
//!
//! Two gateways in one process, each with the engine, the bridge, the tables and the worker of the
//! running one. All their tunnels get keys by IKEv2, hosts on both sides send through all of them
//! without a pause, and the hub has every child SA made anew. Each packet is numbered and looked
//! for on the other side.

mod plan;
mod road;
mod site;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ike::output::{Datagram, Input};
use serde::Serialize;
use tables::{DropReason, Protection};

pub use self::plan::Plan;
use self::plan::Side;
use self::road::Road;
use self::site::Site;
use crate::cli::Rekey;
use crate::progress::Progress;

/// How many child SAs are negotiated at a time when the tunnels come up.
const AT_A_TIME: u32 = 64;
/// A turn in virtual time.
const TURN: Duration = Duration::from_millis(10);
/// Turns after which nothing more is expected to happen: replaced SAs drain for seconds.
const TURNS_MAX: u32 = 1_000_000;
/// Wall clock after which nothing more is expected to happen.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How long hosts and workers rest after each turn: control is to have a share of a machine that is
/// busy with something else.
const REST: Duration = Duration::from_micros(200);

/// What rekeying took, and what it did to the traffic.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Peers, each with an IKE SA.
    pub peers: u32,
    /// Tunnels, each with a pair of child SAs.
    pub tunnels: u32,
    /// Tunnels that were being rekeyed at a time, at most, if there are not more with one peer.
    pub at_a_time: u32,
    /// From the first request until the last pair was in use on both sides, seconds.
    pub seconds: f64,
    /// Processor time of the hub's control thread for each new pair, microseconds: it asks for
    /// them. Until the old pair has been removed, all in.
    pub hub_us: f64,
    /// Of the branches' control thread, which answers.
    pub branches_us: f64,
    /// Snapshots of its tables that the hub published for each new pair.
    pub hub_snapshots: f64,
    /// Packets that hosts sent, from shortly before until shortly after.
    pub sent: u64,
    /// Packets of them that did not arrive, or not in order.
    pub lost: u64,
    /// Packets that workers dropped, for whichever reason, both gateways together.
    pub dropped: u64,
    /// Tunnels that send or receive by the SPI that they had before, or by more than one pair.
    pub unchanged: u32,
}

pub(crate) fn run(options: &Rekey) -> Result<(), Box<dyn Error>> {
    let mut outcomes = Vec::new();
    let mut progress = Progress::new(options.tunnels.len() * (1 + options.at_a_time.len()));
    for tunnels in &options.tunnels {
        let peers = options.peers.unwrap_or(*tunnels).min(*tunnels);
        if tunnels % peers != 0 {
            return Err(
                format!("{tunnels} tunnels are not the same number for {peers} peers").into()
            );
        }
        let plan = Plan { peers, tunnels_each: tunnels / peers };
        progress.begin(&format!("{} tunnels come up", plan.tunnels()));
        let net = Net::connected(plan)?;
        let road = Road::new(&plan, &net.sites);
        let mut running = (net, road);
        for at_a_time in &options.at_a_time {
            progress.begin(&format!("{} tunnels, {at_a_time} at a time", plan.tunnels()));
            outcomes.push(live(&mut running, *at_a_time)?);
        }
    }
    progress.clear();
    if options.json {
        println!("{}", serde_json::to_string_pretty(&outcomes)?);
    } else {
        print(&outcomes);
    }
    let failed = outcomes.iter().any(|it| (it.lost, it.dropped, it.unchanged) != (0, 0, 0));
    if failed { Err("packets were lost or keys are old".into()) } else { Ok(()) }
}

/// Rekeys in virtual time, everything in one thread and in a fixed order.
///
/// # Errors
/// Something that should be negotiated is not, in words.
pub fn stepped(plan: Plan, at_a_time: u32) -> Result<Outcome, String> {
    let mut net = Net::connected(plan)?;
    let mut road = Road::new(&plan, &net.sites);
    let mut now = TURN;
    let mut turn = |net: &mut Net| {
        now += TURN;
        road.turn(now.as_nanos() as u64);
        net.turn(engine::Instant(now.as_nanos() as u64));
    };
    // Every pair is in use before it is replaced.
    (0..4 * plan.tunnels() / AT_A_TIME + 100).for_each(|_| turn(&mut net));
    let before = net.begin();
    let seconds = net.rekey(at_a_time, turn)?;
    let count = road.settle(0);
    Ok(net.outcome(at_a_time, &before, seconds, count))
}

/// Rekeys by the wall clock, with a thread for control and one for the workers.
fn live((net, road): &mut (Net, Road), at_a_time: u32) -> Result<Outcome, String> {
    let (start, from) = (Instant::now(), net.now() + TURN);
    let now_ns = move || (from + start.elapsed()).0;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stop = &stop;
        let workers = scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                road.turn(now_ns());
                std::thread::sleep(REST);
            }
            road.settle(now_ns())
        });
        let turn = |net: &mut Net| {
            if !net.turn(engine::Instant(now_ns())) {
                std::thread::yield_now();
            }
        };
        // Every pair is in use before it is replaced.
        while start.elapsed() < Duration::from_secs(1) {
            turn(net);
        }
        let before = net.begin();
        let seconds = net.rekey(at_a_time, turn);
        stop.store(true, Ordering::Relaxed);
        let count = workers.join().map_err(|_| "the workers' thread has panicked")?;
        Ok(net.outcome(at_a_time, &before, seconds?, count))
    })
}

/// The control sides of both gateways.
struct Net {
    plan: Plan,
    sites: [Site; 2],
    on_the_way: [Vec<Datagram>; 2],
}

/// The SPIs that a gateway receives by and sends by, by tunnel.
type Spis = BTreeMap<usize, (BTreeSet<u32>, Option<u32>)>;

impl Net {
    /// All tunnels have their first pair.
    fn connected(plan: Plan) -> Result<Self, String> {
        let sites = [Site::new(&plan, Side::Hub)?, Site::new(&plan, Side::Branches)?];
        let mut net = Self { plan, sites, on_the_way: [Vec::new(), Vec::new()] };
        let mut asked = 0;
        for _ in 0..TURNS_MAX {
            while asked < plan.peers && asked * plan.tunnels_each < net.up() + AT_A_TIME {
                let peer = Plan::peer_name(asked).into();
                net.sites[0].tell(Input::Initiate { peer });
                asked += 1;
            }
            if net.up() == plan.tunnels() {
                return Ok(net);
            }
            net.turn(BEGIN);
            net.check()?;
        }
        Err(format!("{} of {} tunnels are up", net.up(), plan.tunnels()))
    }

    /// A turn of both control threads; messages arrive with the next one. False when neither had
    /// anything to do.
    fn turn(&mut self, now: engine::Instant) -> bool {
        let [hub, branches] = &mut self.sites;
        let [to_hub, to_branches] = &mut self.on_the_way;
        hub.deliver(std::mem::take(to_hub));
        branches.deliver(std::mem::take(to_branches));
        let busy = [hub.turn(now), branches.turn(now)];
        *to_branches = hub.take_outbox();
        *to_hub = branches.take_outbox();
        busy != [false; 2]
    }

    /// The time as of the last turn.
    fn now(&self) -> engine::Instant {
        self.sites[0].now
    }

    /// Pairs that both have sent through.
    fn up(&self) -> u32 {
        self.sites[0].up.min(self.sites[1].up)
    }

    fn check(&self) -> Result<(), String> {
        let complaints = self.sites.iter().flat_map(|site| &site.complaints);
        let complaints: Vec<&str> = complaints.map(String::as_str).collect();
        if complaints.is_empty() { Ok(()) } else { Err(complaints.join("; ")) }
    }

    /// What both have before they rekey; what they do is counted from here on.
    fn begin(&mut self) -> [Spis; 2] {
        for site in &mut self.sites {
            (site.up, site.gone, site.published) = (0, 0, 0);
            site.busy = Duration::ZERO;
            site.dropped = drops(site);
        }
        self.spis()
    }

    /// The hub asks for new pairs, as many at a time; `turn` has everybody take a turn. How long it
    /// was until all were in use.
    fn rekey(&mut self, at_a_time: u32, mut turn: impl FnMut(&mut Self)) -> Result<f64, String> {
        let (start, tunnels, each) = (Instant::now(), self.plan.tunnels(), self.plan.tunnels_each);
        let (mut asked, mut seconds) = (0, None);
        let over = |net: &Self| net.sites.iter().all(|site| site.gone == tunnels);
        while !over(self) {
            while asked < self.plan.peers && asked * each < self.up() + at_a_time {
                let peer = Plan::peer_name(asked).into();
                self.sites[0].tell(Input::Rekey { peer, ike: false });
                asked += 1;
            }
            turn(self);
            self.check()?;
            if seconds.is_none() && self.up() == tunnels {
                seconds = Some(start.elapsed().as_secs_f64());
            }
            if start.elapsed() > PATIENCE {
                let gone = self.sites.each_ref().map(|site| site.gone);
                return Err(format!("{} of {tunnels} have new keys, {gone:?} went", self.up()));
            }
        }
        seconds.ok_or_else(|| format!("{} of {tunnels} tunnels have new keys", self.up()))
    }

    fn spis(&self) -> [Spis; 2] {
        self.sites.each_ref().map(|site| {
            let tables = site.tables();
            let mut spis = Spis::new();
            for entry in tables.sad.entries() {
                let inbound = &mut spis.entry(entry.tunnel.0 as usize).or_default().0;
                inbound.insert(entry.sa.spi());
            }
            for (n, tunnel) in tables.tunnels.iter().enumerate() {
                if let Protection::Esp(Some(sa)) = &tunnel.protection {
                    spis.entry(n).or_default().1 = Some(sa.spi());
                }
            }
            spis
        })
    }

    fn outcome(
        &self,
        at_a_time: u32,
        before: &[Spis; 2],
        seconds: f64,
        count: road::Count,
    ) -> Outcome {
        let tunnels = self.plan.tunnels();
        let after = self.spis();
        let is_new = |side: usize, n: usize| {
            let (old, new) = (before[side].get(&n)?, after[side].get(&n)?);
            let sends = old.1.is_some() && new.1.is_some() && old.1 != new.1;
            Some(sends && new.0.len() == 1 && old.0.is_disjoint(&new.0))
        };
        let new = |n: &usize| (0..2).all(|side| is_new(side, *n) == Some(true));
        let unchanged = (0..tunnels as usize).filter(|n| !new(n)).count() as u32;
        let [hub, branches] = &self.sites;
        let us = |site: &Site| site.busy.as_secs_f64() * 1e6 / f64::from(tunnels);
        Outcome {
            peers: self.plan.peers,
            tunnels,
            at_a_time,
            seconds,
            hub_us: us(hub),
            branches_us: us(branches),
            hub_snapshots: f64::from(hub.published) / f64::from(tunnels),
            sent: count.sent,
            lost: count.lost,
            dropped: drops(hub) - hub.dropped + drops(branches) - branches.dropped,
            unchanged,
        }
    }
}

/// Packets that a gateway's worker has dropped, for whichever reason.
fn drops(site: &Site) -> u64 {
    DropReason::ALL.iter().map(|reason| site.counters.drops(*reason)).sum()
}

/// The time while tunnels come up: nothing is to come late.
const BEGIN: engine::Instant = engine::Instant(1_000_000);

fn print(outcomes: &[Outcome]) {
    println!("New keys for all tunnels while they carry packets both ways\n");
    println!(
        "{:>8}{:>8}{:>11}{:>9}{:>10}{:>13}{:>11}{:>12}{:>6}{:>9}",
        "tunnels",
        "peers",
        "at a time",
        "seconds",
        "hub us",
        "branches us",
        "snapshots",
        "packets",
        "lost",
        "dropped"
    );
    for outcome in outcomes {
        let Outcome { tunnels, peers, at_a_time, seconds, .. } = outcome;
        let Outcome { hub_us, branches_us, hub_snapshots, sent, lost, dropped, .. } = outcome;
        println!(
            "{tunnels:>8}{peers:>8}{at_a_time:>11}{seconds:>9.2}{hub_us:>10.1}{branches_us:>13.1}\
             {hub_snapshots:>11.2}{sent:>12}{lost:>6}{dropped:>9}"
        );
    }
    println!(
        "\nus: processor time of the control thread for each tunnel, of the end that asks and the \
         end that answers;\nsnapshots: tables that the hub published for each tunnel"
    );
}
