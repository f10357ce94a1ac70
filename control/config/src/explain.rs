//! What the gateway will do with a configuration, in words for people: `fastgw check` prints it.

mod ike;
mod ospf;

use std::fmt::{self, Display, Write};

use toml::Spanned;

use crate::model::{
    Action, Config, Crypto, Df, Dscp, Ecn, EspMode, Gateway, Gre, Idle, L2tp, Limit, ManualSa, Mss,
    OuterRules, Peer, Policy, Port, PortMode, Protection, Role, Route, RouteTarget, Selector, Tfc,
    Ttl, Tunnel, TunnelKind,
};

impl Config {
    /// An account of ports, tunnels with their suites, and routes, a line or a few for each. It
    /// ends in a line break and holds no key.
    pub fn explain(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        gateway(out, &self.gateway)?;
        for item in &self.ports {
            port(out, item)?;
        }
        for item in &self.ike_peers {
            ike::peer(out, item)?;
        }
        for item in &self.tunnels {
            tunnel(out, item, self)?;
        }
        for item in &self.policies {
            policy(out, item, &self.tunnels)?;
        }
        for item in &self.routes {
            route(out, item, self)?;
        }
        if let Some(router) = &self.ospf {
            ospf::router(out, router)?;
        }
        Ok(())
    }
}

fn gateway(out: &mut String, gateway: &Gateway) -> fmt::Result {
    let workers = match gateway.workers {
        1 => "1 worker".to_owned(),
        count => format!("{count} workers"),
    };
    let cores = match (&gateway.cores, gateway.workers) {
        (Some(cores), 1) => format!("on core {}", join(cores.get_ref())),
        (Some(cores), _) => format!("on cores {}", join(cores.get_ref())),
        (None, 1) => "on a core of fastgw's choice".to_owned(),
        (None, _) => "on cores of fastgw's choice".to_owned(),
    };
    let idle = match gateway.idle {
        Idle::Sleep => "sleeps when idle",
        Idle::Spin => "never sleeps",
    };
    let crypto = match gateway.crypto {
        Crypto::Fastest => "",
        Crypto::Portable => ", portable ciphers only",
    };
    writeln!(out, "gateway {}: {workers} {cores}, {idle}{crypto}", gateway.name)?;
    writeln!(out, "    control socket {}", gateway.control_socket.display())
}

fn port(out: &mut String, port: &Port) -> fmt::Result {
    let role = match port.role {
        Role::Inside => "inside, for clear traffic of our sites",
        Role::Outside => "outside, for tunnels; clear traffic is left to the kernel",
    };
    let mode = match port.mode {
        PortMode::Auto => "in the fastest mode it offers",
        PortMode::Native => "in native mode",
        PortMode::Generic => "in generic mode",
        PortMode::ZeroCopy => "in zero-copy mode",
    };
    let addresses = match port.addresses.as_slice() {
        [] => "addresses as the kernel has them".to_owned(),
        addresses => join_spanned(addresses),
    };
    writeln!(out, "port {}: {role}", port.name)?;
    writeln!(out, "    device {} {mode}, {addresses}", port.device.get_ref())
}

fn tunnel(out: &mut String, tunnel: &Tunnel, config: &Config) -> fmt::Result {
    let what = match (&tunnel.kind, tunnel.protection.is_clear()) {
        (TunnelKind::Esp(_), _) => "ESP by policy",
        (TunnelKind::Vti, _) => "ESP by route",
        (TunnelKind::DynamicVti, _) => "ESP by route, one for each peer",
        (TunnelKind::Gre(_), true) => "GRE in clear",
        (TunnelKind::Gre(_), false) => "GRE under ESP",
        (TunnelKind::Ipip, true) => "IPIP in clear",
        (TunnelKind::Ipip, false) => "IPIP under ESP",
        (TunnelKind::L2tp(_), true) => "L2TP in clear",
        (TunnelKind::L2tp(_), false) => "L2TP under ESP",
        (TunnelKind::Mgre(_), _) => "multipoint GRE",
    };
    let to = match &tunnel.remote {
        Some(remote) => format!(" to {}", remote.get_ref()),
        None if tunnel.kind.has_one_peer() => " to wherever the peer is".to_owned(),
        None => String::new(),
    };
    writeln!(out, "tunnel {}: {what}, from {}{to}", tunnel.name, tunnel.local.get_ref())?;
    match &tunnel.kind {
        TunnelKind::Esp(selectors) => {
            for item in selectors {
                writeln!(out, "    packets {}, no others", selector(item))?;
            }
        }
        TunnelKind::Gre(gre) | TunnelKind::Mgre(gre) => gre_fields(out, *gre)?,
        TunnelKind::L2tp(session) => l2tp_fields(out, session)?,
        TunnelKind::Vti | TunnelKind::DynamicVti | TunnelKind::Ipip => {}
    }
    if !matches!(tunnel.kind, TunnelKind::Esp(_)) {
        let own = match tunnel.addresses.as_slice() {
            [] => String::new(),
            own => format!(", own address {}", join_spanned(own)),
        };
        writeln!(out, "    whatever routes lead into it{own}")?;
    }
    protection(out, &tunnel.protection, config)?;
    for item in &tunnel.peers {
        peer(out, item, config)?;
    }
    let mtu = match tunnel.mtu {
        Some(mtu) => format!("{mtu} bytes"),
        None => "whatever fits the port it leaves by".to_owned(),
    };
    let mss = match tunnel.mss {
        Mss::Auto => "TCP segments as fit".to_owned(),
        Mss::Off => "TCP segments as announced".to_owned(),
        Mss::Fixed(mss) => format!("TCP segments of {mss} bytes"),
    };
    writeln!(out, "    outer header: {}; inner MTU: {mtu}; {mss}", outer(tunnel.outer))
}

fn gre_fields(out: &mut String, gre: Gre) -> fmt::Result {
    let fields = [
        gre.key.map(|key| format!("key {key}")),
        gre.checksum.then(|| "checksum".to_owned()),
        gre.sequence.then(|| "sequence numbers".to_owned()),
    ];
    let fields: Vec<_> = fields.into_iter().flatten().collect();
    if fields.is_empty() { Ok(()) } else { writeln!(out, "    GRE with {}", fields.join(", ")) }
}

fn l2tp_fields(out: &mut String, session: &L2tp) -> fmt::Result {
    let L2tp { local_tunnel_id, local_session_id, remote_tunnel_id, remote_session_id, .. } =
        session;
    writeln!(
        out,
        "    session {local_tunnel_id}/{local_session_id} here, \
         {remote_tunnel_id}/{remote_session_id} there"
    )
}

fn protection(out: &mut String, protection: &Protection, config: &Config) -> fmt::Result {
    match protection {
        Protection::Clear => Ok(()),
        Protection::Manual(manual) => sa(out, manual),
        Protection::Ike(negotiated) => ike::negotiated(out, negotiated, config),
    }
}

fn peer(out: &mut String, peer: &Peer, config: &Config) -> fmt::Result {
    let remote = match &peer.remote {
        Some(remote) => format!("at {}", remote.get_ref()),
        None => "wherever it proves to be".to_owned(),
    };
    let inside = peer.address.as_ref().map(|address| address.get_ref().to_string());
    let inside = inside.into_iter().chain(peer.subnets.iter().map(|net| net.get_ref().to_string()));
    let inside: Vec<_> = inside.collect();
    let inside = match inside.as_slice() {
        [] => String::new(),
        inside => format!(", with {}", inside.join(", ")),
    };
    writeln!(out, "    peer {} {remote}{inside}", peer.name)?;
    protection(out, &peer.protection, config)
}

fn sa(out: &mut String, sa: &ManualSa) -> fmt::Result {
    if let Some([local, remote]) = &sa.endpoints {
        let (local, remote) = (local.get_ref(), remote.get_ref());
        writeln!(out, "    ESP in tunnel mode from {local} to {remote}")?;
    } else if sa.mode == EspMode::Transport {
        writeln!(out, "    ESP in transport mode")?;
    }
    let (outbound, inbound) = (sa.outbound.spi, sa.inbound.spi);
    writeln!(out, "    {}, manual keys, SPI {outbound:#x} out and {inbound:#x} in", sa.suite)?;
    if let Some(weakness) = sa.suite.weakness() {
        writeln!(out, "    weak: {} {weakness}", sa.suite)?;
    }
    let width = if sa.esn { 64 } else { 32 };
    match sa.replay_window {
        0 => writeln!(out, "    {width}-bit sequence numbers, replays are not detected")?,
        window => {
            writeln!(out, "    {width}-bit sequence numbers, replay window {window} packets")?;
        }
    }
    if sa.udp_encapsulation {
        let keepalive = match sa.keepalive_s {
            Some(seconds) => format!("keepalives every {seconds} seconds"),
            None => "no keepalives".to_owned(),
        };
        writeln!(out, "    in UDP, port 4500, {keepalive}; the peer is followed")?;
    }
    match sa.tfc {
        Some(Tfc::Mtu) => writeln!(out, "    packets padded to the MTU")?,
        Some(Tfc::Bytes(bytes)) => writeln!(out, "    packets padded to {bytes} bytes")?,
        None => {}
    }
    let lifetime = &sa.lifetime;
    for (unit, limit) in
        [("packets", lifetime.packets), ("bytes", lifetime.bytes), ("seconds", lifetime.seconds)]
    {
        let Limit { soft, hard } = limit;
        if let Some(soft) = soft {
            writeln!(out, "    due for renewal after {soft} {unit}")?;
        }
        if let Some(hard) = hard {
            writeln!(out, "    ends after {hard} {unit}")?;
        }
    }
    Ok(())
}

fn outer(rules: OuterRules) -> String {
    let ttl = match rules.ttl {
        Ttl::Copy => "TTL copied".to_owned(),
        Ttl::Fixed(ttl) => format!("TTL {ttl}"),
    };
    let dscp = match rules.dscp {
        Dscp::Copy => "DSCP copied".to_owned(),
        Dscp::Fixed(dscp) => format!("DSCP {dscp}"),
    };
    let ecn = match rules.ecn {
        Ecn::Copy => "",
        Ecn::Clear => ", ECN clear",
    };
    let df = match rules.df {
        Df::Copy => "DF copied",
        Df::Set => "DF set",
        Df::Clear => "DF clear",
    };
    format!("{ttl}, {dscp}{ecn}, {df}")
}

/// "between A here and B there, protocol 6, ports any here and 443 there".
fn selector(selector: &Selector) -> String {
    let side = |ranges: &[crate::AddressRange]| {
        if ranges.is_empty() { "anything".to_owned() } else { join(ranges) }
    };
    let (ours, theirs) = (side(&selector.local), side(&selector.remote));
    let mut text = format!("between {ours} here and {theirs} there");
    if let Some(protocol) = selector.protocol {
        let _ = write!(text, ", protocol {protocol}");
    }
    let ports = |ports: &Option<std::ops::RangeInclusive<u16>>| match ports {
        None => "any".to_owned(),
        Some(ports) if ports.start() == ports.end() => ports.start().to_string(),
        Some(ports) => format!("{}-{}", ports.start(), ports.end()),
    };
    if selector.local_ports.is_some() || selector.remote_ports.is_some() {
        let (ours, theirs) = (ports(&selector.local_ports), ports(&selector.remote_ports));
        let _ = write!(text, ", ports {ours} here and {theirs} there");
    }
    text
}

fn policy(out: &mut String, policy: &Policy, tunnels: &[Tunnel]) -> fmt::Result {
    let what = selector(&policy.selector);
    match policy.action {
        Action::Protect(index) => {
            let name = tunnels.get(index).map_or("", |tunnel| tunnel.name.as_str());
            writeln!(out, "policy: packets {what} enter tunnel {name}")
        }
        Action::Bypass => writeln!(out, "policy: packets {what} leave as they are"),
        Action::Discard => writeln!(out, "policy: packets {what} are discarded"),
    }
}

fn route(out: &mut String, route: &Route, config: &Config) -> fmt::Result {
    write!(out, "route {} ", route.prefix.get_ref())?;
    let name = |index: usize| config.tunnels.get(index).map_or("", |tunnel| &tunnel.name);
    match &route.target {
        RouteTarget::Tunnel(index) => writeln!(out, "into tunnel {}", name(*index)),
        RouteTarget::Peer(index, Some(via)) => {
            writeln!(out, "into tunnel {}, to its peer {}", name(*index), via.get_ref())
        }
        RouteTarget::Peer(index, None) => writeln!(out, "into tunnel {}", name(*index)),
        RouteTarget::Via(address) => {
            writeln!(out, "via {} on an inside port", address.get_ref())
        }
        RouteTarget::Port(index) => {
            let name = config.ports.get(*index).map_or("", |port| &port.name);
            writeln!(out, "out of port {name}")
        }
    }
}

fn join(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn join_spanned<T: Display>(items: &[Spanned<T>]) -> String {
    items.iter().map(|item| item.get_ref().to_string()).collect::<Vec<_>>().join(", ")
}
