//! Peers and what they negotiate, in words.

use std::{
    fmt::{self, Display, Write},
    time::Duration,
};

use ike::policy::{
    Child, DpdAction, LocalAuth, Peer, RemoteAuth, SelectorAddresses, SelectorTemplate, Start,
    Uniqueness, Versions,
};

use crate::{
    model::{Config, EspMode, NegotiatedSa, Tfc},
    spelling::spell_seconds,
};

/// An `[[ike]]`.
pub(super) fn peer(out: &mut String, peer: &Peer) -> fmt::Result {
    let versions = match peer.versions {
        Versions::V2 => "IKEv2",
        Versions::V1 => "IKEv1",
        Versions::Both => "IKEv2, IKEv1 if it calls so,",
    };
    let remote = match peer.remote {
        Some(remote) => format!("at {remote}"),
        None => "wherever it calls from".to_owned(),
    };
    writeln!(out, "peer {}: {versions} with whom is {remote}", peer.name)?;
    let ours = match peer.local_auth {
        LocalAuth::Psk(_) => "a pre-shared key",
        LocalAuth::Certificate(_) => "a certificate",
    };
    let theirs = match peer.remote_auth {
        RemoteAuth::Psk(_) => "a pre-shared key",
        RemoteAuth::Certificate(_) => "a certificate",
    };
    writeln!(out, "    we are {}, proven by {ours}", peer.local_identity)?;
    writeln!(out, "    it is {}, proven by {theirs}", peer.remote_identity)?;
    if let Some(ppk) = &peer.ppk {
        let wanted = if ppk.required { "required" } else { "if the peer has it" };
        writeln!(out, "    a post-quantum pre-shared key beside that, {wanted}")?;
    }
    for proposal in &peer.proposals {
        writeln!(out, "    proposal {proposal}")?;
        weakness(out, proposal.weakness())?;
    }
    let life = &peer.lifetime;
    write!(out, "    new keys every {}", time(life.rekey))?;
    if let Some(reauthenticate) = life.reauthenticate {
        write!(out, ", authenticated anew every {}", time(reauthenticate))?;
    }
    writeln!(out, ", up to {} % earlier; ends after {}", life.jitter_percent, time(life.hard))?;
    match &peer.dpd {
        None => writeln!(out, "    a dead peer is not noticed")?,
        Some(dpd) => {
            let action = match dpd.action {
                DpdAction::Clear => "the end",
                DpdAction::Restart => "the end, and it is called again",
            };
            let (delay, timeout) = (time(dpd.delay), time(dpd.timeout));
            writeln!(
                out,
                "    asked after {delay} of silence; {timeout} without answer is {action}"
            )?;
        }
    }
    writeln!(out, "    {}", extras(peer).join(", "))
}

fn extras(peer: &Peer) -> Vec<String> {
    let mut all = vec![match peer.fragment_len {
        Some(len) => format!("messages above {len} bytes in fragments"),
        None => "no fragments".to_owned(),
    }];
    all.push(
        match peer.uniqueness {
            Uniqueness::Replace => "a new SA of the same identity replaces the old one",
            Uniqueness::Keep => "a second SA of the same identity is refused",
            Uniqueness::Never => "any number of SAs of one identity",
        }
        .to_owned(),
    );
    let flags = [
        (peer.mobike, "either end may move"),
        (peer.force_udp, "ESP always in UDP"),
        (peer.childless, "first without a child"),
    ];
    all.extend(flags.iter().filter(|(set, _)| *set).map(|(_, text)| (*text).to_owned()));
    all
}

/// A `[tunnel.ike]`.
pub(super) fn negotiated(out: &mut String, sa: &NegotiatedSa, config: &Config) -> fmt::Result {
    if let Some([local, remote]) = &sa.endpoints {
        let (local, remote) = (local.get_ref(), remote.get_ref());
        writeln!(out, "    ESP in tunnel mode from {local} to {remote}")?;
    } else if sa.mode == EspMode::Transport {
        writeln!(out, "    ESP in transport mode")?;
    }
    let Some(peer) = config.ike_peers.get(sa.peer) else { return Ok(()) };
    let mut children = peer.children.iter();
    let Some(child) = children.find(|child| *child.name == *sa.child) else { return Ok(()) };
    let start = match child.start {
        Start::Always => "from the start",
        Start::OnDemand => "with the first packet",
        Start::Never => "when the peer calls",
    };
    writeln!(out, "    keys by IKE with peer {}, {start}", peer.name)?;
    let side = |side: &[SelectorTemplate]| side.iter().map(selector).collect::<Vec<_>>().join(", ");
    writeln!(out, "    for {} here and {} there", side(&child.local), side(&child.remote))?;
    for proposal in &child.proposals {
        writeln!(out, "    proposal {proposal}")?;
        weakness(out, proposal.weakness())?;
    }
    lifetime(out, child)?;
    match sa.replay_window {
        0 => writeln!(out, "    replays are not detected")?,
        window => writeln!(out, "    replay window {window} packets")?,
    }
    match child.per_worker {
        0 => {}
        1 => writeln!(out, "    further pairs for the peer's workers, if it asks")?,
        ours => writeln!(out, "    a pair for each of {ours} workers, if the peer can")?,
    }
    match sa.tfc {
        Some(Tfc::Mtu) => writeln!(out, "    packets padded to the MTU"),
        Some(Tfc::Bytes(bytes)) => writeln!(out, "    packets padded to {bytes} bytes"),
        None => Ok(()),
    }
}

fn lifetime(out: &mut String, child: &Child) -> fmt::Result {
    let life = &child.lifetime;
    let limits = [
        life.rekey.map(time),
        life.rekey_bytes.map(|bytes| format!("{bytes} bytes")),
        life.rekey_packets.map(|packets| format!("{packets} packets")),
    ];
    let limits: Vec<_> = limits.into_iter().flatten().collect();
    if limits.is_empty() {
        return writeln!(out, "    keys for ever");
    }
    let percent = life.jitter_percent;
    write!(out, "    new keys after {}, up to {percent} % earlier", limits.join(" or "))?;
    match life.hard {
        Some(hard) => writeln!(out, "; ends after {}", time(hard)),
        None => writeln!(out),
    }
}

fn selector(selector: &SelectorTemplate) -> String {
    let mut text = match selector.addresses {
        SelectorAddresses::Dynamic => "the end of IKE".to_owned(),
        SelectorAddresses::Range(first, last) if first == last => first.to_string(),
        SelectorAddresses::Range(first, last) => {
            let at = 0..0;
            crate::AddressRange { first, last, at }.to_string()
        }
    };
    if selector.protocol != 0 {
        let _ = write!(text, " protocol {}", selector.protocol);
    }
    match selector.ports {
        (0, u16::MAX) => {}
        (first, last) if first == last => {
            let _ = write!(text, " port {first}");
        }
        (first, last) => {
            let _ = write!(text, " ports {first}-{last}");
        }
    }
    text
}

fn weakness(out: &mut String, weakness: Option<impl Display>) -> fmt::Result {
    weakness.map_or(Ok(()), |weakness| writeln!(out, "    weak: {weakness}"))
}

fn time(duration: Duration) -> String {
    spell_seconds(duration.as_secs())
}
