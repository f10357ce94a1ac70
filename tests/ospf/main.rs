//! fastgw and FRR's ospfd on one LAN: adjacency, routing tables that agree, and packets that follow
//! them, in each role, with each kind of area and authentication, through restarts.
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

mod cases;
mod checks;
mod frr;
mod lab;

use std::{env, sync::Mutex, thread};

use tests::report::{Report, Row};

use crate::{
    cases::{Case, Twist},
    lab::Lab,
};

/// Rows at a time: each mostly waits for intervals to pass.
const AT_ONCE: usize = 4;

#[test]
fn frr_and_fastgw_learn_each_others_networks() {
    let only = env::var("OSPF_ONLY").unwrap_or_default();
    let cases: Vec<Case> =
        cases::all().into_iter().filter(|case| case.name.contains(&only)).collect();
    let (report, next) = (Mutex::new(Report::new("OSPF with FRR")), Mutex::new(cases.iter()));
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
