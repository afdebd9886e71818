//! From a query's bytes to a response's, by kind of answer and size of zone.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cartonym_benches::{query, service_zone};
use cartonym_plugin::{Client, Transport};
use cartonym_plugin_registry::Records;
use cartonym_responder::{Chain, Moment, Responder, Scratch, Verdict};
use cartonym_wire::{Name, Type};
use cartonym_zone::{RecordTable, Snapshot};
use criterion::{Criterion, criterion_group, criterion_main};

fn respond(criterion: &mut Criterion) {
    for services in [100, 100_000] {
        let table = Arc::new(RecordTable::new(7));
        let zone = service_zone(services, table.hasher());
        table.publish(Snapshot::new(table.hasher()).with(Arc::new(zone)));
        let responder = Responder::builder().zone(Name::ROOT, Chain::new().then(Records::of(table))).build();
        let mut group = criterion.benchmark_group(format!("respond/{services} services"));
        let kinds = [
            ("A", Type::A, "svc"),
            ("SRV", Type::SRV, "svc"),
            ("NODATA", Type::AAAA, "svc"),
            ("NXDOMAIN", Type::A, "nx"),
        ];
        for (kind, qtype, label) in kinds {
            // Names in an order that no prefetcher guesses.
            let queries: Vec<_> = (0..4096)
                .map(|n| query(&format!("{label}-{}.sd.example.", n * 7919 % services), qtype))
                .collect();
            let (mut scratch, mut out, mut at) = (Scratch::default(), vec![0; 65535], 0);
            let address = SocketAddr::from(([127, 0, 0, 1], 5300));
            let client = Client { address, local: address, transport: Transport::Udp };
            group.bench_function(kind, |bencher| {
                bencher.iter(|| {
                    at = (at + 1) % queries.len();
                    let moment = Moment { now: Duration::ZERO, random: at as u64 };
                    match responder.respond(&mut scratch, black_box(&queries[at]), client, moment, &mut out) {
                        Verdict::Send(len) => len,
                        verdict => panic!("{verdict:?}"),
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, respond);
criterion_main!(benches);
