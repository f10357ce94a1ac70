//! What the gateway will do with a configuration, in words for people: `fastgw check` prints it.

use std::fmt::{self, Display, Write};

use toml::Spanned;

use crate::model::{
    Config, Df, Dscp, EspMode, Gateway, Idle, ManualSa, OuterRules, Port, PortMode, Role, Route,
    RouteTarget, Tunnel, TunnelKind,
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
        for item in &self.tunnels {
            tunnel(out, item)?;
        }
        for item in &self.routes {
            route(out, item, &self.tunnels)?;
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
    writeln!(out, "gateway {}: {workers} {cores}, {idle}", gateway.name)?;
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

fn tunnel(out: &mut String, tunnel: &Tunnel) -> fmt::Result {
    let what = match tunnel.kind {
        TunnelKind::Esp { .. } => "ESP by policy",
        TunnelKind::Vti { .. } => "ESP by route",
        TunnelKind::Gre { sa: None, .. } => "GRE in clear",
        TunnelKind::Gre { .. } => "GRE under ESP",
        TunnelKind::Ipip { sa: None, .. } => "IPIP in clear",
        TunnelKind::Ipip { .. } => "IPIP under ESP",
    };
    let (local, remote) = (tunnel.local.get_ref(), tunnel.remote.get_ref());
    writeln!(out, "tunnel {}: {what}, from {local} to {remote}", tunnel.name)?;
    match &tunnel.kind {
        TunnelKind::Esp { local_subnets, remote_subnets, .. } => {
            let (ours, theirs) = (join_spanned(local_subnets), join_spanned(remote_subnets));
            writeln!(out, "    packets between {ours} here and {theirs} there, no others")?;
        }
        TunnelKind::Vti { address, .. }
        | TunnelKind::Gre { address, .. }
        | TunnelKind::Ipip { address, .. } => {
            let address = address.as_ref().map(|own| format!(", own address {own}"));
            writeln!(out, "    whatever routes lead into it{}", address.unwrap_or_default())?;
        }
    }
    if let Some(sa) = tunnel.sa() {
        if let Some([local, remote]) = &sa.endpoints {
            let (local, remote) = (local.get_ref(), remote.get_ref());
            writeln!(out, "    ESP in tunnel mode from {local} to {remote}")?;
        } else if sa.mode == EspMode::Transport {
            writeln!(out, "    ESP in transport mode")?;
        }
        self::sa(out, sa)?;
    }
    let mtu = match tunnel.mtu {
        Some(mtu) => format!("{mtu} bytes"),
        None => "whatever fits the port it leaves by".to_owned(),
    };
    writeln!(out, "    outer header: {}; inner MTU: {mtu}", outer(tunnel.outer))
}

fn sa(out: &mut String, sa: &ManualSa) -> fmt::Result {
    let (outbound, inbound) = (sa.outbound.spi, sa.inbound.spi);
    writeln!(out, "    {}, manual keys, SPI {outbound:#x} out and {inbound:#x} in", sa.suite)?;
    if let Some(weakness) = sa.suite.weakness() {
        writeln!(out, "    weak: {} {weakness}", sa.suite)?;
    }
    let width = if sa.esn { 64 } else { 32 };
    match sa.replay_window {
        0 => writeln!(out, "    {width}-bit sequence numbers, replays are not detected"),
        window => writeln!(out, "    {width}-bit sequence numbers, replay window {window} packets"),
    }
}

fn outer(rules: OuterRules) -> String {
    let dscp = match rules.dscp {
        Dscp::Copy => "DSCP copied".to_owned(),
        Dscp::Fixed(dscp) => format!("DSCP {dscp}"),
    };
    let df = match rules.df {
        Df::Copy => "DF copied",
        Df::Set => "DF set",
        Df::Clear => "DF clear",
    };
    format!("TTL {}, {dscp}, {df}", rules.ttl)
}

fn route(out: &mut String, route: &Route, tunnels: &[Tunnel]) -> fmt::Result {
    write!(out, "route {} ", route.prefix.get_ref())?;
    match &route.target {
        RouteTarget::Tunnel(index) => {
            let name = tunnels.get(*index).map_or("", |tunnel| tunnel.name.as_str());
            writeln!(out, "into tunnel {name}")
        }
        RouteTarget::Via(address) => writeln!(out, "via {address} on an inside port"),
    }
}

fn join(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn join_spanned<T: Display>(items: &[Spanned<T>]) -> String {
    items.iter().map(|item| item.get_ref().to_string()).collect::<Vec<_>>().join(", ")
}
