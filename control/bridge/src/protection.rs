//! What protects a tunnel: SAs that are written down, or those that IKE negotiates.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

use config::{EspMode, ManualSa, NegotiatedSa, SaKeys, Tfc};
use esp::{Crypto, InboundSa, Keys, Limits, OutboundSa};
use ike::output::{ChildSa, ChildSaId};
use tables::{Demand, Endpoints, InboundEntry, TunnelId, WorkerSas};
use wire::udp::ESP_PORT;

use super::lifetime::Reminder;
use super::pair::Pair;
use super::spec::Making;

/// The SAs of a tunnel, and what holds for all of them.
#[derive(Clone)]
pub(super) struct Protected {
    pub(super) mode: EspMode,
    /// The peer's UDP port, where what we send travels in UDP.
    pub(super) remote_port: Option<u16>,
    /// Seconds of silence after which a NAT is reminded of us.
    pub(super) keepalive_s: Option<u32>,
    pub(super) tfc: Option<Tfc>,
    pub(super) sas: Sas,
}

/// Where the SAs are from.
#[derive(Clone)]
pub(super) enum Sas {
    /// The configuration.
    Manual(Manual),
    /// IKE.
    Negotiated(Negotiated),
}

/// A pair of SAs whose keys are written down.
#[derive(Clone)]
pub(super) struct Manual {
    pub(super) outbound: Arc<OutboundSa>,
    pub(super) inbound: Arc<InboundSa>,
    pub(super) reminder: Reminder,
    /// Whether the peer may move.
    pub(super) follows: bool,
    /// The sequence number of the packet that told of its last move.
    pub(super) moved_at: u64,
}

/// The pairs that IKE has negotiated so far: the one that is sent through, those that are to follow
/// it, and those that it has followed, which still take what is on its way.
#[derive(Clone)]
pub(super) struct Negotiated {
    pub(super) child: Box<str>,
    pub(super) replay_window: u32,
    pub(super) crypto: Crypto,
    pub(super) pairs: Vec<Pair>,
    /// The one that all workers share.
    pub(super) sending: Option<ChildSaId>,
    /// Those that are sent through by one worker each (RFC 9611).
    pub(super) of_workers: BTreeMap<u16, ChildSaId>,
    pub(super) demand: Arc<Demand>,
}

impl Protected {
    /// As configured; `running` is what the tunnel had before, if that has the same keys.
    pub(super) fn new(
        sa: &config::Protection,
        follows: bool,
        running: Option<Self>,
        making: &mut Making<'_>,
    ) -> Result<Option<Self>, Box<dyn Error>> {
        Ok(match sa {
            config::Protection::Clear => None,
            config::Protection::Manual(sa) => Some(match running {
                Some(running) => running.with_settings_of(sa, follows),
                None => manual(sa, follows, making)?,
            }),
            config::Protection::Ike(sa) => Some(Self::negotiated(sa, running, making)),
        })
    }

    fn negotiated(sa: &NegotiatedSa, running: Option<Self>, making: &Making<'_>) -> Self {
        let NegotiatedSa { mode, replay_window, keepalive_s, tfc, .. } = *sa;
        let (mode, remote_port, sas) = match running {
            Some(Self { mode, remote_port, sas: Sas::Negotiated(sas), .. }) => {
                (mode, remote_port, Negotiated { replay_window, ..sas })
            }
            _ => {
                let (child, crypto) = (sa.child.as_str().into(), making.crypto());
                (mode, None, Negotiated::new(child, replay_window, crypto))
            }
        };
        Self { mode, remote_port, keepalive_s, tfc, sas: Sas::Negotiated(sas) }
    }

    /// The same SAs with what else is configured now; their hard limits stay.
    fn with_settings_of(self, sa: &ManualSa, follows: bool) -> Self {
        let in_udp = sa.udp_encapsulation;
        let sas = match self.sas {
            Sas::Manual(sas) => Sas::Manual(Manual { follows: follows || in_udp, ..sas }),
            negotiated @ Sas::Negotiated(_) => negotiated,
        };
        Self {
            mode: sa.mode,
            remote_port: in_udp.then(|| self.remote_port.unwrap_or(ESP_PORT)),
            keepalive_s: sa.keepalive_s,
            tfc: sa.tfc,
            sas,
        }
    }

    /// Another template's instance: the same settings and no SA.
    pub(super) fn instance(&self) -> Option<Self> {
        let Sas::Negotiated(Negotiated { child, replay_window, crypto, .. }) = &self.sas else {
            return None;
        };
        let sas = Negotiated::new(child.clone(), *replay_window, *crypto);
        Some(Self { remote_port: None, sas: Sas::Negotiated(sas), ..*self })
    }

    /// What packets are sent through now, but for those of workers that have an SA of their own.
    pub(super) fn outbound(&self) -> Option<&Arc<OutboundSa>> {
        match &self.sas {
            Sas::Manual(sas) => Some(&sas.outbound),
            Sas::Negotiated(sas) => sas.shared().map(|pair| &pair.outbound),
        }
    }

    /// The SAs of single workers beside that.
    pub(super) fn worker_sas(&self) -> WorkerSas {
        self.sas.negotiated().map_or_else(WorkerSas::default, Negotiated::worker_sas)
    }

    /// Who is asked for an SA when there is none.
    pub(super) fn demand(&self) -> Option<Arc<Demand>> {
        self.sas.negotiated().map(|sas| Arc::clone(&sas.demand))
    }

    /// The inbound SAs as workers find them; `ends` are those of manual ones.
    pub(super) fn inbound(&self, ends: Endpoints, tunnel: TunnelId) -> Vec<InboundEntry> {
        match &self.sas {
            Sas::Manual(sas) => vec![InboundEntry {
                sa: Arc::clone(&sas.inbound),
                tunnel,
                remote: ends.remote,
                local: ends.local,
                remote_port: self.remote_port,
                follows: sas.follows,
            }],
            Sas::Negotiated(sas) => sas.pairs.iter().map(|pair| pair.inbound(tunnel)).collect(),
        }
    }

    /// Whether a packet with these outer ends and this SPI can be one of ours; `ends` are those of
    /// manual SAs.
    pub(super) fn could_have_sent(&self, ends: Endpoints, quoted: Endpoints, spi: u32) -> bool {
        match &self.sas {
            Sas::Manual(sas) => ends == quoted && sas.outbound.spi() == spi,
            Sas::Negotiated(sas) => {
                sas.pairs.iter().any(|pair| pair.outbound.spi() == spi && pair.ends() == quoted)
            }
        }
    }
}

impl Sas {
    pub(super) fn negotiated(&self) -> Option<&Negotiated> {
        match self {
            Self::Negotiated(sas) => Some(sas),
            Self::Manual(_) => None,
        }
    }

    pub(super) fn negotiated_mut(&mut self) -> Option<&mut Negotiated> {
        match self {
            Self::Negotiated(sas) => Some(sas),
            Self::Manual(_) => None,
        }
    }
}

impl Negotiated {
    fn new(child: Box<str>, replay_window: u32, crypto: Crypto) -> Self {
        let (pairs, sending, of_workers) = (Vec::new(), None, BTreeMap::new());
        let demand = Arc::default();
        Self { child, replay_window, crypto, pairs, sending, of_workers, demand }
    }

    /// The pair that is sent through: all that are go the same way.
    pub(super) fn sending(&self) -> Option<&Pair> {
        self.shared().or_else(|| self.of_workers.values().find_map(|id| self.pair(*id)))
    }

    /// The pair that workers without one of their own send through.
    fn shared(&self) -> Option<&Pair> {
        self.sending.and_then(|id| self.pair(id))
    }

    fn pair(&self, id: ChildSaId) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.child.id == id)
    }

    /// Sends through this pair from here on, by its worker or by all that have no other.
    pub(super) fn send_through(&mut self, id: ChildSaId) {
        match self.pair(id).map(|pair| pair.child.worker) {
            Some(Some(worker)) => _ = self.of_workers.insert(worker, id),
            Some(None) => self.sending = Some(id),
            None => {}
        }
    }

    /// A pair has gone: nothing is sent in its place until another is installed. What it was.
    pub(super) fn forget(&mut self, id: ChildSaId) -> Option<Arc<ChildSa>> {
        let at = self.pairs.iter().position(|pair| pair.child.id == id)?;
        let child = self.pairs.remove(at).child;
        self.sending = self.sending.filter(|sending| *sending != id);
        self.of_workers.retain(|_, sending| *sending != id);
        Some(child)
    }

    /// The outbound SAs of single workers as these find them. Those of another connection than the
    /// shared one are not among them, nor one whose outer headers would be others, as the peer has
    /// moved since, nor one for other packets, as the peer has narrowed them otherwise.
    fn worker_sas(&self) -> WorkerSas {
        let Some(sending) = self.sending() else { return WorkerSas::default() };
        let is_alike = |a: &Pair, b: &Pair| {
            let way = |pair: &Pair| (pair.child.connection, pair.ends(), pair.remote_port());
            way(a) == way(b) && a.child.local == b.child.local && a.child.remote == b.child.remote
        };
        let places = self.of_workers.keys().next_back().map_or(0, |last| usize::from(*last) + 1);
        let mut sas = vec![None; places];
        for (worker, id) in &self.of_workers {
            let pair = self.pair(*id).filter(|pair| is_alike(pair, sending));
            sas[usize::from(*worker)] = pair.map(|pair| Arc::clone(&pair.outbound));
        }
        let wanted = self.shared().is_some_and(|pair| pair.per_worker);
        WorkerSas { sas: sas.into(), wanted }
    }
}

impl Manual {
    /// Takes notice that the packet `seq` came from elsewhere; whether that is the newest such
    /// news. Two workers may each hold a packet that was the newest: the later number counts.
    pub(super) fn hears(&mut self, seq: u64) -> bool {
        let newer = seq > self.moved_at;
        self.moved_at = self.moved_at.max(seq);
        newer
    }
}

fn manual(
    sa: &ManualSa,
    follows: bool,
    making: &mut Making<'_>,
) -> Result<Protected, Box<dyn Error>> {
    let (out, inbound) = (&sa.outbound, &sa.inbound);
    let limits = Limits { packets: sa.lifetime.packets.hard, bytes: sa.lifetime.bytes.hard };
    let crypto = making.crypto();
    let (suite, esn, window) = (sa.suite, sa.esn, sa.replay_window);
    let seed = (making.seed)()?;
    let sealing = OutboundSa::with_crypto(out.spi, suite, keys(out), esn, seed, crypto)?;
    let opening = InboundSa::with_crypto(inbound.spi, suite, keys(inbound), esn, window, crypto)?;
    Ok(Protected {
        mode: sa.mode,
        remote_port: sa.udp_encapsulation.then_some(ESP_PORT),
        keepalive_s: sa.keepalive_s,
        tfc: sa.tfc,
        sas: Sas::Manual(Manual {
            outbound: Arc::new(sealing.with_limits(limits)),
            inbound: Arc::new(opening.with_limits(limits)),
            reminder: Reminder::new(sa.lifetime),
            follows: follows || sa.udp_encapsulation,
            moved_at: 0,
        }),
    })
}

fn keys(sa: &SaKeys) -> Keys<'_> {
    Keys { encryption: sa.encryption.expose(), authentication: sa.authentication.expose() }
}

/// Whether the address is one: the unspecified one stands for none.
pub(super) fn is_known(address: IpAddr) -> bool {
    !address.is_unspecified()
}
