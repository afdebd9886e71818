//! Query in, response out.

use cartonym_plugin_chaos::Chaos;
use cartonym_testing::{Answer, Ask, Canned, Tester, configure};
use cartonym_wire::{Class, Rcode};

fn ask(tester: &Tester, question: &str) -> Answer {
    tester.ask(Ask::new(question).class(Class::CH))
}

fn tester() -> Tester {
    Tester::of(Chaos::new("1.0", "host-1", ["me", "you", "they"]))
}

#[test]
fn the_version_and_the_name_are_told() {
    assert_eq!(
        ask(&tester(), "version.bind. TXT").to_string(),
        "NOERROR\nanswer version.bind. 0 CH TXT \"1.0\""
    );
    assert_eq!(ask(&tester(), "VERSION.server. TXT").answers(), ["VERSION.server. 0 CH TXT \"1.0\""]);
    assert_eq!(ask(&tester(), "hostname.bind. TXT").answers(), ["hostname.bind. 0 CH TXT \"host-1\""]);
    assert_eq!(ask(&tester(), "id.server. TXT").answers(), ["id.server. 0 CH TXT \"host-1\""]);
}

#[test]
fn the_authors_come_in_turns() {
    let line = |author: &str| format!("authors.bind. 0 CH TXT \"{author}\"");
    assert_eq!(ask(&tester(), "authors.bind. TXT").answers(), ["me", "you", "they"].map(line));
    assert_eq!(ask(&tester().random(5), "authors.bind. TXT").answers(), ["they", "me", "you"].map(line));
}

#[test]
fn a_long_text_is_several_strings() {
    let tester = Tester::of(Chaos::new(&"x".repeat(300), "", [""; 0]));
    let record = &ask(&tester, "version.bind. TXT").answers()[0];
    assert!(record.ends_with(&format!("\"{}\" \"{}\"", "x".repeat(255), "x".repeat(45))));
    assert_eq!(ask(&tester, "id.server. TXT").answers(), ["id.server. 0 CH TXT \"\""]);
}

#[test]
fn all_others_go_on() {
    let chain = configure::<Chaos>("chaos").unwrap().then(Canned::default().rcode(Rcode::NOTIMP));
    let tester = Tester::new(chain);
    assert_eq!(tester.ask("version.bind. TXT").rcode(), Rcode::NOTIMP, "class IN");
    for question in ["version.bind. A", "other.bind. TXT", "authors.bind. TXT"] {
        assert_eq!(ask(&tester, question).rcode(), Rcode::NOTIMP, "{question}");
    }
    assert!(ask(&tester, "version.bind. TXT").answers()[0].contains("Cartonym-"));
}
