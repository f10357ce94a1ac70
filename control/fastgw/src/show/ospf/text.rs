//! What OSPF knows, as tables for people.

use std::net::Ipv4Addr;

use super::{OspfInterface, OspfLsa, OspfNeighbor, OspfRefused, OspfRoute, OspfStatus};
use crate::show::{
    table::{
        Align::{Left, Right, Wrap},
        Table,
    },
    text::cut,
    units::duration,
};

/// The router, and a table for each list that there is.
pub(in super::super) fn text(status: &OspfStatus, width: usize, rows_max: usize) -> String {
    let mut head = format!("OSPF router {}", status.router_id);
    for (is, what) in [
        (status.area_border, "area border router"),
        (status.as_boundary, "AS boundary router"),
        (status.stub_router, "no way through (stub router)"),
    ] {
        if is {
            head.push_str(", ");
            head.push_str(what);
        }
    }
    if let Some(restart) = &status.restart {
        head.push_str(&format!(", restart: {restart}"));
    }
    let mut parts = vec![head + "\n"];
    let heard = status.neighbors.as_deref().map(|all| {
        cut(
            neighbors(all.get(..rows_max).unwrap_or(all), width),
            all.len(),
            rows_max,
            "ospf neighbor",
        )
    });
    parts.extend(heard);
    let spoken = status.interfaces.as_deref().map(|all| {
        cut(
            interfaces(all.get(..rows_max).unwrap_or(all), width),
            all.len(),
            rows_max,
            "ospf interface",
        )
    });
    parts.extend(spoken);
    parts.extend(status.database.as_deref().map(|all| database(all, width)));
    parts.extend(status.routes.as_deref().map(|all| routes(all, width)));
    parts.join("\n")
}

fn neighbors(all: &[OspfNeighbor], width: usize) -> String {
    let mut table = Table::new([
        ("NEIGHBOR ID", Left),
        ("PRI", Right),
        ("STATE", Left),
        ("UP TIME", Right),
        ("DEAD TIME", Right),
        ("ADDRESS", Left),
        ("INTERFACE", Left),
        ("RXMTL", Right),
        ("RQSTL", Right),
    ]);
    for neighbor in all {
        let restarting = if neighbor.restarting { " (restarts)" } else { "" };
        table.row([
            neighbor.router_id.to_string(),
            neighbor.priority.to_string(),
            format!("{}/{}{restarting}", neighbor.state, neighbor.role),
            duration(neighbor.since_s),
            format!("{:.1}s", neighbor.dead_in_ms as f64 / 1000.0),
            neighbor.address.to_string(),
            neighbor.interface.clone(),
            neighbor.unacknowledged.to_string(),
            neighbor.requested.to_string(),
        ]);
    }
    table.render(width)
}

fn interfaces(all: &[OspfInterface], width: usize) -> String {
    let mut table = Table::new([
        ("INTERFACE", Left),
        ("AREA", Left),
        ("ADDRESS", Left),
        ("NETWORK", Left),
        ("STATE", Left),
        ("COST", Right),
        ("MTU", Right),
        ("DR", Left),
        ("BDR", Left),
        ("NBRS F/C", Right),
    ]);
    let address = |address: Option<Ipv4Addr>| address.map_or("-".to_owned(), |it| it.to_string());
    let mut refused = String::new();
    for interface in all {
        table.row([
            interface.name.clone(),
            interface.area.to_string(),
            interface.address.to_string(),
            if interface.passive { "passive" } else { &interface.network }.to_owned(),
            interface.state.clone(),
            interface.cost.to_string(),
            interface.mtu.to_string(),
            address(interface.designated),
            address(interface.backup),
            format!("{}/{}", interface.full, interface.neighbors),
        ]);
        for OspfRefused { reason, packets } in &interface.refused {
            let name = &interface.name;
            refused.push_str(&format!("{packets} packets on {name} were refused: {reason}\n"));
        }
    }
    table.render(width) + &refused
}

fn database(all: &[OspfLsa], width: usize) -> String {
    let mut table = Table::new([
        ("AREA", Left),
        ("TYPE", Left),
        ("LINK ID", Left),
        ("ADV ROUTER", Left),
        ("AGE", Right),
        ("SEQ#", Left),
        ("CKSUM", Left),
        ("SAYS", Wrap),
    ]);
    for lsa in all {
        table.row([
            lsa.area.map_or("(all)".to_owned(), |area| area.to_string()),
            lsa.kind.clone(),
            lsa.id.to_string(),
            lsa.advertising_router.to_string(),
            lsa.age_s.to_string(),
            lsa.sequence.clone(),
            lsa.checksum.clone(),
            lsa.says.clone(),
        ]);
    }
    table.render(width)
}

fn routes(all: &[OspfRoute], width: usize) -> String {
    let mut table = Table::new([
        ("TYPE", Left),
        ("PREFIX", Left),
        ("COST", Right),
        ("AREA", Left),
        ("NEXT HOPS", Wrap),
    ]);
    for route in all {
        let hops = route.next_hops.iter().map(|hop| match hop.gateway {
            Some(gateway) => format!("via {gateway} {}", hop.interface),
            None => format!("directly {}", hop.interface),
        });
        let cost = match route.type2_cost {
            Some(external) => format!("{}/{external}", route.cost),
            None => route.cost.to_string(),
        };
        table.row([
            route.kind.clone(),
            route.prefix.to_string(),
            cost,
            route.area.map_or("-".to_owned(), |area| area.to_string()),
            hops.collect::<Vec<_>>().join(", "),
        ]);
    }
    table.render(width)
}
