//! Responses in, the same with other orders out.

use std::collections::HashSet;

use cartonym_plugin::{Settings, Shared};
use cartonym_plugin_loadbalance::Loadbalance;
use cartonym_responder::Chain;
use cartonym_testing::{Answer, Canned, Tester, configure, configure_in};
use cartonym_wire::Rcode;

const RECORDS: &str = "
    www.example. 60 CNAME web.example.
    web.example. 60 A 192.0.2.1
    web.example. 60 A 192.0.2.2
    web.example. 60 A 192.0.2.3
    web.example. 60 MX 10 mail.example.
    authority example. 60 NS ns.example.
    additional ns.example. 60 AAAA 2001:db8::1
    additional ns.example. 60 AAAA 2001:db8::2";

fn ask(chain: &Chain, random: u64, question: &str) -> Answer {
    Tester::new(chain.clone().then(Canned::new(RECORDS))).random(random).ask(question)
}

/// The last octets of the addresses of `web.example.`
fn order(answer: &Answer) -> String {
    answer.answers().iter().filter_map(|record| record.split_once("192.0.2.")).map(|(_, last)| last).collect()
}

#[test]
fn every_order_comes_up_about_as_often() {
    let chain = configure::<Loadbalance>("loadbalance").unwrap();
    let mut counts = std::collections::BTreeMap::new();
    for random in 0..1200 {
        *counts.entry(order(&ask(&chain, random, "www.example. A"))).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 6, "{counts:?}");
    assert!(counts.values().all(|count| (140..260).contains(count)), "{counts:?}");
}

#[test]
fn nothing_but_the_order_changes() {
    let plain = Tester::of(Canned::new(RECORDS)).ask("www.example. A");
    let sorted = |answer: &Answer| {
        let mut lines: Vec<_> = answer.to_string().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let chain = configure::<Loadbalance>("loadbalance round_robin").unwrap();
    let mut glue = HashSet::new();
    for random in 0..32 {
        let answer = ask(&chain, random, "www.example. A");
        assert_eq!(sorted(&answer), sorted(&plain));
        assert_eq!(answer.answers()[0], "www.example. 60 CNAME web.example.", "the chain begins as it did");
        glue.insert(answer.additional());
    }
    assert_eq!(glue.len(), 2, "every section is turned");
}

#[test]
fn failures_stay_as_they_are() {
    let chain = configure::<Loadbalance>("loadbalance").unwrap();
    let tester = Tester::new(chain.then(Canned::new(RECORDS).rcode(Rcode::NXDOMAIN)));
    assert_eq!(order(&tester.random(1).ask("www.example. A")), "123");
}

#[test]
fn a_very_large_response_is_turned_in_part() {
    let records: String = (0..200).map(|i| format!("a. 60 A 192.0.2.{i}\n")).collect();
    let chain = configure::<Loadbalance>("loadbalance").unwrap().then(Canned::new(&records));
    let ask = cartonym_testing::Ask::new("a. A").over(cartonym_plugin::Transport::Tcp);
    let answers = Tester::new(chain).random(1).ask(ask).answers();
    assert_eq!(answers.iter().collect::<HashSet<_>>().len(), 200);
    assert_eq!(answers[199], "a. 60 A 192.0.2.199");
}

#[test]
fn networks_are_preferred_in_their_order() {
    let chain =
        configure::<Loadbalance>("loadbalance {\nprefer 192.0.2.3/32 2001:db8::2/128 192.0.2.2/31\n}")
            .unwrap();
    for random in 0..16 {
        let answer = ask(&chain, random, "www.example. A");
        assert_eq!(order(&answer), "321");
        assert!(answer.additional()[0].ends_with("2001:db8::2"));
    }
}

#[test]
fn weights_choose_the_first() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("weights"), "web.example\n192.0.2.2 3\n192.0.2.3 4\n").unwrap();
    let mut settings = Settings::default();
    settings.root = folder.path().to_owned();
    let directive = "loadbalance weighted weights {\nreload 1h\n}";
    let chain = configure_in::<Loadbalance>(".", directive, &mut settings, &Shared::default()).unwrap();
    let mut first = [0; 3];
    for random in 0..1600 {
        let order = order(&ask(&chain, random, "www.example. A"));
        first[order[..1].parse::<usize>().unwrap() - 1] += 1;
    }
    // Weights of 1, 3 and 4.
    assert!((140..260).contains(&first[0]), "{first:?}");
    assert!((500..700).contains(&first[1]), "{first:?}");
    assert_eq!(order(&ask(&chain, 1, "www.example. MX")), "123", "other types are not chosen from");
}

#[tokio::test(start_paused = true)]
async fn the_weight_file_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    std::fs::write(&path, "web.example\n192.0.2.1 255\n").unwrap();
    let mut settings = Settings::default();
    settings.root = folder.path().to_owned();
    let chain =
        configure_in::<Loadbalance>(".", "loadbalance weighted weights", &mut settings, &Shared::default())
            .unwrap();
    let background = tokio::spawn(chain.plugins().next().unwrap().clone().background().unwrap());
    let often = |digit: char| {
        (0..100).filter(|random| order(&ask(&chain, *random, "www.example. A")).starts_with(digit)).count()
            > 80
    };
    assert!(often('1'));
    std::fs::write(&path, "web.example\n192.0.2.3 255\n").unwrap();
    wait_until(|| often('3')).await;
    std::fs::write(&path, "nonsense nonsense").unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(61)).await;
    assert!(often('3'), "what cannot be read leaves what is there");
    background.abort();
}

/// Time passes as fast as nothing else happens; the file is read on a thread of its own.
async fn wait_until(done: impl Fn() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        std::thread::yield_now();
    }
    panic!("it has not come to pass");
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let error = |directive: &str| configure::<Loadbalance>(directive).unwrap_err();
    assert!(error("loadbalance roundrobin").ends_with("(did you mean `round_robin`?)"));
    assert!(error("loadbalance weighted").contains("takes 2 arguments"));
    assert!(error("loadbalance weighted /nonexistent").contains("cannot be read"));
    assert!(error("loadbalance {\nreload 1s\n}").contains("only a weight file is read again"));
    assert!(error("loadbalance {\nprefer 192.0.2.0/33\n}").contains("is not a network"));
    assert!(error("loadbalance {\nprefr 192.0.2.1/32\n}").contains("unknown property"));
}
