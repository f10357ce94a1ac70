//! fastgw and FRR's ospfd on one LAN, BIRD there, and FRR behind tunnels: adjacency, routing tables
//! that agree, and packets that follow them, in each role, with each kind of area and
//! authentication, through restarts.
//!
//! ```text
//! host             fastgw                     LAN                     FRR
//! eth0 ------- site0     lan0 ------------------------------- eth0      stub0
//! 10.2.0.2   10.2.0.1  10.1.0.1                             10.1.0.2  10.3.0.1
//! ```
//!
//! `OSPF_ONLY=nssa` tries only the rows with that in their names. Each row is told as it ends:
//! `cargo test … -- --nocapture` shows that.

#![forbid(unsafe_code)]

mod bird;
mod cases;
mod checks;
mod frr;
mod lab;
mod tunnels;

use std::{env, sync::Mutex, thread};

use tests::report::{Report, Row};

use crate::{
    bird::BirdCase,
    cases::{Case, Twist},
    lab::Lab,
    tunnels::Tunnel,
};

/// Rows at a time: each mostly waits for intervals to pass.
const AT_ONCE: usize = 4;

#[test]
fn frr_and_fastgw_learn_each_others_networks() {
    let cases = chosen(cases::all(), |case| case.name);
    in_parallel("OSPF with FRR", &cases, try_out);
}

#[test]
fn bird_and_fastgw_learn_each_others_networks() {
    let cases = chosen(bird::all(), BirdCase::name);
    in_parallel("OSPF with BIRD", &cases, BirdCase::try_out);
}

#[test]
fn frr_in_a_guest_and_fastgw_learn_each_others_networks_through_tunnels() {
    let tunnels = chosen(tunnels::all(), Tunnel::name);
    if tunnels.is_empty() {
        return;
    }
    let (peer, places) = tunnels::boot(tunnels);
    in_parallel("OSPF with FRR through", &places, |place| place.try_out(&peer));
}

/// Those that are to be tried.
fn chosen<T>(mut all: Vec<T>, name: impl Fn(&T) -> &'static str) -> Vec<T> {
    let only = env::var("OSPF_ONLY").unwrap_or_default();
    all.retain(|case| name(case).contains(&only));
    all
}

/// Tries all, some at a time.
fn in_parallel<T: Sync>(what: &'static str, cases: &[T], try_out: impl Fn(&T) -> Row + Sync) {
    let (report, next) = (Mutex::new(Report::new(what)), Mutex::new(cases.iter()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(cases.len()) {
            scope.spawn(|| {
                loop {
                    let case = next.lock().expect("no panic while it is held").next();
                    let Some(case) = case else { break };
                    let row = try_out(case);
                    report.lock().expect("no panic while it is held").add(row);
                }
            });
        }
    });
    let report = report.into_inner().expect("no panic while it is held");
    report.print();
    report.assert_all_passed();
}

fn try_out(case: &Case) -> Row {
    let mut lab = Lab::new(case);
    let mut row = Row::new(case.name);
    row.check("adjacency", checks::adjacency(&lab, case));
    row.check("routes", checks::routes(&lab, case));
    row.check("ping", checks::pings(&lab, case));
    row.check(
        "afterwards",
        match case.twist {
            Twist::None => Ok("-".to_owned()),
            twist => checks::after(&mut lab, case, twist),
        },
    );
    row.explain_failures(&format!("{}\n{}\n{}", case.name, lab.gateway.log(), lab.frr.log()));
    row
}
