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
mod lab;
mod rows;
mod strongswan;

use std::env;

use tests::report::{Report, Row};

use crate::{
    case::{Case, Event, Side},
    certificates::Certificates,
    checks::Bench,
    end::End,
    lab::Lab,
    strongswan::StrongSwan,
};

#[test]
fn strongswan_and_fastgw_keep_keys_for_each_other() {
    let certificates = Certificates::new();
    let only = env::var("IKE_ONLY").unwrap_or_default();
    let mut report = Report::new("negotiation");
    for case in rows::all().iter().filter(|case| case.name().contains(&only)) {
        report.add(try_out(case, &certificates));
    }
    report.print();
    report.assert_all_passed();
}

/// Whether strongSwan is at both ends.
fn control() -> bool {
    env::var_os("IKE_CONTROL").is_some()
}

/// Makes one network with both ends, lets the event happen in it, and judges both.
fn try_out(case: &Case, certificates: &Certificates) -> Row {
    let lab = Lab::new(case, control());
    let mut ours: Box<dyn End> =
        Box::new(StrongSwan::new(&lab.ours, case, Side::Ours, certificates));
    let mut theirs = StrongSwan::new(&lab.theirs, case, Side::Theirs, certificates);
    let mut bench = Bench { lab: &lab, ours: &mut *ours, theirs: &mut theirs };

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
        let name = case.name();
        row.explain_failures(&format!(
            "{name}\n{}\nours:\n{}\ntheirs:\n{}",
            lab.state(),
            tail(&ours.log()),
            tail(&theirs.log())
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
