//! The limits of manual SAs (RFC 4301 4.4.2.1): nobody renews them, so the operator is told in
//! time, and at the end they carry nothing more.

use std::time::Duration;

use config::{Lifetime, Limit};
use esp::{InboundSa, OutboundSa};

/// Which limits of a pair of SAs have been told of.
#[derive(Clone)]
pub(super) struct Reminder {
    lifetime: Lifetime,
    /// The process's age at the first look.
    since: Option<Duration>,
    soft: bool,
    hard: bool,
}

impl Reminder {
    pub(super) fn new(lifetime: Lifetime) -> Self {
        Self { lifetime, since: None, soft: false, hard: false }
    }

    /// Ends SAs whose time is up, and says in words which limit was reached since the last call.
    /// `uptime` is the process's age; the SAs' counts from the first call.
    pub(super) fn check(
        &mut self,
        uptime: Duration,
        outbound: &OutboundSa,
        inbound: &InboundSa,
    ) -> Option<String> {
        let age = uptime.saturating_sub(*self.since.get_or_insert(uptime));
        let Lifetime { packets, bytes, seconds } = self.lifetime;
        let used = [
            (packets, outbound.packets().max(inbound.packets()), "packets"),
            (bytes, outbound.bytes().max(inbound.bytes()), "bytes"),
            (seconds, age.as_secs(), "seconds"),
        ];
        let reached = |of: fn(Limit) -> Option<u64>| {
            let over = |(limit, used, _): &&(Limit, u64, &str)| {
                of(*limit).is_some_and(|limit| *used >= limit)
            };
            used.iter().find(over).map(|(_, used, unit)| format!("{used} {unit}"))
        };
        if !self.hard
            && let Some(used) = reached(|limit| limit.hard)
        {
            (self.hard, self.soft) = (true, true);
            outbound.expire();
            inbound.expire();
            return Some(format!(
                "its SAs have ended after {used}; nothing passes until it has new keys"
            ));
        }
        if !self.soft
            && let Some(used) = reached(|limit| limit.soft)
        {
            self.soft = true;
            return Some(format!("its SAs are due for renewal after {used}; give it new keys"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use esp::{Keys, Suite};

    use super::*;

    #[test]
    fn each_limit_is_told_once_and_the_hard_one_ends_both_sas() {
        let keys = Keys { encryption: &[7; 20], authentication: &[] };
        let suite = Suite::AES128GCM16;
        let outbound = OutboundSa::new(300, suite, keys, false, [1; 32]).unwrap();
        let keys = Keys { encryption: &[8; 20], authentication: &[] };
        let inbound = InboundSa::new(301, suite, keys, false, 64).unwrap();
        let lifetime = Lifetime {
            bytes: Limit { soft: Some(1000), hard: None },
            seconds: Limit { soft: None, hard: Some(60) },
            ..Lifetime::default()
        };
        let mut reminder = Reminder::new(lifetime);
        let mut check =
            |seconds: u64| reminder.check(Duration::from_secs(1000 + seconds), &outbound, &inbound);
        assert_eq!((check(0), check(1)), (None, None));
        inbound.count(1, 1000);
        assert!(check(2).is_some_and(|said| said.contains("renewal after 1000 bytes")));
        assert_eq!(check(59), None);
        assert!(check(60).is_some_and(|said| said.contains("ended after 60 seconds")));
        assert!(!inbound.admits() && outbound.reserve(1).is_err());
        assert_eq!(check(61), None);
    }
}
