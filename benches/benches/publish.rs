//! One change to a zone, made and published, by the size of the zone.

use std::sync::Arc;

use cartonym_benches::service_zone;
use cartonym_wire::{NameBuf, Ttl, Type};
use cartonym_zone::{RecordTable, Snapshot};
use criterion::{Criterion, criterion_group, criterion_main};

fn publish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish one record");
    for services in [333, 3_333, 33_333, 100_000] {
        let table = RecordTable::new(7);
        let zone = service_zone(services, table.hasher());
        let names: Vec<NameBuf> = (0..512)
            .map(|n| format!("svc-{}.sd.example.", n * 7919 % services).parse().expect("a name"))
            .collect();
        table.publish(Snapshot::new(table.hasher()).with(Arc::new(zone)));
        let mut turn = 0u32;
        group.bench_function(format!("{services} services"), |bencher| {
            bencher.iter(|| {
                turn += 1;
                let owner = &names[turn as usize % names.len()];
                let snapshot = table.snapshot();
                let zone = snapshot.zones().next().expect("the zone");
                let mut edit = zone.edit(table.hasher());
                edit.remove_set(owner, Type::AAAA).expect("a name of the zone");
                let address =
                    [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (turn >> 8) as u8, turn as u8];
                edit.add(owner, Type::AAAA, Ttl::from_secs(5), &address).expect("a name of the zone");
                let zone = Arc::new(edit.finish());
                let next = (*snapshot).clone().with(zone);
                drop(snapshot);
                table.publish(next);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, publish);
criterion_main!(benches);
