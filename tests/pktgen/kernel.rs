//! Linux's own generator, by our script, from a kernel that has it.

use std::{fs, path::Path};

use tests::{
    gateway::Gateway,
    manual_sa::Suite,
    netns::{Netns, veth},
    peer::Peer,
    site::{Join, Side, Site},
};

use crate::generator::count;

#[test]
fn the_kernels_generator_loads_a_gateway() {
    let (gateway, wire) = (Netns::new("gw-a"), Netns::new("wire"));
    wire.bridge("lan");
    veth(gateway.nic("lan0"), wire.nic("to-gw"), 1);
    veth(gateway.nic("wan0"), wire.nic("outside"), 1);
    wire.nic("to-gw").enslave("lan");
    gateway.nic("lan0").address(&format!("{}/24", Side::A.gateway()));
    gateway.nic("wan0").address(&format!("{}/24", Side::A.wan()));
    wire.nic("outside").address(&format!("{}/24", Side::B.wan()));
    let peer = Peer::boot("pktgen", &[wire.nic("tap")]);
    wire.nic("tap").enslave("lan");
    let join = Join::Esp(Suite::named("aes128gcm16"));
    let running = Gateway::start(&gateway, |socket| {
        Site { side: Side::A, join, workers: 1, socket: Some(socket) }.toml()
    });

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/kernel-pktgen.sh");
    let script = fs::read_to_string(file).expect("the script");
    let (mac, from, to) = (gateway.nic("lan0").mac(), Side::A.host(), Side::B.host());
    let said = peer.exec(&format!(
        "ip addr add {from}/24 dev eth0\nip link set eth0 up\n\
         cat > /tmp/kernel-pktgen.sh <<'END OF SCRIPT'\n{script}\nEND OF SCRIPT\n\
         bash /tmp/kernel-pktgen.sh --tx eth0 --mac {mac} --from {from} --to {to} \
         --size 128 --count 2000 --pps 2000 --flows 8"
    ));
    assert!(said.contains("eth0: 2000 frames sent"), "{said}");
    let tunnel = &running.show()["tunnels"][0];
    assert_eq!(count(tunnel, "out_packets"), 2000, "{tunnel}");
    // IPv4 and what follows, of a frame of 128 bytes with its check sequence.
    assert_eq!(count(tunnel, "out_bytes"), 2000 * (128 - 14 - 4));
}
