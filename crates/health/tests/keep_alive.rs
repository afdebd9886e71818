//! Connections that are used again.

mod common;

use std::sync::Arc;
use std::time::Duration;

use cartonym_health::Options;
use cartonym_registry::{HealthCheckType::Http, HealthStatus};
use common::*;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;

/// How many requests each connection of a target brought, once `checks` were made of it; none may have failed.
///
/// It answers with `answer`; after the first, it sends `unasked` once the connection is at rest, or else hangs up.
async fn requests(options: Options, answer: &'static str, after: After, checks: u64) -> Vec<usize> {
    let connections = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&connections);
    let target = target(move |mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            let connection = seen.lock().len();
            seen.lock().push(0);
            while !request(&mut stream).await.is_empty() {
                seen.lock()[connection] += 1;
                _ = stream.write_all(answer.as_bytes()).await;
                match after {
                    After::Listen => {}
                    After::HangUp => return,
                    After::Say(unasked) => {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        _ = stream.write_all(unasked.as_bytes()).await;
                    }
                }
            }
        }
    })
    .await;
    let world = World::new(options).await;
    let service = world.service(Http, None).await;
    world.register(service, "i", target).await;
    soon(|| (world.checker.counts().checks >= checks).then_some(())).await;
    assert_eq!(world.checker.counts().failures, 0);
    assert_eq!(world.registry.model().health_of(service, &id("i")), Some(HealthStatus::Healthy));
    Arc::try_unwrap(connections).map_or_else(|shared| shared.lock().clone(), Mutex::into_inner)
}

#[derive(Clone, Copy)]
enum After {
    Listen,
    HangUp,
    Say(&'static str),
}

const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn one_connection_serves_many_checks_where_the_body_has_an_end() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n{}", "x".repeat(60_000)).leak();
    for answer in [EMPTY, "HTTP/1.1 204 No Content\r\n\r\n", chunked, long] {
        let requests = requests(options(), answer, After::Listen, 4).await;
        assert!(requests.len() == 1 && requests[0] >= 4, "{requests:?}");
    }
}

#[tokio::test]
async fn a_long_body_is_read_to_its_end() {
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n{}", "x".repeat(70_000)).leak();
    assert_eq!(requests(options(), long, After::Listen, 3).await.len(), 1);
}

#[tokio::test]
async fn each_check_has_its_own_where_the_target_wants_it_so() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore than it said",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nless",
    ] {
        let requests = requests(options(), answer, After::Listen, 3).await;
        assert!(requests.len() >= 3 && requests.iter().all(|n| *n == 1), "{answer:.60}: {requests:?}");
    }
}

#[tokio::test]
async fn a_connection_closed_at_rest_is_no_failure() {
    let requests = requests(options(), EMPTY, After::HangUp, 3).await;
    assert!(requests.len() >= 3);
}

#[tokio::test]
async fn what_a_target_says_unasked_is_not_taken_for_an_answer() {
    let late = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";
    let requests = requests(options(), EMPTY, After::Say(late), 3).await;
    assert!(requests.len() >= 3);
}

#[tokio::test]
async fn no_more_are_kept_than_may_be() {
    let requests = requests(Options { kept: 0, ..options() }, EMPTY, After::Listen, 3).await;
    assert!(requests.len() >= 3 && requests.iter().all(|n| *n == 1), "{requests:?}");
}

#[tokio::test]
async fn a_connection_is_renewed_after_its_time() {
    let options = Options { keep_alive: Duration::from_millis(500), ..options() };
    let requests = requests(options, EMPTY, After::Listen, 7).await;
    assert!((2..7).contains(&requests.len()), "{requests:?}");
}
