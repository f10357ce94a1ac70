//! Loads through gateways at work: encapsulation and decapsulation together, and each alone.

use std::fs;

use serde_json::Value;
use tests::{
    gateway::Gateway,
    manual_sa::Suite,
    netns::{Netns, veth},
    process::said,
    site::{Join, Side, Site},
};

use crate::generator::{Tester, count};

const SUITE: &str = "aes128gcm16";

/// A gateway in a namespace, its inside joined to the tester.
struct End {
    netns: Netns,
    side: Side,
}

impl End {
    fn new(tester: &Tester, device: &str, side: Side) -> Self {
        let netns = Netns::new(if side == Side::A { "gw-a" } else { "gw-b" });
        tester.cable(device, netns.nic("lan0"));
        tester.netns.nic(device).address(&format!("{}/24", side.host()));
        netns.nic("lan0").address(&format!("{}/24", side.gateway()));
        Self { netns, side }
    }

    /// Starts it when its outside is there.
    fn start(&self, join: Join) -> Gateway {
        self.netns.nic("wan0").address(&format!("{}/24", self.side.wan()));
        Gateway::start(&self.netns, |socket| {
            Site { side: self.side, join, workers: 1, socket: Some(socket) }.toml()
        })
    }
}

/// Two gateways, the tester's devices behind them.
struct Pair {
    tester: Tester,
    ends: [End; 2],
    gateways: [Gateway; 2],
}

impl Pair {
    fn new(join: Join) -> Self {
        let tester = Tester::new();
        let ends = [("eth-a", Side::A), ("eth-b", Side::B)];
        let ends = ends.map(|(device, side)| End::new(&tester, device, side));
        veth(ends[0].netns.nic("wan0"), ends[1].netns.nic("wan0"), 1);
        let gateways = [ends[0].start(join), ends[1].start(join)];
        Self { tester, ends, gateways }
    }
}

/// One gateway, with the tester on both of its sides: `eth-a` inside, `eth-b` outside.
struct Single {
    tester: Tester,
    end: End,
    gateway: Gateway,
}

impl Single {
    fn new(join: Join) -> Self {
        let tester = Tester::new();
        let end = End::new(&tester, "eth-a", Side::A);
        tester.cable("eth-b", end.netns.nic("wan0"));
        tester.netns.nic("eth-b").address(&format!("{}/24", Side::B.wan()));
        let gateway = end.start(join);
        Self { tester, end, gateway }
    }
}

fn drops(gateway: &Gateway) -> Vec<String> {
    let show = gateway.show();
    let all = show["drops"].as_array().expect("a list of drops").iter();
    let some = all.filter(|drop| drop["count"].as_u64() != Some(0));
    some.map(Value::to_string).collect()
}

/// A counter of the only tunnel.
fn carried(gateway: &Gateway, counter: &str) -> u64 {
    count(&gateway.show()["tunnels"][0], counter)
}

fn whole(load: &Value, sent: u64) {
    let names = ["sent", "received", "duplicates", "reordered", "corrupt"];
    let counts = names.map(|name| count(load, name));
    assert_eq!(counts, [sent, sent, 0, 0, 0], "{load}");
}

const OUT: [&str; 4] = ["--from", "10.1.0.2", "--to", "10.2.0.2"];
const BACK: [&str; 4] = ["--from", "10.2.0.2", "--to", "10.1.0.2"];

#[test]
fn every_packet_through_two_gateways_is_counted_once() {
    let pair = Pair::new(Join::Esp(Suite::named(SUITE)));
    let more = ["--frames", "3000", "--flows", "9", "--size", "64,594,1400"];
    let load = pair.tester.load(Side::A.gateway(), &[&OUT[..], &more].concat());
    whole(&load, 3000);
    assert_eq!(carried(&pair.gateways[0], "out_packets"), 3000);
    assert_eq!(carried(&pair.gateways[1], "in_packets"), 3000);
    assert_eq!(pair.ends.len(), 2);
}

#[test]
fn decapsulation_alone_is_loaded_with_what_the_gateway_accepts() {
    for join in [Join::Esp(Suite::named(SUITE)), Join::Gre] {
        let single = Single::new(join);
        let config = single.gateway.config();
        let config = config.to_string_lossy();
        let words = ["run", "--tx", "eth-b", "--rx", "eth-a", "--via", Side::A.wan()];
        let load = ["--rate", "2kpps", "--frames", "2000", "--idle", "sleep", "--json", "--quiet"];
        let sealed = ["--seal", &config, "--flows", "5", "--size", "64,594,1400"];
        let words = [&words[..], &load, &sealed, &BACK].concat();
        let done = single.tester.generate(&words);
        assert!(done.status.success(), "{}", said(&done));
        let results: Value = serde_json::from_slice(&done.stdout).expect("JSON");
        whole(&results["load"], 2000);
        assert_eq!(carried(&single.gateway, "in_packets"), 2000);
        assert_eq!(drops(&single.gateway), Vec::<String>::new());
        assert_eq!(single.end.side, Side::A);
    }
}

#[test]
fn encapsulation_alone_is_opened_by_the_sink() {
    for join in [Join::Esp(Suite::named("aes256-sha256")), Join::Gre] {
        let single = Single::new(join);
        let config = single.gateway.config();
        let config = config.to_string_lossy();
        let more = ["--open", &config, "--frames", "2000", "--size", "64,594", "--flows", "3"];
        let load = single.tester.load(Side::A.gateway(), &[&OUT[..], &more].concat());
        whole(&load, 2000);
        assert_eq!(carried(&single.gateway, "out_packets"), 2000);
        assert_eq!(drops(&single.gateway), Vec::<String>::new());
    }
}

#[test]
fn packets_that_no_tunnel_takes_are_refused_before_the_load() {
    let single = Single::new(Join::Esp(Suite::named(SUITE)));
    let config = single.gateway.config();
    let config = config.to_string_lossy();
    let common = ["run", "--tx", "eth-b", "--rx", "eth-a", "--via", Side::A.wan()];
    let common = [&common[..], &["--rate", "1kpps", "--seal", &config]].concat();
    for (more, why) in [
        (&["--from", "10.2.0.2", "--to", "10.77.0.2"][..], "no tunnel takes packets"),
        (&["--from", "10.2.0.2", "--to", "10.1.0.2", "--tunnel", "no"], "no tunnel \"no\""),
        (&["--from", "10.2.0.2", "--to", "10.1.0.2", "--size", "imix"], "MTU of eth-b is 1500"),
    ] {
        let done = single.tester.generate(&[&common[..], more].concat());
        assert!(!done.status.success() && said(&done).contains(why), "{}", said(&done));
    }
}

#[test]
fn an_rfc_2544_measurement_writes_json_and_a_page_that_needs_nothing() {
    let pair = Pair::new(Join::Esp(Suite::named(SUITE)));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let profile = folder.path().join("profile.toml");
    let text = "[devices]\ntx = \"eth-a\"\nrx = \"eth-b\"\ngateway = \"10.1.0.1\"\nthreads = 1\n\
                [traffic]\nfrom = \"10.1.0.2\"\nto = \"10.2.0.2\"\n\
                [search]\nsizes = [64, \"imix\"]\nmax_rate = \"4kpps\"\nmin_rate = \"100pps\"\n\
                trial_s = 0.1\nduration_sum_s = 0.1\nwidth = 0.2\nbudget_s = 10\ndrain_s = 0.05\n\
                [latency]\ntrial_s = 0.1\n[loss]\ntrial_s = 0.1\n\
                [bursts]\nlongest = 200\nrepeats = 1\n";
    // 1518-byte frames of the IMIX do not fit the tunnel: the others tell enough.
    let text = text.replace("\"imix\"", "\"64,594\"");
    fs::write(&profile, text).expect("a writable temporary folder");
    let report = folder.path().join("report");
    let (profile, report) = (profile.to_string_lossy(), report.to_string_lossy());
    let words = ["rfc2544", "--config", &profile, "--report", &report, "--json"];
    let done = pair.tester.generate(&words);
    assert!(done.status.success(), "{}", said(&done));
    let printed: Value = serde_json::from_slice(&done.stdout).expect("--json gives JSON");
    let written = fs::read(folder.path().join("report/results.json")).expect("results.json");
    let written: Value = serde_json::from_slice(&written).expect("JSON");
    assert_eq!(printed, written);
    let sizes = written["rfc2544"]["sizes"].as_array().expect("sizes");
    assert_eq!(sizes.len(), 2, "{written}");
    for of_size in sizes {
        let goals = of_size["throughput"].as_array().expect("goals");
        let names: Vec<_> = goals.iter().map(|goal| goal["name"].as_str()).collect();
        assert_eq!(names, [Some("NDR"), Some("PDR 0.5 %")]);
        assert!(goals.iter().all(|goal| goal["end"].is_string()), "{goals:?}");
    }
    let page = fs::read_to_string(folder.path().join("report/report.html")).expect("the page");
    assert!(page.contains("<svg") && page.contains("Throughput in frames"));
    let foreign = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!foreign.contains("http") && !foreign.contains("src="), "it loads something");
}
