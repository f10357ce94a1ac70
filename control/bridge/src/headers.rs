//! Which templates each kind of tunnel has under each mode of ESP, and what the other side's
//! packets look like.

use config::EspMode;
use tables::{ClearKind, Df, Dscp, Ecn, GreHeader, L2tpHeader, OuterRules, Payload, Rewrite, Ttl};
use wire::protocol;

use super::spec::{Kind, TunnelSpec};

/// A tunnel's encapsulation.
pub(super) struct Headers {
    /// What goes in front before sealing.
    pub(super) inner: Option<Rewrite>,
    /// What goes in front of everything.
    pub(super) rewrite: Rewrite,
    /// What comes out.
    pub(super) payload: Payload,
}

impl Headers {
    /// With the outer IP header filled in by `rules`.
    pub(super) fn of(spec: &TunnelSpec, rules: OuterRules) -> Self {
        let (ends, carrier) = (spec.ends, spec.carrier());
        let own = match spec.kind {
            Kind::Policy(_) | Kind::Vti => None,
            Kind::Gre(header) => Some(Own::Gre(header)),
            Kind::Ipip => Some(Own::Ipip),
            Kind::L2tp { sent, .. } => Some(Own::L2tp(sent)),
        };
        let whole = |own| match own {
            Own::Gre(header) => Rewrite::gre(ends, header, rules),
            Own::Ipip => Rewrite::ipip(ends, rules),
            Own::L2tp(header) => Rewrite::l2tp(ends, header, rules),
        };
        let plain = Payload { between: None, carrier };
        let Some(protected) = &spec.protection else {
            // Kinds without a header of their own never run without ESP.
            let rewrite = whole(own.unwrap_or(Own::Ipip));
            return Self { inner: None, rewrite, payload: plain };
        };
        let rewrite = match protected.remote_port {
            Some(port) => Rewrite::esp_in_udp(spec.outer_ends, port, rules),
            None => Rewrite::esp(spec.outer_ends, rules),
        };
        match (own, protected.mode) {
            (None | Some(Own::Ipip), EspMode::Transport) | (None, EspMode::Tunnel) => {
                // In transport mode the outer header is IP in IP's own.
                Self { inner: None, rewrite, payload: plain }
            }
            (Some(Own::Gre(header)), EspMode::Transport) => {
                Self { inner: Some(Rewrite::bare_gre(header)), rewrite, payload: plain }
            }
            (Some(Own::L2tp(header)), EspMode::Transport) => {
                Self { inner: Some(Rewrite::bare_l2tp(header)), rewrite, payload: plain }
            }
            (Some(own), EspMode::Tunnel) => {
                let payload = Payload { between: Some(ends), carrier };
                Self { inner: Some(whole(own)), rewrite, payload }
            }
        }
    }
}

/// A header that a tunnel brings besides ESP's.
#[derive(Clone, Copy)]
enum Own {
    Gre(GreHeader),
    Ipip,
    L2tp(L2tpHeader),
}

/// How a tunnel without protection is found by what is on the wire.
pub(super) fn clear_kind(spec: &TunnelSpec) -> Option<ClearKind> {
    match (&spec.protection, &spec.kind) {
        (Some(_), _) | (None, Kind::Policy(_) | Kind::Vti) => None,
        (None, Kind::Gre(header)) => Some(ClearKind::Gre(header.key)),
        (None, Kind::Ipip) => Some(ClearKind::Ipip),
        (None, Kind::L2tp { received, .. }) => {
            let (tunnel, session) = (received.tunnel, received.session);
            Some(ClearKind::L2tp { tunnel, session })
        }
    }
}

/// The configured rules as the tables have them.
pub(super) fn outer_rules(rules: config::OuterRules) -> OuterRules {
    OuterRules {
        ttl: match rules.ttl {
            config::Ttl::Copy => Ttl::Copy,
            config::Ttl::Fixed(ttl) => Ttl::Set(ttl),
        },
        dscp: match rules.dscp {
            config::Dscp::Copy => Dscp::Copy,
            config::Dscp::Fixed(dscp) => Dscp::Set(dscp),
        },
        ecn: match rules.ecn {
            config::Ecn::Copy => Ecn::Copy,
            config::Ecn::Clear => Ecn::Clear,
        },
        df: match rules.df {
            config::Df::Copy => Df::Copy,
            config::Df::Set => Df::Set,
            config::Df::Clear => Df::Clear,
        },
    }
}

/// The outer protocols of a tunnel without protection.
pub(super) fn clear_protocols(spec: &TunnelSpec) -> &'static [u8] {
    match spec.kind {
        Kind::Gre(_) => &[protocol::GRE],
        Kind::Ipip => &[protocol::IPV4, protocol::IPV6],
        Kind::L2tp { .. } => &[protocol::UDP],
        Kind::Policy(_) | Kind::Vti => &[],
    }
}
