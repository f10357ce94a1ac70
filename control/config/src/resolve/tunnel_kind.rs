//! The keys of a tunnel that some kinds have and others do not.

use std::ops::Range;

use toml::Spanned;

use super::{selector::Fields, tunnel::Kind, value::number};
use crate::{
    findings::Findings,
    model::{Gre, L2tp, Selector, TunnelKind},
    schema,
    section::{Field, Many},
};

/// Most bytes of pad behind L2TP's offset field.
const OFFSET_MAX: i64 = 16;

/// The names of L2TP's numbers, in the order of [`KindFields::ids`].
const IDS: [&str; 4] =
    ["local_tunnel_id", "remote_tunnel_id", "local_session_id", "remote_session_id"];

/// They as the file has them.
pub(super) struct KindFields {
    pub(super) selector: Fields,
    pub(super) selectors: Field<Many<schema::Selector>>,
    pub(super) key: Field<i64>,
    pub(super) checksum: Field<bool>,
    pub(super) sequence: Field<bool>,
    pub(super) ids: [Field<i64>; 4],
    pub(super) length: Field<bool>,
    pub(super) offset: Field<i64>,
    pub(super) pfc: Field<bool>,
    pub(super) acfc: Field<bool>,
}

/// What tells tunnels of this kind with the same ends apart: a GRE key, or L2TP's numbers.
pub(super) fn told_apart_by(kind: &TunnelKind) -> Option<u32> {
    match kind {
        TunnelKind::Gre(gre) | TunnelKind::Mgre(gre) => gre.key,
        TunnelKind::L2tp(l2tp) => {
            Some(u32::from(l2tp.local_tunnel_id) << 16 | u32::from(l2tp.local_session_id))
        }
        TunnelKind::Esp(_) | TunnelKind::Vti | TunnelKind::DynamicVti | TunnelKind::Ipip => None,
    }
}

impl KindFields {
    /// Those of a section.
    pub(super) fn of(section: schema::Tunnel) -> Self {
        Self {
            selector: Fields {
                local: section.local_subnets,
                remote: section.remote_subnets,
                protocol: section.protocol,
                local_ports: section.local_ports,
                remote_ports: section.remote_ports,
            },
            selectors: section.selectors,
            key: section.key,
            checksum: section.checksum,
            sequence: section.sequence,
            ids: [
                section.local_tunnel_id,
                section.remote_tunnel_id,
                section.local_session_id,
                section.remote_session_id,
            ],
            length: section.length,
            offset: section.offset,
            pfc: section.pfc,
            acfc: section.acfc,
        }
    }

    /// Reports what the kind has no use for.
    pub(super) fn check_belongs(&self, kind: Kind, found: &mut Findings) {
        const ESP: &[Kind] = &[Kind::Esp];
        const GRE: &[Kind] = &[Kind::Gre, Kind::Mgre];
        const COUNTED: &[Kind] = &[Kind::Gre, Kind::Mgre, Kind::L2tp];
        const L2TP: &[Kind] = &[Kind::L2tp];
        const BY_ROUTE: &str =
            "say what enters it in [[route]] sections, or write `kind = \"esp\"`";
        const REMOVE: &str = "remove this line";
        let mut allow = |at: Option<Range<usize>>, key: &str, kinds: &[Kind], help: &str| {
            if let Some(at) = at.filter(|_| !kinds.contains(&kind)) {
                let error = found.error(at, format!("{} tunnel has no `{key}`", kind.one()));
                found.push(error.label("not part of this kind of tunnel").help(help));
            }
        };
        allow(self.selector.local.span(), "local_subnets", ESP, BY_ROUTE);
        allow(self.selector.remote.span(), "remote_subnets", ESP, BY_ROUTE);
        allow(self.selector.protocol.span(), "protocol", ESP, REMOVE);
        allow(self.selector.local_ports.span(), "local_ports", ESP, REMOVE);
        allow(self.selector.remote_ports.span(), "remote_ports", ESP, REMOVE);
        allow(self.selectors.span(), "selector", ESP, BY_ROUTE);
        allow(self.key.span(), "key", GRE, REMOVE);
        allow(self.checksum.span(), "checksum", GRE, REMOVE);
        allow(self.sequence.span(), "sequence", COUNTED, REMOVE);
        for (field, name) in self.ids.iter().zip(IDS) {
            allow(field.span(), name, L2TP, REMOVE);
        }
        allow(self.length.span(), "length", L2TP, REMOVE);
        allow(self.offset.span(), "offset", L2TP, REMOVE);
        allow(self.pfc.span(), "pfc", L2TP, REMOVE);
        allow(self.acfc.span(), "acfc", L2TP, REMOVE);
    }

    /// `kind` is `None` if it was refused; then the parts are only looked at for their own errors.
    pub(super) fn resolve(
        self,
        kind: Option<Kind>,
        has_peers: bool,
        at: Range<usize>,
        found: &mut Findings,
    ) -> Option<TunnelKind> {
        let flag = |field: Field<bool>, default| {
            field.optional().map_or(default, |value| *value.get_ref())
        };
        let sequence = flag(self.sequence, false);
        match kind {
            None | Some(Kind::Esp) => {
                let selectors = selectors(self.selector, self.selectors, at, kind, found)?;
                kind.map(|_| TunnelKind::Esp(selectors))
            }
            Some(Kind::Vti) if has_peers => Some(TunnelKind::DynamicVti),
            Some(Kind::Vti) => Some(TunnelKind::Vti),
            Some(Kind::Ipip) => Some(TunnelKind::Ipip),
            Some(kind @ (Kind::Gre | Kind::Mgre)) => {
                let refused = self.key.span().is_some();
                let key = number(self.key.optional(), "key", 0..=i64::from(u32::MAX), "", found);
                if refused && key.is_none() {
                    return None;
                }
                let gre = Gre { key, checksum: flag(self.checksum, false), sequence };
                Some(if kind == Kind::Gre { TunnelKind::Gre(gre) } else { TunnelKind::Mgre(gre) })
            }
            Some(Kind::L2tp) => {
                let mut numbers = self.ids.into_iter().zip(IDS).map(|(field, name)| {
                    number(field.required(at.clone(), found), name, 1..=65535, "", found)
                });
                // All four are looked at before the tunnel is given up.
                let numbers: [Option<u16>; 4] = std::array::from_fn(|_| numbers.next().flatten());
                let offset = number(self.offset.optional(), "offset", 0..=OFFSET_MAX, "", found);
                Some(TunnelKind::L2tp(L2tp {
                    local_tunnel_id: numbers[0]?,
                    remote_tunnel_id: numbers[1]?,
                    local_session_id: numbers[2]?,
                    remote_session_id: numbers[3]?,
                    length: flag(self.length, true),
                    sequence,
                    offset,
                    pfc: flag(self.pfc, true),
                    acfc: flag(self.acfc, true),
                }))
            }
        }
    }
}

/// The one selector that the tunnel's own keys make, or those of its sections.
fn selectors(
    own: Fields,
    sections: Field<Many<schema::Selector>>,
    at: Range<usize>,
    kind: Option<Kind>,
    found: &mut Findings,
) -> Option<Vec<Selector>> {
    if sections.is_absent() {
        let required = kind.map(|_| at);
        return own.resolve(["local_subnets", "remote_subnets"], required, found).map(|s| vec![s]);
    }
    if let (Some(at), Some(sections_at)) = (own.first_span(), sections.span()) {
        let error = found.error(at, "the tunnel's selectors are given twice");
        let error = error.label("a selector of the tunnel's own");
        let error = error.also(sections_at, "and sections for them");
        found.push(error.help("move it into a section [[tunnel.selector]] of its own"));
        return None;
    }
    let one = |section: Spanned<schema::Selector>| {
        let at = section.span();
        let section = section.into_inner();
        let fields = Fields {
            local: section.local,
            remote: section.remote,
            protocol: section.protocol,
            local_ports: section.local_ports,
            remote_ports: section.remote_ports,
        };
        fields.resolve(["local", "remote"], Some(at), found)
    };
    let all: Vec<_> = sections.optional()?.into_inner().0.into_iter().map(one).collect();
    all.into_iter().collect()
}
