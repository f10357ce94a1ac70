//! An area: its database and what was computed of it.

use core::net::Ipv4Addr;

use crate::lsdb::Lsdb;
use crate::msg::Options;
use crate::settings::AreaSettings;
use crate::spf::Tree;

/// An area that an interface is in.
#[derive(Debug, Default)]
pub(crate) struct Area {
    pub settings: AreaSettings,
    pub lsdb: Lsdb,
    /// The shortest paths through it.
    pub tree: Tree,
    /// The tree is to be made anew.
    pub is_changed: bool,
}

impl Area {
    /// What our hellos and LSAs say of it (RFC 2328 appendix A.2, RFC 3101 section 2.3).
    pub fn options(&self) -> Options {
        if self.settings.kind.is_nssa() {
            Options::NP
        } else if self.settings.kind.takes_externals() {
            Options::E
        } else {
            Options::default()
        }
    }
}

/// The router behind an address or ID in a table, unspecified for none.
pub(crate) fn is_some(address: Ipv4Addr) -> bool {
    !address.is_unspecified()
}
