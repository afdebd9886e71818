//! Query in, line out.

use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::corefile::{Corefile, Memory};
use cartonym_plugin::{Journal, Plugin, Transport};
use cartonym_plugin_log::Log;
use cartonym_responder::Chain;
use cartonym_testing::{Ask, Canned, Tester, configure};
use cartonym_wire::{Flags, Rcode};

const SOA: &str = "authority example. 60 SOA ns.example. h.example. 1 2 3 4 5";

/// The lines that `directives` write about one query, answered by `plugin`.
fn lines(directives: &str, plugin: impl Plugin, ask: impl Into<Ask>) -> String {
    let text = format!(".:53 {{\n{directives}\n}}");
    let corefile = Corefile::parse("Corefile", &text, &Memory::new()).unwrap();
    let (journal, written) = Journal::to_memory();
    let log =
        Log::from_directives(&corefile.servers[0].directives, Arc::new(journal), &Arc::default()).unwrap();
    Tester::new(Chain::new().then(log).then(plugin)).now(Duration::ZERO).ask(ask);
    written.text()
}

#[test]
fn the_common_line_is_coredns_s() {
    let canned = Canned::new("www.example. 60 A 192.0.2.1").flags(Flags::AA);
    let ask = Ask::new("WWW.example. A").from("127.0.0.1:50653").edns(1232);
    assert_eq!(
        lines("log", canned, ask),
        "[INFO] 127.0.0.1:50653 - 4660 \"A IN www.example. udp 40 false 1232\" NOERROR qr,aa,rd 45 0s\n"
    );
}

#[test]
fn over_a_stream_the_client_takes_all() {
    let ask = Ask::new("www.example. AAAA").from("[2001:db8::1]:7").over(Transport::Tcp).dnssec_ok();
    assert_eq!(
        lines("log", Canned::default().rcode(Rcode::NXDOMAIN), ask),
        "[INFO] [2001:db8::1]:7 - 4660 \"AAAA IN www.example. tcp 40 true 65535\" NXDOMAIN qr,rd 29 0s\n"
    );
}

#[test]
fn a_query_without_edns_takes_512_octets() {
    assert_eq!(lines("log . \"{>bufsize}\"", Canned::default(), "a. A"), "[INFO] 512\n");
}

#[test]
fn a_format_is_filled_in() {
    let format = "log . \"{name} {local} {proto} {>opcode} {what} {/view/name}\"";
    assert_eq!(lines(format, Canned::default(), "a. A"), "[INFO] a. 192.0.2.1 udp 0 {what} -\n");
    assert_eq!(lines("log \"{name}\"", Canned::default(), "a. A"), "[INFO] a.\n");
}

#[test]
fn classes_choose_among_responses() {
    let is_logged = |class: &str, canned: Canned| {
        let directive = format!("log . \"{{name}}\" {{\nclass {class}\n}}");
        !lines(&directive, canned, "a.example. A").is_empty()
    };
    let table = [
        ("a.example. 60 A 192.0.2.1", Rcode::NOERROR, [true, false, false]),
        ("", Rcode::NOERROR, [true, false, false]),
        ("authority example. 60 NS ns.example.", Rcode::NOERROR, [true, false, false]),
        (SOA, Rcode::NOERROR, [false, true, false]),
        (SOA, Rcode::NXDOMAIN, [false, true, false]),
        ("", Rcode::SERVFAIL, [false, false, true]),
    ];
    for (records, rcode, logged) in table {
        let canned = || Canned::new(records).rcode(rcode);
        let classes = ["success", "denial", "error"].map(|class| is_logged(class, canned()));
        assert_eq!(classes, logged, "{rcode} {records}");
        assert!(is_logged("all", canned()) && is_logged("success denial error", canned()));
    }
}

#[test]
fn the_first_directive_whose_names_match_decides() {
    let directives = "log example. other. \"one {name}\"\nlog sub.example. . \"two {name}\"";
    assert_eq!(lines(directives, Canned::default(), "sub.Example. A"), "[INFO] one sub.example.\n");
    assert_eq!(lines(directives, Canned::default(), "elsewhere. A"), "[INFO] two elsewhere.\n");
    assert_eq!(lines("log example.", Canned::default(), "elsewhere. A"), "");
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let error = |directive: &str| configure::<Log>(directive).unwrap_err();
    assert!(error("log {\nclass sucess\n}").starts_with("Corefile:3:7: `sucess` is not one of"));
    assert!(error("log {\nclas all\n}").starts_with("Corefile:3:1: unknown property `clas`"));
    assert!(error("log {\nclass\n}").contains("takes at least 1 argument"));
    assert!(error("log a..b").contains("not a domain name"));
}
