//! A rewrite: the bytes that go in front of a packet and the few fields of them that vary.

use std::net::Ipv4Addr;

use wire::checksum;
use wire::gre::Gre;
use wire::ipv4::Ipv4;
use wire::protocol;
use zerocopy::IntoBytes;
use zerocopy::byteorder::network_endian::U16;

/// What becomes of the inner DSCP (RFC 2983).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dscp {
    /// The outer header carries the inner one's.
    Copy,
    /// The outer header carries this one, 0 to 63.
    Set(u8),
}

/// What becomes of the inner "don't fragment".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Df {
    /// The outer header carries the inner one's.
    Copy,
    /// Always set.
    Set,
    /// Never set.
    Clear,
}

/// How the outer IP header is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterRules {
    /// Outer TTL.
    pub ttl: u8,
    /// Outer DSCP; ECN follows RFC 6040 in any case.
    pub dscp: Dscp,
    /// Outer DF.
    pub df: Df,
}

impl Default for OuterRules {
    fn default() -> Self {
        Self { ttl: 64, dscp: Dscp::Copy, df: Df::Copy }
    }
}

/// Longest template: an IPv4 header and GRE with a key.
const TEMPLATE_MAX: usize = Ipv4::LEN + Gre::LEN + Gre::KEY_LEN;

/// A header template in front of what a tunnel sends: an IPv4 header with what follows it, or, in
/// ESP transport mode, only what follows it.
#[derive(Clone, Debug)]
pub struct Rewrite {
    template: [u8; TEMPLATE_MAX],
    len: usize,
    /// How the IPv4 header is filled in; `None` when the template has none.
    rules: Option<OuterRules>,
}

impl Rewrite {
    /// An outer IPv4 header in front of ESP.
    #[must_use]
    pub fn esp(local: Ipv4Addr, remote: Ipv4Addr, rules: OuterRules) -> Self {
        Self::behind_ipv4(local, remote, protocol::ESP, &[], rules)
    }

    /// An outer IPv4 header in front of an IPv4 packet (RFC 2003).
    #[must_use]
    pub fn ipip(local: Ipv4Addr, remote: Ipv4Addr, rules: OuterRules) -> Self {
        Self::behind_ipv4(local, remote, protocol::IPV4, &[], rules)
    }

    /// An outer IPv4 header and a GRE header (RFC 2784, 2890) in front of an IPv4 packet.
    #[must_use]
    pub fn gre(local: Ipv4Addr, remote: Ipv4Addr, key: Option<u32>, rules: OuterRules) -> Self {
        let (header, len) = gre_header(key);
        Self::behind_ipv4(local, remote, protocol::GRE, &header[..len], rules)
    }

    /// A GRE header alone, for ESP transport mode, where the outer IPv4 header is ESP's.
    #[must_use]
    pub fn bare_gre(key: Option<u32>) -> Self {
        let (header, len) = gre_header(key);
        let mut template = [0; TEMPLATE_MAX];
        template[..len].copy_from_slice(&header[..len]);
        Self { template, len, rules: None }
    }

    fn behind_ipv4(
        local: Ipv4Addr,
        remote: Ipv4Addr,
        protocol: u8,
        behind: &[u8],
        rules: OuterRules,
    ) -> Self {
        let mut outer = Ipv4::new(local, remote, protocol, 0);
        outer.ttl = rules.ttl;
        let mut template = [0; TEMPLATE_MAX];
        let (ip, rest) = template.split_at_mut(Ipv4::LEN);
        ip.copy_from_slice(outer.as_bytes());
        rest[..behind.len()].copy_from_slice(behind);
        Self { template, len: Ipv4::LEN + behind.len(), rules: Some(rules) }
    }

    /// Bytes that go in front.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        self.len
    }

    /// Writes the template over the first [`Rewrite::header_len`] bytes of `packet`, which is the
    /// whole outer packet, and fills in what varies: total length, identification, DSCP and ECN,
    /// DF, checksum. `tos` and `dont_fragment` are the inner header's.
    ///
    /// Returns false, with the packet unchanged, when it is shorter than the template or longer
    /// than IPv4 can say.
    #[inline]
    pub fn apply(&self, packet: &mut [u8], id: u16, tos: u8, dont_fragment: bool) -> bool {
        let Ok(total_len) = u16::try_from(packet.len()) else { return false };
        let (Some(room), Some(template)) =
            (packet.get_mut(..self.len), self.template.get(..self.len))
        else {
            return false;
        };
        room.copy_from_slice(template);
        let Some(rules) = self.rules else { return true };
        let Ok((outer, _)) = zerocopy::Ref::<_, Ipv4>::from_prefix(room) else { return false };
        let outer = zerocopy::Ref::into_mut(outer);
        // RFC 6040 4.1: the ECN field is copied in normal mode.
        outer.tos = match rules.dscp {
            Dscp::Copy => tos,
            Dscp::Set(dscp) => dscp << 2 | tos & 3,
        };
        outer.total_len.set(total_len);
        outer.id.set(id);
        let df = match rules.df {
            Df::Copy => dont_fragment,
            Df::Set => true,
            Df::Clear => false,
        };
        outer.flags_offset.set(if df { Ipv4::DF } else { 0 });
        outer.checksum.set(0);
        outer.checksum.set(checksum::of(outer.as_bytes()));
        true
    }
}

/// A GRE header around IPv4, and its length.
fn gre_header(key: Option<u32>) -> ([u8; Gre::LEN + Gre::KEY_LEN], usize) {
    let flags = if key.is_some() { Gre::KEY } else { 0 };
    let fixed = Gre { flags_version: U16::new(flags), protocol: U16::new(wire::ethernet::IPV4) };
    let mut header = [0; Gre::LEN + Gre::KEY_LEN];
    let (front, behind) = header.split_at_mut(Gre::LEN);
    front.copy_from_slice(fixed.as_bytes());
    behind.copy_from_slice(&key.unwrap_or(0).to_be_bytes());
    (header, if key.is_some() { Gre::LEN + Gre::KEY_LEN } else { Gre::LEN })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const REMOTE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

    fn applied(rules: OuterRules, tos: u8, dont_fragment: bool) -> Ipv4 {
        let mut packet = [0xaa; 100];
        assert!(Rewrite::gre(LOCAL, REMOTE, None, rules).apply(
            &mut packet,
            77,
            tos,
            dont_fragment
        ));
        let (outer, header_len, total_len) = Ipv4::parse(&packet).unwrap();
        assert_eq!((header_len, total_len, outer.id.get()), (20, 100, 77));
        assert_eq!(packet[20..25], [0, 0, 8, 0, 0xaa]);
        *outer
    }

    #[test]
    fn dscp_ecn_and_df_follow_the_rules() {
        let copy = OuterRules::default();
        assert_eq!(applied(copy, 0xb9, true).tos, 0xb9);
        assert!(applied(copy, 0, true).dont_fragment() && !applied(copy, 0, false).dont_fragment());
        let set = OuterRules { ttl: 9, dscp: Dscp::Set(10), df: Df::Set };
        let outer = applied(set, 0xb9, false);
        assert_eq!((outer.tos, outer.ttl, outer.dont_fragment()), (10 << 2 | 1, 9, true));
        let clear = OuterRules { df: Df::Clear, ..copy };
        assert!(!applied(clear, 0, true).dont_fragment());
    }

    #[test]
    fn a_packet_that_ipv4_cannot_describe_is_left_alone() {
        let rewrite = Rewrite::esp(LOCAL, REMOTE, OuterRules::default());
        let mut long = vec![7; 65_536];
        assert!(!rewrite.apply(&mut long, 1, 0, false) && long.iter().all(|b| *b == 7));
        assert!(!rewrite.apply(&mut [7; 19], 1, 0, false));
    }
}
