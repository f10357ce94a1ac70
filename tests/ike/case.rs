//! One thing to try: who calls whom with what, and what happens afterwards.

use crate::certificates::Kind;

/// Which of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// fastgw's, or in the control strongSwan's in its place.
    Ours,
    /// That of a daemon which others wrote.
    Theirs,
}

impl Side {
    /// The other end.
    pub fn other(self) -> Self {
        match self {
            Self::Ours => Self::Theirs,
            Self::Theirs => Self::Ours,
        }
    }

    /// Its gateway's address.
    pub fn wan(self) -> &'static str {
        self.choose("203.0.113.1", "198.51.100.1")
    }

    /// The router's address on its link.
    pub fn router(self) -> &'static str {
        self.choose("203.0.113.254", "198.51.100.254")
    }

    /// The network behind it.
    pub fn subnet(self) -> &'static str {
        self.choose("10.1.0.0/24", "10.2.0.0/24")
    }

    /// A host there.
    pub fn host(self) -> &'static str {
        self.choose("10.1.0.2", "10.2.0.1")
    }

    /// Its gateway in a tunnel that has addresses of its own.
    pub fn overlay(self) -> &'static str {
        self.choose("10.255.0.1", "10.255.0.2")
    }

    /// Who it is, where that is not its address.
    pub fn identity(self) -> &'static str {
        self.choose("ours.example", "theirs.example")
    }

    fn choose<T>(self, ours: T, theirs: T) -> T {
        match self {
            Self::Ours => ours,
            Self::Theirs => theirs,
        }
    }
}

/// How both ends prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// A secret that both know.
    Psk,
    /// A secret that their end has wrong.
    WrongPsk,
    /// A secret that both know, and a second one that goes into the keys (RFC 8784).
    Ppk,
    /// The same where their end has the second one wrong.
    WrongPpk,
    /// Certificates of this kind; where it is a bad one, our end's is good.
    Certificate(Kind),
}

/// What ESP covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Whole packets between the sites.
    Tunnel,
    /// GRE packets between the gateways.
    TransportGre,
    /// IP-in-IP packets between the gateways.
    TransportIpip,
}

/// What happens once the sites reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing.
    None,
    /// There is to be no SA at all: the responder says no, or the initiator does.
    Refused,
    /// A packet asks for the SA, not a command.
    OnDemand,
    /// New keys for the child.
    RekeyChild(Side),
    /// New keys for the IKE SA.
    RekeyIke(Side),
    /// Both ends make new keys for the child at the same time.
    RekeyChildBoth,
    /// Both ends make new keys for the IKE SA at the same time.
    RekeyIkeBoth,
    /// A new authentication, made before the old SA is broken.
    Reauthenticate(Side),
    /// An end dies; the other notices, and it comes back.
    Death(Side),
    /// An end dies and is there again at once.
    Restart(Side),
    /// An end deletes the SA; it can be made again.
    Delete(Side),
    /// The peer's address changes (RFC 4555).
    Move,
    /// The address of the NAT changes.
    Rebind,
}

impl Event {
    /// Whether an end looks after the SA by itself: it begins it at its start and begins it anew.
    pub fn keeps_up(self) -> bool {
        matches!(self, Self::Death(_) | Self::Restart(_))
    }

    fn words(self) -> String {
        let by = |side| if side == Side::Ours { "by us" } else { "by peer" };
        match self {
            Self::None => String::new(),
            Self::Refused => " refused".to_owned(),
            Self::OnDemand => " on demand".to_owned(),
            Self::RekeyChild(side) => format!(" rekey child {}", by(side)),
            Self::RekeyIke(side) => format!(" rekey IKE {}", by(side)),
            Self::RekeyChildBoth => " rekey child by both".to_owned(),
            Self::RekeyIkeBoth => " rekey IKE by both".to_owned(),
            Self::Reauthenticate(side) => format!(" reauth {}", by(side)),
            Self::Death(Side::Ours) => " death of us".to_owned(),
            Self::Death(Side::Theirs) => " death of peer".to_owned(),
            Self::Restart(Side::Ours) => " restart of us".to_owned(),
            Self::Restart(Side::Theirs) => " restart of peer".to_owned(),
            Self::Delete(side) => format!(" delete {}", by(side)),
            Self::Move => " move of peer".to_owned(),
            Self::Rebind => " rebind".to_owned(),
        }
    }
}

/// A daemon that others wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// strongSwan's charon, version 5.
    StrongSwan,
    /// The same of version 6, with several key exchanges in one SA (RFC 9370).
    StrongSwan6,
    /// Libreswan's pluto.
    Libreswan,
}

/// What both ends call the second secret.
pub const PPK_ID: &str = "both.example";

/// A row of the report.
#[derive(Clone, Debug)]
pub struct Case {
    /// Who calls.
    pub initiator: Side,
    /// 1 or 2.
    pub version: u8,
    /// How both ends prove who they are.
    pub auth: Auth,
    /// The proposal of the IKE SA.
    pub ike: &'static str,
    /// The proposal of the child.
    pub esp: &'static str,
    /// What ESP covers.
    pub mode: Mode,
    /// The end that is behind a NAT.
    pub nat: Option<Side>,
    /// The router carries no IP fragments, and packets of 1280 bytes at most.
    pub narrow: bool,
    /// What happens then.
    pub event: Event,
    /// Who the peer is.
    pub daemon: Daemon,
}

impl Case {
    /// Two sites with a secret, IKEv2 and the best of algorithms.
    pub fn new(initiator: Side) -> Self {
        Self {
            initiator,
            version: 2,
            auth: Auth::Psk,
            ike: "aes128gcm16-prfsha256-x25519",
            esp: "aes128gcm16",
            mode: Mode::Tunnel,
            nat: None,
            narrow: false,
            event: Event::None,
            daemon: Daemon::StrongSwan,
        }
    }

    /// Its name in the report.
    pub fn name(&self) -> String {
        let daemon = match self.daemon {
            Daemon::StrongSwan => "",
            Daemon::StrongSwan6 => "strongswan 6 ",
            Daemon::Libreswan => "libreswan ",
        };
        let from = if self.initiator == Side::Ours { "->" } else { "<-" };
        let auth = match self.auth {
            Auth::Psk => "psk".to_owned(),
            Auth::WrongPsk => "wrong psk".to_owned(),
            Auth::Ppk => "psk and ppk".to_owned(),
            Auth::WrongPpk => "wrong ppk".to_owned(),
            Auth::Certificate(kind) => kind.name().to_owned(),
        };
        let mode = match self.mode {
            Mode::Tunnel => "",
            Mode::TransportGre => " gre",
            Mode::TransportIpip => " ipip",
        };
        let nat = match self.nat {
            None => "",
            Some(Side::Ours) => " nat",
            Some(Side::Theirs) => " peer's nat",
        };
        let narrow = if self.narrow { " narrow" } else { "" };
        format!(
            "{daemon}{from} v{} {auth} {}/{}{mode}{nat}{narrow}{}",
            self.version,
            self.ike,
            self.esp,
            self.event.words(),
        )
    }

    /// The address that an end is seen at from the other.
    pub fn seen(&self, side: Side) -> &'static str {
        // The router's masquerade takes the address on the link towards the other end.
        if self.nat == Some(side) { side.other().router() } else { side.wan() }
    }

    /// Who an end says it is. Main mode with a secret knows its peer by the address alone (RFC 2409
    /// section 5.4), as boxes that speak it have it.
    pub fn identity(&self, side: Side) -> &'static str {
        if self.version == 1 && self.auth == Auth::Psk && self.nat.is_none() {
            side.wan()
        } else {
            side.identity()
        }
    }

    /// The secret that an end has.
    pub fn secret(&self, side: Side) -> &'static str {
        if self.auth == Auth::WrongPsk && side == Side::Theirs {
            "a secret that does not fit"
        } else {
            "a secret of both, for a test"
        }
    }

    /// What goes into the keys besides (RFC 8784), of which both ends have the same name.
    pub fn ppk(&self, side: Side) -> Option<&'static str> {
        match (self.auth, side) {
            (Auth::WrongPpk, Side::Theirs) => Some("32 bytes that differ from those of us"),
            (Auth::Ppk | Auth::WrongPpk, _) => Some("32 bytes that no computer ever guesses"),
            _ => None,
        }
    }

    /// The certificates that both ends have a part in.
    pub fn kind(&self) -> Option<Kind> {
        match self.auth {
            Auth::Certificate(kind) => Some(kind),
            _ => None,
        }
    }

    /// What our end says when there is to be no SA; `None` where it does not know why: in main mode
    /// nobody answers a proof that cannot be read.
    pub fn complaint(&self) -> Option<&'static str> {
        let calls = self.calls(Side::Ours);
        match self.auth {
            Auth::WrongPsk if self.version == 1 && calls => None,
            Auth::WrongPsk if self.version == 1 => Some("pre-shared key is another one than ours"),
            Auth::WrongPsk | Auth::WrongPpk if calls => Some("does not accept our authentication"),
            Auth::WrongPsk | Auth::WrongPpk => Some("its pre-shared key is not the one of"),
            Auth::Certificate(Kind::Revoked) => Some("was revoked"),
            Auth::Certificate(Kind::Stranger) => Some("no chain to a configured authority"),
            Auth::Certificate(Kind::Expired) => Some("expired on"),
            Auth::Certificate(Kind::Misnamed) => Some("does not name"),
            Auth::Psk | Auth::Ppk | Auth::Certificate(_) => None,
        }
    }

    /// Whether no packet is lost while an end makes new keys for the child. Libreswan as the one
    /// that answers sends under them before its answer has left, when we cannot have them yet.
    pub fn renews_without_loss(&self, by: Side) -> bool {
        self.daemon != Daemon::Libreswan || by == Side::Theirs
    }

    /// Whether `side` is the one that calls.
    pub fn calls(&self, side: Side) -> bool {
        self.initiator == side
    }

    /// What is protected on a side, as strongSwan and Libreswan write it.
    pub fn selector(&self, side: Side) -> String {
        match self.mode {
            Mode::Tunnel => side.subnet().to_owned(),
            Mode::TransportGre => "dynamic[gre]".to_owned(),
            Mode::TransportIpip => "dynamic[ipencap]".to_owned(),
        }
    }
}
