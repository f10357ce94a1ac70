//! GRE, between two and between many.

use super::{BOTH, Case, ESP_IN_UDP_PORT, Header, Mode};

const PLAIN: Header = gre(false, false, false);
const KEY: Header = gre(true, false, false);
const CHECKSUM: Header = gre(false, true, false);
const SEQUENCE: Header = gre(false, false, true);
const ALL: Header = gre(true, true, true);

const fn gre(key: bool, checksum: bool, sequence: bool) -> Header {
    Header::Gre { key, checksum, sequence }
}

/// Every option in clear, and every place for GRE under ESP.
pub fn cases() -> Vec<Case> {
    use Mode::{Transport, Tunnel};
    let plain = Case::new("gre", PLAIN);
    let key = Case::new("gre key", KEY);
    let all = Case::new("gre key csum seq", ALL);
    let loopbacks = Case::new("gre loopbacks", PLAIN).between_loopbacks();
    let ipv6 = Case::new("gre over v6, v4 v6", PLAIN).over_ipv6().carrying(BOTH);
    let many = Case::new("mgre", Header::MultipointGre);
    let mut cases = vec![
        plain.clone(),
        key.clone(),
        Case::new("gre csum", CHECKSUM),
        Case::new("gre seq", SEQUENCE),
        all.clone(),
        Case::new("gre v4 v6", PLAIN).carrying(BOTH),
        key.clone().under(Transport, "aes128gcm16"),
        key.under(Tunnel, "aes256-sha256"),
        all.clone().under(Transport, "null-sha1"),
        all.under(Tunnel, "aes128-sha1"),
        ipv6.clone(),
        Case::new("gre key csum seq over v6", ALL).over_ipv6().carrying(BOTH),
        ipv6.clone().with_encapsulation_limit(),
        ipv6.clone().under(Transport, "aes256-sha256"),
        ipv6.with_encapsulation_limit().under(Tunnel, "null-sha1"),
        many.clone(),
        many.clone().under(Tunnel, "aes256-sha256"),
        plain
            .clone()
            .under(Transport, "aes128-sha1")
            .esp_with("nat-t", |esp| esp.udp = Some(ESP_IN_UDP_PORT)),
    ];
    cases.extend(plain.under_common_suites(Transport));
    cases.extend(plain.under_common_suites(Tunnel));
    cases.extend(loopbacks.under_common_suites(Tunnel));
    cases.extend(many.under_common_suites(Transport));
    cases
}
