//! Two mirrors against each other: what the opposite of one gateway seals, the opposite of the
//! other opens.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use port::UmemConfig;
use wire::ipv4::Ipv4;

use super::*;
use crate::pktgen::flow::{self, PORT};
use crate::pktgen::packet::{Recognised, recognise};
use crate::pktgen::size::Sizes;

const KEY: &str = "0x11223344556677889900aabbccddeeff00010203";

/// The gateway at one side of `tunnels` tunnels of a kind; `swapped` is the other side.
fn config(kind: &str, sa: bool, tunnels: u32, swapped: bool) -> String {
    let ends = if swapped { [2, 1] } else { [1, 2] };
    let mut text = "[gateway]\nname = \"one\"\n\
        [[port]]\nname = \"lan\"\ndevice = \"lan0\"\nrole = \"inside\"\n\
        [[port]]\nname = \"wan\"\ndevice = \"wan0\"\nrole = \"outside\"\n"
        .to_owned();
    for n in 0..tunnels {
        let [local, remote] = ends.map(|end| format!("203.0.{n}.{end}"));
        text += &format!(
            "[[tunnel]]\nname = \"t{n}\"\nkind = \"{kind}\"\nlocal = \"{local}\"\n\
             remote = \"{remote}\"\n"
        );
        if sa {
            let spis = ends.map(|end| 0x1000 + 16 * n + end);
            // Each SA has a key of its own.
            let keys = spis.map(|spi| KEY.replace("0x11223344", &format!("0x{spi:08x}")));
            text += &format!(
                "[tunnel.sa]\nsuite = \"aes128gcm16\"\n\
                 out = {{ spi = {}, encryption_key = \"{}\" }}\n\
                 in = {{ spi = {}, encryption_key = \"{}\" }}\n",
                spis[0], keys[0], spis[1], keys[1]
            );
        }
    }
    text
}

fn mirror(text: &str, flows: &[Flow], opens: bool, umem: &'static Umem) -> Mirror {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let what = Reflected {
        config: &file,
        tunnels: &[],
        flows,
        own: Mac([2, 0, 0, 0, 0, 7]),
        gateway: Mac([2, 0, 0, 0, 0, 7]),
        opens,
        sequence_from: 100,
    };
    Mirror::new(&what, umem).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn what_one_mirror_seals_another_opens_in_many_tunnels_of_every_routed_kind() {
    let sizes: Sizes = "64,594,1518".parse().unwrap();
    for (kind, sa) in
        [("gre", false), ("gre", true), ("ipip", false), ("ipip", true), ("vti", true)]
    {
        let umem =
            Umem::heap(UmemConfig { chunk_size: 4096, chunks: 4096, headroom: 192 }).unwrap();
        let range = ["10.2.0.2", "10.1.0.2-10.1.0.13"].map(|range| range.parse().unwrap());
        let flows = flow::flows(range[0], range[1], 24).unwrap();
        // The mirror of site a is site b, whose packets the mirror of site b, site a, opens.
        let mut seals = mirror(&config(kind, sa, 3, false), &flows, false, umem);
        let mut opens = mirror(&config(kind, sa, 3, true), &flows, true, umem);
        let blueprint = Blueprint::new(Mac([0; 6]), INSIDE_MAC, &flows, &sizes, PORT);
        let mut pool = umem.pool(256);
        let (mut batch, mut ends) = (Batch::new(BURST), HashSet::new());
        for flow in 0..24u32 {
            let mut frame = pool.alloc().unwrap();
            let place = flow as usize % 3;
            let stamp = Stamp { trial: 1, flow, seq: flow, intended_ns: 7 };
            blueprint.write(place, stamp, frame.append(blueprint.len(place)).unwrap());
            batch.push(frame).unwrap();
        }
        let grown = seals.seal(&mut batch, 1);
        assert_eq!((batch.len(), seals.drops()), (24, Vec::new()), "{kind} {sa}");
        assert!(grown >= 24 * 20, "{kind} {sa}: {grown}");
        let mut sealed: Vec<_> = batch.drain(24).collect();
        for frame in &mut sealed {
            ends.insert(Ipv4::parse(&frame.data()[14..]).unwrap().0.destination);
        }
        assert_eq!(ends.len(), 3, "{kind} {sa}: the destinations are dealt out over the tunnels");
        sealed.into_iter().for_each(|frame| batch.push(frame).unwrap());
        opens.open(&mut batch, 2);
        let seen: HashSet<u32> = batch
            .drain(24)
            .map(|frame| {
                let seen = recognise(frame.data(), PORT);
                pool.free(frame);
                match seen {
                    Recognised::Ours(stamp) => stamp.seq,
                    other => panic!("{kind} {sa}: {other:?}"),
                }
            })
            .collect();
        assert_eq!((seen.len(), opens.drops()), (24, Vec::new()), "{kind} {sa}");
        assert_eq!(opens.endpoints().len(), 3);
    }
}

#[test]
fn every_example_with_manual_keys_is_turned_round() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    for entry in fs::read_dir(folder).unwrap() {
        let mut config = config::load(entry.unwrap().path()).unwrap();
        if !config.ike_peers.is_empty() {
            continue;
        }
        let name = config.source.path().display().to_string();
        let flows = flow::flows("10.2.0.2".parse().unwrap(), "10.1.0.2".parse().unwrap(), 1);
        let file = config.source.path().to_owned();
        let what = Reflected {
            config: &file,
            tunnels: &[],
            flows: &flows.unwrap(),
            own: Mac([2, 0, 0, 0, 0, 7]),
            gateway: Mac([2, 0, 0, 0, 0, 7]),
            opens: false,
            sequence_from: 1,
        };
        turn_round(&mut config, &what).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(config.tunnels.iter().all(|tunnel| tunnel.remote.is_some()), "{name}");
    }
}
