//! What becomes of a registry whose etcd stops, forgets, or holds what is not a registry's.
//!
//! Without an etcd these are passed over, unless `CARTONYM_REQUIRE_PEERS` is set, as CI does.

#![allow(clippy::disallowed_methods, reason = "a test waits for another program")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cartonym_backend_etcd::Etcd;
use cartonym_registry::{Options, Registry};

use common::{Server, has_etcd};

async fn open(server: &Server) -> Registry {
    let backend = Arc::new(Etcd::new(&server.options(), "/cartonym").unwrap());
    Registry::open(backend, Options::default()).await.unwrap()
}

async fn register(registry: &Registry, number: u8) -> bool {
    let address = ([192, 0, 2, number], 80).into();
    registry.register("web.svc.example", &format!("i{number}"), address).await.is_ok()
}

fn count(registry: &Registry) -> usize {
    registry.model().instance_count()
}

/// Waits until a registry has so many instances, and says how long that took.
async fn until(registry: &Registry, instances: usize) -> Duration {
    let begin = Instant::now();
    while count(registry) != instances {
        assert!(begin.elapsed() < Duration::from_secs(20), "{} of {instances}", count(registry));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    begin.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_on_one_node_is_on_the_other() {
    if !has_etcd() {
        return;
    }
    let server = Server::start();
    let (one, other) = (open(&server).await, open(&server).await);
    for number in 1..=50 {
        assert!(register(if number % 2 == 0 { &one } else { &other }, number).await);
        until(&one, number.into()).await;
        until(&other, number.into()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_etcd_is_away_what_is_known_stays_and_changes_are_refused() {
    if !has_etcd() {
        return;
    }
    let mut server = Server::start();
    let registry = open(&server).await;
    assert!(register(&registry, 1).await);
    server.stop();
    let begin = Instant::now();
    assert!(!register(&registry, 2).await);
    assert!(begin.elapsed() < Duration::from_secs(4), "refused after {:?}", begin.elapsed());
    assert_eq!(count(&registry), 1);
    server.go_on();
    let end = Instant::now() + Duration::from_secs(20);
    while !register(&registry, 3).await {
        assert!(Instant::now() < end, "still refused");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(count(&registry), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_meanwhile_is_found_though_its_history_is_compacted() {
    if !has_etcd() {
        return;
    }
    let mut server = Server::start();
    let behind = open(&server).await;
    assert!(register(&behind, 1).await);
    server.stop();
    let port = server.go_on_elsewhere();
    let writer = open(&server).await;
    for number in 2..=20 {
        assert!(register(&writer, number).await);
    }
    assert!(server.ctl(&["put", "/cartonym/instance/nobody", "nothing"]), "a value of a foreign hand");
    let revision = writer.model().revision().0.to_string();
    assert!(server.ctl(&["compact", &revision]));
    server.stop();
    server.go_on_at(port);
    until(&behind, 20).await;
    let end = Instant::now() + Duration::from_secs(20);
    while !register(&behind, 21).await {
        assert!(Instant::now() < end, "does not go on from there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
