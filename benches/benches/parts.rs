//! The parts of the way, each against its own last run: decoding and judging, by format.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nightjar_benches::{Workload, bare, ours};

const USERS: u32 = 2_000;

fn parts(criterion: &mut Criterion) {
    for workload in [
        Workload::small(USERS, 50_000),
        Workload::okta(USERS, 10_000),
    ] {
        let setup = ours::setup(workload.format);
        let mut group = criterion.benchmark_group(workload.format);
        group.sample_size(10);
        group.throughput(Throughput::Bytes(workload.bytes() as u64));
        group.bench_function("bare loop", |bench| bench.iter(|| bare::count(&workload)));
        group.bench_function("decode", |bench| {
            bench.iter(|| ours::decode(&setup, &workload))
        });
        group.bench_function("judge", |bench| {
            let rows = || ours::read(&setup, &workload);
            bench.iter_batched(
                rows,
                |read| ours::judge(&setup, read),
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
}

criterion_group!(benches, parts);
criterion_main!(benches);
