//! Queries in, responses made of them out.

use std::sync::Arc;

use cartonym_plugin::{Label, Metadata, Plugin, Query, Response, Settings, Shared, Step, Transport};
use cartonym_plugin_template::Template;
use cartonym_testing::{Ask, Canned, Tester, configure, configure_in};
use cartonym_wire::{Class, Flags, OptionCode, Rcode, Section, Ttl, Type};

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

#[tokio::test]
async fn an_alias_that_is_followed_tells_of_the_error_all_the_same() {
    let directive = r#"template IN ANY example. {
        answer "{{ .Name }} 60 IN CNAME {{ slice .Name 0 3 }}.test."
        ederror 21 "not here"
    }"#;
    let tester = Tester::new(configure::<Template>(directive).unwrap().then_shared(Arc::new(Hosts)));
    let answer = tester.wait(Ask::new("web.example. A").edns(1232)).await.unwrap();
    assert_eq!(answer.answers().len(), 2);
    assert_eq!(answer.option(OptionCode::EDE), Some(&b"\0\x15not here"[..]));
    assert!(tester.wait("web.example. A").await.unwrap().edns().is_none());
}

/// Has so many addresses for each name that there is hardly room for another record.
struct Many;

impl Plugin for Many {
    fn name(&self) -> &'static str {
        "many"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        for n in 0..4094_u32 {
            let address = n.to_be_bytes();
            response.record(Section::Answer, query.owner(), Type::A, Ttl::from_secs(7), &address).unwrap();
        }
        Step::Answered
    }
}

#[tokio::test]
async fn what_an_alias_leads_to_is_cut_off_where_it_does_not_fit() {
    let directive = r#"template IN A example. {
        answer "{{ .Name }} 60 IN CNAME web.test."
    }"#;
    let tester = Tester::new(configure::<Template>(directive).unwrap().then_shared(Arc::new(Many)));
    let answer = tester.wait(Ask::new("web.example. A").over(Transport::Tcp)).await.unwrap();
    assert!(answer.flags().has(Flags::TC) && answer.answers().len() > 4000);
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
    assert!(property("anser x").ends_with("(did you mean `answer`?)"));
}

#[test]
fn a_template_whose_condition_is_false_does_not_match() {
    let rule = |more: &str| {
        format!(
            "template IN ANY example. {{\n match ^www\n expr type() == 'A'\n expr not do()\n \
             answer \"{{{{ .Name }}}} 60 IN A 192.0.2.1\"\n {more}\n}}"
        )
    };
    assert_eq!(ask(&rule(""), "www.example. A"), "NOERROR aa\nanswer www.example. 60 A 192.0.2.1");
    assert_eq!(ask(&rule(""), "www.example. AAAA"), "SERVFAIL");
    assert_eq!(ask(&rule("fallthrough"), "www.example. AAAA"), "NOTIMP");
    assert_eq!(ask(&rule("fallthrough"), "other.example. A"), "NOTIMP");
    let tester = tester(&rule("fallthrough"));
    assert_eq!(tester.ask(Ask::new("www.example. A").dnssec_ok()).rcode(), Rcode::NOTIMP);
}

#[test]
fn variables_are_conditions_numbers_and_texts() {
    let rule = r#"template ANY ANY {
 var near incidr(client_ip(), '192.0.2.0/24')
 var size "bufsize() / 2 + 1"
 var kind "type() == 'A' ? 'address' : type()"
 answer "{{ .Name }} 60 IN TXT {{ .Var.near }} {{ printf `%05d` .Var.size }} {{ .Var.kind }} {{ if .Var.near }}in{{ end }}"
}"#;
    let answer =
        |question: &str, from: &str| tester(rule).ask(Ask::new(question).from(from)).answers().concat();
    assert_eq!(answer("a. A", "192.0.2.7"), "a. 60 TXT \"true\" \"00257\" \"address\" \"in\"");
    assert_eq!(answer("a. MX", "198.51.100.7"), "a. 60 TXT \"false\" \"00257\" \"MX\"");
    // One that is not there is a mistake, as any other field is.
    assert_eq!(
        ask("template ANY ANY {\n answer \"{{ .Var.other }}. 60 IN A 192.0.2.1\"\n}", "a. A"),
        "SERVFAIL"
    );
}

#[test]
fn expressions_know_what_was_found_and_the_variables_above() {
    // As CoreDNS's page has it: no addresses but those of some networks.
    let directives = r#"template IN A example. {
 match ^(?P<ip>[0-9]{1,3}(-[0-9]{1,3}){3})[.]example[.]$
 var ip replace(group('ip'), '-', '.')
 expr "any(['192.0.2.0/25', '198.51.100.0/24'], incidr(ip, #))"
 answer "{{ .Name }} 60 IN A {{ .Var.ip }}"
 fallthrough
}"#;
    assert!(ask(directives, "192-0-2-1.example. A").contains("192.0.2.1"));
    assert!(!ask(directives, "192-0-2-200.example. A").contains("192.0.2.200"));
    let kinds = r#"template IN A example. {
 var two "1 + 1"
 var is_two "two == 2"
 var part "is_two ? group('0') : ''"
 answer "{{ .Var.part }} 60 IN A 192.0.2.{{ .Var.two }}"
}"#;
    assert!(ask(kinds, "a.example. A").contains("a.example. 60 A 192.0.2.2"));
}

#[test]
fn what_others_tell_is_asked_for_by_label() {
    let text = r#"template ANY ANY {
 answer "{{ .Name }} 60 IN TXT {{ with .Meta `view/name` }}{{ . }}{{ else }}nobody{{ end }} {{ printf `%q` (.Meta `other/label`) }}"
}"#;
    let answer = |metadata: bool| {
        let (mut settings, shared) = (Settings::default(), Shared::default());
        let block = settings.in_block::<Metadata>();
        block.tell("view/name", Arc::new(Inside));
        if metadata {
            block.turn_on(vec![".".parse().unwrap()]);
        }
        Tester::new(configure_in::<Template>(".", text, &mut settings, &shared).unwrap())
            .ask("a. A")
            .answers()
            .concat()
    };
    assert_eq!(answer(true), "a. 60 TXT \"inside\" \"\"");
    assert_eq!(answer(false), "a. 60 TXT \"nobody\" \"\"");
    // Labels are found when the template is read.
    assert_eq!(
        ask("template ANY ANY {\n answer \"{{ .Name }} 60 IN TXT {{ .Meta .Name }}\"\n}", "a. A"),
        "SERVFAIL"
    );
}

struct Inside;

impl Label for Inside {
    fn text<'a>(&'a self, _: &'a Query<'_>) -> Option<&'a str> {
        Some("inside")
    }
}

#[test]
fn mistakes_in_expressions_are_shown_where_they_are() {
    for (body, mistake) in [
        ("expr", "Corefile:3:2: "),
        ("expr size()", "Corefile:3:7: a condition is expected, not a number"),
        ("expr typ() == 'A'", "Corefile:3:7: there is no `typ`"),
        ("var a", "Corefile:3:2: "),
        ("var a-b 1", "Corefile:3:6: a variable is named by letters, digits and `_`"),
        ("var a [1, 2]", "Corefile:3:8: a value is expected, not a list"),
        ("var a b\n var b 1", "Corefile:3:8: there is no `b`"),
        ("var a group(name())", "Corefile:3:8: `group` takes a name that is written out"),
        ("var a group('nobody')", "Corefile:3:14: no expression has a group `nobody`"),
        ("var a group('hots')\n match (?P<host>.*)", "Corefile:3:14: no expression has a group `hots`"),
        ("match (a)(b)\n expr \"group('3') == ''\"", "Corefile:4:14: no expression has a group `3`"),
        ("var a 1\n var a 2", "Corefile:4:6: there is a `a` already"),
    ] {
        let told =
            configure::<Template>(&format!("template ANY ANY {{\n {body}\n rcode REFUSED\n}}")).unwrap_err();
        assert!(told.starts_with(mistake), "{body}: {told}");
    }
}
