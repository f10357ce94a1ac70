//! How a tunnel fills in its outer IP header, and what it does to TCP's segment sizes.

use toml::Spanned;

use super::value::{choice, word_or_number};
use crate::{
    findings::Findings,
    model::{Df, Dscp, Ecn, Mss, OuterRules, Ttl},
    section::{Field, WordOrNumber},
};

/// The default time to live (RFC 1700).
const TTL_DEFAULT: u8 = 64;

/// The keys of a tunnel that this is about.
pub(super) struct Fields {
    pub(super) ttl: Field<WordOrNumber>,
    pub(super) dscp: Field<WordOrNumber>,
    pub(super) ecn: Field<String>,
    pub(super) df: Field<String>,
}

/// The rules; those that were refused have their defaults.
pub(super) fn rules(fields: Fields, found: &mut Findings) -> OuterRules {
    let ttl = word_or_number(
        fields.ttl.optional(),
        "ttl",
        &[("copy", Ttl::Copy)],
        (1..=255, Ttl::Fixed),
        found,
    );
    let dscp = word_or_number(
        fields.dscp.optional(),
        "dscp",
        &[("copy", Dscp::Copy)],
        (0..=63, Dscp::Fixed),
        found,
    );
    let ecns = [("copy", Ecn::Copy), ("clear", Ecn::Clear)];
    let ecn = choice(fields.ecn.optional(), "ecn", &ecns, found);
    let dfs = [("copy", Df::Copy), ("set", Df::Set), ("clear", Df::Clear)];
    let df = choice(fields.df.optional(), "df", &dfs, found);
    OuterRules {
        ttl: ttl.unwrap_or(Ttl::Fixed(TTL_DEFAULT)),
        dscp: dscp.unwrap_or(Dscp::Copy),
        ecn: ecn.unwrap_or(Ecn::Copy),
        df: df.unwrap_or(Df::Copy),
    }
}

/// The clamp; the default when it was refused.
pub(super) fn mss(value: Option<Spanned<WordOrNumber>>, found: &mut Findings) -> Mss {
    let words = [("auto", Mss::Auto), ("off", Mss::Off)];
    // RFC 9293 3.7.1: every host takes segments of 536 bytes.
    word_or_number(value, "mss", &words, (536..=9160, Mss::Fixed), found).unwrap_or(Mss::Auto)
}
