//! Instances that are deregistered and drain.

mod common;

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use cartonym_registry::RecordType::{A, Srv};
use cartonym_registry::*;
use cartonym_wire::Type;
use common::*;
use tokio::time::Instant;

/// A clock that stands still where tokio's does.
fn clock() -> Timestamp {
    thread_local!(static START: OnceCell<Instant> = const { OnceCell::new() });
    let passed = START.with(|start| start.get_or_init(Instant::now).elapsed());
    Timestamp::from_millis(1_700_000_000_000 + passed.as_millis() as u64)
}

async fn open(backend: &Arc<MemoryBackend>) -> Registry {
    Registry::open(backend.clone(), Options { clock, ..Options::default() }).await.unwrap()
}

/// A service with these records, whose TTL is a minute, and the instances `one`, which asks for `drain`, and `two`.
async fn two(drain: Option<&str>) -> (Arc<MemoryBackend>, Registry, ServiceId) {
    let backend = Arc::new(MemoryBackend::new());
    let registry = open(&backend).await;
    let service = public_service(&registry, &[A, Srv]).await;
    for (number, instance) in ["one", "two"].into_iter().enumerate() {
        let address = format!("192.0.2.{}", number + 1);
        let mut pairs = vec![(key::IPV4, address.as_str()), (key::PORT, "80")];
        pairs.extend(drain.filter(|_| instance == "one").map(|seconds| (key::DRAIN, seconds)));
        registry.register_instance(service, id(instance), attributes(&pairs), None).await.unwrap();
    }
    (backend, registry, service)
}

/// The last octets of the addresses that DNS answers at a name.
fn answered(registry: &Registry, name: &str) -> Vec<u8> {
    let snapshot = registry.table().snapshot();
    let zone = snapshot.zone(&"svc.example.".parse::<cartonym_wire::NameBuf>().unwrap()).unwrap();
    let records = zone.records().filter(|(owner, kind, ..)| owner.to_string() == name && *kind == Type::A);
    let mut octets: Vec<u8> = records.map(|(.., rdata)| rdata[3]).collect();
    octets.sort_unstable();
    octets
}

fn is_there(registry: &Registry, service: ServiceId, instance: &str) -> bool {
    registry.model().instance(service, instance).is_some()
}

const SERVICE: &str = "web.svc.example.";

#[tokio::test(start_paused = true)]
async fn who_drains_is_out_of_dns_at_once_and_registered_until_no_answer_can_be_known() {
    let (_backend, registry, service) = two(Some("0")).await;
    registry.deregister_instance(service, &id("one")).await.unwrap();
    assert_eq!(answered(&registry, SERVICE), [2]);
    // Who knows the SRV record still looks for its target.
    assert_eq!(answered(&registry, "one.web.svc.example."), [1]);
    assert_eq!(registry.model().health_of(service, &id("one")), Some(HealthStatus::Unhealthy));
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert!(is_there(&registry, service, "one"));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!is_there(&registry, service, "one"));
    assert_eq!(answered(&registry, "one.web.svc.example."), Vec::<u8>::new());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_ask_is_gone_at_once() {
    let (_backend, registry, service) = two(None).await;
    registry.deregister_instance(service, &id("one")).await.unwrap();
    assert!(!is_there(&registry, service, "one"));
}

#[tokio::test(start_paused = true)]
async fn a_service_asks_for_its_instances_and_each_may_ask_for_longer() {
    let (_backend, registry, service) = two(Some("300")).await;
    let asked = [(DRAIN.to_owned(), "0".to_owned())].into();
    registry.update_service_attributes(service, asked).await.unwrap();
    registry.deregister_instance(service, &id("one")).await.unwrap();
    registry.deregister_instance(service, &id("two")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(62)).await;
    assert!(is_there(&registry, service, "one") && !is_there(&registry, service, "two"));
    tokio::time::sleep(Duration::from_secs(240)).await;
    assert!(!is_there(&registry, service, "one"));
}

#[tokio::test(start_paused = true)]
async fn the_last_one_is_out_of_dns_too_since_somebody_said_so() {
    let (_backend, registry, service) = two(Some("0")).await;
    registry.deregister_instance(service, &id("two")).await.unwrap();
    registry.deregister_instance(service, &id("one")).await.unwrap();
    assert_eq!(answered(&registry, SERVICE), Vec::<u8>::new());
}

#[tokio::test(start_paused = true)]
async fn draining_goes_on_after_a_restart() {
    let (backend, registry, service) = two(Some("0")).await;
    registry.deregister_instance(service, &id("one")).await.unwrap();
    drop(registry);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let registry = open(&backend).await;
    assert_eq!(answered(&registry, SERVICE), [2]);
    assert!(is_there(&registry, service, "one"));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(!is_there(&registry, service, "one"));
}

#[tokio::test(start_paused = true)]
async fn to_deregister_again_changes_nothing_and_to_register_again_ends_it() {
    let (_backend, registry, service) = two(Some("0")).await;
    registry.deregister_instance(service, &id("one")).await.unwrap();
    let until = registry.model().instance(service, "one").unwrap().instance.draining_until();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let again = registry.deregister_instance(service, &id("one")).await.unwrap();
    assert_eq!(registry.operation(again).unwrap().status, OperationStatus::Success);
    assert_eq!(registry.model().instance(service, "one").unwrap().instance.draining_until(), until);
    let attributes = attributes(&[(key::IPV4, "192.0.2.1"), (key::PORT, "80")]);
    registry.register_instance(service, id("one"), attributes, None).await.unwrap();
    assert_eq!(answered(&registry, SERVICE), [1, 2]);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(answered(&registry, SERVICE), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn who_drains_is_nobodys_successor_and_is_not_removed_before_its_time() {
    let (_backend, registry, service) = two(Some("0")).await;
    let created = |instance: &str| registry.model().instance(service, instance).unwrap().instance.created();
    let (one, two) = (created("one"), created("two"));
    registry.deregister_instance(service, &id("one")).await.unwrap();
    assert!(!registry.expire_instance(service, &id("two"), two, None).await.unwrap(), "the last that is fit");
    assert!(!registry.expire_instance(service, &id("one"), one, None).await.unwrap());
}

#[tokio::test]
async fn a_drain_is_a_number_of_seconds() {
    let registry = Registry::in_memory();
    let service = public_service(&registry, &[A]).await;
    let pairs = [(key::IPV4, "192.0.2.1"), (key::DRAIN, "soon")];
    let refused = registry.register_instance(service, id("one"), attributes(&pairs), None).await;
    assert!(matches!(
        refused,
        Err(RegisterInstanceError::Invalid(InvalidInstance::Value(key, _))) if key == cartonym_registry::key::DRAIN
    ));
    let wrong = [(DRAIN.to_owned(), "-1".to_owned())].into();
    let refused = registry.update_service_attributes(service, wrong).await;
    let error = InvalidServiceAttributes::Drain(DRAIN.into());
    assert!(matches!(refused, Err(ServiceAttributesError::Invalid(found)) if found == error));
}
