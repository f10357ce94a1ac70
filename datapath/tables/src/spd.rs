//! The security policy database (RFC 4301 4.4.1) for what leaves: protect, bypass or discard.

use std::net::IpAddr;

use crate::{NexthopId, PortId, Selector, TunnelId, Upper};

/// Index of a list of policies in [`Spd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyListId(pub u32);

/// What becomes of a packet that a policy covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It enters this tunnel.
    Protect(TunnelId),
    /// It leaves as it is.
    Bypass(Way),
    /// It goes nowhere.
    Discard,
}

/// Where a packet leaves that bypasses the tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through a router.
    Via(NexthopId),
    /// On this port's network: the destination is the next hop.
    OnLink(PortId),
    /// Nowhere, while the kernel has no route.
    None,
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

    /// What the first policy says that covers the packet; `None` when none does. A packet whose
    /// protocol or ports cannot be seen does not bypass what a policy before it might have kept:
    /// RFC 4301 7.4 has such fragments discarded.
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
        let at = policies.iter().position(|policy| covers(&policy))?;
        let (before, found) = (policies.get(..at)?, policies.get(at)?);
        let keeps = |policy: &Policy| !matches!(policy.action, Action::Bypass(_));
        let might_cover = |policy: &Policy| policy.selector.may_hold(local, remote, &upper);
        if !keeps(found) && before.iter().any(|policy| keeps(policy) && might_cover(policy)) {
            return Some(Action::Discard);
        }
        Some(found.action)
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
            let upper = || Upper { protocol: Some(6), ports: Some((1024, port)), hidden: false };
            spd.lookup(PolicyListId(list), [10, 0, 0, 1].into(), [10, 0, 0, 2].into(), upper)
        };
        assert_eq!(ask(0, 23), Some(Action::Discard));
        assert_eq!(ask(0, 22), Some(Action::Protect(TunnelId(3))));
        assert_eq!((ask(1, 22), ask(2, 22)), (None, None));
    }

    #[test]
    fn what_cannot_be_seen_does_not_slip_past_a_policy_that_may_be_meant() {
        let sip =
            Selector { protocol: Some(17), remote_ports: Some(5060..=5060), ..Selector::default() };
        let protect = Policy { selector: sip, action: Action::Protect(TunnelId(0)) };
        let bypass = Policy { selector: Selector::default(), action: Action::Bypass(Way::None) };
        let spd = Spd::build(vec![[protect, bypass].into()]);
        let ask = |protocol, ports: Option<_>| {
            let upper = || Upper { protocol, ports, hidden: ports.is_none() };
            spd.lookup(PolicyListId(0), [10, 0, 0, 1].into(), [10, 0, 0, 2].into(), upper)
        };
        assert_eq!(ask(Some(17), Some((1, 53))), Some(Action::Bypass(Way::None)));
        assert_eq!(ask(Some(17), None), Some(Action::Discard), "a later fragment");
        assert_eq!(ask(None, None), Some(Action::Discard), "headers that cannot be followed");
        assert_eq!(ask(Some(6), None), Some(Action::Bypass(Way::None)));
    }
}
