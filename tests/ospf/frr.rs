//! FRR's zebra, ospfd and, where it is asked for, bfdd, from the files of the guests' disk.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    process::Command,
    time::Duration,
};

use serde_json::Value;
use tests::{
    netns::Netns,
    process::output,
    userland::{Disk, Userland},
};

use crate::cases::Case;

/// FRR looks its users up by these names.
const PASSWD: &str = "root:x:0:0::/:/bin/bash\nfrr:x:104:104::/nonexistent:/bin/false\n";
const GROUP: &str = "root:x:0:\nfrr:x:104:\nfrrvty:x:105:frr\n";

const START: &str = "
mkdir -p /run/frr /var/tmp/frr
chown frr:frr /run/frr /var/tmp/frr
/usr/lib/frr/zebra -d -f /etc/frr/all.conf
if grep -q ^bfd /etc/frr/all.conf; then /usr/lib/frr/bfdd -d -f /etc/frr/all.conf; fi
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
        userland.write("/etc/frr/all.conf", &config(case));
        Self { userland }
    }

    /// Starts them.
    pub fn start(&mut self) {
        self.userland.start(&["/bin/sh", "-c", START]);
    }

    /// Ends them without a word to anybody.
    pub fn kill(&mut self, netns: &Netns) {
        // The daemon that put itself into the background as well.
        let pids = netns.sh("ip netns pids $(ip netns identify)");
        self.userland.kill();
        for pid in pids.split_whitespace() {
            let _gone = output(Command::new("sh").args([
                "-c",
                &format!("grep -qE 'zebra|bfdd' /proc/{pid}/comm && kill -KILL {pid}"),
            ]));
        }
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

fn config(case: &Case) -> String {
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
         interface eth0\n{area_of_lan}\n{intervals}\n{more}\n\
         interface stub0\nip ospf area {area}\nip ospf passive\n{backbone}\
         router ospf\nospf router-id 10.3.0.1\n{}\n{bfd}",
        others.join("\n")
    )
}
