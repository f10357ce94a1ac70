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

/// The bandwidth that costs one.
#[derive(Clone, Copy)]
pub(super) struct Reference {
    is_given: bool,
    /// In thousands of bits a second.
    kbit: Option<u64>,
}

impl Reference {
    pub(super) fn resolve(section: &mut schema::Ospf, found: &mut Findings) -> Self {
        let is_given = !section.reference_bandwidth.is_absent();
        let value = section.reference_bandwidth.take().optional();
        Self { is_given, kbit: rate(value, "reference_bandwidth", found) }
    }
}

/// The cost of an interface.
pub(super) fn resolve(
    section: &mut schema::OspfInterface,
    place: Option<OspfPlace>,
    reference: Reference,
    found: &mut Findings,
) -> OspfCost {
    let cost = number(section.cost.take().optional(), "cost", 1..=65535, "", found);
    let bandwidth = section.bandwidth.take().optional();
    let at = bandwidth.as_ref().map(Spanned::span);
    let bandwidth_kbit = rate(bandwidth, "bandwidth", found);
    if let (Some(at), Some(_), None, false) = (at, bandwidth_kbit, cost, reference.is_given) {
        found.push(without_reference(at, found));
    }
    match (cost, reference.kbit, bandwidth_kbit) {
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
