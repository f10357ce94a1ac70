//! The security policy database (RFC 4301 4.4.1) for what leaves: protect, bypass or discard.

use std::net::IpAddr;

use crate::{NexthopId, Selector, TunnelId, Upper};

/// Index of a list of policies in [`Spd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyListId(pub u32);

/// What becomes of a packet that a policy covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It enters this tunnel.
    Protect(TunnelId),
    /// It leaves as it is, through this next hop; `None` while the kernel has no route.
    Bypass(Option<NexthopId>),
    /// It goes nowhere.
    Discard,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What it covers.
    pub selector: Selector,
    /// What becomes of that.
    pub action: Action,
}

/// The policies that each protected prefix must be held against, in order: routes lead to a list
/// that holds only those whose addresses can match, so that a lookup stays short.
#[derive(Clone, Debug, Default)]
pub struct Spd {
    lists: Box<[Box<[Policy]>]>,
}

impl Spd {
    /// The database in which the `n`-th list has [`PolicyListId`] `n`.
    #[must_use]
    pub fn build(lists: Vec<Box<[Policy]>>) -> Self {
        Self { lists: lists.into_boxed_slice() }
    }

    /// The policies of a list, in order.
    #[must_use]
    pub fn list(&self, list: PolicyListId) -> &[Policy] {
        self.lists.get(list.0 as usize).map_or(&[], |list| list)
    }

    /// What the first policy says that covers the packet; `None` when none does.
    #[inline]
    #[must_use]
    pub fn lookup(
        &self,
        list: PolicyListId,
        local: IpAddr,
        remote: IpAddr,
        upper: impl Fn() -> Upper,
    ) -> Option<Action> {
        let policies = self.list(list);
        let covers = |policy: &&Policy| policy.selector.holds(local, remote, &upper);
        policies.iter().find(covers).map(|policy| policy.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_policy_that_covers_a_packet_decides() {
        let telnet =
            Selector { protocol: Some(6), remote_ports: Some(23..=23), ..Selector::default() };
        let discard = Policy { selector: telnet, action: Action::Discard };
        let protect =
            Policy { selector: Selector::default(), action: Action::Protect(TunnelId(3)) };
        let spd = Spd::build(vec![[discard.clone(), protect].into(), [discard].into()]);
        let ask = |list, port| {
            let upper = || Upper { protocol: 6, ports: Some((1024, port)) };
            spd.lookup(PolicyListId(list), [10, 0, 0, 1].into(), [10, 0, 0, 2].into(), upper)
        };
        assert_eq!(ask(0, 23), Some(Action::Discard));
        assert_eq!(ask(0, 22), Some(Action::Protect(TunnelId(3))));
        assert_eq!((ask(1, 22), ask(2, 22)), (None, None));
    }
}
