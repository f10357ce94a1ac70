//! What an SA may have besides its keys: UDP around it, padding inside, and an end.

use std::{net::IpAddr, ops::Range};

use super::value::{number, word_or_number};
use crate::{
    findings::Findings,
    model::{EspMode, Lifetime, Limit, Tfc},
    section::{Field, WordOrNumber},
};

/// The default of RFC 3948 section 4, seconds.
pub(super) const KEEPALIVE_DEFAULT_S: u32 = 20;
pub(super) const KEEPALIVE_MAX_S: i64 = 3600;

/// Bounds of the length that inner packets are padded to, bytes.
pub(super) const TFC_MIN: i64 = 64;
pub(super) const TFC_MAX: i64 = 9200;

/// The keys of `[tunnel.sa]` that this is about; soft limits come first.
pub(super) struct Extras {
    pub(super) udp_encapsulation: Field<bool>,
    pub(super) keepalive: Field<i64>,
    pub(super) tfc: Field<WordOrNumber>,
    pub(super) packets: [Field<i64>; 2],
    pub(super) bytes: [Field<i64>; 2],
    pub(super) seconds: [Field<i64>; 2],
}

/// What they mean.
pub(super) struct Resolved {
    pub(super) udp_encapsulation: bool,
    pub(super) keepalive_s: Option<u32>,
    pub(super) tfc: Option<Tfc>,
    pub(super) lifetime: Lifetime,
}

impl Extras {
    /// `None` after an error.
    pub(super) fn resolve(
        self,
        remote: Option<IpAddr>,
        mode: EspMode,
        found: &mut Findings,
    ) -> Option<Resolved> {
        let udp_at = self.udp_encapsulation.span();
        let in_udp = self.udp_encapsulation.optional().is_some_and(|value| *value.get_ref());
        let keepalive_at = self.keepalive.span();
        let bounds = 0..=KEEPALIVE_MAX_S;
        let keepalive =
            number(self.keepalive.optional(), "keepalive", bounds, " seconds, 0 for none", found);
        let tfc_at = self.tfc.span();
        let tfc = word_or_number(
            self.tfc.optional(),
            "tfc",
            &[("mtu", Tfc::Mtu)],
            (TFC_MIN..=TFC_MAX, Tfc::Bytes),
            found,
        );
        let mut sound = true;
        let mut refuse = |at: Range<usize>, title: &str, label: &str, help: &str| {
            sound = false;
            found.push(found.error(at, title).label(label).help(help));
        };
        if let Some(at) = udp_at.filter(|_| in_udp && remote.is_some_and(|end| end.is_ipv6())) {
            let label = "the tunnel's ends are IPv6 addresses";
            let help = "remove this line: IPv6 is not translated on its way";
            refuse(at, "ESP in UDP is for IPv4", label, help);
        }
        if let Some(at) = keepalive_at.filter(|_| !in_udp) {
            let help = "add `udp_encapsulation = true`, or remove this line";
            refuse(at, "keepalives are for ESP in UDP", "there is no NAT to keep open", help);
        }
        if let Some(at) = tfc_at.filter(|_| mode == EspMode::Transport) {
            let label = "the padding's end could not be told (RFC 4303 section 2.7)";
            let help = "remove this line, or write `mode = \"tunnel\"`";
            refuse(at, "padding needs tunnel mode", label, help);
        }
        let lifetime = Lifetime {
            packets: limit(self.packets, ["soft_packets", "hard_packets"], found)?,
            bytes: limit(self.bytes, ["soft_bytes", "hard_bytes"], found)?,
            seconds: limit(self.seconds, ["soft_seconds", "hard_seconds"], found)?,
        };
        let keepalive = keepalive.unwrap_or(KEEPALIVE_DEFAULT_S);
        let keepalive_s = Some(keepalive).filter(|seconds| in_udp && *seconds > 0);
        sound.then_some(Resolved { udp_encapsulation: in_udp, keepalive_s, tfc, lifetime })
    }
}

fn limit([soft, hard]: [Field<i64>; 2], names: [&str; 2], found: &mut Findings) -> Option<Limit> {
    let (soft_at, hard_at) = (soft.span(), hard.span());
    let mut value = |field: Field<i64>, name| {
        let refused = field.span().is_some();
        let number: Option<u64> = number(field.optional(), name, 1..=i64::MAX, "", found);
        if refused && number.is_none() { None } else { Some(number) }
    };
    let (soft, hard) = (value(soft, names[0]), value(hard, names[1]));
    let limit = Limit { soft: soft?, hard: hard? };
    if let (Some(soft), Some(hard), Some(soft_at), Some(hard_at)) =
        (limit.soft, limit.hard, soft_at, hard_at)
        && soft > hard
    {
        let error = found.error(soft_at, "the soft limit is above the hard one");
        let error = error.label("never reached").also(hard_at, "the end");
        found.push(error.help("write a soft limit below the hard one, such as nine tenths of it"));
        return None;
    }
    Some(limit)
}
