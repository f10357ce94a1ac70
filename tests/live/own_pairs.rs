//! Workers that have pairs of SAs of their own (RFC 9611) between two gateways with two each.

use std::{collections::BTreeMap, thread, time::Duration};

use tests::{
    gateway::Gateway,
    iperf::{Way, serve},
    process::wait_for,
    site::{Join, Side},
};

use crate::{
    lab::Lab,
    load::Load,
    negotiation::{established, spis},
    status::{Status, number},
};

const LIMIT: Duration = Duration::from_secs(20);
const OWN: Join = Join::Ike("", "per_worker = true\nstart = \"demand\"");
const NOT_OFFERED: Join = Join::Ike("", "start = \"demand\"");
const LOAD: Load = Load { way: Way::Up, seconds: 3, flows: 16, rate: "300k", length: 300 };

/// Packets of each outbound SA by its worker; `None` is the SA that all share.
fn sent(gateway: &Gateway) -> BTreeMap<Option<u64>, u64> {
    let show = gateway.show();
    let outbound =
        show["sas"].as_array().expect("SAs").iter().filter(|sa| sa["direction"] == "out");
    outbound.map(|sa| (sa["worker"].as_u64(), number(&sa["packets"]))).collect()
}

fn has_both(gateway: &Gateway) -> Option<()> {
    let workers: Vec<_> = sent(gateway).into_keys().collect();
    (workers == [None, Some(0), Some(1)]).then_some(())
}

#[test]
fn each_worker_sends_under_its_own_spi_and_new_keys_lose_no_packet() {
    let lab = Lab::with_queues(2);
    let (a, b) = (lab.a.start_with(OWN, 2, ""), lab.b.start_with(OWN, 2, ""));
    let _server = serve(&lab.b.host);
    lab.a.wait_for_other_host(LIMIT);
    let first = LOAD.run(&lab.a.host, Side::B.host());
    assert_eq!(first.lost, 0, "{first:?}\n{}", a.log());
    for gateway in [&a, &b] {
        wait_for("a pair for each worker", LIMIT, || has_both(gateway));
    }
    for (way, gateway) in [(Way::Up, &a), (Way::Down, &b)] {
        // A server takes its socket down for a moment after each client.
        thread::sleep(Duration::from_secs(1));
        let before = spis(&a);
        assert!(before.len() >= 3, "{before:?}");
        let outcome = thread::scope(|scope| {
            let load = scope.spawn(|| Load { way, ..LOAD }.run(&lab.a.host, Side::B.host()));
            thread::sleep(Duration::from_secs(1));
            gateway.ike(&["rekey", "other"]);
            load.join().expect("iperf3 runs")
        });
        println!("{way:?}: {outcome:?}");
        assert!(outcome.sent > 3000 && outcome.lost == 0, "{way:?}: {outcome:?}\n{}", a.log());
        let changed = || spis(&a).iter().all(|spi| !before.contains(spi)).then_some(());
        wait_for("end of the old keys", LIMIT, changed);
        // What the sender's new keys have sealed.
        let sent = sent(gateway);
        println!("{way:?}: {sent:?}");
        assert_eq!(sent[&None], 0, "{way:?}: nobody needs the shared one: {sent:?}");
        assert!(sent[&Some(0)] > 100 && sent[&Some(1)] > 100, "{way:?}: {sent:?}");
    }
    for (name, gateway) in [("A", &a), ("B", &b)] {
        let status = Status(gateway.show());
        let drops = status.all_drops();
        let expected = ["tunnel_no_sa", "too_big"];
        assert!(drops.iter().all(|(reason, _)| expected.contains(reason)), "{name}: {drops:?}");
    }
    let workers = |gateway: &Gateway| {
        let children = established(gateway)[0]["children"].clone();
        let all = children.as_array().expect("children").iter().map(|it| it["worker"].as_u64());
        all.collect::<Vec<_>>()
    };
    assert!(workers(&a).contains(&Some(1)) && workers(&a).contains(&None), "{:?}", workers(&a));
}

#[test]
fn a_peer_that_does_not_offer_it_has_all_workers_share_one_pair() {
    let lab = Lab::with_queues(2);
    let (a, b) = (lab.a.start_with(OWN, 2, ""), lab.b.start_with(NOT_OFFERED, 2, ""));
    let _server = serve(&lab.b.host);
    lab.a.wait_for_other_host(LIMIT);
    let outcome = Load { seconds: 1, ..LOAD }.run(&lab.a.host, Side::B.host());
    assert!(outcome.sent > 1000 && outcome.lost == 0, "{outcome:?}");
    for gateway in [&a, &b] {
        assert_eq!(sent(gateway).into_keys().collect::<Vec<_>>(), [None]);
        assert_eq!(spis(gateway).len(), 1);
    }
}
