//! Query in, decision out.

use std::any::Any;

use cartonym_plugin::Transport;
use cartonym_plugin_acl::{Acl, Action};
use cartonym_responder::Chain;
use cartonym_testing::{Ask, Canned, Tester, configure};
use cartonym_wire::{OptionCode, Rcode};

fn tester(directives: &str) -> Tester {
    Tester::new(configure::<Acl>(directives).unwrap().then(Canned::new("a. 60 A 192.0.2.1")))
}

/// `allow`, `block`, `filter` or `drop`, as the client sees it.
fn fate(tester: &Tester, ask: Ask) -> &'static str {
    if tester.drops(&ask) {
        return "drop";
    }
    let answer = tester.ask(&ask);
    match (answer.rcode(), answer.answers().len()) {
        (Rcode::NOERROR, 1) => "allow",
        (Rcode::NOERROR, 0) => "filter",
        (Rcode::REFUSED, 0) => "block",
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_rule_that_fits_decides() {
    let tester = tester(
        "acl {
            allow type A net 192.0.2.1
            filter type AAAA net 192.0.2.0/24
            drop type TYPE65 MX
            block net 192.0.2.0/24 2001:db8::/32
            allow
            block
        }",
    );
    let table = [
        ("a. A", "192.0.2.1", "allow"),
        ("a. A", "192.0.2.2", "block"),
        ("a. A", "[::ffff:192.0.2.2]:53", "block"),
        ("a. AAAA", "192.0.2.1", "filter"),
        ("a. AAAA", "198.51.100.1", "allow"),
        ("a. HTTPS", "198.51.100.1", "drop"),
        ("a. MX", "192.0.2.1", "drop"),
        ("a. TXT", "2001:db8::1", "block"),
        ("a. TXT", "2001:db9::1", "allow"),
    ];
    for (question, client, expected) in table {
        assert_eq!(fate(&tester, Ask::new(question).from(client)), expected, "{question} {client}");
    }
}

#[test]
fn an_asterisk_is_all() {
    let tester = tester("acl {\nblock type A * net 192.0.2.1 *\n}");
    assert_eq!(fate(&tester, Ask::new("a. MX").from("198.51.100.1")), "block");
}

#[test]
fn rules_are_about_zones() {
    let tester = tester("acl example. {\nblock\n}\nacl other. {\nallow\n}\nacl . {\ndrop\n}");
    assert_eq!(fate(&tester, "www.EXAMPLE. A".into()), "block");
    assert_eq!(fate(&tester, "other. A".into()), "allow");
    assert_eq!(fate(&tester, "elsewhere. A".into()), "drop");
}

#[test]
fn the_reason_goes_to_who_has_edns() {
    let tester = tester("acl {\nblock type A\nfilter\n}");
    let reason =
        |question: &str| tester.ask(Ask::new(question).edns(1232)).option(OptionCode::EDE).unwrap().to_vec();
    assert_eq!((reason("a. A"), reason("a. MX")), (vec![0, 15], vec![0, 17]));
    assert!(tester.ask("a. A").edns().is_none());
    assert_eq!(tester.ask("a. MX").to_string(), "NOERROR");
}

#[test]
fn what_this_server_asks_itself_is_allowed() {
    assert_eq!(fate(&tester("acl {\ndrop\n}"), Ask::new("a. A").over(Transport::Internal)), "allow");
}

#[test]
fn fates_are_counted() {
    let chain = configure::<Acl>("acl {\nblock type A\ndrop type MX\n}").unwrap();
    let acl = chain.plugins().next().unwrap().clone();
    let tester = Tester::new(Chain::new().then_shared(acl.clone()).then(Canned::default()));
    for question in ["a. A", "a. A", "a. AAAA"] {
        tester.ask(question);
    }
    assert!(tester.drops("a. MX"));
    let acl = (&*acl as &dyn Any).downcast_ref::<Acl>().unwrap();
    let counts = [Action::Allow, Action::Block, Action::Filter, Action::Drop].map(|action| acl.count(action));
    assert_eq!(counts, [1, 2, 0, 1]);
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let error = |rule: &str| configure::<Acl>(&format!("acl {{\n{rule}\n}}")).unwrap_err();
    assert!(error("blok").ends_with("(did you mean `block`?)"));
    assert!(error("block types A").starts_with("Corefile:3:7: `types` is not one of"));
    assert!(error("block type").starts_with("Corefile:3:7: `type` takes at least 1 argument"));
    assert!(error("block type net 10.0.0.1").contains("`type` takes at least 1 argument"));
    assert!(error("block type BOGUS").starts_with("Corefile:3:12: `BOGUS` is not a type"));
    assert!(error("block net 10.0.0.0/33").contains("neither an address nor a network"));
}
