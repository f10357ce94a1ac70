//! `[[policy]]`: what is protected, bypassed or discarded before tunnels' own selectors decide.

use toml::Spanned;

use super::{
    selector::Fields,
    tunnel::{Kind, Tunnels},
    value::choice,
};
use crate::{
    findings::Findings,
    model::{Action, Policy},
    schema,
    section::{Field, Many},
    spelling::shown,
};

#[derive(Clone, Copy)]
enum Word {
    Protect,
    Bypass,
    Discard,
}

/// Converts the sections and finds the tunnels they name.
pub(super) fn resolve(
    sections: Many<schema::Policy>,
    tunnels: &Tunnels,
    found: &mut Findings,
) -> Vec<Policy> {
    sections.0.into_iter().filter_map(|section| one(section, tunnels, found)).collect()
}

fn one(
    section: Spanned<schema::Policy>,
    tunnels: &Tunnels,
    found: &mut Findings,
) -> Option<Policy> {
    let at = section.span();
    let section = section.into_inner();
    let words = [("protect", Word::Protect), ("bypass", Word::Bypass), ("discard", Word::Discard)];
    let word = choice(section.action.required(at.clone(), found), "action", &words, found);
    let action = match word {
        Some(Word::Protect) => protect(section.tunnel.required(at, found), tunnels, found),
        Some(word) => {
            refuse_tunnel(&section.tunnel, found);
            Some(if matches!(word, Word::Bypass) { Action::Bypass } else { Action::Discard })
        }
        None => None,
    };
    let fields = Fields {
        local: section.local,
        remote: section.remote,
        protocol: section.protocol,
        local_ports: section.local_ports,
        remote_ports: section.remote_ports,
    };
    let selector = fields.resolve(["local", "remote"], None, found);
    Some(Policy { action: action?, selector: selector? })
}

fn refuse_tunnel(field: &Field<String>, found: &mut Findings) {
    if let Some(at) = field.span() {
        let error = found.error(at, "only a policy that protects names a tunnel");
        let error = error.label("this one keeps packets out of tunnels");
        found.push(error.help("remove this line, or write `action = \"protect\"`"));
    }
}

fn protect(
    name: Option<Spanned<String>>,
    tunnels: &Tunnels,
    found: &mut Findings,
) -> Option<Action> {
    let name = name?;
    let known = tunnels.find(&name, found)?;
    if known.kind.is_some_and(|kind| kind != Kind::Esp) {
        let title = format!("tunnel {} protects by route", shown(name.get_ref()));
        let error = found.error(name.span(), title).label("not an esp tunnel");
        found.push(error.help("name a tunnel of `kind = \"esp\"`, or use a [[route]]"));
        return None;
    }
    known.index.map(Action::Protect)
}
