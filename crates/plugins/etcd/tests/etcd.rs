//! Keys in a real etcd, responses out.
//!
//! Without an etcd these are passed over, unless `CARTONYM_REQUIRE_PEERS` is set, as CI does.

#![allow(clippy::disallowed_methods, reason = "a test waits for another program")]

mod common;

use std::time::{Duration, Instant, SystemTime};

use cartonym_plugin::Plugin;
use cartonym_responder::{Chain, Moment, Responder, Scratch, Verdict};
use cartonym_testing::{Ask, Tester, allocations};
use cartonym_wire::{MAX_MESSAGE_LEN, Name};

use common::{Served, Server, client, put};

/// Keys below `/skydns/test/skydns`, and values.
const KEYS: &[(&str, &str)] = &[
    ("svc/a", r#"{"host":"10.1.0.1","port":80}"#),
    ("svc/b", r#"{"host":"10.1.0.2","port":80,"weight":30}"#),
    ("svc/c", r#"{"host":"10.1.0.3","port":80,"weight":10}"#),
    ("shadow", r#"{"host":"10.2.0.1"}"#),
    ("shadow/x", r#"{"host":"10.2.0.2"}"#),
    ("deep/a/b/c", r#"{"host":"10.3.0.1","ttl":60}"#),
    ("mix/a", r#"{"host":"10.4.0.1"}"#),
    ("mix/b", r#"{"host":"tgt.skydns.test"}"#),
    ("tgt", r#"{"host":"10.4.0.9"}"#),
    ("ed", r#"{"host":"tgt.skydns.test","text":"heritage=external-dns"}"#),
    ("neg", r#"{"host":"10.6.0.1","port":-1}"#),
    ("six", r#"{"host":"2001:db8::6","port":9}"#),
    ("extc", r#"{"host":"target.example.net"}"#),
    ("extn", r#"{"host":"nope.example.net"}"#),
    ("badp/good", r#"{"host":"10.7.0.1"}"#),
    ("badp/bad", "{not json"),
    ("grp/a", r#"{"host":"10.8.0.1","group":"g1"}"#),
    ("grp/b", r#"{"host":"10.8.0.2","group":"g2"}"#),
    ("one/a", r#"{"host":"10.8.1.1","group":"g1"}"#),
    ("one/b/c", r#"{"host":"10.8.1.2","group":"g2"}"#),
    ("strip/n1/x", r#"{"host":"10.9.0.1","port":1,"targetstrip":1}"#),
    ("mx/a", r#"{"host":"10.10.0.1","mail":true,"priority":5}"#),
    ("dns/ns/a", r#"{"host":"10.11.0.1"}"#),
    ("dns/apex/1", r#"{"host":"10.12.0.1"}"#),
    ("UP", r#"{"host":"10.13.0.1"}"#),
    ("wild/*", r#"{"host":"10.14.0.1"}"#),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_answered_as_skydns_has_them() {
    if !Server::is_installed() {
        return;
    }
    let server = Server::start();
    let client = client(&server);
    for (key, value) in KEYS {
        put(&client, &format!("/skydns/test/skydns/{key}"), value).await;
    }
    put(&client, "/skydns/arpa/in-addr/10/0/0/5", r#"{"host":"host5.skydns.test"}"#).await;
    put(&client, "/elsewhere/test/skydns/gone", r#"{"host":"10.0.0.1"}"#).await;
    let served = Served::start(&server, "/skydns").await;

    // Each line: a question, and the answers in order.
    for line in [
        "a.svc.skydns.test. A = a.svc.skydns.test. 300 A 10.1.0.1",
        "deep.skydns.test. A = deep.skydns.test. 60 A 10.3.0.1",
        "shadow.skydns.test. A = shadow.skydns.test. 300 A 10.2.0.2",
        "mix.skydns.test. A = mix.skydns.test. 300 A 10.4.0.1",
        "ed.skydns.test. A = ed.skydns.test. 300 CNAME tgt.skydns.test., tgt.skydns.test. 300 A 10.4.0.9",
        "ed.skydns.test. TXT = ed.skydns.test. 300 TXT \"heritage=external-dns\"",
        "neg.skydns.test. A = neg.skydns.test. 300 A 10.6.0.1",
        "neg.skydns.test. SRV = ",
        "six.skydns.test. SRV = six.skydns.test. 300 SRV 10 100 9 six.skydns.test.",
        "badp.skydns.test. A = badp.skydns.test. 300 A 10.7.0.1",
        "grp.skydns.test. A = grp.skydns.test. 300 A 10.8.0.1, grp.skydns.test. 300 A 10.8.0.2",
        "one.skydns.test. A = one.skydns.test. 300 A 10.8.1.1",
        "strip.skydns.test. SRV = strip.skydns.test. 300 SRV 10 100 1 n1.strip.skydns.test.",
        "mx.skydns.test. MX = mx.skydns.test. 300 MX 5 a.mx.skydns.test.",
        "skydns.test. A = skydns.test. 300 A 10.12.0.1",
        "skydns.test. NS = skydns.test. 300 NS a.ns.dns.skydns.test.",
        "up.skydns.test. A = up.skydns.test. 300 A 10.13.0.1",
        "x.wild.skydns.test. A = x.wild.skydns.test. 300 A 10.14.0.1",
        "5.0.0.10.in-addr.arpa. PTR = 5.0.0.10.in-addr.arpa. 300 PTR host5.skydns.test.",
        "gone.skydns.test. A = ",
    ] {
        let (question, answers) = line.split_once(" = ").unwrap();
        assert_eq!(served.answers(question).join(", "), answers, "{question}");
    }
    let svc = served.ask("svc.skydns.test. SRV");
    let mut weights: Vec<_> =
        svc.answers().iter().map(|rr| rr.split(' ').nth(4).unwrap().to_owned()).collect();
    weights.sort();
    assert_eq!(weights, ["21", "7", "71"]);
    assert_eq!(svc.additional().len(), 3);
    let soa = served.answers("nothing.skydns.test. SOA").join("");
    assert!(soa.starts_with("skydns.test. 30 SOA ns.dns.skydns.test. hostmaster.skydns.test. "), "{soa}");
    assert_eq!(served.ask("nothing.skydns.test. A").to_string().lines().next(), Some("NXDOMAIN aa"));
    assert_eq!(served.ask("svc.skydns.test. AAAA").to_string().lines().next(), Some("NOERROR aa"));

    // What is found elsewhere than in the table.
    for line in [
        "extc.skydns.test. A = extc.skydns.test. 300 CNAME target.example.net., target.example.net. 30 A 198.51.100.1",
        "extn.skydns.test. A = extn.skydns.test. 300 CNAME nope.example.net.",
        "b.*.deep.skydns.test. A = b.*.deep.skydns.test. 60 A 10.3.0.1",
        "any.grp.skydns.test. A = any.grp.skydns.test. 300 A 10.8.0.1, any.grp.skydns.test. 300 A 10.8.0.2",
    ] {
        let (question, answers) = line.split_once(" = ").unwrap();
        let mut said = served.tester.wait(question).await.unwrap().answers();
        said.sort();
        assert_eq!(said.join(", "), answers, "{question}");
    }
    assert_eq!(served.tester.wait("*.svc.skydns.test. SRV").await.unwrap().additional().len(), 3);
    let none = served.tester.wait("*.nothing.skydns.test. A").await.unwrap().to_string();
    assert!(none.starts_with("NXDOMAIN aa"), "{none}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_goes_takes_its_name_along() {
    if !Server::is_installed() {
        return;
    }
    let server = Server::start();
    let served = Served::start(&server, "/skydns").await;
    assert!(server.ctl(&["put", "/skydns/test/skydns/a/b", r#"{"host":"192.0.2.1"}"#]));
    served.until_there("a.skydns.test.").await;
    assert!(server.ctl(&["del", "/skydns/test/skydns/a/b"]));
    let rcode = |name: &str| served.ask(name).to_string();
    served.until("gone", || rcode("a.skydns.test. A").starts_with("NXDOMAIN")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_may_have_several_segments() {
    if !Server::is_installed() {
        return;
    }
    let server = Server::start();
    put(&client(&server), "/dns/inner/test/skydns/svc/1", r#"{"host":"192.0.2.1"}"#).await;
    let served = Served::start(&server, "dns/inner").await;
    assert_eq!(
        served.answers("svc.skydns.test. SRV"),
        ["svc.skydns.test. 300 SRV 10 100 0 1.svc.skydns.test."]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leased_key_lives_as_long_as_its_lease() {
    if !Server::is_installed() {
        return;
    }
    let server = Server::start();
    let served = Served::start(&server, "/skydns").await;
    let granted = server.output(&["lease", "grant", "200"]);
    let lease = format!("--lease={}", granted.split(' ').nth(1).unwrap());
    assert!(server.ctl(&["put", &lease, "/skydns/test/skydns/a", r#"{"host":"192.0.2.1"}"#]));
    assert!(server.ctl(&["put", &lease, "/skydns/test/skydns/short", r#"{"host":"192.0.2.2","ttl":7}"#]));
    assert!(server.ctl(&["put", &lease, "/skydns/test/skydns/mid", r#"{"host":"192.0.2.2","ttl":90}"#]));
    served.until_there("mid.skydns.test.").await;
    let begin = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let ttl = |name: &str, later: u64| {
        let tester = Tester::of((*served.plugin).clone()).now(begin + Duration::from_secs(later));
        let answers = tester.ask(format!("{name}.skydns.test. A").as_str()).answers();
        answers[0].split(' ').nth(1).unwrap().parse::<u64>().unwrap()
    };
    let first = ttl("a", 0);
    assert!((190..=200).contains(&first), "{first}");
    assert_eq!(ttl("a", 50), first - 50);
    assert_eq!(ttl("a", 199), 30);
    assert_eq!((ttl("short", 0), ttl("mid", 0)), (7, 90));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_allocates_nothing() {
    if !Server::is_installed() {
        return;
    }
    let server = Server::start();
    let granted = server.output(&["lease", "grant", "200"]);
    let lease = format!("--lease={}", granted.split(' ').nth(1).unwrap());
    assert!(server.ctl(&["put", &lease, "/skydns/test/skydns/svc/leased", r#"{"host":"192.0.2.9"}"#]));
    let client = client(&server);
    put(&client, "/skydns/test/skydns/alias", r#"{"host":"svc.skydns.test"}"#).await;
    for number in 0..100 {
        let key = format!("/skydns/test/skydns/svc/{number}");
        put(&client, &key, &format!(r#"{{"host":"192.0.2.{number}","port":80}}"#)).await;
    }
    let served = Served::start(&server, "/skydns").await;
    let chain = Chain::new().then((*served.plugin).clone());
    let responder = Responder::builder().zone(Name::ROOT, chain).build();
    let (mut scratch, mut out) = (Scratch::default(), vec![0; MAX_MESSAGE_LEN]);
    for question in [
        "7.svc.skydns.test. A",
        "leased.svc.skydns.test. A",
        "svc.skydns.test. A",
        "svc.skydns.test. SRV",
        "alias.skydns.test. A",
        "none.skydns.test. A",
        "svc.skydns.test. SOA",
    ] {
        let ask = Ask::new(question);
        let (query, client) = (ask.to_message(), ask.client());
        let mut respond = || {
            let moment = Moment { now: Duration::from_secs(1_000_000), random: 7 };
            matches!(responder.respond(&mut scratch, &query, client, moment, &mut out), Verdict::Send(_))
        };
        respond();
        assert_eq!(allocations(|| assert!((0..20).all(|_| respond()))), 0, "{question}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_while_away_is_found_though_its_history_is_compacted() {
    if !Server::is_installed() {
        return;
    }
    let mut server = Server::start();
    let served = Served::start(&server, "/skydns").await;
    put(&client(&server), "/skydns/test/skydns/old", r#"{"host":"192.0.2.1"}"#).await;
    served.until_there("old.skydns.test.").await;
    server.stop();
    let port = server.go_on_elsewhere();
    let writer = client(&server);
    for number in 0..20 {
        put(&writer, &format!("/skydns/test/skydns/n{number}"), r#"{"host":"192.0.2.1"}"#).await;
    }
    assert!(server.ctl(&["del", "/skydns/test/skydns/old"]));
    assert!(server.ctl(&["compact", "22"]));
    server.stop();
    // Nothing of this is known yet, and what was known is answered.
    assert!(!served.answers("old.skydns.test. A").is_empty());
    server.go_on_at(port);
    served.until_there("n19.skydns.test.").await;
    assert!(served.answers("old.skydns.test. A").is_empty());
    put(&client(&server), "/skydns/test/skydns/last", r#"{"host":"192.0.2.1"}"#).await;
    served.until_there("last.skydns.test.").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_fails_while_etcd_is_away() {
    if !Server::is_installed() {
        return;
    }
    let mut server = Server::start();
    put(&client(&server), "/skydns/test/skydns/svc/a", r#"{"host":"192.0.2.1"}"#).await;
    let served = Served::start(&server, "/skydns").await;
    server.stop();
    let (begin, mut asked) = (Instant::now(), 0);
    while begin.elapsed() < Duration::from_secs(3) {
        for question in ["svc.skydns.test. A", "svc.skydns.test. SRV", "a.svc.skydns.test. A"] {
            assert_eq!(served.answers(question).len(), 1, "{question}");
            asked += 1;
        }
        tokio::task::yield_now().await;
    }
    assert!(asked > 1000, "{asked} answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_before_the_first_data_waits_for_it() {
    if !Server::is_installed() {
        return;
    }
    let server = Server::start();
    put(&client(&server), "/skydns/test/skydns/a", r#"{"host":"192.0.2.1"}"#).await;
    let served = Served::begin(&server, "/skydns");
    assert_eq!(served.tester.wait("a.skydns.test. A").await.unwrap().answers().len(), 1);
    assert!(served.plugin.ready());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_configuration_goes_on_with_what_is_known() {
    if !Server::is_installed() {
        return;
    }
    let mut server = Server::start();
    put(&client(&server), "/skydns/test/skydns/a", r#"{"host":"192.0.2.1"}"#).await;
    let old = Served::start(&server, "/skydns").await;
    server.stop();
    let new = Served::begin(&server, "/skydns");
    assert!(new.plugin.ready());
    drop(old);
    server.go_on();
    put(&client(&server), "/skydns/test/skydns/b", r#"{"host":"192.0.2.2"}"#).await;
    new.until_there("b.skydns.test.").await;
    assert_eq!(new.answers("a.skydns.test. A").len(), 1);
}
