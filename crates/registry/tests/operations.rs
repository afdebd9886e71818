//! Operations: kept in order, and not without end.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cartonym_registry::*;
use common::*;

/// A clock that has never told the same time twice.
fn ticking() -> Timestamp {
    static NOW: AtomicU64 = AtomicU64::new(1_700_000_000_000);
    Timestamp::from_millis(NOW.fetch_add(1, Relaxed))
}

async fn open(backend: &MemoryBackend, operations_kept: usize) -> Registry {
    let options = Options { clock: ticking, operations_kept, ..Options::default() };
    Registry::open(Arc::new(backend.clone()), options).await.unwrap()
}

async fn register(registry: &Registry, service: ServiceId, n: usize) -> OperationId {
    registry.register_instance(service, id(&format!("i{n}")), at("192.0.2.1"), None).await.unwrap()
}

#[tokio::test]
async fn operations_are_listed_oldest_first_and_by_page() {
    let registry = open(&MemoryBackend::new(), 100).await;
    let service = public_service(&registry, &[RecordType::A]).await;
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(register(&registry, service, n).await);
    }
    let model = registry.model();
    let listed: Vec<_> = model.operations().map(|entry| entry.operation.id).collect();
    assert_eq!(listed[1..], made);
    let page: Vec<_> = model.operations_after(made[1]).map(|entry| entry.operation.id).collect();
    assert_eq!(page, made[2..]);
}

#[tokio::test]
async fn the_oldest_operations_make_room_for_new_ones() {
    let backend = MemoryBackend::new();
    let registry = open(&backend, 10).await;
    let service = public_service(&registry, &[RecordType::A]).await;
    let mut last = None;
    for n in 0..50 {
        last = Some(register(&registry, service, n).await);
    }
    assert!((10..=12).contains(&registry.model().operations().len()));
    assert!(registry.operation(last.unwrap()).is_some());
    drop(registry);

    let reopened = open(&backend, 3).await;
    assert!(reopened.model().operations().len() >= 10);
    for n in 0..20 {
        register(&reopened, service, n).await;
    }
    assert!((3..=5).contains(&reopened.model().operations().len()));
}

#[tokio::test]
async fn a_request_is_known_again_after_a_restart() {
    let backend = MemoryBackend::new();
    let new = NewNamespace { creator_request_id: Some("r".into()), ..http("h") };
    let first = open(&backend, 100).await.create_namespace(new.clone()).await.unwrap();
    let reopened = open(&backend, 100).await;
    assert_eq!(reopened.create_namespace(new).await.unwrap(), first);
    assert_eq!(reopened.operation(first).unwrap().status, OperationStatus::Success);
}

#[tokio::test]
async fn the_instances_revision_never_goes_back() {
    let backend = MemoryBackend::new();
    let registry = open(&backend, 100).await;
    let service = public_service(&registry, &[RecordType::A]).await;
    register(&registry, service, 1).await;
    register(&registry, service, 2).await;
    registry.deregister_instance(service, &id("i2")).await.unwrap();
    let before = registry.model().instances_revision(service).unwrap();
    let reopened = open(&backend, 100).await;
    assert!(reopened.model().instances_revision(service).unwrap() >= before);
}
