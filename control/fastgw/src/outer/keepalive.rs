//! NAT keepalives (RFC 3948 2.3, 4): a byte to each peer that a NAT may be between, when nothing
//! else was sent to it for a while.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bridge::Kept;

/// When each peer was last sent something.
#[derive(Debug, Default)]
pub struct Keepalives {
    /// By outbound SPI and peer: packets sent so far, and when that was seen to change.
    seen: BTreeMap<(u32, IpAddr), (u64, Instant)>,
}

/// What a keepalive is: a receiver ignores it.
pub const KEEPALIVE: [u8; 1] = [0xff];

impl Keepalives {
    /// Those of `peers` that are due now; they count as sent.
    pub fn due(&mut self, peers: impl Iterator<Item = Kept>, now: Instant) -> Vec<Kept> {
        let mut due = Vec::new();
        let mut seen = BTreeMap::new();
        for peer in peers {
            let key = (peer.outbound.spi(), peer.remote);
            let packets = peer.outbound.packets();
            let known = self.seen.get(&key).copied();
            let (counted, mut since) = known.unwrap_or((packets, now));
            if counted != packets {
                since = now;
            }
            let interval = Duration::from_secs(u64::from(peer.interval_s));
            if now.duration_since(since) >= interval {
                since = now;
                due.push(peer);
            }
            seen.insert(key, (packets, since));
        }
        self.seen = seen;
        due
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use esp::{Keys, OutboundSa, Suite};

    use super::*;

    #[test]
    fn a_keepalive_is_sent_after_silence_only() {
        let keys = Keys { encryption: &[7; 20], authentication: &[] };
        let sa = OutboundSa::new(300, Suite::AES128GCM16, keys, false, [1; 32]).unwrap();
        let outbound = Arc::new(sa);
        let peer = || Kept {
            local: [192, 0, 2, 1].into(),
            remote: [192, 0, 2, 2].into(),
            port: 4500,
            interval_s: 20,
            outbound: Arc::clone(&outbound),
        };
        let (mut keepalives, start) = (Keepalives::default(), Instant::now());
        let mut due = |seconds| {
            let now = start + Duration::from_secs(seconds);
            keepalives.due(std::iter::once(peer()), now).len()
        };
        assert_eq!([due(0), due(19), due(20), due(39), due(40)], [0, 0, 1, 0, 1]);
        outbound.count(1, 60);
        assert_eq!([due(59), due(78), due(79)], [0, 0, 1]);
    }
}
