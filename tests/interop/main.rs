//! fastgw against a Linux kernel that is not ours to change: every tunnel that Linux has, under
//! every suite and in both families, both ways, with tshark as the judge of what was on the wire.
//!
//! `INTEROP_ONLY=mgre` tries only the rows with that in their names. Each row is told as it ends:
//! `cargo test … -- --nocapture` shows that.

#![forbid(unsafe_code)]

mod cases;
mod checks;
mod lab;
mod wire;

use std::{
    env,
    thread::{self, JoinHandle},
};

use tests::{
    capture::Capture,
    gateway::Gateway,
    iperf::Way,
    peer::batched,
    report::{Report, Row},
};

use crate::{
    cases::{Case, RESET},
    lab::{GATEWAY, Lab, PEER},
};

#[test]
fn linux_and_fastgw_carry_each_others_sites_in_every_tunnel() {
    let lab = Lab::new();
    let mut report = Report::new("tunnel");
    let only = env::var("INTEROP_ONLY").unwrap_or_default();
    let mut before: Option<Tried> = None;
    for case in cases::all().iter().filter(|case| case.name.contains(&only)) {
        let tried = try_out(&lab, case);
        report.extend(before.replace(tried).map(Tried::judged));
    }
    report.extend(before.map(Tried::judged));
    report.print();
    report.assert_all_passed();
}

/// A row, but for what tshark says of the wire, which it does while the next one is set up.
struct Tried {
    row: Row,
    verdict: JoinHandle<Result<String, String>>,
}

impl Tried {
    fn judged(mut self) -> Row {
        self.row.check("tshark", self.verdict.join().expect("tshark's thread ends"));
        self.row
    }
}

/// Sets up one tunnel on both sides, loads it both ways, and has judged what was on the wire.
fn try_out(lab: &Lab, case: &Case) -> Tried {
    let script = format!("{RESET}\n{}", case.linux_script(&PEER, &GATEWAY));
    lab.peer.exec(&batched(&script));
    lab.forget_path_mtu();
    let file = lab.capture_file(&case.name);
    let capture = Capture::start(lab.wan(), "(ip and not igmp) or ip6", &file);
    let gateway = Gateway::start(&lab.gateway, |socket| case.config(socket));

    let mut row = Row::new(&case.name);
    checks::warm_up(lab, case);
    row.check("ping ->", checks::pings_of_host(lab, case));
    row.check("ping <-", checks::pings_of_site(lab, case));
    row.check("iperf ->", checks::load(lab, case, Way::Up));
    row.check("iperf <-", checks::load(lab, case, Way::Down));
    row.check("too big", checks::too_big(lab, case));
    row.check("besides", checks::besides(lab, case));
    let (file, of_case) = (capture.finish(), case.clone());
    let verdict = thread::spawn(move || wire::judge(&file, &of_case));

    let shown = gateway.show();
    let (status, log) = gateway.stop();
    row.check("stop", lab.left_clean(status));
    row.explain_failures(&format!("{}\n{shown:#}\n{log}", case.name));
    Tried { row, verdict }
}
