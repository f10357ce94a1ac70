//! fastgw against IKE daemons that are not ours to change: both versions, both roles, secrets and
//! certificates, and everything that can happen to an SA in its life.
//!
//! `IKE_ONLY=rekey` tries only the rows with that in their names; `IKE_CONTROL=1` puts strongSwan
//! in fastgw's place, which tells a fault of the test from one of fastgw's. Each row is told as it
//! ends: `cargo test … -- --nocapture` shows that.

#![forbid(unsafe_code)]

mod case;
mod certificates;
mod checks;
mod end;
mod fastgw;
mod lab;
mod libreswan;
mod machine;
mod rows;
mod strongswan;
mod wire;

use std::{
    env,
    panic::{self, AssertUnwindSafe},
};

use tests::{
    netns::Netns,
    report::{Report, Row},
    userland::Disk,
};

use crate::{
    case::{Case, Daemon, Event, Mode, Side},
    certificates::Certificates,
    checks::Bench,
    end::End,
    fastgw::Fastgw,
    lab::{Lab, Theirs},
    libreswan::Libreswan,
    machine::{Guest, Namespace},
    strongswan::{Esp, StrongSwan},
};

#[test]
fn strongswan_and_fastgw_keep_keys_for_each_other() {
    // charon's own ESP never asks it for an SA.
    let possible = |case: &Case| !(control() && case.event == Event::OnDemand);
    let rows = chosen(rows::between_namespaces().into_iter().filter(possible));
    try_all(&rows, |case, certificates| {
        let lab = Lab::with_namespace(control());
        lab.prepare(case);
        let Theirs::Namespace(netns) = &lab.theirs else { unreachable!("as it was made") };
        let mut theirs = strongswan(netns, case, Side::Theirs, certificates);
        try_out(&lab, case, certificates, &mut theirs)
    });
}

#[test]
fn daemons_with_the_esp_of_a_kernel_and_fastgw_keep_keys_for_each_other() {
    // strongSwan's own ESP, which the control has, is always in tunnel mode and in UDP, and it
    // counts packets in 32 bits.
    let possible =
        |case: &Case| !control() || case.mode == Mode::Tunnel && !case.esp.contains("esn");
    let rows = chosen(rows::with_guest().into_iter().filter(possible));
    if rows.is_empty() {
        return;
    }
    let lab = Lab::with_guest(control());
    let Theirs::Guest(peer) = &lab.theirs else { unreachable!("as it was made") };
    try_all(&rows, |case, certificates| {
        lab.prepare(case);
        let machine = Guest::new(peer);
        let mut theirs: Box<dyn End> = match case.daemon {
            Daemon::StrongSwan | Daemon::StrongSwan6 => {
                let esp = Esp::Kernel;
                Box::new(StrongSwan::new(machine, esp, case, Side::Theirs, certificates))
            }
            Daemon::Libreswan => {
                Box::new(Libreswan::new(machine, case, Side::Theirs, certificates))
            }
        };
        try_out(&lab, case, certificates, &mut *theirs)
    });
}

/// The strongSwan of a case in a namespace.
fn strongswan(
    netns: &Netns,
    case: &Case,
    side: Side,
    certificates: &Certificates,
) -> StrongSwan<Namespace> {
    let disk = match case.daemon {
        Daemon::StrongSwan6 => Disk::StrongSwan6,
        Daemon::StrongSwan | Daemon::Libreswan => Disk::Guests,
    };
    StrongSwan::new(Namespace::new(netns, disk), Esp::InUserspace, case, side, certificates)
}

/// Whether strongSwan is at both ends.
fn control() -> bool {
    env::var_os("IKE_CONTROL").is_some()
}

/// The rows that were asked for, and whose daemons can be had here.
fn chosen(rows: impl Iterator<Item = Case>) -> Vec<Case> {
    let only = env::var("IKE_ONLY").unwrap_or_default();
    let mut rows: Vec<Case> = rows.filter(|case| case.name().contains(&only)).collect();
    if rows.iter().any(|case| case.daemon == Daemon::StrongSwan6)
        && let Some(why) = Disk::strongswan_6_is_missing()
    {
        rows.extract_if(.., |case| case.daemon == Daemon::StrongSwan6)
            .for_each(|case| println!("{}: NOT TRIED, without Debian 13: {why}", case.name()));
    }
    rows
}

/// Tries rows one after the other and prints the table.
fn try_all(rows: &[Case], mut try_one: impl FnMut(&Case, &Certificates) -> Row) {
    let certificates = Certificates::new();
    let mut report = Report::new("negotiation");
    for case in rows {
        // A daemon that does not start is one failed row, and no reason to stop.
        let tried = panic::catch_unwind(AssertUnwindSafe(|| try_one(case, &certificates)));
        report.add(tried.unwrap_or_else(|_| {
            let mut row = Row::new(&case.name());
            row.check("connect", Err("a panic, told above".to_owned()));
            row
        }));
    }
    report.print();
    report.assert_all_passed();
}

/// Starts our end beside theirs, lets the event happen, and judges both.
fn try_out(lab: &Lab, case: &Case, certificates: &Certificates, theirs: &mut dyn End) -> Row {
    let mut ours: Box<dyn End> = if control() {
        Box::new(strongswan(&lab.ours, case, Side::Ours, certificates))
    } else {
        Box::new(Fastgw::new(&lab.ours, case, certificates))
    };
    let mut bench = Bench { lab, ours: &mut *ours, theirs };

    let mut row = Row::new(&case.name());
    let connected = bench.connect(case);
    let goes_on = connected.is_ok() && case.event != Event::Refused;
    row.check("connect", connected);
    for (column, from) in [("ping ->", Side::Ours), ("ping <-", Side::Theirs)] {
        row.check(column, if goes_on { bench.pings(from) } else { Ok("-".to_owned()) });
    }
    row.check("event", if goes_on { bench.event(case) } else { Ok("-".to_owned()) });
    let after = if goes_on { bench.pings(Side::Theirs) } else { Ok("-".to_owned()) };
    row.check("after", after);
    if !row.failures().is_empty() {
        row.explain_failures(&format!(
            "{}\n{}\nours:\n{}\ntheirs:\n{}",
            case.name(),
            lab.state(),
            tail(&bench.ours.log()),
            tail(&bench.theirs.log())
        ));
    }
    row
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    const LINES: usize = 80;
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
