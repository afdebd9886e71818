//! Query in, response out.

use cartonym_plugin_local::Local;
use cartonym_responder::Chain;
use cartonym_testing::{Canned, Tester, configure};
use cartonym_wire::Rcode;

fn ask(question: &str) -> String {
    let chain = Chain::new().then(Local::new(true)).then(Canned::default().rcode(Rcode::NOTIMP));
    Tester::new(chain).ask(question).to_string()
}

const SOA: &str = "604800 SOA localhost. root.localhost. 1 0 0 0 604800";

#[test]
fn names_of_this_host_have_its_addresses() {
    assert_eq!(ask("localhost. A"), "NOERROR\nanswer localhost. 604800 A 127.0.0.1");
    assert_eq!(ask("LOCALHOST. AAAA"), "NOERROR\nanswer LOCALHOST. 604800 AAAA ::1");
    assert_eq!(ask("a.localhost. A"), "NOERROR\nanswer a.localhost. 604800 A 127.0.0.1");
    assert_eq!(ask("localhost.example. A"), "NOERROR\nanswer localhost.example. 604800 A 127.0.0.1");
    assert_eq!(ask("localhost. MX"), format!("NOERROR\nauthority localhost. {SOA}"));
    assert_eq!(ask("a.localhost. TXT"), format!("NOERROR\nauthority a.localhost. {SOA}"));
}

#[test]
fn their_zone_has_an_apex() {
    assert_eq!(ask("localhost. NS"), "NOERROR\nanswer localhost. 604800 NS localhost.");
    assert_eq!(ask("localhost. SOA"), format!("NOERROR\nanswer localhost. {SOA}"));
    assert_eq!(ask("127.in-addr.arpa. NS"), "NOERROR\nanswer 127.in-addr.arpa. 604800 NS localhost.");
    assert_eq!(ask("0.in-addr.arpa. A"), format!("NOERROR\nauthority 0.in-addr.arpa. {SOA}"));
}

#[test]
fn addresses_have_one_name() {
    assert_eq!(
        ask("1.0.0.127.in-addr.arpa. PTR"),
        "NOERROR\nanswer 1.0.0.127.in-addr.arpa. 604800 PTR localhost."
    );
    assert_eq!(ask("1.0.0.127.in-addr.arpa. A"), format!("NOERROR\nauthority 127.in-addr.arpa. {SOA}"));
    assert_eq!(ask("2.0.0.127.in-addr.arpa. PTR"), format!("NXDOMAIN\nauthority 127.in-addr.arpa. {SOA}"));
    assert_eq!(
        ask("255.255.255.255.in-addr.arpa. PTR"),
        format!("NXDOMAIN\nauthority 255.in-addr.arpa. {SOA}")
    );
}

#[test]
fn other_names_go_on() {
    for question in
        ["example. A", "xlocalhost. A", "a.xlocalhost. A", "localhostx.example. A", "1.in-addr.arpa. A"]
    {
        assert_eq!(ask(question), "NOTIMP", "{question}");
    }
    assert_eq!(ask(". A"), "NOTIMP");
}

#[test]
fn the_prefix_can_be_left_alone() {
    let chain = configure::<Local>("local {\nlocalhost_prefix off\n}").unwrap();
    let tester = Tester::new(chain.then(Canned::default().rcode(Rcode::NOTIMP)));
    assert_eq!(tester.ask("localhost.example. A").rcode(), Rcode::NOTIMP);
    assert_eq!(tester.ask("localhost. A").rcode(), Rcode::NOERROR);
    assert!(configure::<Local>("local {\nlocalhost_prefix no\n}").unwrap_err().contains("is not one of"));
    assert!(configure::<Local>("local {\nlocalhost_suffix on\n}").unwrap_err().contains("unknown property"));
}
