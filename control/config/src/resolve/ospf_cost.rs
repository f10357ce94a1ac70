//! What it costs to send a packet through an interface of OSPF: a number, or what follows from its
//! bandwidth.

use std::ops::Range;

use toml::Spanned;

use super::value::{number, rate};
use crate::{
    findings::Findings,
    model::{OspfCost, OspfPlace},
    schema,
};

/// The bandwidth that costs one, in thousands of bits a second; `None` where costs do not follow
/// bandwidths.
pub(super) fn reference(section: &mut schema::Ospf, found: &mut Findings) -> Option<u64> {
    rate(section.reference_bandwidth.take().optional(), "reference_bandwidth", found)
}

/// The cost of an interface.
pub(super) fn resolve(
    section: &mut schema::OspfInterface,
    place: Option<OspfPlace>,
    reference_kbit: Option<u64>,
    found: &mut Findings,
) -> OspfCost {
    let cost = number(section.cost.take().optional(), "cost", 1..=65535, "", found);
    let bandwidth = section.bandwidth.take().optional();
    let at = bandwidth.as_ref().map(Spanned::span);
    let bandwidth_kbit = rate(bandwidth, "bandwidth", found);
    if let (Some(at), None, None) = (at, reference_kbit, cost) {
        found.push(without_reference(at, found));
    }
    match (cost, reference_kbit, bandwidth_kbit) {
        (Some(cost), _, _) => OspfCost::Fixed(cost),
        (None, Some(reference), Some(own)) => OspfCost::Fixed(OspfCost::of(reference, own)),
        (None, Some(reference_kbit), None) if matches!(place, Some(OspfPlace::Port(_))) => {
            OspfCost::BySpeed { reference_kbit }
        }
        _ => OspfCost::Fixed(OspfCost::DEFAULT),
    }
}

fn without_reference(at: Range<usize>, found: &Findings) -> crate::diagnostic::Diagnostic {
    let error = found.error(at, "a bandwidth makes no cost by itself");
    let error = error.label("there is no `reference_bandwidth` to be divided by it");
    error.help("add `reference_bandwidth = \"100Gbit\"` to [ospf], or write a `cost`")
}
