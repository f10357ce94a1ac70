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
    let mut cases = vec![
        ipip.clone(),
        six_in_four.clone(),
        six_in_four.clone().under(Tunnel, "null-sha1"),
        ip("ipip 6in4").carrying(BOTH),
        over_six.clone(),
        over_six.clone().under(Transport, "null-md5"),
        over_six.clone().under(Transport, "aes128gcm16"),
        over_six.under(Tunnel, "aes128-sha1"),
    ];
    cases.extend(ipip.under_common_suites(Transport));
    cases.extend(ipip.under_common_suites(Tunnel));
    cases.extend(loopbacks.under_common_suites(Tunnel));
    cases.extend(six_in_four.under_common_suites(Transport));
    cases
}
