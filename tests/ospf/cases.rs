//! The rows: what is configured on each side, and what should come of it.

/// What happens once the routes are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// FRR ends without a word and starts again.
    FrrRestarts,
    /// FRR's ospfd asks fastgw to wait, ends and starts again; its zebra goes on forwarding.
    FrrRestartsGracefully,
    /// fastgw ends without a word and starts again.
    FastgwRestarts,
    /// fastgw asks FRR to wait, ends and starts again; FRR's routes stay.
    FastgwRestartsGracefully,
    /// The link goes down and comes back.
    LinkFails,
    /// Packets are lost without a word, which BFD notices, and then are not.
    PathFails,
}

/// One row.
pub struct Case {
    pub name: &'static str,
    /// More lines of fastgw's `[[ospf.interface]]` on the LAN.
    pub interface: &'static str,
    /// More of fastgw's `[ospf]`.
    pub router: &'static str,
    /// More sections of fastgw.
    pub sections: &'static str,
    /// More lines of FRR's interface on the LAN.
    pub frr_interface: &'static str,
    /// More lines of FRR's router.
    pub frr_router: &'static str,
    /// The area of the LAN.
    pub area: u8,
    /// What fastgw should be on the LAN, and FRR.
    pub roles: (&'static str, &'static str),
    /// Prefixes that fastgw should learn, with their types; all others must be FRR's own networks.
    pub learns: &'static [(&'static str, &'static str)],
    /// Prefixes that FRR should have and fastgw need not.
    pub tells: &'static [&'static str],
    /// Whether there is to be an adjacency at all; otherwise a part of the reason that fastgw logs.
    pub refuses: Option<&'static str>,
    pub twist: Twist,
}

pub const PLAIN: Case = Case {
    name: "",
    interface: "",
    router: "",
    sections: "",
    frr_interface: "",
    frr_router: "",
    area: 0,
    roles: ("DR", "Backup"),
    learns: &[("10.3.0.0/24", "N")],
    tells: &[],
    refuses: None,
    twist: Twist::None,
};

pub const P2P: Case = Case {
    interface: "network = \"point-to-point\"",
    frr_interface: "ip ospf network point-to-point",
    roles: ("PointToPoint", "-"),
    ..PLAIN
};

/// All rows.
pub fn all() -> Vec<Case> {
    let mut all = roles();
    all.extend(authentication());
    all.extend(areas());
    all.extend(externals());
    all.extend(refusals());
    all.extend(twists());
    all
}

fn roles() -> Vec<Case> {
    vec![
        Case {
            name: "broadcast, fastgw is DR",
            interface: "priority = 9",
            frr_interface: "ip ospf priority 1",
            ..PLAIN
        },
        Case {
            name: "broadcast, FRR is DR",
            interface: "priority = 1",
            frr_interface: "ip ospf priority 9",
            roles: ("Backup", "DR"),
            ..PLAIN
        },
        Case {
            name: "broadcast, fastgw never DR",
            interface: "priority = 0",
            roles: ("DROther", "DR"),
            ..PLAIN
        },
        Case {
            name: "broadcast, FRR never DR",
            frr_interface: "ip ospf priority 0",
            roles: ("DR", "DROther"),
            ..PLAIN
        },
        Case { name: "point-to-point", ..P2P },
        Case {
            name: "point-to-multipoint",
            interface: "network = \"point-to-multipoint\"\nhello = 1",
            frr_interface: "ip ospf network point-to-multipoint",
            roles: ("PointToPoint", "-"),
            learns: &[("10.3.0.0/24", "N"), ("10.1.0.2/32", "N")],
            ..PLAIN
        },
        Case {
            name: "NBMA",
            interface: "network = \"nbma\"\nneighbors = \"10.1.0.2\"\npriority = 9\nhello = 1",
            frr_interface: "ip ospf network non-broadcast",
            frr_router: "neighbor 10.1.0.1",
            ..PLAIN
        },
        Case {
            name: "fast hellos",
            interface: "network = \"point-to-point\"\nfast_hellos = 4",
            frr_interface: "ip ospf network point-to-point\nip ospf dead-interval minimal \
                            hello-multiplier 4",
            ..P2P
        },
    ]
}

fn authentication() -> Vec<Case> {
    vec![
        Case {
            name: "password",
            interface: "network = \"point-to-point\"\npassword = \"seesaw\"",
            frr_interface: "ip ospf network point-to-point\nip ospf authentication\n\
                            ip ospf authentication-key seesaw",
            ..P2P
        },
        Case {
            name: "MD5",
            interface: "network = \"point-to-point\"\n[[ospf.interface.key]]\nid = 5\n\
                        algorithm = \"md5\"\nsecret = \"see_saw\"",
            frr_interface: "ip ospf network point-to-point\n\
                            ip ospf authentication message-digest\n\
                            ip ospf message-digest-key 5 md5 see_saw",
            ..P2P
        },
    ]
}

fn areas() -> Vec<Case> {
    vec![
        Case {
            name: "stub area behind FRR",
            area: 1,
            sections: "[[ospf.area]]\nid = 1\nkind = \"stub\"\n",
            frr_router: "area 1 stub\nnetwork 10.4.0.0/24 area 0",
            learns: &[("10.3.0.0/24", "N"), ("10.4.0.0/24", "N IA"), ("0.0.0.0/0", "N IA")],
            ..P2P
        },
        Case {
            name: "totally stubby area behind FRR",
            area: 1,
            sections: "[[ospf.area]]\nid = 1\nkind = \"stub\"\n",
            frr_router: "area 1 stub no-summary\nnetwork 10.4.0.0/24 area 0",
            learns: &[("10.3.0.0/24", "N"), ("0.0.0.0/0", "N IA")],
            tells: &["10.4.0.0/24"],
            ..P2P
        },
        Case {
            name: "area border, FRR in a stub area",
            area: 1,
            sections: "[[ospf.area]]\nid = 1\nkind = \"stub\"\n",
            frr_router: "area 1 stub",
            tells: &["0.0.0.0/0"],
            ..P2P
        },
        Case {
            name: "NSSA, FRR is the border",
            area: 1,
            router: "redistribute = \"static\"",
            sections: "[[ospf.area]]\nid = 1\nkind = \"nssa\"\n\
                       [[route]]\nprefix = \"172.20.0.0/16\"\nvia = \"10.2.0.2\"\n",
            frr_router: "area 1 nssa\nnetwork 10.4.0.0/24 area 0",
            // FRR's own default route, which it supplies the area with.
            learns: &[("10.3.0.0/24", "N"), ("10.4.0.0/24", "N IA"), ("0.0.0.0/0", "N IA")],
            tells: &["172.20.0.0/16"],
            ..P2P
        },
        Case {
            name: "NSSA, fastgw is the border",
            area: 1,
            sections: "[[ospf.area]]\nid = 1\nkind = \"nssa\"\n",
            frr_router: "area 1 nssa\nredistribute kernel",
            learns: &[("10.3.0.0/24", "N"), ("172.30.0.0/16", "N E2")],
            tells: &["0.0.0.0/0"],
            ..P2P
        },
    ]
}

fn externals() -> Vec<Case> {
    vec![
        Case {
            name: "externals both ways",
            router: "redistribute = [\"static\", \"default\"]\nmetric_type = 1\n\
                     redistribute_within = \"172.16.0.0/12\"\n\
                     redistribute_except = \"172.21.0.0/16\"",
            // The last two are kept back.
            sections: "[[route]]\nprefix = \"172.20.0.0/16\"\nvia = \"10.2.0.2\"\n\
                       [[route]]\nprefix = \"172.21.7.0/24\"\nvia = \"10.2.0.2\"\n\
                       [[route]]\nprefix = \"10.77.0.0/16\"\nvia = \"10.2.0.2\"\n",
            frr_router: "redistribute kernel",
            learns: &[("10.3.0.0/24", "N"), ("172.30.0.0/16", "N E2")],
            tells: &["172.20.0.0/16", "0.0.0.0/0"],
            ..P2P
        },
        Case {
            name: "MTU mismatch that is ignored",
            interface: "network = \"point-to-point\"\nmtu_ignore = true",
            frr_interface: "ip ospf network point-to-point\nip ospf mtu-ignore",
            ..P2P
        },
    ]
}

fn refusals() -> Vec<Case> {
    let none = Case { learns: &[], ..P2P };
    vec![
        Case {
            name: "another area",
            frr_interface: "ip ospf network point-to-point\nip ospf area 7",
            refuses: Some("another area"),
            ..none
        },
        Case {
            name: "another hello interval",
            frr_interface: "ip ospf network point-to-point\nip ospf hello-interval 2\n\
                            ip ospf dead-interval 4",
            refuses: Some("hello interval"),
            ..none
        },
        Case {
            name: "another key",
            interface: "network = \"point-to-point\"\n[[ospf.interface.key]]\nid = 5\n\
                        algorithm = \"md5\"\nsecret = \"one\"",
            frr_interface: "ip ospf network point-to-point\n\
                            ip ospf authentication message-digest\n\
                            ip ospf message-digest-key 5 md5 another",
            refuses: Some("key or digest is wrong"),
            ..none
        },
        Case { name: "MTU mismatch", refuses: Some("MTU is larger"), ..none },
    ]
}

fn twists() -> Vec<Case> {
    vec![
        Case { name: "FRR restarts", twist: Twist::FrrRestarts, ..P2P },
        Case {
            name: "FRR restarts gracefully",
            frr_router: "graceful-restart grace-period 60\ncapability opaque",
            twist: Twist::FrrRestartsGracefully,
            ..P2P
        },
        Case {
            name: "FRR, the DR, restarts gracefully",
            interface: "priority = 1",
            frr_interface: "ip ospf priority 9",
            frr_router: "graceful-restart grace-period 60\ncapability opaque",
            roles: ("Backup", "DR"),
            twist: Twist::FrrRestartsGracefully,
            ..PLAIN
        },
        Case { name: "fastgw restarts", twist: Twist::FastgwRestarts, ..P2P },
        Case {
            name: "fastgw restarts gracefully",
            frr_router: "graceful-restart helper enable\ncapability opaque",
            twist: Twist::FastgwRestartsGracefully,
            ..P2P
        },
        Case {
            name: "the DR restarts gracefully",
            interface: "priority = 9",
            frr_router: "graceful-restart helper enable\ncapability opaque",
            twist: Twist::FastgwRestartsGracefully,
            ..PLAIN
        },
        Case { name: "the link fails and comes back", twist: Twist::LinkFails, ..P2P },
        Case {
            name: "the path fails, and BFD tells",
            interface: "network = \"point-to-point\"\nhello = 2\ndead = 30\n\
                        bfd = { interval = \"100ms\", multiplier = 3 }",
            frr_interface: "ip ospf network point-to-point\nip ospf hello-interval 2\n\
                            ip ospf dead-interval 30\nip ospf bfd\nip ospf bfd profile fast",
            twist: Twist::PathFails,
            ..P2P
        },
    ]
}
