//! A message read and one written: what every query has before and after anybody looks for its answer.

use std::hint::black_box;

use cartonym_benches::query;
use cartonym_wire::{Builder, Class, Flags, Message, NameBuf, Qname, Section, Ttl, Type};
use criterion::{Criterion, criterion_group, criterion_main};

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read a question");
    let longest = "a.".repeat(127);
    for (kind, name) in [("of three labels", "svc-17.sd.example."), ("of 127 labels", longest.as_str())] {
        let (query, mut qname) = (query(name, Type::A), Qname::default());
        group.bench_function(kind, |bencher| {
            bencher.iter(|| {
                let message = Message::new(black_box(&query)).expect("a header");
                message.question_into(&mut qname).expect("a question").end
            });
        });
    }
    group.finish();
}

fn write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write a response");
    let query = query("svc-17.sd.example.", Type::A);
    let question = &query[12..query.len() - 11];
    let owner: NameBuf = "svc-17.sd.example.".parse().expect("a name");
    for records in [1, 10] {
        let mut out = vec![0; 1232];
        group.bench_function(format!("{records} A records"), |bencher| {
            bencher.iter(|| {
                let mut response = Builder::new(&mut out, 1, Flags::QR, 1232);
                response.question(black_box(question)).expect("room");
                for number in 0..records {
                    let ttl = Ttl::from_secs(60);
                    let address = [10, 0, 0, number];
                    let added = response.record(Section::Answer, &owner, Type::A, Class::IN, ttl, &address);
                    added.expect("room");
                }
                response.finish()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, read, write);
criterion_main!(benches);
