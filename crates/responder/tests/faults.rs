//! A plugin that does not keep the contract costs its own queries, and is named.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cartonym_plugin::metrics::Counter;
use cartonym_plugin::{Plugin, Query, Response, Resumed, Step, Transport};
use cartonym_responder::{Chain, Fault, Limits, Moment, Responder, Scratch, Verdict};
use cartonym_testing::{Answer, Ask, Canned, Tester};
use cartonym_wire::{Ede, Flags, MAX_MESSAGE_LEN, Name, Opcode, OptionCode, Rcode};

/// A plugin that does what it says for names below `bad.`, and nothing for others.
struct Bad {
    answer: fn() -> Step,
    on_response: fn(),
    handles: fn(Opcode) -> bool,
}

const GOOD: Bad =
    Bad { answer: || Step::Next, on_response: || {}, handles: |opcode| opcode == Opcode::QUERY };

impl Plugin for Bad {
    fn name(&self) -> &'static str {
        "bad"
    }

    fn answer(&self, query: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        if is_bad(query) { (self.answer)() } else { Step::Next }
    }

    fn on_response(&self, query: &Query<'_>, _: &mut Response<'_>) {
        if is_bad(query) {
            (self.on_response)();
        }
    }

    fn handles(&self, opcode: Opcode) -> bool {
        (self.handles)(opcode)
    }
}

fn is_bad(query: &Query<'_>) -> bool {
    query.name().to_string().ends_with("bad.")
}

fn responder(bad: Bad, limits: Limits) -> Arc<Responder> {
    let chain = Chain::new().then(bad).then(Canned::new("good. 60 A 192.0.2.1"));
    Responder::builder().zone(Name::ROOT, chain).limits(limits).build()
}

/// Asks for `a.bad.`, which costs that query, and then for `good.`, which costs nothing.
#[track_caller]
fn costs_its_query(bad: Bad, ede: Ede, fault: Fault) {
    let responder = responder(bad, Limits::default());
    let tester = Tester::with(responder.clone());
    let answer = tester.resolve(Ask::new("a.bad. A").edns(1232)).expect("an answer");
    assert_eq!(answer.to_string(), "SERVFAIL");
    assert_eq!(answer.option(OptionCode::EDE), Some(&ede.0.to_be_bytes()[..]));
    assert_eq!(tester.resolve("good. A").expect("an answer").answers(), ["good. 60 A 192.0.2.1"]);
    assert_eq!(responder.faults().by_plugin(), [("bad", fault)].into());
    assert_eq!(responder.suspended(), 0);
}

const PANICKED: Fault = Fault { panics: 1, slow: 0, expired: 0, rejected: 0 };

#[test]
fn a_panic_in_answer_costs_its_query() {
    costs_its_query(Bad { answer: || panic!("no"), ..GOOD }, Ede::OTHER, PANICKED);
}

#[test]
fn a_panic_in_on_response_costs_its_query() {
    costs_its_query(Bad { on_response: || panic!("no"), ..GOOD }, Ede::OTHER, PANICKED);
}

#[test]
fn a_panic_in_a_promise_costs_its_query() {
    costs_its_query(Bad { answer: || Step::defer(async { panic!("no") }), ..GOOD }, Ede::OTHER, PANICKED);
}

#[test]
fn a_panic_behind_a_promise_costs_its_query() {
    let answer = || Step::defer(async { Resumed::Next });
    costs_its_query(Bad { answer, on_response: || panic!("no"), ..GOOD }, Ede::OTHER, PANICKED);
}

#[test]
fn the_plugins_before_one_that_panics_see_what_its_query_came_to() {
    struct Witness(Arc<Mutex<Vec<Rcode>>>);
    impl Plugin for Witness {
        fn name(&self) -> &'static str {
            "witness"
        }
        fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
            Step::Next
        }
        fn on_response(&self, _: &Query<'_>, response: &mut Response<'_>) {
            self.0.lock().unwrap().push(response.rcode());
        }
    }
    let in_answer = || Bad { answer: || panic!("no"), ..GOOD };
    let in_on_response = || Bad { on_response: || panic!("no"), ..GOOD };
    for (outer, inner, panics) in
        [(GOOD, in_answer(), 1), (GOOD, in_on_response(), 1), (in_on_response(), in_answer(), 2)]
    {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let chain = Chain::new().then(Witness(Arc::clone(&seen))).then(outer).then(inner);
        let responder = Responder::builder().zone(Name::ROOT, chain).build();
        let answer = Tester::with(responder.clone()).ask("a.bad. A");
        assert_eq!(answer.to_string(), "SERVFAIL");
        assert_eq!(*seen.lock().unwrap(), [Rcode::SERVFAIL]);
        assert_eq!(responder.faults().by_plugin()["bad"].panics, panics);
    }
}

#[test]
fn handles_is_asked_when_the_chain_is_made_and_by_no_query() {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let handles = |opcode| {
        ASKED.fetch_add(1, Ordering::Relaxed);
        opcode == Opcode::QUERY
    };
    let tester = Tester::with(responder(Bad { handles, ..GOOD }, Limits::default()));
    let asked = ASKED.load(Ordering::Relaxed);
    assert_eq!(asked, 16, "of each opcode, once");
    let notify = Ask::new("good. SOA").flags(Flags::default().with_opcode(Opcode::NOTIFY));
    assert_eq!(tester.ask(notify).to_string(), "NOTIMP");
    assert_eq!(tester.ask("good. A").to_string(), "NOERROR\nanswer good. 60 A 192.0.2.1");
    assert_eq!(ASKED.load(Ordering::Relaxed), asked);
}

#[test]
fn a_promise_that_panics_when_it_is_dropped_does_not_cost_the_response() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("no");
        }
    }
    impl Future for Bomb {
        type Output = Resumed;
        fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Resumed> {
            std::task::Poll::Ready(Resumed::Next)
        }
    }
    let responder = responder(Bad { answer: || Step::defer(Bomb), ..GOOD }, Limits::default());
    let answer = Tester::with(responder.clone()).resolve("a.bad. A").expect("an answer");
    assert_eq!(answer.answers(), ["good. 60 A 192.0.2.1"]);
    assert_eq!(responder.faults().by_plugin(), [("bad", PANICKED)].into());
}

#[test]
fn promises_past_the_limit_are_refused_and_the_plugin_is_named() {
    let limits = Limits { suspended: 2, ..Limits::default() };
    let responder = responder(Bad { answer: || Step::defer(std::future::pending()), ..GOOD }, limits);
    let ask = Ask::new("a.bad. A").edns(1232);
    let waiting: Vec<Verdict> = (0..2).map(|_| send(&responder, &mut Scratch::default(), &ask).0).collect();
    assert!(waiting.iter().all(|verdict| matches!(verdict, Verdict::Wait(_))));
    let refused = Tester::with(responder.clone()).ask(&ask);
    assert_eq!(refused.to_string(), "SERVFAIL");
    assert_eq!(refused.option(OptionCode::EDE), Some(&Ede::NOT_READY.0.to_be_bytes()[..]));
    assert_eq!(responder.faults().by_plugin()["bad"], Fault { rejected: 1, ..Fault::default() });
    drop(waiting);
    assert!(
        matches!(send(&responder, &mut Scratch::default(), &ask).0, Verdict::Wait(_)),
        "there is room again"
    );
}

#[test]
fn past_the_limit_datagrams_are_dropped_where_they_are_shed() {
    let chain = Chain::new().then(Bad { answer: || Step::defer(std::future::pending()), ..GOOD });
    let (counter, limits) = (Counter::default(), Limits { suspended: 0, ..Limits::default() });
    let builder = Responder::builder().zone(Name::ROOT, chain).limits(limits).shed(counter.clone());
    let tester = Tester::with(builder.build());
    assert!(tester.drops("a.bad. A"));
    assert_eq!(counter.sum(), 1);
    assert_eq!(tester.ask(Ask::new("a.bad. A").over(Transport::Tcp)).to_string(), "SERVFAIL");
    assert_eq!(counter.sum(), 1);
}

#[test]
fn a_promise_that_is_not_kept_in_time_costs_its_query() {
    let responder =
        responder(Bad { answer: || Step::defer(std::future::pending()), ..GOOD }, Limits::default());
    let (Verdict::Wait(suspended), _) = send(&responder, &mut Scratch::default(), &Ask::new("a.bad. A"))
    else {
        panic!("it does not wait");
    };
    let mut resumed = std::pin::pin!(suspended.resume(std::future::ready(())));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(reply) = resumed.as_mut().poll(&mut context) else { panic!("it still waits") };
    assert_eq!(Answer::new(reply.into_message().expect("a message")).to_string(), "SERVFAIL");
    assert_eq!(responder.faults().by_plugin()["bad"], Fault { expired: 1, ..Fault::default() });
}

#[test]
fn a_slow_plugin_is_named_after_a_slow_batch() {
    thread_local!(static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) });
    fn pass() {
        NOW.set(NOW.get() + Duration::from_millis(5));
    }
    fn slow() -> Step {
        pass();
        Step::Next
    }
    let responder = responder(Bad { answer: slow, on_response: pass, ..GOOD }, Limits::default());
    let mut scratch = Scratch::with_clock(|| NOW.get());
    let ask = |scratch: &mut Scratch, question: &str| {
        assert!(matches!(send(&responder, scratch, &Ask::new(question)).0, Verdict::Send(_)));
    };
    ask(&mut scratch, "a.bad. A");
    assert!(responder.faults().by_plugin().is_empty(), "nothing is timed while nothing is slow");
    responder.took(&mut scratch, Duration::from_millis(10));
    ask(&mut scratch, "good. A");
    assert!(responder.faults().by_plugin().is_empty(), "who is fast is not named");
    ask(&mut scratch, "a.bad. A");
    assert_eq!(responder.faults().by_plugin(), [("bad", Fault { slow: 2, ..Fault::default() })].into());
    responder.took(&mut scratch, Duration::from_micros(100));
    ask(&mut scratch, "a.bad. A");
    assert_eq!(responder.faults().by_plugin()["bad"].slow, 2);
}

fn send(responder: &Responder, scratch: &mut Scratch, ask: &Ask) -> (Verdict, Vec<u8>) {
    let mut out = vec![0; MAX_MESSAGE_LEN];
    let moment = Moment { now: Duration::from_secs(1_000_000), random: 0 };
    let verdict = responder.respond(scratch, &ask.to_message(), ask.client(), moment, &mut out);
    (verdict, out)
}
