//! ESP by itself: by policy, and behind an interface of Linux.

use tests::manual_sa::SUITES;

use super::{BOTH, Case, ESP_IN_UDP_PORT, Header, Mode, V6};

/// Every suite by policy, then what else ESP can do.
pub fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = SUITES.iter().map(|suite| policy(suite.name)).collect();
    cases.extend([
        policy("aes256gcm16").fragmented_by_linux().named("fragments"),
        policy("null-sha1").fragmented_by_linux().carrying(BOTH).named("fragments, v4 v6"),
        policy("aes128gcm16").esp_with("esn", |esp| esp.esn = true),
        policy("aes256-sha256").esp_with("esn", |esp| esp.esn = true),
        policy("null-md5").esp_with("window 65536", |esp| esp.replay_window = Some(65536)),
        policy("aes128-sha1").esp_with("udp, icmp only", |esp| esp.only_some = true),
        policy("chacha20poly1305"),
        policy("aes256-sha256").carrying(V6).named("6in4"),
        policy("chacha20poly1305").over_ipv6().carrying(V6).named("over v6, v6"),
        policy("aes128gcm16").over_ipv6().named("over v6, v4"),
        policy("null-sha1").over_ipv6().carrying(BOTH).named("over v6, v4 v6"),
        in_udp("aes128gcm16", ESP_IN_UDP_PORT).named("in udp"),
        in_udp("null-md5", ESP_IN_UDP_PORT).named("in udp"),
        in_udp("aes256-sha256", 40_000).named("behind nat"),
        in_udp("null-sha1", 41_000).named("behind nat"),
    ]);
    cases.extend(Case::new("vti", Header::Vti).under_common_suites(Mode::Tunnel));
    let vti = Case::new("vti v4 v6", Header::Vti).carrying(BOTH);
    cases.push(vti.under(Mode::Tunnel, "aes128gcm16"));
    let vti = Case::new("vti over v6, v4 v6", Header::Vti).over_ipv6().carrying(BOTH);
    cases.push(vti.under(Mode::Tunnel, "aes256-sha256"));
    let interface = Case::new("xfrm interface", Header::XfrmInterface).carrying(BOTH);
    cases.extend(interface.under_common_suites(Mode::Tunnel));
    cases
}

fn policy(suite: &str) -> Case {
    Case::new("esp", Header::Selectors).under(Mode::Tunnel, suite)
}

fn in_udp(suite: &str, peer_port: u16) -> Case {
    let mut case = policy(suite);
    case.esp.as_mut().expect("ESP").udp = Some(peer_port);
    case
}

impl Case {
    fn named(mut self, words: &str) -> Self {
        self.name = format!("{} {words}", self.name);
        self
    }
}
