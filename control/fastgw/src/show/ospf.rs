//! What OSPF knows, as it crosses the control socket.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use ospf::msg::{LinkType, LsaBody};
use ospf::routes::RouteKind;
use ospf::settings::NetworkType;
use ospf::status::LsaStatus;
use ospf::{InterfaceState, NeighborState, Ospf, Restart};
use serde::{Deserialize, Serialize};

pub(super) use self::text::text;
use super::protocol::OspfPart;

mod text;

/// Every neighbour has acknowledged that this router restarts.
pub const ANNOUNCED: &str = "announced";

/// An OSPF router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OspfStatus {
    /// Its ID.
    pub router_id: Ipv4Addr,
    /// It is in more than one area.
    pub area_border: bool,
    /// It tells of routes of other protocols.
    pub as_boundary: bool,
    /// No traffic is drawn through it.
    pub stub_router: bool,
    /// How far its restart is, while there is one: `announcing` (not every neighbour has
    /// acknowledged that it waits), `announced`, `resuming`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<String>,
    /// How often routes were computed.
    pub computations: u64,
    /// By interface and address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbors: Option<Vec<OspfNeighbor>>,
    /// In the configuration's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interfaces: Option<Vec<OspfInterface>>,
    /// By area; those that are flooded everywhere come last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Vec<OspfLsa>>,
    /// By prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<OspfRoute>>,
}

/// A neighbour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OspfNeighbor {
    /// Its router ID.
    pub router_id: Ipv4Addr,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its wish to be the designated router.
    pub priority: u8,
    /// As in RFC 2328: `Full`, `2-Way`.
    pub state: String,
    /// `DR`, `Backup`, `DROther`; `-` where there is none.
    pub role: String,
    /// Seconds in this state.
    pub since_s: u64,
    /// Milliseconds until it is dead, if nothing is heard.
    pub dead_in_ms: u64,
    /// The port or tunnel.
    pub interface: String,
    /// LSAs that it has not acknowledged.
    pub unacknowledged: usize,
    /// LSAs that are still to be fetched from it.
    pub requested: usize,
    /// It restarts, and is treated as if it were there.
    pub restarting: bool,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OspfInterface {
    /// The port or tunnel.
    pub name: String,
    /// The area.
    pub area: Ipv4Addr,
    /// Our address and network.
    pub address: Ipv4Net,
    /// `broadcast`, `point-to-point`, `point-to-multipoint`, `nbma`.
    pub network: String,
    /// `DR`, `Waiting`, `Down` and so on.
    pub state: String,
    /// Cost of sending a packet there.
    pub cost: u16,
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// OSPF is not spoken there.
    pub passive: bool,
    /// The designated router; null for none.
    pub designated: Option<Ipv4Addr>,
    /// The backup.
    pub backup: Option<Ipv4Addr>,
    /// Neighbours that are heard.
    pub neighbors: usize,
    /// Those of them whose databases are the same as ours.
    pub full: usize,
    /// Milliseconds between hellos.
    pub hello_ms: u64,
    /// Milliseconds of silence after which a neighbour is dead.
    pub dead_ms: u64,
    /// Why packets were refused, and how many.
    pub refused: Vec<OspfRefused>,
}

/// Packets that were refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OspfRefused {
    /// Why.
    pub reason: String,
    /// How many.
    pub packets: u64,
}

/// An LSA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OspfLsa {
    /// Its area; null for one that is flooded everywhere.
    pub area: Option<Ipv4Addr>,
    /// Its type, as `Router` or `AS-External`.
    pub kind: String,
    /// Link state ID.
    pub id: Ipv4Addr,
    /// Who originated it.
    pub advertising_router: Ipv4Addr,
    /// Seconds since then.
    pub age_s: u16,
    /// Sequence number, in hex.
    pub sequence: String,
    /// Checksum, in hex.
    pub checksum: String,
    /// What it says, in a few words.
    pub says: String,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OspfRoute {
    /// Where to.
    pub prefix: Ipv4Net,
    /// `N`, `N IA`, `N E1` or `N E2`, as elsewhere.
    pub kind: String,
    /// Its cost inside the autonomous system.
    pub cost: u32,
    /// The metric of an external route of type 2.
    pub type2_cost: Option<u32>,
    /// The area; null for an external route.
    pub area: Option<Ipv4Addr>,
    /// The mark of an external route.
    pub tag: u32,
    /// Where packets go.
    pub next_hops: Vec<OspfHop>,
}

/// A next hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OspfHop {
    /// The port or tunnel.
    pub interface: String,
    /// The router there; null when the destination is there itself.
    pub gateway: Option<Ipv4Addr>,
}

impl OspfStatus {
    /// What there is to see of the engine; with `all` also its database and routes.
    pub fn collect(ospf: &Ospf, all: bool) -> Self {
        let status = ospf.router_status();
        let names: std::collections::BTreeMap<_, _> = ospf.interfaces().into_iter().collect();
        let name = |id| names.get(&id).map(|known| known.settings.name.to_string());
        let hop = |hop: &ospf::NextHop| OspfHop {
            interface: name(hop.interface).unwrap_or_default(),
            gateway: hop.gateway,
        };
        let routes = ospf.routes().map(|(prefix, route)| OspfRoute {
            prefix: *prefix,
            kind: route_kind(route.kind).to_owned(),
            cost: route.cost,
            type2_cost: (route.kind == RouteKind::ExternalType2).then_some(route.type2_cost),
            area: route.area,
            tag: route.tag,
            next_hops: route.next_hops.iter().map(hop).collect(),
        });
        Self {
            router_id: status.router_id,
            area_border: status.is_area_border,
            as_boundary: status.is_as_boundary,
            stub_router: status.is_stub_router,
            restart: restart(ospf),
            computations: status.computations,
            neighbors: Some(ospf.neighbors().iter().map(neighbor).collect()),
            interfaces: Some(names.values().map(interface).collect()),
            database: all.then(|| ospf.database().iter().map(lsa).collect()),
            routes: all.then(|| routes.collect()),
        }
    }

    /// Leaves out what was not asked for.
    pub fn only(&mut self, part: OspfPart) {
        let Self { neighbors, interfaces, database, routes, .. } = self;
        if part != OspfPart::Neighbor {
            *neighbors = None;
        }
        if part != OspfPart::Interface {
            *interfaces = None;
        }
        if part != OspfPart::Database {
            *database = None;
        }
        if part != OspfPart::Route {
            *routes = None;
        }
    }
}

fn restart(ospf: &Ospf) -> Option<String> {
    let word = match ospf.restart() {
        Restart::No => return None,
        Restart::Announced if ospf.is_restart_announced() => ANNOUNCED,
        Restart::Announced => "announcing",
        Restart::Resuming => "resuming",
    };
    Some(word.to_owned())
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn neighbor(neighbor: &ospf::status::NeighborStatus) -> OspfNeighbor {
    OspfNeighbor {
        router_id: neighbor.router_id,
        address: neighbor.address,
        priority: neighbor.priority,
        state: match neighbor.state {
            NeighborState::TwoWay => "2-Way".to_owned(),
            state => format!("{state:?}"),
        },
        role: match neighbor.role {
            InterfaceState::Dr => "DR",
            InterfaceState::Backup => "Backup",
            InterfaceState::DrOther => "DROther",
            _ => "-",
        }
        .to_owned(),
        since_s: neighbor.since.as_secs(),
        dead_in_ms: milliseconds(neighbor.dead_in),
        interface: neighbor.interface.to_string(),
        unacknowledged: neighbor.unacknowledged,
        requested: neighbor.requested,
        restarting: neighbor.is_helped,
    }
}

fn interface(status: &ospf::status::InterfaceStatus) -> OspfInterface {
    let settings = &status.settings;
    let known = |address: Ipv4Addr| (!address.is_unspecified()).then_some(address);
    let (neighbors, full) = status.neighbors;
    let refused = status
        .refused
        .iter()
        .map(|(refusal, count)| OspfRefused { reason: refusal.to_string(), packets: *count });
    OspfInterface {
        name: settings.name.to_string(),
        area: settings.area,
        address: settings.address,
        network: match settings.network {
            NetworkType::Broadcast => "broadcast",
            NetworkType::PointToPoint => "point-to-point",
            NetworkType::PointToMultipoint => "point-to-multipoint",
            NetworkType::Nbma => "nbma",
        }
        .to_owned(),
        state: match status.state {
            InterfaceState::Dr => "DR".to_owned(),
            InterfaceState::DrOther => "DROther".to_owned(),
            state => format!("{state:?}"),
        },
        cost: settings.cost,
        mtu: settings.mtu,
        passive: settings.is_passive,
        designated: known(status.designated),
        backup: known(status.backup),
        neighbors,
        full,
        hello_ms: milliseconds(settings.hello_interval),
        dead_ms: milliseconds(settings.dead_interval),
        refused: refused.collect(),
    }
}

fn lsa(status: &LsaStatus) -> OspfLsa {
    let header = &status.header;
    OspfLsa {
        area: status.area,
        kind: header.kind.to_string(),
        id: header.id,
        advertising_router: header.advertising_router,
        age_s: header.age,
        sequence: format!("{:08x}", header.sequence),
        checksum: format!("{:04x}", header.checksum),
        says: says(&status.body),
    }
}

fn says(body: &LsaBody) -> String {
    let len = |mask: &Ipv4Addr| mask.to_bits().leading_ones();
    match body {
        LsaBody::Router(router) => {
            let count = |kind| router.links.iter().filter(|link| link.kind == kind).count();
            let kinds = [
                (count(LinkType::POINT_TO_POINT), "point-to-point"),
                (count(LinkType::TRANSIT), "transit"),
                (count(LinkType::STUB), "stub"),
            ];
            let kinds = kinds.iter().filter(|(count, _)| *count > 0);
            let kinds: Vec<String> = kinds.map(|(count, kind)| format!("{count} {kind}")).collect();
            if kinds.is_empty() { "no links".to_owned() } else { kinds.join(", ") }
        }
        LsaBody::Network { mask, routers } => format!("/{}, {} routers", len(mask), routers.len()),
        LsaBody::Summary { mask, metric } => format!("/{}, cost {metric}", len(mask)),
        LsaBody::AsbrSummary { metric } => format!("cost {metric}"),
        LsaBody::External(external) | LsaBody::Nssa(external) => {
            let kind = if external.type2 { "E2" } else { "E1" };
            format!("/{} {kind}, metric {}", len(&external.mask), external.metric)
        }
        LsaBody::Opaque(bytes) => format!("{} bytes", bytes.len()),
    }
}

fn route_kind(kind: RouteKind) -> &'static str {
    match kind {
        RouteKind::IntraArea => "N",
        RouteKind::InterArea => "N IA",
        RouteKind::ExternalType1 => "N E1",
        RouteKind::ExternalType2 => "N E2",
    }
}
