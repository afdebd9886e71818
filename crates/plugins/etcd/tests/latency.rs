//! How soon a change is answered; alone in its program, so that nothing else takes its time.
//!
//! `cargo test -p cartonym-plugin-etcd --test latency -- --nocapture` prints the figures.

#![allow(clippy::disallowed_methods, reason = "a test waits for another program")]
#![allow(clippy::print_stdout, reason = "figures are for people")]

mod common;

use std::time::{Duration, Instant};

use cartonym_etcd::{Client, Op, Txn};

use common::{Served, Server, client, put};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_answered_within_50_ms_before_and_after_etcd_was_away() {
    if !Server::is_installed() {
        return;
    }
    let mut server = Server::start();
    let served = Served::start(&server, "/skydns").await;
    let before = round(&served, &client(&server), "before").await;
    server.stop();
    assert!(!served.answers("before-kept.svc.skydns.test. A").is_empty());
    server.go_on();
    let client = client(&server);
    put(&client, "/skydns/test/skydns/back", r#"{"host":"192.0.2.1"}"#).await;
    served.until_there("back.skydns.test.").await;
    let after = round(&served, &client, "after").await;
    println!("put to answer at p50 and p99: {before:?}; after an outage {after:?}");
    // The goal is p99, of a machine that does nothing else; others may have this one as well.
    assert!(before[0].max(after[0]) < MOST, "{before:?} {after:?}");
}

/// The times from a put, acknowledged and so on disk, to its answer that every other put and 1 of 100 exceed.
async fn round(served: &Served, client: &Client, label: &str) -> [Duration; 2] {
    let mut times = Vec::new();
    for number in 0..PUTS {
        let value = format!(r#"{{"host":"192.0.2.{}","port":80}}"#, number % 250);
        put(client, &format!("/skydns/test/skydns/svc/{label}-{number}"), &value).await;
        let begin = Instant::now();
        served.until_there(&format!("{label}-{number}.svc.skydns.test.")).await;
        times.push(begin.elapsed());
    }
    times.sort();
    for number in 0..PUTS {
        let success = vec![Op::delete(format!("/skydns/test/skydns/svc/{label}-{number}").into())];
        client.txn(Txn { success, ..Txn::default() }).await.unwrap();
    }
    put(client, &format!("/skydns/test/skydns/svc/{label}-kept"), r#"{"host":"192.0.2.1"}"#).await;
    served.until_there(&format!("{label}-kept.svc.skydns.test.")).await;
    [PUTS / 2, PUTS * 99 / 100].map(|at| times[at])
}

const MOST: Duration = Duration::from_millis(50);
const PUTS: usize = 200;
