//! FRR's zebra and ospfd, from the files of the guests' disk.

use std::process::Command;

use serde_json::Value;
use tests::{
    netns::Netns,
    process::{output, said},
    userland::Userland,
};

use crate::cases::Case;

/// FRR looks its users up by these names.
const PASSWD: &str = "root:x:0:0::/:/bin/bash\nfrr:x:104:104::/nonexistent:/bin/false\n";
const GROUP: &str = "root:x:0:\nfrr:x:104:\nfrrvty:x:105:frr\n";

const START: &str = "
mkdir -p /run/frr /var/tmp/frr
chown frr:frr /run/frr /var/tmp/frr
/usr/lib/frr/zebra -d -f /etc/frr/all.conf
exec /usr/lib/frr/ospfd -f /etc/frr/all.conf
";

/// The routing daemons in a namespace.
pub struct Frr {
    userland: Userland,
}

impl Frr {
    /// Not running yet.
    pub fn new(netns: &Netns, case: &Case) -> Self {
        let userland = Userland::new(netns);
        userland.write("/etc/passwd", PASSWD);
        userland.write("/etc/group", GROUP);
        userland.write("/etc/frr/vtysh.conf", "");
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
                &format!("grep -q zebra /proc/{pid}/comm && kill -KILL {pid}"),
            ]));
        }
    }

    /// What a `show` command says; null while nothing answers.
    pub fn show(&self, what: &str) -> Value {
        let mut command = self.userland.command("/usr/bin/vtysh");
        command.args(["-c", &format!("show {what} json")]);
        serde_json::from_str(&said(&output(&mut command))).unwrap_or_default()
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
    format!(
        "log stdout\nip route 172.30.0.0/16 10.3.0.9\n\
         interface eth0\n{area_of_lan}\n{intervals}\n{more}\n\
         interface stub0\nip ospf area {area}\nip ospf passive\n{backbone}\
         router ospf\nospf router-id 10.3.0.1\n{}\n",
        others.join("\n")
    )
}
