//! Query in, response out.

use cartonym_plugin_minimal::Minimal;
use cartonym_responder::Chain;
use cartonym_testing::{Ask, Canned, Tester, configure};
use cartonym_wire::{Flags, Rcode};

fn minimised(canned: Canned) -> String {
    Tester::new(Chain::new().then(Minimal).then(canned))
        .ask(Ask::new("www.example. A").edns(1232))
        .to_string()
}

#[test]
fn an_answer_keeps_its_answer_section() {
    let canned = Canned::new(
        "www.example. 60 CNAME web.example.
         web.example. 60 A 192.0.2.1
         authority example. 60 NS ns.example.
         additional ns.example. 60 A 192.0.2.2",
    );
    assert_eq!(
        minimised(canned.flags(Flags::AA)),
        "NOERROR aa\nanswer www.example. 60 CNAME web.example.\nanswer web.example. 60 A 192.0.2.1"
    );
}

#[test]
fn additional_data_without_an_answer_goes() {
    assert_eq!(minimised(Canned::new("additional www.example. 60 A 192.0.2.2")), "NOERROR");
}

#[test]
fn what_means_something_stays() {
    let referral = "authority example. 60 NS ns.example.\nadditional ns.example. 60 A 192.0.2.2";
    assert_eq!(minimised(Canned::new(referral)), format!("NOERROR\n{referral}"));
    let soa = "authority example. 60 SOA ns.example. h.example. 1 2 3 4 5";
    assert_eq!(minimised(Canned::new(soa)), format!("NOERROR\n{soa}"));
    assert_eq!(minimised(Canned::new(soa).rcode(Rcode::NXDOMAIN)), format!("NXDOMAIN\n{soa}"));
    assert_eq!(minimised(Canned::new("a. 60 A 192.0.2.1")), "NOERROR\nanswer a. 60 A 192.0.2.1");
}

#[test]
fn it_takes_nothing() {
    assert!(configure::<Minimal>("minimal").is_ok());
    assert!(configure::<Minimal>("minimal all").unwrap_err().contains("takes no argument"));
}
