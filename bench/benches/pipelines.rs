//! Each pipeline of one worker, in packets per second: plain forwarding, and into and out of each
//! kind of tunnel, with 64, 512 and 1400 bytes inside.
//!
//! The time is that of the worker's turn over a full batch on one core. Making the packets, and for
//! decapsulation sealing them with fresh sequence numbers, is not part of it.

use std::time::{Duration, Instant};

use bench::pipelines::Pipeline;
use bench::{Lane, Load, PER_TURN};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const LENGTHS: [usize; 3] = [64, 512, 1400];
/// The pipelines that everybody has, under the suites that peers agree on in practice and the two
/// that show what authentication costs.
const PIPELINES: [&str; 5] =
    ["forward", "gre-encap", "gre-decap", "esp-tunnel-encap", "esp-tunnel-decap"];
const SUITES: [&str; 10] = [
    "none",
    "aes128gcm16",
    "aes256gcm16",
    "chacha20poly1305",
    "aes128-sha1",
    "aes256-sha1",
    "aes128-sha256",
    "aes256-sha256",
    "null-sha1",
    "null-md5",
];

fn pipelines(criterion: &mut Criterion) {
    for pipeline in Pipeline::all() {
        let (name, suite) = (pipeline.name(), pipeline.suite());
        if !PIPELINES.contains(&name.as_str()) || !SUITES.contains(&suite) {
            continue;
        }
        let mut group = criterion.benchmark_group(format!("{name}/{suite}"));
        group.throughput(Throughput::Elements(PER_TURN as u64));
        for len in LENGTHS {
            let mut lane = Lane::new(&Load::new(pipeline, len));
            group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
                bencher.iter_custom(|turns| (0..turns).map(|_| turn(&mut lane)).sum());
            });
        }
        group.finish();
    }
}

fn turn(lane: &mut Lane) -> Duration {
    let turned = lane.prepare(1).and_then(|()| {
        lane.turn(|carry| {
            let begin = Instant::now();
            carry();
            begin.elapsed()
        })
    });
    turned.expect("all packets come out on the other side")
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20);
    targets = pipelines
}
criterion_main!(benches);
