//! Each pipeline of one worker, in packets per second: plain forwarding, and into and out of each
//! kind of tunnel, with 64, 512 and 1400 bytes inside.
//!
//! The time is that of the worker's turn over a full batch on one core. Making the packets, and for
//! decapsulation sealing them with fresh sequence numbers, is not part of it.

use std::time::Duration;

use bench::{Join, Lane, PER_TURN};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use esp::Suite;

const LENGTHS: [usize; 3] = [64, 512, 1400];
/// The suites that peers agree on in practice, and the two that show what authentication costs.
const SUITES: [Suite; 9] = [
    Suite::AES128GCM16,
    Suite::AES256GCM16,
    Suite::CHACHA20POLY1305,
    Suite::AES128_SHA1,
    Suite::AES256_SHA1,
    Suite::AES128_SHA256,
    Suite::AES256_SHA256,
    Suite::NULL_SHA1,
    Suite::NULL_MD5,
];

fn measure(criterion: &mut Criterion, name: &str, lane: impl Fn(usize) -> Lane) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(PER_TURN as u64));
    for len in LENGTHS {
        let mut lane = lane(len);
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter_custom(|turns| (0..turns).map(|_| lane.turn()).sum());
        });
    }
    group.finish();
}

fn pipelines(criterion: &mut Criterion) {
    measure(criterion, "forward", Lane::forward);
    measure(criterion, "gre_encap", |len| Lane::encap(Join::Gre, len));
    measure(criterion, "gre_decap", |len| Lane::decap(Join::Gre, len));
    for suite in SUITES {
        let join = Join::Policy(suite);
        measure(criterion, &format!("esp_encap/{suite}"), |len| Lane::encap(join, len));
        measure(criterion, &format!("esp_decap/{suite}"), |len| Lane::decap(join, len));
    }
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
