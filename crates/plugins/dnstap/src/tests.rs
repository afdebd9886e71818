//! Queries in, frames out.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::metrics::Counter;
use cartonym_plugin::wire::OptionCode;
use cartonym_plugin::{Exchange, Listener, Plugin, Query, Response, Step, Transport};
use cartonym_responder::{Chain, Moment, Responder, Scratch, Verdict};
use cartonym_testing::{Ask, Canned, Tester, allocations, configure};
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::timeout;

use crate::frames::{ACCEPT, FINISH, STOP, bare, control};
use crate::message::{CLIENT_QUERY, CLIENT_RESPONSE, Dnstap, FORWARDER_QUERY, FORWARDER_RESPONSE};
use crate::{Collector, Options, Tap};

fn options(collector: Collector) -> Options {
    let (identity, version, extra) = (b"ns1".to_vec(), b"v".to_vec(), b"x".to_vec());
    Options { collector, is_full: true, queue: 100, identity, version, extra }
}

/// A server with a tap, whose task runs.
fn serve(tap: Tap) -> Tester {
    let tap = Arc::new(tap);
    tokio::spawn(Arc::clone(&tap).background().expect("work of its own"));
    let chain = Chain::new().then_shared(tap).then(Canned::new("www.example. 60 A 192.0.2.1"));
    let responder = Responder::builder().zone(cartonym_plugin::wire::Name::ROOT, chain).build();
    Tester::with(responder).now(Duration::new(1_000_000, 7))
}

/// A frame's octets, a control frame's with its type first.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let len = match stream.read_u32().await.unwrap() {
        0 => stream.read_u32().await.unwrap(),
        len => len,
    };
    let mut frame = vec![0; len as usize];
    stream.read_exact(&mut frame).await.unwrap();
    frame
}

/// The messages that a collector gets, and the whole stream after its greeting.
async fn collect(mut stream: impl AsyncRead + AsyncWrite + Unpin, count: usize) -> (Vec<Dnstap>, Vec<u8>) {
    assert_eq!(read(&mut stream).await[..4], [0, 0, 0, 4]);
    stream.write_all(&control(ACCEPT)).await.unwrap();
    assert_eq!(read(&mut stream).await[..4], [0, 0, 0, 2]);
    let (mut messages, mut whole) = (Vec::new(), control(2));
    while messages.len() < count {
        let frame = timeout(Duration::from_secs(5), read(&mut stream)).await.unwrap();
        crate::frames::frame(&frame, &mut whole);
        messages.push(Dnstap::decode(&*frame).unwrap());
    }
    whole.extend_from_slice(&bare(STOP));
    (messages, whole)
}

#[tokio::test]
async fn a_collector_is_told_of_queries_and_responses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let tester = serve(Tap::new(options(Collector::Unix(path)), Counter::default()));
    tester.ask(Ask::new("www.example. A").from("192.0.2.9:4000"));
    tester.ask(Ask::new("www.example. A").from("[2001:db8::9]:4000").over(Transport::Tls));
    // Who asks from within is no client.
    tester.ask(Ask::new("www.example. A").over(Transport::Internal));
    let (messages, whole) = collect(listener.accept().await.unwrap().0, 4).await;
    let of = |n: usize| messages[n].message.clone().unwrap();
    assert_eq!((&messages[0].identity, &messages[0].extra), (&Some(b"ns1".to_vec()), &Some(b"x".to_vec())));
    assert_eq!(
        [0, 1, 2, 3].map(|n| of(n).kind),
        [CLIENT_QUERY, CLIENT_RESPONSE, CLIENT_QUERY, CLIENT_RESPONSE]
    );
    assert_eq!((of(0).query_address, of(0).query_port), (Some(vec![192, 0, 2, 9]), Some(4000)));
    assert_eq!((of(0).query_seconds, of(0).query_nanos), (Some(1_000_000), Some(7)));
    assert_eq!(
        (of(0).family, of(0).protocol, of(2).family, of(2).protocol),
        (Some(1), Some(1), Some(2), Some(3))
    );
    assert!(of(0).query.is_some() && of(0).response.is_none() && of(1).response_seconds.is_some());
    assert!(of(1).response.unwrap().ends_with(&[192, 0, 2, 1]));
    kdig_reads(&whole, folder.path());
}

#[tokio::test]
async fn what_waits_when_the_writer_ends_is_counted() {
    let dropped = Counter::default();
    let folder = tempfile::tempdir().unwrap();
    // Nobody is there.
    let tap = Arc::new(Tap::new(options(Collector::Unix(folder.path().join("socket"))), dropped.clone()));
    let writer = tokio::spawn(Arc::clone(&tap).background().expect("work of its own"));
    tap.hear(&exchange());
    assert_eq!(dropped.sum(), 0);
    writer.abort();
    assert!(writer.await.unwrap_err().is_cancelled());
    assert_eq!(dropped.sum(), 2);
    tap.hear(&exchange());
    assert_eq!(dropped.sum(), 4, "nobody takes it any more");
}

#[tokio::test]
async fn a_stream_that_is_to_end_has_what_waited_and_says_that_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let dropped = Counter::default();
    let options = Options { queue: 1000, ..options(Collector::Unix(path)) };
    let tap = Arc::new(Tap::new(options, dropped.clone()));
    let writer = tokio::spawn(Arc::clone(&tap).background().expect("work of its own"));
    // More than are written at once.
    (0..300).for_each(|_| tap.hear(&exchange()));
    assert!(tap.end());
    let (mut stream, _) = listener.accept().await.unwrap();
    assert_eq!(collect(&mut stream, 600).await.0.len(), 600);
    assert_eq!(read(&mut stream).await, STOP.to_be_bytes());
    assert!(!writer.is_finished(), "it waits for the other end");
    stream.write_all(&bare(FINISH)).await.unwrap();
    writer.await.unwrap();
    assert_eq!(dropped.sum(), 0);
}

#[tokio::test]
async fn an_end_waits_for_no_collector_that_is_away() {
    let dropped = Counter::default();
    let tap = Arc::new(Tap::new(options(Collector::Unix("/nonexistent/socket".into())), dropped.clone()));
    let writer = tokio::spawn(Arc::clone(&tap).background().expect("work of its own"));
    tap.hear(&exchange());
    assert!(tap.end());
    writer.await.unwrap();
    assert_eq!(dropped.sum(), 2);
}

/// Two messages.
fn exchange() -> Exchange<'static> {
    Exchange {
        server: "192.0.2.53:53".parse().unwrap(),
        transport: Transport::Udp,
        took: Duration::ZERO,
        query: b"asked",
        response: Some(b"said"),
    }
}

#[tokio::test]
async fn a_collector_is_told_of_what_others_are_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let tap = Arc::new(Tap::new(options(Collector::Unix(path)), Counter::default()));
    tokio::spawn(Arc::clone(&tap).background().expect("work of its own"));
    let server = "[2001:db8::53]:853".parse().unwrap();
    let took = Duration::from_secs(3);
    let mut exchange = Exchange { server, transport: Transport::Tls, took, query: b"asked", response: None };
    tap.hear(&exchange);
    exchange.response = Some(b"said");
    tap.hear(&exchange);
    let (messages, _) = collect(listener.accept().await.unwrap().0, 3).await;
    let of = |n: usize| messages[n].message.clone().unwrap();
    // No response came to the first.
    assert_eq!([0, 1, 2].map(|n| of(n).kind), [FORWARDER_QUERY, FORWARDER_QUERY, FORWARDER_RESPONSE]);
    let upstream: std::net::Ipv6Addr = "2001:db8::53".parse().unwrap();
    for message in [of(0), of(1), of(2)] {
        assert_eq!((message.family, message.protocol), (Some(2), Some(3)));
        assert_eq!(message.response_address, Some(upstream.octets().to_vec()));
        assert_eq!((message.response_port, message.query_address), (Some(853), None));
    }
    assert_eq!((of(1).query, of(1).response), (Some(b"asked".to_vec()), None));
    assert_eq!((of(2).query, of(2).response), (None, Some(b"said".to_vec())));
    assert!(of(2).response_seconds >= of(2).query_seconds.map(|seconds| seconds + 3));
}

/// Knot's client reads what was written, where it is there.
fn kdig_reads(whole: &[u8], folder: &std::path::Path) {
    let file = folder.join("tap");
    std::fs::write(&file, whole).unwrap();
    match Command::new("kdig").arg("-G").arg(&file).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            // It shows responses: the question and the answer of two.
            assert_eq!(said.matches("www.example.").count(), 4, "{said}");
        }
        Err(_) => assert!(std::env::var_os("CARTONYM_REQUIRE_PEERS").is_none(), "there is no kdig"),
    }
}

#[tokio::test]
async fn a_collector_that_comes_later_is_told_what_has_waited() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let options = Options { is_full: false, ..options(Collector::Tcp(address)) };
    let tester = serve(Tap::new(options, Counter::default()));
    tester.ask("www.example. A");
    let listener = TcpListener::bind(address).await.unwrap();
    let (messages, _) = collect(listener.accept().await.unwrap().0, 2).await;
    let message = messages[0].message.clone().unwrap();
    assert_eq!((message.query, message.response), (None, None));
}

#[tokio::test]
async fn what_the_queue_has_no_room_for_is_counted() {
    let dropped = Counter::default();
    let options = Options { queue: 3, ..options(Collector::Unix("/nonexistent/socket".into())) };
    let tester = serve(Tap::new(options, dropped.clone()));
    (0..3).for_each(|_| drop(tester.ask("www.example. A")));
    assert_eq!(dropped.sum(), 3);
}

#[tokio::test]
async fn what_waits_is_bounded_in_octets() {
    let dropped = Counter::default();
    let options = options(Collector::Unix("/nonexistent/socket".into()));
    let tester = serve(Tap::new(options, dropped.clone()));
    // 80 messages are fewer than may wait.
    for _ in 0..40 {
        tester.ask(Ask::new("www.example. A").option(OptionCode::PADDING, &[0; 3000]));
    }
    assert!(dropped.sum() > 0);
}

#[tokio::test]
async fn what_finds_no_room_takes_no_memory() {
    let options = Options { queue: 1, ..options(Collector::Unix("/nonexistent/socket".into())) };
    let tap = Arc::new(Tap::new(options, Counter::default()));
    let chain = Chain::new().then_shared(Arc::clone(&tap) as Arc<dyn Plugin>).then(Silent);
    let responder = Responder::builder().zone(cartonym_plugin::wire::Name::ROOT, chain).build();
    let ask = Ask::new("www.example. A");
    let (query, client, mut out, mut scratch) =
        (ask.to_message(), ask.client(), [0; 512], Scratch::default());
    let mut respond = || {
        let moment = Moment { now: Duration::ZERO, random: 7 };
        assert!(matches!(
            responder.respond(&mut scratch, &query, client, moment, &mut out),
            Verdict::Send(_)
        ));
    };
    respond();
    assert_eq!(allocations(respond), 0);
}

/// Answers without taking memory.
struct Silent;

impl Plugin for Silent {
    fn name(&self) -> &'static str {
        "silent"
    }

    fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        Step::Answered
    }
}

#[tokio::test]
async fn a_collector_that_goes_is_noticed_and_what_comes_meanwhile_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dropped = Counter::default();
    let tester = serve(Tap::new(options(Collector::Tcp(listener.local_addr().unwrap())), dropped.clone()));
    tester.ask("www.example. A");
    drop(collect(listener.accept().await.unwrap().0, 2).await);
    // It is found out when it connects again, that the first has gone.
    let (stream, _) = listener.accept().await.unwrap();
    tester.ask("www.example. A");
    assert_eq!(collect(stream, 2).await.0.len(), 2);
    assert_eq!(dropped.sum(), 0);
}

#[test]
fn directives_are_read() {
    for good in [
        "dnstap /run/tap.sock",
        "dnstap tcp://127.0.0.1:6000 full",
        "dnstap unix:///run/tap.sock full 1 2 {\nidentity a\nversion b\nextra c\n}\ndnstap /other",
    ] {
        assert!(configure::<Tap>(good).is_ok(), "{good}");
    }
    let table = [
        ("dnstap", "takes 1 to 4 arguments"),
        ("dnstap listen tcp://127.0.0.1:6000", "cannot connect to this server"),
        ("dnstap tcp://collector:6000", "is not an IP address and a port"),
        ("dnstap tls://127.0.0.1:6000", "is no socket"),
        ("dnstap /run/tap.sock empty", "is not one of `full`"),
        ("dnstap /run/tap.sock full many", "is not a whole number"),
        ("dnstap /run/tap.sock {\nextra \"{type}\"\n}", "placeholders"),
        ("dnstap /run/tap.sock {\nskipverify\n}", "unknown property"),
    ];
    for (directive, expected) in table {
        let error = configure::<Tap>(directive).unwrap_err();
        assert!(error.contains(expected), "{directive}: {error}");
    }
}
