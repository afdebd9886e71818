//! Each rule of the contract has a plugin that breaks it, and is found out.

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{Configure, Place, Plugin, Query, Response, Resumed, Setup, Step};
use cartonym_testing::{Canned, conformance, conformance_of_directive};
use cartonym_wire::{Name, Opcode, Section, Ttl, Type};

/// A plugin of functions.
struct Of {
    answer: fn(&mut Query<'_>, &mut Response<'_>) -> Step,
    on_response: fn(&Query<'_>, &mut Response<'_>),
    name: fn() -> &'static str,
    handles: fn(Opcode) -> bool,
    ready: fn() -> bool,
}

const GOOD: Of = Of {
    answer: |_, _| Step::Next,
    on_response: |_, _| {},
    name: || "of",
    handles: |opcode| opcode == Opcode::QUERY,
    ready: || true,
};

impl Plugin for Of {
    fn name(&self) -> &'static str {
        (self.name)()
    }

    fn handles(&self, opcode: Opcode) -> bool {
        (self.handles)(opcode)
    }

    fn ready(&self) -> bool {
        (self.ready)()
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        (self.answer)(query, response)
    }

    fn on_response(&self, query: &Query<'_>, response: &mut Response<'_>) {
        (self.on_response)(query, response);
    }
}

/// What the check says of a plugin that breaks a rule.
fn complaint(plugin: Of) -> String {
    let panic = catch_unwind(|| conformance(plugin)).expect_err("a rule is broken");
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text.clone(),
        (_, Some(text)) => (*text).to_owned(),
        _ => panic!("a panic without a message"),
    }
}

#[test]
fn plugins_that_keep_the_rules_pass() {
    conformance(GOOD);
    conformance(Canned::new("www.example. 60 A 192.0.2.1"));
    conformance(Of { answer: |_, _| Step::Drop, ..GOOD });
    conformance(Of { answer: |_, _| Step::defer(async { Resumed::Next }), ..GOOD });
    conformance(Of { on_response: |_, response| response.set_authoritative(true), ..GOOD });
}

#[test]
fn next_must_leave_the_response_as_it_was() {
    let writes: [fn(&mut Query<'_>, &mut Response<'_>) -> Step; 3] = [
        |_, response| {
            response.set_authoritative(true);
            Step::Next
        },
        |_, response| {
            let _ = response.record(Section::Answer, Name::ROOT, Type::A, Ttl::ZERO, &[192, 0, 2, 1]);
            Step::Next
        },
        |_, response| {
            response.set_ede(cartonym_wire::Ede::OTHER);
            Step::Next
        },
    ];
    for answer in writes {
        let complaint = complaint(Of { answer, ..GOOD });
        assert!(complaint.contains("`Next` does not leave the response as it was"), "{complaint}");
    }
}

#[test]
fn answer_must_come_back_at_once() {
    // One slow query is enough; the others would only make the test slow.
    let answer = |query: &mut Query<'_>, _: &mut Response<'_>| {
        if query.name().to_string() == "localhost." && query.qtype() == Type::SOA {
            std::thread::sleep(std::time::Duration::from_millis(600));
        }
        Step::Next
    };
    let complaint = complaint(Of { answer, ..GOOD });
    assert!(complaint.contains("`answer` does not come back at once: localhost. SOA"), "{complaint}");
}

#[test]
fn neither_function_may_panic() {
    let answer = |query: &mut Query<'_>, _: &mut Response<'_>| {
        assert!(query.name().label_count() < 100, "too deep for me");
        Step::Next
    };
    let answers = complaint(Of { answer, ..GOOD });
    assert!(answers.contains("`answer` panics"), "{answers}");
    let on_response = |query: &Query<'_>, _: &mut Response<'_>| assert!(query.edns().is_none());
    let shown = complaint(Of { on_response, ..GOOD });
    assert!(shown.contains("`on_response` panics"), "{shown}");
}

#[test]
fn an_answer_must_be_a_whole_message() {
    let answer = |_: &mut Query<'_>, response: &mut Response<'_>| {
        let _ = response.builder().raw(Section::Answer, 2, b"not a record");
        Step::Answered
    };
    let complaint = complaint(Of { answer, ..GOOD });
    assert!(complaint.contains("the response is not a whole message"), "{complaint}");
}

#[test]
fn an_answer_must_keep_the_question() {
    let answer = |_: &mut Query<'_>, response: &mut Response<'_>| {
        response.builder().patch(12, 0x0178);
        Step::Answered
    };
    let complaint = complaint(Of { answer, ..GOOD });
    assert!(complaint.contains("another question"), "{complaint}");
}

#[test]
fn an_answer_must_fit() {
    let answer = |_: &mut Query<'_>, response: &mut Response<'_>| {
        response.builder().set_limit(4000);
        for _ in 0..100 {
            let _ = response.record(Section::Answer, Name::ROOT, Type::A, Ttl::ZERO, &[192, 0, 2, 1]);
        }
        Step::Answered
    };
    let complaint = complaint(Of { answer, ..GOOD });
    assert!(complaint.contains("the response is too long for a datagram"), "{complaint}");
}

#[test]
fn on_response_must_come_back_at_once() {
    let on_response = |query: &Query<'_>, _: &mut Response<'_>| {
        if query.name().to_string() == "localhost." && query.qtype() == Type::SOA {
            std::thread::sleep(Duration::from_millis(600));
        }
    };
    let complaint = complaint(Of { on_response, ..GOOD });
    assert!(complaint.contains("`on_response` does not come back at once: localhost. SOA"), "{complaint}");
}

#[test]
fn ready_must_come_back_at_once_and_not_panic() {
    let slow = || {
        std::thread::sleep(Duration::from_millis(600));
        true
    };
    assert!(complaint(Of { ready: slow, ..GOOD }).contains("`ready` does not come back at once"));
    assert!(complaint(Of { ready: || panic!("not yet"), ..GOOD }).contains("`ready` panics"));
}

#[test]
fn a_promise_that_is_dropped_must_do_no_harm() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("I was needed");
        }
    }
    let answer = |_: &mut Query<'_>, _: &mut Response<'_>| {
        let bomb = Bomb;
        Step::defer(async move {
            let _bomb = &bomb;
            std::future::pending().await
        })
    };
    let complaint = complaint(Of { answer, ..GOOD });
    assert!(complaint.contains("a promise that is dropped panics"), "{complaint}");
}

#[test]
fn handles_must_know_its_mind() {
    assert!(complaint(Of { handles: |_| panic!("what?"), ..GOOD }).contains("`handles` panics"));
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let fickle = |_| ASKED.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
    assert!(complaint(Of { handles: fickle, ..GOOD }).contains("`handles` says now this and now that"));
}

#[test]
fn a_name_must_be_a_word_and_stay() {
    assert!(complaint(Of { name: || "Of Mine", ..GOOD }).contains("a plugin's name is a word in lower case"));
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let fickle = || if ASKED.fetch_add(1, Ordering::Relaxed) < 3 { "one" } else { "two" };
    assert!(complaint(Of { name: fickle, ..GOOD }).contains("a plugin's name is always the same"));
}

/// A directive that is read in one of several ways.
struct Directive<const HOW: u8>;

const RIGHT: u8 = 0;
const TAKES_ANYTHING: u8 = 1;
const ANOTHER_NAME: u8 = 2;
const ONCE: u8 = 3;

impl<const HOW: u8> Configure for Directive<HOW> {
    const NAME: &'static str = "of";
    const PLACE: Place = Place::Last;

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        static READ: AtomicU32 = AtomicU32::new(0);
        match HOW {
            TAKES_ANYTHING => {}
            ONCE if READ.fetch_add(1, Ordering::Relaxed) > 0 => return Ok(()),
            _ => setup.only()?.no_block()?,
        }
        match HOW {
            ANOTHER_NAME => setup.plugin(Of { name: || "other", ..GOOD }),
            _ => setup.plugin(GOOD),
        }
        Ok(())
    }
}

/// What the check says of a directive that is read wrong.
fn complaint_of<T: Configure>() -> String {
    let panic = catch_unwind(|| conformance_of_directive::<T>("of")).expect_err("a rule is broken");
    panic.downcast_ref::<String>().expect("a message").clone()
}

#[test]
fn a_directive_must_be_read_alike_each_time_and_not_take_anything() {
    conformance_of_directive::<Directive<RIGHT>>("of");
    assert!(complaint_of::<Directive<TAKES_ANYTHING>>().contains("takes a word that it cannot know"));
    assert!(complaint_of::<Directive<ANOTHER_NAME>>().contains("a plugin has its directive's name"));
    assert!(complaint_of::<Directive<ONCE>>().contains("is another when it is configured again"));
}
