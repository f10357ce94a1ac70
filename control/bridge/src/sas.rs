//! What the shell asks about SAs, and what it tells of them.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use esp::OutboundSa;
use ike::output::ChildSaId;
use tables::Endpoints;
use wire::protocol;

use super::protection::{Sas, is_known};
use super::spec::TunnelSpec;
use super::{Bridge, headers};

/// A peer behind a NAT that must not forget us (RFC 3948 4).
pub struct Kept {
    /// Our end.
    pub local: IpAddr,
    /// Its end, as the NAT shows it.
    pub remote: IpAddr,
    /// Its UDP port, as the NAT shows it.
    pub port: u16,
    /// Seconds of silence before a keepalive.
    pub interval_s: u32,
    /// What is sent to it.
    pub outbound: Arc<OutboundSa>,
}

/// What it means that a packet came from elsewhere.
pub enum Heard<'a> {
    /// The peer of a manual SA has moved: tables are to be built anew. The tunnel's name.
    Moved(&'a str),
    /// The peer of a negotiated pair may have moved: IKE decides.
    Negotiated(ChildSaId, SocketAddr),
}

impl Bridge {
    /// Takes notice that the packet `seq` of an inbound SA came from elsewhere; what that means, if
    /// it is news.
    pub fn peer_moved(
        &mut self,
        spi: u32,
        seq: u64,
        address: IpAddr,
        port: Option<u16>,
    ) -> Option<Heard<'_>> {
        if let Some(at) = self.places.manual_spis.get(&spi).copied() {
            let spec = &mut self.tunnels[at];
            return spec.peer_moved(seq, address, port).then_some(Heard::Moved(&spec.name));
        }
        let pair = self.pair_heard(spi, seq)?;
        Some(Heard::Negotiated(pair.child.id, pair.peer_at(address, port)))
    }

    /// Whether a tunnel of ours could have sent a packet with these outer ends, protocol and,
    /// for ESP, SPI.
    #[must_use]
    pub fn could_have_sent(
        &self,
        local: IpAddr,
        remote: IpAddr,
        protocol: u8,
        spi: Option<u32>,
    ) -> bool {
        let quoted = Endpoints { local, remote };
        let sends = |spec: &TunnelSpec| match (&spec.protection, spi) {
            (Some(protected), Some(spi)) => protected.could_have_sent(spec.outer_ends, quoted, spi),
            (None, None) => {
                spec.outer_ends == quoted && headers::clear_protocols(spec).contains(&protocol)
            }
            _ => false,
        };
        // Strangers can have this asked as often as they like: not all tunnels are looked at.
        match spi {
            Some(spi) => self.places.senders(spi).any(|at| sends(&self.tunnels[at])),
            None => self.places.in_clear(quoted).any(|at| sends(&self.tunnels[at])),
        }
    }

    /// The peers that NATs must not forget.
    pub fn kept(&self) -> impl Iterator<Item = Kept> {
        self.tunnels.iter().filter_map(|spec| {
            let protected = spec.protection.as_ref()?;
            let ends = spec.outer_ends;
            // RFC 3948 4: only who is behind the NAT has to keep it open, if that is known.
            let sending = spec.sending();
            let wanted = sending.is_none_or(|pair| pair.child.behind_nat);
            // Without the shared pair it is a worker's that goes on.
            let outbound = sending.map(|pair| &pair.outbound).or(protected.outbound());
            Some(Kept {
                local: ends.local,
                remote: Some(ends.remote).filter(|remote| wanted && is_known(*remote))?,
                port: protected.remote_port?,
                interval_s: protected.keepalive_s?,
                outbound: Arc::clone(outbound?),
            })
        })
    }

    /// Our ends of ESP in UDP with manual SAs: those of IKE's are open already.
    #[must_use]
    pub fn udp_ends(&self) -> BTreeSet<IpAddr> {
        let in_udp = |spec: &&TunnelSpec| {
            let protected = spec.protection.as_ref();
            let manual = protected.filter(|protected| matches!(protected.sas, Sas::Manual(_)));
            manual.is_some_and(|protected| protected.remote_port.is_some())
        };
        self.tunnels.iter().filter(in_udp).map(|spec| spec.outer_ends.local).collect()
    }

    /// Whether anything travels in UDP besides what IKE negotiates: ESP, or L2TP in clear.
    #[must_use]
    pub fn uses_udp(&self) -> bool {
        let clear = |spec: &TunnelSpec| {
            spec.protection.is_none() && headers::clear_protocols(spec).contains(&protocol::UDP)
        };
        !self.udp_ends().is_empty() || self.tunnels.iter().any(clear)
    }

    /// Ends manual SAs that have reached a hard limit, and says which limits were reached since the
    /// last call; `age` is how long ago the SAs were made.
    pub fn check_lifetimes(&mut self, age: Duration) -> Vec<String> {
        let check = |spec: &mut TunnelSpec| {
            let Sas::Manual(sas) = &mut spec.protection.as_mut()?.sas else { return None };
            let said = sas.reminder.check(age, &sas.outbound, &sas.inbound)?;
            Some(format!("tunnel {}: {said}", spec.name))
        };
        self.tunnels.iter_mut().filter_map(check).collect()
    }

    /// The inbound SPIs that are written down: IKE must choose others.
    #[must_use]
    pub fn manual_spis(&self) -> Vec<u32> {
        self.places.manual_spis.keys().copied().collect()
    }
}
