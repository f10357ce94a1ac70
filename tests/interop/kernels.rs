//! Linux against itself: whether the kernel's side of every row is right, before fastgw is asked.

use tests::peer::Peer;

use crate::{
    cases::{self, Case, RESET},
    lab::{GATEWAY, PEER, Side},
};

#[test]
fn two_linux_ends_carry_every_tunnel() {
    let guest = Peer::boot("twin", &[]);
    guest.exec(&format!(
        "for name in gateway peer host site; do ip netns add $name; done
        ip link add eth0 netns gateway type veth peer name eth0 netns peer
        ip -n gateway link set eth0 up
        ip -n peer link set eth0 up\n{}\n{}",
        inside(&GATEWAY, &GATEWAY.script()),
        inside(&PEER, &PEER.script()),
    ));
    let began = std::time::Instant::now();
    let failures: Vec<_> = cases::all().iter().filter_map(|case| try_out(&guest, case)).collect();
    eprintln!("{:?}", began.elapsed());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// What is wrong with a case, if anything is.
fn try_out(guest: &Peer, case: &Case) -> Option<String> {
    let mut script = String::from("set -e\n");
    for side in [&GATEWAY, &PEER] {
        script += &inside(side, RESET);
    }
    script += &inside(&GATEWAY, &case.linux_script(&GATEWAY, &PEER));
    script += &inside(&PEER, &case.linux_script(&PEER, &GATEWAY));
    for family in case.inner {
        let ping = "ping -n -q -i 0.05 -W 2 -c 2 -s 3000";
        for (from, to) in [(&PEER, &GATEWAY), (&GATEWAY, &PEER)] {
            let pings = format!("ip netns exec {} {ping} {}", from.netns, to.host(*family));
            // The first of IPv6 finds out what size fits.
            script += &format!("{pings} > /dev/null || true\n{pings}\n");
        }
    }
    std::fs::write(format!("/tmp/cases/{}", case.name.replace(' ', "_")), &script).unwrap();
    if std::env::var("DUMP").is_ok() { return None; }
    let said = guest.try_exec(&script, std::time::Duration::from_secs(60));
    said.err().map(|said| format!("{}:\n{script}\n{said}", case.name))
}

/// The script in the namespace of a side's gateway.
fn inside(side: &Side, script: &str) -> String {
    let name = if side.is(&GATEWAY) { "gateway" } else { "peer" };
    format!("ip netns exec {name} bash -e << 'end'\n{script}\nend\n")
}
