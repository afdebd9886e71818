//! Query in, response out.

use cartonym_plugin::{Plugin, Query, Response, Step};
use cartonym_plugin_header::Header;
use cartonym_testing::{Ask, Tester, configure};
use cartonym_wire::Flags;

/// Answers AA, and RA to who desires recursion.
struct Recursive;

impl Plugin for Recursive {
    fn name(&self) -> &'static str {
        "recursive"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        response.set_authoritative(true);
        response.set_flag(Flags::RA, query.flags().has(Flags::RD));
        Step::Answered
    }
}

fn flags(rules: &str, asked: Flags) -> Flags {
    let chain = configure::<Header>(&format!("header {{\n{rules}\n}}")).unwrap();
    Tester::new(chain.then(Recursive)).ask(Ask::new("a. A").flags(asked)).flags()
}

#[test]
fn flags_of_the_response_change() {
    let base = Flags::QR.with(Flags::RD, true);
    let table = [
        ("", base.with(Flags::AA, true).with(Flags::RA, true)),
        ("response clear aa", base.with(Flags::RA, true)),
        ("response clear aa ra rd", Flags::QR),
        ("response clear aa ra\nresponse set aa", base.with(Flags::AA, true)),
    ];
    for (rules, expected) in table {
        assert_eq!(flags(rules, Flags::RD), expected, "{rules}");
    }
}

#[test]
fn flags_of_the_query_change_for_those_behind() {
    assert!(!flags("query clear rd", Flags::RD).has(Flags::RA));
    assert!(flags("query clear rd", Flags::RD).has(Flags::RD), "the client's own flag comes back");
    assert!(flags("query set rd", Flags::default()).has(Flags::RA));
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let error = |rules: &str| configure::<Header>(&format!("header {{\n{rules}\n}}")).unwrap_err();
    assert!(error("set aa").starts_with("Corefile:3:1: `set` is not one of"));
    assert!(error("response set").contains("takes at least 2 arguments"));
    assert!(error("response toggle aa").starts_with("Corefile:3:10:"));
    assert!(error("response set tc").starts_with("Corefile:3:14:"));
}
