//! Routes that we have learned, in the kernel's main table.
//!
//! Ours are those of protocol OSPF (RTPROT_OSPF, which other daemons use, too) with the metric
//! [`METRIC`]: whatever has both is ours, be it from a run that crashed, and nothing else is. The
//! mirror is compared with what should be there, so that nothing need be remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteNextHop, RouteProtocol,
    RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Kernel;
use super::route::{Route, RouteHop, RouteTarget};

/// The metric of our routes: OSPF's usual distance, and not what other OSPF daemons give theirs.
const METRIC: u32 = 110;

/// Routes for the main table: by which links and routers each prefix is reached.
pub type Learned = BTreeMap<Ipv4Net, Vec<(u32, Ipv4Addr)>>;

impl Route {
    /// Whether it is one that we have put there.
    pub(super) fn is_ours(&self) -> bool {
        (self.protocol, self.metric) == (RouteProtocol::Ospf.into(), METRIC)
    }
}

impl Kernel {
    /// Has the main table hold these routes as ours, and no others of ours but with
    /// `keeps_others`; none where there is one of somebody else, whatever its metric. What the
    /// kernel refused, in words: that is tried again each time.
    pub fn install(&mut self, mut wanted: Learned, keeps_others: bool) -> Vec<String> {
        self.has_installed = keeps_others || !wanted.is_empty();
        for route in self.state.routes().filter(|route| !route.is_ours()) {
            if let IpNet::V4(prefix) = route.prefix {
                wanted.remove(&prefix);
            }
        }
        let ours: BTreeMap<IpNet, &Route> =
            self.state.routes().filter(|it| it.is_ours()).map(|it| (it.prefix, it)).collect();
        let gone: BTreeSet<IpNet> = ours
            .keys()
            .filter(|prefix| !matches!(prefix, IpNet::V4(net) if wanted.contains_key(net)))
            .copied()
            .collect();
        let mut orders: Vec<(u16, RouteNetlinkMessage)> = Vec::new();
        for prefix in gone.into_iter().filter(|_| !keeps_others) {
            orders.push((0, RouteNetlinkMessage::DelRoute(message(prefix, &[]))));
        }
        for (prefix, hops) in &wanted {
            let flags = match ours.get(&IpNet::V4(*prefix)) {
                Some(known) if leads_by(known, hops) => continue,
                Some(_) => NLM_F_CREATE | NLM_F_REPLACE,
                // Replaced would be whatever has this metric.
                None => NLM_F_CREATE | NLM_F_EXCL,
            };
            let order = RouteNetlinkMessage::NewRoute(message(IpNet::V4(*prefix), hops));
            orders.push((flags, order));
        }
        orders.into_iter().filter_map(|(flags, order)| self.order(flags, order).err()).collect()
    }

    /// Whether [`Kernel::install`] has put routes there that are there still.
    pub fn has_installed(&self) -> bool {
        self.has_installed
    }

    /// Has a route made, changed or deleted, here as there: the kernel's own word on it will say
    /// nothing new then.
    fn order(&mut self, flags: u16, order: RouteNetlinkMessage) -> Result<(), String> {
        match self.requests.change(flags, order.clone()) {
            Ok(()) => {
                let applied = self.state.apply(flags, &order);
                self.untold.extend(applied.changes);
                self.suspect |= applied.suspect;
                Ok(())
            }
            Err(error) => {
                // The mirror may be behind.
                self.suspect = true;
                let is_gone = error.raw_os_error() == Some(libc::ESRCH);
                if is_gone { Ok(()) } else { Err(refused(&order, &error)) }
            }
        }
    }
}

fn refused(order: &RouteNetlinkMessage, error: &io::Error) -> String {
    let (RouteNetlinkMessage::NewRoute(message) | RouteNetlinkMessage::DelRoute(message)) = order
    else {
        return error.to_string();
    };
    let prefix = super::route::prefix(message);
    let prefix = prefix.map_or_else(String::new, |prefix| prefix.to_string());
    format!("the kernel refused the learned route to {prefix}, metric {METRIC}: {error}")
}

fn leads_by(route: &Route, hops: &[(u32, Ipv4Addr)]) -> bool {
    let hop = |(ifindex, gateway): &(u32, Ipv4Addr)| RouteHop {
        ifindex: *ifindex,
        gateway: Some((*gateway).into()),
        weight: 1,
        dead: false,
    };
    let target = RouteTarget::Forward(hops.iter().map(hop).collect());
    route.same_route(&Route { target, prefsrc: None, ..route.clone() })
}

/// A route by these links and routers; by none to name one that is to be deleted.
fn message(prefix: IpNet, hops: &[(u32, Ipv4Addr)]) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = match prefix {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    };
    message.header.destination_prefix_length = prefix.prefix_len();
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Ospf;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message.attributes.push(RouteAttribute::Destination(prefix.network().into()));
    message.attributes.push(RouteAttribute::Priority(METRIC));
    let gateway = |address: Ipv4Addr| RouteAttribute::Gateway(RouteAddress::Inet(address));
    match *hops {
        [] => {}
        [(ifindex, router)] => {
            message.attributes.extend([gateway(router), RouteAttribute::Oif(ifindex)]);
        }
        _ => {
            let hops = hops.iter().map(|(ifindex, router)| {
                let mut hop = RouteNextHop::default();
                hop.interface_index = *ifindex;
                hop.attributes = vec![gateway(*router)];
                hop
            });
            message.attributes.push(RouteAttribute::MultiPath(hops.collect()));
        }
    }
    message
}
