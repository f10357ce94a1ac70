//! `[tunnel.sa]`: manual SAs. What must not occur twice is remembered over all tunnels.

use std::{cmp::Ordering, net::IpAddr, ops::Range};

use engine::Secret;
use toml::Spanned;

use super::{
    Surroundings, address,
    sa_extras::Extras,
    value::{Unique, choice, number},
};
use crate::{
    Suite,
    findings::Findings,
    keys::{self, KeyKind},
    model::{EspMode, ManualSa, SaKeys},
    private_file, schema,
    section::{Field, KeyText, One},
};

/// SPIs below this one are reserved (RFC 4303 section 2.1).
const SPI_MIN: i64 = 256;

/// Bounds of an anti-replay window in packets; RFC 4303 section 3.4.3 demands at least 32.
const WINDOW_MIN: i64 = 32;
const WINDOW_MAX: i64 = 65536;

/// RFC 4303 recommends 64; cards and workers that reorder want more.
const WINDOW_DEFAULT: u32 = 1024;

/// What the SAs of all tunnels have used so far.
pub(super) struct Sas {
    /// We choose them, so an SPI alone finds the SA (RFC 4301 section 4.1).
    inbound: Unique<u32>,
    /// The peer chooses them, so they are unique for each peer.
    outbound: Unique<(IpAddr, u32)>,
    keys: Unique<UsedKey>,
    first_inline: Option<Range<usize>>,
}

/// One direction of an SA; the peer's address is unknown if it was refused.
#[derive(Clone, Copy)]
enum Direction {
    Outbound(Option<IpAddr>),
    Inbound,
}

impl Sas {
    pub(super) fn new() -> Self {
        Self {
            inbound: Unique::new(),
            outbound: Unique::new(),
            keys: Unique::new(),
            first_inline: None,
        }
    }

    /// Converts the SA of one tunnel to `remote`; `None` after an error.
    pub(super) fn resolve(
        &mut self,
        section: Spanned<One<schema::Sa>>,
        remote: Option<IpAddr>,
        default_mode: EspMode,
        surroundings: Surroundings<'_>,
        found: &mut Findings,
    ) -> Option<ManualSa> {
        let at = section.span();
        let section = section.into_inner().0;
        let suites: Vec<_> = Suite::ALL.iter().map(|suite| (suite.name(), *suite)).collect();
        let suite = choice(section.suite.required(at.clone(), found), "suite", &suites, found);
        let modes = [("transport", EspMode::Transport), ("tunnel", EspMode::Tunnel)];
        let mode_at = section.mode.span();
        let mode = choice(section.mode.optional(), "mode", &modes, found);
        let mode = (mode.unwrap_or(default_mode), mode_at);
        let endpoints = endpoints(section.local, section.remote, at.clone(), mode.0, found);
        check_mode(mode.0, default_mode, mode.1, found);
        let remote = endpoints.as_ref().map_or(remote, |[_, remote]| Some(*remote.get_ref()));
        let extras = Extras {
            udp_encapsulation: section.udp_encapsulation,
            keepalive: section.keepalive,
            tfc: section.tfc,
            packets: [section.soft_packets, section.hard_packets],
            bytes: [section.soft_bytes, section.hard_bytes],
            seconds: [section.soft_seconds, section.hard_seconds],
        };
        let extras = extras.resolve(remote, mode.0, found);
        let esn = section.esn.optional();
        let replay_window = window(section.replay_window, esn.as_ref(), found);
        let mut keys = |field: Field<One<schema::Direction>>, direction| {
            let section = field.required(at.clone(), found)?;
            self.direction(section, direction, suite, surroundings, found)
        };
        let outbound = keys(section.outbound, Direction::Outbound(remote));
        let inbound = keys(section.inbound, Direction::Inbound);
        let extras = extras?;
        Some(ManualSa {
            udp_encapsulation: extras.udp_encapsulation,
            keepalive_s: extras.keepalive_s,
            tfc: extras.tfc,
            lifetime: extras.lifetime,
            suite: suite?,
            mode: mode.0,
            endpoints,
            replay_window: replay_window?,
            esn: esn.is_some_and(Spanned::into_inner),
            outbound: outbound?,
            inbound: inbound?,
        })
    }

    /// Warns if keys stand in a file that others may read.
    pub(super) fn check_secrecy(&self, surroundings: Surroundings<'_>, found: &mut Findings) {
        let mode = surroundings.mode.unwrap_or(0);
        if let Some(at) = &self.first_inline
            && mode & private_file::OTHERS != 0
        {
            let path = private_file::quoted_for_shell(surroundings.path);
            let warning = found.warning(at.clone(), "a file with keys is open to other users");
            let warning = warning.label(format!("the mode of this file is {:04o}", mode & 0o7777));
            found.push(warning.help(format!(
                "chmod 600 {path}, or move the keys to files of their own: `\"file:keys/NAME\"`"
            )));
        }
    }

    fn direction(
        &mut self,
        section: Spanned<One<schema::Direction>>,
        direction: Direction,
        suite: Option<Suite>,
        surroundings: Surroundings<'_>,
        found: &mut Findings,
    ) -> Option<SaKeys> {
        let at = section.span();
        let section = section.into_inner().0;
        let spi = self.spi(section.spi.required(at.clone(), found), direction, found);
        let mut key = |field: Field<KeyText>, kind| {
            self.key(field, kind, at.clone(), suite, surroundings, found)
        };
        let encryption = key(section.encryption_key, KeyKind::Encryption);
        let authentication = key(section.authentication_key, KeyKind::Authentication);
        Some(SaKeys { spi: spi?, encryption: encryption?, authentication: authentication? })
    }

    fn spi(
        &mut self,
        value: Option<Spanned<i64>>,
        direction: Direction,
        found: &mut Findings,
    ) -> Option<u32> {
        let value = value?;
        let at = value.span();
        if (0..SPI_MIN).contains(value.get_ref()) {
            let error = found.error(at, format!("SPI {} is reserved", value.get_ref()));
            let error = error.label("RFC 4303 section 2.1 reserves 0 to 255");
            found.push(error.help("write 256 (0x100) or more"));
            return None;
        }
        let spi = number(Some(value), "spi", SPI_MIN..=u32::MAX.into(), "", found)?;
        let (taken, whose) = match direction {
            Direction::Inbound => (self.inbound.take(spi, at.clone()), "inbound"),
            Direction::Outbound(None) => return Some(spi),
            Direction::Outbound(Some(remote)) => {
                (self.outbound.take((remote, spi), at.clone()), "outbound")
            }
        };
        if let Err(first) = taken {
            let error =
                found.error(at, format!("two {whose} SAs have SPI {spi:#x}")).label("taken");
            let help = match direction {
                Direction::Inbound => "give each tunnel an inbound SPI of its own",
                Direction::Outbound(_) => "give each SA to the same peer an SPI of its own",
            };
            found.push(error.also(first, "first used here").help(help));
        }
        Some(spi)
    }

    /// One key; an empty one if the suite wants none.
    fn key(
        &mut self,
        field: Field<KeyText>,
        kind: KeyKind,
        direction_at: Range<usize>,
        suite: Option<Suite>,
        surroundings: Surroundings<'_>,
        found: &mut Findings,
    ) -> Option<Secret> {
        let suite = suite?;
        if kind.len(suite) == 0 {
            if let Some(at) = field.span() {
                let does = match kind {
                    KeyKind::Encryption => "encrypts nothing",
                    KeyKind::Authentication => "authenticates with its encryption key",
                };
                let error = found.error(at, format!("{suite} takes no `{}`", kind.name()));
                found.push(error.label(format!("{suite} {does}")).help("remove this line"));
            }
            return Some(Secret::new(Vec::new()));
        }
        let value = field.required(direction_at, found)?;
        if keys::is_inline(&value) && self.first_inline.is_none() {
            self.first_inline = Some(value.span());
        }
        let key = keys::read(&value, kind, suite, surroundings.key_dir, found)?;
        self.check_unused(&key, kind, suite, value.span(), found);
        Some(key)
    }

    /// Two SAs with one key repeat nonces or keystream, and a packet of one is good for the other.
    fn check_unused(
        &mut self,
        key: &Secret,
        kind: KeyKind,
        suite: Suite,
        at: Range<usize>,
        found: &mut Findings,
    ) {
        let significant = match kind {
            KeyKind::Encryption => suite.cipher_key_len(),
            KeyKind::Authentication => suite.authentication_key_len(),
        };
        let copy = key.expose().iter().copied().take(significant).collect();
        if let Err(first) = self.keys.take(UsedKey(Secret::new(copy)), at.clone()) {
            let label = if suite.is_aead() {
                "AES-GCM is broken when a nonce repeats under one key (RFC 4106 section 2)"
            } else {
                "each direction of each SA needs a key of its own"
            };
            let error = found.error(at, format!("`{}` is used twice", kind.name())).label(label);
            found.push(error.also(first, "first used here").help(format!(
                "make another, here and at the peer: openssl rand -hex {}",
                kind.len(suite)
            )));
        }
    }
}

/// `esn` is where extended sequence numbers are asked for, or not.
pub(super) fn window(
    field: Field<i64>,
    esn: Option<&Spanned<bool>>,
    found: &mut Findings,
) -> Option<u32> {
    if field.is_absent() {
        return Some(WINDOW_DEFAULT);
    }
    let value = field.optional()?;
    if *value.get_ref() == 0 {
        if let Some(esn) = esn.filter(|esn| *esn.get_ref()) {
            let error = found.error(value.span(), "extended sequence numbers need a replay window");
            let error = error.label("no window").also(esn.span(), "asked for here");
            found.push(error.help(format!(
                "write `replay_window = {WINDOW_DEFAULT}`, or `esn = false` \
                 (RFC 4303 section 3.4.3)"
            )));
            return None;
        }
        return Some(0);
    }
    number(Some(value), "replay_window", WINDOW_MIN..=WINDOW_MAX, " packets, or 0 for none", found)
}

/// A key in an ordered collection.
struct UsedKey(Secret);

impl Ord for UsedKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.expose().cmp(other.0.expose())
    }
}

impl PartialOrd for UsedKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for UsedKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for UsedKey {}

/// The ends of ESP where the section names them: both or none, and only in tunnel mode.
pub(super) fn endpoints(
    local: Field<String>,
    remote: Field<String>,
    at: Range<usize>,
    mode: EspMode,
    found: &mut Findings,
) -> Option<[Spanned<IpAddr>; 2]> {
    let named = local.span().or(remote.span())?;
    if mode == EspMode::Transport {
        let error = found.error(named, "in transport mode ESP ends where the tunnel does");
        let error = error.label("not part of transport mode");
        found.push(error.help("remove `local` and `remote` here, or write `mode = \"tunnel\"`"));
        return None;
    }
    let local = address::host(local.required(at.clone(), found), "local", found);
    let remote = address::host(remote.required(at, found), "remote", found);
    let (local, remote) = (local?, remote?);
    let (ours, theirs) = (local.get_ref(), remote.get_ref());
    if ours == theirs || ours.is_ipv4() != theirs.is_ipv4() {
        let error = found.error(remote.span(), "ESP does not end there");
        let error = error.label("the same address as `local`, or one of the other IP version");
        let error = error.also(local.span(), "`local`");
        found.push(error.help("write the other gateway's address, of the same IP version"));
        return None;
    }
    Some([local, remote])
}

/// Transport mode needs a tunnel that brings a header of its own.
pub(super) fn check_mode(
    mode: EspMode,
    default_mode: EspMode,
    at: Option<Range<usize>>,
    found: &mut Findings,
) {
    if let (EspMode::Transport, EspMode::Tunnel, Some(at)) = (mode, default_mode, at) {
        let error = found.error(at, "this kind of tunnel is ESP tunnel mode");
        let error = error.label("transport mode would leave the packet without an outer header");
        found.push(error.help("remove this line, or write `kind = \"gre\"` or `kind = \"ipip\"`"));
    }
}
