//! Whether BFD watches OSPF's neighbours on an interface, and how closely.

use std::{num::NonZeroU8, ops::Range, time::Duration};

use super::value::{interval, number};
use crate::{
    findings::Findings,
    model::Bfd,
    schema,
    section::{Field, FlagOr},
};

/// What routers with BFD have if nothing else is said.
const DEFAULT: Bfd =
    Bfd { interval: Duration::from_millis(300), multiplier: NonZeroU8::MIN.saturating_add(2) };

/// `None` is without it. `passive` is where it is said that OSPF is not spoken.
pub(super) fn resolve(
    field: Field<FlagOr<schema::Bfd>>,
    passive: Option<Range<usize>>,
    found: &mut Findings,
) -> Option<Bfd> {
    let value = field.optional()?;
    let at = value.span();
    let mut section = match value.into_inner() {
        FlagOr::Flag(false) => return None,
        FlagOr::Flag(true) => return not_beside(passive, at, DEFAULT, found),
        FlagOr::Section(section) => section,
    };
    let bounds = Duration::from_millis(10)..=Duration::from_secs(60);
    let interval = interval(section.interval.take().optional(), "interval", bounds, found);
    let multiplier = number(section.multiplier.take().optional(), "multiplier", 1..=255, "", found);
    let wanted = Bfd {
        interval: interval.unwrap_or(DEFAULT.interval),
        multiplier: multiplier.and_then(NonZeroU8::new).unwrap_or(DEFAULT.multiplier),
    };
    not_beside(passive, at, wanted, found)
}

fn not_beside(
    passive: Option<Range<usize>>,
    at: Range<usize>,
    wanted: Bfd,
    found: &mut Findings,
) -> Option<Bfd> {
    if let Some(passive) = passive {
        let error = found.error(at, "there are no neighbours to watch");
        let error = error.label("not on a passive interface").also(passive, "OSPF is not spoken");
        found.push(error.help("remove one of the two lines"));
    }
    Some(wanted)
}
