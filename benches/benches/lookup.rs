//! From a name to what its zone says, by kind of answer and size of zone; and to its zone, by how many there are.

use std::hint::black_box;
use std::sync::Arc;

use cartonym_benches::{query, service_zone};
use cartonym_wire::{Builder, Flags, Hasher, NameBuf, Qname, Type};
use cartonym_zone::{Ask, RecordTable, Snapshot, Zone};
use criterion::{Criterion, criterion_group, criterion_main};

/// Names are asked for in an order that no prefetcher guesses.
const STRIDE: usize = 7919;

fn zone_of_a_name(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("the zone of a name");
    for zones in [1, 2, 10_000] {
        let hasher = Hasher::new(7);
        let zone = |number: usize| Arc::new(Zone::new(&name(&format!("z{number}.example.")), hasher));
        let snapshot = (0..zones).map(zone).fold(Snapshot::new(hasher), Snapshot::with);
        let qnames: Vec<_> =
            (0..4096).map(|n| Qname::new(&name(&format!("www.z{}.example.", n * STRIDE % zones)))).collect();
        let mut at = 0;
        group.bench_function(format!("of {zones}"), |bencher| {
            bencher.iter(|| {
                at = (at + 1) % qnames.len();
                snapshot.find(black_box(&qnames[at]), Type::A).is_some()
            });
        });
    }
    group.finish();
}

fn answer_of_a_zone(criterion: &mut Criterion) {
    for services in [100, 100_000] {
        let zone = service_zone(services, RecordTable::new(7).hasher());
        let mut group = criterion.benchmark_group(format!("lookup/{services} services"));
        let kinds = [
            ("A", Type::A, "svc"),
            ("SRV", Type::SRV, "svc"),
            ("NODATA", Type::AAAA, "svc"),
            ("NXDOMAIN", Type::A, "nx"),
        ];
        for (kind, qtype, label) in kinds {
            let asked = |n| format!("{label}-{}.sd.example.", n * STRIDE % services);
            let qnames: Vec<_> = (0..4096).map(|n| Qname::new(&name(&asked(n)))).collect();
            let message = query(&asked(1), qtype);
            let (mut out, mut at) = (vec![0; 65535], 0);
            group.bench_function(kind, |bencher| {
                bencher.iter(|| {
                    at = (at + 1) % qnames.len();
                    let mut response = Builder::new(&mut out, 1, Flags::QR, 65535);
                    response.question(&message[12..message.len() - 11]).expect("room");
                    let random = at as u64;
                    let ask = Ask { qtype, random, is_question: true, name_servers: false, dnssec_ok: false };
                    let _ = black_box(zone.answer(black_box(&qnames[at]), ask, &mut response));
                    response.finish()
                });
            });
        }
        group.finish();
    }
}

fn name(text: &str) -> NameBuf {
    text.parse().expect("a name")
}

criterion_group!(benches, zone_of_a_name, answer_of_a_zone);
criterion_main!(benches);
