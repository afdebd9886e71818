//! Checks by HTTP.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cartonym_health::{Failure, Options};
use cartonym_registry::{HealthCheckType::Http, HealthStatus, key};
use common::*;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;

fn answer(status: u16) -> String {
    format!("HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn two_hundreds_and_three_hundreds_are_healthy_and_nothing_is_followed() {
    for (status, passes) in [
        (200, true),
        (204, true),
        (302, true),
        (399, true),
        (400, false),
        (404, false),
        (503, false),
        (600, false),
    ] {
        let verdict = World::verdict_on(Http, answering(answer(status)).await).await;
        assert_eq!(verdict, if passes { Ok(()) } else { Err(Failure::Status(status)) });
    }
}

#[tokio::test]
async fn an_interim_answer_does_not_count() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    assert_eq!(World::verdict_on(Http, answering(format!("{interim}{}", answer(200))).await).await, Ok(()));
    let switched = answering(answer(101)).await;
    assert_eq!(World::verdict_on(Http, switched).await, Err(Failure::Status(101)));
}

#[tokio::test]
async fn the_request_names_the_service_and_the_path() {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let target = target(move |mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            let request = request(&mut stream).await;
            seen.lock().push(request);
            _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        }
    })
    .await;
    let world = World::new(Options { keep_alive: Duration::ZERO, ..options() }).await;
    let service = world.service(Http, Some("deep health?x=1")).await;
    world.register(service, "i", target).await;
    world.report(service, "i").await;
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "GET /deep%20health?x=1 HTTP/1.1\r\nHost: web.svc.example:{}\r\nUser-Agent: cartonym-health/{version}\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n",
        target.port()
    );
    assert_eq!(requests.lock()[0], expected);
}

#[tokio::test]
async fn an_instance_that_dies_is_unhealthy_and_one_that_returns_healthy() {
    let healthy = Arc::new(AtomicUsize::new(200));
    let status = Arc::clone(&healthy);
    let target = target(move |mut stream| {
        let status = Arc::clone(&status);
        async move {
            while !request(&mut stream).await.is_empty() {
                let answer = answer(status.load(Ordering::Relaxed) as u16);
                _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    })
    .await;
    let world = World::new(options()).await;
    let service = world.service(Http, None).await;
    world.register(service, "i", target).await;
    world.register(service, "dead", ([127, 0, 0, 1], 9).into()).await;
    for (status, expected) in
        [(200, HealthStatus::Healthy), (500, HealthStatus::Unhealthy), (200, HealthStatus::Healthy)]
    {
        healthy.store(status, Ordering::Relaxed);
        world.is_soon(service, "i", expected).await;
    }
    world.is_soon(service, "dead", HealthStatus::Unhealthy).await;
    let report = world.report(service, "dead").await;
    assert_eq!(report.failure, Some(Failure::Connect(std::io::ErrorKind::ConnectionRefused)));
}

#[tokio::test]
async fn of_two_addresses_the_ipv4_one_is_checked() {
    let four = answering(answer(200)).await;
    let world = World::new(options()).await;
    let service = world.service(Http, None).await;
    let both = [(key::IPV4, "127.0.0.1"), (key::IPV6, "100::1")];
    world.register_with(service, "both", &both, four.port()).await;
    assert_eq!(world.report(service, "both").await.failure, None);
}

#[tokio::test]
async fn an_ipv6_address_alone_is_checked() {
    let six = target_at("[::1]:0", |mut stream| async move {
        request(&mut stream).await;
        _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
    })
    .await;
    assert_eq!(World::verdict_on(Http, six).await, Ok(()));
}
