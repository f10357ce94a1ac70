//! fastgw against a Linux kernel that is not ours to change: every suite, policy- and
//! route-based ESP, and GRE, both ways, with tshark as the judge of what was on the wire.

#![forbid(unsafe_code)]

mod cases;
mod lab;
mod report;
mod wire;

use tests::{
    capture::Capture,
    gateway::Gateway,
    iperf::{Way, measure},
};

use crate::{
    cases::Case,
    lab::{GATEWAY_LAN, HOST, Lab, PEER_LAN, SITE},
    report::{Report, Row},
};

/// Bytes of ICMP data: an odd number, an even one, the most that fits one piece in every tunnel,
/// and one that needs several.
const PING_SIZES: [usize; 4] = [57, 512, 1362, 3000];
const PINGS_OF_A_SIZE: u32 = 3;

#[test]
fn linux_and_fastgw_carry_each_others_sites_in_every_tunnel() {
    let lab = Lab::new();
    let mut report = Report::default();
    for case in cases::all() {
        report.add(try_out(&lab, &case));
    }
    report.print();
    report.assert_all_passed();
}

/// Sets up one tunnel on both sides, loads it both ways, and judges what was on the wire.
fn try_out(lab: &Lab, case: &Case) -> Row {
    lab.peer.exec(&case.peer_script());
    lab.forget_path_mtu();
    let capture = Capture::start(lab.wan(), "ip and not igmp", &lab.capture_file());
    let gateway = Gateway::start(&lab.gateway, |socket| case.config(socket));

    let mut row = Row::new(&case.name);
    row.check("ping ->", pings(|size| lab.host.ping(SITE, PINGS_OF_A_SIZE, size)));
    row.check("ping <-", pings(|size| lab.ping_from_site(HOST, PINGS_OF_A_SIZE, size)));
    row.check("iperf ->", megabits(measure(&lab.host, SITE, Way::Up, 2, "2M")));
    row.check("iperf <-", megabits(measure(&lab.host, SITE, Way::Down, 2, "2M")));
    row.check("too big", too_big(lab));
    row.check("tshark", wire::judge(&capture.finish(), case));

    let shown = gateway.show();
    let (status, log) = gateway.stop();
    row.check("stop", lab.left_clean(status));
    row.explain_failures(&format!("{}\n{shown:#}\n{log}", case.name));
    row
}

/// All sizes, answered in full or not at all well.
fn pings(ping: impl Fn(usize) -> u32) -> Result<String, String> {
    for size in PING_SIZES {
        let answered = ping(size);
        if answered != PINGS_OF_A_SIZE {
            return Err(format!("{answered} of {PINGS_OF_A_SIZE} answered at {size} bytes"));
        }
    }
    Ok(format!("{} answered", PINGS_OF_A_SIZE as usize * PING_SIZES.len()))
}

fn megabits(measured: Result<f64, String>) -> Result<String, String> {
    Ok(format!("{:.1} Mbit/s", measured? / 1e6))
}

/// A packet that must not be fragmented and does not fit is answered by the gateway with the
/// largest size that does (RFC 1191 section 4), and that size fits.
fn too_big(lab: &Lab) -> Result<String, String> {
    let said = lab.ping_unfragmented(PEER_LAN, 1500);
    let mtu = said.split("mtu = ").nth(1).and_then(|rest| rest.split(')').next());
    let from_gateway = said.contains(&format!("From {GATEWAY_LAN} "));
    let Some(Ok(mtu)) = mtu.map(str::parse::<usize>).filter(|_| from_gateway) else {
        return Err(format!("no ICMP \"fragmentation needed\" from {GATEWAY_LAN}:\n{said}"));
    };
    let said = lab.ping_unfragmented(PEER_LAN, mtu);
    if said.contains(" 1 received") {
        Ok(format!("mtu {mtu}"))
    } else {
        Err(format!("told to use {mtu} bytes, but they do not get through:\n{said}"))
    }
}
