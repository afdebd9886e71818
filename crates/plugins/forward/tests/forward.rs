//! Query in, query out, response in, response out.

mod upstream;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cartonym_plugin::{
    Exchange, Listener, Listeners, Metadata, Plugin, Query, Response, Settings, Shared, Step, Told, Transport,
};
use cartonym_plugin_forward::{Forward, Options, Policy, Protocol};
use cartonym_responder::Chain;
use cartonym_testing::{Answer, Ask, Canned, Tester, configure, configure_in};
use cartonym_wire::{Flags, OptionCode, Rcode};

use upstream::{Over, Upstream, empty, txt};

/// In the order of the list, and not as patient as others.
fn options() -> Options {
    Options {
        policy: Policy::Sequential,
        read_timeout: Duration::from_secs(1),
        probe_interval: Duration::from_millis(10),
        ..Options::default()
    }
}

fn tester(upstreams: &[&Upstream], options: Options) -> Tester {
    Tester::of(Forward::with(upstreams.iter().map(|upstream| upstream.address), options))
}

async fn ask(tester: &Tester, ask: impl Into<Ask>) -> Answer {
    tester.wait(ask).await.expect("an answer")
}

/// What the TXT record of the answer tells.
fn word(answer: &Answer) -> String {
    let answers = answer.answers();
    answers.first().and_then(|record| record.split('"').nth(1)).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_response_comes_back_as_it_is() {
    let upstream = Upstream::saying("hello").await;
    let answer = ask(&tester(&[&upstream], options()), "WWW.example. TXT").await;
    assert_eq!(answer.to_string(), "NOERROR ra\nanswer WWW.example. 60 TXT \"hello\"");
    assert_eq!(answer.as_bytes()[..2], [0x12, 0x34], "the client's id");
    let seen = upstream.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].0, Over::Udp);
    assert_eq!(seen[0].1[13..16], *b"WWW", "the client's spelling");
}

#[tokio::test]
async fn ids_are_not_the_client_s_and_not_in_order() {
    let upstream = Upstream::saying("hello").await;
    let tester = tester(&[&upstream], options());
    for _ in 0..8 {
        ask(&tester, "a. TXT").await;
    }
    let ids: Vec<u16> =
        upstream.seen().iter().map(|(_, query)| u16::from_be_bytes([query[0], query[1]])).collect();
    let steps: std::collections::HashSet<u16> =
        ids.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    // One chance in 2^16 for each pair that two steps are the same.
    assert!(steps.len() > 4, "{ids:?}");
}

#[tokio::test]
async fn a_client_on_a_stream_is_served_over_a_stream() {
    let upstream = Upstream::saying("hello").await;
    let tester = tester(&[&upstream], options());
    for transport in [Transport::Tcp, Transport::Tls, Transport::Https] {
        assert_eq!(word(&ask(&tester, Ask::new("a. TXT").over(transport)).await), "hello");
    }
    assert!(upstream.seen().iter().all(|(over, _)| *over == Over::Tcp));
}

#[tokio::test]
async fn what_does_not_match_is_passed_over() {
    let upstream = Upstream::start(|_, query| {
        let mut other_id = txt(query, "other id");
        other_id[1] ^= 1;
        let mut other_name = txt(query, "other name");
        other_name[13] = b'x';
        let mut no_response = txt(query, "no response");
        no_response[2] &= 0x7f;
        vec![vec![], vec![0; 5], other_id, other_name, no_response, txt(query, "true")]
    })
    .await;
    let tester = tester(&[&upstream], options());
    assert_eq!(word(&ask(&tester, "a. TXT").await), "true");
    assert_eq!(word(&ask(&tester, Ask::new("a. TXT").over(Transport::Tcp)).await), "true");
}

#[tokio::test]
async fn a_silent_upstream_is_followed_by_the_next() {
    let (silent, second) = (Upstream::silent().await, Upstream::saying("second").await);
    let tester = tester(&[&silent, &second], options());
    assert_eq!(word(&ask(&tester, "a. TXT").await), "second");
    assert_eq!(word(&ask(&tester, Ask::new("a. TXT").over(Transport::Tcp)).await), "second");
    assert_eq!(silent.seen().len(), 2, "once for each");
}

#[tokio::test]
async fn a_closed_port_fails_at_once() {
    let closed = {
        let upstream = Upstream::silent().await;
        upstream.address
    };
    let answer = ask(&Tester::of(Forward::to(closed).unwrap()), "a. TXT").await;
    assert_eq!(answer.to_string(), "SERVFAIL");
}

#[tokio::test]
async fn silence_everywhere_is_servfail() {
    let (one, two) = (Upstream::silent().await, Upstream::silent().await);
    // Four times within the time that a query has.
    let options = Options { read_timeout: Duration::from_millis(100), ..options() };
    let answer = ask(&tester(&[&one, &two], options), Ask::new("a. TXT").edns(1232)).await;
    assert_eq!(answer.rcode(), Rcode::SERVFAIL);
    let why = answer.option(OptionCode::EDE).expect("an extended error");
    assert!(why.starts_with(&[0, 22]) && why.ends_with(b"i/o timeout"), "{why:?}");
    assert_eq!((one.seen().len(), two.seen().len()), (2, 2), "each is tried twice");
}

#[tokio::test]
async fn a_truncated_response_is_the_client_s_to_retry() {
    let upstream = truncating().await;
    let answer = ask(&tester(&[&upstream], options()), "a. TXT").await;
    assert!(answer.flags().has(Flags::TC));
}

#[tokio::test]
async fn with_prefer_udp_a_truncated_response_is_fetched_over_tcp() {
    let upstream = truncating().await;
    let tester = tester(&[&upstream], Options { protocol: Protocol::PreferUdp, ..options() });
    let answer = ask(&tester, Ask::new("a. TXT").over(Transport::Tcp)).await;
    assert_eq!((word(&answer), answer.flags().has(Flags::TC)), ("whole".to_owned(), false));
    assert_eq!(upstream.seen().iter().map(|(over, _)| *over).collect::<Vec<_>>(), [Over::Udp, Over::Tcp]);
}

async fn truncating() -> Upstream {
    Upstream::start(|over, query| {
        let mut answer = txt(query, "whole");
        if over == Over::Udp {
            answer = empty(query, 0);
            answer[2] |= 0x02;
        }
        vec![answer]
    })
    .await
}

#[tokio::test]
async fn tcp_can_be_forced() {
    let upstream = Upstream::saying("hello").await;
    let tester = tester(&[&upstream], Options { protocol: Protocol::Tcp, ..options() });
    assert_eq!(word(&ask(&tester, "a. TXT").await), "hello");
    assert_eq!(upstream.seen()[0].0, Over::Tcp);
}

#[tokio::test]
async fn options_between_neighbours_stay_here() {
    let upstream = Upstream::saying("hello").await;
    let tester = tester(&[&upstream], options());
    let query = Ask::new("a. TXT")
        .dnssec_ok()
        .option(OptionCode::COOKIE, &[7; 8])
        .option(OptionCode::CLIENT_SUBNET, &[0, 1, 24, 0, 192, 0, 2])
        .option(OptionCode::PADDING, &[0; 20]);
    ask(&tester, query).await;
    let subnet = [0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2];
    let opt = [&[0, 0, 41, 0x04, 0xD0, 0, 0, 0x80, 0, 0, 11][..], &subnet].concat();
    assert!(upstream.seen()[0].1.ends_with(&opt));
    assert_eq!(upstream.seen()[0].1[10..12], [0, 1]);
}

#[tokio::test]
async fn sockets_are_used_again() {
    let upstream = Upstream::saying("hello").await;
    let forward = Forward::with([upstream.address], options());
    let tester = Tester::of(forward.clone());
    for _ in 0..3 {
        ask(&tester, "a. TXT").await;
        ask(&tester, Ask::new("a. TXT").over(Transport::Tcp)).await;
    }
    let (_, counts) = forward.upstreams().next().unwrap();
    assert_eq!((counts.queries, counts.opened, counts.reused), (6, [1, 1], [2, 2]));
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_opened_again() {
    let count = AtomicUsize::new(0);
    let upstream = Upstream::start(move |_, query| match count.fetch_add(1, Ordering::Relaxed) {
        1 => Vec::new(),
        _ => vec![txt(query, "hello")],
    })
    .await;
    let options = Options { attempts: Some(1), ..options() };
    let tester = tester(&[&upstream], options);
    for _ in 0..2 {
        assert_eq!(word(&ask(&tester, Ask::new("a. TXT").over(Transport::Tcp)).await), "hello");
    }
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn an_upstream_that_is_away_is_left_out_until_it_answers() {
    let is_away = Arc::new(AtomicBool::new(true));
    let away = is_away.clone();
    let first = Upstream::start(move |_, query| match away.load(Ordering::Relaxed) {
        true => Vec::new(),
        false => vec![txt(query, "first")],
    })
    .await;
    let second = Upstream::saying("second").await;
    let forward = Arc::new(Forward::with([first.address, second.address], options()));
    let background = tokio::spawn(forward.clone().background().unwrap());
    let tester = Tester::new(Chain::new().then_shared(forward.clone()));
    assert_eq!(word(&ask(&tester, "a. TXT").await), "second");
    // A probe waits for a second.
    let failed = || forward.upstreams().next().unwrap().1.failed_probes;
    wait_until(|| failed() >= 2).await;
    let before = queries_of(&first);
    assert_eq!(word(&ask(&tester, "a. TXT").await), "second");
    assert_eq!(queries_of(&first), before, "only probes go there");
    is_away.store(false, Ordering::Relaxed);
    wait_until_async(async || word(&ask(&tester, "a. TXT").await) == "first").await;
    background.abort();
}

/// Queries that are no probes.
fn queries_of(upstream: &Upstream) -> usize {
    upstream.seen().iter().filter(|(_, query)| query[12] != 0).count()
}

async fn wait_until(mut done: impl FnMut() -> bool) {
    wait_until_async(async || done()).await;
}

async fn wait_until_async(mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it has not come to pass in ten seconds");
}

#[tokio::test]
async fn queries_beyond_the_limit_are_refused() {
    let upstream = Upstream::silent().await;
    let forward = Forward::with([upstream.address], Options { max_concurrent: 1, ..options() });
    let tester = Tester::of(forward.clone());
    let (first, second) = tokio::join!(ask(&tester, "a. TXT"), ask(&tester, "b. TXT"));
    assert_eq!((first.rcode(), second.rcode()), (Rcode::SERVFAIL, Rcode::REFUSED));
    assert_eq!(forward.rejected(), 1);
    assert_eq!(ask(&tester, "c. TXT").await.rcode(), Rcode::SERVFAIL, "there is room again");
}

#[tokio::test]
async fn an_rcode_may_lead_to_another_upstream() {
    let refusing = Upstream::start(|_, query| vec![empty(query, 5)]).await;
    let second = Upstream::saying("second").await;
    let options = Options { failover_rcodes: vec![Rcode::REFUSED], ..options() };
    assert_eq!(word(&ask(&tester(&[&refusing, &second], options.clone()), "a. TXT").await), "second");
    let answer = ask(&tester(&[&refusing, &refusing], options), "a. TXT").await;
    assert_eq!(answer.rcode(), Rcode::REFUSED, "the last response counts");
}

#[tokio::test]
async fn a_response_counts_if_no_other_upstream_has_one() {
    let refusing = Upstream::start(|_, query| vec![empty(query, 5)]).await;
    let silent = Upstream::silent().await;
    let options = Options { failover_rcodes: vec![Rcode::REFUSED], attempts: Some(2), ..options() };
    let answer = ask(&tester(&[&refusing, &silent], options), "a. TXT").await;
    assert_eq!((answer.rcode(), silent.seen().len()), (Rcode::REFUSED, 1));
}

#[tokio::test]
async fn an_upstream_that_may_take_long_leaves_time_for_the_next_and_is_in_doubt() {
    let (silent, second) = (Upstream::silent().await, Upstream::saying("second").await);
    let options = Options { read_timeout: Duration::from_secs(60), ..options() };
    let forward = Arc::new(Forward::with([silent.address, second.address], options));
    let background = tokio::spawn(forward.clone().background().unwrap());
    let tester = Tester::new(Chain::new().then_shared(forward.clone()));
    assert_eq!(word(&ask(&tester, "a. TXT").await), "second");
    let failed = || forward.upstreams().next().unwrap().1.failed_probes;
    wait_until(|| failed() > 0).await;
    background.abort();
}

#[tokio::test]
async fn an_rcode_may_leave_the_query_to_the_next_plugin() {
    let denying = Upstream::start(|_, query| vec![empty(query, 3)]).await;
    let nodata = Upstream::start(|_, query| vec![empty(query, 0)]).await;
    let behind = |options: Options, upstream: &Upstream| {
        let forward = Forward::with([upstream.address], options);
        Tester::new(Chain::new().then(forward).then(Canned::new("a. 60 TXT next")))
    };
    let on_nxdomain = Options { next_rcodes: vec![Rcode::NXDOMAIN], ..options() };
    assert_eq!(word(&ask(&behind(on_nxdomain.clone(), &denying), "a. TXT").await), "next");
    assert_eq!(word(&ask(&behind(on_nxdomain, &nodata), "a. TXT").await), "");
    let on_nodata = Options { next_on_nodata: true, ..options() };
    assert_eq!(word(&ask(&behind(on_nodata.clone(), &nodata), "a. TXT").await), "next");
    assert_eq!(ask(&behind(on_nodata, &denying), "a. TXT").await.rcode(), Rcode::NXDOMAIN);
}

#[tokio::test]
async fn round_robin_takes_each_in_its_turn() {
    let (one, two) = (Upstream::saying("one").await, Upstream::saying("two").await);
    let tester = tester(&[&one, &two], Options { policy: Policy::RoundRobin, ..options() });
    let mut words = Vec::new();
    for _ in 0..4 {
        words.push(word(&ask(&tester, "a. TXT").await));
    }
    assert_eq!(words, ["one", "two", "one", "two"]);
}

#[tokio::test]
async fn random_takes_any() {
    let (one, two) = (Upstream::saying("one").await, Upstream::saying("two").await);
    let tester = tester(&[&one, &two], Options { policy: Policy::Random, ..options() });
    for _ in 0..64 {
        ask(&tester, "a. TXT").await;
    }
    // One chance in 2^63 that one of them is never taken.
    assert!(!one.seen().is_empty() && !two.seen().is_empty());
}

/// Reads the label that `forward` tells.
struct Reader {
    label: Told,
    read: Arc<Mutex<Vec<Option<String>>>>,
}

impl Plugin for Reader {
    fn name(&self) -> &'static str {
        "reader"
    }

    fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        Step::Next
    }

    fn on_response(&self, query: &Query<'_>, _: &mut Response<'_>) {
        self.read.lock().unwrap().push(self.label.text(query).map(str::to_owned));
    }
}

#[tokio::test]
async fn which_upstream_was_asked_is_told_under_a_label() {
    let (refusing, second) =
        (Upstream::start(|_, query| vec![empty(query, 5)]).await, Upstream::saying("second").await);
    let directive = format!(
        "forward . {} {} {{\npolicy sequential\nfailover REFUSED\nexcept outside.\n}}",
        refusing.address, second.address
    );
    let read = Arc::new(Mutex::new(Vec::new()));
    let (mut settings, shared) = (Settings::default(), Shared::default());
    let metadata = settings.in_block::<Metadata>();
    metadata.turn_on(vec!["a.".parse().unwrap(), "outside.".parse().unwrap()]);
    let reader = Reader { label: metadata.read("forward/upstream"), read: read.clone() };
    let chain = configure_in::<Forward>(".", &directive, &mut settings, &shared).unwrap();
    let chain = chain.plugins().cloned().fold(Chain::new().then(reader), Chain::then_shared);
    let tester = Tester::new(chain);
    assert_eq!(word(&ask(&tester, "a. TXT").await), "second");
    ask(&tester, "b. TXT").await;
    tester.ask("outside. TXT");
    let expected = [Some(second.address.to_string()), None, None];
    assert_eq!(
        *read.lock().unwrap(),
        expected,
        "the last that was asked; none without metadata; nobody was asked"
    );
}

/// Over what an upstream was asked, which one, what was sent, and what came.
type Heard = (Transport, SocketAddr, Vec<u8>, Option<Vec<u8>>);

/// Keeps what it hears.
#[derive(Default)]
struct Ear(Mutex<Vec<Heard>>);

impl Listener for Ear {
    fn hear(&self, exchange: &Exchange<'_>) {
        let Exchange { transport, server, query, response, .. } = *exchange;
        self.0.lock().unwrap().push((transport, server, query.to_vec(), response.map(<[u8]>::to_vec)));
    }
}

#[tokio::test]
async fn listeners_hear_of_each_exchange() {
    let (silent, second) = (Upstream::silent().await, truncating().await);
    let directive = format!(
        "forward . {} {} {{\npolicy sequential\nprefer_udp\nread_timeout 1s\n}}",
        silent.address, second.address
    );
    let (mut settings, shared, ear) = (Settings::default(), Shared::default(), Arc::new(Ear::default()));
    settings.in_block::<Listeners>().add(ear.clone());
    let tester = Tester::new(configure_in::<Forward>(".", &directive, &mut settings, &shared).unwrap());
    assert_eq!(word(&ask(&tester, "a. TXT").await), "whole");
    let heard = std::mem::take(&mut *ear.0.lock().unwrap());
    let of_whom: Vec<_> =
        heard.iter().map(|(over, of, _, response)| (*over, *of, response.is_some())).collect();
    assert_eq!(
        of_whom,
        [
            (Transport::Udp, silent.address, false),
            (Transport::Udp, second.address, true),
            (Transport::Tcp, second.address, true),
        ]
    );
    // What was sent, and what came back to it.
    let (_, _, query, response) = &heard[2];
    assert_eq!(*query, second.seen()[1].1);
    assert_eq!(response.as_ref().unwrap()[..2], query[..2]);
}

#[tokio::test]
async fn transfers_are_refused() {
    let upstream = Upstream::saying("hello").await;
    let answer = ask(&tester(&[&upstream], options()), Ask::new("a. AXFR").over(Transport::Tcp)).await;
    assert_eq!(answer.rcode(), Rcode::REFUSED);
}

#[tokio::test]
async fn names_are_taken_by_their_ends() {
    let upstream = Upstream::saying("forwarded").await;
    let SocketAddr::V4(address) = upstream.address else { panic!("it listens on IPv4") };
    let directive = format!("forward corp.example {address} {{\nexcept no.corp.example corp.example\n}}");
    let chain = configure::<Forward>(&directive).unwrap();
    let tester = Tester::new(chain.then(Canned::new("a. 60 TXT next")));
    let table = [
        // The name itself is taken even where it is excepted.
        ("corp.example. TXT", "forwarded"),
        ("a.CORP.example. TXT", "next"),
        ("no.corp.example. TXT", "next"),
        ("example. TXT", "next"),
        ("xcorp.example. TXT", "next"),
    ];
    for (question, expected) in table {
        assert_eq!(word(&ask(&tester, question).await), expected, "{question}");
    }
}
