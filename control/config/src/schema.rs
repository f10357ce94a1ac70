//! What may stand in a file, section by section, before any of it is checked against the rest.

use toml::Spanned;

use crate::section::{KeyText, Many, One, Section, WordOrNumber, section};

/// Every section that has keys of its own, to tell a user where a misplaced key belongs.
pub(crate) const HOMES: &[(&str, &[&str])] = &[
    (Gateway::PLACE, Gateway::KEYS),
    (Port::PLACE, Port::KEYS),
    (Tunnel::PLACE, Tunnel::KEYS),
    (Sa::PLACE, Sa::KEYS),
    (Direction::PLACE, Direction::KEYS),
    (Route::PLACE, Route::KEYS),
];

section! {
    /// The whole file.
    File at "" {
        gateway: One<Gateway> = "gateway", "[gateway]";
        ports: Many<Port> = "port", "[[port]]";
        tunnels: Many<Tunnel> = "tunnel", "[[tunnel]]";
        routes: Many<Route> = "route", "[[route]]";
    }
}

section! {
    /// The process as a whole.
    Gateway at "[gateway]" {
        name: String = "name", "name = \"site-a\"";
        workers: i64 = "workers", "workers = 1";
        cores: Vec<Spanned<i64>> = "cores", "cores = [1]";
        control_socket: String = "control_socket", "control_socket = \"/run/fastgw/site-a.sock\"";
        idle: String = "idle", "idle = \"sleep\"";
    }
}

section! {
    /// One network interface.
    Port at "[[port]]" {
        name: String = "name", "name = \"lan\"";
        device: String = "device", "device = \"eth0\"";
        role: String = "role", "role = \"inside\"";
        addresses: Vec<Spanned<String>> = "addresses", "addresses = [\"10.1.0.1/24\"]";
        mode: String = "mode", "mode = \"auto\"";
    }
}

section! {
    /// One tunnel.
    Tunnel at "[[tunnel]]" {
        name: String = "name", "name = \"to-b\"";
        kind: String = "kind", "kind = \"esp\"";
        local: String = "local", "local = \"203.0.113.1\"";
        remote: String = "remote", "remote = \"203.0.113.2\"";
        local_subnets: Vec<Spanned<String>> = "local_subnets", "local_subnets = [\"10.1.0.0/24\"]";
        remote_subnets: Vec<Spanned<String>> =
            "remote_subnets", "remote_subnets = [\"10.2.0.0/24\"]";
        address: String = "address", "address = \"10.255.0.1/30\"";
        key: i64 = "key", "key = 42";
        mtu: i64 = "mtu", "mtu = 1400";
        ttl: i64 = "ttl", "ttl = 64";
        dscp: WordOrNumber = "dscp", "dscp = \"copy\"";
        df: String = "df", "df = \"copy\"";
        sa: One<Sa> = "sa", "[tunnel.sa]";
    }
}

section! {
    /// The manual SA of a tunnel.
    Sa at "[tunnel.sa]" {
        suite: String = "suite", "suite = \"aes256gcm16\"";
        mode: String = "mode", "mode = \"transport\"";
        local: String = "local", "local = \"203.0.113.1\"";
        remote: String = "remote", "remote = \"203.0.113.2\"";
        replay_window: i64 = "replay_window", "replay_window = 1024";
        esn: bool = "esn", "esn = false";
        outbound: One<Direction> = "out", "[tunnel.sa.out]";
        inbound: One<Direction> = "in", "[tunnel.sa.in]";
    }
}

section! {
    /// SPI and keys of one direction.
    Direction at "[tunnel.sa.out] and [tunnel.sa.in]" {
        spi: i64 = "spi", "spi = 0x1001";
        encryption_key: KeyText =
            "encryption_key", "encryption_key = \"file:keys/to-b.key\"";
        authentication_key: KeyText =
            "authentication_key", "authentication_key = \"file:keys/to-b.auth\"";
    }
}

section! {
    /// One route.
    Route at "[[route]]" {
        prefix: String = "prefix", "prefix = \"10.2.0.0/24\"";
        tunnel: String = "tunnel", "tunnel = \"to-b\"";
        via: String = "via", "via = \"10.1.0.254\"";
    }
}
