//! What is looked at in each row.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tests::{gateway::Gateway, netns::Netns, process::wait_for};

use crate::{
    cases::{Case, Twist},
    lab::{BEHIND_FRR, Lab},
};

pub type Outcome = Result<String, String>;

/// fastgw and its neighbour on one link.
pub trait Ends {
    fn gateway(&self) -> &Gateway;
    /// The host behind fastgw.
    fn host(&self) -> &Netns;
    /// The state in which the neighbour has fastgw, or what it says instead.
    fn state_of_us(&self) -> String;
    /// What the neighbour's OSPF has routes to.
    fn prefixes(&self) -> BTreeSet<String>;
}

/// How long an adjacency, or a routing table, may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How long refused packets are sent in vain.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// Half of the dead interval of the row whose path fails: hellos would not tell before twice that.
const DEAD_UNHEARD: Duration = Duration::from_secs(15);

/// Asks until the answer is good; the last complaint, if it never is.
pub fn eventually(mut ask: impl FnMut() -> Outcome) -> Outcome {
    let start = Instant::now();
    loop {
        match ask() {
            Err(_) if start.elapsed() < LIMIT => thread::sleep(Duration::from_millis(200)),
            outcome => return outcome,
        }
    }
}

fn list(value: &Value) -> Vec<&Value> {
    value.as_array().map(|all| all.iter().collect()).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Both sides say that they are full, in the roles that they should have.
pub fn adjacency(lab: &impl Ends, case: &Case) -> Outcome {
    if let Some(reason) = case.refuses {
        return refusal(lab, reason);
    }
    eventually(|| {
        let status = lab.gateway().show();
        let neighbors = list(&status["ospf"]["neighbors"]);
        let [neighbor] = neighbors[..] else {
            return Err(format!("fastgw has {} neighbours", neighbors.len()));
        };
        let lan = list(&status["ospf"]["interfaces"])
            .into_iter()
            .find(|interface| interface["name"] == "lan")
            .map(|interface| text(&interface["state"]).to_owned());
        let ours = (lan.unwrap_or_default(), text(&neighbor["role"]).to_owned());
        if neighbor["state"] != "Full" {
            return Err(format!("fastgw says {}", neighbor["state"]));
        }
        let theirs = lab.state_of_us();
        if !theirs.starts_with("Full") {
            return Err(format!("fastgw says Full, the neighbour says {theirs}"));
        }
        let (wanted, wanted_theirs) = case.roles;
        if ours != (wanted.to_owned(), wanted_theirs.to_owned()) {
            return Err(format!("roles are {ours:?} and not {:?}", case.roles));
        }
        Ok("full".to_owned())
    })
}

fn refusal(lab: &impl Ends, reason: &str) -> Outcome {
    eventually(|| match lab.gateway().log().matches(reason).count() {
        0 => Err(format!("the log does not say {reason:?}")),
        _ => Ok(String::new()),
    })?;
    thread::sleep(REFUSED_FOR);
    let status = lab.gateway().show();
    let neighbors = list(&status["ospf"]["neighbors"]);
    if neighbors.iter().any(|neighbor| neighbor["state"] == "Full") {
        return Err("the neighbour is full all the same".to_owned());
    }
    match lab.gateway().log().matches(reason).count() {
        1 => Ok("refused, once".to_owned()),
        count => Err(format!("the log says {reason:?} {count} times")),
    }
}

/// Each learns what the other has, of the type that it should be, and their tables agree.
pub fn routes(lab: &impl Ends, case: &Case) -> Outcome {
    if case.refuses.is_some() {
        return Ok("none".to_owned());
    }
    eventually(|| {
        let status = lab.gateway().show_section("ospf");
        let ours: BTreeMap<String, String> = list(&status["ospf"]["routes"])
            .into_iter()
            .map(|route| (text(&route["prefix"]).to_owned(), text(&route["kind"]).to_owned()))
            .collect();
        for (prefix, kind) in case.learns {
            if ours.get(*prefix).map(String::as_str) != Some(*kind) {
                return Err(format!("fastgw has {:?} for {prefix}", ours.get(*prefix)));
            }
        }
        let theirs = lab.prefixes();
        for prefix in case.tells.iter().chain(&["10.2.0.0/24"]) {
            if !theirs.contains(*prefix) {
                return Err(format!("the neighbour lacks {prefix}"));
            }
        }
        agree(case, &ours.keys().cloned().collect(), &theirs)
    })
}

/// What one knows and the other does not must be what is told to others only.
fn agree(case: &Case, ours: &BTreeSet<String>, theirs: &BTreeSet<String>) -> Outcome {
    let told: BTreeSet<&str> = case.tells.iter().copied().collect();
    let heard: BTreeSet<&str> =
        case.learns.iter().filter(|(_, kind)| *kind != "N").map(|(prefix, _)| *prefix).collect();
    let is_host = |prefix: &&String| prefix.ends_with("/32");
    let only_ours: Vec<&String> = ours
        .difference(theirs)
        .filter(|prefix| !heard.contains(prefix.as_str()) && !is_host(prefix))
        .collect();
    let only_theirs: Vec<&String> = theirs
        .difference(ours)
        .filter(|prefix| !told.contains(prefix.as_str()) && !is_host(prefix))
        .collect();
    if only_ours.is_empty() && only_theirs.is_empty() {
        Ok(format!("{} agree", ours.intersection(theirs).count()))
    } else {
        Err(format!("only fastgw has {only_ours:?}, only the neighbour has {only_theirs:?}"))
    }
}

/// No packet is lost while FRR's ospfd is gone, for longer than its silence is suffered otherwise,
/// and until it is back.
fn frr_restarts_gracefully(lab: &Lab) -> Outcome {
    let neighbor = || lab.gateway.show()["ospf"]["neighbors"][0].clone();
    let mut pings = lab.host.spawn(&format!("ping -n -q -i 0.05 -W 2 {BEHIND_FRR}"));
    lab.frr.prepare_restart()?;
    eventually(|| match neighbor()["restarting"].as_bool() {
        Some(true) => Ok(String::new()),
        _ => Err("fastgw does not wait for FRR".to_owned()),
    })?;
    lab.frr.end_ospfd(&lab.router);
    eventually(|| match lab.gateway.log().matches("10.3.0.1 has restarted").count() {
        1 => Ok(String::new()),
        _ => Err(format!("FRR has not come back: {}", neighbor())),
    })?;
    thread::sleep(Duration::from_secs(1));
    pings.signal("INT");
    wait_for("end of the pings", Duration::from_secs(5), || pings.ended());
    match pings.log().contains(" 0% packet loss") {
        true => Ok(String::new()),
        false => Err(pings.log()),
    }
}

/// FRR has the route to what is behind fastgw, all this time.
fn keeps_route(lab: &Lab, time: Duration) -> Outcome {
    let start = Instant::now();
    loop {
        let theirs = lab.frr.show("ip ospf route");
        if theirs["10.2.0.0/24"].is_null() {
            return Err(format!("FRR has lost the route after {:?}", start.elapsed()));
        }
        if start.elapsed() >= time {
            return Ok(String::new());
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Packets of the host reach what is behind FRR, and answers come back.
pub fn pings(lab: &impl Ends, case: &Case) -> Outcome {
    if case.refuses.is_some() {
        return match lab.host().ping(BEHIND_FRR, 2, 56) {
            0 => Ok("none".to_owned()),
            count => Err(format!("{count} answers without a route")),
        };
    }
    eventually(|| match lab.host().ping(BEHIND_FRR, 5, 1000) {
        5 => Ok("5 of 5".to_owned()),
        count => Err(format!("{count} of 5 answers")),
    })
}

/// What should be so after something has happened.
pub fn after(lab: &mut Lab, case: &Case, twist: Twist) -> Outcome {
    match twist {
        Twist::None => return Ok("-".to_owned()),
        Twist::FrrRestarts => {
            lab.frr.kill(&lab.router);
            lab.frr.start();
        }
        Twist::FrrRestartsGracefully => {
            frr_restarts_gracefully(lab)?;
        }
        Twist::FastgwRestarts => {
            lab.gateway.kill();
            lab.gateway.start_again(&lab.middle);
        }
        Twist::FastgwRestartsGracefully => {
            lab.gateway.ospf(&["prepare-restart", "--within", "60"]);
            lab.gateway.end();
            keeps_route(lab, Duration::from_secs(6))?;
            lab.gateway.start_again(&lab.middle);
            eventually(|| {
                keeps_route(lab, Duration::ZERO)?;
                match lab.gateway.log().matches("OSPF has restarted: all neighbours").count() {
                    1 => Ok(String::new()),
                    _ => Err("it does not say that it has restarted".to_owned()),
                }
            })?;
            keeps_route(lab, Duration::from_secs(6))?;
        }
        Twist::LinkFails => {
            lab.router.ip("link set eth0 down");
            route_goes(lab)?;
            lab.router.ip("link set eth0 up");
        }
        Twist::PathFails => path_fails(lab)?,
    }
    adjacency(lab, case)?;
    routes(lab, case)?;
    pings(lab, case)
}

/// The route to what is behind FRR does not outlive the link.
pub fn route_goes(lab: &impl Ends) -> Outcome {
    eventually(|| {
        let status = lab.gateway().show_section("ospf");
        let routes = list(&status["ospf"]["routes"]);
        match routes.iter().any(|route| route["prefix"] == "10.3.0.0/24") {
            true => Err("the route stays though its link is down".to_owned()),
            false => Ok("gone".to_owned()),
        }
    })
}

/// A path on which all packets are lost is found to be dead by both ends long before anybody has
/// been silent for the dead interval.
fn path_fails(lab: &Lab) -> Result<(), String> {
    bfd_is_up(lab)?;
    let start = Instant::now();
    lab.router.sh("nft 'table inet cut {
        chain in { type filter hook input priority 0; policy drop; }
        chain out { type filter hook output priority 0; policy drop; }
    }'");
    eventually(|| {
        let status = lab.gateway.show_section("ospf");
        let theirs = lab.frr.show("ip ospf neighbor");
        let routes = list(&status["ospf"]["routes"]);
        let knows = routes.iter().any(|route| route["prefix"] == "10.3.0.0/24");
        let is_heard = !list(&status["ospf"]["neighbors"]).is_empty();
        let hears = theirs["neighbors"]["10.1.0.1"].is_array();
        match (knows, is_heard, hears) {
            (false, false, false) => Ok(String::new()),
            _ => Err(format!("of the dead: route {knows}, neighbours {is_heard} {theirs}")),
        }
    })?;
    let took = start.elapsed();
    println!("both ends have left a dead path after {took:?}");
    if took > DEAD_UNHEARD {
        return Err(format!("{took:?} is not BFD's doing"));
    }
    lab.router.sh("nft delete table inet cut");
    bfd_is_up(lab)
}

fn bfd_is_up(lab: &Lab) -> Result<(), String> {
    eventually(|| {
        let ours = lab.gateway.show()["bfd"].clone();
        let theirs = lab.frr.show("bfd peers");
        let is_up = list(&ours).iter().any(|session| {
            session["neighbor"] == "10.1.0.2" && session["interface"] == "lan" && {
                session["state"] == "up" && session["detection_time_us"] == 300_000
            }
        });
        let is_up_there =
            list(&theirs).iter().any(|peer| peer["peer"] == "10.1.0.1" && peer["status"] == "up");
        match is_up && is_up_there {
            true => Ok(String::new()),
            false => Err(format!("BFD is not up: {ours}, FRR says {theirs}")),
        }
    })
    .map(|_| ())
}
