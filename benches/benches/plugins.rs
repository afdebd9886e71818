//! What plugins cost a query: one that says `Next` with both hooks, and one that makes it wait.
//!
//! What one plugin costs is the difference between a chain of eleven and a chain of one, by ten.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cartonym_benches::{Answers, Passes, query};
use cartonym_plugin::{Client, Plugin, Query, Response, Resumed, Step};
use cartonym_responder::{Chain, Moment, Reply, Responder, Scratch, Verdict};
use cartonym_wire::{Name, Type};
use criterion::{Criterion, criterion_group, criterion_main};

/// Promises, and has nothing to wait for.
struct Defers;

impl Plugin for Defers {
    fn name(&self) -> &'static str {
        "defers"
    }

    fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        Step::defer(async { Resumed::Next })
    }
}

fn passing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plugins that say Next, with both hooks");
    for count in [1, 11] {
        let passing = (0..count).fold(Chain::new(), |chain, _| chain.then(Passes::default()));
        let mut asker = Asker::of(passing.then(Answers));
        group.bench_function(count.to_string(), |bencher| bencher.iter(|| asker.ask()));
    }
    group.finish();
}

fn deferring(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a query");
    let mut asker = Asker::of(Chain::new().then(Passes::default()).then(Answers));
    group.bench_function("that is answered", |bencher| bencher.iter(|| asker.ask()));
    let mut asker = Asker::of(Chain::new().then(Defers).then(Answers));
    group.bench_function("that is deferred and resumed", |bencher| bencher.iter(|| asker.ask()));
    group.finish();
}

struct Asker {
    responder: std::sync::Arc<Responder>,
    scratch: Scratch,
    query: Vec<u8>,
    out: Vec<u8>,
}

impl Asker {
    fn of(chain: Chain) -> Asker {
        Asker {
            responder: Responder::builder().zone(Name::ROOT, chain).build(),
            scratch: Scratch::default(),
            query: query("www.example.", Type::A),
            out: vec![0; 1232],
        }
    }

    fn ask(&mut self) -> usize {
        let moment = Moment { now: Duration::ZERO, random: 0 };
        let Asker { responder, scratch, query, out } = self;
        let client = Client { transport: cartonym_plugin::Transport::Udp, ..Client::INTERNAL };
        match responder.respond(scratch, black_box(query), client, moment, out) {
            Verdict::Send(len) => len,
            Verdict::Wait(suspended) => {
                let resumed = pin!(suspended.resume(std::future::pending()));
                match resumed.poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(Reply::Message(message)) => message.len(),
                    reply => panic!("{}", matches!(reply, Poll::Pending)),
                }
            }
            Verdict::Drop => panic!("dropped"),
        }
    }
}

criterion_group!(benches, passing, deferring);
criterion_main!(benches);
