//! A hub and a thousand spokes in foul weather, in virtual time.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use ike::Settings;
use ike::output::Input;
use ike::policy::{Dpd, DpdAction::Clear, Start};

use crate::sim::policy::{child, gre};
use crate::sim::{Net, Weather};

const HUB: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const CHILD: &str = "gre";
const SPOKES: usize = 1000;

fn connected(seed: u64, spokes: usize) -> Net {
    let mut net = Net::new(seed, Weather::FOUL);
    let hub = net.add(HUB, Settings::default());
    // Foul weather is not to look like a dead peer, and where it does both sides notice.
    let (delay, timeout, action) = (Duration::from_secs(60), Duration::from_secs(200), Clear);
    let dpd = Some(Dpd { delay, timeout, action });
    let mut template = gre(CHILD, HUB, None);
    template.dpd = dpd;
    net.configure(hub, vec![Arc::new(template)]);
    for spoke in 0..spokes {
        let here = IpAddr::V4(Ipv4Addr::from(0x0a01_0000 + spoke as u32));
        let node = net.add(here, Settings::default());
        let mut always = child(CHILD);
        always.start = Start::Always;
        let mut peer = gre(CHILD, here, Some(HUB));
        (peer.dpd, peer.children) = (dpd, vec![Arc::new(always)]);
        net.configure(node, vec![Arc::new(peer)]);
    }
    net.run(Duration::from_secs(300));
    net
}

fn rekey_everything(net: &mut Net) {
    for node in 0..net.nodes.len() {
        net.input(node, Input::Rekey { peer: CHILD.into(), ike: true });
    }
    net.run(Duration::from_secs(1000));
}

#[test]
fn a_thousand_peers_in_foul_weather_have_one_pair_each_after_renewal_from_both_sides() {
    let mut net = connected(1, SPOKES);
    rekey_everything(&mut net);
    assert_eq!(net.nodes[0].pairs.len(), SPOKES);
    assert_eq!(net.nodes[0].ike.status().len(), SPOKES);
    for spoke in &net.nodes[1..] {
        assert_eq!(spoke.ike.status().len(), 1, "{:#?}", spoke.log);
        assert_eq!(spoke.pairs_of(CHILD), 1, "{:#?}", spoke.log);
        let pair = &spoke.pairs[&spoke.sends_by[CHILD]].sa;
        let theirs = net.nodes[0].pairs.values().find(|it| it.sa.inbound.spi == pair.outbound.spi);
        let theirs = theirs.expect("the hub has the pair");
        assert!(theirs.outbound && theirs.sa.outbound.spi == pair.inbound.spi);
        assert!(theirs.sa.inbound.encryption == pair.outbound.encryption);
        assert!(theirs.sa.outbound.encryption == pair.inbound.encryption);
    }
}

#[test]
fn the_same_seed_gives_the_same_messages() {
    let run = || {
        let mut net = connected(2, 20);
        rekey_everything(&mut net);
        net.sent
    };
    assert!(run() == run());
}
