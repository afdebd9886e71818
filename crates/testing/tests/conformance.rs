//! Each rule of the contract has a plugin that breaks it, and is found out.

use std::panic::catch_unwind;

use cartonym_plugin::{Plugin, Query, Response, Resumed, Step};
use cartonym_testing::{Canned, conformance};
use cartonym_wire::{Name, Section, Ttl, Type};

/// A plugin of two functions.
struct Of {
    answer: fn(&mut Query<'_>, &mut Response<'_>) -> Step,
    on_response: fn(&Query<'_>, &mut Response<'_>),
}

const GOOD: Of = Of { answer: |_, _| Step::Next, on_response: |_, _| {} };

impl Plugin for Of {
    fn name(&self) -> &'static str {
        "of"
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
    panic.downcast_ref::<String>().expect("a message").clone()
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
