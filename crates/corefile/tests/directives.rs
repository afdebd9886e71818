//! What plugins ask of their directives, and what a user is told who wrote them wrong.

use std::time::Duration;

use cartonym_corefile::{Corefile, Directive, Error, Memory, Word, zones};

fn directive(text: &str) -> Directive {
    let corefile = Corefile::parse("t", &format!(".\n{text}"), &Memory::new()).unwrap();
    corefile.servers[0].directives[0].clone()
}

fn word(text: &str) -> Word {
    directive(&format!("x {text}")).args[0].clone()
}

/// Expects an error with this text and this help; an empty help is none.
#[track_caller]
fn check<T: std::fmt::Debug>(result: Result<T, Error>, message: &str, help: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.to_string(), message);
    assert_eq!(error.help.unwrap_or_default(), help);
}

#[test]
fn a_wrong_number_of_arguments_is_told() {
    let none = directive("cache");
    let two = directive("cache a b");
    assert!(none.no_args().is_ok() && none.optional_arg().unwrap().is_none());
    assert_eq!(two.arg_count(1..=2).unwrap().len(), 2);
    assert_eq!(two.arg_count(2..).unwrap().len(), 2);
    assert_eq!(directive("cache 30").one_arg().unwrap(), &"30");
    check(two.no_args(), "t:2:7: `cache` takes no argument, but has 2", "");
    check(two.one_arg(), "t:2:9: `cache` takes 1 argument, but has 2", "");
    check(two.optional_arg(), "t:2:9: `cache` takes 0 to 1 argument, but has 2", "");
    check(none.one_arg(), "t:2:1: `cache` takes 1 argument, but has 0", "");
    check(none.arg_count(1..=2), "t:2:1: `cache` takes 1 to 2 arguments, but has 0", "");
    check(none.arg_count(2..), "t:2:1: `cache` takes at least 2 arguments, but has 0", "");
    check(two.arg_count(..2), "t:2:9: `cache` takes 0 to 1 argument, but has 2", "");
}

#[test]
fn a_block_that_is_not_expected_is_told() {
    assert!(directive("log").no_block().is_ok());
    assert_eq!(directive("log").block_entries(), []);
    check(directive("log {\n}").no_block(), "t:2:1: `log` has no properties, and takes no `{`", "");
}

#[test]
fn an_unknown_name_finds_its_nearest() {
    let property = &directive("transfer {\n tp 192.0.2.1\n}").block_entries()[0].clone();
    let unexpected = |known: &[&str]| Err::<(), _>(property.unexpected_property(known));
    check(unexpected(&["to", "source"]), "t:3:2: unknown property `tp`", "did you mean `to`?");
    check(unexpected(&["from"]), "t:3:2: unknown property `tp`", "the properties are `from`");
    check(
        unexpected(&["a1b", "c2d", "e3f"]),
        "t:3:2: unknown property `tp`",
        "the properties are `a1b`, `c2d` and `e3f`",
    );
    check(unexpected(&[]), "t:3:2: unknown property `tp`", "");
    let unknown = |text| Err::<(), _>(directive(text).unknown_directive(&["forward", "cache"]));
    check(unknown("forwrad ."), "t:2:1: unknown directive `forwrad`", "did you mean `forward`?");
    check(unknown("foo"), "t:2:1: unknown directive `foo`", "");
    check(unknown("\"{\""), "t:2:1: unknown directive `{`", "");
}

#[test]
fn a_second_directive_points_at_the_first() {
    let corefile = Corefile::parse("t", ".\ncache\nlog\n cache 1", &Memory::new()).unwrap();
    let caches: Vec<_> = corefile.servers[0].named("cache").collect();
    check(
        Err::<(), _>(caches[1].repeated(caches[0])),
        "t:4:2: `cache` may appear only once",
        "the first is at t:2:1",
    );
}

#[test]
fn a_word_is_read_as_a_number_a_duration_or_a_choice() {
    assert_eq!(word("8080").parse("a port"), Ok(8080u16));
    check(word("http").parse::<u16>("a port"), "t:2:3: `http` is not a port", "");
    assert_eq!(word("1.5s").duration(), Ok(Duration::from_millis(1500)));
    assert_eq!(word("30").duration_or_seconds(), Ok(Duration::from_secs(30)));
    assert_eq!(word("1m").duration_or_seconds(), Ok(Duration::from_secs(60)));
    let help = "a duration is written as `300ms`, `5s` or `1h30m`";
    check(word("30").duration(), "t:2:3: `30` is not a duration", help);
    check(word("-1").duration_or_seconds(), "t:2:3: `-1` is not a duration", help);
    let choices = ["random", "round_robin", "sequential"];
    assert_eq!(word("random").one_of(&choices), Ok("random"));
    let message = "t:2:3: `round-robin` is not one of `random`, `round_robin` or `sequential`";
    check(word("round-robin").one_of(&choices), message, "did you mean `round_robin`?");
}

#[test]
fn a_message_shows_a_word_on_one_line_and_cut() {
    let long = word(&format!("\"a\n{}\"", "b".repeat(100)));
    check(long.parse::<u8>("a number"), &format!("t:2:3: `a\\n{}...` is not a number", "b".repeat(62)), "");
}

#[test]
fn zones_are_normalised_and_networks_expanded() {
    let arguments = directive("file Example.ORG 10.0.0.0/23 . tls://a:1").args;
    let expected = ["example.org.", "0.0.10.in-addr.arpa.", "1.0.10.in-addr.arpa.", ".", "a."];
    assert_eq!(zones(&arguments).unwrap(), expected);
    check(zones(&directive("file a b..c").args), "t:2:8: `b..c` is not a domain name: a label is empty", "");
    check(
        zones(&directive("file \"\"").args),
        "t:2:6: an empty word is not a zone",
        "the root zone is written as `.`",
    );
}

#[test]
fn a_server_knows_its_zones() {
    let corefile = Corefile::parse("t", "a 10.0.0.0/31 {\n}", &Memory::new()).unwrap();
    assert_eq!(corefile.servers[0].zones(), ["a.", "0.0.0.10.in-addr.arpa.", "1.0.0.10.in-addr.arpa."]);
}
