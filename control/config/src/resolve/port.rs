//! `[[port]]`: the network interfaces.

use ipnet::IpNet;
use toml::Spanned;

use super::{
    address,
    value::{Unique, choice, name},
};
use crate::{
    findings::Findings,
    model::{Port, PortMode, Role},
    schema,
    section::Many,
    spelling::shown,
};

/// Longest interface name: `IFNAMSIZ` less its terminating zero (netdevice(7)).
const DEVICE_LEN_MAX: usize = 15;

/// The ports that are sound.
pub(super) struct Ports {
    pub(super) list: Vec<Port>,
    /// Whether any was refused, so that nothing is concluded from what is missing.
    pub(super) incomplete: bool,
}

/// Converts the sections and compares their names and devices.
pub(super) fn resolve(sections: Many<schema::Port>, found: &mut Findings) -> Ports {
    let mut names = Unique::new();
    let mut devices = Unique::new();
    let count = sections.0.len();
    let list: Vec<_> = sections
        .0
        .into_iter()
        .filter_map(|section| one(section, &mut names, &mut devices, found))
        .collect();
    Ports { incomplete: list.len() != count, list }
}

fn one(
    section: Spanned<schema::Port>,
    names: &mut Unique<String>,
    devices: &mut Unique<String>,
    found: &mut Findings,
) -> Option<Port> {
    let at = section.span();
    let section = section.into_inner();
    let name = name(section.name.required(at.clone(), found), found);
    if let Some(name) = &name {
        names.take_name("ports", name, "give each port a name of its own", found);
    }
    let device = device(section.device.required(at.clone(), found), found);
    if let Some(device) = &device
        && let Err(first) = devices.take(device.get_ref().clone(), device.span())
    {
        let title = format!("two ports use device {}", shown(device.get_ref()));
        let error = found.error(device.span(), title).label("taken").also(first, "first used here");
        found.push(error.help("give each port a device of its own"));
    }
    let role = choice(
        section.role.required(at, found),
        "role",
        &[("inside", Role::Inside), ("outside", Role::Outside)],
        found,
    );
    let mode = choice(
        section.mode.optional(),
        "mode",
        &[
            ("auto", PortMode::Auto),
            ("native", PortMode::Native),
            ("generic", PortMode::Generic),
            ("zerocopy", PortMode::ZeroCopy),
        ],
        found,
    );
    let addresses = section.addresses.optional().map(|list| addresses(list, found));
    Some(Port {
        name: name?.into_inner(),
        device: device?,
        role: role?,
        addresses: addresses.unwrap_or_default(),
        mode: mode.unwrap_or(PortMode::Auto),
    })
}

/// A name that the kernel would give an interface (its `dev_valid_name`).
fn device(value: Option<Spanned<String>>, found: &mut Findings) -> Option<Spanned<String>> {
    let value = value?;
    let text = value.get_ref();
    let label = if text.is_empty() {
        "it is empty"
    } else if text.len() > DEVICE_LEN_MAX {
        "it is longer than the 15 bytes that Linux allows"
    } else if matches!(text.as_str(), "." | "..")
        || text.contains(|c: char| c.is_whitespace() || c.is_control() || "/:".contains(c))
    {
        "it has characters that no interface name has"
    } else {
        return Some(value);
    };
    let error = found.error(value.span(), format!("{} is not an interface name", shown(text)));
    found.push(error.label(label).help("write a name that `ip link` shows"));
    None
}

fn addresses(list: Spanned<Vec<Spanned<String>>>, found: &mut Findings) -> Vec<Spanned<IpNet>> {
    let mut unique = Unique::new();
    let mut addresses = Vec::new();
    for value in list.into_inner() {
        let Some(address) = address::interface(&value, found) else { continue };
        if let Err(first) = unique.take(address.get_ref().addr(), address.span()) {
            let title = format!("{} is listed twice", address.get_ref().addr());
            let error = found.error(address.span(), title).label("again");
            found.push(error.also(first, "first listed here").help("remove one of them"));
        }
        addresses.push(address);
    }
    addresses
}
