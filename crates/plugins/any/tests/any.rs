//! Query in, response out.

use cartonym_plugin_any::Any;
use cartonym_testing::{Canned, Tester, configure};

#[test]
fn any_is_answered_with_hinfo() {
    assert_eq!(
        Tester::of(Any).ask("www.example. ANY").to_string(),
        "NOERROR\nanswer www.example. 8482 HINFO \"ANY obsoleted\" \"See RFC 8482\""
    );
}

#[test]
fn other_types_go_on() {
    let tester = Tester::new(configure::<Any>("any").unwrap().then(Canned::new("a. 60 A 192.0.2.1")));
    assert_eq!(tester.ask("a. A").to_string(), "NOERROR\nanswer a. 60 A 192.0.2.1");
    assert_eq!(tester.ask("a. HINFO").answers().len(), 1);
}

#[test]
fn it_takes_nothing() {
    assert!(configure::<Any>("any thing").unwrap_err().contains("takes no argument"));
    assert!(configure::<Any>("any {\n}").unwrap_err().contains("has no properties"));
}
