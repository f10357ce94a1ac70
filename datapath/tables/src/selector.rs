//! Traffic selectors (RFC 4301 4.4.1.1), seen from here: our side is local.

use std::net::IpAddr;
use std::ops::RangeInclusive;

/// What of a packet decides whether a selector holds, besides its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper {
    /// The protocol behind IP and its extension headers; `None` where those cannot be followed.
    pub protocol: Option<u8>,
    /// Our side's port and the other side's; `None` where there are none to be seen: another
    /// protocol, or a later fragment (RFC 4301 7).
    pub ports: Option<(u16, u16)>,
    /// Whether there may be ports that cannot be seen: in a later fragment, or behind extension
    /// headers that could not be followed.
    pub hidden: bool,
}

/// A set of packets. Lists that are empty and fields that are `None` admit anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Addresses on our side.
    pub local: Box<[RangeInclusive<IpAddr>]>,
    /// Addresses on the other side.
    pub remote: Box<[RangeInclusive<IpAddr>]>,
    /// The protocol behind IP.
    pub protocol: Option<u8>,
    /// Ports on our side.
    pub local_ports: Option<RangeInclusive<u16>>,
    /// Ports on the other side.
    pub remote_ports: Option<RangeInclusive<u16>>,
}

impl Selector {
    /// Whether a packet between these two addresses belongs to it. `upper` is asked only if the
    /// addresses do not settle it.
    #[inline]
    #[must_use]
    pub fn holds(&self, local: IpAddr, remote: IpAddr, upper: impl FnOnce() -> Upper) -> bool {
        self.judge(local, remote, upper, false)
    }

    /// As [`Selector::holds`], if a protocol and ports that cannot be seen are taken to be the
    /// right ones.
    #[must_use]
    pub fn may_hold(&self, local: IpAddr, remote: IpAddr, upper: impl FnOnce() -> Upper) -> bool {
        self.judge(local, remote, upper, true)
    }

    /// The same packets, in selectors with one range at most on each side.
    fn pieces(&self) -> Vec<Self> {
        let each = |ranges: &[RangeInclusive<IpAddr>]| -> Vec<Box<[_]>> {
            match ranges.is_empty() {
                true => vec![Box::default()],
                false => ranges.iter().map(|range| [range.clone()].into()).collect(),
            }
        };
        let (local, remote) = (each(&self.local), each(&self.remote));
        let both =
            local.iter().flat_map(|local| remote.iter().map(move |remote| (&**local, &**remote)));
        let one_version = |(local, remote): &(&[RangeInclusive<IpAddr>], &[_])| {
            let version = |ranges: &[RangeInclusive<IpAddr>]| {
                ranges.first().map(|range| range.start().is_ipv4())
            };
            version(local) == version(remote) || local.is_empty() || remote.is_empty()
        };
        let piece = |(local, remote): (&[_], &[_])| Self {
            local: local.into(),
            remote: remote.into(),
            ..self.clone()
        };
        both.filter(one_version).map(piece).collect()
    }

    /// Whether every packet that belongs to `other` can be told to belong to this.
    fn covers(&self, other: &Self) -> bool {
        fn within<T: PartialOrd>(inner: &RangeInclusive<T>, outer: &RangeInclusive<T>) -> bool {
            outer.contains(inner.start()) && outer.contains(inner.end())
        }
        let addresses = |outer: &[RangeInclusive<IpAddr>], inner: &[RangeInclusive<IpAddr>]| {
            let one = |inner| outer.iter().any(|outer| within(inner, outer));
            outer.is_empty() || (!inner.is_empty() && inner.iter().all(one))
        };
        let ports = |outer: &Option<RangeInclusive<u16>>, inner: &Option<RangeInclusive<u16>>| {
            let Some(outer) = outer else { return true };
            inner.as_ref().is_some_and(|inner| within(inner, outer))
        };
        addresses(&self.local, &other.local)
            && addresses(&self.remote, &other.remote)
            && (self.protocol.is_none() || self.protocol == other.protocol)
            && ports(&self.local_ports, &other.local_ports)
            && ports(&self.remote_ports, &other.remote_ports)
    }

    #[inline]
    fn judge(
        &self,
        local: IpAddr,
        remote: IpAddr,
        upper: impl FnOnce() -> Upper,
        trusting: bool,
    ) -> bool {
        let within = |ranges: &[RangeInclusive<IpAddr>], address: IpAddr| {
            ranges.is_empty() || ranges.iter().any(|range| range.contains(&address))
        };
        if !within(&self.local, local) || !within(&self.remote, remote) {
            return false;
        }
        if self.protocol.is_none() && self.local_ports.is_none() && self.remote_ports.is_none() {
            return true;
        }
        let upper = upper();
        let among = |ports: &Option<RangeInclusive<u16>>, port: Option<u16>| {
            let Some(ports) = ports else { return true };
            port.map_or(trusting && upper.hidden, |port| ports.contains(&port))
        };
        let meant = |protocol| upper.protocol.map_or(trusting, |seen| seen == protocol);
        self.protocol.is_none_or(meant)
            && among(&self.local_ports, upper.ports.map(|ports| ports.0))
            && among(&self.remote_ports, upper.ports.map(|ports| ports.1))
    }
}

/// The selectors of a tunnel: a packet must belong to one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selectors(pub Box<[Selector]>);

impl Selectors {
    /// As [`Selector::holds`], for any of them.
    #[inline]
    #[must_use]
    pub fn hold(&self, local: IpAddr, remote: IpAddr, upper: impl Fn() -> Upper) -> bool {
        self.0.iter().any(|selector| selector.holds(local, remote, &upper))
    }

    /// Whether every packet that belongs to `other` can be told to belong to one of them: `false`
    /// where that takes several ranges of one side together.
    #[must_use]
    pub fn cover(&self, other: &Selector) -> bool {
        other.pieces().iter().all(|piece| self.0.iter().any(|selector| selector.covers(piece)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_covers_what_is_within_all_its_fields() {
        let all = Selector::default();
        let nets = Selector {
            local: range([10, 1, 0, 0], [10, 1, 0, 255]),
            remote: range([10, 2, 0, 0], [10, 2, 0, 255]),
            ..Selector::default()
        };
        let half = Selector { remote: range([10, 2, 0, 0], [10, 2, 0, 127]), ..nets.clone() };
        let tcp = Selector { protocol: Some(6), ..nets.clone() };
        let web = Selector { remote_ports: Some(80..=88), ..tcp.clone() };
        let one = Selector { remote_ports: Some(80..=80), ..tcp.clone() };
        for (wide, narrow) in
            [(&all, &nets), (&nets, &half), (&nets, &tcp), (&tcp, &web), (&web, &one)]
        {
            assert!(wide.covers(wide) && wide.covers(narrow), "{wide:?} {narrow:?}");
            assert!(!narrow.covers(wide), "{narrow:?} {wide:?}");
        }
        let other = Selector { local: range([10, 3, 0, 0], [10, 3, 0, 255]), ..nets.clone() };
        let both = Selectors([nets.clone(), other.clone()].into());
        assert!(both.cover(&half) && both.cover(&other) && !both.cover(&all));
        let ranges = [nets.local.to_vec(), other.local.to_vec()].concat();
        let together = Selector { local: ranges.into(), ..nets.clone() };
        assert!(both.cover(&together) && !Selectors([nets].into()).cover(&together));
    }

    fn range(first: [u8; 4], last: [u8; 4]) -> Box<[RangeInclusive<IpAddr>]> {
        [first.into()..=last.into()].into()
    }

    #[test]
    fn every_field_must_hold_and_ports_that_cannot_be_seen_do_not() {
        let selector = Selector {
            local: range([10, 1, 0, 5], [10, 1, 0, 9]),
            remote: range([10, 2, 0, 0], [10, 2, 0, 255]),
            protocol: Some(6),
            local_ports: None,
            remote_ports: Some(80..=88),
        };
        let local = IpAddr::from([10, 1, 0, 5]);
        let remote = IpAddr::from([10, 2, 0, 1]);
        let upper = |protocol, ports: Option<_>| {
            move || Upper { protocol: Some(protocol), ports, hidden: ports.is_none() }
        };
        let web = Some((1024, 80));
        assert!(selector.holds(local, remote, upper(6, web)));
        assert!(!selector.holds([10, 1, 0, 4].into(), remote, upper(6, web)));
        assert!(!selector.holds(local, [10, 2, 1, 0].into(), upper(6, web)));
        assert!(!selector.holds(local, remote, upper(17, web)));
        assert!(!selector.holds(local, remote, upper(6, Some((80, 1024)))));
        assert!(!selector.holds(local, remote, upper(6, None)));
        assert!(selector.may_hold(local, remote, upper(6, None)));
        assert!(!selector.may_hold(local, remote, upper(17, None)));
        let unseen = || Upper { protocol: None, ports: None, hidden: true };
        assert!(!selector.holds(local, remote, unseen));
        assert!(selector.may_hold(local, remote, unseen));
        let v6 = IpAddr::from([0; 16]);
        assert!(!selector.holds(v6, v6, upper(6, web)));
        assert!(Selector::default().holds(v6, v6, || unreachable!("the addresses settle it")));
    }
}
