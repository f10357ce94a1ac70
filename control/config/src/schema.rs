//! What may stand in a file, section by section, before any of it is checked against the rest.

use toml::Spanned;

use crate::section::{
    FlagOr, KeyText, Many, One, OneOrName, Section, WordOrNumber, Words, section,
};

/// Every section that has keys of its own, to tell a user where a misplaced key belongs.
pub(crate) const HOMES: &[(&str, &[&str])] = &[
    (Gateway::PLACE, Gateway::KEYS),
    (Port::PLACE, Port::KEYS),
    (Tunnel::PLACE, Tunnel::KEYS),
    (Selector::PLACE, Selector::KEYS),
    (Peer::PLACE, Peer::KEYS),
    (Sa::PLACE, Sa::KEYS),
    (Direction::PLACE, Direction::KEYS),
    (Secrets::PLACE, Secrets::KEYS),
    (Ike::PLACE, Ike::KEYS),
    (Child::PLACE, Child::KEYS),
    (Policy::PLACE, Policy::KEYS),
    (Route::PLACE, Route::KEYS),
    (Ospf::PLACE, Ospf::KEYS),
    (OspfArea::PLACE, OspfArea::KEYS),
    (OspfInterface::PLACE, OspfInterface::KEYS),
    (OspfKey::PLACE, OspfKey::KEYS),
    (Bfd::PLACE, Bfd::KEYS),
];

section! {
    /// The whole file.
    File at "" {
        gateway: One<Gateway> = "gateway", "[gateway]";
        ports: Many<Port> = "port", "[[port]]";
        secrets: One<Secrets> = "secrets", "[secrets]";
        ike: Many<Ike> = "ike", "[[ike]]";
        tunnels: Many<Tunnel> = "tunnel", "[[tunnel]]";
        policies: Many<Policy> = "policy", "[[policy]]";
        routes: Many<Route> = "route", "[[route]]";
        ospf: One<Ospf> = "ospf", "[ospf]";
    }
}

section! {
    /// The process as a whole.
    Gateway at "[gateway]" {
        name: String = "name", "name = \"site-a\"";
        workers: i64 = "workers", "workers = 1";
        cores: Vec<Spanned<i64>> = "cores", "cores = [1]";
        control_socket: String = "control_socket", "control_socket = \"/run/fastgw/site-a.sock\"";
        ike_keylog: String = "ike_keylog", "ike_keylog = \"/run/fastgw/keys\"";
        idle: String = "idle", "idle = \"sleep\"";
        crypto: String = "crypto", "crypto = \"portable\"";
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
        protocol: WordOrNumber = "protocol", "protocol = \"tcp\"";
        local_ports: WordOrNumber = "local_ports", "local_ports = \"1024-65535\"";
        remote_ports: WordOrNumber = "remote_ports", "remote_ports = 443";
        selectors: Many<Selector> = "selector", "[[tunnel.selector]]";
        address: Words = "address", "address = \"10.255.0.1/30\"";
        key: i64 = "key", "key = 42";
        checksum: bool = "checksum", "checksum = true";
        sequence: bool = "sequence", "sequence = true";
        local_tunnel_id: i64 = "local_tunnel_id", "local_tunnel_id = 1";
        remote_tunnel_id: i64 = "remote_tunnel_id", "remote_tunnel_id = 1";
        local_session_id: i64 = "local_session_id", "local_session_id = 1";
        remote_session_id: i64 = "remote_session_id", "remote_session_id = 1";
        length: bool = "length", "length = true";
        offset: i64 = "offset", "offset = 0";
        pfc: bool = "pfc", "pfc = true";
        acfc: bool = "acfc", "acfc = true";
        mtu: i64 = "mtu", "mtu = 1400";
        mss: WordOrNumber = "mss", "mss = \"auto\"";
        ttl: WordOrNumber = "ttl", "ttl = 64";
        dscp: WordOrNumber = "dscp", "dscp = \"copy\"";
        ecn: String = "ecn", "ecn = \"copy\"";
        df: String = "df", "df = \"copy\"";
        sa: One<Sa> = "sa", "[tunnel.sa]";
        ike: OneOrName<Child> = "ike", "[tunnel.ike]";
        peers: Many<Peer> = "peer", "[[tunnel.peer]]";
    }
}

section! {
    /// A set of packets that a tunnel protects.
    Selector at "[[tunnel.selector]]" {
        local: Vec<Spanned<String>> = "local", "local = [\"10.1.0.0/24\"]";
        remote: Vec<Spanned<String>> = "remote", "remote = [\"10.2.0.0/24\"]";
        protocol: WordOrNumber = "protocol", "protocol = \"tcp\"";
        local_ports: WordOrNumber = "local_ports", "local_ports = \"1024-65535\"";
        remote_ports: WordOrNumber = "remote_ports", "remote_ports = 443";
    }
}

section! {
    /// One of many peers of a tunnel.
    Peer at "[[tunnel.peer]]" {
        name: String = "name", "name = \"branch-1\"";
        remote: String = "remote", "remote = \"203.0.113.2\"";
        address: String = "address", "address = \"10.255.0.2\"";
        subnets: Vec<Spanned<String>> = "subnets", "subnets = [\"10.2.0.0/24\"]";
        sa: One<Sa> = "sa", "[tunnel.peer.sa]";
        ike: OneOrName<Child> = "ike", "[tunnel.peer.ike]";
    }
}

section! {
    /// What becomes of packets before tunnels look at them.
    Policy at "[[policy]]" {
        action: String = "action", "action = \"discard\"";
        tunnel: String = "tunnel", "tunnel = \"to-b\"";
        local: Vec<Spanned<String>> = "local", "local = [\"10.1.0.0/24\"]";
        remote: Vec<Spanned<String>> = "remote", "remote = [\"10.2.0.0/24\"]";
        protocol: WordOrNumber = "protocol", "protocol = \"tcp\"";
        local_ports: WordOrNumber = "local_ports", "local_ports = \"1024-65535\"";
        remote_ports: WordOrNumber = "remote_ports", "remote_ports = 443";
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
        udp_encapsulation: bool = "udp_encapsulation", "udp_encapsulation = true";
        keepalive: i64 = "keepalive", "keepalive = 20";
        tfc: WordOrNumber = "tfc", "tfc = \"mtu\"";
        soft_packets: i64 = "soft_packets", "soft_packets = 1_000_000";
        hard_packets: i64 = "hard_packets", "hard_packets = 2_000_000";
        soft_bytes: i64 = "soft_bytes", "soft_bytes = 1_000_000_000";
        hard_bytes: i64 = "hard_bytes", "hard_bytes = 2_000_000_000";
        soft_seconds: i64 = "soft_seconds", "soft_seconds = 3000";
        hard_seconds: i64 = "hard_seconds", "hard_seconds = 3600";
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
    /// Where secrets are kept.
    Secrets at "[secrets]" {
        file: String = "file", "file = \"secrets.toml\"";
    }
}

section! {
    /// A peer that keys are negotiated with.
    Ike at "[[ike]]" {
        name: String = "name", "name = \"site-b\"";
        version: WordOrNumber = "version", "version = 2";
        local: String = "local", "local = \"203.0.113.1\"";
        remote: String = "remote", "remote = \"203.0.113.2\"";
        local_id: String = "local_id", "local_id = \"a.example.org\"";
        remote_id: String = "remote_id", "remote_id = \"b.example.org\"";
        auth: String = "auth", "auth = \"psk\"";
        local_auth: String = "local_auth", "local_auth = \"certificate\"";
        remote_auth: String = "remote_auth", "remote_auth = \"certificate\"";
        psk: KeyText = "psk", "psk = \"file:site-b.psk\"";
        certificate: String = "certificate", "certificate = \"a.pem\"";
        private_key: KeyText = "private_key", "private_key = \"file:a.key\"";
        authorities: Words = "authorities", "authorities = \"ca.pem\"";
        crls: Words = "crls", "crls = \"ca.crl\"";
        proposals: Words = "proposals", "proposals = \"aes256gcm16-prfsha384-x25519\"";
        rekey: WordOrNumber = "rekey", "rekey = \"4h\"";
        reauth: WordOrNumber = "reauth", "reauth = \"1d\"";
        lifetime: WordOrNumber = "lifetime", "lifetime = \"5h\"";
        jitter: i64 = "jitter", "jitter = 10";
        dpd: WordOrNumber = "dpd", "dpd = \"30s\"";
        dpd_timeout: WordOrNumber = "dpd_timeout", "dpd_timeout = \"60s\"";
        dpd_action: String = "dpd_action", "dpd_action = \"restart\"";
        fragment: WordOrNumber = "fragment", "fragment = 1280";
        mobike: bool = "mobike", "mobike = true";
        force_udp: bool = "force_udp", "force_udp = true";
        childless: bool = "childless", "childless = true";
        uniqueness: String = "uniqueness", "uniqueness = \"replace\"";
        ppk: KeyText = "ppk", "ppk = \"file:site-b.ppk\"";
        ppk_id: String = "ppk_id", "ppk_id = \"site-b\"";
        ppk_required: bool = "ppk_required", "ppk_required = true";
    }
}

section! {
    /// What a tunnel has IKE negotiate.
    Child at "[tunnel.ike]" {
        peer: String = "peer", "peer = \"site-b\"";
        mode: String = "mode", "mode = \"transport\"";
        local: String = "local", "local = \"203.0.113.1\"";
        remote: String = "remote", "remote = \"203.0.113.2\"";
        local_subnets: Vec<Spanned<String>> = "local_subnets", "local_subnets = [\"10.1.0.0/24\"]";
        remote_subnets: Vec<Spanned<String>> =
            "remote_subnets", "remote_subnets = [\"10.0.0.0/8\"]";
        proposals: Words = "proposals", "proposals = \"aes256gcm16-x25519-esn\"";
        start: String = "start", "start = \"demand\"";
        rekey: WordOrNumber = "rekey", "rekey = \"1h\"";
        lifetime: WordOrNumber = "lifetime", "lifetime = \"70m\"";
        rekey_bytes: i64 = "rekey_bytes", "rekey_bytes = 1_000_000_000_000";
        rekey_packets: i64 = "rekey_packets", "rekey_packets = 1_000_000_000";
        jitter: i64 = "jitter", "jitter = 10";
        replay_window: i64 = "replay_window", "replay_window = 1024";
        keepalive: i64 = "keepalive", "keepalive = 20";
        tfc: WordOrNumber = "tfc", "tfc = \"mtu\"";
        per_worker: bool = "per_worker", "per_worker = true";
    }
}

section! {
    /// One route.
    Route at "[[route]]" {
        prefix: String = "prefix", "prefix = \"10.2.0.0/24\"";
        tunnel: String = "tunnel", "tunnel = \"to-b\"";
        via: String = "via", "via = \"10.1.0.254\"";
        port: String = "port", "port = \"lan\"";
    }
}

section! {
    /// An OSPF router.
    Ospf at "[ospf]" {
        router_id: String = "router_id", "router_id = \"10.1.0.1\"";
        redistribute: Words = "redistribute", "redistribute = [\"connected\", \"static\"]";
        redistribute_within: Words =
            "redistribute_within", "redistribute_within = \"10.0.0.0/8\"";
        redistribute_except: Words =
            "redistribute_except", "redistribute_except = \"10.99.0.0/16\"";
        metric: i64 = "metric", "metric = 20";
        metric_type: i64 = "metric_type", "metric_type = 2";
        summarise: Words = "summarise", "summarise = \"172.16.0.0/12\"";
        paths: i64 = "paths", "paths = 8";
        kernel_routes: bool = "kernel_routes", "kernel_routes = true";
        reference_bandwidth: WordOrNumber =
            "reference_bandwidth", "reference_bandwidth = \"100Gbit\"";
        stub_router: WordOrNumber = "stub_router", "stub_router = \"60s\"";
        stub_router_on_stop: WordOrNumber = "stub_router_on_stop", "stub_router_on_stop = \"10s\"";
        areas: Many<OspfArea> = "area", "[[ospf.area]]";
        interfaces: Many<OspfInterface> = "interface", "[[ospf.interface]]";
    }
}

section! {
    /// An area that is not a normal one, or that hides its networks.
    OspfArea at "[[ospf.area]]" {
        id: WordOrNumber = "id", "id = 1";
        kind: String = "kind", "kind = \"stub\"";
        summaries: bool = "summaries", "summaries = false";
        default_cost: i64 = "default_cost", "default_cost = 1";
        ranges: Words = "ranges", "ranges = \"10.1.0.0/16\"";
        hidden: Words = "hidden", "hidden = \"10.1.255.0/24\"";
    }
}

section! {
    /// A port or tunnel that OSPF is spoken on.
    OspfInterface at "[[ospf.interface]]" {
        name: String = "name", "name = \"to-b\"";
        area: WordOrNumber = "area", "area = 0";
        network: String = "network", "network = \"point-to-point\"";
        cost: i64 = "cost", "cost = 10";
        bandwidth: WordOrNumber = "bandwidth", "bandwidth = \"1Gbit\"";
        passive: bool = "passive", "passive = true";
        priority: i64 = "priority", "priority = 1";
        hello: WordOrNumber = "hello", "hello = \"10s\"";
        dead: WordOrNumber = "dead", "dead = \"40s\"";
        fast_hellos: i64 = "fast_hellos", "fast_hellos = 4";
        retransmit: WordOrNumber = "retransmit", "retransmit = \"5s\"";
        mtu_ignore: bool = "mtu_ignore", "mtu_ignore = true";
        neighbors: Words = "neighbors", "neighbors = \"10.255.0.2\"";
        bfd: FlagOr<Bfd> = "bfd", "bfd = true";
        password: KeyText = "password", "password = \"file:ospf.password\"";
        keys: Many<OspfKey> = "key", "[[ospf.interface.key]]";
    }
}

section! {
    /// A key that makes digests of packets.
    OspfKey at "[[ospf.interface.key]]" {
        id: i64 = "id", "id = 1";
        algorithm: String = "algorithm", "algorithm = \"hmac-sha256\"";
        secret: KeyText = "secret", "secret = \"file:ospf.key\"";
    }
}

section! {
    /// How closely BFD watches neighbours.
    Bfd at "[ospf.interface.bfd]" {
        interval: WordOrNumber = "interval", "interval = \"50ms\"";
        multiplier: i64 = "multiplier", "multiplier = 3";
    }
}
