//! The tunnels to try, one row of the report each.

mod esp;
mod fastgw;
mod gre;
mod ip;
mod l2tp;
mod linux;

pub use linux::RESET;
use tests::manual_sa::{Sa, Suite};

use crate::lab::{Family, GATEWAY, PEER, SITE_MTU, Side};

/// A tunnel between the two sites.
#[derive(Clone)]
pub struct Case {
    /// Its name in the report.
    pub name: String,
    /// Tells its SPIs and tunnel numbers from those of all other cases.
    number: u16,
    /// What is in front of the sites' packets, below ESP.
    pub header: Header,
    /// Whose addresses the tunnel has.
    pub outer: Family,
    /// What the sites send through it.
    pub inner: &'static [Family],
    /// Whether the header's addresses are private ones that only ESP tunnel mode carries.
    loopbacks: bool,
    /// Whether Linux puts an option into each outer IPv6 packet (RFC 2473 section 4.1.1), as it
    /// does unless told not to; fastgw has the kernel take it out.
    encapsulation_limit: bool,
    /// What protects it.
    pub esp: Option<Esp>,
    /// Largest packet on the link between the guest and its site, in bytes.
    pub site_mtu: u32,
}

/// The header that a tunnel brings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// None: policies choose what ESP takes.
    Selectors,
    /// None: what is routed into an interface is ESP's. Linux' VTI.
    Vti,
    /// The same with Linux' younger interface.
    XfrmInterface,
    /// GRE (RFC 2784, 2890).
    Gre { key: bool, checksum: bool, sequence: bool },
    /// GRE with a key between more than two.
    MultipointGre,
    /// IPv4 or IPv6 as it is: IPIP, 6in4, 4in6, 6in6.
    Ip,
    /// PPP in a session of L2TPv2. `compressed` leaves out what PPP may leave out.
    L2tp { length: bool, sequence: bool, compressed: bool },
}

/// What protects a tunnel.
#[derive(Clone, Copy)]
pub struct Esp {
    /// Cipher and authentication.
    pub suite: &'static Suite,
    /// ESP's mode.
    pub mode: Mode,
    /// Counts packets in 64 bits.
    pub esn: bool,
    /// fastgw's anti-replay window in packets, when it is not to be the default.
    replay_window: Option<u32>,
    /// The UDP port that the peer has for fastgw, behind a NAT or not.
    pub udp: Option<u16>,
    /// Lets nothing pass but ICMP and UDP to [`UDP_PORT`].
    pub only_some: bool,
}

/// ESP's mode.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Transport,
    Tunnel,
}

impl Mode {
    /// The word of fastgw's and of Linux' configuration.
    fn name(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Tunnel => "tunnel",
        }
    }
}

/// The port of both sites that policies with ports let through; nothing listens on it.
pub const UDP_PORT: u16 = 9;
/// UDP port of ESP in UDP (RFC 3948).
pub const ESP_IN_UDP_PORT: u16 = 4500;
/// A multicast group of the guest, and one of the host.
pub const GROUPS: [&str; 2] = ["239.1.1.1", "239.1.2.1"];

const V4: &[Family] = &[Family::V4];
const V6: &[Family] = &[Family::V6];
const BOTH: &[Family] = &[Family::V4, Family::V6];

/// The suites that every kind of tunnel is tried with: AEAD of both ciphers, cipher and HMAC apart,
/// and no encryption under the oldest HMACs.
const COMMON_SUITES: [&str; 5] =
    ["aes128gcm16", "chacha20poly1305", "aes256-sha256", "null-sha1", "null-md5"];

/// All of them.
pub fn all() -> Vec<Case> {
    let mut cases = [esp::cases(), gre::cases(), ip::cases(), l2tp::cases()].concat();
    for (number, case) in (1..).zip(&mut cases) {
        case.number = number;
    }
    cases
}

impl Case {
    /// A tunnel in clear between IPv4 addresses for IPv4.
    fn new(name: &str, header: Header) -> Self {
        Self {
            name: name.to_owned(),
            number: 0,
            header,
            outer: Family::V4,
            inner: V4,
            loopbacks: false,
            encapsulation_limit: false,
            esp: None,
            site_mtu: SITE_MTU,
        }
    }

    /// The same under ESP.
    fn under(mut self, mode: Mode, suite: &str) -> Self {
        let mode_name = match self.header {
            Header::Selectors | Header::Vti | Header::XfrmInterface => "",
            _ if mode == Mode::Transport => "transport ",
            _ => "tunnel ",
        };
        self.name = format!("{} {mode_name}{suite}", self.name);
        let suite = Suite::named(suite);
        let esp = Esp { suite, mode, esn: false, replay_window: None, udp: None, only_some: false };
        self.esp = Some(esp);
        self
    }

    /// The same under ESP with each of the common suites.
    fn under_common_suites(&self, mode: Mode) -> impl Iterator<Item = Self> {
        COMMON_SUITES.into_iter().map(move |suite| self.clone().under(mode, suite))
    }

    fn esp_with(mut self, words: &str, change: impl FnOnce(&mut Esp)) -> Self {
        self.name = format!("{} {words}", self.name);
        change(self.esp.as_mut().expect("a case under ESP"));
        self
    }

    fn carrying(mut self, inner: &'static [Family]) -> Self {
        self.inner = inner;
        self
    }

    fn over_ipv6(mut self) -> Self {
        self.outer = Family::V6;
        self
    }

    fn with_encapsulation_limit(mut self) -> Self {
        self.name += " limit";
        self.encapsulation_limit = true;
        self
    }

    fn between_loopbacks(mut self) -> Self {
        self.loopbacks = true;
        self
    }

    /// With an ordinary link behind the guest: Linux encrypts full packets and sends fragments.
    fn fragmented_by_linux(mut self) -> Self {
        self.site_mtu = 1500;
        self
    }

    /// The SAs, if there are any: what fastgw sends, what it receives.
    pub fn sas(&self) -> Option<(Sa, Sa)> {
        let esp = self.esp?;
        let spi = 0x1000 + 2 * u32::from(self.number);
        let [gateway, peer] = [GATEWAY, PEER].map(|side| side.wan(self.outer));
        let outbound = Sa { suite: esp.suite, spi, source: gateway, destination: peer };
        let inbound = Sa { spi: spi + 1, source: peer, destination: gateway, ..outbound.clone() };
        Some((outbound, inbound))
    }

    /// Whether TCP passes.
    pub fn carries_tcp(&self) -> bool {
        !self.esp.is_some_and(|esp| esp.only_some)
    }

    /// Whether the peer's ESP in UDP comes from a port that fastgw must learn.
    pub fn behind_nat(&self) -> bool {
        self.esp.and_then(|esp| esp.udp).is_some_and(|port| port != ESP_IN_UDP_PORT)
    }

    /// The family that TCP is tried with: the younger one, where there are two.
    pub fn family_of_load(&self) -> Family {
        *self.inner.last().expect("a case carries something")
    }

    /// Whether multicast is to pass both ways.
    pub fn carries_multicast(&self) -> bool {
        self.header == Header::MultipointGre
    }

    /// What tshark calls the packets between the gateways.
    pub fn wire_filter(&self) -> &'static str {
        match (self.header, self.outer) {
            _ if self.esp.is_some() => "esp",
            (Header::Ip, Family::V4) => "ip.proto == 4 || ip.proto == 41",
            (Header::Ip, Family::V6) => "ipv6.nxt == 4 || ipv6.nxt == 41",
            (Header::L2tp { .. }, _) => "l2tp",
            _ => "gre",
        }
    }

    /// The address of the header's end on a side.
    fn end(&self, side: &Side) -> &'static str {
        if self.loopbacks { side.loopback } else { side.wan(self.outer) }
    }

    /// The L2TP tunnel and session that a side is addressed by.
    fn l2tp_ids(&self, side: &Side) -> (u16, u16) {
        let base = 1000 + 10 * self.number;
        if side.wan(Family::V4) == GATEWAY.wan(Family::V4) {
            (base + 1, base + 3)
        } else {
            (base + 2, base + 4)
        }
    }
}
