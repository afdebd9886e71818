//! Other answers for some clients.

use cartonym_plugin::{Settings, Shared};
use cartonym_testing::{Canned, Scenario, Tester, configure, conformance_of_directive};
use outside::Canary;

/// The plugin as `directive` makes it, in front of one that always answers.
fn tester(directive: &str) -> Tester {
    let chain = configure::<Canary>(directive).unwrap();
    Tester::new(chain.then(Canned::new("www.example. 60 A 192.0.2.1")))
}

#[test]
fn it_keeps_the_contract() {
    conformance_of_directive::<Canary>("canary www.example 192.0.2.200 2001:db8::200 {\nshare 50%\n}");
}

#[test]
fn clients_of_a_network_get_other_addresses() {
    let conversation = "
? www.example. A from=192.0.2.7
    NOERROR aa
    answer www.example. 30 A 192.0.2.200

? www.example. AAAA from=192.0.2.7
    NOERROR aa
    answer www.example. 30 AAAA 2001:db8::200

# Not that name, not that type, not that client.
? example. A from=192.0.2.7
    NOERROR
    answer www.example. 60 A 192.0.2.1

? www.example. TXT from=192.0.2.7
    NOERROR
    answer www.example. 60 A 192.0.2.1

? www.example. A from=198.51.100.7
    NOERROR
    answer www.example. 60 A 192.0.2.1
";
    let directive = "canary WWW.example 192.0.2.200 2001:db8::200 {\nfrom 192.0.2.0/24\n}";
    Scenario::parse(conversation).unwrap().play(tester(directive)).unwrap();
}

#[test]
fn a_share_of_the_clients_gets_other_addresses_and_always_the_same() {
    let tester = tester("canary www.example 192.0.2.200 {\nshare 25%\n}");
    let ask = |client: u32| {
        let from = std::net::Ipv4Addr::from_bits(0xC633_6400 + client).to_string();
        tester.ask(cartonym_testing::Ask::new("www.example. A").from(&from)).answers()
    };
    let is_chosen = |client: &u32| ask(*client) == ["www.example. 30 A 192.0.2.200"];
    let chosen: Vec<u32> = (0..256).filter(is_chosen).collect();
    assert!((40..90).contains(&chosen.len()), "{} of 256", chosen.len());
    assert!(chosen.iter().all(is_chosen));
}

#[test]
fn mistakes_are_shown_where_they_are() {
    for (directive, error) in [
        ("canary www.example", "Corefile:2:1: "),
        ("canary www.example 192.0.2", "Corefile:2:20: "),
        ("canary www.example 192.0.2.1 {\nshare 101%\n}", "Corefile:3:7: not a share, such as `5%`"),
        ("canary www.example 192.0.2.1 {\nfrom here\n}", "Corefile:3:6: not a network"),
        ("canary www.example 192.0.2.1 {\nshares 5%\n}", "Corefile:3:1: "),
    ] {
        let found = configure::<Canary>(directive).unwrap_err();
        assert!(found.starts_with(error), "{found}");
    }
}

#[test]
fn its_answers_are_counted() {
    let shared = Shared::default();
    let directive = "canary www.example 192.0.2.200 {\nshare 100%\n}";
    let mut settings = Settings::default();
    let chain = cartonym_testing::configure_in::<Canary>(".", directive, &mut settings, &shared).unwrap();
    let tester = Tester::new(chain);
    (0..3).for_each(|_| drop(tester.ask("www.example. A")));
    let text = shared.get::<cartonym_plugin::Metrics>().text();
    assert!(text.contains("canary_answers_total") && text.contains(" 3\n"), "{text}");
}
