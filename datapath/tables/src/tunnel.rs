//! A tunnel: a configured way to another gateway.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use esp::OutboundSa;

use crate::counters::TunnelCounters;
use crate::{Demand, GreHeader, NexthopId, Rewrite, Selectors, Sequences, Version};

/// Index of a tunnel in [`crate::Tables::tunnels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelId(pub u32);

/// What a tunnel's packets are protected with.
#[derive(Clone)]
pub enum Protection {
    /// Nothing: the configuration asks for a clear tunnel.
    Clear,
    /// ESP. Without an SA nothing leaves: never in clear.
    Esp(Option<Arc<OutboundSa>>),
}

/// Outbound SAs that each belong to one worker (RFC 9611): alike but for SPI, keys and sequence
/// numbers.
#[derive(Clone, Default)]
pub struct WorkerSas {
    /// By the worker's index. A worker without one here sends through the SA that all share.
    pub sas: Box<[Option<Arc<OutboundSa>>]>,
    /// Whether a worker without one is to ask for it.
    pub wanted: bool,
}

impl WorkerSas {
    /// The one of this worker.
    #[inline]
    #[must_use]
    pub fn of(&self, worker: usize) -> Option<&OutboundSa> {
        self.sas.get(worker)?.as_deref()
    }
}

/// A tunnel as the workers see it.
#[derive(Clone)]
pub struct Tunnel {
    /// Name from the configuration.
    pub name: Box<str>,
    /// The ends of its own header, or of ESP where it has none.
    pub ends: Endpoints,
    /// What goes in front of a packet before it is sealed: the headers, GRE's for example, of a
    /// tunnel that ESP protects.
    pub inner: Option<Rewrite>,
    /// What goes in front of everything.
    pub rewrite: Rewrite,
    /// What is sealed, and must come out again.
    pub payload: Payload,
    /// What they are protected with.
    pub protection: Protection,
    /// The SAs of single workers, beside that one.
    pub worker_sas: WorkerSas,
    /// Who is asked for an SA where there is none; `None` where nobody negotiates one.
    pub demand: Option<Arc<Demand>>,
    /// What may come out of it (RFC 4301 5.2); `None` is anything (route-based).
    pub selectors: Option<Selectors>,
    /// What its outbound SA may carry (RFC 4301 5.1); `None` if that is all that leads into it.
    pub narrowed: Option<Selectors>,
    /// The next hop toward the remote endpoint; `None` while the kernel has no route to it.
    pub egress: Option<NexthopId>,
    /// Largest inner packet, bytes.
    pub mtu: u16,
    /// Largest TCP segment that SYNs through the tunnel may announce; `None` leaves them alone.
    pub mss: Option<MssClamp>,
    /// Inner packets are padded to this length before they are sealed (RFC 4303 2.7), bytes.
    pub padded_len: Option<u16>,
    /// Sources of what we send to the far side through it: ICMP errors, control's packets.
    pub addresses: Addresses,
    /// Whether control wants the OSPF packets (RFC 2328) that come out of it for us.
    pub punts_ospf: bool,
    /// Whether control wants the BFD packets (RFC 5881) that come out of it for us.
    pub punts_bfd: bool,
    /// Sequence numbers of its own header, which are not ESP's.
    pub sequences: Arc<Sequences>,
    /// What it has carried.
    pub counters: Arc<TunnelCounters>,
}

/// An address of each family, where there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// IPv4.
    pub v4: Option<Ipv4Addr>,
    /// IPv6.
    pub v6: Option<Ipv6Addr>,
}

/// Largest TCP segments (RFC 9293 3.7.1) by the IP they travel in, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MssClamp {
    /// In IPv4.
    pub v4: u16,
    /// In IPv6.
    pub v6: u16,
}

impl MssClamp {
    /// What fits into packets of `mtu` bytes: less 20 bytes of TCP, and 20 of IPv4 or 40 of IPv6.
    #[must_use]
    pub fn of_mtu(mtu: u16) -> Self {
        Self { v4: mtu.saturating_sub(40), v6: mtu.saturating_sub(60) }
    }
}

impl Tunnel {
    /// Length of the outer IP packet that carries an inner one of `inner` bytes: the one place
    /// where a tunnel's overhead is computed.
    #[must_use]
    pub fn outer_len(&self, inner: usize) -> usize {
        let padded = inner.max(self.padded_len.map_or(0, usize::from));
        let sealed = padded + self.inner.as_ref().map_or(0, Rewrite::header_len);
        let shared = match &self.protection {
            Protection::Esp(shared) => shared.as_ref(),
            Protection::Clear => None,
        };
        // Those of workers are like it, and may be there when it is not.
        let sa = shared.or_else(|| self.worker_sas.sas.iter().flatten().next());
        let protection =
            sa.map_or(0, |sa| sa.suite().header_len() + sa.suite().trailer_len(sealed));
        self.rewrite.header_len() + protection + sealed
    }

    /// The largest inner packet whose outer packet fits into `outer_mtu`, bytes.
    #[must_use]
    pub fn inner_mtu(&self, outer_mtu: u16) -> u16 {
        // The outer length never falls when the inner one grows, and the overhead is small.
        let fits = |inner: &u16| self.outer_len(usize::from(*inner)) <= usize::from(outer_mtu);
        (0..=outer_mtu).rev().find(fits).unwrap_or(0)
    }

    /// The headers in front of an inner packet, outermost first.
    pub fn stack(&self) -> impl Iterator<Item = Header> {
        let esp = matches!(self.protection, Protection::Esp(_)).then_some(Header::Esp);
        let inner = self.inner.iter().flat_map(Rewrite::headers);
        self.rewrite.headers().chain(esp).chain(inner)
    }
}

/// A header in front of an inner packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// IPv4 (RFC 791).
    Ipv4,
    /// IPv6 (RFC 8200).
    Ipv6,
    /// UDP (RFC 768).
    Udp,
    /// ESP (RFC 4303).
    Esp,
    /// GRE (RFC 2784, 2890).
    Gre,
    /// L2TP (RFC 2661).
    L2tp,
    /// PPP (RFC 1661).
    Ppp,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Udp => "udp",
            Self::Esp => "esp",
            Self::Gre => "gre",
            Self::L2tp => "l2tp",
            Self::Ppp => "ppp",
        })
    }
}

/// What a tunnel's packets look like where ESP, if any, has been taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// An IP header between these ends comes first: a tunnel with a header of its own under ESP
    /// tunnel mode.
    pub between: Option<Endpoints>,
    /// What is in front of the packet then.
    pub carrier: Carrier,
}

/// What is right in front of a tunnel's inner packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Nothing: ESP tunnel mode, or IP in IP.
    Ip,
    /// A GRE header.
    Gre(GreHeader),
    /// UDP, L2TP with our numbers, and PPP.
    L2tp(L2tpSession),
}

impl Payload {
    /// The packet itself.
    pub const IP: Self = Self { between: None, carrier: Carrier::Ip };

    /// The ESP next header (RFC 4303 2.6) around an inner packet of this version.
    #[inline]
    #[must_use]
    pub fn next_header(&self, inner: Version) -> u8 {
        match (self.between, self.carrier) {
            (Some(ends), _) => Version::of(ends.local).protocol(),
            (None, Carrier::Ip) => inner.protocol(),
            (None, Carrier::Gre(_)) => wire::protocol::GRE,
            (None, Carrier::L2tp(_)) => wire::protocol::UDP,
        }
    }

    /// Whether a decrypted packet may have this ESP next header.
    #[inline]
    #[must_use]
    pub fn admits(&self, next_header: u8) -> bool {
        [Version::V4, Version::V6].iter().any(|version| self.next_header(*version) == next_header)
    }
}

/// An L2TP session by our numbers: those that packets to us carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct L2tpSession {
    /// The tunnel's (RFC 2661's name for the control connection).
    pub tunnel: u16,
    /// The session's.
    pub session: u16,
    /// Whether each packet must be newer than the one before.
    pub sequence: bool,
}

/// The two ends of an encapsulation, of one IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoints {
    /// Ours.
    pub local: IpAddr,
    /// The other gateway's.
    pub remote: IpAddr,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OuterRules;

    #[test]
    fn padding_hides_the_length_of_what_fits_and_counts_in_the_overhead() {
        let ends = Endpoints { local: [192, 0, 2, 1].into(), remote: [192, 0, 2, 2].into() };
        let mut tunnel = Tunnel {
            name: "t".into(),
            ends,
            inner: None,
            rewrite: Rewrite::ipip(ends, OuterRules::default()),
            payload: Payload::IP,
            protection: Protection::Clear,
            worker_sas: WorkerSas::default(),
            demand: None,
            selectors: None,
            narrowed: None,
            egress: None,
            mtu: 1480,
            mss: None,
            padded_len: Some(1000),
            addresses: Addresses::default(),
            punts_ospf: false,
            punts_bfd: false,
            sequences: Arc::default(),
            counters: Arc::default(),
        };
        assert_eq!((tunnel.outer_len(60), tunnel.outer_len(1001)), (1020, 1021));
        assert_eq!(tunnel.inner_mtu(1500), 1480);
        tunnel.padded_len = None;
        assert_eq!((tunnel.outer_len(60), tunnel.inner_mtu(1500)), (80, 1480));
        assert_eq!(tunnel.stack().collect::<Vec<_>>(), [Header::Ipv4]);
    }
}
