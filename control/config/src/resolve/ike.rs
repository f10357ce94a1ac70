//! `[[ike]]`: peers that keys are negotiated with. Their children come from the tunnels that name
//! them.

use std::{collections::BTreeMap, net::IpAddr, ops::Range, sync::Arc, time::Duration};

use ike::policy::{
    Child, Dpd, DpdAction, IkeLifetime, Mode, Peer, Ppk, Start, Uniqueness, Versions,
};
use toml::Spanned;

use super::{
    Surroundings, address, ike_auth, proposals,
    secrets::{Secrets, Use},
    value::{Unique, choice, duration, name, number, word_or_number},
};
use crate::{
    findings::Findings,
    schema,
    section::{Field, Many, WordOrNumber},
    spelling::{list, nearest, shown},
};

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;
/// Bounds of the life of an SA, seconds.
pub(super) const LIFE: std::ops::RangeInclusive<u64> = MINUTE..=30 * DAY;
/// What an IKE SA and the question to a silent peer have by default.
const REKEY_DEFAULT: Duration = Duration::from_secs(4 * 60 * MINUTE);
const DPD_DEFAULT: Duration = Duration::from_secs(30);
const DPD_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// Share of a lifetime by which it is shortened at random, percent.
pub(super) const JITTER_DEFAULT: u8 = 10;
pub(super) const JITTER_MAX: i64 = 50;
/// What any path carries (RFC 7383 section 2.5.1), and what is no longer a fragment.
const FRAGMENT_DEFAULT: u16 = 1280;
const FRAGMENT_BOUNDS: std::ops::RangeInclusive<i64> = 576..=65535;

/// The peers as far as they are known, and their names.
pub(super) struct Peers {
    list: Vec<Draft>,
    /// By name, the refused ones included, so that a tunnel with one is not refused as well.
    known: BTreeMap<String, Option<usize>>,
}

/// A sound peer, to which tunnels add children.
pub(super) struct Draft {
    peer: Peer,
    pub(super) at: Range<usize>,
    pub(super) local: Option<Spanned<IpAddr>>,
    pub(super) remote: Option<Spanned<IpAddr>>,
    /// Whether the file says something about MOBIKE and the action of dead peer detection.
    says: (bool, bool),
}

impl Draft {
    pub(super) fn versions(&self) -> Versions {
        self.peer.versions
    }

    pub(super) fn add(&mut self, child: Child) {
        self.peer.children.push(Arc::new(child));
    }
}

impl Peers {
    /// Converts the sections.
    pub(super) fn read(
        sections: Many<schema::Ike>,
        secrets: &mut Secrets,
        surroundings: Surroundings<'_>,
        found: &mut Findings,
    ) -> Self {
        let mut names = Unique::new();
        let mut peers = Self { list: Vec::new(), known: BTreeMap::new() };
        for section in sections.0 {
            let at = section.span();
            let mut section = section.into_inner();
            let name = name(section.name.take().required(at.clone(), found), found);
            let Some(name) = name else { continue };
            names.take_name("peers", &name, "give each [[ike]] a name of its own", found);
            let draft = one(section, &name, at, secrets, surroundings, found);
            let index = draft.is_some().then_some(peers.list.len());
            peers.list.extend(draft);
            peers.known.entry(name.into_inner()).or_insert(index);
        }
        peers
    }

    /// The peer of this name and its index; reports that there is none.
    pub(super) fn find(
        &mut self,
        name: &Spanned<String>,
        found: &mut Findings,
    ) -> Option<(usize, &mut Draft)> {
        if let Some(index) = self.known.get(name.get_ref()) {
            return index.and_then(|index| Some((index, self.list.get_mut(index)?)));
        }
        let names: Vec<_> = self.known.keys().map(String::as_str).collect();
        let help = match nearest(name.get_ref(), &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "add an [[ike]] of that name".to_owned(),
            None if names.len() > 8 => "write the name of an [[ike]]".to_owned(),
            None => format!("the peers here are {}", list(&names)),
        };
        let title = format!("there is no peer {}", shown(name.get_ref()));
        found.push(found.error(name.span(), title).label("no [[ike]] has this name").help(help));
        None
    }

    /// The peers with their children; reports those without any. What nobody has decided follows
    /// from the children.
    pub(super) fn finish(self, complete: bool, found: &mut Findings) -> Vec<Arc<Peer>> {
        let finish = |draft: Draft| {
            let Draft { mut peer, at, says: (mobike, action), .. } = draft;
            if peer.children.is_empty() && complete {
                let title = format!("peer {} protects nothing", shown(&peer.name));
                let error = found.error(at, title).label("no tunnel names it");
                found.push(error.help(format!(
                    "write `ike = \"{}\"` in a [[tunnel]], or remove this section",
                    peer.name
                )));
            }
            // RFC 4555 section 1.2: transport mode cannot move.
            let moves = peer.children.iter().all(|child| child.mode == Mode::Tunnel);
            if !mobike {
                peer.mobike = moves && peer.versions != Versions::V1;
            }
            let always = peer.children.iter().any(|child| child.start == Start::Always);
            if let Some(dpd) = peer.dpd.as_mut().filter(|_| !action && always) {
                dpd.action = DpdAction::Restart;
            }
            Arc::new(peer)
        };
        self.list.into_iter().map(finish).collect()
    }
}

fn one(
    mut section: schema::Ike,
    name: &Spanned<String>,
    at: Range<usize>,
    secrets: &mut Secrets,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> Option<Draft> {
    let versions = versions(section.version.take(), found);
    let v1_at = (versions == Some(Versions::V1)).then(|| at.clone());
    let local_given = section.local.span().is_some();
    let local = address::host(section.local.take().optional(), "local", found);
    let remote = remote(section.remote.take(), at.clone(), found);
    check_ends(local.as_ref(), remote.as_ref().and_then(Option::as_ref), found);
    let says = (!section.mobike.is_absent(), !section.dpd_action.is_absent());
    if let Some(at) = &v1_at {
        refuse_v2_keys(&section, at, found);
    }
    let ppk = ppk(&mut section, name, secrets, surroundings, found);
    let default = if v1_at.is_some() { v1_defaults } else { ike::proposal::IkeProposal::defaults };
    let proposals = proposals::resolve(section.proposals.take(), v1_at.is_some(), default, found);
    let lifetime = lifetime(&mut section, found);
    let dpd = dpd(&mut section, found);
    let fragment_len = word_or_number(
        section.fragment.take().optional(),
        "fragment",
        &[("off", None)],
        (FRAGMENT_BOUNDS, Some),
        found,
    );
    let words = [
        ("replace", Uniqueness::Replace),
        ("keep", Uniqueness::Keep),
        ("never", Uniqueness::Never),
    ];
    let uniqueness = choice(section.uniqueness.take().optional(), "uniqueness", &words, found);
    let flag = |field: Field<bool>| field.optional().is_some_and(Spanned::into_inner);
    let (mobike, force_udp) = (flag(section.mobike.take()), flag(section.force_udp.take()));
    let childless = flag(section.childless.take());
    let fixed = remote.as_ref().and_then(Option::as_ref).map(|remote| *remote.get_ref());
    let ends = ike_auth::Ends { name, at, local: local.as_ref().map(|it| *it.get_ref()), fixed };
    let auth = ike_auth::resolve(section, &ends, secrets, surroundings, found);
    let (versions, remote, auth) = (versions?, remote?, auth?);
    if local.is_none() && local_given {
        return None;
    }
    let ike_auth::Auth { local_identity, remote_identity, local_auth, remote_auth } = auth;
    let peer = Peer {
        name: name.get_ref().as_str().into(),
        versions,
        local: local.as_ref().map(|local| *local.get_ref()),
        remote: fixed,
        local_identity,
        remote_identity,
        local_auth,
        remote_auth,
        ppk: ppk?,
        proposals: proposals?,
        lifetime: lifetime?,
        dpd: dpd?,
        fragment_len: fragment_len.unwrap_or(Some(FRAGMENT_DEFAULT)),
        mobike,
        force_udp,
        childless,
        uniqueness: uniqueness.unwrap_or(Uniqueness::Replace),
        children: Vec::new(),
    };
    Some(Draft { peer, at: name.span(), local, remote, says })
}

fn versions(field: Field<WordOrNumber>, found: &mut Findings) -> Option<Versions> {
    if field.is_absent() {
        return Some(Versions::V2);
    }
    let value = field.optional()?;
    let versions = match value.get_ref() {
        WordOrNumber::Number(1) => Some(Versions::V1),
        WordOrNumber::Number(2) => Some(Versions::V2),
        WordOrNumber::Word(word) if word == "both" => Some(Versions::Both),
        WordOrNumber::Number(_) | WordOrNumber::Word(_) => None,
    };
    if versions.is_none() {
        let error = found.error(value.span(), "unknown version of IKE").label("no such version");
        let help = "write `version = 2`, `version = 1`, or `version = \"both\"`: 2 when we call";
        found.push(error.help(help));
    }
    versions
}

/// `Some(None)` is anywhere.
fn remote(
    field: Field<String>,
    at: Range<usize>,
    found: &mut Findings,
) -> Option<Option<Spanned<IpAddr>>> {
    let value = field.required(at, found)?;
    if value.get_ref() == "any" {
        return Some(None);
    }
    if value.get_ref().parse::<IpAddr>().is_err() {
        let title = format!("{} is not an address", shown(value.get_ref()));
        let error = found.error(value.span(), title).label("neither an address nor `any`");
        let help = "write an address, or `remote = \"any\"` for peers that call from anywhere";
        found.push(error.help(help));
        return None;
    }
    address::host(Some(value), "remote", found).map(Some)
}

fn check_ends(
    local: Option<&Spanned<IpAddr>>,
    remote: Option<&Spanned<IpAddr>>,
    found: &mut Findings,
) {
    let (Some(local), Some(remote)) = (local, remote) else { return };
    let (ours, theirs) = (local.get_ref(), remote.get_ref());
    if ours == theirs || ours.is_ipv4() != theirs.is_ipv4() {
        let error = found.error(remote.span(), "the peer is not there");
        let error = error.label("the same address as `local`, or one of the other IP version");
        let error = error.also(local.span(), "`local`");
        found.push(error.help("write the other gateway's address, of the same IP version"));
    }
}

/// Keys that mean nothing to a peer that speaks IKEv1 alone.
fn refuse_v2_keys(section: &schema::Ike, at: &Range<usize>, found: &mut Findings) {
    let keys = [
        ("mobike", section.mobike.span()),
        ("childless", section.childless.span()),
        ("ppk", section.ppk.span()),
        ("ppk_id", section.ppk_id.span()),
        ("ppk_required", section.ppk_required.span()),
        ("reauth", section.reauth.span()),
    ];
    for (key, key_at) in keys {
        let Some(key_at) = key_at else { continue };
        let error = found.error(key_at, format!("IKEv1 has no `{key}`"));
        let error = error.label("not part of IKEv1").also(at.clone(), "a peer of `version = 1`");
        found.push(error.help("remove this line, or write `version = 2`"));
    }
}

/// What nearly every IKEv1 peer of today has.
fn v1_defaults() -> Vec<ike::proposal::IkeProposal> {
    let texts = ["aes256-aes128-sha256-sha384-modp2048-modp3072-ecp256"];
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

fn lifetime(section: &mut schema::Ike, found: &mut Findings) -> Option<IkeLifetime> {
    let hard_at = section.lifetime.span();
    let mut time = |field: &mut Field<WordOrNumber>, key, default| {
        let given = !field.is_absent();
        let time = duration(field.take().optional(), key, LIFE, &[], found);
        if given { time } else { Some(default) }
    };
    let rekey = time(&mut section.rekey, "rekey", Some(REKEY_DEFAULT));
    let reauthenticate = time(&mut section.reauth, "reauth", None);
    let hard = time(&mut section.lifetime, "lifetime", None);
    let jitter = jitter(section.jitter.take(), found);
    let (rekey, reauthenticate, hard) = (rekey??, reauthenticate?, hard?);
    let latest = reauthenticate.map_or(rekey, |time| time.max(rekey));
    let hard = later(latest, hard, hard_at, found)?;
    Some(IkeLifetime { rekey, reauthenticate, hard, jitter_percent: jitter? })
}

/// A hard limit behind a soft one: what is asked for, or a tenth more.
pub(super) fn later(
    soft: Duration,
    hard: Option<Duration>,
    at: Option<Range<usize>>,
    found: &mut Findings,
) -> Option<Duration> {
    let Some(hard) = hard else { return Some(soft + soft / 10) };
    if hard > soft {
        return Some(hard);
    }
    let error = found.error(at.unwrap_or(0..0), "the SA ends before it is made anew");
    let error = error.label("not after `rekey` and `reauth`");
    found.push(error.help("write a `lifetime` that leaves time to negotiate, a tenth more"));
    None
}

pub(super) fn jitter(field: Field<i64>, found: &mut Findings) -> Option<u8> {
    if field.is_absent() {
        return Some(JITTER_DEFAULT);
    }
    number(field.optional(), "jitter", 0..=JITTER_MAX, " percent", found)
}

/// `Some(None)` asks nobody.
fn dpd(section: &mut schema::Ike, found: &mut Findings) -> Option<Option<Dpd>> {
    let others = [section.dpd_timeout.span(), section.dpd_action.span()];
    let mut time = |field: &mut Field<WordOrNumber>, key, default, words: &[&str]| {
        let given = !field.is_absent();
        let time = duration(field.take().optional(), key, 5..=3600, words, found);
        if given { time } else { Some(Some(default)) }
    };
    let delay = time(&mut section.dpd, "dpd", DPD_DEFAULT, &["off"]);
    let timeout = time(&mut section.dpd_timeout, "dpd_timeout", DPD_TIMEOUT_DEFAULT, &[]);
    let words = [("clear", DpdAction::Clear), ("restart", DpdAction::Restart)];
    let action = choice(section.dpd_action.take().optional(), "dpd_action", &words, found);
    let Some(delay) = delay? else {
        for at in others.into_iter().flatten() {
            let error = found.error(at, "dead peers are not looked for");
            found.push(error.label("never used").help("remove this line, or `dpd = \"off\"`"));
        }
        return Some(None);
    };
    let timeout = timeout??;
    Some(Some(Dpd { delay, timeout, action: action.unwrap_or(DpdAction::Clear) }))
}

/// `Some(None)` is none.
fn ppk(
    section: &mut schema::Ike,
    name: &Spanned<String>,
    secrets: &mut Secrets,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> Option<Option<Ppk>> {
    let (secret, id) = (section.ppk.take(), section.ppk_id.take());
    let required = section.ppk_required.take();
    if id.is_absent() {
        let orphan = secret.span().or(required.span());
        if let Some(at) = orphan {
            let error = found.error(at, "missing `ppk_id`").label("which one is it?");
            found.push(error.help(format!("add a line such as `ppk_id = \"{}\"`", name.get_ref())));
            return None;
        }
        return Some(None);
    }
    let secret = secrets.find(secret, Use::Ppk, name, surroundings, found);
    let id = id.optional()?.into_inner();
    let required = required.optional().is_some_and(Spanned::into_inner);
    Some(Some(Ppk { id: id.into_bytes().into(), secret: secret?, required }))
}
