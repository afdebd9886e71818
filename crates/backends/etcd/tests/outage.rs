//! What becomes of a registry whose etcd stops, forgets, or holds what is not a registry's.
//!
//! Without an etcd these are passed over, unless `CARTONYM_REQUIRE_PEERS` is set, as CI does.

#![allow(clippy::disallowed_methods, reason = "a test waits for another program")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cartonym_backend_etcd::Etcd;
use cartonym_registry::{LastSeen, Options, Registry};

use common::Server;

async fn open(server: &Server) -> Registry {
    open_with(server, "/cartonym", Options::default()).await
}

async fn open_with(server: &Server, prefix: &str, options: Options) -> Registry {
    let backend = Arc::new(Etcd::new(&common::options(server), prefix).unwrap());
    Registry::open(backend, options).await.unwrap()
}

/// Options of a registry that is kept in a folder, in case etcd is away.
fn kept_in(folder: &Path, allow_empty: bool) -> Options {
    let (path, source) = (folder.join("last-seen"), "etcd".to_owned());
    let last_seen = Some(LastSeen { path, source, allow_empty });
    Options { last_seen, ..Options::default() }
}

async fn until_kept(folder: &Path, instance: &str) {
    let path = folder.join("last-seen");
    let end = Instant::now() + Duration::from_secs(20);
    while !std::fs::read_to_string(&path).is_ok_and(|text| text.contains(instance)) {
        assert!(Instant::now() < end, "not kept");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
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

/// Registers an instance as soon as changes are taken.
async fn until_registered(registry: &Registry, number: u8) {
    let end = Instant::now() + Duration::from_secs(20);
    while !register(registry, number).await {
        assert!(Instant::now() < end, "i{number} is still refused");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn until_back(registry: &Registry) {
    let end = Instant::now() + Duration::from_secs(20);
    while registry.away_since().is_some() {
        assert!(Instant::now() < end, "still away");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_on_one_node_is_on_the_other() {
    if !Server::is_installed() {
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
    if !Server::is_installed() {
        return;
    }
    let mut server = Server::start();
    let registry = open(&server).await;
    assert!(register(&registry, 1).await);
    server.stop();
    let begin = Instant::now();
    assert!(!register(&registry, 2).await);
    assert!(begin.elapsed() < Duration::from_secs(20), "refused after {:?}", begin.elapsed());
    assert_eq!(count(&registry), 1);
    // The write and the watch hear of it each for itself.
    let end = Instant::now() + Duration::from_secs(20);
    while registry.away_since().is_none() {
        assert!(Instant::now() < end, "nobody says that etcd is away");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.go_on();
    // Though nobody has written.
    until_back(&registry).await;
    until_registered(&registry, 3).await;
    assert_eq!(count(&registry), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_meanwhile_is_found_though_its_history_is_compacted() {
    if !Server::is_installed() {
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
    until_registered(&behind, 21).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_without_etcd_serves_what_was_last_seen() {
    if !Server::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start();
    let registry = open_with(&server, "/cartonym", kept_in(folder.path(), false)).await;
    for number in 1..=3 {
        assert!(register(&registry, number).await);
    }
    until_kept(folder.path(), "i3").await;
    drop(registry);
    server.stop();
    let begin = Instant::now();
    let registry = open_with(&server, "/cartonym", kept_in(folder.path(), false)).await;
    assert!(begin.elapsed() < Duration::from_secs(20), "after {:?}", begin.elapsed());
    assert_eq!(count(&registry), 3);
    assert!(registry.away_since().is_some());
    server.go_on();
    until_registered(&registry, 4).await;
    assert_eq!((count(&registry), registry.away_since()), (4, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_etcd_does_not_take_the_place_of_what_was_known() {
    if !Server::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let registry = open_with(&server, "/cartonym", kept_in(folder.path(), false)).await;
    assert!(register(&registry, 1).await);
    until_kept(folder.path(), "i1").await;
    drop(registry);
    // What an operator's slip of the pen does.
    let registry = open_with(&server, "/cartonim", kept_in(folder.path(), false)).await;
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        assert!(!register(&registry, 2).await, "written to a registry that is not ours");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(count(&registry), 1, "what was known stays");
    // Somebody puts it right: here, by filling what was empty.
    let writer = open_with(&server, "/cartonim", Options::default()).await;
    assert!(register(&writer, 7).await && register(&writer, 8).await);
    until(&registry, 2).await;
    until_back(&registry).await;
    // And it is written to again.
    until_registered(&registry, 9).await;
    drop((registry, writer));
    let registry = open_with(&server, "/cartonin", kept_in(folder.path(), false)).await;
    assert!(!register(&registry, 2).await);
    drop(registry);
    let allowed = open_with(&server, "/cartonin", kept_in(folder.path(), true)).await;
    assert_eq!(count(&allowed), 0);
    assert!(register(&allowed, 2).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_come_together_are_all_made_in_few_transactions() {
    if !Server::is_installed() {
        return;
    }
    let server = Server::start();
    let (one, other) = (open(&server).await, open(&server).await);
    assert!(register(&one, 0).await);
    until(&other, 1).await;
    let before = one.published().0;
    let changes = (1..=250).map(|number| {
        let registry = if number % 5 == 0 { &other } else { &one };
        register(registry, number)
    });
    let made = futures_util::future::join_all(changes).await;
    assert!(made.into_iter().all(|made| made));
    until(&one, 251).await;
    until(&other, 251).await;
    let transactions = one.published().0 - before;
    assert!(transactions <= 50, "{transactions} transactions");
    // One of the same record after another: the last one stays, on both.
    let changes = (1..=50).map(|number| {
        let address = ([192, 0, 2, number], 80).into();
        one.register("web.svc.example", "same", address)
    });
    let made = futures_util::future::join_all(changes).await;
    assert!(made.into_iter().all(|made| made.is_ok()));
    one.deregister("web.svc.example", "same").await.unwrap();
    until(&one, 251).await;
    until(&other, 251).await;
}
