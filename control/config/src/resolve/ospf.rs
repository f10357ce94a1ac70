//! `[ospf]`: the router, its areas, and the ports and tunnels that it speaks on.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use ipnet::{IpNet, Ipv4Net};
use ospf::{
    msg::auth::Authentication,
    settings::{AreaKind, AreaRange, AreaSettings, NetworkType, Shielded},
};
use toml::Spanned;

use super::{
    Surroundings, address, ospf_auth, ospf_bfd,
    ospf_cost::{self, Reference},
    port::Ports,
    secrets::Secrets,
    tunnel::Tunnels,
    value::{Unique, choice, duration, number},
};
use crate::{
    findings::Findings,
    model::{Ospf, OspfInterface, OspfPlace, Redistribute, Role, TunnelKind},
    schema,
    section::{Field, Many, One, WordOrNumber, Words},
    spelling::{list, nearest, shown},
};

/// Intervals that nearly every router has (RFC 2328 appendix C.3), seconds.
const HELLO_DEFAULT: Duration = Duration::from_secs(10);
const DEAD_DEFAULT: Duration = Duration::from_secs(40);
/// The same on networks without multicast and with many routers.
const HELLO_SLOW: Duration = Duration::from_secs(30);
const DEAD_SLOW: Duration = Duration::from_secs(120);
const RETRANSMIT_DEFAULT: Duration = Duration::from_secs(5);
const METRIC_DEFAULT: u32 = 20;
const METRIC_MAX: i64 = 0x00ff_fffe;
const PATHS_DEFAULT: usize = 8;

/// What interfaces are looked up in.
struct Places<'a> {
    ports: &'a Ports,
    tunnels: &'a Tunnels,
    reference: Reference,
}

/// Converts the section; `None` where there is none.
pub(super) fn resolve(
    section: Field<One<schema::Ospf>>,
    ports: &Ports,
    tunnels: &Tunnels,
    secrets: &mut Secrets,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> Option<Ospf> {
    let section = section.optional()?;
    let at = section.span();
    let mut section = section.into_inner().0;
    let router_id = router_id(section.router_id.take(), found);
    let areas = areas(super::sections(section.areas.take()), found);
    let redistribute = redistribute(&mut section, found);
    let external_ranges = prefixes(section.summarise.take(), found);
    let paths_max = number(section.paths.take().optional(), "paths", 1..=16, "", found);
    let (stub_router_for, stub_router_on_stop) = stub_router(&mut section, found);
    let kernel_routes = section.kernel_routes.take().optional().is_some_and(Spanned::into_inner);
    let reference = Reference::resolve(&mut section, found);
    let places = Places { ports, tunnels, reference };
    let interfaces = super::sections(section.interfaces.take());
    if interfaces.0.is_empty() {
        let error = found.error(at, "OSPF is spoken nowhere").label("no [[ospf.interface]] here");
        found.push(error.help("add [[ospf.interface]] with the `name` of a port or tunnel"));
    }
    let mut names = Unique::new();
    let interfaces = interfaces.0.into_iter().filter_map(|section| {
        interface(section, &places, &mut names, secrets, surroundings, found)
    });
    let interfaces = interfaces.collect();
    Some(Ospf {
        router_id,
        areas,
        interfaces,
        redistribute,
        external_ranges,
        paths_max: paths_max.unwrap_or(PATHS_DEFAULT),
        kernel_routes,
        stub_router_for,
        stub_router_on_stop,
    })
}

/// How long no traffic is drawn through the router, after its start and before its stop.
fn stub_router(section: &mut schema::Ospf, found: &mut Findings) -> (Duration, Duration) {
    let start = section.stub_router.take().optional();
    let start = duration(start, "stub_router", 1..=86400, &["never"], found);
    let stop = section.stub_router_on_stop.take().optional();
    let stop = duration(stop, "stub_router_on_stop", 1..=600, &["never"], found);
    (start.flatten().unwrap_or_default(), stop.flatten().unwrap_or_default())
}

fn router_id(field: Field<String>, found: &mut Findings) -> Option<Ipv4Addr> {
    let value = field.optional()?;
    let id = value.get_ref().parse::<Ipv4Addr>().ok().filter(|id| !id.is_unspecified());
    if id.is_none() {
        let title = format!("{} is not a router ID", shown(value.get_ref()));
        let error = found.error(value.span(), title).label("not four numbers with dots");
        found.push(error.help("write an address of this gateway: `router_id = \"10.1.0.1\"`"));
    }
    id
}

/// An area as users write it: a number, or four with dots.
fn area(field: Field<WordOrNumber>, found: &mut Findings) -> Option<Ipv4Addr> {
    let value = field.optional()?;
    let id = match value.get_ref() {
        WordOrNumber::Number(number) => u32::try_from(*number).ok().map(Ipv4Addr::from_bits),
        WordOrNumber::Word(word) => {
            let number = word.parse::<u32>().ok().map(Ipv4Addr::from_bits);
            word.parse::<Ipv4Addr>().ok().or(number)
        }
    };
    if id.is_none() {
        let error = found.error(value.span(), "this is not an area").label("not an area's number");
        found.push(error.help("write `area = 0`, or `area = \"0.0.0.1\"`"));
    }
    id
}

fn areas(
    sections: Many<schema::OspfArea>,
    found: &mut Findings,
) -> BTreeMap<Ipv4Addr, AreaSettings> {
    let mut areas = BTreeMap::new();
    let mut unique = Unique::new();
    for section in sections.0 {
        let at = section.span();
        let mut section = section.into_inner();
        if section.id.is_absent() {
            let error = found.error(at.clone(), "the area has no number").label("no `id` here");
            found.push(error.help("add a line such as `id = 1`"));
        }
        let id = area(section.id.take(), found);
        let Some(settings) = area_settings(section, at.clone(), id, found) else { continue };
        let Some(id) = id else { continue };
        if let Err(first) = unique.take(id, at.clone()) {
            let error = found.error(at, format!("area {id} is described twice")).label("again");
            found.push(error.also(first, "first described here").help("make one of the two"));
        }
        areas.insert(id, settings);
    }
    areas
}

fn area_settings(
    mut section: schema::OspfArea,
    at: Range<usize>,
    id: Option<Ipv4Addr>,
    found: &mut Findings,
) -> Option<AreaSettings> {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Normal,
        Stub,
        Nssa,
    }
    let kinds = [("normal", Kind::Normal), ("stub", Kind::Stub), ("nssa", Kind::Nssa)];
    let kind_at = section.kind.span();
    let given = !section.kind.is_absent();
    let kind = choice(section.kind.take().optional(), "kind", &kinds, found);
    let kind = if given { kind? } else { Kind::Normal };
    let shielding = section.summaries.span().or(section.default_cost.span());
    if let (Kind::Normal, Some(at)) = (kind, shielding) {
        let error = found.error(at, "a normal area hears of everything");
        let error = error.label("only for `kind = \"stub\"` and `kind = \"nssa\"`");
        found.push(error.help("remove this line, or write the kind of the area"));
    }
    if kind != Kind::Normal && id == Some(Ipv4Addr::UNSPECIFIED) {
        let error = found.error(kind_at.unwrap_or(at), "the backbone is a normal area");
        let error = error.label("area 0 hears of everything (RFC 2328 section 3.6)");
        found.push(error.help("remove this line, or give the area another `id`"));
    }
    let cost =
        number(section.default_cost.take().optional(), "default_cost", 1..=METRIC_MAX, "", found);
    let shielded = Shielded {
        summaries: section.summaries.take().optional().is_none_or(Spanned::into_inner),
        default_cost: cost.unwrap_or(1),
    };
    let mut ranges = Vec::new();
    for (field, advertise) in [(section.ranges.take(), true), (section.hidden.take(), false)] {
        let of_field = prefixes(field, found).into_iter();
        ranges.extend(of_field.map(|prefix| AreaRange { prefix, advertise }));
    }
    let kind = match kind {
        Kind::Normal => AreaKind::Normal,
        Kind::Stub => AreaKind::Stub(shielded),
        Kind::Nssa => AreaKind::Nssa(shielded),
    };
    Some(AreaSettings { kind, ranges })
}

fn prefixes(field: Field<Words>, found: &mut Findings) -> Vec<Ipv4Net> {
    let Some(values) = field.optional() else { return Vec::new() };
    let mut all = Vec::new();
    for value in values.into_inner().0 {
        match address::prefix(&value, found).map(Spanned::into_inner) {
            Some(IpNet::V4(prefix)) => all.push(prefix),
            Some(IpNet::V6(_)) => not_ipv4(value.span(), found),
            None => {}
        }
    }
    all
}

fn not_ipv4(at: Range<usize>, found: &mut Findings) {
    let error = found.error(at, "OSPFv2 carries IPv4").label("not of IPv4");
    found.push(error.help("write an IPv4 address or prefix here"));
}

fn redistribute(section: &mut schema::Ospf, found: &mut Findings) -> Redistribute {
    #[derive(Clone, Copy)]
    enum Source {
        Connected,
        Configured,
        Kernel,
        Default,
    }
    let sources = [
        ("connected", Source::Connected),
        ("static", Source::Configured),
        ("kernel", Source::Kernel),
        ("default", Source::Default),
    ];
    let metric = number(section.metric.take().optional(), "metric", 0..=METRIC_MAX, "", found);
    let kind = number(section.metric_type.take().optional(), "metric_type", 1..=2, "", found);
    let mut all = Redistribute {
        connected: false,
        configured: false,
        kernel: false,
        default: false,
        within: prefixes(section.redistribute_within.take(), found),
        except: prefixes(section.redistribute_except.take(), found),
        metric: metric.unwrap_or(METRIC_DEFAULT),
        is_type2: kind.is_none_or(|kind: u8| kind == 2),
    };
    let words = section.redistribute.take().optional();
    for word in words.map_or_else(Vec::new, |words| words.into_inner().0) {
        match choice(Some(word), "redistribute", &sources, found) {
            Some(Source::Connected) => all.connected = true,
            Some(Source::Configured) => all.configured = true,
            Some(Source::Kernel) => all.kernel = true,
            Some(Source::Default) => all.default = true,
            None => {}
        }
    }
    all
}

impl Places<'_> {
    fn find(&self, name: &Spanned<String>, found: &mut Findings) -> Option<OspfPlace> {
        let text = name.get_ref();
        let port = self.ports.list.iter().position(|port| port.name == *text);
        let tunnel = self.tunnels.list.iter().position(|tunnel| tunnel.name == *text);
        if let Some(place) = port.map(OspfPlace::Port).or(tunnel.map(OspfPlace::Tunnel)) {
            return Some(place);
        }
        let ports = self.ports.list.iter().map(|port| port.name.as_str());
        let tunnels = self.tunnels.list.iter().map(|tunnel| tunnel.name.as_str());
        let names: Vec<&str> = ports.chain(tunnels).collect();
        let help = match nearest(text, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.len() > 8 => "write the name of a [[port]] or [[tunnel]]".to_owned(),
            None => format!("the ports and tunnels here are {}", list(&names)),
        };
        let title = format!("there is no port or tunnel {}", shown(text));
        found.push(found.error(name.span(), title).label("nothing has this name").help(help));
        None
    }

    /// Whether it is an outside port.
    fn is_outside(&self, place: Option<OspfPlace>) -> bool {
        let Some(OspfPlace::Port(index)) = place else { return false };
        self.ports.list.get(index).is_some_and(|port| port.role == Role::Outside)
    }

    /// What such a place is to OSPF if nothing else is said; reports one that is none.
    fn network(
        &self,
        place: OspfPlace,
        name: &Spanned<String>,
        found: &mut Findings,
    ) -> Option<NetworkType> {
        let OspfPlace::Tunnel(index) = place else { return Some(NetworkType::Broadcast) };
        let tunnel = self.tunnels.list.get(index)?;
        let (title, label, help) = match tunnel.kind {
            TunnelKind::Esp(_) | TunnelKind::DynamicVti => (
                "routes do not lead into this tunnel",
                "OSPF has nothing to decide here",
                "name a tunnel of kind vti, gre, ipip, mgre or l2tp",
            ),
            _ if !tunnel.addresses.iter().any(|net| net.get_ref().addr().is_ipv4()) => (
                "the tunnel has no address",
                "OSPF speaks from an IPv4 address",
                "add a line such as `address = \"10.255.0.1/30\"` to the [[tunnel]]",
            ),
            TunnelKind::Mgre(_) => return Some(NetworkType::PointToMultipoint),
            _ => return Some(NetworkType::PointToPoint),
        };
        found.push(found.error(name.span(), title).label(label).help(help));
        None
    }
}

fn interface(
    section: Spanned<schema::OspfInterface>,
    places: &Places<'_>,
    names: &mut Unique<String>,
    secrets: &mut Secrets,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> Option<OspfInterface> {
    let at = section.span();
    let mut section = section.into_inner();
    let name = section.name.take().required(at, found)?;
    names.take_name("interfaces of OSPF", &name, "keep one of the two sections", found);
    let place = places.find(&name, found);
    let default = place.and_then(|place| places.network(place, &name, found));
    let kinds = [
        ("broadcast", NetworkType::Broadcast),
        ("point-to-point", NetworkType::PointToPoint),
        ("point-to-multipoint", NetworkType::PointToMultipoint),
        ("nbma", NetworkType::Nbma),
    ];
    let network = choice(section.network.take().optional(), "network", &kinds, found);
    let area_given = !section.area.is_absent();
    let area = area(section.area.take(), found);
    let network = network.or(default)?;
    let (hello_interval, dead_interval) = intervals(&mut section, network, found);
    let retransmit =
        duration(section.retransmit.take().optional(), "retransmit", 1..=3600, &[], found);
    let cost = ospf_cost::resolve(&mut section, place, places.reference, found);
    let priority = number(section.priority.take().optional(), "priority", 0..=255, "", found);
    let passive_at = section.passive.given().filter(|is| **is).and(section.passive.span());
    let bfd = ospf_bfd::resolve(section.bfd.take(), passive_at, found);
    let flag = |field: &mut Field<bool>| field.take().optional().is_some_and(Spanned::into_inner);
    let (is_passive, mtu_ignore) = (flag(&mut section.passive), flag(&mut section.mtu_ignore));
    if !is_passive && places.is_outside(place) {
        let error = found.error(name.span(), "OSPF is not spoken on outside ports");
        let error = error.label("nothing leaves in clear there");
        found.push(error.help("name a tunnel or an inside port, or write `passive = true`"));
    }
    let neighbors = neighbors(section.neighbors.take(), found);
    let authentication = ospf_auth::resolve(section, &name, secrets, surroundings, found);
    if area_given && area.is_none() {
        return None;
    }
    Some(OspfInterface {
        place: place?,
        name: name.get_ref().as_str().into(),
        area: area.unwrap_or(ospf::settings::BACKBONE),
        network,
        cost,
        is_passive,
        priority: priority.unwrap_or(1),
        hello_interval,
        dead_interval,
        retransmit_interval: retransmit.flatten().unwrap_or(RETRANSMIT_DEFAULT),
        mtu_ignore,
        authentication: Arc::new(authentication.unwrap_or(Authentication::None)),
        neighbors,
        bfd,
    })
}

/// How often hellos are said, and after what silence a neighbour is dead.
fn intervals(
    section: &mut schema::OspfInterface,
    network: NetworkType,
    found: &mut Findings,
) -> (Duration, Duration) {
    let is_slow = matches!(network, NetworkType::Nbma | NetworkType::PointToMultipoint);
    let (hello_at, dead_at) = (section.hello.span(), section.dead.span());
    let fast_at = section.fast_hellos.span();
    let hello = duration(section.hello.take().optional(), "hello", 1..=65535, &[], found);
    let dead = duration(section.dead.take().optional(), "dead", 1..=65535, &[], found);
    let fast: Option<u32> =
        number(section.fast_hellos.take().optional(), "fast_hellos", 2..=20, " a second", found);
    if let (Some(fast), Some(at)) = (fast, fast_at) {
        if let Some(other) = hello_at.or(dead_at) {
            let error = found.error(other, "fast hellos have intervals of their own");
            let error = error.label("not beside `fast_hellos`").also(at, "asked for here");
            found.push(error.help("remove one of the two lines"));
        }
        return (Duration::from_secs(1) / fast, Duration::from_secs(1));
    }
    let default = if is_slow { HELLO_SLOW } else { HELLO_DEFAULT };
    let hello = hello.flatten().unwrap_or(default);
    let times_four = if hello_at.is_some() {
        hello * 4
    } else if is_slow {
        DEAD_SLOW
    } else {
        DEAD_DEFAULT
    };
    let dead = dead.flatten().unwrap_or(times_four);
    if dead <= hello {
        let at = dead_at.or(hello_at).unwrap_or(0..0);
        let error = found.error(at, "a neighbour is dead before its next hello");
        let error = error.label("`dead` is not longer than `hello`");
        found.push(error.help("write a `dead` of four times `hello`, or leave it out"));
    }
    (hello, dead)
}

fn neighbors(field: Field<Words>, found: &mut Findings) -> Vec<Ipv4Addr> {
    let Some(values) = field.optional() else { return Vec::new() };
    let mut all = Vec::new();
    for value in values.into_inner().0 {
        let at = value.span();
        match address::host(Some(value), "neighbors", found).map(Spanned::into_inner) {
            Some(IpAddr::V4(address)) => all.push(address),
            Some(IpAddr::V6(_)) => not_ipv4(at, found),
            None => {}
        }
    }
    all
}
