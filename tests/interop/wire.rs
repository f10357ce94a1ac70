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
    let tunnel = case.wire_filter();
    let clear = format!("!({tunnel}) && ip.addr == 10.0.0.0/8");
    tshark.nothing_matches(&[&clear, "esp && !(esp.icv_good == 1)"])?;

    let packets = packets(&tshark, tunnel);
    for (from, inner) in [(GATEWAY_WAN, HOST), (PEER_WAN, SITE)] {
        // tshark gives the sources of all headers of a packet that it could read.
        let (outermost, innermost) = (format!("{from},"), format!(",{inner}"));
        let mut readable = packets.iter().filter(|packet| {
            packet.sources.starts_with(&outermost) && packet.sources.ends_with(&innermost)
        });
        if !readable.clone().any(|packet| packet.icmp_type == "8") {
            return Err(format!("no readable echo request of {inner} from {from}"));
        }
        if !readable.any(|packet| packet.tcp_len.parse().is_ok_and(|len: u32| len > 0)) {
            return Err(format!("no readable TCP data of {inner} from {from}"));
        }
    }
    if let Some((outbound, _)) = case.sas() {
        counts_up(&packets, outbound)?;
    }
    Ok(format!("{} packets", packets.len()))
}

/// What the checks want to know of a tunnel packet, as tshark writes it.
struct Packet {
    sources: String,
    icmp_type: String,
    tcp_len: String,
    spi: String,
    sequence: String,
}

fn packets(tshark: &Tshark, tunnel: &str) -> Vec<Packet> {
    let fields = ["ip.src", "icmp.type", "tcp.len", "esp.spi", "esp.sequence"];
    let rows = tshark.fields(tunnel, &fields).into_iter();
    rows.map(|row| {
        let [sources, icmp_type, tcp_len, spi, sequence] =
            row.try_into().expect("a value for each field");
        Packet { sources, icmp_type, tcp_len, spi, sequence }
    })
    .collect()
}

/// The sequence numbers of what we send begin with 1 and grow (RFC 4303 section 2.2).
fn counts_up(packets: &[Packet], sa: &Sa) -> Result<(), String> {
    let spi = format!("0x{:08x}", sa.spi);
    let mut last = 0;
    for packet in packets.iter().filter(|packet| packet.spi == spi) {
        let sequence = packet.sequence.parse().unwrap_or(0);
        if sequence <= last || (last == 0 && sequence != 1) {
            return Err(format!("sequence number {} after {last}", packet.sequence));
        }
        last = sequence;
    }
    if last == 0 { Err(format!("nothing with SPI {spi}")) } else { Ok(()) }
}
