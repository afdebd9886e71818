//! Targets that mean no good: each check ends within its limits, and reads no more than it must.

mod common;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cartonym_health::Failure;
use cartonym_registry::HealthCheckType::{self, *};
use common::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// A target that begins its answer with `first`, and then says `again` for ever, after a pause each time.
///
/// Counts what it could send.
async fn endless(first: &'static str, again: Vec<u8>, pause: Duration) -> (SocketAddr, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let again: &'static [u8] = again.leak();
    let target = target(move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            request(&mut stream).await;
            _ = stream.write_all(first.as_bytes()).await;
            while let Ok(n) = stream.write(again).await {
                count.fetch_add(n, Ordering::Relaxed);
                tokio::time::sleep(pause).await;
            }
        }
    })
    .await;
    (target, sent)
}

/// What one check of `target` comes to, which it must within the limits of the tests and some patience.
async fn check(kind: HealthCheckType, target: SocketAddr) -> Result<(), Failure> {
    let began = Instant::now();
    let verdict = World::verdict_on(kind, target).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    verdict
}

#[tokio::test]
async fn endless_fields_are_a_head_too_long() {
    let (target, sent) = endless("HTTP/1.1 200 OK\r\n", b"A: bcdefg\r\n".repeat(1000), Duration::ZERO).await;
    assert_eq!(check(Http, target).await, Err(Failure::HeadTooLong));
    // What is sent beyond what is read stays in the buffers of both sockets.
    assert!(sent.load(Ordering::Relaxed) < 16 << 20);
}

#[tokio::test]
async fn one_endless_line_is_a_head_too_long() {
    let (target, _) = endless("", vec![b'x'; 4096], Duration::ZERO).await;
    assert_eq!(check(Http, target).await, Err(Failure::HeadTooLong));
}

#[tokio::test]
async fn endless_interim_answers_are_a_head_too_long() {
    let (target, _) = endless("", b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100), Duration::ZERO).await;
    assert_eq!(check(Http, target).await, Err(Failure::HeadTooLong));
}

#[tokio::test]
async fn an_answer_that_drips_is_none_in_time() {
    let drip = Duration::from_millis(20);
    let (target, _) = endless("HTTP/1.1 200 OK\r\n", b"x".to_vec(), drip).await;
    assert_eq!(check(Http, target).await, Err(Failure::AnswerTimeout));
}

#[tokio::test]
async fn a_body_of_ten_gigabytes_is_not_read() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n";
    let (target, sent) = endless(head, vec![b'x'; 65536], Duration::ZERO).await;
    assert_eq!(check(Http, target).await, Err(Failure::BodyTooLong));
    assert!(sent.load(Ordering::Relaxed) < 64 << 20);
}

#[tokio::test]
async fn a_body_that_does_not_say_how_long_it_is_is_read_until_it_is_too_long() {
    let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
    for (head, piece) in [
        ("HTTP/1.1 200 OK\r\n\r\n", vec![b'x'; 65536]),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk),
    ] {
        let (target, sent) = endless(head, piece, Duration::ZERO).await;
        assert_eq!(check(Http, target).await, Err(Failure::BodyTooLong));
        assert!(sent.load(Ordering::Relaxed) < 64 << 20);
    }
}

#[tokio::test]
async fn a_body_that_goes_on_slowly_says_nothing_against_the_status() {
    let (target, _) = endless("HTTP/1.1 200 OK\r\n\r\n", b"x".to_vec(), Duration::from_millis(20)).await;
    assert_eq!(check(Http, target).await, Ok(()));
}

#[tokio::test]
async fn a_body_that_drips_does_not_hold_the_verdict_up_for_long() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let (target, _) = endless(head, b"x".to_vec(), Duration::from_millis(20)).await;
    let world = World::new(options()).await;
    let service = world.service(Http, None).await;
    world.register(service, "i", target).await;
    let report = world.report(service, "i").await;
    assert_eq!(report.failure, None);
    assert!(report.latency < Duration::from_secs(3), "{:?}", report.latency);
}

#[tokio::test]
async fn who_accepts_and_says_nothing_is_not_in_time() {
    let silent = || {
        target(|stream| async move {
            std::future::pending::<()>().await;
            drop(stream)
        })
    };
    assert_eq!(check(Http, silent().await).await, Err(Failure::AnswerTimeout));
    assert_eq!(check(Https, silent().await).await, Err(Failure::AnswerTimeout));
    assert_eq!(check(Tcp, silent().await).await, Ok(()));
}

#[tokio::test]
async fn who_hangs_up_is_broken_off() {
    let early = target(|mut stream| async move { _ = request(&mut stream).await }).await;
    let broken = Err(Failure::Broken(io::ErrorKind::UnexpectedEof));
    assert_eq!(check(Http, early).await, broken);
    let halfway = target(|mut stream| async move {
        request(&mut stream).await;
        _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-").await;
    })
    .await;
    assert_eq!(check(Http, halfway).await, Err(Failure::NotHttp));
    let reset = target(|stream| async move { stream.set_zero_linger().unwrap() }).await;
    assert!(matches!(check(Http, reset).await, Err(Failure::Broken(_))));
}

#[tokio::test]
async fn other_languages_are_not_http() {
    for words in
        ["SSH-2.0-OpenSSH_9.9\r\n\r\n", "HTTP/2 200\r\n\r\n", "\0\0\0\x04\x08\n\n", "HTTP/1.1 2x0 OK\r\n\r\n"]
    {
        assert_eq!(check(Http, answering(words).await).await, Err(Failure::NotHttp), "{words:?}");
    }
}

#[tokio::test]
async fn broken_tls_is_none() {
    let plain = answering("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let quick = target(|mut stream| async move {
        _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        _ = stream.read(&mut [0; 1024]).await;
    })
    .await;
    assert!(matches!(check(Https, quick).await, Err(Failure::Tls(_))));
    assert_eq!(check(Https, plain).await, Err(Failure::AnswerTimeout));
    // A record of TLS that says it has 16 KiB to come, and never comes to the end of it.
    let (endless, _) = endless_tls().await;
    assert!(matches!(check(Https, endless).await, Err(Failure::Tls(_) | Failure::AnswerTimeout)));
}

async fn endless_tls() -> (SocketAddr, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let target = target(move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            // A handshake message of 16 MiB in records of 16 KiB (RFC 8446 §4, §5.1).
            _ = stream.write_all(b"\x16\x03\x03\x40\x00\x02\xff\xff\xff").await;
            while let Ok(n) = stream.write(&[0; 1024]).await {
                count.fetch_add(n, Ordering::Relaxed);
            }
        }
    })
    .await;
    (target, sent)
}

#[tokio::test]
async fn who_does_not_accept_is_no_connection_in_time() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let target = listener.local_addr().unwrap();
    // The listener's queue takes a few and then drops what comes.
    let mut queue = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_secs(1), TcpStream::connect(target)).await {
        queue.push(stream.unwrap());
        assert!(queue.len() < 100);
    }
    assert_eq!(check(Tcp, target).await, Err(Failure::ConnectTimeout));
    assert_eq!(check(Http, target).await, Err(Failure::ConnectTimeout));
}

#[tokio::test]
async fn a_redirect_to_itself_fails_and_is_asked_once_a_check() {
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    let target = target(move |mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            while !request(&mut stream).await.is_empty() {
                seen.fetch_add(1, Ordering::Relaxed);
                let answer = "HTTP/1.1 307 Loop\r\nLocation: /\r\nContent-Length: 0\r\n\r\n";
                _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    })
    .await;
    let world = World::new(options()).await;
    let service = world.service(Http, None).await;
    world.register(service, "i", target).await;
    soon(|| (world.checker.counts().checks >= 3).then_some(())).await;
    assert_eq!(check(Http, target).await, Err(Failure::RedirectLoop));
    let (checks, seen) = (world.checker.counts().checks as usize, requests.load(Ordering::Relaxed));
    assert!(seen <= checks + 1, "{seen} requests in {checks} checks");
}
