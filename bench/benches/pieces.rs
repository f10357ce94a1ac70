//! The pieces that a packet's way is made of, each alone: lookups, checksum, anti-replay window,
//! ciphers, header templates.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bench::sites::{Join, Scale, flow, numbered_sa_pair};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use esp::{OutboundSa, Suite};
use tables::{Endpoints, GreHeader, Inner, OuterRules, Rewrite, Tables, Varying, Version};

/// Lengths of what is sealed, bytes.
const LENGTHS: [usize; 3] = [64, 512, 1400];
/// Different keys of a lookup, taken in turn.
const PROBES: u32 = 4096;
const SUITES: [Suite; 6] = [
    Suite::AES128GCM16,
    Suite::AES256GCM16,
    Suite::CHACHA20POLY1305,
    Suite::AES128_SHA1,
    Suite::AES256_SHA256,
    Suite::NULL_SHA1,
];

fn fib(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fib_lookup");
    for routes in [1, 10, 1_000_000] {
        let scale = Scale { routes, ..Scale::one(None) };
        let (tables, prefixes) = (scale.tables(false), scale.prefixes());
        let destinations = (0..PROBES).map(|n| flow(&prefixes, n, 64)).map(|packet| {
            IpAddr::from(Ipv4Addr::new(packet[16], packet[17], packet[18], packet[19]))
        });
        let mut destinations = destinations.collect::<Vec<_>>().into_iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(routes), |bencher| {
            bencher.iter(|| {
                let destination = destinations.next().expect("a cycle");
                assert!(tables.fib.lookup(black_box(destination)).is_some());
            });
        });
    }
    group.finish();
}

fn sad(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sad_lookup");
    for tunnels in [1, 1000, 100_000] {
        let join = Join::Vti(Suite::AES128GCM16);
        let Tables { sad, .. } = Scale { tunnels, ..Scale::one(Some(join)) }.tables(false);
        let spis = sad.entries().map(|entry| entry.sa.spi());
        // Neighbours in number are far apart in the table.
        let spis: Vec<_> = spis.collect();
        let probe = |n: u32| spis[(u64::from(n) * 2_654_435_761 % spis.len() as u64) as usize];
        let mut spis = (0..PROBES).map(probe).collect::<Vec<_>>().into_iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(tunnels), |bencher| {
            bencher.iter(|| {
                let slot = sad.slot(black_box(spis.next().expect("a cycle")));
                black_box(slot.and_then(|slot| sad.entry(slot))).expect("an SA of this SPI");
            });
        });
    }
    group.finish();
}

fn checksum(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checksum");
    for len in [20, 64, 512, 1400] {
        let bytes = vec![0x5a; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter(|| wire::checksum::of(black_box(&bytes)));
        });
    }
    group.finish();
}

/// A packet with room for what ESP adds.
fn room(suite: Suite, len: usize) -> Vec<u8> {
    vec![0x5a; suite.header_len() + len + suite.trailer_len(len)]
}

fn sealed(sa: &OutboundSa, packet: &mut [u8], len: usize) {
    let seq = sa.reserve(1).expect("sequence numbers");
    sa.seal(seq, wire::protocol::IPV4, packet, len).expect("a packet of the right length");
}

fn ciphers(criterion: &mut Criterion) {
    for suite in SUITES {
        // The two sides of one tunnel, as seen from either end.
        let (out, _) = numbered_sa_pair(suite, false, false, 0, 1024);
        let mut group = criterion.benchmark_group(format!("seal_one/{suite}"));
        for len in LENGTHS {
            let mut packet = room(suite, len);
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
                bencher.iter(|| sealed(&out, black_box(&mut packet), len));
            });
        }
        group.finish();
        let (_, inbound) = numbered_sa_pair(suite, false, true, 0, 1024);
        let mut group = criterion.benchmark_group(format!("open_one/{suite}"));
        for len in LENGTHS {
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
                let fresh = || {
                    let mut packet = room(suite, len);
                    sealed(&out, &mut packet, len);
                    packet
                };
                let open = |packet: &mut Vec<u8>| {
                    inbound.open(black_box(packet)).expect("a packet not seen before");
                };
                // One at a time: packets of a batch would leave the anti-replay window.
                bencher.iter_batched_ref(fresh, open, BatchSize::NumIterations(64));
            });
        }
        group.finish();
    }
}

/// What the window adds to the cheapest suite's check, in order and against order.
fn replay_window(criterion: &mut Criterion) {
    let suite = Suite::AES128GMAC;
    let mut group = criterion.benchmark_group("replay_window");
    for window in [0, 64, 1024, 65_536] {
        let (out, _) = numbered_sa_pair(suite, false, false, 0, window);
        let (_, inbound) = numbered_sa_pair(suite, false, true, 0, window);
        group.bench_function(BenchmarkId::from_parameter(window), |bencher| {
            let fresh = || {
                let mut packet = room(suite, 20);
                sealed(&out, &mut packet, 20);
                packet
            };
            let open = |packet: &mut Vec<u8>| {
                inbound.open(black_box(packet)).expect("a packet not seen before");
            };
            bencher.iter_batched_ref(fresh, open, BatchSize::NumIterations(32));
        });
    }
    group.finish();
}

fn templates(criterion: &mut Criterion) {
    let address = |n| IpAddr::from(Ipv4Addr::new(203, 0, 113, n));
    let ends = Endpoints { local: address(1), remote: address(2) };
    let rules = OuterRules::default();
    let keyed = GreHeader { key: Some(42), ..GreHeader::default() };
    let checked = GreHeader { checksum: true, ..GreHeader::default() };
    let templates = [
        ("esp", Rewrite::esp(ends, rules)),
        ("ipip", Rewrite::ipip(ends, rules)),
        ("gre", Rewrite::gre(ends, GreHeader::default(), rules)),
        ("gre-key", Rewrite::gre(ends, keyed, rules)),
        ("gre-checksum", Rewrite::gre(ends, checked, rules)),
    ];
    let inner = Inner { version: Version::V4, tos: 0, ttl: 63, dont_fragment: false };
    let varying = Varying { id: 7, sequence: 0, inner };
    let mut group = criterion.benchmark_group("header_template");
    for (name, template) in templates {
        let mut packet = vec![0x5a; template.header_len() + 512];
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert!(template.apply(black_box(&mut packet), black_box(&varying))));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20);
    targets = fib, sad, checksum, ciphers, replay_window, templates
}
criterion_main!(benches);
