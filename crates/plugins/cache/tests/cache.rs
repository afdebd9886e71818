//! Queries in, and what of them goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cartonym_plugin::{Plugin, Query, Response, Step, Transport, View};
use cartonym_plugin_cache::{Cache, Counts, Options};
use cartonym_responder::{Chain, Responder};
use cartonym_testing::{Answer, Ask, Canned, Tester, configure};
use cartonym_wire::{Ede, Flags, Name, OptionCode, Rcode, Section, Ttl, Type};

const SOA: &str = "authority example. 600 SOA ns.example. h.example. 1 2 3 4 60";

/// A cache in front of something.
struct Setup {
    chain: Chain,
    behind: Arc<Canned>,
}

impl Setup {
    fn new(directive: &str, behind: Canned) -> Setup {
        let behind = Arc::new(behind);
        let chain = configure::<Cache>(directive).unwrap().then_shared(behind.clone());
        Setup { chain, behind }
    }

    /// Asks at a second.
    fn ask(&self, second: u64, ask: impl Into<Ask>) -> Answer {
        tester(&self.chain, second).ask(ask)
    }

    /// How many queries have gone on.
    fn asked(&self) -> usize {
        self.behind.asked().len()
    }

    fn counts(&self) -> Counts {
        let plugin: &dyn std::any::Any = &**self.chain.plugins().next().unwrap();
        plugin.downcast_ref::<Cache>().unwrap().counts()
    }
}

fn tester(chain: &Chain, second: u64) -> Tester {
    Tester::new(chain.clone())
        .now(Duration::from_secs(1_000_000 + second))
        .random(second.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

const RECORDS: &str = "
    www.example. 300 CNAME web.example.
    web.example. 60 A 192.0.2.1
    authority example. 600 NS ns.example.
    additional ns.example. 600 A 192.0.2.53";

#[test]
fn a_clock_that_is_put_back_is_followed() {
    let setup = Setup::new("cache", Canned::new(RECORDS));
    setup.ask(86_400, "www.example. A");
    for (second, asked) in [(0, 2), (59, 2), (60, 3)] {
        setup.ask(second, "www.example. A");
        assert_eq!(setup.asked(), asked, "{second}");
    }
    // One that has waited, and is from before another, puts no clock back.
    setup.ask(100, "www.example. A");
    setup.ask(90, "www.example. A");
    assert_eq!(setup.asked(), 3);
}

#[test]
fn a_response_is_kept_and_its_ttls_count_down() {
    let setup = Setup::new("cache", Canned::new(RECORDS).flags(Flags::RA));
    let first = setup.ask(0, "www.example. A");
    assert_eq!(setup.ask(0, "www.example. A"), first);
    assert_eq!(
        setup.ask(59, "WWW.example. A").to_string(),
        "NOERROR ra
answer WWW.example. 241 CNAME web.example.
answer web.example. 1 A 192.0.2.1
authority example. 541 NS ns.example.
additional ns.example. 541 A 192.0.2.53"
    );
    assert_eq!(setup.asked(), 1);
    setup.ask(60, "www.example. A");
    assert_eq!(setup.asked(), 2);
    let counts = setup.counts();
    assert_eq!((counts.answers, counts.denials), (1, 0));
    assert_eq!((counts.answer_hits, counts.denial_hits, counts.misses), (2, 0, 2));
}

#[test]
fn what_the_answer_depends_on_is_part_of_the_question() {
    let setup = Setup::new("cache", Canned::new(RECORDS));
    let asks = [
        Ask::new("www.example. A"),
        Ask::new("www.example. CNAME"),
        Ask::new("web.example. A"),
        Ask::new("www.example. A").dnssec_ok(),
        Ask::new("www.example. A").flags(Flags::CD),
    ];
    for (at, ask) in asks.iter().enumerate() {
        setup.ask(0, ask);
        setup.ask(0, ask);
        assert_eq!(setup.asked(), at + 1, "{ask:?}");
    }
    setup.ask(0, Ask::new("www.example. A").edns(4096).flags(Flags::default()));
    assert_eq!(setup.asked(), asks.len(), "sizes and RD do not matter");
}

#[test]
fn a_denial_is_kept_as_long_as_its_soa_says() {
    for (rcode, text) in [(Rcode::NXDOMAIN, "NXDOMAIN"), (Rcode::NOERROR, "NOERROR")] {
        let setup = Setup::new("cache", Canned::new(SOA).rcode(rcode));
        setup.ask(0, "nope.example. A");
        let soa = "authority example. 541 SOA ns.example. h.example. 1 2 3 4 60";
        assert_eq!(setup.ask(59, "nope.example. A").to_string(), format!("{text}\n{soa}"));
        setup.ask(60, "nope.example. A");
        assert_eq!(setup.asked(), 2);
        assert_eq!((setup.counts().answers, setup.counts().denials), (0, 1));
    }
}

#[test]
fn failures_are_kept_for_a_moment() {
    let asked = |directive: &str, second: u64| {
        let setup = Setup::new(directive, Canned::default().rcode(Rcode::SERVFAIL));
        setup.ask(0, "a.example. A");
        setup.ask(second, "a.example. A");
        setup.asked()
    };
    assert_eq!((asked("cache", 4), asked("cache", 5)), (1, 2));
    assert_eq!((asked("cache {\nservfail 0\n}", 0), asked("cache {\nservfail 1m\n}", 59)), (2, 1));
}

#[test]
fn what_may_not_be_kept_is_not() {
    let table = [
        ("a.example. 60 A 192.0.2.1", Rcode::NOERROR, Flags::TC, "truncated"),
        ("", Rcode::NOERROR, Flags::default(), "no SOA"),
        ("", Rcode::NXDOMAIN, Flags::default(), "no SOA"),
        ("", Rcode::REFUSED, Flags::default(), "refused"),
        ("a.example. 60 CNAME b.test.", Rcode::NOERROR, Flags::default(), "not the type"),
        ("authority a.example. 60 NS ns.test.", Rcode::NOERROR, Flags::default(), "referral"),
    ];
    for (records, rcode, flags, why) in table {
        let setup = Setup::new("cache", Canned::new(records).rcode(rcode).flags(flags));
        setup.ask(0, "a.example. A");
        setup.ask(0, "a.example. A");
        assert_eq!(setup.asked(), 2, "{why}");
    }
}

#[test]
fn what_depends_on_the_client_s_subnet_is_not_kept() {
    let setup = Setup::new("cache", Canned::new("a.example. 60 A 192.0.2.1"));
    let ask = Ask::new("a.example. A").option(OptionCode::CLIENT_SUBNET, &[0, 1, 24, 0, 192, 0, 2]);
    for _ in 0..2 {
        setup.ask(0, &ask);
    }
    setup.ask(0, "a.example. A");
    assert_eq!(setup.asked(), 3);
}

#[test]
fn ttls_are_bounded() {
    let setup = Setup::new("cache 30", Canned::new("a.example. 3600 A 192.0.2.1"));
    let ttl = |second: u64| setup.ask(second, "a.example. A").answers()[0].clone();
    assert_eq!(ttl(0), "a.example. 30 A 192.0.2.1", "the first client sees what the others do");
    assert_eq!(ttl(29), "a.example. 1 A 192.0.2.1");
    assert_eq!((setup.asked(), ttl(30), setup.asked()), (1, "a.example. 30 A 192.0.2.1".to_owned(), 2));
    let setup = Setup::new("cache", Canned::new("a.example. 0 A 192.0.2.1"));
    for second in [0, 4, 5] {
        setup.ask(second, "a.example. A");
    }
    assert_eq!(setup.asked(), 2, "five seconds at least");
}

#[test]
fn ttls_may_stay() {
    let setup = Setup::new("cache {\nkeepttl\n}", Canned::new("a.example. 60 A 192.0.2.1"));
    for second in [0, 59] {
        assert_eq!(setup.ask(second, "a.example. A").answers(), ["a.example. 60 A 192.0.2.1"]);
    }
    assert_eq!(setup.asked(), 1);
}

#[test]
fn only_the_zones_are_kept() {
    let asked = |directive: &str, records: &str, question: &str| {
        let setup = Setup::new(directive, Canned::new(records));
        setup.ask(0, question);
        setup.ask(0, question);
        setup.asked()
    };
    let a = "a.example. 60 A 192.0.2.1";
    assert_eq!(asked("cache 60 example", a, "a.EXAMPLE. A"), 1);
    assert_eq!(asked("cache example", a, "a.test. A"), 2);
    assert_eq!(asked("cache {\ndisable success\n}", a, "a.example. A"), 2);
    assert_eq!(asked("cache {\ndisable success test\n}", a, "a.example. A"), 1);
    assert_eq!(asked("cache {\ndisable denial\n}", a, "a.example. A"), 1);
    assert_eq!(asked("cache {\ndisable denial example\n}", SOA, "a.example. A"), 2);
}

#[test]
fn a_kept_response_respects_the_room_there_is() {
    let records: String = (0..60).map(|i| format!("a.example. 60 A 192.0.2.{i}\n")).collect();
    let setup = Setup::new("cache", Canned::new(&records));
    let stream = |second| setup.ask(second, Ask::new("a.example. A").over(cartonym_plugin::Transport::Tcp));
    assert_eq!(stream(0).answers().len(), 60);
    let small = setup.ask(1, "a.example. A");
    assert!(small.flags().has(Flags::TC) && small.answers().len() < 40 && small.as_bytes().len() <= 512);
    assert_eq!(small.answers()[0], "a.example. 59 A 192.0.2.0");
    assert_eq!((stream(1).answers().len(), setup.asked()), (60, 1));
}

/// Gives every query another name.
struct Renaming(&'static str);

impl Plugin for Renaming {
    fn name(&self) -> &'static str {
        "renaming"
    }

    fn answer(&self, query: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        query.set_name(&self.0.parse::<cartonym_wire::NameBuf>().unwrap());
        Step::Next
    }
}

#[test]
fn a_response_to_a_rewritten_name_is_kept_for_all_who_come_to_it() {
    let behind =
        Arc::new(Canned::new("web.example. 60 A 192.0.2.1\nauthority example. 60 NS ns.web.example."));
    let cache: Arc<dyn Plugin> = Arc::new(Cache::new(Options::default()));
    let plain = Chain::new().then_shared(cache.clone()).then_shared(behind.clone());
    let renamed = Chain::new().then(Renaming("web.example.")).then_shared(cache).then_shared(behind.clone());
    let expected = "NOERROR\nanswer web.example. 60 A 192.0.2.1\nauthority example. 60 NS ns.web.example.";
    for (chain, question) in [
        (&renamed, "a.quite.different.name. A"),
        (&renamed, "b. A"),
        (&plain, "web.example. A"),
        (&plain, "web.example. A"),
        (&renamed, "b. A"),
    ] {
        assert_eq!(tester(chain, 0).ask(question).to_string(), expected, "{question}");
    }
    assert_eq!(behind.asked().len(), 1);
}

#[test]
fn authentic_data_is_told_to_who_asks() {
    let setup = Setup::new("cache", Canned::new("a.example. 60 A 192.0.2.1").flags(Flags::AD));
    setup.ask(0, "a.example. A");
    assert!(!setup.ask(0, "a.example. A").flags().has(Flags::AD));
    assert!(setup.ask(0, Ask::new("a.example. A").flags(Flags::AD)).flags().has(Flags::AD));
}

#[test]
fn there_is_room_for_so_many() {
    let setup = Setup::new("cache {\nsuccess 1024\n}", Canned::new("a.example. 60 A 192.0.2.1"));
    for i in 0..3000 {
        setup.ask(i / 1000, &*format!("n{i}.example. A"));
    }
    let counts = setup.counts();
    assert!(counts.answers <= 1024 && counts.answers > 900, "{counts:?}");
    assert_eq!(counts.answers as u64 + counts.evictions[0], 3000);
}

/// Answers with the number of queries so far, or fails from some time on.
struct Counting {
    count: AtomicU64,
    fails_from: u64,
    rcode: Rcode,
}

impl Plugin for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        if count >= self.fails_from {
            response.set_rcode(self.rcode);
            if self.rcode == Rcode::NXDOMAIN {
                let soa = b"\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x3c";
                let _ =
                    response.record(Section::Authority, query.owner(), Type::SOA, Ttl::from_secs(60), soa);
            }
            return Step::Answered;
        }
        let octets = [192, 0, 2, count as u8];
        let _ = response.record(Section::Answer, query.owner(), Type::A, Ttl::from_secs(60), &octets);
        Step::Answered
    }
}

fn counting(directive: &str, fails_from: u64, rcode: Rcode) -> (Chain, Arc<Counting>) {
    let behind = Arc::new(Counting { count: AtomicU64::new(0), fails_from, rcode });
    (configure::<Cache>(directive).unwrap().then_shared(behind.clone()), behind)
}

fn is_stale(answer: &Answer) -> bool {
    answer.option(OptionCode::EDE) == Some(&Ede::STALE_ANSWER.0.to_be_bytes())
}

#[test]
fn an_expired_answer_is_better_than_a_failure() {
    let (chain, _) = counting("cache {\nserve_stale 10m verify\n}", 1, Rcode::SERVFAIL);
    let ask = |second| tester(&chain, second).ask(Ask::new("a.example. A").edns(1232));
    assert!(!is_stale(&ask(0)) && !is_stale(&ask(59)));
    let stale = ask(60);
    assert_eq!(stale.to_string(), "NOERROR\nanswer a.example. 0 A 192.0.2.0");
    assert!(is_stale(&stale) && is_stale(&ask(659)));
    assert_eq!(ask(660).rcode(), Rcode::SERVFAIL);
    let (chain, _) = counting("cache", 1, Rcode::SERVFAIL);
    tester(&chain, 0).ask("a.example. A");
    assert_eq!(tester(&chain, 60).ask("a.example. A").rcode(), Rcode::SERVFAIL);
}

#[test]
fn an_expired_answer_may_be_better_than_a_denial() {
    let outcome = |policy: &str| {
        let (chain, _) =
            counting(&format!("cache {{\nserve_stale 10m verify\n{policy}\n}}"), 1, Rcode::NXDOMAIN);
        for second in [0, 60] {
            tester(&chain, second).ask("a.example. A");
        }
        let plugin: &dyn std::any::Any = &**chain.plugins().next().unwrap();
        let counts = plugin.downcast_ref::<Cache>().unwrap().counts();
        (counts.answers, counts.denials)
    };
    assert_eq!(outcome(""), (0, 1));
    assert_eq!(outcome("serve_stale_policy prefer_positive"), (1, 0));
}

/// Lets the tasks in the background do what they have been asked for.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_expired_answer_is_sent_while_it_is_asked_for_again() {
    let (chain, behind) = counting("cache {\nserve_stale 10m immediate 7\n}", 9, Rcode::SERVFAIL);
    let background = tokio::spawn(chain.plugins().next().unwrap().clone().background().unwrap());
    let at = |second| tester(&chain, second);
    at(0).ask("a.example. A");
    let tester = at(61);
    assert_eq!(tester.ask("a.example. A").answers(), ["a.example. 7 A 192.0.2.0"]);
    assert_eq!(tester.ask("a.example. A").answers(), ["a.example. 7 A 192.0.2.0"]);
    settle().await;
    assert_eq!(behind.count.load(Ordering::Relaxed), 2, "asked for once");
    assert_eq!(tester.ask("a.example. A").answers(), ["a.example. 60 A 192.0.2.1"]);
    let with_do = Ask::new("a.example. A").dnssec_ok();
    let answer = |tester: &Tester| tester.ask(&with_do).answers().remove(0);
    assert_eq!(answer(&tester), "a.example. 60 A 192.0.2.2", "another answer than without DO");
    let tester = at(130);
    assert_eq!(answer(&tester), "a.example. 7 A 192.0.2.2");
    settle().await;
    assert_eq!(answer(&tester), "a.example. 60 A 192.0.2.3");
    background.abort();
}

#[tokio::test]
async fn what_is_popular_is_asked_for_before_it_expires() {
    let (chain, behind) = counting("cache {\nprefetch 3 1m 50%\n}", 9, Rcode::SERVFAIL);
    let background = tokio::spawn(chain.plugins().next().unwrap().clone().background().unwrap());
    let asked = || behind.count.load(Ordering::Relaxed);
    for second in [0, 1, 2, 3] {
        tester(&chain, second).ask("a.example. A");
        settle().await;
    }
    assert_eq!(asked(), 1, "more than half of its time is left");
    let tester = tester(&chain, 31);
    assert_eq!(tester.ask("a.example. A").answers(), ["a.example. 29 A 192.0.2.0"]);
    settle().await;
    assert_eq!(asked(), 2);
    assert_eq!(tester.ask("a.example. A").answers(), ["a.example. 60 A 192.0.2.1"]);
    background.abort();
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_what_is_there() {
    let (chain, behind) = counting("cache {\nprefetch 1 1m 99%\n}", 1, Rcode::SERVFAIL);
    let background = tokio::spawn(chain.plugins().next().unwrap().clone().background().unwrap());
    for second in [0, 10, 20, 30] {
        let tester = tester(&chain, second);
        assert_eq!(tester.ask("a.example. A").rcode(), Rcode::NOERROR);
        settle().await;
    }
    assert_eq!(behind.count.load(Ordering::Relaxed), 4, "it is tried again");
    background.abort();
}

/// Takes the queries that come from without.
struct Outside;

impl Plugin for Outside {
    fn name(&self) -> &'static str {
        "outside"
    }

    fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        Step::Next
    }

    fn view(&self) -> Option<Arc<dyn View>> {
        Some(Arc::new(Outside))
    }
}

impl View for Outside {
    fn name(&self) -> &str {
        "outside"
    }

    fn admits(&self, query: &Query<'_>) -> bool {
        query.client().transport != Transport::Internal
    }
}

#[tokio::test]
async fn what_is_popular_is_asked_for_where_it_came_from() {
    let (chain, behind) = counting("cache {\nprefetch 1 1m 99%\n}", 9, Rcode::SERVFAIL);
    let (another, others) = counting("cache", 9, Rcode::SERVFAIL);
    let background = tokio::spawn(chain.plugins().next().unwrap().clone().background().unwrap());
    let responder =
        Responder::builder().route(0, Name::ROOT, chain.then(Outside)).route(1, Name::ROOT, another).build();
    let tester = Tester::with(responder).now(Duration::from_secs(1_000_000));
    tester.ask("a.example. A");
    let tester = tester.now(Duration::from_secs(1_000_050));
    tester.ask("a.example. A");
    settle().await;
    assert_eq!(tester.ask("a.example. A").answers(), ["a.example. 60 A 192.0.2.1"]);
    assert_eq!([behind, others].map(|plugin| plugin.count.load(Ordering::Relaxed)), [2, 0]);
    background.abort();
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let error = |directive: &str| configure::<Cache>(directive).unwrap_err();
    let property = |property: &str| error(&format!("cache {{\n{property}\n}}"));
    assert!(error("cache 0").contains("a cache that keeps nothing is none"));
    assert!(error("cache a..b").contains("not a domain name"));
    assert!(error("cache\ncache").contains("may appear only once"));
    assert!(property("success").contains("takes 1 to 3 arguments"));
    assert!(property("success many").starts_with("Corefile:3:9: `many` is not a number of responses"));
    assert!(property("success 10 0").contains("a cache that keeps nothing is none"));
    assert!(property("prefetch 1 2").contains("not a duration"));
    assert!(property("prefetch 1 2m 100%").contains("not a percentage"));
    assert!(property("prefetch 1 2m 50").contains("not a percentage"));
    assert!(property("serve_stale 1").contains("not a duration"));
    assert!(property("serve_stale 1h later").contains("is not one of"));
    assert!(property("serve_stale 1h verify 1s").contains("not supported yet"));
    assert!(property("servfail 6m").contains("5m at most"));
    assert!(property("disable all").contains("is not one of"));
    assert!(property("serve_stale_policy prefer").contains("is not one of"));
    assert!(property("sucess 10").ends_with("(did you mean `success`?)"));
    for property in
        ["serve_stale", "serve_stale verify", "serve_stale 2h immediate 5s", "denial 2000 60 5", "prefetch 5"]
    {
        assert!(configure::<Cache>(&format!("cache 10 {{\n{property}\n}}")).is_ok(), "{property}");
    }
}
