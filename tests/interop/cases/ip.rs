//! IPv4 and IPv6 in each other.

use super::{BOTH, Case, Header, Mode, V6};

/// Every pair of families in clear and under ESP.
pub fn cases() -> Vec<Case> {
    use Mode::{Transport, Tunnel};
    let ip = |name| Case::new(name, Header::Ip);
    let ipip = ip("ipip");
    let loopbacks = ip("ipip loopbacks").between_loopbacks();
    let six_in_four = ip("6in4").carrying(V6);
    let over_six = ip("4in6 6in6").over_ipv6().carrying(BOTH);
    vec![
        ipip.clone(),
        ipip.clone().under(Transport, "aes128gcm16"),
        ipip.clone().under(Transport, "null-sha1"),
        ipip.clone().under(Tunnel, "aes256-sha256"),
        ipip.under(Tunnel, "null-md5"),
        loopbacks.clone().under(Tunnel, "aes256-sha256"),
        loopbacks.under(Tunnel, "chacha20poly1305"),
        six_in_four.clone(),
        six_in_four.clone().under(Transport, "aes256-sha256"),
        six_in_four.under(Tunnel, "null-sha1"),
        ip("ipip 6in4").carrying(BOTH),
        over_six.clone(),
        over_six.clone().under(Transport, "null-md5"),
        over_six.clone().under(Transport, "aes128gcm16"),
        over_six.under(Tunnel, "aes128-sha1"),
    ]
}
