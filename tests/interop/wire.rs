//! What tshark must find on the wire between the gateways.

use std::path::Path;

use tests::{manual_sa::Sa, tshark::Tshark};

use crate::{
    cases::Case,
    lab::{GATEWAY_WAN, HOST, PEER_WAN, SITE},
};

/// Judges a recording; gives the number of tunnel packets in it.
pub fn judge(file: &Path, case: &Case) -> Result<String, String> {
    let tshark = match case.sas() {
        Some((outbound, inbound)) => {
            Tshark::new(file).with_sas(&[outbound.tshark(), inbound.tshark()])
        }
        None => Tshark::new(file),
    };
    tshark.well_formed()?;
    let tunnel = if case.sas().is_some() { "esp" } else { "gre" };
    let none = [
        (format!("!{tunnel} && ip.addr == 10.0.0.0/8"), "a site's packet in clear"),
        ("esp && !(esp.icv_good == 1)".to_owned(), "an ICV that does not verify"),
    ];
    for (filter, what) in none {
        let frames = tshark.summary(&filter);
        if !frames.is_empty() {
            return Err(format!("{what}:\n{frames}"));
        }
    }
    for (from, inner) in [(GATEWAY_WAN, HOST), (PEER_WAN, SITE)] {
        let ping = format!("{tunnel} && ip.src == {from} && ip.src == {inner} && icmp.type == 8");
        let load = format!("{tunnel} && ip.src == {from} && ip.src == {inner} && tcp.len > 0");
        for filter in [ping, load] {
            if tshark.count(&filter) == 0 {
                return Err(format!("nothing matches {filter}"));
            }
        }
    }
    if let Some((outbound, _)) = case.sas() {
        counts_up(&tshark, outbound)?;
    }
    Ok(format!("{} packets", tshark.count(tunnel)))
}

/// The sequence numbers of what we send begin with 1 and grow (RFC 4303 section 2.2).
fn counts_up(tshark: &Tshark, sa: &Sa) -> Result<(), String> {
    let rows = tshark.fields(&format!("esp.spi == {}", sa.spi), &["esp.sequence"]);
    let mut last = 0;
    for row in rows {
        let sequence: u32 = row[0].parse().map_err(|_| format!("sequence {}", row[0]))?;
        if sequence <= last || (last == 0 && sequence != 1) {
            return Err(format!("sequence number {sequence} after {last}"));
        }
        last = sequence;
    }
    Ok(())
}
