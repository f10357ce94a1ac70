//! FRR's zebra, ospfd and, where it is asked for, bfdd, from the files of the guests' disk.

use std::{
    collections::BTreeSet,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use serde_json::Value;
use tests::{
    netns::Netns,
    userland::{Disk, Userland},
};

use crate::cases::Case;

/// FRR looks its users up by these names.
pub const PASSWD: &str = "root:x:0:0::/:/bin/bash\nfrr:x:104:104::/nonexistent:/bin/false\n";
pub const GROUP: &str = "root:x:0:\nfrr:x:104:\nfrrvty:x:105:frr\n";

const START: &str = "
mkdir -p /run/frr /var/tmp/frr
chown frr:frr /run/frr /var/tmp/frr
/usr/lib/frr/zebra -d -f /etc/frr/all.conf
if grep -q ^bfd /etc/frr/all.conf; then /usr/lib/frr/bfdd -d -f /etc/frr/all.conf; fi
/usr/lib/frr/ospfd -f /etc/frr/all.conf
# What it leaves when it is to be back.
[ -e /run/frr/ospfd-gr.json ] || exit
sleep 6
exec /usr/lib/frr/ospfd -f /etc/frr/all.conf
";

/// A profile of BFD's intervals.
const BFD: &str = "bfd\n profile fast\n  transmit-interval 100\n  receive-interval 100\n  \
                   detect-multiplier 3\n";

/// How long a daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The routing daemons in a namespace.
pub struct Frr {
    userland: Userland,
}

impl Frr {
    /// Not running yet.
    pub fn new(netns: &Netns, case: &Case) -> Self {
        let userland = Userland::new(netns, Disk::Guests);
        userland.write("/etc/passwd", PASSWD);
        userland.write("/etc/group", GROUP);
        userland.write("/etc/frr/all.conf", &config(case, "eth0"));
        Self { userland }
    }

    /// Starts them.
    pub fn start(&mut self) {
        self.userland.start(&["/bin/sh", "-c", START]);
    }

    /// Ends them without a word to anybody.
    pub fn kill(&mut self, netns: &Netns) {
        self.userland.kill();
        for name in ["ospfd", "bfdd", "zebra"] {
            signal(netns, "KILL", name);
        }
    }

    /// Has ospfd ask its neighbours to wait for it.
    pub fn prepare_restart(&self) -> Result<(), String> {
        self.ask("ospfd", "graceful-restart prepare ip ospf")
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// Ends ospfd, which is back after some seconds if it has prepared for that.
    pub fn end_ospfd(&self, netns: &Netns) {
        signal(netns, "TERM", "ospfd");
    }

    /// What a `show` command says; a text, if it is no JSON.
    pub fn show(&self, what: &str) -> Value {
        let daemon = if what.starts_with("bfd") { "bfdd" } else { "ospfd" };
        match self.ask(daemon, &format!("show {what} json")) {
            Ok(said) => serde_json::from_str(&said).unwrap_or(Value::String(said)),
            Err(error) => Value::String(format!("no answer: {error}")),
        }
    }

    /// The socket that vtysh would ask: a command ends in a zero byte, an answer in three and a
    /// status.
    fn ask(&self, daemon: &str, command: &str) -> io::Result<String> {
        let socket = format!("/proc/{}/root/run/frr/{daemon}.vty", self.userland.id());
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut answer = String::new();
        for command in ["enable", command] {
            stream.write_all(format!("{command}\0").as_bytes())?;
            let mut said = Vec::new();
            let mut byte = [0];
            while !(said.len() >= 4 && said[said.len() - 4..].starts_with(&[0; 3])) {
                stream.read_exact(&mut byte)?;
                said.push(byte[0]);
            }
            answer = String::from_utf8_lossy(&said[..said.len() - 4]).into_owned();
        }
        Ok(answer)
    }

    /// What they have logged.
    pub fn log(&self) -> String {
        self.userland.log()
    }
}

/// Sends a signal to a daemon in a namespace.
fn signal(netns: &Netns, signal: &str, name: &str) {
    let is_it = format!("grep -q {name} /proc/$pid/comm");
    let every = "for pid in $(ip netns pids $(ip netns identify))";
    netns.sh(&format!("{every}; do if {is_it}; then kill -{signal} $pid; fi; done"));
}

/// The state of fastgw in what `show ip ospf neighbor` says, or all of that.
pub fn state_of_us(shown: &Value) -> String {
    let ours = &shown["neighbors"]["10.1.0.1"][0];
    let state = ours["nbrState"].as_str().or(ours["state"].as_str());
    state.map_or_else(|| shown.to_string(), str::to_owned)
}

/// The prefixes in what `show ip ospf route` says.
pub fn prefixes(shown: &Value) -> BTreeSet<String> {
    let all = shown.as_object().into_iter().flatten().map(|(prefix, _)| prefix.clone());
    all.filter(|prefix| prefix.contains('/')).collect()
}

/// The file of all daemons, for OSPF on the device `link`.
pub fn config(case: &Case, link: &str) -> String {
    let Case { area, frr_interface, frr_router, .. } = case;
    // An interface's own area cannot stand beside one by network.
    let area_of_lan = if frr_interface.contains("ip ospf area") {
        "ip ospf area 7".to_owned()
    } else {
        format!("ip ospf area {area}")
    };
    let intervals = if frr_interface.contains("-interval") {
        ""
    } else {
        "ip ospf hello-interval 1\nip ospf dead-interval 4"
    };
    let more = frr_interface.replace("ip ospf area 7", "");
    let networks: Vec<&str> =
        frr_router.lines().filter(|line| line.starts_with("network ")).collect();
    let others: Vec<&str> =
        frr_router.lines().filter(|line| !line.starts_with("network ")).collect();
    let backbone = if networks.is_empty() { "" } else { "interface stub4\nip ospf area 0\n" };
    let bfd = if frr_interface.contains("bfd") { BFD } else { "" };
    format!(
        "log stdout\n\
         interface {link}\n{area_of_lan}\n{intervals}\n{more}\n\
         interface stub0\nip ospf area {area}\nip ospf passive\n{backbone}\
         router ospf\nospf router-id 10.3.0.1\n{}\n{bfd}",
        others.join("\n")
    )
}
