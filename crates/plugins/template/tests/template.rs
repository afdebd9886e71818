//! Queries in, responses made of them out.

use std::sync::Arc;

use cartonym_plugin::{Plugin, Query, Response, Step};
use cartonym_plugin_template::Template;
use cartonym_testing::{Ask, Canned, Tester, configure};
use cartonym_wire::{Class, OptionCode, Rcode, Section, Ttl, Type};

const ADDRESSES: &str = r#"
template IN A example. {
    match ^ip-(?P<a>[0-9]+)-(?P<b>[0-9]+)-(?P<c>[0-9]+)-(?P<d>[0-9]+)\.example\.$
    match ^hex-(?P<h>[0-9a-f]+)\.example\.$
    answer "{{ .Name }} 60 IN A {{ if .Group.h }}192.0.2.{{ parseInt .Group.h 16 8 }}{{ else }}{{ .Group.a }}.{{ .Group.b }}.{{ .Group.c }}.{{ .Group.d }}{{ end }}"
}"#;

fn tester(directives: &str) -> Tester {
    Tester::new(configure::<Template>(directives).unwrap().then(Canned::default().rcode(Rcode::NOTIMP)))
}

fn ask(directives: &str, question: &str) -> String {
    tester(directives).ask(question).to_string()
}

#[test]
fn an_address_comes_out_of_a_name() {
    assert_eq!(
        ask(ADDRESSES, "ip-1-2-3-4.Example. A"),
        "NOERROR aa\nanswer ip-1-2-3-4.Example. 60 A 1.2.3.4"
    );
    assert_eq!(ask(ADDRESSES, "hex-0a.example. A"), "NOERROR aa\nanswer hex-0a.example. 60 A 192.0.2.10");
}

#[test]
fn what_cannot_be_made_is_servfail() {
    assert_eq!(ask(ADDRESSES, "ip-1-2-3-400.example. A"), "SERVFAIL");
    assert_eq!(ask(ADDRESSES, "hex-fff.example. A"), "SERVFAIL");
    let two = r#"answer "a. 60 IN A 192.0.2.1{{ print `
`}}a. 60 IN A 192.0.2.2""#;
    for answer in ["answer {{.Nope}}", "answer \"\"", "answer nonsense", "answer $ORIGIN", two] {
        assert_eq!(ask(&format!("template IN A {{\n{answer}\n}}"), "a. A"), "SERVFAIL", "{answer}");
    }
}

#[test]
fn a_name_that_no_expression_matches_is_servfail_or_goes_on() {
    assert_eq!(ask(ADDRESSES, "other.example. A"), "SERVFAIL");
    let falling = ADDRESSES.replace("match ^hex", "fallthrough\nmatch ^hex");
    assert_eq!(ask(&falling, "other.example. A"), "NOTIMP");
    let next = format!("{falling}\ntemplate IN A {{\nanswer \"{{{{ .Name }}}} 5 IN A 192.0.2.9\"\n}}");
    assert_eq!(ask(&next, "other.example. A"), "NOERROR aa\nanswer other.example. 5 A 192.0.2.9");
}

#[test]
fn other_types_classes_and_zones_go_on() {
    assert_eq!(ask(ADDRESSES, "ip-1-2-3-4.example. AAAA"), "NOTIMP");
    assert_eq!(ask(ADDRESSES, "ip-1-2-3-4.test. A"), "NOTIMP");
    let ask = Ask::new("ip-1-2-3-4.example. A").class(Class::CH);
    assert_eq!(tester(ADDRESSES).ask(ask).rcode(), Rcode::NOTIMP);
}

#[test]
fn all_sections_and_an_rcode_can_be_made() {
    let directive = r#"template ANY ANY {
        rcode NXDOMAIN
        authority "{{ .Zone }} 60 {{ .Class }} SOA ns. h. 1 2 3 4 5"
        additional "about.test. 0 IN TXT \"{{ .Type }} from {{ .Remote }}\""
        ederror 21 "not here"
    }"#;
    let answer = tester(directive).ask(Ask::new("x.test. MX").edns(1232));
    assert_eq!(
        answer.to_string(),
        "NXDOMAIN aa\nauthority . 60 SOA ns. h. 1 2 3 4 5\nadditional about.test. 0 TXT \"MX from 192.0.2.53\""
    );
    assert_eq!(answer.option(OptionCode::EDE), Some(&b"\0\x15not here"[..]));
    assert!(tester(directive).ask("x.test. MX").edns().is_none());
}

/// Answers the one address there is, and nothing for other names.
struct Hosts;

impl Plugin for Hosts {
    fn name(&self) -> &'static str {
        "hosts"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if query.name().to_string() != "web.test." {
            return Step::Next;
        }
        let _ = response.record(Section::Answer, query.owner(), Type::A, Ttl::from_secs(7), &[192, 0, 2, 7]);
        Step::Answered
    }
}

#[tokio::test]
async fn an_alias_is_followed() {
    let directive = r#"template IN ANY example. {
        answer "{{ .Name }} 60 IN CNAME {{ slice .Name 0 3 }}.test."
        additional "extra.test. 1 IN TXT x"
    }"#;
    let chain = configure::<Template>(directive).unwrap().then_shared(Arc::new(Hosts));
    let tester = Tester::new(chain);
    let answer = tester.wait("web.example. A").await.unwrap();
    let extra = "additional extra.test. 1 TXT \"x\"";
    assert_eq!(
        answer.to_string(),
        format!(
            "NOERROR aa\nanswer web.example. 60 CNAME web.test.\nanswer web.test. 7 A 192.0.2.7\n{extra}"
        )
    );
    let alias = |name: &str| format!("NOERROR aa\nanswer {name}.example. 60 CNAME {name}.test.\n{extra}");
    assert_eq!(tester.wait("off.example. A").await.unwrap().to_string(), alias("off"), "nothing there");
    assert_eq!(tester.ask("web.example. TXT").to_string(), alias("web"), "followed for addresses only");
}

#[test]
fn a_name_with_anything_in_it_stays_a_name() {
    let directive = r#"template IN TXT {
        match ^(?P<label>.*)\.example\.$
        answer "{{ .Name }} 60 IN TXT \"ok\""
    }"#;
    for name in
        ["\\$INCLUDE.example.", "a\\032b.example.", "\\;x.example.", "\\\"q.example.", "\\010.example."]
    {
        let answer = tester(directive).ask(&*format!("{name} TXT"));
        assert_eq!(answer.answers(), [format!("{name} 60 TXT \"ok\"")]);
    }
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let error = |directive: &str| configure::<Template>(directive).unwrap_err();
    let property = |property: &str| error(&format!("template IN A {{\n{property}\n}}"));
    assert!(error("template IN").contains("takes at least 2 arguments"));
    assert!(error("template XX A").contains("`XX` is not a class"));
    assert!(error("template IN XX").contains("`XX` is not a type"));
    assert!(property("match (").contains("regex parse error"));
    assert!(property("answer \"{{ .Name\"").contains("not a template: `{{` without `}}`"));
    assert!(property("answer \"{{ nope }}\"").contains("not a template: unknown word `nope`"));
    assert!(property("rcode NOPE").contains("`NOPE` is not an rcode"));
    assert!(property("ederror blocked").contains("is not the number of an extended error"));
    assert!(property("expr true").contains("not supported yet"));
    assert!(property("anser x").ends_with("(did you mean `answer`?)"));
}
