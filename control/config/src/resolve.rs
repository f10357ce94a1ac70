//! From what a file says to what it means: every value is converted on its own, then what belongs
//! together is compared. Each step reports all it finds and goes on with what is sound.

mod address;
mod child;
mod claims;
mod gateway;
mod ike;
mod ike_auth;
mod ospf;
mod ospf_auth;
mod ospf_bfd;
mod ospf_cost;
mod outer;
mod peer;
mod policy;
mod port;
mod proposals;
mod route;
mod sa;
mod sa_extras;
mod secrets;
mod selector;
mod tunnel;
mod tunnel_kind;
mod value;

use std::{ops::Range, path::Path};

use toml::Spanned;

use self::{ike::Peers, port::Ports, secrets::Secrets};
use crate::{
    diagnostic::Report,
    findings::Findings,
    model::{Config, Role},
    schema::File,
    section::{Field, Many, Section},
};

/// What a file's meaning depends on besides its text.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// The file's name; its stem is the gateway's default name.
    pub(crate) path: &'a Path,
    /// What a relative `file:` is relative to.
    pub(crate) key_dir: &'a Path,
    /// The permission bits of the file, if it is one.
    pub(crate) mode: Option<u32>,
}

/// The configuration with its warnings, or everything that is wrong with it.
pub(crate) fn resolve(
    file: File,
    surroundings: Surroundings<'_>,
    mut found: Findings,
) -> Result<Config, Report> {
    let gateway_at = file.gateway.span().unwrap_or(0..0);
    let section = file.gateway.optional().map(|section| section.into_inner().0);
    let gateway = gateway::resolve(section, gateway_at, surroundings.path, &mut found);

    if file.ports.is_absent() {
        let error = found.error(0..0, "there is no port").label("no [[port]] in this file");
        found.push(error.help("add [[port]] with `name`, `device` and `role`"));
    }
    let ports = port::resolve(sections(file.ports), &mut found);
    let tunnels_at = file.tunnels.span();
    let mut secrets = Secrets::read(file.secrets, surroundings, &mut found);
    let peers = Peers::read(sections(file.ike), &mut secrets, surroundings, &mut found);
    let workers = u16::try_from(gateway.workers).unwrap_or(1);
    let tunnels = sections(file.tunnels);
    let (tunnels, peers) = tunnel::resolve(tunnels, peers, workers, surroundings, &mut found);
    check_way_out(&ports, tunnels_at, &mut found);
    let routes = route::resolve(sections(file.routes), &tunnels, &ports, &mut found);
    let policies = policy::resolve(sections(file.policies), &tunnels, &mut found);
    let ospf = ospf::resolve(file.ospf, &ports, &tunnels, &mut secrets, surroundings, &mut found);
    secrets.check_secrecy(surroundings, &mut found);
    claims::check(&ports.list, &tunnels, &routes, &mut found);
    let ike_peers = peers.finish(!found.has_errors(), &mut found);
    if found.has_errors() {
        return Err(found.into_report());
    }
    // Only now: a route that was refused may be the one that is missed.
    route::warn_of_idle_tunnels(&tunnels, &routes, &mut found);
    Ok(Config {
        gateway,
        ports: ports.list,
        tunnels: tunnels.list,
        ike_peers,
        policies,
        routes,
        ospf,
        source: found.source(),
        warnings: found.into_report().into_diagnostics(),
    })
}

/// The repeated section, without any if it is absent or was refused.
fn sections<S: Section>(field: Field<Many<S>>) -> Many<S> {
    field.optional().map_or(Many(Vec::new()), Spanned::into_inner)
}

fn check_way_out(ports: &Ports, tunnels_at: Option<Range<usize>>, found: &mut Findings) {
    let none_outside = !ports.list.iter().any(|port| port.role == Role::Outside);
    let Some(at) = tunnels_at else { return };
    if none_outside && !ports.list.is_empty() && !ports.incomplete {
        let error = found.error(at, "there are tunnels but no outside port");
        let error = error.label("its packets have no port to leave by");
        found.push(
            error.help("write `role = \"outside\"` in the [[port]] that faces the other gateways"),
        );
    }
}
