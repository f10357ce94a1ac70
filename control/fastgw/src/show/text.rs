//! The live state as tables for people.

use std::fmt::{Display, Write};

use tables::latency::Stage;

use super::{
    bfd::BfdSession,
    ike::IkeSa,
    status::{
        Attach, CopyMode, Direction, DropCount, Latency, Neighbor, NeighborState, Port, Role,
        Route, Sa, Stages, Status, Tunnel, TunnelState, Worker,
    },
    table::{
        Align::{Left, Right, Wrap},
        Table,
    },
    units::{bytes, count, duration, latency},
};

/// Characters in a line.
const WIDTH: usize = 100;

/// A line about the gateway, then a table for each list that there is. Lists longer than
/// `rows_max` are cut, and say so.
pub fn text(status: &Status, rows_max: usize) -> String {
    let mut out = String::new();
    let Status { name, version, pid, uptime_s, .. } = status;
    // Writing to a `String` cannot fail.
    let _ = writeln!(out, "{name}: fastgw {version}, pid {pid}, up {}", duration(*uptime_s));
    let mut add = |part: Option<String>| {
        if let Some(part) = part {
            out.push('\n');
            out.push_str(&part);
        }
    };
    add(status.ports.as_deref().map(|all| ports(all, rows_max)));
    add(status.tunnels.as_deref().map(|all| tunnels(all, rows_max)));
    add(status.sas.as_deref().map(|all| sas(all, rows_max)));
    add(status.ike.as_deref().map(|all| ike(all, rows_max)));
    add(status.ospf.as_ref().map(|status| super::ospf::text(status, WIDTH, rows_max)));
    add(status.bfd.as_deref().map(|all| bfd(all, rows_max)));
    add(status.workers.as_deref().map(|all| workers(all, rows_max)));
    add(status.drops.as_deref().map(drops));
    add(status.routes.as_deref().map(|all| routes(all, rows_max)));
    add(status.neighbors.as_deref().map(|all| neighbors(all, rows_max)));
    add(status.latency.as_ref().map(|all| latencies(all, rows_max)));
    out
}

fn ports(ports: &[Port], rows_max: usize) -> String {
    let mut state = Table::new([
        ("PORT", Left),
        ("DEVICE", Left),
        ("ROLE", Left),
        ("LINK", Left),
        ("MTU", Right),
        ("MODE", Left),
        ("QUEUES", Right),
        ("MAC", Left),
        ("ADDRESSES", Wrap),
    ]);
    let mut traffic = Table::new([
        ("PORT", Left),
        ("RX PACKETS", Right),
        ("RX BYTES", Right),
        ("TX PACKETS", Right),
        ("TX BYTES", Right),
        ("RX DROPPED", Right),
        ("RING FULL", Right),
        ("NO CHUNK", Right),
        ("SYSCALLS", Right),
    ]);
    for port in ports.iter().take(rows_max) {
        state.row([
            port.name.clone(),
            port.device.clone(),
            role(port.role).to_owned(),
            if port.up { "up" } else { "down" }.to_owned(),
            port.mtu.to_string(),
            mode(port.attach, port.copy).to_owned(),
            port.queues.to_string(),
            or_dash(port.mac.as_ref()),
            or_dash(Some(join(&port.addresses)).filter(|text| !text.is_empty())),
        ]);
        traffic.row([
            port.name.clone(),
            count(port.rx_packets),
            bytes(port.rx_bytes),
            count(port.tx_packets),
            bytes(port.tx_bytes),
            count(port.kernel_rx_dropped),
            count(port.ring_full),
            count(port.fill_empty),
            count(port.syscalls),
        ]);
    }
    let both = format!("{}\n{}", state.render(WIDTH), traffic.render(WIDTH));
    cut(both, ports.len(), rows_max, "ports")
}

fn tunnels(tunnels: &[Tunnel], rows_max: usize) -> String {
    let mut state = Table::new([
        ("TUNNEL", Left),
        ("KIND", Left),
        ("STATE", Left),
        ("LOCAL", Left),
        ("REMOTE", Left),
        ("MTU", Right),
        ("EGRESS", Left),
        ("NEXT HOP", Left),
    ]);
    let mut traffic = Table::new([
        ("TUNNEL", Left),
        ("IN PACKETS", Right),
        ("IN BYTES", Right),
        ("OUT PACKETS", Right),
        ("OUT BYTES", Right),
    ]);
    for tunnel in tunnels.iter().take(rows_max) {
        state.row([
            tunnel.name.clone(),
            tunnel.kind.clone(),
            tunnel_state(tunnel.state).to_owned(),
            tunnel.local.to_string(),
            tunnel.remote.to_string(),
            tunnel.mtu.to_string(),
            or_dash(tunnel.egress.as_ref()),
            or_dash(tunnel.nexthop),
        ]);
        traffic.row([
            tunnel.name.clone(),
            count(tunnel.in_packets),
            bytes(tunnel.in_bytes),
            count(tunnel.out_packets),
            bytes(tunnel.out_bytes),
        ]);
    }
    let both = format!("{}\n{}", state.render(WIDTH), traffic.render(WIDTH));
    cut(both, tunnels.len(), rows_max, "tunnels")
}

fn sas(sas: &[Sa], rows_max: usize) -> String {
    let mut table = Table::new([
        ("SA", Left),
        ("DIR", Left),
        ("SPI", Right),
        ("SUITE", Left),
        ("ESN", Left),
        ("WINDOW", Right),
        ("WORKER", Right),
        ("SEQUENCE", Right),
        ("PACKETS", Right),
        ("BYTES", Right),
    ]);
    for sa in sas.iter().take(rows_max) {
        table.row([
            sa.tunnel.clone(),
            direction(sa.direction).to_owned(),
            format!("{:#010x}", sa.spi),
            sa.suite.clone(),
            if sa.esn { "yes" } else { "no" }.to_owned(),
            or_dash(Some(sa.replay_window).filter(|window| *window > 0)),
            sa.worker.map_or_else(|| "any".to_owned(), |worker| worker.to_string()),
            count(sa.sequence),
            count(sa.packets),
            bytes(sa.bytes),
        ]);
    }
    cut(table.render(WIDTH), sas.len(), rows_max, "sas")
}

fn bfd(all: &[BfdSession], rows_max: usize) -> String {
    let table = super::bfd::text(all.get(..rows_max).unwrap_or(all), WIDTH);
    cut(table, all.len(), rows_max, "bfd")
}

fn ike(all: &[IkeSa], rows_max: usize) -> String {
    let (table, rows) = super::ike::text(all, rows_max, WIDTH);
    cut(table, rows, rows_max, "ike")
}

fn workers(workers: &[Worker], rows_max: usize) -> String {
    let mut table = Table::new([
        ("WORKER", Left),
        ("CORE", Right),
        ("RX PACKETS", Right),
        ("RX BYTES", Right),
        ("TX PACKETS", Right),
        ("TX BYTES", Right),
        ("BUSY TURNS", Right),
        ("HELD", Right),
        ("FRAGS", Right),
        ("ICMP", Right),
        ("WITHHELD", Right),
    ]);
    for worker in workers.iter().take(rows_max) {
        table.row([
            worker.index.to_string(),
            or_dash(worker.core),
            count(worker.rx_packets),
            bytes(worker.rx_bytes),
            count(worker.tx_packets),
            bytes(worker.tx_bytes),
            count(worker.busy_turns),
            count(worker.held),
            count(worker.fragments),
            count(worker.icmp_sent),
            count(worker.icmp_withheld),
        ]);
    }
    cut(table.render(WIDTH), workers.len(), rows_max, "workers")
}

/// The reasons that have happened. They are few, so they are never cut.
fn drops(drops: &[DropCount]) -> String {
    let mut table = Table::new([("DROPS", Left), ("PACKETS", Right), ("WHY", Wrap)]);
    let happened = drops.iter().filter(|drop| drop.count > 0);
    let mut rows = 0;
    for drop in happened {
        rows += 1;
        table.row([drop.reason.clone(), count(drop.count), drop.help.clone()]);
    }
    cut(table.render(WIDTH), rows, rows, "drops")
}

fn routes(routes: &[Route], rows_max: usize) -> String {
    let mut table = Table::new([("ROUTE", Left), ("TARGET", Wrap)]);
    for route in routes.iter().take(rows_max) {
        table.row([route.prefix.to_string(), route.target.clone()]);
    }
    cut(table.render(WIDTH), routes.len(), rows_max, "routes")
}

fn neighbors(neighbors: &[Neighbor], rows_max: usize) -> String {
    let mut table =
        Table::new([("NEIGHBOR", Left), ("PORT", Left), ("MAC", Left), ("STATE", Left)]);
    for neighbor in neighbors.iter().take(rows_max) {
        table.row([
            neighbor.address.to_string(),
            neighbor.port.clone(),
            or_dash(neighbor.mac.as_ref()),
            neighbor_state(neighbor.state).to_owned(),
        ]);
    }
    cut(table.render(WIDTH), neighbors.len(), rows_max, "neighbors")
}

/// The stages that were passed, over all workers, and for each where there are several.
fn latencies(all: &Latency, rows_max: usize) -> String {
    let mut table = Table::new([
        ("LATENCY", Left),
        ("WORKER", Left),
        ("BATCHES", Right),
        ("P50", Right),
        ("P90", Right),
        ("P99", Right),
        ("P99.9", Right),
        ("P99.99", Right),
        ("MAX", Right),
    ]);
    let mut rows = 0;
    let mut add = |worker: &str, stages: &Stages| {
        let passed = Stage::ALL.iter().filter_map(|stage| {
            let (name, percentiles) = stages.get_key_value(stage.name())?;
            (percentiles.count > 0).then_some((name.clone(), *percentiles))
        });
        for (name, of) in passed {
            rows += 1;
            if rows <= rows_max {
                table.row([
                    name,
                    worker.to_owned(),
                    count(of.count),
                    latency(of.p50_ns),
                    latency(of.p90_ns),
                    latency(of.p99_ns),
                    latency(of.p99_9_ns),
                    latency(of.p99_99_ns),
                    latency(of.max_ns),
                ]);
            }
        }
    };
    add("all", &all.total);
    if all.workers.len() > 1 {
        all.workers.iter().for_each(|worker| add(&worker.index.to_string(), &worker.stages));
    }
    cut(table.render(WIDTH), rows, rows_max, "latency")
}

/// The table, or that there is nothing in it, or how many rows it does not show and who does.
pub(super) fn cut(table: String, rows: usize, rows_max: usize, section: &str) -> String {
    match rows {
        0 => format!("no {section}\n"),
        _ if rows > rows_max => {
            format!("{table}and {} more: fastgw show {section}\n", rows - rows_max)
        }
        _ => table,
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Inside => "inside",
        Role::Outside => "outside",
    }
}

fn mode(attach: Attach, copy: CopyMode) -> &'static str {
    match (attach, copy) {
        (Attach::Native, CopyMode::ZeroCopy) => "native zerocopy",
        (Attach::Native, CopyMode::Copy) => "native copy",
        (Attach::Generic, CopyMode::ZeroCopy) => "generic zerocopy",
        (Attach::Generic, CopyMode::Copy) => "generic copy",
    }
}

fn tunnel_state(state: TunnelState) -> &'static str {
    match state {
        TunnelState::Up => "up",
        TunnelState::NoSa => "no sa",
        TunnelState::NoPath => "no path",
    }
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "in",
        Direction::Outbound => "out",
    }
}

fn neighbor_state(state: NeighborState) -> &'static str {
    match state {
        NeighborState::Unresolved => "unresolved",
        NeighborState::Resolved => "resolved",
        NeighborState::Failed => "failed",
    }
}

fn or_dash(cell: Option<impl Display>) -> String {
    cell.map_or_else(|| "-".to_owned(), |cell| cell.to_string())
}

fn join(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub(super) mod tests;
