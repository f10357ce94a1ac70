//! What a tunnel must do once both ends have it.

use tests::iperf::{Way, measure};

use crate::{
    cases::{Case, GROUPS, UDP_PORT},
    lab::{Family, GATEWAY, Lab, PEER},
};

/// Bytes of ICMP data: an odd number, an even one, nearly the most that fits one piece in every
/// tunnel, and one that needs several.
const PING_SIZES: [usize; 4] = [57, 512, 1300, 3000];
const PINGS_OF_A_SIZE: u32 = 2;
/// Seconds of a load and its rate.
const LOAD: (u32, &str) = (1, "2M");

/// Lets the ends find each other: the peer's port is known from its first packet, and who sends
/// IPv6, in or under the tunnel, learns from its first big packets what size fits (RFC 8201): one
/// for each narrower link, which are the tunnel and the site's own.
pub fn warm_up(lab: &Lab, case: &Case) {
    for family in case.inner {
        let learns = *family == Family::V6 || case.outer == Family::V6;
        if case.behind_nat() || learns {
            lab.ping_from_site(GATEWAY.host(*family), 3, PING_SIZES[3]);
        }
        if learns {
            lab.host.ping(PEER.host(*family), 3, PING_SIZES[3]);
        }
    }
}

/// Pings from behind fastgw.
pub fn pings_of_host(lab: &Lab, case: &Case) -> Result<String, String> {
    pings(case, |family| {
        let ping = |size| lab.host.ping(PEER.host(family), PINGS_OF_A_SIZE, size);
        PING_SIZES.map(ping).to_vec()
    })
}

/// Pings from behind Linux.
pub fn pings_of_site(lab: &Lab, case: &Case) -> Result<String, String> {
    pings(case, |family| lab.pings_from_site(GATEWAY.host(family), PINGS_OF_A_SIZE, &PING_SIZES))
}

/// All sizes of all families, answered in full or not at all well.
fn pings(case: &Case, ping: impl Fn(Family) -> Vec<u32>) -> Result<String, String> {
    let mut sum = 0;
    for family in case.inner {
        for (size, answered) in PING_SIZES.into_iter().zip(ping(*family)) {
            if answered != PINGS_OF_A_SIZE {
                return Err(format!(
                    "{family:?}: {answered} of {PINGS_OF_A_SIZE} answered at {size} bytes"
                ));
            }
            sum += answered;
        }
    }
    Ok(format!("{sum} answered"))
}

/// TCP, or its absence where it is not to pass.
pub fn load(lab: &Lab, case: &Case, way: Way) -> Result<String, String> {
    let (seconds, rate) = LOAD;
    let server = PEER.host(case.family_of_load());
    if case.carries_tcp() {
        let measured = measure(&lab.host, server, way, seconds, rate)?;
        return Ok(format!("{:.1} Mbit/s", measured / 1e6));
    }
    let connect = |to| format!("exec 3<> /dev/tcp/{to}/5201 && echo connected");
    // Nobody listens at the host, but a refusal is a passage too.
    let said = match way {
        Way::Up => lab.host_says(&format!("timeout 3 bash -c '{}'", connect(server))),
        Way::Down => {
            let script = connect(GATEWAY.host(case.family_of_load()));
            lab.guest_says(&format!("ip netns exec site timeout 3 bash -c '{script}'"))
        }
    };
    let passes = said.contains("connected") || said.contains("refused");
    if passes { Err(format!("TCP passes: {said}")) } else { Ok("none".to_owned()) }
}

/// A packet that must not be fragmented and does not fit is answered by the gateway with the
/// largest size that does (RFC 1191 section 4, RFC 8201), and that size fits.
pub fn too_big(lab: &Lab, case: &Case) -> Result<String, String> {
    let mut mtus = Vec::new();
    for family in case.inner {
        lab.forget_path_mtu();
        let said = ping_unfragmented(lab, *family, 1500);
        let mtu = said.split("mtu").nth(1).map(|rest| rest.trim_start_matches([' ', '=']));
        let digits = mtu.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
        let from_gateway = said.contains(&format!("From {} ", GATEWAY.lan(*family)));
        let Some(Ok(mtu)) = digits.map(str::parse::<usize>).filter(|_| from_gateway) else {
            return Err(format!("no ICMP \"too big\" from the gateway:\n{said}"));
        };
        let said = ping_unfragmented(lab, *family, mtu);
        if !said.contains(" 1 received") {
            return Err(format!("told to use {mtu} bytes, but they do not get through:\n{said}"));
        }
        mtus.push(mtu.to_string());
    }
    Ok(format!("mtu {}", mtus.join(" ")))
}

/// One ping from the host to the guest in an IP packet of `length` bytes that must not be
/// fragmented; gives what ping said.
fn ping_unfragmented(lab: &Lab, family: Family, length: usize) -> String {
    let headers = if family == Family::V4 { 20 + 8 } else { 40 + 8 };
    let (to, size) = (PEER.lan(family), length - headers);
    lab.host_says(&format!("ping -n -M do -W 2 -c 1 -s {size} {to}"))
}

/// What only some tunnels carry.
pub fn besides(lab: &Lab, case: &Case) -> Result<String, String> {
    if case.carries_multicast() {
        multicast(lab)
    } else if !case.carries_tcp() {
        udp_to_one_port(lab)
    } else if case.behind_nat() {
        port_change(lab, case)
    } else {
        Ok("-".to_owned())
    }
}

/// Each side's group is joined by the other, which answers.
fn multicast(lab: &Lab) -> Result<String, String> {
    let [of_guest, of_host] = GROUPS;
    let host = GATEWAY.host(Family::V4);
    let ping = "ping -n -c 2 -i 0.2 -W 2 -t 8";
    let said = lab.host_says(&format!("{ping} {of_guest}"));
    if !said.contains("bytes from") {
        return Err(format!("the guest got none of {of_guest}:\n{said}"));
    }
    let said = lab.guest_says(&format!("{ping} {of_host}"));
    if said.contains(&format!("bytes from {host}")) {
        Ok("multicast".to_owned())
    } else {
        Err(format!("the host got none of {of_host}:\n{said}"))
    }
}

/// A closed UDP port that is let through says so; one that is not lets nobody know.
fn udp_to_one_port(lab: &Lab) -> Result<String, String> {
    let (host, site) = (GATEWAY.host(Family::V4), PEER.host(Family::V4));
    let script = |to: &str, port: u16| {
        // The second write gives the error that the first one brought.
        format!(
            "exec 3<> /dev/udp/{to}/{port}; echo 1 >&3; sleep 0.5
            echo 2 >&3 || echo port {port} is closed"
        )
    };
    let of_site =
        |port| lab.guest_says(&format!("ip netns exec site bash -c '{}'", script(host, port)));
    let of_host = |port| lab.host_says(&script(site, port));
    for said in [of_host(UDP_PORT), of_site(UDP_PORT)] {
        if !said.contains("is closed") {
            return Err(format!("UDP port {UDP_PORT} gave no ICMP error:\n{said}"));
        }
    }
    for said in [of_host(UDP_PORT + 1), of_site(UDP_PORT + 1)] {
        if said.contains("is closed") {
            return Err(format!("UDP port {} passes", UDP_PORT + 1));
        }
    }
    Ok(format!("udp {UDP_PORT} only"))
}

/// The NAT gives the peer another port, and fastgw follows the first packet from there.
fn port_change(lab: &Lab, case: &Case) -> Result<String, String> {
    lab.peer.exec(&case.nat_change_script());
    let (host, site) = (GATEWAY.host(Family::V4), PEER.host(Family::V4));
    // The answer to the first may still go where the peer was.
    lab.ping_from_site(host, 1, 100);
    if lab.ping_from_site(host, 2, 100) != 2 {
        return Err("no answer from the host after the peer's port has changed".to_owned());
    }
    if lab.host.ping(site, 2, 100) != 2 {
        return Err("no answer from the site after the peer's port has changed".to_owned());
    }
    Ok("port change".to_owned())
}
