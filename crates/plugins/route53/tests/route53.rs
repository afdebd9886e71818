//! Hosted zones of a Route 53 on the loopback interface, asked through a responder.

mod common;

use std::sync::Arc;

use cartonym_plugin::{Metrics, Plugin, Settings, Shared};
use cartonym_plugin_route53::Route53;
use cartonym_responder::Chain;
use cartonym_testing::{Canned, Tester, configure, configure_in, conformance_of_directive};
use common::{Fake, Mood, alias, set, until};
use tokio::runtime::Runtime;

/// A plugin that keeps its zones, and who asks it.
struct Kept {
    plugin: Arc<dyn Plugin>,
    tester: Tester,
    _runtime: Runtime,
}

impl Kept {
    /// Keeps these hosted zones of `fake`, as `more` lines say.
    fn start(fake: &Fake, zones: &str, more: &str) -> Kept {
        Kept::with(&format!("route53 {zones} {{\n{}{more}\n}}", fake.lines()))
    }

    fn with(directive: &str) -> Kept {
        Kept::of(configure::<Route53>(directive).unwrap())
    }

    fn of(chain: Chain) -> Kept {
        let plugin = chain.plugins().next().unwrap().clone();
        let runtime = Runtime::new().unwrap();
        runtime.spawn(Arc::clone(&plugin).background().unwrap());
        let tester = Tester::new(chain.then(Canned::new("next.test. 60 A 192.0.2.99")));
        Kept { plugin, tester, _runtime: runtime }
    }

    /// As `start`, and all of them are read.
    fn ready(fake: &Fake, zones: &str, more: &str) -> Kept {
        let kept = Kept::start(fake, zones, more);
        until("the zones are read", || kept.plugin.ready());
        kept
    }

    /// The rcode, and the RDATA of what is answered.
    fn ask(&self, question: &str) -> String {
        let answer = self.tester.ask(question);
        let rdata = answer.answers();
        let rdata = rdata.iter().map(|record| record.splitn(3, ' ').nth(2).unwrap().to_owned());
        format!("{} {}", answer.rcode(), rdata.collect::<Vec<_>>().join(", ")).trim_end().to_owned()
    }
}

#[test]
fn it_keeps_the_contract() {
    conformance_of_directive::<Route53>("route53 example:Z1 {\nrefresh 1h\n}");
}

#[test]
fn records_of_all_pages_are_answered() {
    let fake = Fake::start();
    let sets = [
        set(r"\052.wild.example.", "A", &["192.0.2.7"]),
        set("text.example.", "TXT", &[r#""a\040b" "\"c\"""#]),
        set("mail.example.", "MX", &["10 a.example.", "20 b.example."]),
        set("pool.example.", "A", &["192.0.2.1"]).weighted("one"),
        set("pool.example.", "A", &["192.0.2.2"]).weighted("two"),
        set("turn.example.", "CNAME", &["text.example."]).weighted("one"),
        set("turn.example.", "CNAME", &["mail.example."]).weighted("two"),
        set("bad.example.", "A", &["nowhere"]),
        set("www.elsewhere.", "A", &["192.0.2.3"]),
        set("last.example.", "A", &["192.0.2.9"]),
    ];
    fake.hosts("Z1", "example.", sets);
    let kept = Kept::ready(&fake, "example:Z1", "");
    for (question, expected) in [
        ("last.example. A", "NOERROR A 192.0.2.9"),
        ("x.wild.example. A", "NOERROR A 192.0.2.7"),
        ("text.example. TXT", r#"NOERROR TXT "a b" "\"c\"""#),
        ("mail.example. MX", "NOERROR MX 10 a.example., MX 20 b.example."),
        ("pool.example. A", "NOERROR A 192.0.2.1, A 192.0.2.2"),
        ("turn.example. TXT", r#"NOERROR CNAME text.example., TXT "a b" "\"c\"""#),
        ("example. NS", "NOERROR NS ns-1.test., NS ns-2.test."),
        ("last.example. AAAA", "NOERROR"),
        ("bad.example. A", "NXDOMAIN"),
        ("none.example. A", "NXDOMAIN"),
        ("www.elsewhere. A", "NOERROR A 192.0.2.99"),
    ] {
        assert_eq!(kept.ask(question), expected, "{question}");
    }
    assert!(fake.asked().iter().any(|path| path.contains("identifier=")), "a page begins within a policy");
}

#[test]
fn aliases_of_the_hosted_zone_itself_are_answered_and_others_left_out() {
    let fake = Fake::start();
    let sets = [
        alias("example.", "A", "Z1", "first.example."),
        alias("first.example.", "A", "Z1", "second.example."),
        set("second.example.", "A", &["192.0.2.1"]),
        alias("round.example.", "A", "Z1", "square.example."),
        alias("square.example.", "A", "Z1", "round.example."),
        alias("balanced.example.", "A", "ZELB", "lb.elb.test."),
    ];
    fake.hosts("Z1", "example.", sets);
    let kept = Kept::ready(&fake, "example:Z1", "");
    assert_eq!(kept.ask("example. A"), "NOERROR A 192.0.2.1");
    assert_eq!(kept.ask("first.example. A"), "NOERROR A 192.0.2.1");
    assert_eq!(kept.ask("round.example. A"), "NXDOMAIN");
    assert_eq!(kept.ask("balanced.example. A"), "NXDOMAIN");
}

#[test]
fn a_change_is_answered_and_what_was_goes_on_through_errors() {
    let fake = Fake::start();
    let www = |host: u8| set("www.example.", "A", &[&format!("192.0.2.{host}")]);
    fake.hosts("Z1", "example.", [www(1)]);
    let kept = Kept::ready(&fake, "example:Z1", "");
    let answers = |host: u8| kept.ask("www.example. A") == format!("NOERROR A 192.0.2.{host}");
    assert!(answers(1));
    fake.hosts("Z1", "example.", [www(2)]);
    until("the change is answered", || answers(2));
    for mood in [Mood::Refusing, Mood::Circling] {
        fake.set_mood(mood);
        fake.hosts("Z1", "example.", [www(3)]);
        fake.asked();
        let mut count = 0;
        // Of a circle some pages are read each time.
        until("it has been asked again", || {
            count += fake.asked().len();
            count > 8
        });
        assert!(answers(2) && kept.plugin.ready(), "{mood:?}");
    }
    fake.set_mood(Mood::Well);
    until("it is well again", || answers(3));
}

#[test]
fn before_it_is_read_a_zone_is_not_ready_and_asked_for_again() {
    let fake = Fake::start();
    let kept = Kept::start(&fake, "example:Z1", "fallthrough");
    let mut count = 0;
    until("it has been asked for twice", || {
        count += fake.asked().len();
        count > 1
    });
    assert!(!kept.plugin.ready());
    assert_eq!(kept.ask("www.example. A"), "SERVFAIL");
    assert_eq!(kept.ask("www.elsewhere. A"), "NOERROR A 192.0.2.99");
    fake.hosts("Z1", "example.", [set("www.example.", "A", &["192.0.2.1"])]);
    until("it is there", || kept.ask("www.example. A") == "NOERROR A 192.0.2.1");
    assert!(kept.plugin.ready());
}

#[test]
fn another_configuration_goes_on_with_what_is_known() {
    let fake = Fake::start();
    fake.hosts("Z1", "example.", [set("www.example.", "A", &["192.0.2.1"])]);
    let old = Kept::ready(&fake, "example:Z1", "");
    fake.set_mood(Mood::Refusing);
    let new = Kept::start(&fake, "example:Z1", "refresh 10ms");
    assert_eq!(new.ask("www.example. A"), "NOERROR A 192.0.2.1");
    drop(old);
    fake.set_mood(Mood::Well);
    fake.hosts("Z1", "example.", [set("www.example.", "A", &["192.0.2.2"])]);
    until("it is read on", || new.ask("www.example. A") == "NOERROR A 192.0.2.2");
}

#[test]
fn the_hosted_zone_of_another_name_is_not_served() {
    let fake = Fake::start();
    fake.hosts("Z1", "elsewhere.", [set("www.example.", "A", &["192.0.2.1"])]);
    let kept = Kept::start(&fake, "example:Z1", "");
    let mut count = 0;
    until("it has been read", || {
        count += fake.asked().len();
        count > 1
    });
    assert_eq!(kept.ask("www.example. A"), "SERVFAIL");
}

#[test]
fn of_several_hosted_zones_the_first_that_has_the_name_answers() {
    let fake = Fake::start();
    let inside = [set("www.example.", "A", &["192.0.2.1"]), set("inside.example.", "A", &["192.0.2.1"])];
    let outside =
        [set("www.example.", "AAAA", &["2001:db8::2"]), set("outside.example.", "A", &["192.0.2.2"])];
    fake.hosts("Z1", "example.", inside);
    fake.hosts("Z2", "example.", outside);
    fake.hosts("Z3", "sub.example.", []);
    let kept = Kept::ready(&fake, "example:Z1 sub.example.:Z3 Example.:Z2", "fallthrough example");
    for (question, expected) in [
        ("www.example. A", "NOERROR A 192.0.2.1"),
        // The name is there: the second is not asked.
        ("www.example. AAAA", "NOERROR"),
        ("inside.example. A", "NOERROR A 192.0.2.1"),
        ("outside.example. A", "NOERROR A 192.0.2.2"),
        ("none.example. A", "NOERROR A 192.0.2.99"),
        ("none.sub.example. A", "NOERROR A 192.0.2.99"),
    ] {
        assert_eq!(kept.ask(question), expected, "{question}");
    }
    let kept = Kept::ready(&fake, "example:Z1 sub.example.:Z3 example:Z2", "fallthrough sub.example");
    assert_eq!(kept.ask("none.example. A"), "NXDOMAIN");
    assert_eq!(kept.ask("none.sub.example. A"), "NOERROR A 192.0.2.99");
}

#[test]
fn requests_are_signed_by_who_is_meant() {
    let fake = Fake::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    std::fs::write(&file, "[dns]\naws_access_key_id = AKDNS\naws_secret_access_key = hush\n").unwrap();
    let key = Kept::start(&fake, "example:Z1", "");
    until("it is signed by the key", || fake.key() == "AKID");
    drop(key);
    let directive =
        format!("route53 example:Z1 {{\n{}credentials dns {}\n}}", fake.endpoint(), file.display());
    let _profile = Kept::with(&directive);
    until("it is signed by the profile's key", || fake.key() == "AKDNS");
}

#[test]
fn what_cannot_be_read_or_served_is_counted() {
    let fake = Fake::start();
    let shared = Shared::default();
    let directive = format!("route53 example:Z1 {{\n{}\n}}", fake.lines());
    let kept = Kept::of(configure_in::<Route53>(".", &directive, &mut Settings::default(), &shared).unwrap());
    let metrics = shared.get::<Metrics>();
    let tells = |what: &str, count: u8| {
        let line = format!("cartonym_route53_{what}{{zone=\"example.\",id=\"Z1\"}} {count}\n");
        metrics.text().contains(&line)
    };
    assert!(tells("connected", 0), "{}", metrics.text());
    fake.hosts("Z1", "example.", [set("bad.example.", "A", &["nowhere"])]);
    until("it is read", || tells("connected", 1));
    assert!(tells("left_out", 1) && kept.plugin.ready(), "{}", metrics.text());
    fake.set_mood(Mood::Refusing);
    until("it is refused", || tells("connected", 0));
}

#[test]
fn mistakes_are_said_with_their_place() {
    for (text, place) in [
        ("route53 example", "2:9"),
        ("route53 :Z1", "2:9"),
        ("route53 example:", "2:9"),
        ("route53 a..b:Z1", "2:9"),
        ("route53 example:Z1 Example.:Z1", "2:20"),
        ("route53 {\naws_access_key AKID\n}", "3:"),
        ("route53 {\naws_endpoint 127.0.0.1:80\n}", "3:14"),
        ("route53 {\ncredentials\n}", "3:"),
        ("route53 {\nrefresh 0\n}", "3:9"),
        ("route53 {\nrefresh soon\n}", "3:9"),
        ("route53 {\nmax_retries 3\n}", "3:1"),
    ] {
        let error = configure::<Route53>(text).map(drop).unwrap_err();
        assert!(error.starts_with(&format!("Corefile:{place}")), "{text}: {error}");
    }
}
