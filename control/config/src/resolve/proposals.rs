//! `proposals` of peers and tunnels: in strongSwan's spelling, with a warning for what is weak.

use std::{fmt::Display, str::FromStr};

use ike::proposal::{EspProposal, IkeProposal, Misspelled};
use toml::Spanned;

use crate::{
    findings::Findings,
    section::{Field, Words},
    spelling::{nearest, shown},
};

/// What the two kinds of proposals have in common.
pub(super) trait Proposal: FromStr<Err = Misspelled> + Display {
    fn weakness(&self) -> Option<String>;
    /// Whether IKEv1 can offer some of it.
    fn is_of_v1(&self) -> bool;
}

impl Proposal for IkeProposal {
    fn weakness(&self) -> Option<String> {
        Self::weakness(self)
    }

    fn is_of_v1(&self) -> bool {
        self.encryption.iter().any(|cipher| cipher.v1_id().is_some())
    }
}

impl Proposal for EspProposal {
    fn weakness(&self) -> Option<String> {
        Self::weakness(self)
    }

    fn is_of_v1(&self) -> bool {
        self.suites.iter().any(|suite| suite.name() != "chacha20poly1305")
    }
}

/// The list of a key; `default` if it is absent, `None` after an error. `v1` is whether a peer
/// speaks IKEv1 alone.
pub(super) fn resolve<P: Proposal>(
    field: Field<Words>,
    v1: bool,
    default: impl FnOnce() -> Vec<P>,
    found: &mut Findings,
) -> Option<Vec<P>> {
    if field.is_absent() {
        return Some(default());
    }
    let list = field.optional()?;
    if list.get_ref().0.is_empty() {
        let error = found.error(list.span(), "`proposals` is empty").label("nothing to agree on");
        found.push(error.help("remove this line to use the defaults"));
        return None;
    }
    let words = list.into_inner().0;
    let read: Vec<_> = words.iter().map(|word| one::<P>(word, v1, found)).collect();
    read.into_iter().collect()
}

fn one<P: Proposal>(word: &Spanned<String>, v1: bool, found: &mut Findings) -> Option<P> {
    let proposal = match word.get_ref().parse::<P>() {
        Ok(proposal) => proposal,
        Err(wrong) => {
            report(&wrong, word, found);
            return None;
        }
    };
    if v1 && !proposal.is_of_v1() {
        let error = found.error(word.span(), "IKEv1 has none of these ciphers");
        let error = error.label("nothing that IKEv1 could offer");
        found.push(error.help("write a cipher such as `aes256-sha256-modp2048`, or `version = 2`"));
        return None;
    }
    if let Some(weakness) = proposal.weakness() {
        let warning = found.warning(word.span(), "a proposal with weak algorithms");
        let warning = warning.label(weakness);
        found.push(warning.help("leave them out unless the peer has nothing better"));
    }
    Some(proposal)
}

fn report(wrong: &Misspelled, word: &Spanned<String>, found: &mut Findings) {
    let title = format!("{} is not a proposal", shown(word.get_ref()));
    let known: Vec<_> = Misspelled::words().collect();
    let near = wrong.word.as_deref().and_then(|word| nearest(word, &known));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => wrong.remedy.clone(),
    };
    found.push(found.error(word.span(), title).label(wrong.what.clone()).help(help));
}
