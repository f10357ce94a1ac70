//! BIRD on the LAN in FRR's place: it knows the digests that FRR does not.

use std::{
    collections::BTreeSet,
    fs, thread,
    time::{Duration, Instant},
};

use tests::{
    gateway::Gateway,
    netns::Netns,
    process::{output, said},
    report::Row,
    userland::{Disk, Userland},
};

use crate::{
    cases::{Case, P2P, PLAIN},
    checks::{self, Ends, Outcome},
    lab,
};

const CONFIG: &str = "/etc/bird.conf";
const SOCKET: &str = "/run/bird.ctl";
/// A change of keys that one of the two refuses ends the adjacency within this time.
const DEAD: Duration = Duration::from_secs(5);

/// One row.
pub struct BirdCase {
    /// fastgw's side.
    case: Case,
    /// More of BIRD's interface on the LAN.
    interface: String,
    /// Keys change while the adjacency lasts.
    rolls_over: bool,
}

/// A key of fastgw's; the secret is told by its ID.
fn key(id: u8, algorithm: &str) -> String {
    let secret = format!("see saw {id}");
    format!(
        "[[ospf.interface.key]]\nid = {id}\nalgorithm = \"{algorithm}\"\nsecret = \"{secret}\"\n"
    )
}

/// The same for BIRD.
fn password(id: u8, algorithm: &str) -> String {
    format!("password \"see saw {id}\" {{ id {id}; algorithm {algorithm}; }};")
}

/// fastgw's interface with these keys, of which it sends with the last.
fn ours(keys: &[String]) -> String {
    format!("network = \"point-to-point\"\n{}", keys.concat())
}

/// BIRD's interface with these passwords, of which it sends with the first.
fn theirs(passwords: &[String]) -> String {
    format!("type ptp; authentication cryptographic; passwords {{ {} }};", passwords.concat())
}

/// A row with a digest, by fastgw's name of the algorithm and BIRD's.
fn digest(name: &'static str, algorithm: &str, their_algorithm: &str) -> BirdCase {
    let interface = ours(&[key(1, algorithm)]).leak();
    let case = Case { name, interface, ..P2P };
    BirdCase { case, interface: theirs(&[password(1, their_algorithm)]), rolls_over: false }
}

/// All rows.
pub fn all() -> Vec<BirdCase> {
    let on_link = |case, interface: &str| BirdCase {
        case,
        interface: interface.to_owned(),
        rolls_over: false,
    };
    let refused = digest("BIRD, another digest", "hmac-sha512", "hmac sha256");
    let refuses = Some("key or digest is wrong");
    vec![
        on_link(
            Case { name: "BIRD, broadcast", interface: "priority = 9", ..PLAIN },
            "type broadcast; priority 1;",
        ),
        on_link(
            Case {
                name: "BIRD, password",
                interface: "network = \"point-to-point\"\npassword = \"seesaw\"",
                ..P2P
            },
            "type ptp; authentication simple; password \"seesaw\";",
        ),
        digest("BIRD, MD5", "md5", "keyed md5"),
        digest("BIRD, HMAC-SHA-1", "hmac-sha1", "hmac sha1"),
        digest("BIRD, HMAC-SHA-256", "hmac-sha256", "hmac sha256"),
        digest("BIRD, HMAC-SHA-384", "hmac-sha384", "hmac sha384"),
        digest("BIRD, HMAC-SHA-512", "hmac-sha512", "hmac sha512"),
        BirdCase { case: Case { learns: &[], refuses, ..refused.case }, ..refused },
        BirdCase { rolls_over: true, ..digest("BIRD, keys change", "hmac-sha1", "hmac sha1") },
    ]
}

/// Both routers at work.
struct Both {
    host: Netns,
    _middle: Netns,
    _router: Netns,
    gateway: Gateway,
    bird: Userland,
}

impl BirdCase {
    /// Its name in the report.
    pub fn name(&self) -> &'static str {
        self.case.name
    }

    /// Starts both and looks.
    pub fn try_out(&self) -> Row {
        let case = &self.case;
        let [host, middle, router] = lab::network();
        let gateway = Gateway::start(&middle, |socket| lab::config(case, socket));
        let mut bird = Userland::new(&router, Disk::Guests);
        bird.write(CONFIG, &config(&self.interface));
        bird.start(&["/usr/sbin/bird", "-f", "-c", CONFIG, "-s", SOCKET]);
        let both = Both { host, _middle: middle, _router: router, gateway, bird };
        let mut row = Row::new(case.name);
        row.check("adjacency", checks::adjacency(&both, case));
        row.check("routes", checks::routes(&both, case));
        row.check("ping", checks::pings(&both, case));
        let rollover = if self.rolls_over { both.keys_change(case) } else { Ok("-".to_owned()) };
        row.check("afterwards", rollover);
        row.explain_failures(&format!("{}\n{}", both.gateway.log(), both.bird.log()));
        row
    }
}

fn config(interface: &str) -> String {
    format!(
        "log stderr all;
        router id 10.3.0.1;
        protocol device {{ scan time 1; }}
        protocol kernel {{ ipv4 {{ import none; export where source = RTS_OSPF; }}; }}
        protocol ospf v2 lan {{
            ipv4 {{ import all; }};
            area 0 {{
                interface \"eth0\" {{ hello 1; dead 4; {interface} }};
                interface \"stub0\" {{ stub; }};
            }};
        }}"
    )
}

impl Ends for Both {
    fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    fn host(&self) -> &Netns {
        &self.host
    }

    fn state_of_us(&self) -> String {
        let said = self.birdc(&["show", "ospf", "neighbors"]);
        let ours = said.lines().find(|line| line.starts_with("10.1.0.1"));
        ours.and_then(|line| line.split_whitespace().nth(2)).unwrap_or(&said).to_owned()
    }

    fn prefixes(&self) -> BTreeSet<String> {
        let said = self.birdc(&["show", "route", "protocol", "lan"]);
        let words = said.lines().filter_map(|line| line.split(' ').next());
        words.filter(|word| word.contains('/')).map(str::to_owned).collect()
    }
}

impl Both {
    fn birdc(&self, words: &[&str]) -> String {
        said(&output(self.bird.command("/usr/sbin/birdc").args(["-s", SOCKET]).args(words)))
    }

    /// Each learns of the second key before the other sends with it, and forgets the first when the
    /// other no longer does.
    fn keys_change(&self, case: &Case) -> Outcome {
        let keys = [key(1, "hmac-sha1"), key(2, "hmac-sha512")];
        let passwords = [password(1, "hmac sha1"), password(2, "hmac sha512")];
        let start = Instant::now();
        let [old, new] = keys;
        self.reload(case, &[new.clone(), old.clone()]);
        let [old_password, new_password] = passwords;
        self.configure(&[new_password.clone(), old_password])?;
        self.reload(case, &[old, new.clone()]);
        self.configure(&[new_password])?;
        self.reload(case, &[new]);
        let full_for = self.gateway.show()["ospf"]["neighbors"][0]["since_s"].as_u64();
        if full_for.is_none_or(|seconds| seconds < start.elapsed().as_secs()) {
            return Err(format!("full for {full_for:?} s only"));
        }
        checks::adjacency(self, case)?;
        checks::pings(self, case)
    }

    /// Gives fastgw other keys while it runs.
    fn reload(&self, case: &Case, keys: &[String]) {
        let case = Case { interface: ours(keys).leak(), ..*case };
        self.gateway.reload(&lab::config(&case, &self.gateway.socket()));
        thread::sleep(DEAD);
    }

    /// The same for BIRD.
    fn configure(&self, passwords: &[String]) -> Result<(), String> {
        let file = format!("/proc/{}/root{CONFIG}", self.bird.id());
        fs::write(file, config(&theirs(passwords))).map_err(|error| error.to_string())?;
        let said = self.birdc(&["configure"]);
        thread::sleep(DEAD);
        if said.contains("Reconfigured") { Ok(()) } else { Err(said) }
    }
}
