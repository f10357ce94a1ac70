//! OSPF, in words.

use std::fmt::{self, Write};
use std::time::Duration;

use ospf::{
    msg::auth::Authentication,
    settings::{AreaKind, NetworkType},
};

use crate::model::{Bfd, Ospf, OspfCost, OspfInterface};

/// An `[ospf]`.
pub(super) fn router(out: &mut String, ospf: &Ospf) -> fmt::Result {
    match ospf.router_id {
        Some(id) => writeln!(out, "OSPF router {id}")?,
        None => writeln!(out, "OSPF router, with its first address as ID")?,
    }
    let told = &ospf.redistribute;
    let sources = [
        (told.connected, "connected networks"),
        (told.configured, "routes of this file"),
        (told.kernel, "routes of the kernel"),
        (told.default, "a default route"),
    ];
    let sources: Vec<&str> = sources.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
    if !sources.is_empty() {
        let kind = if told.is_type2 { 2 } else { 1 };
        let (sources, metric) = (sources.join(", "), told.metric);
        writeln!(out, "    others hear of {sources}, metric {metric} of type {kind}")?;
        for (word, prefixes) in [("only", &told.within), ("but not", &told.except)] {
            let prefixes: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
            if !prefixes.is_empty() {
                writeln!(out, "        {word} what is within {}", prefixes.join(", "))?;
            }
        }
    }
    if ospf.kernel_routes {
        writeln!(out, "    what is learned over ports goes to the kernel's main table, too")?;
    }
    for (id, area) in &ospf.areas {
        let kind = match area.kind {
            AreaKind::Normal => "normal",
            AreaKind::Stub(shielded) if shielded.summaries => "stub",
            AreaKind::Stub(_) => "totally stubby",
            AreaKind::Nssa(shielded) if shielded.summaries => "not so stubby",
            AreaKind::Nssa(_) => "not so stubby, without summaries",
        };
        write!(out, "    area {id}: {kind}")?;
        for range in &area.ranges {
            let told = if range.advertise { "told as" } else { "hidden:" };
            write!(out, ", {told} {}", range.prefix)?;
        }
        writeln!(out)?;
    }
    ospf.interfaces.iter().try_for_each(|item| interface(out, item))
}

fn interface(out: &mut String, interface: &OspfInterface) -> fmt::Result {
    let OspfInterface { name, area, .. } = interface;
    let cost = match interface.cost {
        OspfCost::Fixed(cost) => format!("cost {cost}"),
        OspfCost::BySpeed { reference_kbit } => {
            let mbit = reference_kbit as f64 / 1000.0;
            format!("cost by the device's speed (1 at {mbit} Mbit/s)")
        }
    };
    if interface.is_passive {
        return writeln!(out, "    {name}: told of in area {area}, {cost}; not spoken there");
    }
    let network = match interface.network {
        NetworkType::Broadcast => "broadcast",
        NetworkType::PointToPoint => "point-to-point",
        NetworkType::PointToMultipoint => "point-to-multipoint",
        NetworkType::Nbma => "non-broadcast",
    };
    let authentication = match &*interface.authentication {
        Authentication::None => "nothing proven",
        Authentication::Simple(_) => "a password in clear",
        Authentication::Cryptographic(_) => "proven by digests",
    };
    let (hello, dead) = (seconds(interface.hello_interval), seconds(interface.dead_interval));
    write!(
        out,
        "    {name}: area {area}, {network}, {cost}, hello every {hello}, dead after {dead}, \
         {authentication}"
    )?;
    if let Some(Bfd { interval, multiplier }) = interface.bfd {
        write!(out, ", watched by BFD, {multiplier} x {}", seconds(interval))?;
    }
    writeln!(out)
}

fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}
