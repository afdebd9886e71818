//! Questions in, other questions behind; their responses, and what the client sees of them.

use std::sync::Arc;

use cartonym_plugin_rewrite::Rewrite;
use cartonym_testing::{Canned, Tester, configure};
use cartonym_wire::{Rcode, Type};

/// What comes behind the rules for a question.
fn behind(rules: &str, question: &str) -> String {
    let canned = Arc::new(Canned::default());
    let chain = configure::<Rewrite>(rules).unwrap().then_shared(canned.clone());
    Tester::new(chain).ask(question);
    canned.asked().concat()
}

/// What the client sees of `records`.
fn answer(rules: &str, question: &str, records: &str) -> String {
    let chain = configure::<Rewrite>(rules).unwrap().then(Canned::new(records));
    Tester::new(chain).ask(question).to_string()
}

#[test]
fn names_are_rewritten() {
    let table = [
        ("rewrite name a.example b.example", "A.example. A", "b.example. A"),
        ("rewrite name exact a.example. B.example.", "a.example. A", "b.example. A"),
        ("rewrite name exact a.example b.example", "x.a.example. A", "x.a.example. A"),
        ("rewrite name prefix p- q-", "p-x.example. A", "q-x.example. A"),
        ("rewrite name prefix p- q-", "x.p-.example. A", "x.p-.example. A"),
        ("rewrite name suffix .dev.example .example", "x.DEV.example. A", "x.example. A"),
        ("rewrite name suffix .dev.example .example", "dev.example. A", "dev.example. A"),
        ("rewrite name substring aa b", "aa.aab.example. A", "b.bb.example. A"),
        ("rewrite name regex (.*)-(.*)\\.example\\. {2}.{1}.example", "x-y.example. A", "y.x.example. A"),
        ("rewrite name regex ^x\\. gone.example", "x.y.example. A", "gone.example. A"),
        ("rewrite name suffix suffix prefix", "a.suffix. A", "a.prefix. A"),
        ("rewrite type ANY HINFO", "a.example. ANY", "a.example. HINFO"),
        ("rewrite type ANY HINFO", "a.example. A", "a.example. A"),
    ];
    for (rules, question, expected) in table {
        assert_eq!(behind(rules, question), expected, "{rules}: {question}");
    }
}

#[test]
fn the_first_that_matches_is_the_last_unless_it_goes_on() {
    let rules = |first: &str| {
        format!(
            "rewrite {first} name prefix a b\nrewrite stop name prefix b c\nrewrite name prefix c d\nrewrite type A MX"
        )
    };
    assert_eq!(behind(&rules("stop"), "a.example. A"), "b.example. A");
    assert_eq!(behind(&rules("continue"), "a.example. A"), "c.example. A");
    assert_eq!(behind(&rules("continue"), "x.example. A"), "x.example. MX");
}

#[test]
fn a_name_that_is_none_is_servfail() {
    let rules = "rewrite name substring a ..";
    assert_eq!(answer(rules, "xax. A", ""), "SERVFAIL");
    assert_eq!(
        answer(
            "rewrite name prefix x xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "x. A",
            ""
        ),
        "SERVFAIL"
    );
}

#[test]
fn exact_takes_owners_back() {
    assert_eq!(
        answer(
            "rewrite name a.rw.example web.example",
            "A.rw.example. A",
            "web.example. 60 A 192.0.2.1
             WEB.example. 60 A 192.0.2.2
             authority example. 60 NS web.example."
        ),
        "NOERROR
answer A.rw.example. 60 A 192.0.2.1
answer A.rw.example. 60 A 192.0.2.2
authority example. 60 NS web.example."
    );
}

const RESPONSE: &str = "
    web.example. 60 CNAME host.example.
    host.example. 60 A 192.0.2.1
    authority example. 60 NS ns1.example.
    authority example. 60 SOA ns1.example. h.example. 1 2 3 4 5
    additional web.example. 60 SRV 1 2 3 ns1.example.
    additional other.test. 60 MX 10 mail.example.";

#[test]
fn without_a_rule_for_the_answer_names_stay() {
    let rules = "rewrite name suffix .s.test .example";
    let plain = Tester::of(Canned::new(RESPONSE)).ask("web.s.test. A").to_string();
    assert_eq!(answer(rules, "web.s.test. A", RESPONSE), plain);
}

#[test]
fn auto_takes_all_names_back() {
    assert_eq!(
        answer("rewrite name suffix .s.test .example answer auto", "web.s.test. A", RESPONSE),
        "NOERROR
answer web.s.test. 60 CNAME host.s.test.
answer host.s.test. 60 A 192.0.2.1
authority example. 60 NS ns1.s.test.
authority example. 60 SOA ns1.s.test. h.s.test. 1 2 3 4 5
additional web.s.test. 60 SRV 1 2 3 ns1.s.test.
additional other.test. 60 MX 10 mail.s.test."
    );
    assert_eq!(
        answer(
            "rewrite name regex (.*)-x\\.rw\\. {1}.example answer auto",
            "web-x.rw. A",
            "web.example. 60 CNAME a.web.example.\na.web.example. 60 A 192.0.2.1\nexample. 60 A 192.0.2.2"
        ),
        "NOERROR
answer web-x.rw. 60 CNAME a.web-x.rw.
answer a.web-x.rw. 60 A 192.0.2.1
answer example. 60 A 192.0.2.2"
    );
}

#[test]
fn names_and_values_have_rules_of_their_own() {
    let rules = "rewrite {
        name suffix .s.test .example
        answer name (.*)\\.example\\. {1}.one.test
        answer value (.*)\\.example\\. {1}.two.test.
    }";
    assert_eq!(
        answer(rules, "web.s.test. A", "web.example. 60 CNAME host.example.\nhost.example. 60 A 192.0.2.1"),
        "NOERROR\nanswer web.one.test. 60 CNAME host.two.test.\nanswer host.one.test. 60 A 192.0.2.1"
    );
}

#[test]
fn names_are_taken_back_in_the_other_order() {
    let rules = "rewrite continue name a.test b.test\nrewrite continue name b.test c.test";
    assert_eq!(
        answer(rules, "a.test. A", "c.test. 60 A 192.0.2.1"),
        "NOERROR\nanswer a.test. 60 A 192.0.2.1"
    );
}

#[test]
fn ttls_move_into_a_range() {
    let records = "a.example. 5 A 192.0.2.1\na.example. 500 A 192.0.2.2\nauthority example. 5 NS ns.example.";
    let ttls = |rule: &str| {
        let text = answer(rule, "a.example. A", records);
        text.lines().skip(1).filter_map(|line| line.split(' ').nth(2)?.parse().ok()).collect::<Vec<u32>>()
    };
    assert_eq!(ttls("rewrite ttl a.example 7"), [7, 7, 5]);
    assert_eq!(ttls("rewrite ttl suffix .example 10-100"), [10, 100, 5]);
    assert_eq!(ttls("rewrite ttl regex .* 10-"), [10, 500, 5]);
    assert_eq!(ttls("rewrite ttl prefix a -100"), [5, 100, 5]);
    assert_eq!(ttls("rewrite ttl b.example 70000"), [5, 500, 5]);
    assert_eq!(ttls("rewrite ttl a.example 70000"), [70_000, 70_000, 5]);
}

#[test]
fn an_rcode_becomes_another() {
    let rcode = |rule: &str| {
        let chain = configure::<Rewrite>(rule).unwrap().then(Canned::default().rcode(Rcode::SERVFAIL));
        Tester::new(chain).ask("a.example. A").rcode()
    };
    assert_eq!(rcode("rewrite rcode a.example SERVFAIL NXDOMAIN"), Rcode::NXDOMAIN);
    assert_eq!(rcode("rewrite rcode suffix .example 2 3"), Rcode::NXDOMAIN);
    assert_eq!(rcode("rewrite rcode a.example NXDOMAIN NOERROR"), Rcode::SERVFAIL);
    assert_eq!(rcode("rewrite rcode b.example SERVFAIL NXDOMAIN"), Rcode::SERVFAIL);
}

#[test]
fn a_rewritten_type_is_answered_for_the_client_s_question() {
    let chain = configure::<Rewrite>("rewrite type ANY MX").unwrap().then(Canned::new("a. 60 MX 10 b."));
    let answer = Tester::new(chain).ask("a. ANY");
    assert_eq!(answer.as_bytes()[15..17], Type::ANY.0.to_be_bytes());
    assert_eq!(answer.answers(), ["a. 60 MX 10 b."]);
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let error = |rule: &str| configure::<Rewrite>(rule).unwrap_err();
    assert!(error("rewrite").contains("takes a field"));
    assert!(error("rewrite nam a b").ends_with("(did you mean `name`?)"));
    assert!(error("rewrite name a").contains("too few words"));
    assert!(error("rewrite name a..b c").contains("`a..b` is not a domain name"));
    assert!(error("rewrite name regex ( c").contains("regex parse error"));
    assert!(error("rewrite name regex a {1}").contains("asks for group 1, but the expression has 0"));
    assert!(error("rewrite name suffix a b c").contains("`c` is not `answer`"));
    assert!(error("rewrite name suffix a b answer").contains("`answer` takes"));
    assert!(error("rewrite name suffix a b answer name x").contains("takes an expression"));
    assert!(error("rewrite name suffix a b answer nam x y").contains("did you mean `name`?"));
    assert!(error("rewrite type A").contains("too few words"));
    assert!(error("rewrite type A AAAA MX").contains("too many words"));
    assert!(error("rewrite ttl a 5-1").contains("neither a TTL nor a range"));
    assert!(error("rewrite rcode a SERVFAIL NOPE").contains("`NOPE` is not an rcode"));
    assert!(error("rewrite edns0 local set 1 2").contains("not supported yet"));
}
