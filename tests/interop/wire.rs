//! What tshark must find on the wire between the gateways.

use std::path::Path;

use tests::{manual_sa::Sa, tshark::Tshark};

use crate::{
    cases::{Case, Header},
    lab::{Family, GATEWAY, PEER, Side},
};

/// Judges a recording; gives the number of tunnel packets in it.
pub fn judge(file: &Path, case: &Case) -> Result<String, String> {
    let mut tshark = Tshark::new(file);
    if case.may_be_fragmented_by_linux() {
        tshark = tshark.reassembling();
    }
    if let Some((outbound, inbound)) = case.sas().filter(|_| case.is_readable()) {
        tshark = tshark.with_sas(&[outbound.tshark(), inbound.tshark()]);
    }
    tshark.well_formed()?;
    let tunnel = case.wire_filter();
    let mut wrong = vec![format!(
        "!({tunnel}) && !icmp && !icmpv6 && !igmp \
         && (ip.addr == 10.0.0.0/8 || ipv6.addr == fd00::/8)"
    )];
    if case.is_readable() {
        wrong.push("esp && !(esp.icv_good == 1)".to_owned());
    }
    let in_udp = case.esp.is_some_and(|esp| esp.udp.is_some());
    wrong.push(if in_udp { "esp && !udp" } else { "esp && udp.port == 4500" }.to_owned());
    tshark.nothing_matches(&wrong.iter().map(String::as_str).collect::<Vec<_>>())?;

    let packets = packets(&tshark, tunnel);
    for (from, to) in [(&GATEWAY, &PEER), (&PEER, &GATEWAY)] {
        carries(&packets, case, from, to)?;
    }
    if case.is_fragmented_by_linux() {
        let fragments = format!("ip.src == {} && ip.flags.mf == 1", PEER.wan(Family::V4));
        if tshark.count(&fragments) == 0 {
            return Err("Linux sent nothing in fragments".to_owned());
        }
    }
    if let Some((outbound, _)) = case.sas() {
        counts_up(&packets, &outbound)?;
    }
    Ok(format!("{} packets", packets.len()))
}

/// What went from one side to the other can be read, and has the layers that it should have.
fn carries(packets: &[Packet], case: &Case, from: &Side, to: &Side) -> Result<(), String> {
    let wan = from.wan(case.outer);
    let sent = packets.iter().filter(|packet| packet.outermost(case.outer) == Some(wan));
    if sent.clone().next().is_none() {
        return Err(format!("nothing from {wan}"));
    }
    if !case.is_readable() {
        return Ok(());
    }
    for family in case.inner {
        let inner = from.host(*family);
        let mut readable = sent.clone().filter(|packet| packet.innermost(*family) == Some(inner));
        if !readable.clone().any(Packet::is_echo_request) {
            return Err(format!("no readable echo request of {inner} from {wan}"));
        }
        let loaded = case.carries_tcp() && *family == case.family_of_load();
        if loaded && !readable.clone().any(Packet::has_tcp_data) {
            return Err(format!(
                "no readable TCP data of {inner} from {wan} to {}",
                to.lan(*family)
            ));
        }
        let layers = case.layers();
        let strange = readable.find(|packet| !layers.iter().all(|layer| packet.has_layer(layer)));
        if let Some(packet) = strange {
            return Err(format!("{} where {} was to be", packet.layers, layers.join(":")));
        }
    }
    Ok(())
}

impl Case {
    /// Whether tshark can decrypt it. It knows neither all suites nor extended sequence numbers.
    fn is_readable(&self) -> bool {
        self.esp.is_none_or(|esp| esp.suite.is_known_to_tshark() && !esp.esn)
    }

    fn is_fragmented_by_linux(&self) -> bool {
        self.site_mtu == 1500
    }

    /// Linux puts the fragments of what it translates together before it encrypts, and its PPP
    /// header is larger than ours: a packet that fits our way may not fit its way.
    fn may_be_fragmented_by_linux(&self) -> bool {
        let is_l2tp = matches!(self.header, Header::L2tp { .. });
        self.is_fragmented_by_linux() || self.behind_nat() || is_l2tp
    }

    /// What tshark calls the layers between the gateways' addresses and the sites' packets.
    fn layers(&self) -> Vec<&'static str> {
        let mut layers = Vec::new();
        if let Some(esp) = &self.esp {
            layers.extend(esp.udp.map(|_| "udpencap"));
            layers.push("esp");
        }
        match self.header {
            Header::Gre { .. } | Header::MultipointGre => layers.push("gre"),
            Header::L2tp { .. } => layers.extend(["udp", "l2tp", "ppp"]),
            Header::Selectors | Header::Vti | Header::XfrmInterface | Header::Ip => {}
        }
        layers
    }
}

/// What the checks want to know of a tunnel packet, as tshark writes it.
struct Packet {
    sources: String,
    sources_v6: String,
    layers: String,
    echo: String,
    echo_v6: String,
    tcp_len: String,
    spi: String,
    sequence: String,
}

impl Packet {
    /// tshark gives the sources of all headers of a packet that it could read.
    fn sources(&self, family: Family) -> &str {
        match family {
            Family::V4 => &self.sources,
            Family::V6 => &self.sources_v6,
        }
    }

    fn outermost(&self, family: Family) -> Option<&str> {
        self.sources(family).split(',').next()
    }

    fn innermost(&self, family: Family) -> Option<&str> {
        self.sources(family).split(',').next_back()
    }

    fn is_echo_request(&self) -> bool {
        self.echo == "8" || self.echo_v6 == "128"
    }

    fn has_tcp_data(&self) -> bool {
        self.tcp_len.parse().is_ok_and(|len: u32| len > 0)
    }

    fn has_layer(&self, layer: &str) -> bool {
        self.layers.split(':').any(|found| found == layer)
    }
}

fn packets(tshark: &Tshark, tunnel: &str) -> Vec<Packet> {
    let fields = [
        "ip.src",
        "ipv6.src",
        "frame.protocols",
        "icmp.type",
        "icmpv6.type",
        "tcp.len",
        "esp.spi",
        "esp.sequence",
    ];
    let rows = tshark.fields(tunnel, &fields).into_iter();
    let all = rows.map(|row| {
        let [sources, sources_v6, layers, echo, echo_v6, tcp_len, spi, sequence] =
            row.try_into().expect("a value for each field");
        Packet { sources, sources_v6, layers, echo, echo_v6, tcp_len, spi, sequence }
    });
    // An ICMP error in clear quotes a packet, but is none.
    let is_quote = |packet: &Packet| packet.layers.starts_with("eth:ethertype:ip:icmp:");
    all.filter(|packet| !is_quote(packet)).collect()
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
