//! A hosts file in, responses out.

use std::time::{Duration, SystemTime};

use cartonym_plugin::{Settings, Shared};
use cartonym_plugin_hosts::Hosts;
use cartonym_responder::Chain;
use cartonym_testing::{Ask, Canned, Tester, configure, configure_in};
use cartonym_wire::{Class, Rcode};
use tempfile::TempDir;

const HOSTS: &str = "
192.0.2.1 a.example b.example # comment
192.0.2.2 a.Example.
2001:db8::1 a.example
192.0.2.52 dup.example dup.example
192.0.2.10 *.w.example
192.0.2.11 x.w.example
192.0.2.77 other.test
fe80::1%eth0 zoned.example
::ffff:192.0.2.9 mapped.example
192.0.2.3
nonsense c.example
192.0.2.4 a..b # not a name
";

/// A chain with `hosts`, its file in a folder of its own.
fn chain(properties: &str) -> (TempDir, Chain) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hosts"), HOSTS).unwrap();
    let mut settings = Settings::default();
    settings.root = folder.path().to_owned();
    let directive = format!("hosts hosts example {{\n{properties}\n}}");
    let chain = configure_in::<Hosts>(".", &directive, &mut settings, &Shared::default()).unwrap();
    (folder, chain.then(Canned::default().rcode(Rcode::NOTIMP)))
}

fn ask(properties: &str, question: &str) -> String {
    Tester::new(chain(properties).1).ask(question).to_string()
}

fn a(owner: &str, last: &str) -> String {
    format!("\nanswer {owner} 3600 A 192.0.2.{last}")
}

#[test]
fn names_have_their_addresses() {
    let of_a = format!("NOERROR aa{}{}", a("a.example.", "1"), a("a.example.", "2"));
    assert_eq!(ask("", "a.example. A"), of_a);
    assert_eq!(ask("", "a.example. AAAA"), "NOERROR aa\nanswer a.example. 3600 AAAA 2001:db8::1");
    assert_eq!(ask("", "B.example. A"), format!("NOERROR aa{}", a("B.example.", "1")));
    assert_eq!(ask("", "dup.example. A"), format!("NOERROR aa{}", a("dup.example.", "52")));
    assert_eq!(ask("", "mapped.example. A"), format!("NOERROR aa{}", a("mapped.example.", "9")));
    assert_eq!(ask("", "zoned.example. AAAA"), "NOERROR aa\nanswer zoned.example. 3600 AAAA fe80::1");
}

#[test]
fn other_types_of_a_name_have_nothing() {
    for question in
        ["b.example. AAAA", "zoned.example. A", "a.example. MX", "a.example. SOA", "a.example. ANY"]
    {
        assert_eq!(ask("", question), "NOERROR aa", "{question}");
    }
    let passing = "fallthrough\nfallthrough_unsupported";
    assert_eq!(ask(passing, "a.example. MX"), "NOTIMP");
    assert_eq!(ask(passing, "b.example. AAAA"), "NOERROR aa");
}

#[test]
fn a_wildcard_stands_for_one_label() {
    assert_eq!(ask("", "y.w.example. A"), format!("NOERROR aa{}", a("y.w.example.", "10")));
    assert_eq!(ask("", "x.w.example. A"), format!("NOERROR aa{}", a("x.w.example.", "11")));
    assert_eq!(ask("", "y.w.example. TXT"), "NOERROR aa");
    assert_eq!(ask("", "a.b.w.example. A"), "SERVFAIL");
    assert_eq!(ask("", "w.example. A"), "SERVFAIL");
}

#[test]
fn what_is_not_there_falls_through_or_fails() {
    assert_eq!(ask("", "nope.example. A"), "SERVFAIL");
    assert_eq!(ask("", "example. SOA"), "SERVFAIL");
    assert_eq!(ask("fallthrough", "nope.example. A"), "NOTIMP");
    assert_eq!(ask("fallthrough sub.example", "nope.sub.example. A"), "NOTIMP");
    assert_eq!(ask("fallthrough sub.example", "nope.example. A"), "SERVFAIL");
    assert_eq!(ask("", "other.test. A"), "NOTIMP", "not in the zones");
}

#[test]
fn addresses_have_their_names() {
    assert_eq!(
        ask("", "1.2.0.192.in-addr.arpa. PTR"),
        "NOERROR aa\nanswer 1.2.0.192.in-addr.arpa. 3600 PTR a.example.\nanswer 1.2.0.192.in-addr.arpa. 3600 PTR b.example."
    );
    for missing in
        ["99.2.0.192.in-addr.arpa. PTR", "77.2.0.192.in-addr.arpa. PTR", "10.2.0.192.in-addr.arpa. PTR"]
    {
        assert_eq!(ask("", missing), "NOTIMP", "{missing}");
    }
    assert_eq!(ask("no_reverse", "1.2.0.192.in-addr.arpa. PTR"), "NOTIMP");
}

#[test]
fn the_directive_has_lines_of_its_own() {
    let lines = "192.0.2.50 inl.example other.test\n192.0.2.51 dup.example\nttl 60";
    assert_eq!(ask(lines, "inl.example. A"), "NOERROR aa\nanswer inl.example. 60 A 192.0.2.50");
    assert_eq!(
        ask(lines, "dup.example. A"),
        "NOERROR aa\nanswer dup.example. 60 A 192.0.2.52\nanswer dup.example. 60 A 192.0.2.51"
    );
}

#[test]
fn other_classes_go_on() {
    let tester = Tester::new(chain("").1);
    assert_eq!(tester.ask(Ask::new("a.example. A").class(Class::CH)).rcode(), Rcode::NOTIMP);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_is_read_again() {
    let (folder, chain) = chain("reload 1s");
    let background = tokio::spawn(chain.plugins().next().unwrap().clone().background().unwrap());
    let tester = Tester::new(chain);
    let ask = |question: &str| tester.ask(question).to_string();
    for (step, text, question, expected) in [
        (1, "192.0.2.200 new.example\n", "new.example. A", format!("NOERROR aa{}", a("new.example.", "200"))),
        (
            2,
            "192.0.2.2 newer.example\n",
            "newer.example. A",
            format!("NOERROR aa{}", a("newer.example.", "2")),
        ),
    ] {
        let path = folder.path().join("hosts");
        std::fs::write(&path, text).unwrap();
        // A time of change that no other version of it has: they are of one length.
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(step)).unwrap();
        wait_until(|| ask(question) == expected).await;
        assert_eq!(ask("a.example. A"), "SERVFAIL");
    }
    std::fs::remove_file(folder.path().join("hosts")).unwrap();
    wait_until(|| ask("newer.example. A") == "SERVFAIL").await;
    background.abort();
}

/// Time passes as fast as nothing else happens; the file is read on a thread of its own.
async fn wait_until(done: impl Fn() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("it has not come to pass");
}

#[test]
fn a_file_need_not_exist() {
    let chain = configure::<Hosts>("hosts /nonexistent/hosts {\n192.0.2.1 a.example\n}").unwrap();
    assert_eq!(Tester::new(chain).ask("a.example. A").answers().len(), 1);
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let error = |properties: &str| configure::<Hosts>(&format!("hosts {{\n{properties}\n}}")).unwrap_err();
    assert!(error("ttl 0").contains("a TTL of 0 seconds"));
    assert!(error("ttl 65536").contains("`65536` is not a TTL"));
    assert!(error("reload 5").contains("not a duration"));
    assert!(error("falthrough").ends_with("(did you mean `fallthrough`?)"));
    assert!(error("192.0.2.1").contains("takes at least 1 argument"));
    assert!(error("192.0.2.1 a..b").starts_with("Corefile:3:11: `a..b` is not a domain name"));
    assert!(configure::<Hosts>("hosts\nhosts").unwrap_err().contains("may appear only once"));
}
